//! `physical`: an interface of the host, lent to a node and given back.
//!
//! ```yaml
//! wan: { kind: physical, host-name: enp6s0 }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::{FullName, InterfaceName};
use crate::shape::{Field, Record, Shape, Type};

/// An interface that was there before; netyard moves it, and never deletes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Physical {
    /// Its name on the host.
    pub host_name: InterfaceName,
}

/// The keys of `kind: physical`.
pub static SHAPE: Shape = Shape {
    name: "`physical` interface",
    doc: "An interface of the host, lent to the node and given back by `down`.",
    fields: &[Field::new(
        "host-name",
        Type::Text,
        "Its name on the host; left out, the same as here.",
    )],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(
    record: &Record,
    name: &Spanned<FullName>,
    report: &mut Report,
) -> Option<Kind> {
    let host_name = match record.text("host-name") {
        Some(text) => text,
        None => name.as_ref().map(|n| n.as_str().to_owned()),
    };
    match InterfaceName::new(&host_name.value) {
        Ok(host_name) => Some(Kind::Physical(Physical { host_name })),
        Err(why) => {
            let text = &host_name.value;
            report.push(crate::diag::shape::bad_kernel_name(text, host_name.span, why.0));
            None
        }
    }
}
