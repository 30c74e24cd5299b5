//! Parquet: row groups without a row of the person are copied as they are, without being decoded; so are, in the others, the
//! pages without one. The pages with one are taken apart; columns for which that cannot be are decoded, filtered and encoded.
//!
//! The rules: the footer of the new file is the old one, field by field, but for offsets and counts, so schema, metadata and
//! whatever else a writer put there stay as they were; a column that is written anew is written the way it was; no value
//! that is gone is left in a dictionary, a statistic, an index or a filter. Memory: a column chunk or two for each processor,
//! and the footer.

mod assemble;
mod bounds;
mod chunk;
mod codec;
mod copy;
mod edits;
mod encode;
mod field;
mod find;
mod footer;
mod output;
mod page;
mod pages;
mod plain;
mod runs;
mod scan;
mod thrift;
mod told;
mod value;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use assemble::Assembler;
use encode::Work;
use find::Search;
use footer::Footer;
use output::Output;
use parquet::basic::Repetition;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::ColumnDescPtr;

use super::source::Ahead;
use super::{Column, Decide, FormatError, Mode, Sink, SourceRef, Tally, Verdict, Way, Whose};
use crate::mask::Masked;
use crate::record::{Record, Value};

/// Row groups that are searched at the same time. Each has the column that leads to the person in memory.
const GROUPS_AHEAD: usize = 2;

/// What the `parquet` crate says is not passed on: it may quote what it read.
fn damaged<E>(_: E) -> FormatError {
    FormatError::Malformed("its Parquet cannot be decoded")
}

/// Decodes something that may be damaged: there the `parquet` crate does not only answer with errors, but panics too.
fn guarded<T>(decode: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
    std::panic::catch_unwind(AssertUnwindSafe(decode)).map_err(damaged)?
}

/// See [`super::walk`].
pub(super) async fn walk(
    source: &SourceRef,
    whose: &Whose,
    decide: &mut Decide<'_>,
    mode: Mode<'_>,
) -> Result<Tally, FormatError> {
    // What a job leaves as a sign that it is done has the name of an object and nothing in it.
    if source.size() == 0 {
        return Ok(Tally::default());
    }
    let footer = Arc::new(Footer::read(source).await?);
    let searches = searches(&footer, whose)?.map(Arc::new);
    let mut finding = Finding { source, footer: &footer, searches: searches.as_ref(), next: 0, ahead: VecDeque::new() };
    let (mut output, stops_at_work) = match mode {
        Mode::Look => (None, false),
        Mode::Glance => (None, true),
        Mode::Rewrite(sink) => (Some(Output::new(source, &footer, sink)), false),
    };
    let mut pass =
        Pass { source, footer: &footer, whose, decide, tally: Tally::default(), stops_at_work, is_over: false };
    for (index, group) in footer.metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).map_err(damaged)?;
        pass.tally.rows += rows;
        let theirs = match finding.next().await? {
            None => (0..rows).map(|row| (row, 0)).collect(),
            Some(found) => found,
        };
        let work = pass.work(group, &theirs).await?;
        if pass.is_over {
            break;
        }
        let Some(output) = &mut output else {
            continue;
        };
        if work.dropped.len() as u64 == rows && rows > 0 {
            continue;
        }
        if work.dropped.is_empty() && work.edits.is_empty() {
            output.keep(index).await?;
        } else {
            output.change(index, &Arc::new(work)).await?;
        }
    }
    match output {
        Some(output) if pass.tally.has_work() => output.finish().await?,
        _ => {}
    }
    Ok(pass.tally)
}

/// See [`super::columns`].
pub(super) async fn columns(source: &SourceRef) -> Result<Vec<Column>, FormatError> {
    let footer = Footer::read(source).await?;
    let schema = footer.metadata.file_metadata().schema_descr();
    let column = |column: &ColumnDescPtr| {
        let is_required = column.self_type().get_basic_info().repetition() == Repetition::REQUIRED;
        Column { name: column.path().string(), is_required }
    };
    Ok(schema.columns().iter().map(column).collect())
}

/// What is searched for, way by way; none: all rows are looked for.
fn searches(footer: &Footer, whose: &Whose) -> Result<Option<Vec<(usize, Search)>>, FormatError> {
    let Some(ways) = whose.ways() else {
        return Ok(None);
    };
    let mut searches = Vec::new();
    for (at, way) in ways.iter().enumerate() {
        searches.extend(Search::new(footer, way)?.map(|search| (at, search)));
    }
    if searches.is_empty() && !ways.is_empty() {
        return Err(FormatError::Malformed("it has no column that leads to the person"));
    }
    Ok(Some(searches))
}

/// Rows of a group that may be the person's, ascending, each with the way that may lead to it.
type Found = Vec<(u64, usize)>;

/// What finds the person's rows group by group, and is in the next one already while something is done about one.
struct Finding<'a> {
    source: &'a SourceRef,
    footer: &'a Arc<Footer>,
    searches: Option<&'a Arc<Vec<(usize, Search)>>>,
    /// The next group that nobody has begun with.
    next: usize,
    ahead: VecDeque<Ahead<Found>>,
}

