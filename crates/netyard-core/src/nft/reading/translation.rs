//! Translations, whose addresses and ports come from registers.

use super::field::Form;
use super::{Held, Reading};
use crate::nft::expr::Expr;

impl Reading {
    pub(super) fn translate(&mut self, e: &Expr) {
        let (word, addresses, ports, flags) = match &*e.name {
            "masq" => ("masquerade".to_owned(), (None, None), (e.number(2), e.number(3)), 1),
            "redir" => ("redirect".to_owned(), (None, None), (e.number(1), e.number(2)), 3),
            _ => {
                let sort = if e.number(1) == Some(0) { "snat" } else { "dnat" };
                let family = if e.number(2) == Some(10) { "ip6" } else { "ip" };
                let addresses = (e.number(3), e.number(4));
                (format!("{sort} {family}"), addresses, (e.number(5), e.number(6)), 7)
            }
        };
        let flags = e.number(flags).unwrap_or_default();
        let ipv6 = e.is("nat") && e.number(2) == Some(10);
        let mut to = String::new();
        if addresses.0.is_some() {
            let address = match flags & 64 {
                0 => self.range(addresses, Form::Address),
                _ => self.prefix(addresses).unwrap_or_default(),
            };
            to += &if ipv6 && ports.0.is_some() { format!("[{address}]") } else { address };
        }
        if ports.0.is_some() {
            let one_map = matches!(self.held(addresses.0), Some(Held::Map(_)));
            let port = self.range(ports, Form::Big);
            // A map gives both at once.
            if !one_map {
                to += &format!(":{port}");
            }
        }
        let mut word = word;
        if !to.is_empty() {
            word += if flags & 64 != 0 { " prefix to " } else { " to " };
            word += &to;
        }
        let names = [(4, "random"), (16, "fully-random"), (8, "persistent")];
        let names: Vec<&str> =
            names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
        if !names.is_empty() {
            word += &format!(" {}", names.join(","));
        }
        self.registers.clear();
        self.words.push(word);
    }

    /// Both ends of a prefix as one.
    fn prefix(&self, registers: (Option<u32>, Option<u32>)) -> Option<String> {
        let ip = |register| match self.held(register) {
            Some(Held::Value(value)) => crate::wire::ip(&value),
            _ => None,
        };
        let (first, last) = (ip(registers.0)?, ip(registers.1)?);
        crate::nft::text::spanned(first, last).map(|net| net.to_string())
    }

    fn range(&self, registers: (Option<u32>, Option<u32>), form: Form) -> String {
        let text = |register| match self.held(register) {
            Some(Held::Value(value)) => form.write(&value),
            Some(Held::Map(map)) => map,
            Some(Held::Field(field)) => field.name,
            None => "?".to_owned(),
        };
        let first = text(registers.0);
        match registers.1.filter(|last| Some(*last) != registers.0) {
            None => first,
            Some(last) => format!("{first}-{}", text(Some(last))),
        }
    }
}
