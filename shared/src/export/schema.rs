//! A JSON Schema (2020-12) for the records of one collection: what the dataset declares of it, and the types that this
//! package has. Pure.
//!
//! A declared type that the data does not keep to would make the package contradict itself, so what was found is allowed
//! beside what was declared.

use serde_json::{Map, Value, json};

use super::manifest::split;
use super::table::{Columns, Kind, Kinds};
use crate::connectors::masked;
use crate::policy::{ExportRules, Field, Pinned};

/// The schema of `data/<dataset>/<collection>.json`.
#[must_use]
pub fn schema(policy: &Pinned, name: &str, columns: &Columns) -> Value {
    let export = &policy.policy().export;
    let described = policy.collection(name);
    let fields = described.map_or(&[][..], |collection| collection.fields.as_slice());
    let mut properties = Map::new();
    for column in &columns.list {
        let field = fields.iter().find(|field| field.name == column.name);
        properties.insert(column.name.clone(), property(export, field, column.kinds));
    }
    let is_left_out = |field: &&Field| field.data_categories.iter().any(|category| export.omits(category));
    let left_out: Vec<Value> = fields
        .iter()
        .filter(is_left_out)
        .map(|field| json!({"field": field.name, "data_categories": field.data_categories}))
        .collect();
    let (dataset, collection) = split(name);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:habeas:policy:{}:{dataset}:{collection}", policy.digest()),
        "title": name,
        "type": "array",
        "items": {"type": "object", "properties": properties},
        "x-left-out": left_out,
    });
    if let Some(rule) = policy.rule(name).filter(|rule| !rule.others.is_empty()) {
        schema["x-left-out-of-others"] = json!(rule.others);
    }
    if let Some(description) = described.and_then(|collection| collection.description.as_ref()) {
        schema["description"] = json!(description);
    }
    schema
}

/// One field. Without types if none is declared and none was found.
fn property(export: &ExportRules, field: Option<&Field>, found: Kinds) -> Value {
    let mut property = Map::new();
    let mut kinds = found;
    if let Some(field) = field {
        annotate(export, field, &mut property);
        let is_masked = property.contains_key("x-masked");
        match field.fides_meta.data_type.as_deref().and_then(declared) {
            // What is masked leaves as text, whatever it was.
            Some(_) if is_masked => kinds.add(Kind::String),
            Some(kind) => kinds.add(kind),
            None => {}
        }
    }
    let mut types: Vec<&str> = Kind::ALL.into_iter().filter(|kind| kinds.has(*kind)).map(Kind::name).collect();
    // To JSON Schema every integer is a number.
    if types.contains(&"number") {
        types.retain(|name| *name != "integer");
    }
    match types.as_slice() {
        [] => {}
        [one] => drop(property.insert("type".to_owned(), json!(one))),
        many => drop(property.insert("type".to_owned(), json!(many))),
    }
    Value::Object(property)
}

/// What the dataset says of a field, and of those inside it; types of these were not looked at.
fn annotate(export: &ExportRules, field: &Field, property: &mut Map<String, Value>) {
    if let Some(description) = &field.description {
        property.insert("description".to_owned(), json!(description));
    }
    if !field.data_categories.is_empty() {
        property.insert("x-data-categories".to_owned(), json!(field.data_categories));
    }
    let keep_last = field.data_categories.iter().filter_map(|category| masked(export, category)).min();
    if let Some(keep_last) = keep_last {
        property.insert("x-masked".to_owned(), json!({"kept_at_the_end": keep_last}));
    }
    if !field.fields.is_empty() {
        let inner = field.fields.iter().map(|inner| {
            let mut property = Map::new();
            annotate(export, inner, &mut property);
            (inner.name.clone(), Value::Object(property))
        });
        property.insert("properties".to_owned(), Value::Object(inner.collect()));
    }
}

/// The kind of JSON value behind a type of fideslang.
fn declared(data_type: &str) -> Option<Kind> {
    if data_type.ends_with("[]") {
        return Some(Kind::Array);
    }
    match data_type {
        "string" | "object_id" => Some(Kind::String),
        "integer" => Some(Kind::Integer),
        "float" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        "object" => Some(Kind::Object),
        _ => None,
    }
}
