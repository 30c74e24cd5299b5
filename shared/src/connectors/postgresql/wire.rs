//! Rows as lines of JSON that are written here, from columns as the server sends them: for the controller's database it is
//! half the work to send a number or a text as it is than to make JSON of it, and for the network a third of the bytes.
//!
//! The rule of this file: a line is what `row_to_json` would have made of the row, to the byte. What this file does not know
//! how to write, the server writes.

use std::io::Write as _;

use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::{FromSql, Type};

use super::catalog::{Column, KeyPart, Relation};
use super::error::Problem;
use super::page::{Key, ROW_BYTES};
use super::record;
use super::statement::quoted;
use super::types::Family;
use crate::policy::Field;

/// A text of no more characters than this is not looked at for its size before it is sent.
const SHORT_CHARACTERS: usize = 10_000;
/// How times are written that lie before, and after, all others.
const BEFORE_ALL: &[u8] = b"\"-infinity\"";
const AFTER_ALL: &[u8] = b"\"infinity\"";
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// PostgreSQL's first day, 2000-01-01, counted from the first of March of the year 0 of the proleptic Gregorian calendar.
const FIRST_DAY: i64 = 730_425;

/// How a column comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// As itself: its number, text, truth, or 16 bytes.
    Integer,
    Text,
    Boolean,
    Uuid,
    /// As days, or microseconds, since 2000.
    Date,
    Timestamp,
    TimestampUtc,
    /// As its text, which is a JSON number unless it is none.
    Number,
    /// As JSON that the server writes.
    Json,
}

/// A field as it comes.
struct Sent {
    encoding: Encoding,
    /// What stands before its value in the line.
    before: String,
    /// Whether none of its values is long.
    is_short: bool,
}

/// Where a part of a row's key is.
enum Part {
    /// It is a field.
    Field(usize),
    /// It has a column of its own, as text.
    Column(usize),
}

/// How the rows of a query come, and what is made of them.
pub(super) struct Wire {
    fields: Vec<Sent>,
    key: Vec<Part>,
    /// Whether a row may be larger than what is taken; a column behind the fields says if it is not.
    is_guarded: bool,
}

impl Wire {
    /// For these fields of a table. None: it lacks one.
    pub(super) fn of(relation: &Relation, key: &[KeyPart], fields: &[Field]) -> Option<Self> {
        let columns: Vec<&Column> = fields.iter().map(|field| relation.column(&field.name)).collect::<Option<_>>()?;
        let sent = |(at, column): (usize, &&Column)| {
            let name = serde_json::to_string(&column.name).ok()?;
            let encoding = Encoding::of(column);
            let before = format!("{}{name}:", if at == 0 { '{' } else { ',' });
            Some(Sent { encoding, before, is_short: encoding.is_short(&column.declared_type) })
        };
        let sent: Vec<Sent> = columns.iter().enumerate().map(sent).collect::<Option<_>>()?;
        let is_guarded = sent.iter().any(|field| !field.is_short);
        let mut own = fields.len() + usize::from(is_guarded);
        let part = |part: &KeyPart| {
            let is_it = |column: &&Column| has_text(&column.family) && quoted(&column.name) == part.column;
            match columns.iter().position(is_it) {
                Some(field) if part.exact.is_some() => Part::Field(field),
                _ => {
                    own += 1;
                    Part::Column(own - 1)
                }
            }
        };
        let key = key.iter().map(part).collect();
        (!sent.is_empty()).then_some(Self { fields: sent, key, is_guarded })
    }

