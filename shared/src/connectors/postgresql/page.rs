//! Pages of rows: an ordered query, read through a cursor of the server.
//!
//! The rules of this file: a page ends with a row, and the next begins after its key (never at a count of rows, which would
//! skip some when others go); memory holds one page, and the next on its way; and a cursor that is still open is read on from only if the
//! query, its values and the place where it stands are exactly those that are asked for. Everything else begins anew.

use tokio_postgres::RowStream;

use super::arriving::{Ahead, Arrived, Form, Room, Taken};
use super::catalog::{KeyPart, Relation};
use super::error::permanent;
use super::session::{READ, Session};
use super::statement::{Given, Statement, Values, literal, quoted};
use super::types::Family;
use super::wire::Misfit;
use crate::connectors::ConnectorError;
use crate::policy::Field;

/// Most bytes of a row, as JSON.
pub(super) const ROW_BYTES: usize = 32 << 20;
/// How many rows are fetched first, while it is not known how large they are.
const FIRST_ROWS: usize = 8;
/// A value of more bytes stands for itself when rows are only judged: nothing is decided by so long a text, unless the rule
/// has it scanned.
const LONG_BYTES: usize = 64 << 10;
/// The same for JSON, which may hold fields that are judged.
const LONG_JSON_BYTES: usize = 16 << 20;

/// The texts of a row's key.
pub(super) type Key = Vec<Option<String>>;

/// What the rows are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be shown or captured. The cursor stays open for the next page.
    Show,
    /// To be changed at once, so that the cursor is of no more use.
    Judge,
}

/// An ordered query for rows of a table.
pub(super) struct Query<'a> {
    pub(super) relation: &'a Relation,
    pub(super) key: &'a [KeyPart],
    pub(super) fields: &'a [Field],
    /// Those whose texts are scanned by the rule, and so are read whole whatever they are read for.
    pub(super) scanned: Vec<&'a str>,
    /// What stands before the query.
    pub(super) preamble: String,
    /// What holds for the rows, which are called `c`; none: for all.
    pub(super) condition: Option<String>,
    pub(super) values: Values,
    /// How its rows come.
    pub(super) form: Form,
}

/// How far a query was read.
pub(super) struct Portion {
    /// The key of the last row, if there was one.
    pub(super) last: Option<Key>,
    /// Whether there are no more of the query.
    pub(super) is_last: bool,
}

/// A cursor that is open on the server.
pub(super) struct Kept {
    query: Statement,
    /// The key of the last row that was read.
    after: Option<Key>,
    /// The rows behind it, on their way while nobody has asked for them yet.
    ahead: Option<Ahead>,
}

