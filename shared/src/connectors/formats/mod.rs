//! Rows inside objects: JSON Lines, CSV and Parquet, found, dropped and changed without holding an object in memory.
//!
//! This room knows nothing of any store: it reads from a [`Source`] by ranges and writes to a [`Sink`]. The rules: what no
//! rule of the policy touches is kept byte for byte; a row that cannot be read is kept and counted, never dropped; an error
//! leaves nothing half done, because a sink counts for nothing until its owner completes it.

mod compression;
mod csv;
mod error;
mod jsonl;
mod parquet;
mod sink;
mod source;
mod text;
mod whose;

#[cfg(test)]
mod tests;

pub use compression::Compression;
pub use error::FormatError;
pub use sink::{MemorySink, Sink};
pub use source::{MemorySource, Source, SourceRef};
pub use whose::{Way, Whose};

use super::ConnectorError;
use crate::mask::Masked;
use crate::record::Record;

/// How the rows of an object are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line; plain, gzip or Zstandard.
    Jsonl,
    /// A header and records (RFC 4180); plain, gzip or Zstandard.
    Csv {
        /// What stands between two fields.
        delimiter: u8,
    },
    /// Apache Parquet.
    Parquet,
}

/// What becomes of a row that matches.
pub enum Verdict {
    /// It stays as it is.
    Keep,
    /// It goes.
    Drop,
    /// These fields change; the rest stays.
    Change(Vec<(String, Masked)>),
    /// It stays, because it must be kept, but these fields change.
    Minimise(Vec<(String, Masked)>),
    /// It stays, and no more rows are asked about: only where nothing is written.
    Stop,
}

/// Says what becomes of a row, and is told which way led to it. It may be asked about the same row more than once, and must
/// answer alike.
pub type Decide<'a> = dyn FnMut(&Record, usize) -> Result<Verdict, ConnectorError> + Send + 'a;

/// What is done with the verdicts.
pub enum Mode<'a> {
    /// Nothing: they are counted.
    Look,
    /// Nothing: whether there is anything to do is all that matters, so the first row to drop or change is the last to be
    /// read, and the counts go as far as that.
    Glance,
    /// The object is written anew into the sink, unless there is nothing to do: then nothing is written.
    Rewrite(&'a mut dyn Sink),
}

/// What was found and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows of the object. Of a text format: its lines or records without the header.
    pub rows: u64,
    /// Rows that match.
    pub matched: u64,
    /// Matching rows that go.
    pub dropped: u64,
    /// Matching rows that change.
    pub changed: u64,
    /// Matching rows that are kept and change.
    pub minimised: u64,
    /// Rows that still match when the others have gone or changed.
    pub still: u64,
    /// Rows that may be the person's, but cannot be read. They stay as they are.
    pub unreadable: u64,
}

impl Tally {
    /// Whether the object has to be written anew.
    #[must_use]
    pub const fn has_work(&self) -> bool {
        self.dropped + self.changed + self.minimised > 0
    }

    /// Whether a fresh look at the new object agrees with what was done to the old one.
    #[must_use]
    pub const fn is_confirmed_by(&self, fresh: &Self) -> bool {
        fresh.rows == self.rows - self.dropped && fresh.matched == self.still && fresh.dropped == 0
    }
}

/// Goes through an object's rows, and asks about each that matches.
///
/// Memory: a few chunks of the object (about 10 MiB) for text; for Parquet about one row group.
pub async fn walk(
    format: Format,
    source: &SourceRef,
    whose: &Whose,
    decide: &mut Decide<'_>,
    mode: Mode<'_>,
) -> Result<Tally, FormatError> {
    match format {
        Format::Jsonl => text::walk(jsonl::Jsonl, source, whose, decide, mode).await,
        Format::Csv { delimiter } => text::walk(csv::Csv::new(delimiter), source, whose, decide, mode).await,
        Format::Parquet => parquet::walk(source, whose, decide, mode).await,
    }
}

/// A column of a table.
pub struct Column {
    /// Its name; in Parquet its path.
    pub name: String,
    /// Whether a row must have a value in it.
    pub is_required: bool,
}

/// The columns of an object; none if its format says nothing of them, or it has no rows.
pub async fn columns(format: Format, source: &SourceRef) -> Result<Option<Vec<Column>>, FormatError> {
    match format {
        _ if source.size() == 0 => Ok(None),
        Format::Jsonl => Ok(None),
        Format::Csv { delimiter } => {
            let names = text::head(csv::Csv::new(delimiter), source).await?.into_names();
            Ok(Some(names.into_iter().map(|name| Column { name, is_required: false }).collect()))
        }
        Format::Parquet => parquet::columns(source).await.map(Some),
    }
}
