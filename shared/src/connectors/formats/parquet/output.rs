//! A Parquet file that is made of another: row groups that stay as stretches of the old file, others encoded anew, and a
//! footer that is the old one but for what has moved or changed.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::chunk::{Fetched, bloom_filter};
use super::encode::{Columns, Encoded, Work, columns};
use super::footer::Footer;
use super::thrift::Struct;
use super::{FormatError, Sink, SourceRef, damaged, field};

/// Page indexes of less than this are fetched together.
const MOST_INDEXES: u64 = 32 << 20;
/// Bytes that are worth passing on.
const WORTH_WRITING: usize = 8 << 20;

/// The new file.
pub(super) struct Output<'a> {
    source: &'a SourceRef,
    footer: &'a Footer,
    sink: &'a mut dyn Sink,
    /// Where the next byte goes.
    position: u64,
    /// What of the old file comes next, and is not written yet: nothing is, before something changes.
    waiting: Vec<Range<u64>>,
    groups: Vec<Placed<'a>>,
}

/// A row group that has its place.
struct Placed<'a> {
    raw: Struct<'a>,
    chunks: Vec<PlacedChunk<'a>>,
    /// How many rows it has, if it is not as it was.
    rows: Option<i64>,
}

/// A column chunk that has its place.
struct PlacedChunk<'a> {
    raw: Cow<'a, [u8]>,
    /// How far its pages have moved.
    moved: i64,
    bloom_filter: Option<u64>,
    column_index: Option<Index>,
    offset_index: Option<Index>,
}

/// A page index.
enum Index {
    /// In the old file.
    Old(Range<u64>),
    /// Made anew.
    New(Bytes),
}

impl<'a> Output<'a> {
    /// A new file made of this one. Nothing is written before it has to be.
    pub(super) fn new(source: &'a SourceRef, footer: &'a Footer, sink: &'a mut dyn Sink) -> Self {
        // The file begins with four bytes that say what it is; the new one with the same.
        Self { source, footer, sink, position: 4, waiting: std::iter::once(0..4).collect(), groups: Vec::new() }
    }

    /// A row group as it is.
    pub(super) async fn keep(&mut self, index: usize) -> Result<(), FormatError> {
        let all: Vec<usize> = (0..self.footer.metadata.row_group(index).num_columns()).collect();
        let mut placed = self.raw(index)?;
        self.keep_columns(index, &all, &mut placed).await?;
        self.groups.push(placed);
        Ok(())
    }

    /// A row group with fewer rows, or with other values.
    pub(super) async fn change(&mut self, index: usize, work: &Arc<Work>) -> Result<(), FormatError> {
        let group = self.footer.metadata.row_group(index);
        let changed = columns(group, work);
        let kept: Vec<usize> = (0..group.num_columns()).filter(|leaf| !changed.contains(leaf)).collect();
        let mut placed = self.raw(index)?;
        self.keep_columns(index, &kept, &mut placed).await?;
        self.flush().await?;
        let mut columns = Columns::begin(self.source, self.footer, (index, group), work).await?;
        while let Some(encoded) = columns.next().await? {
            let Encoded { leaf, pieces, raw, base, bloom_filter, column_index, offset_index } = encoded;
            placed.chunks[leaf] = PlacedChunk {
                raw: Cow::Owned(raw),
                moved: self.position.cast_signed() - base.cast_signed(),
                bloom_filter: bloom_filter.map(|after| self.position + after),
                column_index: column_index.map(Index::New),
                offset_index: offset_index.map(Index::New),
            };
            for piece in pieces {
                self.position += piece.len() as u64;
                self.sink.write(piece).await?;
            }
        }
        placed.rows = Some(group.num_rows() - i64::try_from(work.dropped.len()).map_err(damaged)?);
        let sorting = placed.raw.structs(field::group::SORTING)?;
        let mut is_unsorted = false;
        for column in sorting {
            let leaf = Struct::parse(column)?.0.number(field::sorting::COLUMN)?;
            is_unsorted |=
                leaf.and_then(|leaf| usize::try_from(leaf).ok()).is_none_or(|leaf| work.edits.of(leaf).is_some());
        }
        if is_unsorted {
            placed.raw.remove(field::group::SORTING);
        }
        self.groups.push(placed);
        Ok(())
    }

