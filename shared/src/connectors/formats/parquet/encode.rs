//! The columns of a row group, without some rows and with some values changed. They are made side by side on threads of
//! their own, as many as there are processors, so that no more column chunks than that are in memory. A column that only
//! loses rows is put together of its pages ([`super::pages`]) where that can be; otherwise it is decoded and encoded.
//!
//! The rule of this room: what the file says of how a column was written (compression, dictionary, encoding, statistics,
//! page index, Bloom filter, version of its pages) holds for what is written anew.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::writer::{ColumnCloseResult, get_column_writer};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::chunk::{Fetched, for_any_type, open};
use super::copy::rewrite;
use super::edits::Edits;
use super::footer::{Footer, dictionary};
use super::pages::{Chunk, Paged, without};
use super::thrift::Struct;
use super::{FormatError, SourceRef, damaged, field, guarded};
use crate::connectors::formats::source::Ahead;

/// Columns that are encoded at the same time.
const MOST_WORKERS: usize = 4;
/// How often a Bloom filter may err that is made anew. Files do not say what they were made for.
const FALSE_POSITIVES: f64 = 0.01;
/// Bytes of a least or greatest value in the statistics, where the old ones are exact, and where they are cut off.
const EXACT: usize = 4096;
const CUT_OFF: usize = 64;

/// What is to be done to a row group.
#[derive(Default)]
pub(super) struct Work {
    /// The rows that go, ascending.
    pub(super) dropped: Vec<u64>,
    /// The values that change.
    pub(super) edits: Edits,
}

/// A column that has been made anew.
pub(super) struct Encoded {
    pub(super) leaf: usize,
    /// What it is made of, one piece after the other.
    pub(super) pieces: Vec<Bytes>,
    /// As the footer is to describe it; places count from [`Encoded::base`].
    pub(super) raw: Vec<u8>,
    /// Where its first byte is, as its description has it.
    pub(super) base: u64,
    /// How far behind its first byte its Bloom filter is.
    pub(super) bloom_filter: Option<u64>,
    pub(super) column_index: Option<Bytes>,
    /// Places count as in its description.
    pub(super) offset_index: Option<Bytes>,
}

/// The columns that the work changes: all if rows go.
pub(super) fn columns(group: &RowGroupMetaData, work: &Work) -> Vec<usize> {
    let is_changed = |leaf: &usize| !work.dropped.is_empty() || work.edits.of(*leaf).is_some();
    (0..group.num_columns()).filter(is_changed).collect()
}

/// Columns of a row group that are being made anew.
pub(super) struct Columns {
    source: SourceRef,
    work: Arc<Work>,
    waiting: VecDeque<(Column, Range<u64>)>,
    working: VecDeque<Ahead<Encoded>>,
}

impl Columns {
    /// The columns that the work changes. They are made one after the other as [`Columns::next`] asks for them, some ahead.
    pub(super) async fn begin(
        source: &SourceRef,
        footer: &Footer,
        (index, group): (usize, &RowGroupMetaData),
        work: &Arc<Work>,
    ) -> Result<Self, FormatError> {
        let leaves = columns(group, work);
        let properties = Arc::new(properties(footer, index, group, &leaves)?);
        let stretch =
            |place: Option<(i64, i32)>| place.map(|(start, length)| footer.stretch(start, length.into())).transpose();
        let mut indexes = Vec::with_capacity(leaves.len());
        for leaf in &leaves {
            let column = group.column(*leaf);
            indexes.push((
                stretch(column.column_index_offset().zip(column.column_index_length()))?,
                stretch(column.offset_index_offset().zip(column.offset_index_length()))?,
            ));
        }
        let wanted = indexes.iter().flat_map(|(of_values, of_places)| [of_values, of_places]).flatten();
        let fetched = Fetched::fetch(source, wanted.cloned().collect()).await?;
        let get =
            |range: Option<Range<u64>>| range.map(|range| fetched.get(&range).ok_or_else(|| damaged(()))).transpose();
        let raws = Struct::list_of_first(footer.group(index)?, field::group::COLUMNS)?;
        let mut waiting = VecDeque::with_capacity(leaves.len());
        for (leaf, (of_values, of_places)) in leaves.into_iter().zip(indexes) {
            let chunk = group.column(leaf).clone();
            let range = footer.chunk(&chunk)?;
            let column = Column {
                leaf,
                raw: raws.get(leaf).ok_or_else(|| damaged(()))?.to_vec(),
                schema: schema(group, leaf)?,
                rows: u64::try_from(group.num_rows()).map_err(damaged)?,
                properties: properties.clone(),
                column_index: get(of_values)?,
                offset_index: get(of_places)?,
                chunk,
            };
            waiting.push_back((column, range));
        }
        Ok(Self { source: source.clone(), work: work.clone(), waiting, working: VecDeque::new() })
    }

