//! The file's shape told to others: as a JSON schema to editors, as a page to
//! people. Both come from the tables that the parser uses ([`crate::shape`]).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::interface::KINDS;
use crate::shape::{Field, Shape, Type};
use crate::spec::shapes;

/// The JSON schema (draft 07, which YAML editors speak) of `netyard.yaml`.
pub fn json() -> Value {
    let mut definitions = Definitions::default();
    let mut root = definitions.object(&shapes::YARD, false);
    let expression = json!({
        "type": "string",
        "pattern": "\\$",
        "description": "A value with variables: `$n`, `${n}`, `$(n + 1)`."
    });
    definitions.done.insert("expression".into(), expression);
    let all: Map<String, Value> = definitions.done.into_iter().collect();
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("netyard.yaml");
    root["definitions"] = Value::Object(all);
    root
}

/// The definitions that were asked for so far, by name.
#[derive(Default)]
struct Definitions {
    done: BTreeMap<String, Value>,
}

impl Definitions {
    /// A mapping of that shape; `repeated` lets it say `for`.
    fn object(&mut self, shape: &Shape, repeated: bool) -> Value {
        let mut properties = Map::new();
        for field in shape.all_fields() {
            properties.insert(field.key.into(), self.property(field));
        }
        if repeated {
            properties.insert("for".into(), repetition());
        }
        let required: Vec<&str> =
            shape.all_fields().filter(|f| f.required).map(|f| f.key).collect();
        let mut object = json!({
            "type": "object",
            "description": shape.doc,
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        object
    }

    fn property(&mut self, field: &Field) -> Value {
        let mut property = self.value(&field.ty);
        property["description"] = json!(field.doc);
        property
    }

    /// A reference to the definition of a shape, which is made at first need.
    fn reference(&mut self, name: String, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.done.contains_key(&name) {
            // Its place is taken first: a shape may lead back to itself.
            self.done.insert(name.clone(), Value::Null);
            let made = make(self);
            self.done.insert(name.clone(), made);
        }
        json!({ "allOf": [{ "$ref": format!("#/definitions/{name}") }] })
    }

    fn value(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Bool => or_expression(json!({ "type": "boolean" })),
            Type::Int { min, max } => {
                or_expression(json!({ "type": "integer", "minimum": min, "maximum": max }))
            }
            Type::Word(words) => or_expression(json!({ "enum": words })),
            Type::Percent | Type::Range { .. } | Type::Text | Type::Rate | Type::Duration => {
                json!({ "type": ["string", "number", "boolean"] })
            }
            Type::Mac | Type::Ip | Type::Cidr | Type::Prefix | Type::Endpoint => {
                json!({ "type": "string" })
            }
            Type::List(of) => json!({ "type": "array", "items": self.item(of) }),
            Type::OneOrMore(of) => {
                let one = self.value(of);
                json!({ "anyOf": [one, { "type": "array", "items": self.item(of) }] })
            }
            Type::Map(of) => {
                let of = self.value(of);
                json!({ "type": "object", "additionalProperties": nullable(of) })
            }
            Type::Settings => json!({ "type": "object" }),
            Type::Record(shape) => self.record(shape, false),
            Type::Either(types) => {
                let all: Vec<Value> = types.iter().map(|ty| self.value(ty)).collect();
                json!({ "anyOf": all })
            }
            Type::Interface => self.reference("interface of any kind".into(), Self::interface),
        }
    }

    fn record(&mut self, shape: &'static Shape, repeated: bool) -> Value {
        let name = if repeated { format!("{} item", shape.name) } else { shape.name.into() };
        self.reference(name.replace('`', ""), |all| all.object(shape, repeated))
    }

    /// An item of a list, which may be repeated.
    fn item(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Record(shape) => self.record(shape, true),
            Type::Either(types) => {
                let all: Vec<Value> = types.iter().map(|ty| self.item(ty)).collect();
                json!({ "anyOf": all })
            }
            other => self.value(other),
        }
    }

    /// An interface has the keys of all, and of its kind.
    fn interface(&mut self) -> Value {
        let mut interface = self.object(&shapes::INTERFACE, false);
        let words: Vec<&str> = KINDS.iter().map(|entry| entry.word).collect();
        interface["properties"]["kind"] = json!({ "enum": words });
        let mut conditions = Vec::new();
        for entry in KINDS {
            for field in entry.shape.all_fields() {
                if interface["properties"].get(field.key).is_none() {
                    interface["properties"][field.key] = json!({});
                }
            }
            let then = self.kind(entry.shape);
            let is =
                json!({ "properties": { "kind": { "const": entry.word } }, "required": ["kind"] });
            conditions.push(json!({ "if": is, "then": then }));
        }
        interface["allOf"] = json!(conditions);
        interface
    }

    fn kind(&mut self, shape: &Shape) -> Value {
        let mut kind = self.object(shape, false);
        if let Some(kind) = kind.as_object_mut() {
            kind.remove("additionalProperties");
        }
        kind
    }
}

