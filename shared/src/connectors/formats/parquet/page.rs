//! One page of a column chunk: taken apart into levels and values, and put together again.
//!
//! Source: parquet-format, README.md ("Data Pages") and Encodings.md. What is not understood is none: then the whole chunk is
//! decoded and encoded, and says what is wrong with it.

use std::ops::Range;

use bytes::Bytes;
use parquet::schema::types::ColumnDescriptor;

use super::codec::Codec;
use super::thrift::Struct;
use super::{field, runs};

const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;
/// The encoding of levels that is known here.
const RLE: i64 = 3;
/// Values of the largest page that is taken apart.
const MOST_VALUES: i64 = 1 << 24;
/// Its bytes, which a damaged file may say anything of.
const MOST_BYTES: i64 = 64 << 20;

/// How the values of a page are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Plain,
    /// As indices into the dictionary.
    Indices,
    /// In a way that is not taken apart here.
    Other,
}

impl Storage {
    fn of(encoding: i64) -> Self {
        match encoding {
            0 => Self::Plain,
            2 | 8 => Self::Indices,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dictionary,
    First,
    Second,
}

/// A page as it stands in its chunk.
pub(super) struct Page {
    kind: Kind,
    header: Struct<'static>,
    /// Where it is in the chunk, with its header.
    pub(super) stretch: Range<usize>,
    body: Bytes,
    /// Bytes of its body without compression.
    size: usize,
    header_size: usize,
    /// Values, those that are not there included.
    pub(super) values: usize,
    pub(super) encoding: i64,
    pub(super) storage: Storage,
}

/// What is in a page.
#[derive(Default)]
pub(super) struct Content {
    /// Empty where the column has none.
    pub(super) repetitions: Vec<u32>,
    /// Empty where the column has none.
    pub(super) definitions: Vec<u32>,
    /// The values that are there, as the page stores them.
    pub(super) values: Vec<u8>,
}

impl Content {
    /// How many of so many values are there.
    pub(super) fn there(&self, column: &ColumnDescriptor, values: usize) -> Option<usize> {
        let most = u32::try_from(column.max_def_level()).ok()?;
        let there = self.definitions.iter().filter(|level| **level == most).count();
        Some(if most == 0 { values } else { there })
    }
}

/// A page that was put together.
pub(super) struct Built {
    pub(super) bytes: Vec<u8>,
    /// Its bytes without compression.
    pub(super) size: usize,
}

fn length(number: Option<i64>) -> Option<usize> {
    usize::try_from(number?).ok()
}

impl Page {
    /// The page that begins at this byte of a chunk.
    pub(super) fn at(chunk: &Bytes, at: usize) -> Option<Self> {
        let (header, header_size) = Struct::parse(chunk.get(at..)?).ok()?;
        let header = header.into_owned();
        let number = |id| header.number(id).ok()?;
        let size = length(number(field::page_header::BYTES).filter(|size| *size <= MOST_BYTES))?;
        let start = at.checked_add(header_size)?;
        let end = start.checked_add(length(number(field::page_header::COMPRESSED_BYTES))?)?;
        let body = (end <= chunk.len()).then(|| chunk.slice(start..end))?;
        let (kind, id, values, encoding) = match number(field::page_header::KIND)? {
            DATA => (Kind::First, field::page_header::DATA, field::data_page::VALUES, field::data_page::ENCODING),
            DATA_V2 => {
                (Kind::Second, field::page_header::DATA_V2, field::data_page_v2::VALUES, field::data_page_v2::ENCODING)
            }
            DICTIONARY => (
                Kind::Dictionary,
                field::page_header::DICTIONARY,
                field::dictionary_page::VALUES,
                field::dictionary_page::ENCODING,
            ),
            _ => return None,
        };
        let inner = header.inner(id).ok()??;
        let values = length(inner.number(values).ok()?.filter(|values| *values <= MOST_VALUES))?;
        let encoding = inner.number(encoding).ok()??;
        let storage = match Storage::of(encoding) {
            // So old writers call a dictionary's own encoding.
            Storage::Indices if kind == Kind::Dictionary => Storage::Plain,
            storage => storage,
        };
        drop(inner);
        Some(Self { kind, header, stretch: at..end, body, size, header_size, values, encoding, storage })
    }

    /// About how many bytes it takes in memory once it is taken apart, or more: its values, and two levels and an index each.
    pub(super) fn bytes_apart(&self) -> usize {
        self.size.saturating_add(self.values.saturating_mul(12))
    }

    pub(super) fn is_dictionary(&self) -> bool {
        self.kind == Kind::Dictionary
    }

    /// Its number among the kinds of pages.
    pub(super) fn kind(&self) -> i64 {
        match self.kind {
            Kind::Dictionary => DICTIONARY,
            Kind::First => DATA,
            Kind::Second => DATA_V2,
        }
    }

    /// Its bytes without compression, with its header.
    pub(super) fn size(&self) -> usize {
        self.header_size + self.size
    }

    fn second(&self, id: i16) -> Option<i64> {
        self.header.inner(field::page_header::DATA_V2).ok()??.number(id).ok()?
    }

    /// Of a page of the second version: its bytes of levels, first of repetition.
    fn level_bytes(&self) -> Option<(usize, usize)> {
        let repetitions = length(self.second(field::data_page_v2::REPETITION_BYTES))?;
        let definitions = length(self.second(field::data_page_v2::DEFINITION_BYTES))?;
        let both = repetitions.checked_add(definitions)?;
        (both <= self.size && both <= self.body.len()).then_some((repetitions, both))
    }

    fn is_compressed(&self) -> Option<bool> {
        let inner = self.header.inner(field::page_header::DATA_V2).ok()??;
        Some(inner.truth(field::data_page_v2::IS_COMPRESSED).ok()?.unwrap_or(true))
    }

    /// The values of a dictionary.
    pub(super) fn dictionary(&self, codec: Codec) -> Option<Vec<u8>> {
        self.is_sound()?;
        codec.decompress(&self.body, self.size)
    }

    /// Puts the body into a buffer, as it is without compression. Levels may be in it.
    pub(super) fn body_into(&self, codec: Codec, into: &mut Vec<u8>) -> Option<()> {
        self.is_sound()?;
        if self.kind == Kind::First {
            return codec.decompress_into(&self.body, self.size, into);
        }
        let (_, end) = self.level_bytes()?;
        let codec = if self.is_compressed()? && self.size > end { codec } else { Codec::Plain };
        codec.decompress_into(&self.body[end..], self.size - end, into)
    }

    /// Nothing if its bytes are not what its header says.
    fn is_sound(&self) -> Option<()> {
        let told = self.header.number(field::page_header::CRC).ok()?;
        told.is_none_or(|told| told == i64::from(crc32fast::hash(&self.body).cast_signed())).then_some(())
    }

    /// The levels of a page, and its values if they are wanted too.
    pub(super) fn content(&self, codec: Codec, column: &ColumnDescriptor, with_values: bool) -> Option<Content> {
        let most = |level: i16| u32::try_from(level).ok();
        let (repetition, definition) = (most(column.max_rep_level())?, most(column.max_def_level())?);
        self.is_sound()?;
        match self.kind {
            Kind::Dictionary => None,
            Kind::First => {
                let inner = self.header.inner(field::page_header::DATA).ok()??;
                let is_known = |most: u32, id| most == 0 || inner.number(id).ok().flatten() == Some(RLE);
                if !is_known(repetition, field::data_page::REPETITIONS)
                    || !is_known(definition, field::data_page::DEFINITIONS)
                {
                    return None;
                }
                let body = codec.decompress(&self.body, self.size)?;
                let mut rest = body.as_slice();
                let repetitions = self.prefixed(&mut rest, repetition)?;
                let definitions = self.prefixed(&mut rest, definition)?;
                let start = body.len() - rest.len();
                let values = if with_values { body[start..].to_vec() } else { Vec::new() };
                Some(Content { repetitions, definitions, values })
            }
            Kind::Second => {
                let (middle, end) = self.level_bytes()?;
                let repetitions = self.levels(&self.body[..middle], repetition)?;
                let definitions = self.levels(&self.body[middle..end], definition)?;
                let values = if !with_values || self.size == end {
                    Vec::new()
                } else if self.is_compressed()? {
                    codec.decompress(&self.body[end..], self.size - end)?
                } else {
                    self.body[end..].to_vec()
                };
                Some(Content { repetitions, definitions, values })
            }
        }
    }

    fn levels(&self, packed: &[u8], most: u32) -> Option<Vec<u32>> {
        if most == 0 {
            return Some(Vec::new());
        }
        let levels = runs::unpack(packed, runs::width(most), self.values)?;
        levels.iter().all(|level| *level <= most).then_some(levels)
    }

    /// Levels behind their length.
    fn prefixed(&self, rest: &mut &[u8], most: u32) -> Option<Vec<u32>> {
        if most == 0 {
            return Some(Vec::new());
        }
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (packed, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        *rest = after;
        self.levels(packed, most)
    }

    /// How many rows a page of the second version says that it has, and how many values that are not there.
    pub(super) fn told(&self) -> Option<(u64, u64)> {
        let number = |id| u64::try_from(self.second(id)?).ok();
        Some((number(field::data_page_v2::ROWS)?, number(field::data_page_v2::NULLS)?))
    }

    pub(super) fn is_second(&self) -> bool {
        self.kind == Kind::Second
    }

    /// The page with other content: so many rows, so many values that are not there. Its statistics are left out: they are no
    /// more than a hint, and could name a value that is gone.
    pub(super) fn with(
        &self,
        codec: Codec,
        column: &ColumnDescriptor,
        content: &Content,
        values: usize,
        (rows, nulls): (u64, u64),
    ) -> Option<Built> {
        let number = |number: usize| i64::try_from(number).ok();
        let pack = |levels: &[u32], most: i16| {
            u32::try_from(most).ok().filter(|most| *most > 0).map(|most| runs::pack(levels, runs::width(most)))
        };
        let repetitions = pack(&content.repetitions, column.max_rep_level());
        let definitions = pack(&content.definitions, column.max_def_level());
        if self.kind == Kind::First {
            let mut body = Vec::with_capacity(self.size);
            for levels in [&repetitions, &definitions].into_iter().flatten() {
                body.extend_from_slice(&u32::try_from(levels.len()).ok()?.to_le_bytes());
                body.extend_from_slice(levels);
            }
            body.extend_from_slice(&content.values);
            let id = field::page_header::DATA;
            let mut inner = self.header.inner(id).ok()??.into_owned();
            inner.set_number(field::data_page::VALUES, number(values)?);
            inner.remove(field::data_page::STATISTICS);
            return self.built(id, &inner, &codec.compress(&body)?, body.len());
        }
        let (repetitions, definitions) = (repetitions.unwrap_or_default(), definitions.unwrap_or_default());
        let id = field::page_header::DATA_V2;
        let mut inner = self.header.inner(id).ok()??.into_owned();
        inner.set_number(field::data_page_v2::VALUES, number(values)?);
        inner.set_number(field::data_page_v2::NULLS, i64::try_from(nulls).ok()?);
        inner.set_number(field::data_page_v2::ROWS, i64::try_from(rows).ok()?);
        inner.set_number(field::data_page_v2::REPETITION_BYTES, number(repetitions.len())?);
        inner.set_number(field::data_page_v2::DEFINITION_BYTES, number(definitions.len())?);
        inner.remove(field::data_page_v2::STATISTICS);
        let size = repetitions.len() + definitions.len() + content.values.len();
        let mut body = [repetitions, definitions].concat();
        if content.values.is_empty() || !self.is_compressed()? {
            body.extend_from_slice(&content.values);
        } else {
            body.extend_from_slice(&codec.compress(&content.values)?);
        }
        self.built(id, &inner, &body, size)
    }

    /// The page with its values stored otherwise: its levels, and what its header says of it, stay.
    pub(super) fn with_values(&self, codec: Codec, old: &[u8], values: &[u8]) -> Option<Built> {
        if self.kind == Kind::First {
            let mut body = codec.decompress(&self.body, self.size)?;
            body.truncate(body.len().checked_sub(old.len())?);
            body.extend_from_slice(values);
            let id = field::page_header::DATA;
            let inner = self.header.inner(id).ok()??.into_owned();
            return self.built(id, &inner, &codec.compress(&body)?, body.len());
        }
        let (_, end) = self.level_bytes()?;
        let id = field::page_header::DATA_V2;
        let inner = self.header.inner(id).ok()??.into_owned();
        let mut body = self.body[..end].to_vec();
        if self.is_compressed()? {
            body.extend_from_slice(&codec.compress(values)?);
        } else {
            body.extend_from_slice(values);
        }
        self.built(id, &inner, &body, end + values.len())
    }

    /// A dictionary with so many other values.
    pub(super) fn with_dictionary(&self, codec: Codec, values: &[u8], count: i64) -> Option<Built> {
        let id = field::page_header::DICTIONARY;
        let mut inner = self.header.inner(id).ok()??.into_owned();
        inner.set_number(field::dictionary_page::VALUES, count);
        self.built(id, &inner, &codec.compress(values)?, values.len())
    }

    fn built(&self, id: i16, inner: &Struct<'_>, body: &[u8], size: usize) -> Option<Built> {
        let mut header = self.header.clone();
        header.set_number(field::page_header::BYTES, i64::try_from(size).ok()?);
        header.set_number(field::page_header::COMPRESSED_BYTES, i64::try_from(body.len()).ok()?);
        header.set_number(field::page_header::CRC, crc32fast::hash(body).cast_signed().into());
        header.set_inner(id, inner);
        let mut bytes = header.to_bytes();
        let size = bytes.len() + size;
        bytes.extend_from_slice(body);
        Some(Built { bytes, size })
    }
}
