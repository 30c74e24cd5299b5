//! Column chunks: what of them is fetched, and their readers.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader as _};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

use super::footer::{Footer, dictionary};
use super::thrift::Struct;
use super::{FormatError, SourceRef, damaged, field, guarded};

/// Stretches of a file this near to one another are fetched as one.
const NEAR: u64 = 256 << 10;

/// Stretches of a file that have been fetched.
#[derive(Clone, Default)]
pub(super) struct Fetched(Vec<(u64, Bytes)>);

impl Fetched {
    /// Fetches some stretches, near ones together.
    pub(super) async fn fetch(source: &SourceRef, mut ranges: Vec<Range<u64>>) -> Result<Self, FormatError> {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by_key(|range| range.start);
        let mut together: Vec<Range<u64>> = Vec::new();
        for range in ranges {
            match together.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(NEAR) => last.end = last.end.max(range.end),
                _ => together.push(range),
            }
        }
        let mut fetched = Vec::with_capacity(together.len());
        for range in together {
            fetched.push((range.start, source.read(range).await?));
        }
        Ok(Self(fetched))
    }

    /// One stretch, which begins at `start`.
    pub(super) fn whole(start: u64, bytes: Bytes) -> Self {
        Self(vec![(start, bytes)])
    }

    /// A stretch of what has been fetched.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        self.0.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
        })
    }

    fn from(&self, start: u64) -> Option<Bytes> {
        self.0.iter().find_map(|(begin, bytes)| {
            let from = usize::try_from(start.checked_sub(*begin)?).ok()?;
            (from <= bytes.len()).then(|| bytes.slice(from..))
        })
    }
}

impl Length for Fetched {
    fn len(&self) -> u64 {
        self.0.last().map_or(0, |(start, bytes)| start + bytes.len() as u64)
    }
}

impl ChunkReader for Fetched {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let bytes = self.from(start).ok_or_else(|| ParquetError::EOF("a page was not fetched".to_owned()))?;
        Ok(bytes.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let range = start..start.saturating_add(length as u64);
        self.get(&range).ok_or_else(|| ParquetError::EOF("a page was not fetched".to_owned()))
    }
}

/// The pages of a column chunk.
pub(super) struct Pages(Vec<PageLocation>);

