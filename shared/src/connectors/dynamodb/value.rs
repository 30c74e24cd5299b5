//! Attributes as values and back; keys as cursors; how large an item is.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::connectors::ConnectorError;
use crate::ledger::Item;
use crate::policy::KeyKind;
use crate::record::{Record, Value};

/// Most bytes of a key attribute, a partition key's (a sort key's are fewer): nothing longer is in any table.
const MAX_KEY_BYTES: usize = 2048;
/// Most digits of a number.
const MAX_DIGITS: usize = 38;

/// An item as a record.
pub(super) fn to_record(item: &Item) -> Record {
    item.iter().map(|(name, value)| (name.clone(), from_attribute(value))).collect()
}

/// A value as a record shows it. A set becomes a list: whatever is written back comes from the item, not from here.
pub(super) fn from_attribute(attribute: &AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => Value::Text(text.clone()),
        AttributeValue::N(digits) => Value::Number(digits.clone()),
        AttributeValue::Bool(value) => Value::Bool(*value),
        AttributeValue::B(bytes) => Value::Bytes(bytes.as_ref().to_vec()),
        AttributeValue::L(values) => Value::List(values.iter().map(from_attribute).collect()),
        AttributeValue::M(fields) => {
            Value::Map(fields.iter().map(|(name, value)| (name.clone(), from_attribute(value))).collect())
        }
        AttributeValue::Ss(texts) => Value::List(texts.iter().cloned().map(Value::Text).collect()),
        AttributeValue::Ns(numbers) => Value::List(numbers.iter().cloned().map(Value::Number).collect()),
        AttributeValue::Bs(blobs) => {
            Value::List(blobs.iter().map(|blob| Value::Bytes(blob.as_ref().to_vec())).collect())
        }
        _ => Value::Null,
    }
}

/// A value as it is written in another's place. What did not change is as it was, and a set stays a set if it can.
pub(super) fn in_place_of(before: &AttributeValue, value: &Value) -> AttributeValue {
    if from_attribute(before) == *value {
        return before.clone();
    }
    match (before, value) {
        (AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_), Value::List(values)) => {
            set_of(values).unwrap_or_else(|| to_attribute(value))
        }
        (AttributeValue::L(before), Value::List(values)) => {
            let element = |(position, value): (usize, &Value)| {
                let same = before.iter().find(|before| from_attribute(before) == *value);
                let there = before.get(position).filter(|_| before.len() == values.len());
                same.or(there).map_or_else(|| to_attribute(value), |before| in_place_of(before, value))
            };
            AttributeValue::L(values.iter().enumerate().map(element).collect())
        }
        (AttributeValue::M(before), Value::Map(record)) => {
            let field = |(name, value): (&str, &Value)| {
                let written = before.get(name).map_or_else(|| to_attribute(value), |was| in_place_of(was, value));
                (name.to_owned(), written)
            };
            AttributeValue::M(record.iter().map(field).collect())
        }
        _ => to_attribute(value),
    }
}

/// Values of one kind as a set, each once; none if they are of several kinds or there are none.
fn set_of(values: &[Value]) -> Option<AttributeValue> {
    let texts = values.iter().map(|value| value.as_text().map(ToOwned::to_owned)).collect::<Option<BTreeSet<_>>>();
    let numbers = values.iter().map(|value| match value {
        Value::Number(digits) => Some(digits.clone()),
        _ => None,
    });
    let numbers = numbers.collect::<Option<BTreeSet<_>>>();
    let blobs = values.iter().map(|value| match value {
        Value::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    });
    let blobs = blobs.collect::<Option<BTreeSet<_>>>();
    match (texts, numbers, blobs) {
        _ if values.is_empty() => None,
        (Some(texts), ..) => Some(AttributeValue::Ss(texts.into_iter().collect())),
        (_, Some(numbers), _) => Some(AttributeValue::Ns(numbers.into_iter().collect())),
        (.., Some(blobs)) => Some(AttributeValue::Bs(blobs.into_iter().map(Blob::new).collect())),
        (None, None, None) => None,
    }
}

