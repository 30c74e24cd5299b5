//! Rows between JSON, as PostgreSQL writes it, and records.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::catalog::Relation;
use super::types::Family;
use crate::policy::Field;
use crate::record::{Record, Value};

/// Values inside values deeper than this stay the JSON text that they are.
const MOST_DEPTH: u8 = 100;

/// The fields of rows.
pub(super) struct Shape {
    /// Their names, and whether they are bytes.
    fields: Vec<(String, bool)>,
}

impl Shape {
    pub(super) fn of(relation: &Relation, fields: &[Field]) -> Self {
        let is_bytes = |name: &str| relation.column(name).is_some_and(|column| column.family == Family::Bytes);
        Self { fields: fields.iter().map(|field| (field.name.clone(), is_bytes(&field.name))).collect() }
    }

    /// A row. None: it is no JSON object, or lacks a field.
    pub(super) fn record(&self, text: &str) -> Option<Record> {
        let raw: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
        let mut record = Record::default();
        for (name, is_bytes) in &self.fields {
            let read = value(raw.get(name.as_str())?.get(), 0)?;
            record.set(name.clone(), if *is_bytes { bytes(read)? } else { read });
        }
        Some(record)
    }
}

/// A row with whatever fields it has, of which none is bytes.
pub(super) fn whole(text: &str) -> Option<Record> {
    let raw: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    let mut record = Record::default();
    for (name, raw) in raw {
        record.set(name.into_owned(), value(raw.get(), 0)?);
    }
    Some(record)
}

/// A JSON value, with the digits of its numbers.
fn value(json: &str, depth: u8) -> Option<Value> {
    let text = |json: &str| serde_json::from_str::<Cow<'_, str>>(json).ok().map(Cow::into_owned);
    if depth == MOST_DEPTH {
        return Some(Value::Text(json.to_owned()));
    }
    Some(match json.as_bytes().first()? {
        b'n' => Value::Null,
        b't' => Value::Bool(true),
        b'f' => Value::Bool(false),
        b'"' => Value::Text(text(json)?),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            Value::List(items.iter().map(|item| value(item.get(), depth + 1)).collect::<Option<_>>()?)
        }
        b'{' => {
            let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json).ok()?;
            let field =
                |(name, raw): (Cow<'_, str>, &RawValue)| Some((name.into_owned(), value(raw.get(), depth + 1)?));
            Value::Map(fields.into_iter().map(field).collect::<Option<_>>()?)
        }
        _ => Value::Number(json.to_owned()),
    })
}

/// Bytes as PostgreSQL writes them: `\x` and their digits.
fn bytes(value: Value) -> Option<Value> {
    match value {
        Value::Text(text) => hex::decode(text.strip_prefix("\\x")?).ok().map(Value::Bytes),
        value => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_what_is_too_deep_stays_text() {
        let json = r#"{"n":12345678901234567890.10,"e":"Infinity","t":"ü\n\u0041","l":[1.0,null,{"x":true}]}"#;
        let read = value(json, 0).unwrap();
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            r#"{"e":"Infinity","l":[1.0,null,{"x":true}],"n":12345678901234567890.10,"t":"ü\nA"}"#
        );
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let mut read = value(&deep, 0).unwrap();
        for _ in 0..MOST_DEPTH {
            let Value::List(mut inner) = read else { panic!() };
            read = inner.remove(0);
        }
        assert!(matches!(read, Value::Text(_)));
        assert!(value("[1", 0).is_none() && value("", 0).is_none());
    }
}
