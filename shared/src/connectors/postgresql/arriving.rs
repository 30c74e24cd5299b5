//! Rows on their way: taken off the connection as they come, and made into what a page is made of.
//!
//! The rule of this file: no more is kept than a page has room for, whatever comes.

use std::sync::Arc;

use futures::TryStreamExt as _;
use tokio::task::JoinHandle;
use tokio_postgres::{Row as SqlRow, RowStream};

use super::error::{Problem, failed, permanent, transient};
use super::page::Key;
use super::record::Shape;
use super::session::READ;
use super::wire::{Misfit, Wire};
use crate::connectors::{ConnectorError, Handle, Row};

/// Most rows of a page.
const PAGE_ROWS: usize = 5_000;
/// The same where rows are lines, which nobody looks at and no transaction changes: what a page costs beside its rows, here and
/// in the ledger, counts for more.
const PAGE_LINES: usize = 20_000;
/// Most bytes of a page, as JSON; one row may have more.
const PAGE_BYTES: usize = 8 << 20;

/// How much may still be read into a page.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Room {
    pub(super) fn is_none(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}

/// How rows come, and what is made of each.
#[derive(Clone)]
pub(super) enum Form {
    /// As JSON, with key and version: rows that were found through this link.
    Rows(usize, Arc<Shape>),
    /// Column by column: lines.
    Lines(Arc<Wire>),
}

/// Rows that are taken off the connection as they come, whether anybody asks for them or not: nothing else that is asked of
/// the connection would be answered before.
pub(super) struct Ahead {
    rows: JoinHandle<Result<Arrived, Lost>>,
    /// How many were asked for.
    pub(super) wanted: usize,
}

/// Why rows did not come.
pub(super) enum Lost {
    Server(tokio_postgres::Error),
    Misfit(Misfit),
}

impl Lost {
    pub(super) fn into_error(self, about: &str) -> ConnectorError {
        match self {
            Self::Server(error) => failed(READ, about, &error),
            Self::Misfit(misfit) => permanent(READ, misfit.of(about)),
        }
    }
}

/// Rows that have come, as many as there was room for.
pub(super) struct Arrived {
    pub(super) taken: Taken,
    pub(super) last: Option<SqlRow>,
    pub(super) rows: usize,
    /// Their size as JSON.
    pub(super) bytes: usize,
    /// Whether more came, which were let go.
    pub(super) is_cut: bool,
}

impl Arrived {
    pub(super) async fn take(rows: RowStream, form: &Form, room: Room) -> Result<Self, Lost> {
        let mut arrived = Self { taken: form.nothing(), last: None, rows: 0, bytes: 0, is_cut: false };
        let mut rows = Box::pin(rows);
        while let Some(row) = rows.try_next().await.map_err(Lost::Server)? {
            // What else was asked for comes again with the next page.
            if arrived.rows >= room.rows || arrived.bytes >= room.bytes {
                arrived.is_cut = true;
                continue;
            }
            arrived.bytes += form.take(&row, &mut arrived.taken).map_err(Lost::Misfit)?;
            arrived.rows += 1;
            arrived.last = Some(row);
        }
        Ok(arrived)
    }
}

impl Ahead {
    pub(super) fn begin(rows: RowStream, wanted: usize, form: Form) -> Self {
        let rows = tokio::spawn(async move { Arrived::take(rows, &form, form.nothing().room()).await });
        Self { rows, wanted }
    }

    pub(super) async fn rows(self, about: &str) -> Result<Arrived, ConnectorError> {
        let rows = self.rows.await.map_err(|_| transient(READ, Problem::Unreachable("rows were lost".to_owned())))?;
        rows.map_err(|lost| lost.into_error(about))
    }
}

/// What is made of rows.
pub(super) enum Taken {
    /// Rows.
    Rows(Vec<Row>),
    /// Lines of JSON.
    Lines { text: Vec<u8>, rows: u64 },
}

impl Taken {
    /// How much goes into a page of this.
    pub(super) fn room(&self) -> Room {
        let rows = match self {
            Self::Rows(_) => PAGE_ROWS,
            Self::Lines { .. } => PAGE_LINES,
        };
        Room { rows, bytes: PAGE_BYTES }
    }

    /// Takes in what came behind it.
    pub(super) fn add(&mut self, more: Self) {
        match (self, more) {
            (Self::Rows(rows), Self::Rows(more)) => rows.extend(more),
            (Self::Lines { text, rows }, Self::Lines { text: more, rows: count }) => {
                *rows += count;
                if text.is_empty() { *text = more } else { text.extend_from_slice(&more) }
            }
            // A page is of one form.
            (taken, more) => *taken = more,
        }
    }
}

impl Form {
    /// What is made of no rows.
    pub(super) fn nothing(&self) -> Taken {
        match self {
            Self::Rows(..) => Taken::Rows(Vec::new()),
            Self::Lines(_) => Taken::Lines { text: Vec::new(), rows: 0 },
        }
    }

    /// Takes a row in. Gives its size as JSON.
    fn take(&self, row: &SqlRow, taken: &mut Taken) -> Result<usize, Misfit> {
        match (self, taken) {
            (Self::Rows(link, shape), Taken::Rows(rows)) => {
                let version = row.try_get(1).map_err(|_| Misfit::Unexpected)?;
                let json: Option<&str> = row.try_get(2).map_err(|_| Misfit::Unexpected)?;
                let json = json.ok_or(Misfit::TooLarge)?;
                let record = shape.record(json).ok_or(Misfit::Unexpected)?;
                let handle = Handle::Key { values: self.key(row)?, version };
                rows.push(Row { handle, record, is_current: true, link: *link });
                Ok(json.len())
            }
            (Self::Lines(wire), Taken::Lines { text, rows }) => {
                let before = text.len();
                wire.write(row, text)?;
                *rows += 1;
                Ok(text.len() - before)
            }
            _ => Err(Misfit::Unexpected),
        }
    }

    /// Key of a row.
    pub(super) fn key(&self, row: &SqlRow) -> Result<Key, Misfit> {
        match self {
            Self::Rows(..) => row.try_get(0).map_err(|_| Misfit::Unexpected),
            Self::Lines(wire) => wire.key(row),
        }
    }
}
