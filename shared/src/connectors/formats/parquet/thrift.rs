//! The Thrift compact protocol, as far as a footer needs it: a struct is taken apart into its fields, some of them are
//! changed, and it is put together again. What is not changed, known or unknown, keeps its bytes.
//!
//! Source: the Thrift compact protocol specification (thrift/doc/specs/thrift-compact-protocol.md).

use std::borrow::Cow;

use super::FormatError;

/// Structs, lists and maps inside one another.
const MOST_DEPTH: u8 = 64;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

const DAMAGED: FormatError = FormatError::Malformed("its Parquet metadata cannot be read");

/// A struct, as its fields.
#[derive(Clone)]
pub(super) struct Struct<'a>(Vec<Field<'a>>);

#[derive(Clone)]
struct Field<'a> {
    id: i16,
    kind: u8,
    value: Cow<'a, [u8]>,
}

impl<'a> Struct<'a> {
    /// Takes a struct apart; also how many bytes it has.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<(Self, usize), FormatError> {
        let mut cursor = Cursor { bytes, at: 0 };
        let mut fields = Vec::new();
        let mut id = 0;
        while let Some(kind) = cursor.field(&mut id)? {
            let start = cursor.at;
            cursor.skip(kind, MOST_DEPTH)?;
            fields.push(Field { id, kind, value: Cow::Borrowed(&bytes[start..cursor.at]) });
        }
        Ok((Self(fields), cursor.at))
    }

    /// The structs of a list that is a field of a struct, which this takes apart as far as it needs.
    pub(super) fn list_of_first(bytes: &'a [u8], id: i16) -> Result<Vec<&'a [u8]>, FormatError> {
        let (parsed, _) = Self::parse(bytes)?;
        match parsed.0.into_iter().find(|field| field.id == id) {
            Some(Field { kind: LIST, value: Cow::Borrowed(value), .. }) => {
                elements(value, STRUCT, |cursor| cursor.skip(STRUCT, MOST_DEPTH))
            }
            Some(_) => Err(DAMAGED),
            None => Ok(Vec::new()),
        }
    }

    /// The same, with bytes of its own.
    pub(super) fn into_owned(self) -> Struct<'static> {
        let own = |field: Field<'_>| Field { value: Cow::Owned(field.value.into_owned()), ..field };
        Struct(self.0.into_iter().map(own).collect())
    }

    pub(super) fn has(&self, id: i16) -> bool {
        self.0.iter().any(|field| field.id == id)
    }

    fn get(&self, id: i16, kinds: &[u8]) -> Result<Option<&[u8]>, FormatError> {
        match self.0.iter().find(|field| field.id == id) {
            None => Ok(None),
            Some(field) if kinds.contains(&field.kind) => Ok(Some(&field.value)),
            Some(_) => Err(DAMAGED),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, id: i16) -> Result<Option<i64>, FormatError> {
        let Some(value) = self.get(id, &[I16, I32, I64])? else {
            return Ok(None);
        };
        Cursor { bytes: value, at: 0 }.zigzag().map(Some)
    }

    /// A struct inside it.
    pub(super) fn inner(&self, id: i16) -> Result<Option<Struct<'_>>, FormatError> {
        let Some(value) = self.get(id, &[STRUCT])? else {
            return Ok(None);
        };
        Ok(Some(Struct::parse(value)?.0))
    }

    /// The structs of a list, each as its bytes.
    pub(super) fn structs(&self, id: i16) -> Result<Vec<&[u8]>, FormatError> {
        self.elements(id, STRUCT, |cursor| cursor.skip(STRUCT, MOST_DEPTH))
    }

    /// The texts of a list.
    pub(super) fn binaries(&self, id: i16) -> Result<Vec<&[u8]>, FormatError> {
        let elements = self.elements(id, BINARY, |cursor| cursor.skip(BINARY, MOST_DEPTH))?;
        elements
            .into_iter()
            .map(|element| {
                let mut cursor = Cursor { bytes: element, at: 0 };
                cursor.varint()?;
                Ok(&element[cursor.at..])
            })
            .collect()
    }

    /// The truth values of a list.
    pub(super) fn truths(&self, id: i16) -> Result<Vec<bool>, FormatError> {
        let elements = self.elements(id, TRUE, |cursor| cursor.forward(1))?;
        Ok(elements.into_iter().map(|element| element == [TRUE]).collect())
    }

    /// A truth value.
    pub(super) fn truth(&self, id: i16) -> Result<Option<bool>, FormatError> {
        match self.0.iter().find(|field| field.id == id) {
            None => Ok(None),
            Some(Field { kind: TRUE, .. }) => Ok(Some(true)),
            Some(Field { kind: FALSE, .. }) => Ok(Some(false)),
            Some(_) => Err(DAMAGED),
        }
    }

    /// Bytes, or a text.
    pub(super) fn binary(&self, id: i16) -> Result<Option<&[u8]>, FormatError> {
        let Some(value) = self.get(id, &[BINARY])? else {
            return Ok(None);
        };
        let mut cursor = Cursor { bytes: value, at: 0 };
        cursor.varint()?;
        Ok(Some(&value[cursor.at..]))
    }

    /// The whole numbers of a list.
    pub(super) fn numbers(&self, id: i16) -> Result<Vec<i64>, FormatError> {
        let elements = self.elements(id, I64, |cursor| cursor.varint().map(|_| ()))?;
        elements.into_iter().map(|bytes| Cursor { bytes, at: 0 }.zigzag()).collect()
    }

    /// Whether it has no other fields than these.
    pub(super) fn has_only(&self, ids: &[i16]) -> bool {
        self.0.iter().all(|field| ids.contains(&field.id))
    }

    fn elements(
        &self,
        id: i16,
        kind: u8,
        step: impl Fn(&mut Cursor<'_>) -> Result<(), FormatError>,
    ) -> Result<Vec<&[u8]>, FormatError> {
        match self.get(id, &[LIST, SET])? {
            Some(value) => elements(value, kind, step),
            None => Ok(Vec::new()),
        }
    }

    /// Sets a number that is there.
    pub(super) fn set_number(&mut self, id: i16, number: i64) {
        if let Some(field) = self.0.iter_mut().find(|field| field.id == id) {
            let mut value = Vec::new();
            write_zigzag(&mut value, number);
            field.value = Cow::Owned(value);
        }
    }

    /// Sets a struct that is there.
    pub(super) fn set_inner(&mut self, id: i16, inner: &Struct<'_>) {
        if let Some(field) = self.0.iter_mut().find(|field| field.id == id) {
            field.value = Cow::Owned(inner.to_bytes());
        }
    }

    /// Sets a list of structs that is there.
    pub(super) fn set_structs(&mut self, id: i16, structs: &[Vec<u8>]) {
        self.set_elements(id, STRUCT, structs);
    }

    /// Sets a list of whole numbers that is there.
    pub(super) fn set_numbers(&mut self, id: i16, numbers: &[i64]) {
        let number = |number: &i64| {
            let mut value = Vec::new();
            write_zigzag(&mut value, *number);
            value
        };
        self.set_elements(id, I64, &numbers.iter().map(number).collect::<Vec<_>>());
    }

    /// Sets a list of texts that is there.
    pub(super) fn set_binaries(&mut self, id: i16, texts: &[&[u8]]) {
        let text = |text: &&[u8]| {
            let mut value = Vec::with_capacity(text.len() + 5);
            write_varint(&mut value, text.len() as u64);
            value.extend_from_slice(text);
            value
        };
        self.set_elements(id, BINARY, &texts.iter().map(text).collect::<Vec<_>>());
    }

    /// Sets a list of truth values that is there.
    pub(super) fn set_truths(&mut self, id: i16, truths: &[bool]) {
        let truth = |truth: &bool| vec![if *truth { TRUE } else { FALSE }];
        self.set_elements(id, TRUE, &truths.iter().map(truth).collect::<Vec<_>>());
    }

    fn set_elements(&mut self, id: i16, kind: u8, elements: &[Vec<u8>]) {
        if let Some(field) = self.0.iter_mut().find(|field| field.id == id) {
            // Both codes stand for truth values: writers differ, and this one keeps to its own.
            let kind = if kind == TRUE { field.value.first().map_or(kind, |head| head & 0x0f) } else { kind };
            let mut value = Vec::with_capacity(elements.iter().map(Vec::len).sum::<usize>() + 6);
            if let Ok(length @ 0..15) = u8::try_from(elements.len()) {
                value.push(length << 4 | kind);
            } else {
                value.push(0xf0 | kind);
                write_varint(&mut value, elements.len() as u64);
            }
            value.extend(elements.iter().flatten());
            field.value = Cow::Owned(value);
        }
    }

    /// Takes a field out.
    pub(super) fn remove(&mut self, id: i16) {
        self.0.retain(|field| field.id != id);
    }

    /// Puts the struct together.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.iter().map(|field| field.value.len() + 1).sum::<usize>() + 1);
        let mut last = 0;
        for field in &self.0 {
            if let Ok(delta @ 1..=15) = u8::try_from(i32::from(field.id) - i32::from(last)) {
                bytes.push(delta << 4 | field.kind);
            } else {
                bytes.push(field.kind);
                write_zigzag(&mut bytes, field.id.into());
            }
            bytes.extend_from_slice(&field.value);
            last = field.id;
        }
        bytes.push(0);
        bytes
    }
}

