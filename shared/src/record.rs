//! A row or object as a connector reads it: one shape for every kind of system.
//!
//! The rule of this room: numbers keep their digits as they were stored, and nothing here prints.

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

    /// The text by which other rows may refer to it: a text, or a number's digits.
    #[must_use]
    pub fn as_key(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
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
    fn numbers_keep_their_digits() {
        let mut record = Record::default();
        record.set("n", Value::Number("12345678901234567890.10".into()));
        record.set("b", Value::Bytes(vec![0, 255]));
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"b":"AP8=","n":12345678901234567890.10}"#);
    }
}