fn or_expression(value: Value) -> Value {
    json!({ "anyOf": [value, { "$ref": "#/definitions/expression" }] })
}

/// `r1:` with nothing behind it is an entry as well.
fn nullable(value: Value) -> Value {
    json!({ "anyOf": [value, { "type": "null" }] })
}

fn repetition() -> Value {
    json!({
        "type": "object",
        "description": "Repeats the item for each value: `for: { i: 1..9 }`; several variables are nested loops."
    })
}

/// The reference page, in Markdown: every key of the file.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    let shapes: [&Shape; 12] = [
        &shapes::YARD,
        &shapes::DEFAULTS,
        &shapes::NETWORK,
        &shapes::HOST_SIDE,
        &shapes::NODE,
        &shapes::DNS,
        &shapes::INTERFACE,
        &shapes::ROUTE,
        &shapes::HOP,
        &shapes::RULE,
        &shapes::NEIGHBOUR,
        &shapes::LINK,
    ];
    for shape in shapes {
        section(&mut page, "##", shape);
    }
    section(&mut page, "##", &shapes::IMPAIRMENT);
    section(&mut page, "##", &shapes::PORT_VLANS);
    section(&mut page, "##", &crate::interface::bridge::PORT);
    page.push_str("## kinds of interfaces\n\nThe keys that an interface of a kind has beside those of every interface.\n\n");
    for entry in KINDS {
        page.push_str(&format!("### `kind: {}`\n\n{}\n\n", entry.word, entry.shape.doc));
        table(&mut page, entry.shape);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

const HEAD: &str = "\
# Reference: netyard.yaml

Every key, from the tables that the parser uses. An unknown key is an error. In
keys and values, `$n`, `${n}` and `$(n + 1)` are variables; `$$` is a dollar. A
name may have ranges: `r[1..9]`, `[a,b,c]`; `$i`, `$j`, `$k` are their values. An
item of a list may say `for: { i: 1..9 }`.

";

fn section(page: &mut String, level: &str, shape: &Shape) {
    page.push_str(&format!("{level} {}\n\n{}\n\n", shape.name, shape.doc));
    table(page, shape);
}

fn table(page: &mut String, shape: &Shape) {
    if !shape.fields.is_empty() {
        page.push_str("| key | value | |\n|---|---|---|\n");
    }
    for field in shape.fields {
        let must = if field.required { " **Required.**" } else { "" };
        let value = words(&field.ty).replace('|', "\\|");
        page.push_str(&format!("| `{}` | {value} | {}{must} |\n", field.key, field.doc));
    }
    if !shape.fields.is_empty() {
        page.push('\n');
    }
    if !shape.also.is_empty() {
        let names: Vec<&str> = shape.also.iter().map(|shape| shape.name).collect();
        page.push_str(&format!("And the keys of: {}.\n\n", names.join(", ")));
    }
}

/// What a value may be, for people.
fn words(ty: &Type) -> String {
    match ty {
        Type::Bool => "`true`, `false`".into(),
        Type::Int { min, max } => format!("{min} to {max}"),
        Type::Range { min, max } => format!("{min} to {max}, or `20-29`"),
        Type::Text => "text".into(),
        Type::Word([]) => "a kind".into(),
        Type::Word(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Type::Duration => "time: `20ms`, `1.5s`".into(),
        Type::Percent => "`0.5%`".into(),
        Type::Rate => "`100mbit`, `1gbit`".into(),
        Type::Mac => "MAC address".into(),
        Type::Ip => "address".into(),
        Type::Cidr => "address with length: `10.0.0.1/24`".into(),
        Type::Prefix => "network: `10.0.0.0/24`".into(),
        Type::Endpoint => "`node:interface`".into(),
        Type::List(of) => format!("list of: {}", words(of)),
        Type::OneOrMore(of) => format!("one or a list of: {}", words(of)),
        Type::Map(of) => format!("name: {}", words(of)),
        Type::Settings => "settings".into(),
        Type::Record(shape) => format!("[{}](#{})", shape.name, shape.name.replace(' ', "-")),
        Type::Either(types) => types.iter().map(words).collect::<Vec<_>>().join(" or "),
        Type::Interface => "[interface](#interface)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All `$ref`s in a value.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(to)) = object.get("$ref") {
                    found.push(to);
                }
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_a_definition() {
        let schema = json();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(!found.is_empty());
        for to in found {
            let path = to.strip_prefix('#').unwrap_or(to);
            assert!(schema.pointer(path).is_some_and(Value::is_object), "{to}");
        }
    }

    #[test]
    fn every_kind_is_in_schema_and_reference() {
        let (schema, page) = (json().to_string(), markdown());
        for entry in KINDS {
            assert!(schema.contains(&format!("\"const\":\"{}\"", entry.word)), "{}", entry.word);
            assert!(page.contains(&format!("`kind: {}`", entry.word)), "{}", entry.word);
        }
    }
}