    /// The next column.
    pub(super) async fn next(&mut self) -> Result<Option<Encoded>, FormatError> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
        while self.working.len() < workers
            && let Some((column, range)) = self.waiting.pop_front()
        {
            self.working.push_back(column.encode(&self.source, range, &self.work));
        }
        match self.working.pop_front() {
            Some(next) => next.done().await.map(Some),
            None => Ok(None),
        }
    }
}

/// A column that is to be made anew.
#[expect(clippy::struct_field_names, reason = "the format calls it a column index")]
struct Column {
    leaf: usize,
    /// As it is.
    chunk: ColumnChunkMetaData,
    /// As the footer describes it.
    raw: Vec<u8>,
    /// A schema with no other column.
    schema: TypePtr,
    rows: u64,
    properties: WriterPropertiesPtr,
    column_index: Option<Bytes>,
    offset_index: Option<Bytes>,
}

impl Column {
    /// Fetches it and makes it anew, while something else is done.
    fn encode(self, source: &SourceRef, range: Range<u64>, work: &Arc<Work>) -> Ahead<Encoded> {
        let (source, work) = (source.clone(), work.clone());
        Ahead::start(async move {
            let start = range.start;
            let bytes = source.read(range).await?;
            let encoded = tokio::task::spawn_blocking(move || self.encoded(start, bytes, &work));
            encoded.await.map_err(damaged)?
        })
    }

    fn encoded(self, start: u64, bytes: Bytes, work: &Work) -> Result<Encoded, FormatError> {
        if work.edits.of(self.leaf).is_none()
            && let Some(Paged { pieces, raw, column_index, offset_index }) = self.paged(start, &bytes, work)
        {
            let leaf = self.leaf;
            return Ok(Encoded { leaf, pieces, raw, base: start, bloom_filter: None, column_index, offset_index });
        }
        self.whole(Fetched::whole(start, bytes), work)
    }

    /// The column put together of its pages, if that can be.
    fn paged(&self, start: u64, bytes: &Bytes, work: &Work) -> Option<Paged> {
        let chunk = Chunk {
            raw: &self.raw,
            column: &self.chunk,
            bytes,
            start,
            rows: self.rows,
            column_index: self.column_index.as_deref(),
            offset_index: self.offset_index.as_deref(),
        };
        guarded(|| Ok(without(&chunk, &work.dropped))).ok().flatten()
    }

    /// The column decoded and encoded: the `parquet` crate writes a file with this one column, of which this is a part.
    fn whole(self, fetched: Fetched, work: &Work) -> Result<Encoded, FormatError> {
        let leaf = self.leaf;
        let schema = self.schema.clone();
        let mut file = SerializedFileWriter::new(Vec::new(), schema, self.properties.clone()).map_err(damaged)?;
        let mut group = file.next_row_group().map_err(damaged)?;
        let (bytes, close) = self.rewritten(fetched, work)?;
        group.append_column(&bytes, close).map_err(damaged)?;
        drop(bytes);
        group.close().map_err(damaged)?;
        let file = Bytes::from(file.into_inner().map_err(damaged)?);
        let footer = Footer::of_tail(&file, 0)?;
        let column = footer.metadata.row_groups().first().and_then(|group| group.columns().first());
        let column = column.ok_or_else(|| damaged(()))?;
        let cut = |range: Range<u64>| -> Result<Bytes, FormatError> {
            let start = usize::try_from(range.start).map_err(damaged)?;
            Ok(file.slice(start..usize::try_from(range.end).map_err(damaged)?))
        };
        let stretch = |place: Option<(i64, i32)>| {
            place.map(|(start, length)| cut(footer.stretch(start, length.into())?)).transpose()
        };
        let chunk = footer.chunk(column)?;
        let mut pieces = vec![cut(chunk.clone())?];
        let filter = stretch(column.bloom_filter_offset().zip(column.bloom_filter_length()))?;
        let raws = Struct::list_of_first(footer.group(0)?, field::group::COLUMNS)?;
        let encoded = Encoded {
            leaf,
            raw: raws.first().ok_or_else(|| damaged(()))?.to_vec(),
            base: chunk.start,
            bloom_filter: filter.as_ref().map(|_| chunk.end - chunk.start),
            column_index: stretch(column.column_index_offset().zip(column.column_index_length()))?,
            offset_index: stretch(column.offset_index_offset().zip(column.offset_index_length()))?,
            pieces: {
                pieces.extend(filter);
                pieces
            },
        };
        Ok(encoded)
    }

