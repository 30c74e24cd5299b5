//! The columns of a row group, without some rows and with some values changed. They are encoded side by side on threads of
//! their own, as many as there are processors, so that no more column chunks than that are in memory.
//!
//! The rule of this room: what the file says of how a column was written (compression, dictionary, encoding, statistics,
//! page index, Bloom filter, version of its pages) holds for what is written anew.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::reader::ColumnReaderImpl;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::data_type::DataType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor, SchemaDescriptor, Type, TypePtr};

use super::chunk::{Fetched, for_any_type, open};
use super::edits::{Edit, Edits};
use super::footer::{Footer, dictionary};
use super::thrift::Struct;
use super::value::{Meaning, Native};
use super::{FormatError, SourceRef, damaged, field};
use crate::connectors::formats::Sink;
use crate::connectors::formats::source::Ahead;

/// Rows that are decoded at a time.
const BATCH: usize = 1024;
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

/// Columns that have been encoded.
pub(super) struct Encoded {
    /// The footer of a file that has no other columns; its offsets count from [`Encoded::BEFORE`] bytes before the first
    /// byte that was written.
    pub(super) footer: Footer,
    /// Bytes that were written.
    pub(super) length: u64,
    /// What that file has behind its columns, its page index for one.
    pub(super) tail: Bytes,
}

impl Encoded {
    /// What a file has before its first column: four bytes that say what it is.
    pub(super) const BEFORE: u64 = 4;
}

/// The columns that the work changes: all if rows go.
pub(super) fn columns(group: &RowGroupMetaData, work: &Work) -> Vec<usize> {
    let schema = group.schema_descr();
    let all = 0..schema.num_columns();
    let edited = |leaf: &usize| work.edits.of(*leaf).is_some();
    // A field is encoded as a whole, so that its columns still make a schema.
    let roots: Vec<usize> = all.clone().filter(edited).map(|leaf| schema.get_column_root_idx(leaf)).collect();
    all.filter(|leaf| !work.dropped.is_empty() || roots.contains(&schema.get_column_root_idx(*leaf))).collect()
}

/// Encodes columns of a row group.
///
/// The `parquet` crate writes a file with this one group. What it writes is passed on as it comes, but for its end.
pub(super) async fn encode(
    source: &SourceRef,
    footer: &Footer,
    (index, group): (usize, &RowGroupMetaData),
    work: &Arc<Work>,
    sink: &mut dyn Sink,
) -> Result<Encoded, FormatError> {
    let leaves = columns(group, work);
    let schema = schema(group, &leaves)?;
    let properties = Arc::new(properties(footer, index, group, &leaves)?);
    let described = SchemaDescriptor::new(schema.clone());
    let buffer = Buffer::default();
    let mut file = SerializedFileWriter::new(buffer.clone(), schema, properties.clone()).map_err(damaged)?;
    file.flush().map_err(damaged)?;
    buffer.take();
    let mut length = 0;
    let mut columns = file.next_row_group().map_err(damaged)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS);
    let mut waiting = leaves.iter().zip(described.columns());
    let mut working = VecDeque::new();
    loop {
        while working.len() < workers
            && let Some((leaf, column)) = waiting.next()
        {
            let chunk = group.column(*leaf).clone();
            let range = footer.chunk(&chunk)?;
            let rows = u64::try_from(group.num_rows()).map_err(damaged)?;
            let task = Column { leaf: *leaf, chunk, column: column.clone(), rows, properties: properties.clone() };
            working.push_back(task.encode(source, range, work));
        }
        let Some(next) = working.pop_front() else {
            break;
        };
        let (bytes, close) = next.done().await?;
        columns.append_column(&bytes, close).map_err(damaged)?;
        let written = buffer.take();
        length += written.len() as u64;
        sink.write(written.into()).await?;
    }
    // Behind the columns are their Bloom filters, and what the crate still held back of the columns.
    columns.close().map_err(damaged)?;
    file.flush().map_err(damaged)?;
    let rest = buffer.take();
    length += rest.len() as u64;
    sink.write(rest.into()).await?;
    file.close().map_err(damaged)?;
    let tail = Bytes::from(buffer.take());
    let footer = Footer::of_tail(&tail, Encoded::BEFORE + length)?;
    Ok(Encoded { footer, length, tail })
}

/// A column that is to be encoded.
#[expect(clippy::struct_field_names, reason = "its description is called a column too")]
struct Column {
    leaf: usize,
    /// As it is.
    chunk: ColumnChunkMetaData,
    /// As it is in the schema that it is written under.
    column: ColumnDescPtr,
    rows: u64,
    properties: WriterPropertiesPtr,
}

impl Column {
    /// Fetches and encodes it, while something else is done.
    fn encode(self, source: &SourceRef, range: Range<u64>, work: &Arc<Work>) -> Ahead<(Bytes, ColumnCloseResult)> {
        let (source, work) = (source.clone(), work.clone());
        Ahead::start(async move {
            let start = range.start;
            let bytes = source.read(range).await?;
            let encoded = tokio::task::spawn_blocking(move || self.encoded(Fetched::whole(start, bytes), &work));
            encoded.await.map_err(damaged)?
        })
    }

