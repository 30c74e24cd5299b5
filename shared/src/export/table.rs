//! The records of a collection as they are staged: their columns, their rows in a table. Pure.
//!
//! A table opens in a spreadsheet, which takes a cell that begins like a formula for one: such a cell gets an apostrophe.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use csv::{Terminator, WriterBuilder};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::policy::Pinned;

/// What the manifest says of tables.
pub const CSV_NOTE: &str = "RFC 4180, UTF-8 with a byte order mark; objects and lists are JSON; a cell that begins with \
                            = + - @, their full-width forms, tab, carriage return or line feed and is not a plain \
                            number has an apostrophe in front, so that no spreadsheet takes it for a formula";
/// What tells spreadsheets that a table is UTF-8.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";
/// The column for fields that have none of their own, as one JSON object.
const MORE: &str = "(more)";
/// Most columns beside those that the dataset declares.
const FOUND_COLUMNS: usize = 200;
/// Most bytes of all their names together.
const FOUND_BYTES: usize = 32 * 1024;

/// Why a record cannot be put into a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A staged record is no JSON object.
    #[error("a staged record cannot be read")]
    Record(#[from] serde_json::Error),
    /// A staged record is no text.
    #[error("a staged record is no text")]
    Text(#[from] std::str::Utf8Error),
    /// The table cannot be written.
    #[error("a table cannot be written")]
    Csv(#[from] csv::Error),
}

/// A record whose values are still text: numbers keep their digits. In the order in which it was staged, so that nothing is
/// sorted for each of many records.
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Reads a record.
pub fn fields(line: &[u8]) -> Result<Fields<'_>, TableError> {
    // Whether it is text is asked of the whole, and not of each of its texts.
    Ok(serde_json::from_str(std::str::from_utf8(line)?)?)
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A field's name, in the line itself unless something in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A kind of JSON value, as JSON Schema names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Number = 8,
    String = 16,
    Array = 32,
    Object = 64,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    fn of(value: &RawValue) -> Self {
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::String,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ if text.contains(['.', 'e', 'E']) => Self::Number,
            _ => Self::Integer,
        }
    }
}

/// The kinds of value that a column was seen with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) fn add(&mut self, kind: Kind) {
        self.0 |= kind as u8;
    }

    fn add_all(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(crate) fn has(self, kind: Kind) -> bool {
        self.0 & kind as u8 != 0
    }
}

/// A column.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kinds: Kinds,
}

/// The columns of a collection: those that the dataset declares in its order, then what else the records were found to
/// have, up to a bound. Beyond it a field goes to [`MORE`].
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Columns {
    pub(crate) list: Vec<Column>,
    declared: usize,
    found_bytes: usize,
    has_more: bool,
    #[serde(skip)]
    places: BTreeMap<String, usize>,
    /// The columns of the last record's fields, in its order: most likely those of the next.
    #[serde(skip)]
    last: Vec<usize>,
}

impl Columns {
    /// Those that the dataset declares and that may leave.
    #[must_use]
    pub fn declared(policy: &Pinned, collection: &str) -> Self {
        let mut columns = Self::default();
        let fields = policy.collection(collection).map_or(&[][..], |collection| collection.fields.as_slice());
        let export = &policy.policy().export;
        let stays = |category: &String| !export.omits(category);
        for field in fields.iter().filter(|field| field.data_categories.iter().all(stays)) {
            columns.push(&field.name);
        }
        columns.declared = columns.list.len();
        columns
    }