impl Finding<'_> {
    /// What is in the next group; none if all rows are looked for.
    async fn next(&mut self) -> Result<Option<Found>, FormatError> {
        let Some(searches) = self.searches else {
            return Ok(None);
        };
        while self.ahead.len() < GROUPS_AHEAD && self.next < self.footer.metadata.num_row_groups() {
            let (source, footer, searches) = (self.source.clone(), self.footer.clone(), searches.clone());
            let group = self.next;
            self.ahead.push_back(Ahead::start(async move { find(&source, &footer, group, &searches).await }));
            self.next += 1;
        }
        match self.ahead.pop_front() {
            Some(found) => found.done().await.map(Some),
            None => Ok(Some(Vec::new())),
        }
    }
}

async fn find(
    source: &SourceRef,
    footer: &Footer,
    group: usize,
    searches: &[(usize, Search)],
) -> Result<Found, FormatError> {
    let mut found = Vec::new();
    for (way, search) in searches {
        let rows = search.rows(source, footer, footer.metadata.row_group(group)).await?;
        found.extend(rows.into_iter().map(|row| (row, *way)));
    }
    found.sort_unstable();
    Ok(found)
}

/// One way through a file.
struct Pass<'a, 'd> {
    source: &'a SourceRef,
    footer: &'a Footer,
    whose: &'a Whose,
    decide: &'a mut Decide<'d>,
    tally: Tally,
    stops_at_work: bool,
    is_over: bool,
}

impl Pass<'_, '_> {
    /// What is to be done to a group of which these rows may be the person's.
    async fn work(&mut self, group: &RowGroupMetaData, theirs: &[(u64, usize)]) -> Result<Work, FormatError> {
        let mut work = Work::default();
        if theirs.is_empty() {
            return Ok(work);
        }
        let mut rows: Vec<u64> = theirs.iter().map(|(row, _)| *row).collect();
        rows.dedup();
        let mut assembler = Assembler::open(self.source, self.footer, group, self.whose, &rows).await?;
        for ways in theirs.chunk_by(|(one, _), (other, _)| one == other) {
            let row = ways[0].0;
            let record = guarded(|| assembler.record(row))?;
            if let Some((_, way)) = ways.iter().find(|(_, way)| self.leads(*way, &record)) {
                self.tally.matched += 1;
                self.judge(group, row, &record, *way, &mut work)?;
            }
            self.is_over |= self.stops_at_work && self.tally.has_work();
            if self.is_over {
                break;
            }
        }
        Ok(work)
    }

    /// Whether a way whose first field fits leads to a row.
    fn leads(&self, way: usize, record: &Record) -> bool {
        let way = self.whose.ways().and_then(|ways| ways.get(way));
        way.is_none_or(|way| way.fields().len() == 1 || holds(way, record))
    }

    fn judge(
        &mut self,
        group: &RowGroupMetaData,
        row: u64,
        record: &Record,
        way: usize,
        work: &mut Work,
    ) -> Result<(), FormatError> {
        let (changes, is_kept) = match (self.decide)(record, way)? {
            Verdict::Drop => {
                self.tally.dropped += 1;
                work.dropped.push(row);
                return Ok(());
            }
            Verdict::Change(changes) => (changes, false),
            Verdict::Minimise(changes) => (changes, true),
            Verdict::Keep => (Vec::new(), true),
            Verdict::Stop => {
                self.is_over = true;
                (Vec::new(), true)
            }
        };
        let mut edited = record.clone();
        let mut has_changed = false;
        for (field, masked) in &changes {
            if work.edits.add(group.schema_descr(), row, field, masked)? {
                has_changed = true;
                set(&mut edited, field, masked);
            }
        }
        if has_changed && is_kept {
            self.tally.minimised += 1;
        } else if has_changed {
            self.tally.changed += 1;
        }
        let is_still_theirs = self.whose.ways().is_none_or(|ways| ways.iter().any(|way| holds(way, &edited)));
        self.tally.still += u64::from(!has_changed || is_still_theirs);
        Ok(())
    }
}

/// Whether a record has the values of a way.
fn holds(way: &Way, record: &Record) -> bool {
    let texts = |field: &String| -> Vec<String> {
        let text = record.at(field).and_then(Value::as_key).map(Cow::into_owned);
        // A column of numbers that once had gaps is often stored as floating point numbers.
        let whole = text.as_ref().and_then(|text| text.strip_suffix(".0")).map(ToOwned::to_owned);
        text.into_iter().chain(whole).collect()
    };
    way.holds(&way.fields().iter().map(texts).collect::<Vec<_>>())
}

/// Changes a field of a record, or what it leads to through structs.
fn set(record: &mut Record, field: &str, masked: &Masked) {
    if record.get(field).is_none()
        && let Some((first, rest)) = field.split_once('.')
        && let Some(Value::Map(inner)) = record.iter_mut().find(|(name, _)| *name == first).map(|(_, value)| value)
    {
        return set(inner, rest, masked);
    }
    match masked {
        Masked::Kept => {}
        Masked::Removed | Masked::Replaced(Value::Null) => {
            record.remove(field);
        }
        Masked::Replaced(value) => record.set(field, value.clone()),
    }
}
