//! Which rows of a row group are the person's. What the file says of itself is asked first, from the cheapest on:
//! statistics, Bloom filter, dictionary, page index; only then are pages of the one column decoded that leads to the person.

use std::collections::HashSet;
use std::ops::Range;

use bytes::Bytes;
use parquet::basic::{ColumnOrder, Type};
use parquet::bloom_filter::Sbbf;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::DataType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::schema::types::ColumnDescriptor;

use super::chunk::{Fetched, Pages, bloom_filter, complete_dictionary, dictionary_values, for_any_type, needed, open};
use super::footer::Footer;
use super::scan::scan;
use super::thrift::Struct;
use super::value::{Meaning, Native, uuid_bytes};
use super::{FormatError, SourceRef, Way, damaged, field, guarded};
use crate::record::Value;

/// Rows that are decoded at a time.
const BATCH: usize = 8192;
/// A column chunk of less than this is fetched whole: asking for less of it would cost more.
const SMALL: u64 = 1 << 20;
/// As many values are compared one by one: quicker than a hash.
const FEW: usize = 4;

/// The column that leads to the person, and what it holds of theirs.
pub(super) struct Search {
    leaf: usize,
    physical: Type,
    meaning: Meaning,
    wanted: Wanted,
}

/// The person's values, as the column stores them.
enum Wanted {
    /// Few byte strings.
    Few(Vec<Vec<u8>>),
    /// Byte strings.
    Bytes(HashSet<Vec<u8>>),
    /// Whole numbers; those without a sign by their bits.
    Numbers(HashSet<i64>),
    /// What the column's values say.
    Texts(HashSet<String>),
}

impl Search {
    /// Finds the column of a way's first field, and how it stores the person's values; none if there is no such column.
    pub(super) fn new(footer: &Footer, way: &Way) -> Result<Option<Self>, FormatError> {
        let columns = footer.metadata.file_metadata().schema_descr().columns();
        let Some(leaf) = columns.iter().position(|column| column.path().string() == way.first()) else {
            return Ok(None);
        };
        let column = &columns[leaf];
        if column.max_rep_level() > 0 {
            return Err(FormatError::Unsupported("the column that leads to the person is inside a list"));
        }
        let (physical, meaning) = (column.physical_type(), Meaning::of(column));
        Ok(Some(Self { leaf, physical, meaning, wanted: wanted(column, physical, meaning, way) }))
    }

    /// Whether a value is the person's.
    fn is<N: Native>(&self, value: &N) -> bool {
        match &self.wanted {
            Wanted::Few(few) => value.bytes().is_some_and(|bytes| few.iter().any(|one| one == bytes)),
            Wanted::Bytes(all) => value.bytes().is_some_and(|bytes| all.contains(bytes)),
            Wanted::Numbers(all) => value.number().is_some_and(|number| all.contains(&number)),
            Wanted::Texts(all) => match value.value(self.meaning) {
                // A column of numbers that once had gaps is often stored as floating point numbers.
                Value::Number(text) => {
                    all.contains(&text) || text.strip_suffix(".0").is_some_and(|it| all.contains(it))
                }
                Value::Text(text) => all.contains(&text),
                _ => false,
            },
        }
    }

    /// The values as the column stores them, if they are few.
    fn few(&self) -> Option<Vec<Vec<u8>>> {
        match &self.wanted {
            Wanted::Few(values) => Some(values.clone()),
            Wanted::Numbers(values) if values.len() <= FEW => {
                let stored = |number: &i64| match self.physical {
                    Type::INT32 => Some(i32::try_from(*number).ok()?.to_le_bytes().to_vec()),
                    _ => Some(number.to_le_bytes().to_vec()),
                };
                values.iter().map(stored).collect()
            }
            _ => None,
        }
    }

    fn is_in_vain(&self) -> bool {
        match &self.wanted {
            Wanted::Few(values) => values.is_empty(),
            Wanted::Bytes(values) => values.is_empty(),
            Wanted::Numbers(values) => values.is_empty(),
            Wanted::Texts(values) => values.is_empty(),
        }
    }