impl Query<'_> {
    /// The statement. `after`: only rows behind that key; `most`: no more than so many.
    fn statement(&self, after: Option<&Key>, purpose: Purpose, most: Option<usize>) -> Statement {
        let mut values = self.values.clone();
        let keys = self.key.iter().enumerate().map(|(at, part)| format!("c.{} AS k{at}", part.column));
        let fields = self.fields.iter().enumerate().map(|(at, field)| self.column(at, field, purpose));
        let version = match (&self.form, self.relation.version()) {
            (Form::Lines(_), _) => None,
            (Form::Rows(..), Some(version)) => Some(format!("c.{version}::pg_catalog.text AS version")),
            (Form::Rows(..), None) => Some("''::pg_catalog.text AS version".to_owned()),
        };
        let columns: Vec<String> = keys.chain(fields).chain(version).collect();
        let mut conditions: Vec<String> = self.condition.iter().map(|condition| format!("({condition})")).collect();
        if let Some(after) = after {
            conditions.push(self.behind(after, &mut values));
        }
        let conditions =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        // A person's rows are few among many: the planner must not walk the whole table in the order of its key in the
        // hope of meeting them soon. Everybody's rows are best read in just that order.
        let fence = if self.condition.is_some() { " OFFSET 0" } else { "" };
        let order: Vec<String> =
            self.key.iter().enumerate().flat_map(|(at, part)| part.order(&format!("h.k{at}"))).collect();
        let most = most.map_or(String::new(), |most| format!(" LIMIT {most}"));
        let rows = format!(
            "SELECT h.* FROM (SELECT {columns} FROM {table} AS c{conditions}{fence}) AS h ORDER BY {order}{most}",
            columns = columns.join(", "),
            table = self.relation.sql(),
            order = order.join(", "),
        );
        let query = match &self.form {
            Form::Rows(..) => self.as_json(&rows),
            Form::Lines(wire) => wire.query(&rows),
        };
        values.into_statement(format!("{}{query}", self.preamble))
    }

    /// Rows as JSON, each with its key and version.
    fn as_json(&self, rows: &str) -> String {
        let key: Vec<String> = (0..self.key.len()).map(|at| format!("t.k{at}::pg_catalog.text")).collect();
        let shown = self.fields.iter().enumerate().map(|(at, field)| format!("t.f{at} AS {}", quoted(&field.name)));
        let shown = shown.collect::<Vec<_>>().join(", ");
        format!(
            "SELECT x.key, x.version, CASE WHEN pg_catalog.octet_length(x.record) \
             OPERATOR(pg_catalog.<=) {ROW_BYTES} THEN x.record END FROM (\
             SELECT ARRAY[{key}] AS key, t.version, pg_catalog.row_to_json(r)::pg_catalog.text AS record FROM ({rows}) \
             AS t CROSS JOIN LATERAL (SELECT {shown}) AS r OFFSET 0) AS x",
            key = key.join(", "),
        )
    }

    /// A field's column; where rows are judged, without long values.
    fn column(&self, at: usize, field: &Field, purpose: Purpose) -> String {
        let column = format!("c.{}", quoted(&field.name));
        let known = self.relation.column(&field.name);
        let long = |size: &str, most: usize, instead: &str, of: &str| {
            format!(
                "CASE WHEN pg_catalog.{size}({column}) OPERATOR(pg_catalog.>) {most} THEN {}::{of} ELSE {column} END",
                literal(instead)
            )
        };
        let is_scanned = self.scanned.contains(&field.name.as_str());
        let purpose = if is_scanned { Purpose::Show } else { purpose };
        let value = match (purpose, known.map(|column| (&column.family, column.base_type.as_str()))) {
            (Purpose::Judge, Some((Family::Text, of))) if of != "name" => long("octet_length", LONG_BYTES, "…", of),
            (Purpose::Judge, Some((Family::Bytes, of))) => long("octet_length", LONG_BYTES, "", of),
            (Purpose::Judge, Some((Family::Json(_), of))) => long("pg_column_size", LONG_JSON_BYTES, "\"…\"", of),
            _ => column.clone(),
        };
        format!("{value} AS f{at}")
    }

    /// What holds for rows behind a key.
    fn behind(&self, after: &Key, values: &mut Values) -> String {
        let here = self.key.iter().flat_map(|part| part.order(&format!("c.{}", part.column)));
        let here = here.collect::<Vec<_>>().join(", ");
        let mut there = Vec::new();
        for (part, text) in self.key.iter().zip(after) {
            let place = values.take(Given::Text(text.clone()));
            there.extend(part.order(&match &part.exact {
                Some(of) => format!("{place}::{of}"),
                None => place,
            }));
        }
        format!("ROW({here}) OPERATOR(pg_catalog.>) ROW({})", there.join(", "))
    }
}

impl KeyPart {
    /// By what rows are ordered, for one part of the key. Where a value may be null or its type has an order of somebody
    /// else's making, by its text.
    fn order(&self, value: &str) -> Vec<String> {
        if self.exact.is_some() {
            return vec![value.to_owned()];
        }
        let text = format!("coalesce({value}::pg_catalog.text, '') COLLATE pg_catalog.\"C\"");
        vec![format!("({value} IS NULL)"), text]
    }
}

