//! CSV: a header and records, as RFC 4180 has them, with any delimiter.
//!
//! Records are found the way that most readers do: a quote opens a quoted field only at its beginning, and inside it two
//! quotes are one; a line ends with LF, CR LF or CR. A record that has not as many fields as the header is never dropped:
//! somewhere a quote has gone astray, and it may be several people's.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;

use super::text::{Parsed, TextFormat, Whole, without_line_break};
use super::{FormatError, Whose};
use crate::mask::Masked;
use crate::record::{Record, Value};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The format, and what the header says once it has been read.
pub(super) struct Csv {
    delimiter: u8,
    names: Vec<String>,
}

impl Csv {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, names: Vec::new() }
    }

    /// The names that the header has.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names
    }

    /// The fields of a record, as they are written.
    fn fields<'r>(&self, record: &'r [u8]) -> Vec<&'r [u8]> {
        let mut fields = Vec::with_capacity(self.names.len());
        let mut start = 0;
        next_record(record, 0, self.delimiter, |delimiter| {
            fields.push(&record[start..delimiter]);
            start = delimiter + 1;
        });
        fields.push(&record[start..]);
        fields
    }

    fn written(&self, text: &str, was_quoted: bool) -> Vec<u8> {
        let special = |c: u8| c == self.delimiter || matches!(c, b'"' | b'\n' | b'\r');
        if was_quoted || text.bytes().any(special) {
            format!("\"{}\"", text.replace('"', "\"\"")).into_bytes()
        } else {
            text.as_bytes().to_vec()
        }
    }
}

impl TextFormat for Csv {
    fn needles(&self, value: &str) -> Vec<Vec<u8>> {
        // A quote inside a quoted field is doubled; inside one that is not quoted it stands as it is.
        vec![value.into(), value.replace('"', "\"\"").into_bytes()]
    }

    fn head(&mut self, bytes: &[u8], is_last: bool, whose: &Whose) -> Result<Option<usize>, FormatError> {
        if bytes.is_empty() && is_last {
            return Ok(Some(0));
        }
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let end = match next_record(bytes, mark, self.delimiter, |_| ()) {
            Next::End(end) => end,
            Next::More(_) if !is_last => return Ok(None),
            Next::More(Open::Quoted) => return Err(FormatError::Malformed("a quote in its header is never closed")),
            Next::More(_) => bytes.len(),
        };
        let header = &bytes[mark..mark + without_line_break(&bytes[mark..end])];
        let name = |field: &[u8]| String::from_utf8_lossy(&unquoted(field)).into_owned();
        self.names = self.fields(header).into_iter().map(name).collect();
        let names = |field: &String| self.names.contains(field);
        if whose.ways().is_some_and(|ways| !ways.iter().any(|way| way.fields().iter().all(names))) {
            return Err(FormatError::Malformed("its header does not name the fields that lead to the person"));
        }
        Ok(Some(end))
    }

    fn whole(&self, bytes: &[u8], is_last: bool) -> Result<Whole, FormatError> {
        let is_plain = memchr::memchr(b'"', bytes).is_none()
            && memchr::memchr_iter(b'\r', bytes).all(|at| bytes.get(at + 1) == Some(&b'\n'));
        if is_plain {
            let end = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
            return Ok(Whole::Lines(if is_last { bytes.len() } else { end }));
        }
        let mut ends = Vec::new();
        let mut from = 0;
        while from < bytes.len() {
            match next_record(bytes, from, self.delimiter, |_| ()) {
                Next::End(end) => {
                    ends.push(end);
                    from = end;
                }
                Next::More(_) if !is_last => break,
                Next::More(Open::Quoted) => return Err(FormatError::Malformed("a quote is never closed")),
                Next::More(_) => {
                    ends.push(bytes.len());
                    break;
                }
            }
        }
        Ok(Whole::Ends(ends))
    }

