//! The values of a column chunk, copied one batch after the other from what is decoded to what is encoded: without the rows that
//! go, and with others where rows change. Levels go with their values, so that lists and objects stay what they were.

use std::collections::BTreeMap;

use parquet::column::reader::ColumnReaderImpl;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::DataType;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescriptor;

use super::edits::Edit;
use super::value::{Meaning, Native};
use super::{FormatError, damaged};

/// Rows that are decoded at a time.
const BATCH: usize = 1024;

/// Copies a column's values, but for the rows that go and those that change.
pub(super) fn rewrite<T: DataType>(
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