    /// A group of the old footer.
    fn raw(&self, index: usize) -> Result<Placed<'a>, FormatError> {
        let group = self.footer.group(index)?;
        let raw = Struct::parse(group)?.0;
        let chunks = Struct::list_of_first(group, field::group::COLUMNS)?;
        if chunks.len() != self.footer.metadata.row_group(index).num_columns() {
            return Err(FormatError::Malformed("a Parquet row group has not the columns of its schema"));
        }
        let chunk = |raw| PlacedChunk {
            raw: Cow::Borrowed(raw),
            moved: 0,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Placed { raw, chunks: chunks.into_iter().map(chunk).collect(), rows: None })
    }

    /// Gives columns of a group their new place, with their Bloom filters.
    async fn keep_columns(
        &mut self,
        index: usize,
        leaves: &[usize],
        placed: &mut Placed<'a>,
    ) -> Result<(), FormatError> {
        let group = self.footer.metadata.row_group(index);
        let mut stretches = Vec::new();
        for leaf in leaves {
            let column = group.column(*leaf);
            stretches.push((self.footer.chunk(column)?, *leaf, false));
            if let Some(filter) = bloom_filter(self.source, self.footer, column).await? {
                stretches.push((filter, *leaf, true));
            }
            let stretch = |place: Option<(i64, i32)>| match place {
                Some((start, length)) => self.footer.stretch(start, length.into()).map(|range| Some(Index::Old(range))),
                None => Ok(None),
            };
            let chunk = &mut placed.chunks[*leaf];
            chunk.column_index = stretch(column.column_index_offset().zip(column.column_index_length()))?;
            chunk.offset_index = stretch(column.offset_index_offset().zip(column.offset_index_length()))?;
        }
        stretches.sort_by_key(|(range, ..)| (range.start, range.end));
        let mut end = 0;
        for (range, leaf, is_filter) in stretches {
            if range.start < end {
                return Err(FormatError::Malformed("columns of its Parquet overlap"));
            }
            end = range.end;
            let start = range.start;
            let place = self.place(range);
            let chunk = &mut placed.chunks[leaf];
            if is_filter {
                chunk.bloom_filter = Some(place);
            } else {
                chunk.moved = place.cast_signed() - start.cast_signed();
            }
        }
        Ok(())
    }

    /// Puts a stretch of the old file next.
    fn place(&mut self, range: Range<u64>) -> u64 {
        let place = self.position;
        self.position += range.end - range.start;
        match self.waiting.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.waiting.push(range),
        }
        place
    }

    async fn flush(&mut self) -> Result<(), FormatError> {
        for range in std::mem::take(&mut self.waiting) {
            self.sink.copy(self.source, range).await?;
        }
        Ok(())
    }

    /// Writes page indexes and footer.
    pub(super) async fn finish(mut self) -> Result<(), FormatError> {
        self.flush().await?;
        let groups = std::mem::take(&mut self.groups);
        let ranges = |groups: &[Placed<'_>]| -> Vec<Range<u64>> {
            let indexes = groups.iter().flat_map(|group| &group.chunks);
            let indexes = indexes.flat_map(|chunk| [&chunk.column_index, &chunk.offset_index]).flatten();
            indexes.filter_map(|index| if let Index::Old(range) = index { Some(range.clone()) } else { None }).collect()
        };
        let all = ranges(&groups);
        let is_little = all.iter().map(|range| range.end - range.start).sum::<u64>() <= MOST_INDEXES;
        let mut fetched = if is_little { Fetched::fetch(self.source, all).await? } else { Fetched::default() };
        let mut written = Vec::new();
        let mut structs = Vec::with_capacity(groups.len());
        let mut rows = 0;
        for (ordinal, group) in groups.into_iter().enumerate() {
            if !is_little {
                fetched = Fetched::fetch(self.source, ranges(std::slice::from_ref(&group))).await?;
            }
            let at = self.position + written.len() as u64;
            structs.push(group.finish(ordinal, &fetched, at, &mut written, &mut rows)?);
            if written.len() > WORTH_WRITING {
                self.position += written.len() as u64;
                self.sink.write(std::mem::take(&mut written).into()).await?;
            }
        }
        let mut footer = self.footer.raw()?;
        footer.set_number(field::file::ROWS, rows);
        footer.set_structs(field::file::GROUPS, &structs);
        let footer = footer.to_bytes();
        let length = u32::try_from(footer.len()).map_err(damaged)?;
        written.extend_from_slice(&footer);
        written.extend_from_slice(&length.to_le_bytes());
        written.extend_from_slice(b"PAR1");
        self.sink.write(written.into()).await
    }
}

