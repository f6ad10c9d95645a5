//! Messages about includes, variables, ranges and loops.
