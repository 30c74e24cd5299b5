//! Rows of a Parquet file as records: the levels of the columns are put together again into structs, lists and maps.
//!
//! Source: Dremel's record shredding, and LogicalTypes.md of parquet-format for the shapes of lists and maps. A field that
//! is null is left out of its record: Parquet does not tell it from one that is not there.

use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::DataType;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::chunk::{Fetched, Pages, for_any_type, needed, open};
use super::footer::Footer;
use super::value::{Meaning, Native};
use super::{FormatError, SourceRef, Whose, damaged};
use crate::record::{Record, Value};

const SHAPE: FormatError = FormatError::Malformed("the levels of a Parquet column do not fit its schema");

/// One value of a column, or the place of one that is not there.
struct Cell {
    repetition: i16,
    definition: i16,
    value: Option<Value>,
}

/// The columns of a row group, read as far as some row.
pub(super) struct Assembler<'a> {
    group: &'a RowGroupMetaData,
    columns: Vec<(usize, Box<dyn Column>)>,
    at: u64,
}

/// A column that is read row by row.
trait Column: Send {
    fn skip(&mut self, rows: u64) -> Result<(), FormatError>;
    fn row(&mut self) -> Result<Vec<Cell>, FormatError>;
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    meaning: Meaning,
    most: i16,
    repeats: bool,
}

impl<T: DataType> Column for Typed<T>
where
    T::T: Native,
{
    fn skip(&mut self, rows: u64) -> Result<(), FormatError> {
        let rows = usize::try_from(rows).map_err(damaged)?;
        if rows > 0 && self.reader.skip_records(rows).map_err(damaged)? != rows {
            return Err(SHAPE);
        }
        Ok(())
    }

    fn row(&mut self) -> Result<Vec<Cell>, FormatError> {
        let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let read = self.reader.read_records(1, Some(&mut definitions), Some(&mut repetitions), &mut values);
        if read.map_err(damaged)?.0 != 1 {
            return Err(SHAPE);
        }
        let mut values = values.iter();
        let levels = definitions.len().max(repetitions.len()).max(1);
        let cell = |at: usize| {
            let definition = definitions.get(at).copied().unwrap_or(self.most);
            let repetition = if self.repeats { repetitions.get(at).copied().ok_or(SHAPE)? } else { 0 };
            let value =
                if definition == self.most { Some(values.next().ok_or(SHAPE)?.value(self.meaning)) } else { None };
            Ok(Cell { repetition, definition, value })
        };
        (0..levels).map(cell).collect()
    }
}

impl<'a> Assembler<'a> {
    /// Opens the columns that are wanted of these rows (ascending).
    pub(super) async fn open(
        source: &SourceRef,
        footer: &Footer,
        group: &'a RowGroupMetaData,
        whose: &Whose,
        rows: &[u64],
    ) -> Result<Self, FormatError> {
        let of = u64::try_from(group.num_rows()).map_err(damaged)?;
        let mut opened = Vec::new();
        let mut ranges = Vec::new();
        for (leaf, column) in group.columns().iter().enumerate() {
            if whose.wants(group.schema_descr().get_column_root(leaf).name()) {
                let pages = Pages::of(source, footer, column).await?;
                let needed = needed(&footer.chunk(column)?, pages.as_ref(), rows, of);
                ranges.extend(needed);
                opened.push((leaf, column, pages));
            }
        }
        let fetched = Fetched::fetch(source, ranges).await?;
        let mut columns = Vec::with_capacity(opened.len());
        for (leaf, column, pages) in opened {
            let reader = open(fetched.clone(), column, of, pages)?;
            columns.push((leaf, typed(reader, column.column_descr())));
        }
        Ok(Self { group, columns, at: 0 })
    }

    /// The next row of those that it was opened for.
    pub(super) fn record(&mut self, row: u64) -> Result<Record, FormatError> {
        let skipped = row.checked_sub(self.at).ok_or(SHAPE)?;
        self.at = row + 1;
        let mut cells = Vec::with_capacity(self.columns.len());
        for (leaf, column) in &mut self.columns {
            column.skip(skipped)?;
            cells.push((*leaf, column.row()?));
        }
        let schema = self.group.schema_descr();
        let mut record = Record::default();
        let mut leaf = 0;
        for node in schema.root_schema().get_fields() {
            let leaves = leaf..leaf + leaves(node);
            leaf = leaves.end;
            let from = cells.partition_point(|(leaf, _)| *leaf < leaves.start);
            let to = cells.partition_point(|(leaf, _)| *leaf < leaves.end);
            if from < to {
                let mut slices: Vec<&[Cell]> = cells[from..to].iter().map(|(_, cells)| cells.as_slice()).collect();
                let value = field(node, Levels::default(), &mut slices.as_mut_slice())?;
                if value != Value::Null {
                    record.set(node.name(), value);
                }
            }
        }
        Ok(record)
    }
}