    fn encoded(self, fetched: Fetched, work: &Work) -> Result<(Bytes, ColumnCloseResult), FormatError> {
        let mut out = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut out));
        let mut writer = get_column_writer(self.column, self.properties, pages);
        let reader = open(fetched, &self.chunk, self.rows, None)?;
        let edits = work.edits.of(self.leaf);
        for_any_type!(reader, typed => rewrite(typed, &mut writer, &self.chunk, self.rows, &work.dropped, edits))?;
        let close = writer.close().map_err(damaged)?;
        Ok((out.into_inner().map_err(damaged)?.into(), close))
    }
}

/// Bytes that the `parquet` crate has written.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The schema of these columns: whole fields of the file's.
fn schema(group: &RowGroupMetaData, leaves: &[usize]) -> Result<TypePtr, FormatError> {
    let schema = group.schema_descr();
    let mut roots: Vec<usize> = leaves.iter().map(|leaf| schema.get_column_root_idx(*leaf)).collect();
    roots.dedup();
    let fields = roots.into_iter().map(|root| schema.root_schema().get_fields()[root].clone()).collect();
    let root = Type::group_type_builder(schema.root_schema().name()).with_fields(fields).build().map_err(damaged)?;
    Ok(Arc::new(root))
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

/// Copies a column's values, but for the rows that go and those that change.
fn rewrite<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    writer: &mut ColumnWriter<'_>,
    column: &ColumnChunkMetaData,
    rows: u64,
    dropped: &[u64],
    edits: Option<&BTreeMap<u64, Edit>>,
) -> Result<(), FormatError>
where
    T::T: Native,
{
    let short = || FormatError::Malformed("a Parquet column has fewer rows than its group");
    let column = column.column_descr();
    let writer = T::get_column_writer_mut(writer).ok_or_else(|| damaged(()))?;
    let mut batch = Levelled::<T::T>::default();
    let mut kept = Levelled::<T::T>::default();
    let mut at = 0;
    while at < rows {
        batch.clear();
        let size = usize::try_from(rows - at).unwrap_or(BATCH).min(BATCH);
        let definitions = Some(&mut batch.definitions);
        let repetitions = Some(&mut batch.repetitions);
        let (read, ..) = reader.read_records(size, definitions, repetitions, &mut batch.values).map_err(damaged)?;
        if read == 0 {
            return Err(short());
        }
        let span = at..at + read as u64;
        at = span.end;
        let going = &dropped[dropped.partition_point(|row| *row < span.start)..];
        let is_touched = going.first().is_some_and(|row| *row < span.end)
            || edits.is_some_and(|edits| edits.range(span.clone()).next().is_some());
        let whole = if is_touched {
            kept.clear();
            batch.filter(&mut kept, span.start, going, edits, column)?;
            &kept
        } else {
            &batch
        };
        let definitions = (column.max_def_level() > 0).then_some(whole.definitions.as_slice());
        let repetitions = (column.max_rep_level() > 0).then_some(whole.repetitions.as_slice());
        if !whole.values.is_empty() || definitions.is_some_and(|levels| !levels.is_empty()) {
            writer.write_batch(&whole.values, definitions, repetitions).map_err(damaged)?;
        }
    }
    Ok(())
}

/// Values of a column with their levels; no levels where the column has none.
struct Levelled<N> {
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    values: Vec<N>,
}

impl<N> Default for Levelled<N> {
    fn default() -> Self {
        Self { definitions: Vec::new(), repetitions: Vec::new(), values: Vec::new() }
    }
}

impl<N: Native> Levelled<N> {
    fn clear(&mut self) {
        self.definitions.clear();
        self.repetitions.clear();
        self.values.clear();
    }

    /// Copies the rows, which begin at `row`, but for those that go and those that change.
    fn filter(
        &self,
        into: &mut Self,
        mut row: u64,
        mut going: &[u64],
        edits: Option<&BTreeMap<u64, Edit>>,
        column: &ColumnDescriptor,
    ) -> Result<(), FormatError> {
        let most = column.max_def_level();
        let slots = if most > 0 { self.definitions.len() } else { self.values.len() };
        let is_first = |slot: usize| self.repetitions.get(slot).is_none_or(|level| *level == 0);
        let is_there = |slot: usize| self.definitions.get(slot).is_none_or(|level| *level == most);
        let mut slot = 0;
        let mut value = 0;
        while slot < slots {
            let end = (slot + 1..slots).find(|next| is_first(*next)).unwrap_or(slots);
            let values = value..value + (slot..end).filter(|slot| is_there(*slot)).count();
            value = values.end;
            let stays = going.first() != Some(&row);
            let parent = self.definitions.get(slot).copied().unwrap_or(0);
            let edit = edits.and_then(|edits| edits.get(&row)).filter(|edit| edit.parent <= parent);
            if !stays {
                going = &going[1..];
            } else if let Some(edit) = edit {
                if most > 0 {
                    into.definitions.push(if edit.value.is_some() { most } else { edit.parent });
                }
                if column.max_rep_level() > 0 {
                    into.repetitions.push(0);
                }
                if let Some(value) = &edit.value {
                    into.values.push(N::stored(value, Meaning::of(column), column.type_length())?);
                }
            } else {
                let span = slot..end;
                into.definitions.extend(self.definitions.get(span.clone()).unwrap_or_default());
                into.repetitions.extend(self.repetitions.get(span).unwrap_or_default());
                into.values.extend_from_slice(self.values.get(values).unwrap_or_default());
            }
            slot = end;
            row += 1;
        }
        Ok(())
    }
}
