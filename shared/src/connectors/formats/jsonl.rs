//! JSON Lines: one object a line.
//!
//! A line can only match if it holds a value as it is, or written with escapes; so what is looked for are the values and
//! the escapes that could hide them. A line of the person's that changes is written anew, its other fields as they were.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{Parsed, TextFormat, Whole};
use super::{FormatError, Whose};
use crate::mask::Masked;
use crate::record::{Record, Value};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Most objects and lists inside one another, as deep as `serde_json` goes.
const MOST_DEPTH: u8 = 128;

/// The format.
pub(super) struct Jsonl;

impl TextFormat for Jsonl {
    fn needles(&self, value: &str) -> Vec<Vec<u8>> {
        if value.chars().any(|c| c == '"' || c == '\\' || c < ' ') {
            // What JSON must escape has a backslash in it, however it is escaped.
            return vec![br"\".to_vec()];
        }
        let escapes = if value.is_ascii() { br"\u00".to_vec() } else { br"\u".to_vec() };
        let mut needles = vec![value.as_bytes().to_vec(), escapes];
        if value.contains('/') {
            needles.push(br"\/".to_vec());
        }
        needles
    }

    fn head(&mut self, bytes: &[u8], is_last: bool, _: &Whose) -> Result<Option<usize>, FormatError> {
        let enough = is_last || bytes.len() >= BYTE_ORDER_MARK.len();
        Ok(enough.then(|| if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }))
    }

    fn whole(&self, bytes: &[u8], is_last: bool) -> Result<Whole, FormatError> {
        let end = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
        Ok(Whole::Lines(if is_last { bytes.len() } else { end }))
    }

    fn parse(&self, record: &[u8], whose: &Whose) -> Parsed {
        if record.trim_ascii().is_empty() {
            return Parsed::Other;
        }
        let Ok(object) = serde_json::from_slice::<Object<'_>>(record) else {
            return Parsed::Unreadable;
        };
        let texts = |field: &str| {
            let mut texts = Vec::new();
            object.texts(field, MOST_DEPTH, &mut texts)?;
            Some(texts)
        };
        match whose.way(texts) {
            None => Parsed::Unreadable,
            Some(None) => Parsed::Other,
            Some(Some(way)) => match object.record(MOST_DEPTH) {
                Some(record) => Parsed::Theirs(record, way),
                None => Parsed::Unreadable,
            },
        }
    }

    fn edit(&self, record: &[u8], changes: &[(String, Masked)]) -> Result<Vec<u8>, FormatError> {
        let object: Object<'_> = serde_json::from_slice(record).map_err(|_| FormatError::Malformed("a line"))?;
        let changes: Vec<_> = changes.iter().map(|(field, masked)| (field.as_str(), masked)).collect();
        let new: Vec<_> =
            changes.iter().filter_map(|(field, masked)| Some((*field, object.added(field, masked)?))).collect();
        if new.is_empty() && !object.has_any(&changes) {
            return Ok(record.to_vec());
        }
        let mut edited = object.edited(&changes)?;
        for (field, value) in new {
            let unfit = |_| FormatError::Unfit("JSON cannot say the new value");
            edited.pop();
            if edited.len() > 1 {
                edited.push(b',');
            }
            serde_json::to_writer(&mut edited, field).map_err(unfit)?;
            edited.push(b':');
            serde_json::to_writer(&mut edited, value).map_err(unfit)?;
            edited.push(b'}');
        }
        Ok(edited)
    }
}

/// An object with its values as they are written. Names may be there twice: readers differ in which of them they take.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Object<'_> {
    /// The texts that a field says: one, or several if a name is there more than once. None: it cannot be known.
    fn texts(&self, path: &str, depth: u8, texts: &mut Vec<String>) -> Option<()> {
        for (name, value) in &self.0 {
            if name == path {
                match value.get().as_bytes() {
                    [b'"', ..] => texts.push(serde_json::from_str(value.get()).ok()?),
                    [b'-' | b'0'..=b'9', ..] => texts.push(value.get().to_owned()),
                    _ => {}
                }
            } else if let Some((inner, rest)) = self::inner(name, value, path) {
                inner.ok()?.texts(rest, depth.checked_sub(1)?, texts)?;
            }
        }
        Some(())
    }

    fn record(&self, depth: u8) -> Option<Record> {
        self.0.iter().map(|(name, value)| Some((name.clone().into_owned(), self::value(value, depth)?))).collect()
    }

    fn has_any(&self, changes: &[(&str, &Masked)]) -> bool {
        self.0.iter().any(|(name, value)| {
            changes.iter().any(|(path, masked)| {
                let is_inside = || inner(name, value, path);
                **masked != Masked::Kept
                    && (name == path
                        || is_inside().is_some_and(|(inner, rest)| inner.is_ok_and(|it| it.has_any(&[(rest, masked)]))))
            })
        })
    }

    /// The value of a field that a change adds: only what is no path is, and only where it is not there.
    fn added<'m>(&self, field: &str, masked: &'m Masked) -> Option<&'m Value> {
        let Masked::Replaced(value) = masked else { return None };
        let is_there = field.contains('.') || self.0.iter().any(|(name, _)| name == field);
        (!is_there).then_some(value)
    }

    fn edited(&self, changes: &[(&str, &Masked)]) -> Result<Vec<u8>, FormatError> {
        let unfit = |_| FormatError::Unfit("JSON cannot say the new value");
        let mut text = vec![b'{'];
        for (name, value) in &self.0 {
            let change = changes.iter().find(|(path, _)| path == name).map(|(_, masked)| *masked);
            let nested: Vec<_> =
                changes.iter().filter_map(|(path, masked)| Some((inner(name, value, path)?.1, *masked))).collect();
            let new = match change {
                Some(Masked::Removed) => continue,
                Some(Masked::Replaced(value)) => serde_json::to_vec(value).map_err(unfit)?,
                Some(Masked::Kept) => value.get().into(),
                None if nested.is_empty() => value.get().into(),
                None => serde_json::from_str::<Object<'_>>(value.get()).map_err(unfit)?.edited(&nested)?,
            };
            if text.len() > 1 {
                text.push(b',');
            }
            serde_json::to_writer(&mut text, name).map_err(unfit)?;
            text.push(b':');
            text.extend_from_slice(&new);
        }
        text.push(b'}');
        Ok(text)
    }
}

/// The object that a field holds, and what is left of a path that leads into it.
fn inner<'a, 'p>(
    name: &str,
    value: &'a RawValue,
    path: &'p str,
) -> Option<(Result<Object<'a>, serde_json::Error>, &'p str)> {
    let rest = path.strip_prefix(name)?.strip_prefix('.')?;
    value.get().starts_with('{').then(|| (serde_json::from_str(value.get()), rest))
}

/// A value with its digits; none if it is too deep.
fn value(raw: &RawValue, depth: u8) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let text = raw.get();
    Some(match text.as_bytes() {
        [b'{', ..] => Value::Map(serde_json::from_str::<Object<'_>>(text).ok()?.record(depth)?),
        [b'[', ..] => {
            let values: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Value::List(values.into_iter().map(|inner| value(inner, depth)).collect::<Option<_>>()?)
        }
        [b'"', ..] => Value::Text(serde_json::from_str(text).ok()?),
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        b"null" => Value::Null,
        _ => Value::Number(text.to_owned()),
    })
}
