//! From the file to what it means.

use netyard_core::diag::{Report, Sources};

use crate::error::{Error, Kind, Result};
use crate::source::{Origin, Unreadable};

/// The yard's own file, read.
pub fn read(origin: &Origin) -> Result<Sources> {
    match origin.read() {
        Ok(source) => Ok(Sources(vec![source])),
        Err(Unreadable { diagnostic, source }) => {
            let sources = Sources(source.into_iter().collect());
            Err(Error::from(Kind::Text(sources, Report(vec![diagnostic]))))
        }
    }
}