    /// The numbers of the person's rows in a group, ascending.
    pub(super) async fn rows(
        &self,
        source: &SourceRef,
        footer: &Footer,
        group: &RowGroupMetaData,
    ) -> Result<Vec<u64>, FormatError> {
        let column = group.column(self.leaf);
        let rows = u64::try_from(group.num_rows()).map_err(damaged)?;
        if rows == 0 || self.is_in_vain() || !self.may_be_by_statistics(footer, column) {
            return Ok(Vec::new());
        }
        if let Some(range) = bloom_filter(source, footer, column).await?
            && !self.may_be_in_filter(&source.read(range).await?)
        {
            return Ok(Vec::new());
        }
        let chunk = footer.chunk(column)?;
        let is_small = chunk.end - chunk.start < SMALL;
        let mut fetched = Fetched::default();
        if is_small {
            fetched = Fetched::fetch(source, vec![chunk.clone()]).await?;
        }
        if let Some(range) = complete_dictionary(footer, column) {
            if !is_small {
                fetched = Fetched::fetch(source, vec![range]).await?;
            }
            if let Some(values) = dictionary_values(fetched.clone(), column, rows)?
                && !self.may_be_in_dictionary(&values, column.column_descr())
            {
                return Ok(Vec::new());
            }
        }
        let mut spans: Vec<_> = std::iter::once(0..rows).collect();
        let mut pages = None;
        if !is_small {
            pages = Pages::of(source, footer, column).await?;
            if let Some(pages) = &pages {
                spans = self.spans(source, footer, column, pages, rows).await?;
            }
            let firsts: Vec<u64> = spans.iter().map(|span| span.start).collect();
            let ranges = needed(&chunk, pages.as_ref(), &firsts, rows);
            fetched = Fetched::fetch(source, ranges).await?;
        }
        if pages.is_none()
            && let Some((bytes, wanted)) = fetched.get(&chunk).zip(self.few())
            && let Some(found) = guarded(|| Ok(scan(&bytes, column, rows, &wanted))).ok().flatten()
        {
            return Ok(found);
        }
        let reader = open(fetched, column, rows, pages)?;
        guarded(|| for_any_type!(reader, typed => self.matching(typed, column.column_descr(), &spans)))
    }

    /// The row numbers of the pages that may hold one of the values.
    async fn spans(
        &self,
        source: &SourceRef,
        footer: &Footer,
        column: &ColumnChunkMetaData,
        pages: &Pages,
        rows: u64,
    ) -> Result<Vec<Range<u64>>, FormatError> {
        let all = || (0..pages.len()).map(|page| pages.rows(page, rows)).collect::<Vec<_>>();
        let Some((start, length)) = column.column_index_offset().zip(column.column_index_length()) else {
            return Ok(all());
        };
        if !self.has_order(footer) {
            return Ok(all());
        }
        let bytes = source.read(footer.stretch(start, length.into())?).await?;
        let index = Struct::parse(&bytes)?.0;
        let nulls = index.truths(field::column_index::NULL_PAGES)?;
        let least = index.binaries(field::column_index::LEAST)?;
        let most = index.binaries(field::column_index::MOST)?;
        if [nulls.len(), least.len(), most.len()] != [pages.len(); 3] {
            return Ok(all());
        }
        let may = |page: &usize| !nulls[*page] && self.may_be_between(least[*page], most[*page]);
        Ok((0..pages.len()).filter(may).map(|page| pages.rows(page, rows)).collect())
    }