/// A value as it is written where there was none.
pub(super) fn to_attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(digits) => AttributeValue::N(digits.clone()),
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Value::List(values) => AttributeValue::L(values.iter().map(to_attribute).collect()),
        Value::Map(record) => {
            AttributeValue::M(record.iter().map(|(name, value)| (name.to_owned(), to_attribute(value))).collect())
        }
    }
}

/// A text as a key of a kind; none: no row can have it for a key.
pub(super) fn to_key(kind: KeyKind, text: &str) -> Option<AttributeValue> {
    let fits = |bytes: usize| (1..=MAX_KEY_BYTES).contains(&bytes);
    match kind {
        KeyKind::Text => fits(text.len()).then(|| AttributeValue::S(text.to_owned())),
        KeyKind::Number => canonical_number(text).map(AttributeValue::N),
        KeyKind::Bytes => {
            let bytes = STANDARD.decode(text).ok().filter(|bytes| fits(bytes.len()))?;
            Some(AttributeValue::B(Blob::new(bytes)))
        }
    }
}

/// A number with the digits that DynamoDB gives back for it: without needless zeros. None if it is none that DynamoDB
/// takes; exponents are not read, since keys are not written so.
pub(super) fn canonical_number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !whole.is_empty()
        && !digits.ends_with('.')
        && [whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_number {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() + fraction.len() > MAX_DIGITS {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// What stands at a path of names with dots between them, and the names that lead as far as the path goes: a name with dots
/// in it before a path through maps, as [`Record::at`] reads it. Where the path goes through a list, that is the list.
pub(super) fn reach<'a>(item: &'a Item, path: &'a str) -> (Vec<&'a str>, Option<&'a AttributeValue>) {
    if let Some(value) = item.get(path) {
        return (vec![path], Some(value));
    }
    let Some((first, rest)) = path.split_once('.') else { return (vec![path], None) };
    match item.get(first) {
        Some(AttributeValue::M(inner)) => {
            let (mut names, value) = reach(inner, rest);
            names.insert(0, first);
            (names, value)
        }
        other => (vec![first], other),
    }
}

/// The attributes of an item's key.
pub(super) fn key_of(fields: &[String], item: &Item) -> Result<Item, ConnectorError> {
    let lacks = ConnectorError::Row("a row lacks a key that the policy names");
    let key: Option<Item> = fields.iter().map(|name| Some((name.clone(), item.get(name)?.clone()))).collect();
    key.ok_or(lacks)
}

/// A key as a cursor. Keys can be personal data (a user id), so cursors are stored in the ledger only while a step runs.
pub(super) fn encode_key(key: &Item) -> Result<String, ConnectorError> {
    let fields: BTreeMap<&String, (char, String)> = key
        .iter()
        .map(|(name, value)| match value {
            AttributeValue::S(text) => Ok((name, ('S', text.clone()))),
            AttributeValue::N(digits) => Ok((name, ('N', digits.clone()))),
            AttributeValue::B(bytes) => Ok((name, ('B', hex::encode(bytes.as_ref())))),
            _ => Err(ConnectorError::Cursor),
        })
        .collect::<Result<_, _>>()?;
    serde_json::to_string(&fields).map_err(|_| ConnectorError::Cursor)
}

/// The key that a cursor is; none for the beginning, which is a key without fields.
pub(super) fn decode_key(cursor: &str) -> Result<Option<Item>, ConnectorError> {
    let fields: BTreeMap<String, (char, String)> = serde_json::from_str(cursor).map_err(|_| ConnectorError::Cursor)?;
    let key: Item = fields
        .into_iter()
        .map(|(name, (kind, text))| {
            let value = match kind {
                'S' => AttributeValue::S(text),
                'N' => AttributeValue::N(text),
                'B' => AttributeValue::B(Blob::new(hex::decode(text).map_err(|_| ConnectorError::Cursor)?)),
                _ => return Err(ConnectorError::Cursor),
            };
            Ok((name, value))
        })
        .collect::<Result<_, ConnectorError>>()?;
    Ok((!key.is_empty()).then_some(key))
}

/// About how many bytes an item takes in memory: names and values, without what holds them together.
pub(super) fn bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + bytes_of(value)).sum()
}