    /// Reads what was kept of them.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut columns: Self = serde_json::from_slice(bytes)?;
        let names = columns.list.iter().enumerate();
        columns.places = names.map(|(place, column)| (column.name.clone(), place)).collect();
        Ok(columns)
    }

    /// How many cells a row of the table has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.list.len() + usize::from(self.has_more)
    }

    /// Whether a row of the one table is a row of the other.
    #[must_use]
    pub fn are_those_of(&self, other: &Self) -> bool {
        let are_the_same = |(one, other): (&Column, &Column)| one.name == other.name;
        self.list.len() == other.list.len()
            && self.has_more == other.has_more
            && self.list.iter().zip(&other.list).all(are_the_same)
    }

    /// Takes notice of what other records were found to have.
    pub fn take_in(&mut self, others: &Self) {
        for other in &others.list {
            let place = self.places.get(&other.name).copied().or_else(|| self.found(&other.name));
            if let Some(column) = place.and_then(|place| self.list.get_mut(place)) {
                column.kinds.add_all(other.kinds);
            }
        }
        self.has_more |= others.has_more;
    }

    /// Takes notice of a record's fields.
    pub fn see(&mut self, record: &Fields<'_>) {
        let mut last = std::mem::take(&mut self.last);
        for (at, (name, value)) in record.0.iter().enumerate() {
            let place = self.place(name, at, &mut last).or_else(|| self.found(name));
            if let Some(column) = place.and_then(|place| self.list.get_mut(place)) {
                column.kinds.add(Kind::of(value));
            }
        }
        self.last = last;
    }

    /// The column of a field that stands at this place in its record. `last`: those of the record before.
    fn place(&self, name: &str, at: usize, last: &mut Vec<usize>) -> Option<usize> {
        let is_it = |place: &usize| self.list.get(*place).is_some_and(|column| column.name == name);
        if let Some(place) = last.get(at).copied().filter(is_it) {
            return Some(place);
        }
        let place = self.places.get(name).copied()?;
        last.resize(last.len().max(at + 1), usize::MAX);
        last[at] = place;
        Some(place)
    }

    /// Makes a column of a field that is not declared, if there is room.
    fn found(&mut self, name: &str) -> Option<usize> {
        let bytes = self.found_bytes + name.len();
        if self.list.len() - self.declared >= FOUND_COLUMNS || bytes > FOUND_BYTES {
            self.has_more = true;
            return None;
        }
        self.found_bytes = bytes;
        Some(self.push(name))
    }

    fn push(&mut self, name: &str) -> usize {
        let place = self.list.len();
        self.list.push(Column { name: name.to_owned(), kinds: Kinds::default() });
        self.places.insert(name.to_owned(), place);
        place
    }

    /// The first line of the table.
    pub fn header(&self) -> Result<Vec<u8>, TableError> {
        let names = self.list.iter().map(|column| column.name.as_str()).chain(self.has_more.then_some(MORE));
        let mut rows = Rows::default();
        rows.push(names.map(|name| Ok(guarded(Cow::Borrowed(name)))))?;
        rows.finish()
    }

    /// Adds a record to a piece of the table.
    pub fn row(&self, record: &Fields<'_>, rows: &mut Rows) -> Result<(), TableError> {
        let are_the_columns = record.0.len() == self.list.len()
            && !self.has_more
            && self.list.iter().zip(&record.0).all(|(column, (name, _))| column.name == *name);
        if are_the_columns {
            return rows.push(record.0.iter().map(|(_, value)| cell(value)));
        }
        let mut cells = vec![Cow::Borrowed(""); self.list.len()];
        let mut rest = BTreeMap::new();
        for (at, (name, value)) in record.0.iter().enumerate() {
            match self.place(name, at, &mut rows.last).and_then(|place| cells.get_mut(place)) {
                Some(place) => *place = cell(value)?,
                None => drop(rest.insert(name.as_ref(), *value)),
            }
        }
        if self.has_more {
            cells.push(if rest.is_empty() { Cow::Borrowed("") } else { serde_json::to_string(&rest)?.into() });
        }
        rows.push(cells.into_iter().map(Ok))
    }
}

/// Some lines of a table.
pub struct Rows {
    writer: csv::Writer<Vec<u8>>,
    /// The columns of the last record's fields, in its order.
    last: Vec<usize>,
}

impl Default for Rows {
    fn default() -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        Self { writer, last: Vec::new() }
    }
}

impl Rows {
    fn push<'a>(&mut self, cells: impl Iterator<Item = Result<Cow<'a, str>, TableError>>) -> Result<(), TableError> {
        for cell in cells {
            self.writer.write_field(cell?.as_bytes())?;
        }
        self.writer.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// The lines.
    pub fn finish(self) -> Result<Vec<u8>, TableError> {
        self.writer.into_inner().map_err(|error| TableError::Csv(error.into_error().into()))
    }
}

