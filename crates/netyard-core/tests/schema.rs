//! The JSON schema against files that parse and files that do not.

use std::fs;
use std::path::{Path, PathBuf};

use netyard_core::diag::Source;
use netyard_core::interface::KINDS;
use netyard_core::spec;
use serde_json::{Value, json};

fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(root)
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path().join("netyard.yaml"))).collect())
        .unwrap_or_default();
    files.retain(|file| file.exists());
    files.sort();
    files
}

/// The file's diagnostics' codes.
fn codes(file: &Path) -> Vec<&'static str> {
    let text = fs::read_to_string(file).expect("readable case");
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let folder = file.parent().expect("a folder");
    let parsed = spec::parse(root, "case", &mut |path, includer| {
        let includer = Path::new(includer).parent().unwrap_or(Path::new(""));
        fs::read_to_string(folder.join(includer).join(path)).map_err(|e| e.to_string())
    });
    parsed.report.0.iter().map(|d| d.code).collect()
}

/// The file's text as JSON, as an editor sees it: no variable put in, no range
/// expanded.
fn as_json(file: &Path) -> Value {
    let text = fs::read_to_string(file).expect("readable case");
    spec::plain_tree(&text).expect("YAML")
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&spec::schema()).expect("a schema")
}

#[test]
fn what_parses_is_valid() {
    let validator = validator();
    let (mut seen, mut wrong) = (0, Vec::new());
    for file in files("examples").into_iter().chain(files("cases")) {
        if codes(&file).is_empty() {
            seen += 1;
            for error in validator.iter_errors(&as_json(&file)) {
                wrong.push(format!("{}: {error} at {}", file.display(), error.instance_path()));
            }
        }
    }
    assert!(seen >= 8, "only {seen} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_key_word_type_or_number_is_seen_by_an_editor_too() {
    let validator = validator();
    for yard in [
        json!({ "nodse": {} }),
        json!({ "nodes": { "a": { "forward": "yes" } } }),
        json!({ "nodes": { "a": { "interfaces": { "x": { "kind": "brige" } } } } }),
        json!({ "nodes": { "a": { "interfaces": { "x": { "kind": "vlan", "parent": "y" } } } } }),
        json!({ "nodes": { "a": { "interfaces": { "x": { "kind": "vlan", "parent": "y", "id": 5000 } } } } }),
        json!({ "nodes": { "a": { "interfaces": { "x": { "mtu": 5 } } } } }),
        json!({ "nodes": { "a": { "interfaces": { "x": { "id": 5 } } } } }),
        json!({ "nodes": { "a": { "interfaces": { "x": { "address": "10.0.0.1" } } } } }),
        json!({ "networks": { "a": { "mac": "02:00" } } }),
        json!({ "links": [{ "mtu": 1400 }] }),
        json!({ "links": [{ "ends": ["a:x", "b:x"], "delay": "20" }] }),
        json!({ "links": [{ "ends": ["a:x", "b:x"], "for": 3 }] }),
        json!({ "defaults": { "interface": { "kind": "vlan" } } }),
    ] {
        assert!(!validator.is_valid(&yard), "{yard}");
    }
}

#[test]
fn variables_ranges_and_loops_are_valid_where_names_and_numbers_are() {
    let validator = validator();
    for yard in [
        json!({ "vars": { "n": 3 }, "nodes": { "r[1..$n]": null, "x$n": { "interfaces": { "eth[0..3]": { "mtu": "$(n * 100)" } } } } }),
        json!({ "links": [{ "for": { "i": "1..9", "j": ["a", "b"] }, "ends": ["r$i:a", "r$(i + 1):b"] }] }),
        json!({ "nodes": { "a": { "exec": [{ "for": { "i": "1..3" }, "item": "echo $i" }] } } }),
        json!({ "defaults": { "link": { "delay": "$d" }, "interface": { "mtu": 1400 } } }),
    ] {
        let errors: Vec<String> = validator.iter_errors(&yard).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{yard}: {errors:?}");
    }
}

#[test]
fn the_schema_is_the_same_every_time_and_describes_every_key() {
    assert_eq!(spec::schema().to_string(), spec::schema().to_string());
    fn walk(value: &Value, path: &str) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, property) in properties {
                let told =
                    property.get("description").is_some() || key == "kind" || path.contains("/if");
                assert!(told || path.ends_with("item"), "{path}/{key} has no description");
            }
        }
        if let Some(object) = value.as_object() {
            object.iter().for_each(|(key, value)| walk(value, &format!("{path}/{key}")));
        }
    }
    walk(&spec::schema()["$defs"], "");
}

#[test]
fn every_kind_and_key_is_on_the_reference_page() {
    let page = spec::reference();
    for entry in KINDS {
        assert!(page.contains(&format!("`kind: {}`", entry.word)), "{}", entry.word);
        for field in entry.shape.all_fields() {
            assert!(page.contains(&format!("| `{}` |", field.key)), "{}", field.key);
        }
    }
    for key in ["yard", "suppress-prefix-length", "native", "corrupt", "unicast-flood", "host"] {
        assert!(page.contains(&format!("| `{key}` |")), "{key}");
    }
}