fn bytes_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(values) => values.iter().map(bytes_of).sum(),
        AttributeValue::M(fields) => bytes(fields),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn numbers_have_the_digits_that_dynamodb_gives_back() {
        for (text, digits) in [
            ("42", "42"),
            ("0042", "42"),
            ("-0", "0"),
            ("1.50", "1.5"),
            ("0.10", "0.1"),
            ("-7.00", "-7"),
            ("00.0", "0"),
        ] {
            assert_eq!(canonical_number(text).as_deref(), Some(digits), "{text}");
        }
        for text in ["", "-", "u-7", "1.", ".5", "1e5", "+1", "1,5", &"9".repeat(39)] {
            assert_eq!(canonical_number(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_that_can_be_no_key_leads_nowhere() {
        assert_eq!(to_key(KeyKind::Text, ""), None);
        assert_eq!(to_key(KeyKind::Text, &"x".repeat(2049)), None);
        assert_eq!(to_key(KeyKind::Bytes, "no base64!"), None);
        assert_eq!(to_key(KeyKind::Bytes, "AP8="), Some(AttributeValue::B(Blob::new([0, 255]))));
    }

    #[test]
    fn a_cursor_keeps_the_types_of_a_key_and_the_beginning_is_one_too() {
        let key = Item::from([
            ("a".to_owned(), AttributeValue::S("x".into())),
            ("b".to_owned(), AttributeValue::N("7".into())),
            ("c".to_owned(), AttributeValue::B(Blob::new([1, 2]))),
        ]);
        assert_eq!(decode_key(&encode_key(&key).unwrap()).unwrap(), Some(key));
        assert_eq!(decode_key(&encode_key(&Item::new()).unwrap()).unwrap(), None);
        assert!(matches!(decode_key("{\"a\":[\"L\",\"\"]}"), Err(ConnectorError::Cursor)));
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    #[test]
    fn a_path_leads_through_maps_and_a_name_with_dots_comes_first() {
        let list = AttributeValue::L(vec![text("1 Long Street")]);
        let inner = HashMap::from([("city".to_owned(), text("Hangzhou")), ("lines".to_owned(), list.clone())]);
        let mut item = Item::from([("address".to_owned(), AttributeValue::M(inner))]);
        assert_eq!(reach(&item, "address.city"), (vec!["address", "city"], Some(&text("Hangzhou"))));
        assert_eq!(reach(&item, "address.lines.street"), (vec!["address", "lines"], Some(&list)));
        assert_eq!(reach(&item, "address.street"), (vec!["address", "street"], None));
        assert_eq!(reach(&item, "home.street"), (vec!["home"], None));
        item.insert("address.city".to_owned(), text("literal"));
        assert_eq!(reach(&item, "address.city"), (vec!["address.city"], Some(&text("literal"))));
    }

    #[test]
    fn what_is_written_keeps_its_types() {
        let map = |fields: &[(&str, AttributeValue)]| {
            AttributeValue::M(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        let set = AttributeValue::Ss(vec!["a".into(), "b".into()]);
        let masked = Value::List(vec![Value::Text("x".into()), Value::Text("x".into())]);
        assert_eq!(in_place_of(&set, &masked), AttributeValue::Ss(vec!["x".into()]));
        assert_eq!(in_place_of(&set, &Value::List(Vec::new())), AttributeValue::L(Vec::new()));
        let numbers = AttributeValue::Ns(vec!["1".into()]);
        let line = |name: &str| map(&[("name", text(name)), ("codes", numbers.clone())]);
        let (before, after) = (AttributeValue::L(vec![line("Li"), line("Ann")]), vec![line("x"), line("Ann")]);
        let after = AttributeValue::L(after);
        assert_eq!(in_place_of(&before, &from_attribute(&after)), after);
    }
}
