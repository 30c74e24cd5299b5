//! Changes to rows that were read: one transaction a page, one statement for all rows that lose or change the same fields.
//!
//! The rule of this file: a row is changed only if it is still the version that was read (`xmin`); one that somebody changed
//! meanwhile is left for the fresh read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::{KeyPart, Kind, Located, Relation, text};
use super::error::{Problem, permanent};
use super::page::Key;
use super::session::{Session, WRITE};
use super::statement::{Given, Statement, Values, literal, quoted};
use super::types::Family;
use crate::connectors::{Action, ConnectorError, Handle, Row};
use crate::mask::Masked;
use crate::record::Value;

/// Rows to which the same is done, by key and version, with the new values of their fields.
#[derive(Default)]
struct Batch {
    rows: Vec<(Key, String)>,
    /// One list a field, of as many values as there are rows; none: null, or for a field inside JSON that it goes.
    values: Vec<Vec<Option<String>>>,
}

/// A table that rows are moved to.
pub(super) struct There {
    pub(super) relation: Arc<Relation>,
    /// Fields that a row which is there already may have other values in: those that the rules of both collections write.
    pub(super) written: BTreeSet<String>,
}

/// The tables that rows are moved to, by the names of their collections.
pub(super) type Elsewhere = BTreeMap<String, There>;

/// What is done in a transaction.
enum Deed {
    /// Rows go or are changed.
    Write(Statement),
    /// Rows are moved to a table of this title; the answer says how many did not arrive.
    Move(Statement, String),
}

impl Session {
    /// Erases, changes and moves rows.
    pub(super) async fn apply(
        &mut self,
        relation: &Relation,
        key: &[KeyPart],
        actions: Vec<(Row, Action)>,
        elsewhere: &Elsewhere,
    ) -> Result<(), ConnectorError> {
        let about = relation.title();
        if relation.kind != Kind::Table {
            return Err(permanent(WRITE, Problem::ReadOnly { relation: about }));
        }
        let deeds = deeds(relation, key, actions, elsewhere).map_err(|problem| match problem {
            Failure::Problem(problem) => permanent(WRITE, problem),
            Failure::Connector(error) => error,
        })?;
        if deeds.is_empty() {
            return Ok(());
        }
        self.begin(WRITE, &about, "BEGIN").await?;
        for deed in &deeds {
            match deed {
                Deed::Write(statement) => {
                    self.execute(WRITE, &about, statement).await?;
                }
                Deed::Move(statement, there) => self.carry(&about, statement, there).await?,
            }
        }
        self.commit(WRITE, &about).await
    }

    /// Moves rows. If one did not arrive the error gives up the transaction, and all of them stay where they were.
    async fn carry(&self, about: &str, statement: &Statement, there: &str) -> Result<(), ConnectorError> {
        let rows = self.answer(WRITE, about, statement).await?;
        if rows.first().and_then(|row| text(row, 0)) == Some("0") {
            return Ok(());
        }
        Err(permanent(WRITE, Problem::NotArrived { relation: there.to_owned() }))
    }
}

