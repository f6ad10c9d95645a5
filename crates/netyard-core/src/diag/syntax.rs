//! Messages about the text itself: what is not YAML, or too much of it.