fn cell(value: &RawValue) -> Result<Cow<'_, str>, TableError> {
    Ok(match Kind::of(value) {
        Kind::Null => Cow::Borrowed(""),
        Kind::String => guarded(text(value.get())?),
        // A number begins with a digit or a minus, and is one; the rest begins with a bracket or a letter.
        _ => Cow::Borrowed(value.get()),
    })
}

/// What a JSON text says; nothing is copied unless something in it is escaped.
fn text(json: &str) -> Result<Cow<'_, str>, TableError> {
    let inside = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inside.filter(|inside| !inside.contains('\\')) {
        Some(inside) => Ok(Cow::Borrowed(inside)),
        None => Ok(Cow::Owned(serde_json::from_str(json)?)),
    }
}

/// The text, or with an apostrophe in front if a spreadsheet would take it for a formula.
fn guarded(text: Cow<'_, str>) -> Cow<'_, str> {
    let starts_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if starts_formula && !is_plain_number(&text) { format!("'{text}").into() } else { text }
}

/// Whether a text is a number as JSON writes them.
fn is_plain_number(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &[&str]) -> (Columns, String) {
        let mut columns = Columns::default();
        columns.push("id");
        columns.push("note");
        columns.declared = 2;
        for line in lines {
            columns.see(&fields(line.as_bytes()).unwrap());
        }
        let columns = Columns::from_json(&serde_json::to_vec(&columns).unwrap()).unwrap();
        let mut rows = Rows::default();
        for line in lines {
            columns.row(&fields(line.as_bytes()).unwrap(), &mut rows).unwrap();
        }
        let text = [columns.header().unwrap(), rows.finish().unwrap()].concat();
        (columns, String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_table_has_the_declared_columns_first_and_keeps_every_value() {
        let (_, text) = table(&[
            r#"{"zone":"a,\"b\"\nc","note":null,"id":12345678901234567890.10}"#,
            r#"{"id":"x","inner":{"list":[1,true]},"note":""}"#,
        ]);
        let expected = "id,note,zone,inner\r\n12345678901234567890.10,,\"a,\"\"b\"\"\nc\",\r\n\
                        x,,,\"{\"\"list\"\":[1,true]}\"\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        let guarded = |text: &str| super::guarded(Cow::Owned(text.to_owned()));
        for text in ["=1+1", "+8613912345678", "-x", "@a", "\tx", "\r=x", "\n=x", "＝1", "-1+1", "--1", "-", "=", "+1"]
        {
            assert_eq!(guarded(text), format!("'{text}"), "{text}");
        }
        for text in ["-1", "-1.5e3", "1+1", "a=b", "", " =1", "13912345678", "'=1"] {
            assert_eq!(guarded(text), text);
        }
        let (_, text) = table(&[r#"{"id":-5,"=cmd()":"=cmd()"}"#]);
        assert_eq!(text, "id,note,'=cmd()\r\n-5,,'=cmd()\r\n");
    }

    #[test]
    fn columns_are_bounded_and_what_is_beyond_is_kept_in_one() {
        let record: BTreeMap<String, u32> = (0..300).map(|number| (format!("f{number:03}"), number)).collect();
        let line = serde_json::to_string(&record).unwrap();
        let (columns, text) = table(&[&line, r#"{"id":1}"#]);
        assert_eq!(columns.list.len(), 2 + FOUND_COLUMNS);
        assert!(text.lines().next().unwrap().ends_with(",f199,(more)"));
        assert!(text.contains("\"{\"\"f200\"\":200,"));
        let long = format!(r#"{{"{}":1}}"#, "n".repeat(FOUND_BYTES + 1));
        let (columns, text) = table(&[&long]);
        assert_eq!(columns.list.len(), 2);
        assert!(text.starts_with("id,note,(more)\r\n"));
    }

    #[test]
    fn columns_know_what_kinds_of_value_they_were_seen_with() {
        let (columns, _) = table(&[r#"{"id":1,"note":null}"#, r#"{"id":"a","note":1.5}"#, r#"{"note":[{}]}"#]);
        let kinds = |place: usize| {
            Kind::ALL
                .into_iter()
                .filter(|kind| columns.list[place].kinds.has(*kind))
                .map(Kind::name)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(0), ["integer", "string"]);
        assert_eq!(kinds(1), ["null", "number", "array"]);
    }
}