    fn rewritten(self, fetched: Fetched, work: &Work) -> Result<(Bytes, ColumnCloseResult), FormatError> {
        let mut out = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut out));
        let described = SchemaDescriptor::new(self.schema);
        let column = described.columns().first().ok_or_else(|| damaged(()))?.clone();
        let mut writer = get_column_writer(column, self.properties, pages);
        let reader = open(fetched, &self.chunk, self.rows, None)?;
        let edits = work.edits.of(self.leaf);
        for_any_type!(reader, typed => rewrite(typed, &mut writer, &self.chunk, self.rows, &work.dropped, edits))?;
        let close = writer.close().map_err(damaged)?;
        Ok((out.into_inner().map_err(damaged)?.into(), close))
    }
}

/// The schema of one column: the file's, without the others. What groups mean is left out, as no value depends on it.
fn schema(group: &RowGroupMetaData, leaf: usize) -> Result<TypePtr, FormatError> {
    let mut left = leaf;
    pruned(group.schema_descr().root_schema(), &mut left).ok_or_else(|| damaged(()))
}

fn pruned(node: &Type, left: &mut usize) -> Option<TypePtr> {
    let info = node.get_basic_info();
    for inner in node.get_fields() {
        let kept = if inner.is_group() {
            pruned(inner, left)
        } else {
            let is_it = *left == 0;
            *left = left.wrapping_sub(1);
            is_it.then(|| inner.clone())
        };
        if let Some(kept) = kept {
            let mut builder = Type::group_type_builder(node.name()).with_fields(vec![kept]);
            if info.has_repetition() {
                builder = builder.with_repetition(info.repetition());
            }
            return builder.build().ok().map(Arc::new);
        }
    }
    None
}

/// How the columns were written.
fn properties(
    footer: &Footer,
    index: usize,
    group: &RowGroupMetaData,
    leaves: &[usize],
) -> Result<WriterProperties, FormatError> {
    let chunks = Struct::list_of_first(footer.group(index)?, field::group::COLUMNS)?;
    let mut version = WriterVersion::PARQUET_1_0;
    let mut has_pages_index = false;
    let mut has_exact_statistics = true;
    let mut builder = WriterProperties::builder();
    for leaf in leaves {
        let column = group.column(*leaf);
        let path = column.column_path().clone();
        let meta = Struct::parse(chunks.get(*leaf).ok_or_else(|| damaged(()))?)?.0;
        if let Some(meta) = meta.inner(field::chunk::META)? {
            for pages in meta.structs(field::meta::ENCODINGS_OF_PAGES)? {
                if Struct::parse(pages)?.0.number(field::encoding::PAGE)? == Some(field::encoding::DATA_PAGE_V2) {
                    version = WriterVersion::PARQUET_2_0;
                }
            }
        }
        has_pages_index |= column.offset_index_offset().is_some();
        let statistics = match column.statistics() {
            None => EnabledStatistics::None,
            Some(_) if column.column_index_offset().is_some() => EnabledStatistics::Page,
            Some(_) => EnabledStatistics::Chunk,
        };
        if let Some(statistics) = column.statistics() {
            let has_any = statistics.min_bytes_opt().is_some();
            has_exact_statistics &= !has_any || statistics.min_is_exact() && statistics.max_is_exact();
        }
        builder = builder
            .set_column_compression(path.clone(), column.compression())
            .set_column_dictionary_enabled(path.clone(), dictionary(column).is_some())
            .set_column_encoding(path.clone(), encoding(column))
            .set_column_statistics_enabled(path.clone(), statistics);
        if column.bloom_filter_offset().is_some() {
            let rows = u64::try_from(group.num_rows()).map_err(damaged)?.max(1);
            builder = builder
                .set_column_bloom_filter_fpp(path.clone(), FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path, rows);
        }
    }
    let cut_off = if has_exact_statistics { EXACT } else { CUT_OFF };
    let builder = builder
        .set_writer_version(version)
        .set_offset_index_disabled(!has_pages_index)
        .set_statistics_truncate_length(Some(cut_off));
    Ok(builder.build())
}

/// The encoding of a column's values where they are not in a dictionary.
fn encoding(column: &ColumnChunkMetaData) -> Encoding {
    const OTHERS: [Encoding; 4] = [
        Encoding::DELTA_BINARY_PACKED,
        Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Encoding::DELTA_BYTE_ARRAY,
        Encoding::BYTE_STREAM_SPLIT,
    ];
    // RLE is the encoding of levels as well; of values it is only where the pages say so.
    let is_run_length = column.page_encoding_stats_mask().is_some_and(|mask| mask.is_set(Encoding::RLE));
    let other = OTHERS.into_iter().find(|other| column.encodings_mask().is_set(*other));
    other.unwrap_or(if is_run_length { Encoding::RLE } else { Encoding::PLAIN })
}
