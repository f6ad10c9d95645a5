//! Tables -> JSON Schema (draft 2020-12), for editors: completion, descriptions
//! and most mistakes while typing.
//!
//! It is as strict as [`super::parse`] where JSON Schema can be. What it allows
//! beyond: a text with `$` wherever a variable may stand, and any key that has
//! a range or variable in it where names are free.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::shapes::{DEFAULTS, INTERFACE, YARD};
use crate::interface::KINDS;
use crate::shape::{Shape, Type};

/// The JSON Schema of a yard's file.
pub fn schema() -> Json {
    let mut schema = Schema { definitions: BTreeMap::new() };
    let Json::Object(mut root) = schema.record(&[&YARD], Mode::Plain) else { return Json::Null };
    schema.interface();
    schema.definitions.insert("for".into(), repetition());
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!("netyard"));
    root.insert("$defs".into(), Json::Object(schema.definitions.into_iter().collect()));
    // One order of keys, whatever the map's.
    Json::Object(root)
}

/// Words that are truth values to some readers of YAML.
const TRUTHS: [&str; 4] = ["on", "off", "yes", "no"];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    /// In a list, where `for` repeats.
    Item,
    /// In `defaults:`, where nothing is required.
    Defaults,
}

struct Schema {
    definitions: BTreeMap<String, Json>,
}

impl Schema {
    fn record(&mut self, shapes: &[&'static Shape], mode: Mode) -> Json {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in shapes.iter().flat_map(|s| s.all_fields()) {
            if properties.contains_key(field.key) {
                continue; // of two fields of one key, the first table's counts
            }
            let inner = match mode {
                Mode::Defaults => Mode::Defaults,
                _ if std::ptr::eq(shapes[0], &DEFAULTS) => Mode::Defaults,
                _ => Mode::Plain,
            };
            let mut property = match field.key {
                "vars" => json!({
                    "type": ["object", "null"],
                    "additionalProperties": { "type": ["string", "number", "boolean"] },
                }),
                _ => self.ty(&field.ty, inner),
            };
            if let Json::Object(property) = &mut property {
                property.insert("description".into(), json!(field.doc));
            }
            properties.insert(field.key.into(), property);
            if field.required && mode != Mode::Defaults {
                required.push(json!(field.key));
            }
        }
        if mode == Mode::Item {
            properties.insert("for".into(), loops());
        }
        let mut object = json!({
            "type": ["object", "null"],
            "description": shapes[0].doc,
            "properties": properties,
            // Editors see the text as it is, merge keys and all.
            "patternProperties": { "^<<$": {} },
            "additionalProperties": false,
        });
        if !required.is_empty() {
            object["required"] = Json::Array(required);
            object["type"] = json!("object");
        }
        object
    }