impl Pages {
    /// Where a column chunk's pages are, if its file says so.
    pub(super) async fn of(
        source: &SourceRef,
        footer: &Footer,
        column: &ColumnChunkMetaData,
    ) -> Result<Option<Self>, FormatError> {
        let Some((start, length)) = column.offset_index_offset().zip(column.offset_index_length()) else {
            return Ok(None);
        };
        let bytes = source.read(footer.stretch(start, length.into())?).await?;
        let chunk = footer.chunk(column)?;
        let mut pages = Vec::new();
        for page in Struct::parse(&bytes)?.0.structs(field::offset_index::PAGES)? {
            let page = Struct::parse(page)?.0;
            let number = |id| page.number(id)?.ok_or(FormatError::Malformed("its Parquet page index cannot be read"));
            let offset = number(field::page::OFFSET)?;
            let length = number(field::page::LENGTH)?;
            let range = footer.stretch(offset, length)?;
            if range.start < chunk.start || range.end > chunk.end {
                return Err(FormatError::Malformed("its Parquet page index cannot be read"));
            }
            pages.push(PageLocation {
                offset,
                compressed_page_size: i32::try_from(length).map_err(|_| damaged(()))?,
                first_row_index: number(field::page::FIRST_ROW)?,
            });
        }
        Ok((!pages.is_empty()).then_some(Self(pages)))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The rows of a page, in a group of so many.
    pub(super) fn rows(&self, page: usize, rows: u64) -> Range<u64> {
        let first = |page: &PageLocation| u64::try_from(page.first_row_index).unwrap_or(0);
        let end = self.0.get(page + 1).map_or(rows, first);
        self.0.get(page).map_or(end, first)..end
    }

    /// Where the pages are that hold these rows (sorted), and the dictionary that they may need.
    fn ranges(&self, chunk: &Range<u64>, rows: &[u64], of: u64) -> Vec<Range<u64>> {
        let first = u64::try_from(self.0[0].offset).unwrap_or(0);
        let mut ranges: Vec<Range<u64>> = std::iter::once(chunk.start..first.max(chunk.start)).collect();
        for (at, page) in self.0.iter().enumerate() {
            let span = self.rows(at, of);
            let next = rows.partition_point(|row| *row < span.start);
            if rows.get(next).is_some_and(|row| *row < span.end) {
                let start = u64::try_from(page.offset).unwrap_or(0);
                ranges.push(start..start + u64::try_from(page.compressed_page_size).unwrap_or(0));
            }
        }
        ranges
    }
}

/// What of a column chunk must be fetched to read these rows (sorted); all of it if its pages are not known.
pub(super) fn needed(chunk: &Range<u64>, pages: Option<&Pages>, rows: &[u64], of: u64) -> Vec<Range<u64>> {
    pages.map_or_else(|| vec![chunk.clone()], |pages| pages.ranges(chunk, rows, of))
}

/// A reader of a column chunk, of which as much as it will need has been fetched.
pub(super) fn open(
    fetched: Fetched,
    column: &ColumnChunkMetaData,
    rows: u64,
    pages: Option<Pages>,
) -> Result<ColumnReader, FormatError> {
    guarded(|| {
        let pages = page_reader(fetched, column, rows, pages)?;
        Ok(get_column_reader(column.column_descr_ptr(), Box::new(pages)))
    })
}

fn page_reader(
    fetched: Fetched,
    column: &ColumnChunkMetaData,
    rows: u64,
    pages: Option<Pages>,
) -> Result<SerializedPageReader<Fetched>, FormatError> {
    // A dictionary that is none would be taken for the chunk's beginning.
    let column = column.clone().into_builder().set_dictionary_page_offset(dictionary(column)).build();
    let column = column.map_err(damaged)?;
    let rows = usize::try_from(rows).map_err(damaged)?;
    SerializedPageReader::new(Arc::new(fetched), &column, rows, pages.map(|pages| pages.0)).map_err(damaged)
}

/// Where a chunk's dictionary is, if it holds all values of the chunk.
pub(super) fn complete_dictionary(footer: &Footer, column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let is_complete = column
        .page_encoding_stats_mask()
        .is_some_and(|mask| mask.is_only(Encoding::PLAIN_DICTIONARY) || mask.is_only(Encoding::RLE_DICTIONARY));
    let start = dictionary(column).filter(|_| is_complete)?;
    footer.stretch(start, column.data_page_offset() - start).ok()
}

/// The values of a dictionary, in the encoding PLAIN; none if it is in another.
pub(super) fn dictionary_values(
    fetched: Fetched,
    column: &ColumnChunkMetaData,
    rows: u64,
) -> Result<Option<Bytes>, FormatError> {
    match guarded(|| page_reader(fetched, column, rows, None)?.get_next_page().map_err(damaged))? {
        Some(Page::DictionaryPage { buf, encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY, .. }) => Ok(Some(buf)),
        _ => Ok(None),
    }
}

/// Where a chunk's Bloom filter is.
pub(super) async fn bloom_filter(
    source: &SourceRef,
    footer: &Footer,
    column: &ColumnChunkMetaData,
) -> Result<Option<Range<u64>>, FormatError> {
    /// Bytes that surely hold the header.
    const HEADER: i64 = 256;
    let Some(start) = column.bloom_filter_offset() else {
        return Ok(None);
    };
    if let Some(length) = column.bloom_filter_length() {
        return footer.stretch(start, length.into()).map(Some);
    }
    // Before version 2.10 of the format the length stood in the filter's own header only.
    let head = source.read(footer.stretch(start, HEADER.min(footer.start()? - start))?).await?;
    let (header, header_length) = Struct::parse(&head)?;
    let length = header.number(field::bloom_filter::LENGTH)?.unwrap_or(0);
    footer.stretch(start, i64::try_from(header_length).map_err(damaged)? + length).map(Some)
}

/// Hands a column reader to something that takes one of any type.
macro_rules! for_any_type {
    ($reader:expr, $typed:ident => $work:expr) => {
        match $reader {
            parquet::column::reader::ColumnReader::BoolColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::Int32ColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::Int64ColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::Int96ColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::FloatColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::DoubleColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::ByteArrayColumnReader($typed) => $work,
            parquet::column::reader::ColumnReader::FixedLenByteArrayColumnReader($typed) => $work,
        }
    };
}
pub(super) use for_any_type;