    /// The query around one whose columns are `k0`, `k1` and so on for the key and `f0` and so on for the fields.
    pub(super) fn query(&self, rows: &str) -> String {
        let fields = self.fields.iter().enumerate().map(|(at, field)| field.encoding.expression(&format!("t.f{at}")));
        let own = self.key.iter().enumerate().filter(|(_, part)| matches!(part, Part::Column(_)));
        let own = own.map(|(at, _)| format!("t.k{at}::pg_catalog.text"));
        let columns: Vec<String> = fields.chain(own).collect();
        if !self.is_guarded {
            return format!("SELECT {} FROM ({rows}) AS t", columns.join(", "));
        }
        let named: Vec<String> = columns.iter().enumerate().map(|(at, column)| format!("{column} AS e{at}")).collect();
        let long = self.fields.iter().enumerate().filter(|(_, field)| !field.is_short);
        let size = |at| format!("coalesce(pg_catalog.octet_length(y.e{at})::pg_catalog.int8, 0)");
        let sizes: Vec<String> = long.map(|(at, _)| size(at)).collect();
        let shown = (0..self.fields.len()).map(|at| format!("CASE WHEN x.fits THEN x.e{at} END"));
        let own = (self.fields.len()..columns.len()).map(|at| format!("x.e{at}"));
        let shown: Vec<String> = shown.chain(["x.fits".to_owned()]).chain(own).collect();
        format!(
            "SELECT {shown} FROM (SELECT y.*, {sizes} OPERATOR(pg_catalog.<=) {ROW_BYTES} AS fits FROM (\
             SELECT {named} FROM ({rows}) AS t OFFSET 0) AS y OFFSET 0) AS x",
            shown = shown.join(", "),
            sizes = sizes.join(" OPERATOR(pg_catalog.+) "),
            named = named.join(", "),
        )
    }

    /// Writes a row as a line.
    pub(super) fn write(&self, row: &SqlRow, lines: &mut Vec<u8>) -> Result<(), Misfit> {
        if self.is_guarded && !row.try_get::<_, bool>(self.fields.len()).map_err(|_| Misfit::Unexpected)? {
            return Err(Misfit::TooLarge);
        }
        let (start, mut is_flat) = (lines.len(), true);
        for (at, field) in self.fields.iter().enumerate() {
            lines.extend_from_slice(field.before.as_bytes());
            match value(row, at)? {
                Some(value) => is_flat &= field.encoding.write(value, lines).ok_or(Misfit::Unexpected)?,
                None => lines.extend_from_slice(b"null"),
            }
        }
        lines.push(b'}');
        if !is_flat {
            let line = lines.split_off(start);
            let record = std::str::from_utf8(&line).ok().and_then(record::whole).ok_or(Misfit::Unexpected)?;
            serde_json::to_writer(&mut *lines, &record).map_err(|_| Misfit::Unexpected)?;
        }
        lines.push(b'\n');
        Ok(())
    }

    /// The key of a row.
    pub(super) fn key(&self, row: &SqlRow) -> Result<Key, Misfit> {
        let text = |part: &Part| match part {
            Part::Column(at) => row.try_get(*at).map_err(|_| Misfit::Unexpected),
            Part::Field(at) => {
                let field = self.fields.get(*at).ok_or(Misfit::Unexpected)?;
                value(row, *at)?.map(|value| field.encoding.text(value).ok_or(Misfit::Unexpected)).transpose()
            }
        };
        self.key.iter().map(text).collect()
    }
}

/// Why nothing was made of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    TooLarge,
    Unexpected,
}

impl Misfit {
    pub(super) fn of(self, relation: &str) -> Problem {
        let relation = relation.to_owned();
        match self {
            Self::TooLarge => Problem::TooLarge { relation, most: ROW_BYTES },
            Self::Unexpected => Problem::Unexpected { relation },
        }
    }
}

/// A value as it came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn value(row: &SqlRow, at: usize) -> Result<Option<&[u8]>, Misfit> {
    let raw: Option<Raw<'_>> = row.try_get(at).map_err(|_| Misfit::Unexpected)?;
    Ok(raw.map(|Raw(bytes)| bytes))
}

impl Encoding {
    fn of(column: &Column) -> Self {
        match (&column.family, column.base_type.as_str()) {
            (Family::Integer, _) => Self::Integer,
            (Family::Text | Family::Padded, _) => Self::Text,
            (Family::Uuid, _) => Self::Uuid,
            (Family::Decimal, _) | (Family::Other, "real" | "double precision") => Self::Number,
            (Family::Other, "boolean") => Self::Boolean,
            (Family::Other, "date") => Self::Date,
            (Family::Other, "timestamp without time zone") => Self::Timestamp,
            (Family::Other, "timestamp with time zone") => Self::TimestampUtc,
            _ => Self::Json,
        }
    }

    fn expression(self, column: &str) -> String {
        match self {
            Self::Number => format!("{column}::pg_catalog.text"),
            Self::Json => format!("pg_catalog.to_json({column})::pg_catalog.text"),
            _ => column.to_owned(),
        }
    }