    fn matching<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        column: &ColumnDescriptor,
        spans: &[Range<u64>],
    ) -> Result<Vec<u64>, FormatError>
    where
        T::T: Native,
    {
        let there = column.max_def_level();
        let (mut found, mut levels, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = 0;
        for span in spans {
            let skipped = usize::try_from(span.start - at).map_err(damaged)?;
            if skipped > 0 && reader.skip_records(skipped).map_err(damaged)? != skipped {
                return Err(FormatError::Malformed("a Parquet column has fewer rows than its group"));
            }
            at = span.start;
            while at < span.end {
                levels.clear();
                values.clear();
                let batch = usize::try_from(span.end - at).unwrap_or(BATCH).min(BATCH);
                let (read, ..) = reader.read_records(batch, Some(&mut levels), None, &mut values).map_err(damaged)?;
                if read == 0 {
                    return Err(FormatError::Malformed("a Parquet column has fewer rows than its group"));
                }
                if there == 0 {
                    found.extend((at..).zip(&values).filter(|(_, value)| self.is(*value)).map(|(row, _)| row));
                } else {
                    let rows = (at..).zip(&levels).filter(|(_, level)| **level == there).map(|(row, _)| row);
                    found.extend(rows.zip(&values).filter(|(_, value)| self.is(*value)).map(|(row, _)| row));
                }
                at += read as u64;
            }
        }
        Ok(found)
    }

    /// Whether least and greatest values are in an order that is known here.
    fn has_order(&self, footer: &Footer) -> bool {
        let order = footer.metadata.file_metadata().column_order(self.leaf);
        let is_known = self.meaning.is_bytes(self.physical) || self.meaning.is_number(self.physical);
        is_known && matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))
    }

    fn may_be_by_statistics(&self, footer: &Footer, column: &ColumnChunkMetaData) -> bool {
        let Some(statistics) = column.statistics() else {
            return true;
        };
        if statistics.null_count_opt().is_some_and(|nulls| i64::try_from(nulls) == Ok(column.num_values())) {
            return false;
        }
        // The deprecated ones are in an order that writers did not agree on.
        if statistics.is_min_max_deprecated() || !self.has_order(footer) {
            return true;
        }
        match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
            (Some(least), Some(most)) => self.may_be_between(least, most),
            _ => true,
        }
    }

    fn may_be_between(&self, least: &[u8], most: &[u8]) -> bool {
        let between = |bytes: &Vec<u8>| least <= bytes.as_slice() && bytes.as_slice() <= most;
        match &self.wanted {
            Wanted::Few(values) => values.iter().any(between),
            Wanted::Bytes(values) => values.iter().any(between),
            Wanted::Numbers(values) => {
                let Some((least, most)) = number(self.physical, least).zip(number(self.physical, most)) else {
                    return true;
                };
                if self.meaning == Meaning::Unsigned {
                    let range = self.unsigned(least)..=self.unsigned(most);
                    values.iter().any(|value| range.contains(&self.unsigned(*value)))
                } else {
                    values.iter().any(|value| (least..=most).contains(value))
                }
            }
            Wanted::Texts(_) => true,
        }
    }

    fn unsigned(&self, bits: i64) -> u64 {
        if self.physical == Type::INT32 { bits.cast_unsigned() & 0xffff_ffff } else { bits.cast_unsigned() }
    }

    fn may_be_in_filter(&self, filter: &Bytes) -> bool {
        // A filter that cannot be read says nothing.
        let Ok(filter) = guarded(|| Sbbf::from_bytes(filter).map_err(damaged)) else {
            return true;
        };
        if filter.num_blocks() == 0 {
            return true;
        }
        match &self.wanted {
            Wanted::Few(values) => values.iter().any(|value| filter.check(value.as_slice())),
            Wanted::Bytes(values) => values.iter().any(|value| filter.check(value.as_slice())),
            Wanted::Numbers(values) if self.physical == Type::INT32 => {
                values.iter().filter_map(|value| i32::try_from(*value).ok()).any(|value| filter.check(&value))
            }
            Wanted::Numbers(values) => values.iter().any(|value| filter.check(value)),
            Wanted::Texts(_) => true,
        }
    }

    fn may_be_in_dictionary(&self, plain: &[u8], column: &ColumnDescriptor) -> bool {
        let is_one = |bytes: &[u8]| match &self.wanted {
            Wanted::Few(values) => values.iter().any(|value| value == bytes),
            Wanted::Bytes(values) => values.contains(bytes),
            Wanted::Numbers(values) => number(self.physical, bytes).is_none_or(|number| values.contains(&number)),
            Wanted::Texts(_) => true,
        };
        let width = match self.physical {
            Type::INT32 => 4,
            Type::INT64 => 8,
            Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(column.type_length()).unwrap_or(0),
            Type::BYTE_ARRAY => {
                let mut rest = plain;
                while let Some((length, after)) = rest.split_first_chunk::<4>() {
                    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                    let Some((value, after)) = after.split_at_checked(length) else {
                        return true;
                    };
                    if is_one(value) {
                        return true;
                    }
                    rest = after;
                }
                return !rest.is_empty();
            }
            _ => return true,
        };
        width == 0 || plain.chunks(width).any(is_one)
    }
}

fn wanted(column: &ColumnDescriptor, physical: Type, meaning: Meaning, way: &Way) -> Wanted {
    if meaning.is_bytes(physical) {
        let width =
            (physical == Type::FIXED_LEN_BYTE_ARRAY).then(|| usize::try_from(column.type_length()).unwrap_or(0));
        let bytes = |value: &str| match meaning {
            Meaning::Uuid => uuid_bytes(value).map(|bytes| bytes.to_vec()),
            _ => Some(value.as_bytes().to_vec()).filter(|bytes| width.is_none_or(|width| bytes.len() == width)),
        };
        let values: HashSet<Vec<u8>> = way.firsts().filter_map(bytes).collect();
        if values.len() <= FEW { Wanted::Few(values.into_iter().collect()) } else { Wanted::Bytes(values) }
    } else if meaning.is_number(physical) {
        let number = |value: &str| -> Option<i64> {
            let number = match (physical, meaning) {
                (Type::INT32, Meaning::Unsigned) => value.parse::<u32>().ok()?.cast_signed().into(),
                (_, Meaning::Unsigned) => value.parse::<u64>().ok()?.cast_signed(),
                (Type::INT32, _) => value.parse::<i32>().ok()?.into(),
                _ => value.parse().ok()?,
            };
            // "007" and "+7" are other values than 7.
            let is_plain =
                value == "0" || !value.trim_start_matches('-').starts_with(['0', '+']) && !value.starts_with('+');
            is_plain.then_some(number)
        };
        Wanted::Numbers(way.firsts().filter_map(number).collect())
    } else {
        Wanted::Texts(way.firsts().map(ToOwned::to_owned).collect())
    }
}

/// A whole number as PLAIN stores it.
fn number(physical: Type, bytes: &[u8]) -> Option<i64> {
    match physical {
        Type::INT32 => Some(i32::from_le_bytes(bytes.try_into().ok()?).into()),
        _ => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
    }
}
