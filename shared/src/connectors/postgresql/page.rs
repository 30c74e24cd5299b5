//! Pages of rows: an ordered query, read through a cursor of the server.
//!
//! The rules of this file: a page ends with a row, and the next begins after its key (never at a count of rows, which would
//! skip some when others go); memory holds one page, and the next on its way; and a cursor that is still open is read on from only if the
//! query, its values and the place where it stands are exactly those that are asked for. Everything else begins anew.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::task::JoinHandle;
use tokio_postgres::{Row as SqlRow, RowStream};

use super::catalog::{KeyPart, Relation};
use super::error::{Problem, failed, permanent, transient};
use super::record;
use super::session::{READ, Session};
use super::statement::{Given, Statement, Values, literal, quoted};
use super::types::Family;
use crate::connectors::{ConnectorError, Handle, Row};
use crate::policy::Field;

/// Most rows of a page.
pub(super) const PAGE_ROWS: usize = 5_000;
/// The same where rows are lines, which nobody looks at and no transaction changes: what a page costs beside its rows, here and
/// in the ledger, counts for more.
const PAGE_LINES: usize = 20_000;
/// Most bytes of a page, as JSON; one row may have more.
const PAGE_BYTES: usize = 8 << 20;
/// Most bytes of a row, as JSON.
const ROW_BYTES: usize = 32 << 20;
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