/// The elements of a list, each as its bytes.
fn elements(
    list: &[u8],
    kind: u8,
    step: impl Fn(&mut Cursor<'_>) -> Result<(), FormatError>,
) -> Result<Vec<&[u8]>, FormatError> {
    let mut cursor = Cursor { bytes: list, at: 0 };
    let (found, length) = cursor.list()?;
    // Both codes stand for truth values: writers differ.
    if length > 0 && found != kind && !(kind == TRUE && found == FALSE) {
        return Err(DAMAGED);
    }
    // An element has at least one byte, so a length that the list has no room for is found before it costs memory.
    if length > list.len() {
        return Err(DAMAGED);
    }
    let mut elements = Vec::with_capacity(length);
    for _ in 0..length {
        let start = cursor.at;
        step(&mut cursor)?;
        elements.push(&list[start..cursor.at]);
    }
    Ok(elements)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, FormatError> {
        let byte = *self.bytes.get(self.at).ok_or(DAMAGED)?;
        self.at += 1;
        Ok(byte)
    }

    fn forward(&mut self, length: usize) -> Result<(), FormatError> {
        let at = self.at.checked_add(length).filter(|at| *at <= self.bytes.len());
        self.at = at.ok_or(DAMAGED)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, FormatError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DAMAGED)
    }

    fn zigzag(&mut self) -> Result<i64, FormatError> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn length(&mut self) -> Result<usize, FormatError> {
        usize::try_from(self.varint()?).map_err(|_| DAMAGED)
    }

    /// The next field's kind; none at the end.
    fn field(&mut self, id: &mut i16) -> Result<Option<u8>, FormatError> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        if kind == 0 {
            return Ok(None);
        }
        *id = match head >> 4 {
            0 => i16::try_from(self.zigzag()?).map_err(|_| DAMAGED)?,
            delta => id.checked_add(delta.into()).ok_or(DAMAGED)?,
        };
        Ok(Some(kind))
    }

    /// The kind of a list's elements, and how many there are.
    fn list(&mut self) -> Result<(u8, usize), FormatError> {
        let head = self.byte()?;
        let length = match head >> 4 {
            15 => self.length()?,
            length => length.into(),
        };
        Ok((head & 0x0f, length))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Result<(), FormatError> {
        let depth = depth.checked_sub(1).ok_or(DAMAGED)?;
        match kind {
            // As a field: the kind is the value. Elements of a list have a byte each; see `skip_elements`.
            TRUE | FALSE => Ok(()),
            BYTE => self.forward(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.forward(8),
            UUID => self.forward(16),
            BINARY => {
                let length = self.length()?;
                self.forward(length)
            }
            LIST | SET => {
                let (kind, length) = self.list()?;
                self.skip_elements(&[kind], length, depth)
            }
            MAP => {
                let length = self.length()?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                self.skip_elements(&[kinds >> 4, kinds & 0x0f], length, depth)
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
                Ok(())
            }
            _ => Err(DAMAGED),
        }
    }

    fn skip_elements(&mut self, kinds: &[u8], length: usize, depth: u8) -> Result<(), FormatError> {
        for _ in 0..length {
            for kind in kinds {
                match *kind {
                    TRUE | FALSE => self.forward(1)?,
                    kind => self.skip(kind, depth)?,
                }
            }
        }
        Ok(())
    }
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn write_zigzag(bytes: &mut Vec<u8>, number: i64) {
    write_varint(bytes, (number << 1 ^ number >> 63).cast_unsigned());
}