fn typed(reader: parquet::column::reader::ColumnReader, column: &ColumnDescriptor) -> Box<dyn Column> {
    let (meaning, most, repeats) = (Meaning::of(column), column.max_def_level(), column.max_rep_level() > 0);
    for_any_type!(reader, reader => Box::new(Typed { reader, meaning, most, repeats }))
}

/// How many columns a node has.
pub(super) fn leaves(node: &Type) -> usize {
    if node.is_primitive() { 1 } else { node.get_fields().iter().map(|field| leaves(field)).sum() }
}

/// How deep a node is defined and repeated.
#[derive(Clone, Copy, Default)]
struct Levels {
    definition: i16,
    repetition: i16,
}

/// What a node holds, of the cells of its columns, which it takes off the others.
#[expect(clippy::mut_mut, reason = "the rest of the slice is what the next node goes on with")]
fn field(node: &Type, mut levels: Levels, cells: &mut &mut [&[Cell]]) -> Result<Value, FormatError> {
    let mine = std::mem::take(cells);
    let (mine, rest) = mine.split_at_mut_checked(leaves(node)).ok_or(SHAPE)?;
    *cells = rest;
    let first = mine.first().and_then(|cells| cells.first()).ok_or(SHAPE)?;
    match repetition(node) {
        Repetition::REQUIRED => content(node, levels, mine),
        Repetition::OPTIONAL => {
            levels.definition += 1;
            if first.definition < levels.definition {
                return Ok(Value::Null);
            }
            content(node, levels, mine)
        }
        Repetition::REPEATED => {
            levels.definition += 1;
            levels.repetition += 1;
            if first.definition < levels.definition {
                return Ok(Value::List(Vec::new()));
            }
            let mut values = Vec::new();
            while mine.iter().any(|cells| !cells.is_empty()) {
                let mut element = Vec::with_capacity(mine.len());
                for cells in mine.iter_mut() {
                    let end = cells.iter().skip(1).position(|cell| cell.repetition <= levels.repetition);
                    let (one, others) = cells.split_at(end.map_or(cells.len(), |end| end + 1));
                    element.push(one);
                    *cells = others;
                }
                values.push(content(node, levels, &mut element)?);
            }
            Ok(Value::List(values))
        }
    }
}

fn repetition(node: &Type) -> Repetition {
    let info = node.get_basic_info();
    if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED }
}

/// What a node holds that is there.
fn content(node: &Type, levels: Levels, cells: &mut [&[Cell]]) -> Result<Value, FormatError> {
    if node.is_primitive() {
        let cell = cells.first().and_then(|cells| cells.first()).ok_or(SHAPE)?;
        return cell.value.clone().ok_or(SHAPE);
    }
    let info = node.get_basic_info();
    let is_list = info.converted_type() == ConvertedType::LIST || info.logical_type_ref() == Some(&LogicalType::List);
    let is_map = matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
        || info.logical_type_ref() == Some(&LogicalType::Map);
    let mut rest = &mut *cells;
    if let [repeated] = node.get_fields()
        && repetition(repeated) == Repetition::REPEATED
        && (is_list || is_map)
    {
        let values = field(repeated, levels, &mut rest)?;
        return Ok(if is_map { map(repeated, values) } else { list(node, repeated, values) });
    }
    let mut record = Record::default();
    for inner in node.get_fields() {
        let value = field(inner, levels, &mut rest)?;
        if value != Value::Null {
            record.set(inner.name(), value);
        }
    }
    Ok(Value::Map(record))
}

/// A list without the layer that the format puts between it and its elements. Old writers put none.
fn list(node: &Type, repeated: &Type, values: Value) -> Value {
    let is_bare = repeated.is_primitive()
        || repeated.get_fields().len() != 1
        || repeated.name() == "array"
        || repeated.name() == format!("{}_tuple", node.name());
    match (values, repeated.is_group().then(|| repeated.get_fields().first()).flatten()) {
        (Value::List(values), Some(element)) if !is_bare => {
            let unwrap = |value| match value {
                Value::Map(mut record) => record.remove(element.name()).unwrap_or(Value::Null),
                other => other,
            };
            Value::List(values.into_iter().map(unwrap).collect())
        }
        (values, _) => values,
    }
}

/// A map: an object if its keys are text, else a list of keys and values.
fn map(repeated: &Type, values: Value) -> Value {
    let Value::List(entries) = values else {
        return values;
    };
    let [key, rest @ ..] = (if repeated.is_group() { repeated.get_fields() } else { &[] }) else {
        return Value::List(entries);
    };
    let named = entries.iter().map(|entry| match entry {
        Value::Map(entry) => {
            let value = rest.first().and_then(|value| entry.get(value.name()));
            Some((entry.get(key.name())?.as_text()?.to_owned(), value.cloned().unwrap_or(Value::Null)))
        }
        _ => None,
    });
    match named.collect::<Option<Record>>() {
        // Of names that are there twice one would be lost.
        Some(record) if record.len() == entries.len() => Value::Map(record),
        _ => Value::List(entries),
    }
}