impl Session {
    /// Reads rows behind a key, as many as there is room for. The transaction stays open.
    pub(super) async fn portion(
        &mut self,
        query: &Query<'_>,
        after: Option<&Key>,
        purpose: Purpose,
        room: &mut Room,
        taken: &mut Taken,
    ) -> Result<Portion, ConnectorError> {
        let about = query.relation.title();
        let whole = query.statement(None, purpose, None);
        let is_there = self.kept.as_ref().is_some_and(|kept| kept.query == whole && kept.after.as_ref() == after);
        let ahead = self.kept.take_if(|_| is_there).and_then(|kept| kept.ahead);
        let most = (purpose == Purpose::Judge).then_some(room.rows);
        let mut first = None;
        if !is_there {
            let wanted = self.wanted(&about, *room, None);
            let rows = self.open(&about, query.statement(after, purpose, most), &fetch(wanted)).await?;
            first = Some((rows, wanted));
        }
        self.kept = None;
        let fetched = self.fetch(query, ahead, first, room, taken).await?;
        if fetched.is_at_row && !fetched.is_over && purpose == Purpose::Show {
            let after = fetched.last.clone().or_else(|| after.cloned());
            // The next page begins with as much room as there is.
            let (rows, wanted) = self.ask(&about, taken.room(), None).await?;
            let ahead = Some(Ahead::begin(rows, wanted, query.form.clone()));
            self.kept = Some(Kept { query: whole, after, ahead });
        }
        // A query with a limit is over when that is reached; then there was no more room, and so this was not asked for.
        Ok(Portion { is_last: fetched.is_over, last: fetched.last })
    }

    /// How many rows there may be room for: few at first, then by the size that rows turn out to have.
    fn wanted(&self, about: &str, room: Room, each: Option<usize>) -> usize {
        let each = each.or_else(|| self.row_bytes.get(about).copied());
        each.map_or(FIRST_ROWS, |each| room.bytes / each.max(1)).clamp(1, room.rows)
    }

    /// Asks the open cursor for as many.
    async fn ask(&self, about: &str, room: Room, each: Option<usize>) -> Result<(RowStream, usize), ConnectorError> {
        let wanted = self.wanted(about, room, each);
        Ok((self.stream(about, &fetch(wanted)).await?, wanted))
    }

    /// Fetches from the open cursor; what is on its way comes first, or else what was asked for already.
    async fn fetch(
        &mut self,
        query: &Query<'_>,
        mut ahead: Option<Ahead>,
        mut first: Option<(RowStream, usize)>,
        room: &mut Room,
        taken: &mut Taken,
    ) -> Result<Fetched, ConnectorError> {
        let about = query.relation.title();
        let mut fetched = Fetched { last: None, is_over: false, is_at_row: true };
        let (mut read_bytes, mut read_rows, mut last) = (0_usize, 0_usize, None);
        while !room.is_none() && !fetched.is_over && fetched.is_at_row {
            let (arrived, wanted) = if let Some(ahead) = ahead.take() {
                let wanted = ahead.wanted;
                (ahead.rows(&about).await?, wanted)
            } else {
                let (rows, wanted) = match first.take() {
                    Some(first) => first,
                    None => self.ask(&about, *room, read_bytes.checked_div(read_rows)).await?,
                };
                let arrived = Arrived::take(rows, &query.form, *room).await;
                (arrived.map_err(|lost| lost.into_error(&about))?, wanted)
            };
            room.rows = room.rows.saturating_sub(arrived.rows);
            room.bytes = room.bytes.saturating_sub(arrived.bytes);
            read_rows += arrived.rows;
            read_bytes += arrived.bytes;
            last = arrived.last.or(last);
            taken.add(arrived.taken);
            fetched.is_at_row = !arrived.is_cut;
            fetched.is_over = fetched.is_at_row && arrived.rows < wanted;
        }
        let misfit = |misfit: Misfit| permanent(READ, misfit.of(&about));
        fetched.last = last.map(|row| query.form.key(&row)).transpose().map_err(misfit)?;
        if let Some(each) = read_bytes.checked_div(read_rows) {
            self.row_bytes.insert(about, each.max(1));
        }
        Ok(fetched)
    }
}

/// Asks the open cursor for so many rows.
fn fetch(wanted: usize) -> Statement {
    Statement::of(format!("FETCH FORWARD {wanted} FROM habeas"))
}

struct Fetched {
    last: Option<Key>,
    is_over: bool,
    /// Whether the cursor stands behind the last row; otherwise it has gone on.
    is_at_row: bool,
}
