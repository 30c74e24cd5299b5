//! A row or object as a connector reads it: one shape for every kind of system.
//!
//! The rule of this room: numbers keep their digits as they were stored, and nothing here prints.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One value of a field.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Absent on purpose.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, with the digits of the system that it came from; always a valid JSON number.
    Number(String),
    /// Text.
    Text(String),
    /// Bytes; base64 in an export.
    Bytes(Vec<u8>),
    /// An ordered list.
    List(Vec<Value>),
    /// An object.
    Map(Record),
}

impl Value {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text by which other rows may refer to it: a text, a number's digits, bytes as base64.
    #[must_use]
    pub fn as_key(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Some(Cow::Owned(base64::engine::general_purpose::STANDARD.encode(bytes))),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(digits) => serde_json::value::RawValue::from_string(digits.clone())
                .map_err(|_| serde::ser::Error::custom("a number that JSON cannot say"))?
                .serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes)),
            Self::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(value)?;
                }
                list.end()
            }
            Self::Map(record) => record.serialize(serializer),
        }
    }
}

/// Named values, in the order of their names.
#[derive(Clone, Default, PartialEq)]
pub struct Record(BTreeMap<String, Value>);

impl Record {
    /// Sets a field.
    pub fn set(&mut self, field: impl Into<String>, value: Value) {
        self.0.insert(field.into(), value);
    }

    /// A field's value, if it is there.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// The value at a path of names with dots between them, through objects.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        let (first, rest) = path.split_once('.')?;
        match self.get(first)? {
            Value::Map(inner) => inner.at(rest),
            _ => None,
        }
    }

    /// All values at a path of names with dots between them, through objects and lists: of a list, its elements.
    #[must_use]
    pub fn values_at(&self, path: &str) -> Vec<&Value> {
        if let Some(value) = self.get(path) {
            return flat(value);
        }
        let Some((first, rest)) = path.split_once('.') else { return Vec::new() };
        self.get(first).map(objects).unwrap_or_default().into_iter().flat_map(|inner| inner.values_at(rest)).collect()
    }

    /// The values by which other rows may refer to this one, at several paths at once. Each is a text that is not empty;
    /// without one at every path there are none. Paths into the same list go through its elements together, so that what
    /// belongs to one object is not mixed with what belongs to the next.
    #[must_use]
    pub fn keys_at(&self, paths: &[&str]) -> Vec<Vec<String>> {
        if let Some((head, rests)) = self.common_head(paths) {
            let inner = self.get(head).map(objects).unwrap_or_default();
            return inner.into_iter().flat_map(|record| record.keys_at(&rests)).collect();
        }
        let mut found: Vec<Vec<String>> = vec![Vec::new()];
        for path in paths {
            let keys = self.values_at(path).into_iter().filter_map(Value::as_key).map(String::from);
            let keys: Vec<String> = keys.filter(|key| !key.is_empty()).collect();
            let with_each = |begun: &Vec<String>| -> Vec<Vec<String>> {
                keys.iter().map(|key| [begun.as_slice(), std::slice::from_ref(key)].concat()).collect()
            };
            found = found.iter().flat_map(with_each).collect();
        }
        found
    }

    /// The name that all paths begin with, and the rest of each.
    fn common_head<'p>(&self, paths: &[&'p str]) -> Option<(&'p str, Vec<&'p str>)> {
        let (head, _) = paths.first()?.split_once('.')?;
        let rest = |path: &&'p str| path.strip_prefix(head)?.strip_prefix('.').filter(|_| self.get(path).is_none());
        Some((head, paths.iter().map(rest).collect::<Option<_>>()?))
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &str) -> Option<Value> {
        self.0.remove(field)
    }

    /// The fields and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }

    /// The fields and their values, to change the values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value)> {
        self.0.iter_mut().map(|(field, value)| (field.as_str(), value))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value, or the elements of a list, and of the lists in it.
fn flat(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(values) => values.iter().flat_map(flat).collect(),
        value => vec![value],
    }
}

/// The objects that a value is or lists.
fn objects(value: &Value) -> Vec<&Record> {
    let mut objects = Vec::new();
    for value in flat(value) {
        if let Value::Map(record) = value {
            objects.push(record);
        }
    }
    objects
}

impl FromIterator<(String, Value)> for Record {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, value) in &self.0 {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_lists_and_objects_without_being_mixed() {
        let text = |text: &str| Value::Text(text.into());
        let object = |tenant, id| Value::Map([("t".into(), text(tenant)), ("id".into(), id)].into_iter().collect());
        let mut record = Record::default();
        record.set("emails", Value::List(vec![text("a"), text(""), Value::Null, text("b")]));
        record.set("lines", Value::List(vec![object("x", Value::Number("1".into())), object("y", text("2"))]));
        assert_eq!(record.keys_at(&["emails"]), [["a"], ["b"]]);
        assert_eq!(record.keys_at(&["lines.id"]), [["1"], ["2"]]);
        assert_eq!(record.keys_at(&["lines.t", "lines.id"]), [["x", "1"], ["y", "2"]]);
        assert_eq!(record.keys_at(&["emails", "lines.id"]).len(), 4);
        assert!(record.keys_at(&["emails", "missing"]).is_empty());
        record.set("a.b", text("c"));
        assert_eq!(record.keys_at(&["a.b"]), [["c"]]);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let mut record = Record::default();
        record.set("n", Value::Number("12345678901234567890.10".into()));
        record.set("b", Value::Bytes(vec![0, 255]));
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"b":"AP8=","n":12345678901234567890.10}"#);
    }
}