enum Failure {
    Problem(Problem),
    Connector(ConnectorError),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

fn deeds(
    relation: &Relation,
    key: &[KeyPart],
    actions: Vec<(Row, Action)>,
    elsewhere: &Elsewhere,
) -> Result<Vec<Deed>, Failure> {
    let mut erased = Batch::default();
    let mut moved: BTreeMap<String, Batch> = BTreeMap::new();
    let mut changed: BTreeMap<Vec<String>, Batch> = BTreeMap::new();
    for (row, action) in actions {
        let Handle::Key { values, version } = row.handle else {
            return Err(Failure::Connector(ConnectorError::WrongKind));
        };
        if values.len() != key.len() {
            return Err(Failure::Connector(ConnectorError::Cursor));
        }
        match action {
            Action::Erase => erased.rows.push((values, version)),
            Action::Move(to) => moved.entry(to).or_default().rows.push((values, version)),
            Action::Change(changes) => {
                let mut changes: Vec<(String, Masked)> =
                    changes.into_iter().filter(|(_, masked)| *masked != Masked::Kept).collect();
                changes.sort_by(|(one, _), (other, _)| one.cmp(other));
                changes.dedup_by(|(one, _), (other, _)| one == other);
                let fields: Vec<String> = changes.iter().map(|(field, _)| field.clone()).collect();
                if fields.is_empty() {
                    continue;
                }
                let batch = changed.entry(fields).or_default();
                batch.values.resize_with(changes.len(), Vec::new);
                for ((field, masked), values) in changes.into_iter().zip(&mut batch.values) {
                    values.push(new_value(relation, &field, masked)?);
                }
                batch.rows.push((values, version));
            }
        }
    }
    let mut deeds = Vec::new();
    if !erased.rows.is_empty() {
        let (mut values, table) = (Values::default(), relation.sql());
        let (source, same) = matched(key, &erased, &mut values);
        let text = format!("DELETE FROM {table} AS c USING {source} WHERE {same}");
        deeds.push(Deed::Write(values.into_statement(text)));
    }
    for (to, batch) in moved {
        let there = elsewhere.get(&to).ok_or(Failure::Connector(ConnectorError::WrongKind))?;
        deeds.push(Deed::Move(moving(relation, key, there, &batch), there.relation.title()));
    }
    for (fields, batch) in changed {
        deeds.push(Deed::Write(update(relation, key, &fields, &batch)?));
    }
    Ok(deeds)
}

/// Moves rows in one statement: a row is here or there at any moment. One that is there already, restored or written again,
/// stays there as it is. Whatever else keeps a row from being inserted (another row of the same key, a unique value that is
/// taken) is an error, so that none goes that does not arrive; how many a trigger swallowed is the answer.
fn moving(relation: &Relation, key: &[KeyPart], there: &There, batch: &Batch) -> Statement {
    let mut values = Values::default();
    let (source, same) = matched(key, batch, &mut values);
    let columns = relation.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
    let (from, to) = (relation.sql(), there.relation.sql());
    let is_new = match known(relation, there) {
        Some(known) => format!(" WHERE NOT EXISTS (SELECT FROM {to} AS t WHERE {known})"),
        None => String::new(),
    };
    values.into_statement(format!(
        "WITH gone AS (DELETE FROM {from} AS c USING {source} WHERE {same} RETURNING c.*), \
         fresh AS (SELECT {columns} FROM gone AS g{is_new}), \
         arrived AS (INSERT INTO {to} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM fresh RETURNING 1) \
         SELECT ((SELECT pg_catalog.count(*) FROM fresh) OPERATOR(pg_catalog.-) \
         (SELECT pg_catalog.count(*) FROM arrived))::pg_catalog.text"
    ))
}

/// What makes a row that is there, called `t`, the same as one that is to come, called `g`: every column but those that the
/// rules write. None if nothing is unique there: then the same row may well be there twice.
fn known(relation: &Relation, there: &There) -> Option<String> {
    let unique: BTreeSet<&String> =
        there.relation.indexes.iter().filter(|index| index.is_unique).flat_map(|index| &index.columns).collect();
    if unique.is_empty() {
        return None;
    }
    let written: BTreeSet<&str> =
        there.written.iter().filter_map(|field| Some(relation.located(field).ok()?.column.name.as_str())).collect();
    let columns = relation.columns.iter().filter(|column| !written.contains(column.name.as_str()));
    let same = columns.map(|column| {
        let name = quoted(&column.name);
        let is_required = there.relation.column(&column.name).is_some_and(|other| other.is_required);
        if unique.contains(&column.name) && column.is_required && is_required {
            // In its own type, so that the index is used.
            return format!("t.{name} OPERATOR(pg_catalog.=) g.{name}");
        }
        let (here, there) = (format!("g.{name}::pg_catalog.text"), format!("t.{name}::pg_catalog.text"));
        format!("CASE WHEN {here} IS NULL THEN {there} IS NULL ELSE {there} OPERATOR(pg_catalog.=) {here} END")
    });
    Some(same.collect::<Vec<_>>().join(" AND "))
}

/// The rows of a batch as a source called `v`, and what makes a row of the table, called `c`, one of them.
fn matched(key: &[KeyPart], batch: &Batch, values: &mut Values) -> (String, String) {
    let (mut arrays, mut names, mut same) = (Vec::new(), Vec::new(), Vec::new());
    for (at, part) in key.iter().enumerate() {
        let Some(of) = &part.exact else { continue };
        let texts = batch.rows.iter().map(|(key, _)| key.get(at).cloned().flatten()).collect();
        arrays.push(format!("pg_catalog.unnest({}::{of}[])", values.take(Given::Texts(texts))));
        names.push(format!("k{at}"));
        same.push(format!("c.{} OPERATOR(pg_catalog.=) v.k{at}", part.column));
    }
    let versions = batch.rows.iter().map(|(_, version)| Some(version.clone())).collect();
    arrays.push(format!("pg_catalog.unnest({}::pg_catalog.xid[])", values.take(Given::Texts(versions))));
    names.push("version".to_owned());
    same.push("c.xmin OPERATOR(pg_catalog.=) v.version".to_owned());
    for (at, texts) in batch.values.iter().enumerate() {
        arrays.push(format!("pg_catalog.unnest({})", values.take(Given::Texts(texts.clone()))));
        names.push(format!("f{at}"));
    }
    (format!("ROWS FROM ({}) AS v({})", arrays.join(", "), names.join(", ")), same.join(" AND "))
}

fn update(relation: &Relation, key: &[KeyPart], fields: &[String], batch: &Batch) -> Result<Statement, Problem> {
    let mut values = Values::default();
    let (source, same) = matched(key, batch, &mut values);
    // Several fields inside one JSON column are one expression, each change around the one before.
    let mut columns: BTreeMap<&str, String> = BTreeMap::new();
    for (at, field) in fields.iter().enumerate() {
        let located = relation.located(field)?;
        let name = located.column.name.as_str();
        let value = match located.inside {
            None => whole(&located, at),
            Some(path) => {
                let before = columns.remove(name).unwrap_or_else(|| format!("c.{}", quoted(name)));
                inside(relation, field, &located, path, &before, at)?
            }
        };
        columns.insert(name, value);
    }
    let set: Vec<String> = columns.iter().map(|(name, value)| format!("{} = {value}", quoted(name))).collect();
    let text = format!("UPDATE {} AS c SET {} FROM {source} WHERE {same}", relation.sql(), set.join(", "));
    Ok(values.into_statement(text))
}

/// The new value of a column. The cast is to the type without its length, so that what is too long is an error and not cut
/// off in silence.
fn whole(located: &Located<'_>, at: usize) -> String {
    let of = &located.column.base_type;
    match located.column.family {
        Family::List(_) => format!(
            "CASE WHEN v.f{at} IS NOT NULL THEN \
             ARRAY(SELECT pg_catalog.json_array_elements_text(v.f{at}::pg_catalog.json))::{of} END"
        ),
        Family::Composite => {
            format!("pg_catalog.jsonb_populate_record(NULL::{of}, v.f{at}::pg_catalog.jsonb)")
        }
        _ => format!("v.f{at}::{of}"),
    }
}

/// A JSON column with a new value inside it, or without what was there.
fn inside(
    relation: &Relation,
    field: &str,
    located: &Located<'_>,
    path: &str,
    before: &str,
    at: usize,
) -> Result<String, Problem> {
    let Family::Json(_) = located.column.family else {
        return Err(Problem::NotWritable { relation: relation.title(), field: field.to_owned() });
    };
    let of = &located.column.base_type;
    let names: Vec<String> = path.split('.').map(literal).collect();
    let path = format!("ARRAY[{}]::pg_catalog.text[]", names.join(", "));
    Ok(format!(
        "(CASE WHEN v.f{at} IS NULL THEN ({before})::pg_catalog.jsonb OPERATOR(pg_catalog.#-) {path} \
         ELSE pg_catalog.jsonb_set(({before})::pg_catalog.jsonb, {path}, v.f{at}::pg_catalog.jsonb, false) END)::{of}"
    ))
}

/// A new value as the text that the statement casts.
fn new_value(relation: &Relation, field: &str, masked: Masked) -> Result<Option<String>, Problem> {
    let Masked::Replaced(value) = masked else { return Ok(None) };
    let located = relation.located(field)?;
    let not_writable = || Problem::NotWritable { relation: relation.title(), field: field.to_owned() };
    let json = |value: &Value| serde_json::to_string(value).map_err(|_| not_writable());
    Ok(Some(match (located.inside, &located.column.family, value) {
        (None, _, Value::Null) => return Ok(None),
        (Some(_), _, value) | (None, Family::Json(_), value) => json(&value)?,
        (None, Family::Composite, Value::Map(record)) => json(&Value::Map(record))?,
        (None, Family::List(_), Value::List(values)) if values.iter().all(is_plain) => json(&Value::List(values))?,
        (None, Family::List(_) | Family::Composite, _) | (None, _, Value::List(_) | Value::Map(_)) => {
            return Err(not_writable());
        }
        (None, _, Value::Bool(value)) => value.to_string(),
        (None, _, Value::Number(text) | Value::Text(text)) => text,
        (None, _, Value::Bytes(bytes)) => format!("\\x{}", hex::encode(bytes)),
    }))
}

/// Whether a value is one of a list of one dimension.
fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_))
}