/// How much may still be read into a page.
pub(super) struct Room {
    rows: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn is_none(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
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

/// Rows that are taken off the connection as they come, whether anybody asks for them or not: nothing else that is asked of
/// the connection would be answered before.
struct Ahead {
    rows: JoinHandle<Result<Arrived, tokio_postgres::Error>>,
    /// How many were asked for.
    wanted: usize,
}

/// Rows that have come, as many as a page has room for.
struct Arrived {
    rows: Vec<SqlRow>,
    /// Whether more came, which were let go.
    is_cut: bool,
}

impl Ahead {
    fn begin(rows: RowStream, wanted: usize) -> Self {
        let rows = tokio::spawn(async move {
            let (mut arrived, mut rows, mut bytes) = (Arrived { rows: Vec::new(), is_cut: false }, Box::pin(rows), 0);
            while let Some(row) = rows.try_next().await? {
                if bytes >= PAGE_BYTES {
                    arrived.is_cut = true;
                    continue;
                }
                bytes += row.try_get::<_, Option<&str>>(2)?.map_or(1, str::len);
                arrived.rows.push(row);
            }
            Ok(arrived)
        });
        Self { rows, wanted }
    }

    async fn rows(self, about: &str) -> Result<Arrived, ConnectorError> {
        let rows = self.rows.await.map_err(|_| transient(READ, Problem::Unreachable("rows were lost".to_owned())))?;
        rows.map_err(|error| failed(READ, about, &error))
    }
}

/// What is made of rows.
pub(super) enum Taken {
    /// Rows, found through this link.
    Rows { link: usize, rows: Vec<Row> },
    /// Lines of JSON.
    Lines { text: Vec<u8>, rows: u64 },
}

impl Taken {
    /// How much goes into a page of this.
    pub(super) fn room(&self) -> Room {
        let rows = match self {
            Self::Rows { .. } => PAGE_ROWS,
            Self::Lines { .. } => PAGE_LINES,
        };
        Room { rows, bytes: PAGE_BYTES }
    }

    /// Takes a row in. Gives its size as JSON.
    fn take(&mut self, row: &SqlRow, query: &Query<'_>, about: &str) -> Result<usize, ConnectorError> {
        let json = json(row, about)?;
        let parse = || record::parse(json, query.relation, query.fields);
        match self {
            Self::Rows { link, rows } => {
                let version = row.try_get(1).map_err(|_| unexpected(about))?;
                let handle = Handle::Key { values: key(row, about)?, version };
                rows.push(Row { handle, record: parse()?, is_current: true, link: *link });
            }
            Self::Lines { text, rows } => {
                *rows += 1;
                if is_line(json) {
                    text.extend_from_slice(json.as_bytes());
                } else {
                    serde_json::to_writer(&mut *text, &parse()?).map_err(|_| unexpected(about))?;
                }
                text.push(b'\n');
            }
        }
        Ok(json.len().max(1))
    }
}

/// Whether a row's JSON can stand as it is: one line, and no value in it that holds others, which a JSON column may have
/// twice under one name, or nested without end. A text with such a character in it is only looked at more closely.
fn is_line(json: &str) -> bool {
    json.len() > 1 && memchr::memchr3(b'{', b'[', b'\n', &json.as_bytes()[1..]).is_none()
}

impl Query<'_> {
    /// The statement. `after`: only rows behind that key; `most`: no more than so many.
    fn statement(&self, after: Option<&Key>, purpose: Purpose, most: Option<usize>) -> Statement {
        let mut values = self.values.clone();
        let keys = self.key.iter().enumerate().map(|(at, part)| format!("c.{} AS k{at}", part.column));
        let fields = self.fields.iter().enumerate().map(|(at, field)| self.column(at, field, purpose));
        let version = match self.relation.version() {
            Some(version) => format!("c.{version}::pg_catalog.text AS version"),
            None => "''::pg_catalog.text AS version".to_owned(),
        };
        let columns: Vec<String> = keys.chain(fields).chain([version]).collect();
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
        let key: Vec<String> = (0..self.key.len()).map(|at| format!("t.k{at}::pg_catalog.text")).collect();
        let shown = self.fields.iter().enumerate().map(|(at, field)| format!("t.f{at} AS {}", quoted(&field.name)));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let text = format!(
            "{preamble}SELECT x.key, x.version, CASE WHEN pg_catalog.octet_length(x.record) \
             OPERATOR(pg_catalog.<=) {ROW_BYTES} THEN x.record END FROM (\
             SELECT ARRAY[{key}] AS key, t.version, pg_catalog.row_to_json(r)::pg_catalog.text AS record FROM (\
             SELECT h.* FROM (SELECT {columns} FROM {table} AS c{conditions}{fence}) AS h ORDER BY {order}{most}) AS t \
             CROSS JOIN LATERAL (SELECT {shown}) AS r OFFSET 0) AS x",
            preamble = self.preamble,
            key = key.join(", "),
            columns = columns.join(", "),
            table = self.relation.sql(),
            order = order.join(", "),
        );
        values.into_statement(text)
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
    /// Reads rows behind a key, as many as there is room for.
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
        if !is_there {
            let statement = query.statement(after, purpose, most);
            self.begin(READ, &about, "BEGIN READ ONLY").await?;
            let text = format!("DECLARE habeas NO SCROLL CURSOR FOR {}", statement.text);
            self.execute(READ, &about, &Statement { text, given: statement.given }).await?;
        }
        self.kept = None;
        let fetched = self.fetch(query, ahead, room, taken).await?;
        match &fetched {
            Fetched { is_at_row: true, is_over: false, .. } if purpose == Purpose::Show => {
                let after = fetched.last.clone().or_else(|| after.cloned());
                // The next page begins with as much room as there is.
                let (rows, wanted) = self.ask(&about, &taken.room(), None).await?;
                let ahead = Some(Ahead::begin(rows, wanted));
                self.kept = Some(Kept { query: whole, after, ahead });
            }
            _ => self.settle(READ, &about).await?,
        }
        // A query with a limit is over when that is reached; then there was no more room, and so this was not asked for.
        Ok(Portion { is_last: fetched.is_over, last: fetched.last })
    }

    /// Asks the open cursor for as many rows as there may be room for: few at first, then by the size that rows turn out
    /// to have.
    async fn ask(&self, about: &str, room: &Room, each: Option<usize>) -> Result<(RowStream, usize), ConnectorError> {
        let each = each.or_else(|| self.row_bytes.get(about).copied());
        let wanted = each.map_or(FIRST_ROWS, |each| room.bytes / each.max(1)).clamp(1, room.rows);
        let statement = Statement::of(format!("FETCH FORWARD {wanted} FROM habeas"));
        Ok((self.stream(about, &statement).await?, wanted))
    }

    /// Fetches from the open cursor; what is on its way comes first.
    async fn fetch(
        &mut self,
        query: &Query<'_>,
        mut ahead: Option<Ahead>,
        room: &mut Room,
        taken: &mut Taken,
    ) -> Result<Fetched, ConnectorError> {
        let about = query.relation.title();
        let mut fetched = Fetched { last: None, is_over: false, is_at_row: true };
        let (mut read_bytes, mut read_rows, mut last) = (0_usize, 0_usize, None);
        while !room.is_none() && !fetched.is_over && fetched.is_at_row {
            let mut arrived = 0;
            let (mut rows, wanted) = if let Some(ahead) = ahead.take() {
                let wanted = ahead.wanted;
                let arrived = ahead.rows(&about).await?;
                fetched.is_at_row = !arrived.is_cut;
                (stream::iter(arrived.rows.into_iter().map(Ok)).left_stream(), wanted)
            } else {
                let (rows, wanted) = self.ask(&about, room, read_bytes.checked_div(read_rows)).await?;
                (Box::pin(rows).right_stream(), wanted)
            };
            while let Some(row) = rows.try_next().await.map_err(|error| failed(READ, &about, &error))? {
                arrived += 1;
                // The page is full; what else was asked for comes again with the next page.
                if room.is_none() {
                    fetched.is_at_row = false;
                    continue;
                }
                let bytes = taken.take(&row, query, &about)?;
                room.rows -= 1;
                room.bytes = room.bytes.saturating_sub(bytes);
                read_bytes += bytes;
                read_rows += 1;
                last = Some(row);
            }
            fetched.is_over = fetched.is_at_row && arrived < wanted;
        }
        fetched.last = last.map(|row| key(&row, &about)).transpose()?;
        if let Some(each) = read_bytes.checked_div(read_rows) {
            self.row_bytes.insert(about, each);
        }
        Ok(fetched)
    }
}

struct Fetched {
    last: Option<Key>,
    is_over: bool,
    /// Whether the cursor stands behind the last row; otherwise it has gone on.
    is_at_row: bool,
}

fn unexpected(about: &str) -> ConnectorError {
    permanent(READ, Problem::Unexpected { relation: about.to_owned() })
}

/// Key of a row.
fn key(row: &SqlRow, about: &str) -> Result<Key, ConnectorError> {
    row.try_get(0).map_err(|_| unexpected(about))
}

/// JSON of a row.
fn json<'a>(row: &'a SqlRow, about: &str) -> Result<&'a str, ConnectorError> {
    let text: Option<&str> = row.try_get(2).map_err(|_| unexpected(about))?;
    text.ok_or_else(|| permanent(READ, Problem::TooLarge { relation: about.to_owned(), most: ROW_BYTES }))
}
