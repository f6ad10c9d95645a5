//! The Yard: what the Spec means. Names are resolved, defaults filled in,
//! addresses and MACs allotted, deterministically.