    fn parse(&self, record: &[u8], whose: &Whose) -> Parsed {
        if record.is_empty() {
            return Parsed::Other;
        }
        let fields = self.fields(record);
        if fields.len() != self.names.len() {
            return Parsed::Unreadable;
        }
        let text = |field: &[u8]| String::from_utf8_lossy(&unquoted(field)).into_owned();
        let texts = |name: &str| {
            // A name may be in the header more than once.
            let named = self.names.iter().zip(&fields).filter(|(named, _)| *named == name);
            Some(named.map(|(_, field)| text(field)).collect::<Vec<_>>())
        };
        let Some(Some(way)) = whose.way(texts) else {
            return Parsed::Other;
        };
        // An empty field is one that is not there: CSV has no other way to say so.
        let named = self.names.iter().zip(&fields).filter(|(_, field)| !field.is_empty());
        let record = named.map(|(name, field)| (name.clone(), Value::Text(text(field)))).collect::<Record>();
        Parsed::Theirs(record, way)
    }

    fn edit(&self, record: &[u8], changes: &[(String, Masked)]) -> Result<Vec<u8>, FormatError> {
        let mut edited = Vec::with_capacity(record.len());
        for (at, (name, field)) in self.names.iter().zip(self.fields(record)).enumerate() {
            if at > 0 {
                edited.push(self.delimiter);
            }
            match changes.iter().find(|(changed, _)| changed == name) {
                None | Some((_, Masked::Kept)) => edited.extend_from_slice(field),
                Some((_, Masked::Removed)) => {}
                Some((_, Masked::Replaced(value))) => {
                    let is_quoted = field.starts_with(b"\"");
                    edited.extend_from_slice(&match value {
                        Value::Null => Vec::new(),
                        value => self.written(&text(value)?, is_quoted),
                    });
                }
            }
        }
        Ok(edited)
    }
}

/// A value as the text of a field.
fn text(value: &Value) -> Result<Cow<'_, str>, FormatError> {
    Ok(match value {
        Value::Null => "".into(),
        Value::Bool(truth) => truth.to_string().into(),
        Value::Number(text) | Value::Text(text) => text.into(),
        Value::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        Value::List(_) | Value::Map(_) => {
            serde_json::to_string(value).map_err(|_| FormatError::Unfit("JSON cannot say the new value"))?.into()
        }
    })
}

/// Where a record goes on.
enum Next {
    /// It ends here, behind its line break.
    End(usize),
    /// Behind these bytes.
    More(Open),
}

/// What is open where the bytes end.
enum Open {
    /// A quoted field.
    Quoted,
    /// A line.
    Line,
}

/// Finds the end of the record that begins at `from`, and tells of each delimiter on the way.
fn next_record(bytes: &[u8], from: usize, delimiter: u8, mut each: impl FnMut(usize)) -> Next {
    let mut at = from;
    loop {
        if bytes.get(at) == Some(&b'"') {
            match closing_quote(bytes, at) {
                Some(quote) => at = quote + 1,
                None => return Next::More(Open::Quoted),
            }
        }
        let Some(stop) = memchr::memchr3(delimiter, b'\n', b'\r', &bytes[at..]).map(|stop| at + stop) else {
            return Next::More(Open::Line);
        };
        match (bytes[stop], bytes.get(stop + 1)) {
            (b'\r', Some(b'\n')) => return Next::End(stop + 2),
            (b'\n', _) | (b'\r', Some(_)) => return Next::End(stop + 1),
            // Whether a line feed follows is not known yet.
            (b'\r', None) => return Next::More(Open::Line),
            _ => {
                each(stop);
                at = stop + 1;
            }
        }
    }
}

/// The quote that closes the field whose quote is at `open`.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        let quote = at + memchr::memchr(b'"', &bytes[at..])?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        at = quote + 2;
    }
}

/// What a field says.
fn unquoted(field: &[u8]) -> Cow<'_, [u8]> {
    if !field.starts_with(b"\"") {
        return Cow::Borrowed(field);
    }
    let inside: Range<usize> = 1..closing_quote(field, 0).unwrap_or(field.len());
    let after = field.get(inside.end + 1..).unwrap_or_default();
    let mut text = Vec::with_capacity(field.len());
    let mut rest = &field[inside];
    while let Some(quote) = memchr::memchr(b'"', rest) {
        text.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    text.extend_from_slice(after);
    Cow::Owned(text)
}
