//! Messages about keys and values: what does not fit its shape.