    /// A reference to the definition of a shape.
    fn reference(&mut self, shape: &'static Shape, mode: Mode) -> Json {
        let suffix = match mode {
            Mode::Plain => "",
            Mode::Item => "-item",
            Mode::Defaults => "-defaults",
        };
        let name = format!("{}{suffix}", shape.name.replace('`', "").replace(' ', "-"));
        if !self.definitions.contains_key(&name) {
            self.definitions.insert(name.clone(), Json::Null); // it may refer to itself
            let record = self.record(&[shape], mode);
            self.definitions.insert(name.clone(), record);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// The definitions of interfaces: one for each kind and one for none, chosen
    /// by what `kind` says.
    fn interface(&mut self) {
        let words: Vec<&str> = KINDS.iter().map(|k| k.word).collect();
        let kind = json!({ "enum": words, "description": INTERFACE.fields[0].doc });
        let mut choices = vec![json!({
            "if": { "type": "object", "required": ["kind"] },
            "else": { "$ref": "#/$defs/interface-plain" },
        })];
        let mut plain = self.record(&[&INTERFACE], Mode::Plain);
        plain["properties"]["kind"] = kind.clone();
        self.definitions.insert("interface-plain".into(), plain);
        for entry in KINDS {
            let mut own = self.record(&[entry.shape, &INTERFACE], Mode::Plain);
            own["properties"]["kind"] = json!({ "const": entry.word });
            own["description"] = json!(entry.shape.doc);
            let name = format!("interface-{}", entry.word);
            choices.push(json!({
                "if": {
                    "type": "object",
                    "required": ["kind"],
                    "properties": { "kind": { "const": entry.word } },
                },
                "then": { "$ref": format!("#/$defs/{name}") },
            }));
            self.definitions.insert(name, own);
        }
        let interface = json!({
            "type": ["object", "null"],
            "description": INTERFACE.doc,
            "properties": { "kind": { "anyOf": [kind, variable()] } },
            "allOf": choices,
        });
        self.definitions.insert("interface".into(), interface);
        let mut defaults = self.record(&[&INTERFACE], Mode::Defaults);
        if let Some(properties) = defaults["properties"].as_object_mut() {
            properties.remove("kind");
        }
        self.definitions.insert("interface-defaults".into(), defaults);
    }

    fn ty(&mut self, ty: &Type, mode: Mode) -> Json {
        match ty {
            Type::Bool => or_variable(json!({ "type": "boolean" })),
            Type::Int { min, max } => {
                or_variable(json!({ "type": "integer", "minimum": min, "maximum": max }))
            }
            Type::Range { min, max } => json!({ "anyOf": [
                { "type": "integer", "minimum": min, "maximum": max },
                { "type": "string", "pattern": "^[0-9]+ *- *[0-9]+$|\\$" },
            ]}),
            Type::Text => json!({ "type": ["string", "number", "boolean"] }),
            // Editors may take `on` for a truth value, as YAML 1.1 does; the parser takes both.
            Type::Word(words) if words.iter().any(|word| TRUTHS.contains(word)) => {
                or_variable(json!({ "anyOf": [{ "enum": words }, { "type": "boolean" }] }))
            }
            Type::Word(words) => or_variable(json!({ "enum": words })),
            Type::Duration => text(
                "^0$|^[0-9]+(\\.[0-9]+)? *(ns|us|µs|μs|ms|s|sec|m|min|h)$",
                &[json!({ "const": 0 })],
            ),
            Type::Percent => text(
                "^[0-9]+(\\.[0-9]+)? *%?$",
                &[json!({ "type": "number", "minimum": 0, "maximum": 100 })],
            ),
            Type::Rate => text(
                "^[0-9]+(\\.[0-9]+)? *([kKmMgGtT]?[bB][iI][tT](/[sS])?|[kKmMgGtT]?B(ps|/s))$",
                &[json!({ "const": 0 })],
            ),
            Type::Mac => text("^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$", &[]),
            Type::Ip => text("^[0-9.]+$|^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$", &[]),
            Type::Cidr | Type::Prefix => text("^[0-9a-fA-F:.]+/[0-9]+$", &[]),
            Type::Endpoint => text("^[^:]+:[^:]+$", &[]),
            Type::List(ty) => {
                json!({ "type": ["array", "null"], "items": self.item(ty, mode) })
            }
            Type::OneOrMore(ty) => json!({ "anyOf": [
                self.ty(ty, mode),
                { "type": "array", "items": self.item(ty, mode) },
            ]}),
            Type::Map(Type::Service) => self.services(mode),
            Type::Map(ty) => {
                json!({ "type": ["object", "null"], "additionalProperties": self.ty(ty, mode) })
            }
            Type::Settings => json!({ "$ref": self.settings() }),
            Type::Record(shape) => self.reference(shape, mode),
            Type::Either(all) => {
                let all: Vec<Json> = all.iter().map(|ty| self.ty(ty, mode)).collect();
                json!({ "anyOf": all })
            }
            Type::Service => self.reference(crate::service::OTHER.shape, mode),
            Type::Interface => json!({ "$ref": match mode {
                Mode::Defaults => "#/$defs/interface-defaults",
                _ => "#/$defs/interface",
            }}),
        }
    }

    /// Those that netyard knows by name, and any other.
    fn services(&mut self, mode: Mode) -> Json {
        let known: Map<String, Json> = crate::service::SERVICES
            .iter()
            .map(|entry| {
                let shape = self.reference(entry.shape, mode);
                let told = json!({ "description": entry.shape.doc, "allOf": [shape] });
                (entry.word.to_owned(), told)
            })
            .collect();
        json!({
            "type": ["object", "null"],
            "properties": known,
            "additionalProperties": self.ty(&Type::Service, mode),
        })
    }

    /// An item of a list: as it is, or repeated by `for`.
    fn item(&mut self, ty: &Type, mode: Mode) -> Json {
        let repeated = |item: Json| {
            json!({
                "type": "object",
                "required": ["for", "item"],
                "properties": { "for": loops(), "item": item },
                "additionalProperties": false,
            })
        };
        let mut choices = Vec::new();
        let all = match ty {
            Type::Either(all) => all,
            _ => std::slice::from_ref(ty),
        };
        for ty in all {
            choices.push(match ty {
                Type::Record(shape) => self.reference(shape, Mode::Item),
                _ => self.ty(ty, mode),
            });
        }
        let whole = self.ty(ty, mode);
        choices.push(repeated(whole));
        json!({ "anyOf": choices })
    }

    /// Settings nest.
    fn settings(&mut self) -> &'static str {
        self.definitions.entry("settings".into()).or_insert_with(|| {
            json!({
                "type": ["object", "null"],
                "additionalProperties": { "anyOf": [
                    { "type": ["string", "number", "boolean"] },
                    { "$ref": "#/$defs/settings" },
                ]},
            })
        });
        "#/$defs/settings"
    }
}

fn loops() -> Json {
    json!({ "$ref": "#/$defs/for" })
}

fn repetition() -> Json {
    json!({
        "description": "Repeats this item for every value of its variables: `for: { i: 1..10 }`.",
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "anyOf": [
            { "type": "string", "pattern": "\\.\\.|,|\\$" },
            { "type": "array", "items": { "type": ["string", "number", "boolean"] } },
        ]},
    })
}

/// A text with a variable in it.
fn variable() -> Json {
    json!({ "type": "string", "pattern": "\\$" })
}

fn or_variable(schema: Json) -> Json {
    json!({ "anyOf": [schema, variable()] })
}

fn text(pattern: &str, others: &[Json]) -> Json {
    let mut choices = vec![json!({ "type": "string", "pattern": pattern }), variable()];
    choices.extend_from_slice(others);
    json!({ "anyOf": choices })
}