impl Placed<'_> {
    /// The group as the new footer has it. Its page indexes are appended to what is to be written from `at` on.
    fn finish(
        mut self,
        ordinal: usize,
        fetched: &Fetched,
        mut at: u64,
        written: &mut Vec<u8>,
        rows: &mut i64,
    ) -> Result<Vec<u8>, FormatError> {
        let mut chunks = Vec::with_capacity(self.chunks.len());
        let (mut bytes, mut compressed, mut first) = (0, 0, None);
        for chunk in &self.chunks {
            let chunk = chunk.finish(fetched, &mut at, written)?;
            bytes += chunk.bytes;
            compressed += chunk.compressed;
            first.get_or_insert(chunk.start);
            chunks.push(chunk.raw);
        }
        self.raw.set_structs(field::group::COLUMNS, &chunks);
        if let Some(rows) = self.rows {
            self.raw.set_number(field::group::ROWS, rows);
            self.raw.set_number(field::group::BYTES, bytes);
            self.raw.set_number(field::group::COMPRESSED_BYTES, compressed);
        }
        *rows += self.raw.number(field::group::ROWS)?.unwrap_or(0);
        if self.raw.number(field::group::OFFSET)?.is_some_and(|offset| offset > 0) {
            self.raw.set_number(field::group::OFFSET, first.unwrap_or(0));
        }
        self.raw.set_number(field::group::ORDINAL, i64::try_from(ordinal).map_err(damaged)?);
        Ok(self.raw.to_bytes())
    }
}

/// A chunk as the new footer has it.
struct FinishedChunk {
    raw: Vec<u8>,
    /// Its bytes without compression.
    bytes: i64,
    /// Its bytes.
    compressed: i64,
    start: i64,
}

impl PlacedChunk<'_> {
    fn finish(&self, fetched: &Fetched, at: &mut u64, written: &mut Vec<u8>) -> Result<FinishedChunk, FormatError> {
        let mut raw = Struct::parse(&self.raw)?.0;
        let mut meta = raw.inner(field::chunk::META)?.ok_or_else(|| damaged(()))?.into_owned();
        for id in [field::meta::DATA, field::meta::INDEX, field::meta::DICTIONARY] {
            if let Some(offset) = meta.number(id)?.filter(|offset| *offset > 0) {
                meta.set_number(id, offset + self.moved);
            }
        }
        if let Some(place) = self.bloom_filter {
            meta.set_number(field::meta::BLOOM_FILTER, place.cast_signed());
        }
        let number = |id| meta.number(id).map(Option::unwrap_or_default);
        let (bytes, compressed) = (number(field::meta::BYTES)?, number(field::meta::COMPRESSED_BYTES)?);
        let (data, dictionary) = (number(field::meta::DATA)?, number(field::meta::DICTIONARY)?);
        let start = if dictionary > 0 { dictionary.min(data) } else { data };
        raw.set_inner(field::chunk::META, &meta);
        if let Some(offset) = raw.number(field::chunk::OFFSET)?.filter(|offset| *offset > 0) {
            raw.set_number(field::chunk::OFFSET, offset + self.moved);
        }
        let mut put = |index: &[u8], place: i16, length: i16| -> Result<(), FormatError> {
            raw.set_number(place, at.cast_signed());
            raw.set_number(length, i64::try_from(index.len()).map_err(damaged)?);
            *at += index.len() as u64;
            written.extend_from_slice(index);
            Ok(())
        };
        if let Some(index) = &self.column_index {
            put(&index.bytes(fetched)?, field::chunk::COLUMN_INDEX, field::chunk::COLUMN_INDEX_LENGTH)?;
        }
        if let Some(index) = &self.offset_index {
            let index = moved_index(&index.bytes(fetched)?, self.moved)?;
            put(&index, field::chunk::OFFSET_INDEX, field::chunk::OFFSET_INDEX_LENGTH)?;
        }
        Ok(FinishedChunk { raw: raw.to_bytes(), bytes, compressed, start })
    }
}

impl Index {
    fn bytes(&self, fetched: &Fetched) -> Result<Bytes, FormatError> {
        match self {
            Self::Old(range) => fetched.get(range).ok_or_else(|| damaged(())),
            Self::New(bytes) => Ok(bytes.clone()),
        }
    }
}

/// An offset index of pages that have moved.
fn moved_index(index: &[u8], moved: i64) -> Result<Vec<u8>, FormatError> {
    let mut index = Struct::parse(index)?.0;
    let mut pages = Vec::new();
    for page in index.structs(field::offset_index::PAGES)? {
        let mut page = Struct::parse(page)?.0;
        let offset = page.number(field::page::OFFSET)?.ok_or_else(|| damaged(()))?;
        page.set_number(field::page::OFFSET, offset + moved);
        pages.push(page.to_bytes());
    }
    index.set_structs(field::offset_index::PAGES, &pages);
    Ok(index.to_bytes())
}
