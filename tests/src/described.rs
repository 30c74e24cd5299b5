//! Answers of the API, held against infra/openapi.yaml: the code answers what the contract describes, no more and no less.
//!
//! The rule of this file: a field that the contract does not have is a fault, even where JSON Schema would let it pass.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::yaml;

static CONTRACT: LazyLock<Value> = LazyLock::new(|| yaml::read("infra/openapi.yaml"));

/// infra/openapi.yaml.
pub fn contract() -> &'static Value {
    &CONTRACT
}

/// Every field of an answer must be in its schema, what the schema requires must be there, and each value be of its type.
pub fn assert_described(schema: &Value, answer: &Value, at: &str) {
    let faults = faults(schema, answer, at);
    assert!(faults.is_empty(), "infra/openapi.yaml does not describe the answer: {faults:#?}\n{answer:#}");
}

/// The same for an answer to a call. Problems may come from a path that leads nowhere, which no contract describes.
pub(crate) fn assert_answer_described(method: &str, path: &str, status: u16, kind: &str, text: &str) {
    let at = format!("{method} {path} {status}");
    // Without what follows a media type, such as how its text is written.
    let kind = kind.split(';').next().unwrap_or_default();
    let Some(operation) = operation(method, path) else {
        assert!(status >= 400, "{at}: the contract has no such operation");
        return;
    };
    let response = &operation["responses"][status.to_string()];
    assert!(!response.is_null(), "{at}: the contract has no such answer: {text}");
    let schema = &resolved(response)["content"][kind]["schema"];
    assert!(!schema.is_null(), "{at}: the contract has no {kind}");
    if kind.ends_with("json") {
        assert_described(schema, &serde_json::from_str(text).unwrap(), &at);
    }
}

/// What the contract says of a call. Of paths that fit, the one with the fewest names in braces.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let is_name = |part: &str| part.starts_with('{');
    let fits = |pattern: &&String| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == parts.len() && pattern.iter().zip(&parts).all(|(one, part)| is_name(one) || one == part)
    };
    let paths = CONTRACT["paths"].as_object().unwrap();
    let found =
        paths.keys().filter(fits).min_by_key(|pattern| pattern.split('/').filter(|part| is_name(part)).count())?;
    paths[found].get(method.to_lowercase())
}

/// What a reference leads to.
fn resolved(schema: &'static Value) -> &'static Value {
    lead(&CONTRACT, schema)
}

fn lead<'a>(contract: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => lead(contract, contract.pointer(&reference[1..]).unwrap()),
        None => schema,
    }
}

/// A schema with those that it is all of.
fn parts<'a>(schema: &'a Value, found: &mut Vec<&'a Value>) {
    let schema = lead(&CONTRACT, schema);
    found.push(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        parts(part, found);
    }
}

/// What is wrong with a value.
fn faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut all = Vec::new();
    parts(schema, &mut all);
    let mut found = Vec::new();
    for part in &all {
        found.extend(plain_faults(part, value, at));
        for arms in ["oneOf", "anyOf"].into_iter().filter_map(|word| part[word].as_array()) {
            // That of the arm which is closest says most.
            let tried = arms.iter().map(|arm| faults(arm, value, at));
            found.extend(tried.min_by_key(Vec::len).unwrap_or_default());
        }
    }
    match value {
        Value::Object(fields) => {
            let lists = all.iter().filter_map(|part| part["properties"].as_object());
            let known: BTreeMap<&String, &Value> = lists.flatten().collect();
            let chooses = all.iter().any(|part| !part["oneOf"].is_null() || !part["anyOf"].is_null());
            for (name, field) in fields {
                let at = format!("{at}.{name}");
                let others =
                    all.iter().find_map(|part| part.get("additionalProperties").filter(|more| more.is_object()));
                match known.get(name).copied().or(others) {
                    Some(schema) => found.extend(faults(schema, field, &at)),
                    // An object of which nothing is said may be any, and of one that is of many kinds each kind is asked.
                    None if known.is_empty() && (chooses || all.iter().any(|part| part["type"] == "object")) => {}
                    None => found.push(format!("{at} is not in the contract")),
                }
            }
        }
        Value::Array(values) => {
            let items = all.iter().find_map(|part| part.get("items"));
            for value in values {
                match items {
                    Some(items) => found.extend(faults(items, value, &format!("{at}[]"))),
                    None => found.push(format!("{at}[] is not in the contract")),
                }
            }
        }
        _ => {}
    }
    found
}

/// What is wrong by the words that say something of the value itself.
fn plain_faults(schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
        found.push(format!("{at} is no {}: {value}", types.join(" or ")));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at} is none of the words of the contract: {value}"));
    }
    if schema.get("const").is_some_and(|one| one != value) {
        found.push(format!("{at} is not {}: {value}", schema["const"]));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
        && number < least
    {
        found.push(format!("{at} is less than {least}: {number}"));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.as_object().is_some_and(|fields| !fields.contains_key(required)) {
            found.push(format!("{at} has no {required}"));
        }
    }
    found
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type that is known here"),
    }
}