    /// Whether no value is long, as its type is declared.
    fn is_short(self, declared: &str) -> bool {
        match self {
            Self::Json => false,
            Self::Text if declared == "name" => true,
            Self::Text => {
                let inside = declared.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
                inside.and_then(|(_, digits)| digits.parse().ok()).is_some_and(|most: usize| most <= SHORT_CHARACTERS)
            }
            _ => true,
        }
    }

    /// A value's text.
    fn text(self, value: &[u8]) -> Option<String> {
        match self {
            Self::Integer => Some(integer(value)?.to_string()),
            Self::Text => String::from_utf8(value.to_vec()).ok(),
            Self::Uuid => uuid(value),
            _ => None,
        }
    }

    /// Writes a value as JSON. Gives whether there are no values inside it.
    fn write(self, value: &[u8], lines: &mut Vec<u8>) -> Option<bool> {
        match self {
            Self::Integer => serde_json::to_writer(lines, &integer(value)?).ok()?,
            Self::Boolean => lines.extend_from_slice(if *value.first()? == 0 { b"false" } else { b"true" }),
            Self::Uuid => write!(lines, "\"{}\"", uuid(value)?).ok()?,
            Self::Date => match i32::from_be_bytes(value.try_into().ok()?) {
                i32::MIN => lines.extend_from_slice(BEFORE_ALL),
                i32::MAX => lines.extend_from_slice(AFTER_ALL),
                days => write_time(days.into(), None, "", lines),
            },
            Self::Timestamp | Self::TimestampUtc => match i64::from_be_bytes(value.try_into().ok()?) {
                i64::MIN => lines.extend_from_slice(BEFORE_ALL),
                i64::MAX => lines.extend_from_slice(AFTER_ALL),
                micros => {
                    let zone = if self == Self::TimestampUtc { "+00:00" } else { "" };
                    write_time(micros.div_euclid(DAY), Some(micros.rem_euclid(DAY)), zone, lines);
                }
            },
            Self::Number if value.last()?.is_ascii_digit() => lines.extend_from_slice(value),
            Self::Text | Self::Number => serde_json::to_writer(lines, std::str::from_utf8(value).ok()?).ok()?,
            Self::Json => {
                lines.extend_from_slice(value);
                return Some(memchr::memchr3(b'{', b'[', b'\n', value).is_none());
            }
        }
        Some(true)
    }
}

/// A whole number of two, four or eight bytes.
fn integer(value: &[u8]) -> Option<i64> {
    match value.len() {
        2 => Some(i16::from_be_bytes(value.try_into().ok()?).into()),
        4 => Some(i32::from_be_bytes(value.try_into().ok()?).into()),
        _ => Some(i64::from_be_bytes(value.try_into().ok()?)),
    }
}

/// Whether the text of a value can be had of what comes.
fn has_text(family: &Family) -> bool {
    matches!(family, Family::Integer | Family::Text | Family::Uuid)
}

fn uuid(value: &[u8]) -> Option<String> {
    let digits = hex::encode(<[u8; 16]>::try_from(value).ok()?);
    let groups: Option<Vec<&str>> =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| digits.get(group)).into_iter().collect();
    Some(groups?.join("-"))
}

/// A day since 2000-01-01, perhaps a time of it in microseconds, and the zone, in ISO 8601 as PostgreSQL writes it in JSON:
/// years before the first are counted backwards, and said to be so.
fn write_time(days: i64, time: Option<i64>, zone: &str, lines: &mut Vec<u8>) {
    // Years begin with March here, so that the day that not every year has is the last. An era has 400 of them.
    let days = days + FIRST_DAY;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    for (before, number, width) in [(b'"', year, 4), (b'-', month, 2), (b'-', day, 2)] {
        lines.push(before);
        write_digits(number, width, lines);
    }
    if let Some(time) = time {
        let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
        for (before, number) in [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
            lines.push(before);
            write_digits(number, 2, lines);
        }
        if micros > 0 {
            lines.push(b'.');
            write_digits(micros, 6, lines);
            let end = lines.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
            lines.truncate(end);
        }
    }
    for text in [zone, era, "\""] {
        lines.extend_from_slice(text.as_bytes());
    }
}

/// Writes a number that is not negative, with noughts in front up to this width.
fn write_digits(number: i64, width: usize, lines: &mut Vec<u8>) {
    let (start, mut rest) = (lines.len(), number);
    while rest > 0 || lines.len() - start < width {
        lines.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
    }
    lines[start..].reverse();
}
