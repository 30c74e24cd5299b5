//! Values of other people's rows, to draw from: one statement for all fields, over some pages of the table.
//!
//! The rules of this file: how much is read does not depend on how large the table is, nor on when it was last counted; a row of
//! the person's is never among them; and which rows it is follows from numbers that are given, not from the database's own
//! chance.

use super::catalog::{Column, Relation, text};
use super::error::permanent;
use super::preflight::Found;
use super::session::{READ, Session};
use super::statement::{Given, Statement, Values, quoted};
use super::types::Family;
use super::ways::{Facts, Ways, relation_of};
use crate::connectors::{ConnectorError, Person, Target};
use crate::mask::{MOST_DRAWN_FROM, Samples};
use crate::random::{self, Random};
use crate::record::Value;

/// About how many blocks of a table are read, of 8 KiB mostly: 4 MB. A table of no more is read whole.
const BLOCKS_READ: u32 = 500;
/// A value of more bytes is not drawn: it is no attribute that many have alike.
const MOST_BYTES: u32 = 1_000;

/// How many blocks a table has by now, with those of its partitions and heirs; its statistics may be old, or not there.
const BLOCKS: &str = "WITH RECURSIVE part AS (SELECT {table}::pg_catalog.oid AS oid UNION \
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN part ON i.inhparent OPERATOR(pg_catalog.=) part.oid) \
    SELECT pg_catalog.sum(pg_catalog.pg_relation_size(part.oid))::pg_catalog.float8 \
    OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.float8 AS blocks FROM part";

/// Constraints and unique indexes that a column is in, and whether each is a foreign key.
const BOUND: &str = "SELECT con.conname::text, (con.contype = 'f')::text FROM pg_catalog.pg_constraint con \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey) \
    WHERE con.conrelid = $1::oid AND a.attname = $2 \
    AND (con.contype IN ('f', 'x') OR (con.contype = 'c' AND pg_catalog.cardinality(con.conkey) > 1)) \
    UNION SELECT c.relname::text, 'false' FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid \
    WHERE i.indrelid = $1::oid AND i.indisunique AND a.attname = $2 \
    AND (a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) OR EXISTS (SELECT FROM pg_catalog.pg_depend d \
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid AND i.indexprs IS NOT NULL \
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum)) \
    ORDER BY 1";

impl Session {
    /// Values that rows which are not the person's have in these fields.
    pub(super) async fn sample(
        &mut self,
        target: &Target<'_>,
        person: &Person,
        fields: &[String],
        random: &dyn Random,
    ) -> Result<Samples, ConnectorError> {
        let relation = relation_of(self, target.policy, target.name).await?;
        self.settle(READ, &relation.title()).await?;
        let facts = Facts::of_all(self, target, person).await?;
        let mut ways = Ways::new(&facts);
        let theirs = ways.any(target).map_err(|problem| permanent(READ, problem))?;
        let columns = fields.iter().filter_map(|field| relation.column(field));
        let columns: Vec<&Column> = columns.filter(|column| is_drawn(&column.family)).collect();
        let mut samples = Samples::default();
        let Some(theirs) = theirs.filter(|_| !columns.is_empty()) else { return Ok(samples) };
        let preamble = ways.preamble();
        let statement = statement(&relation, &columns, &preamble, &theirs, ways.values, random);
        let mut found: Vec<Vec<Value>> = columns.iter().map(|_| Vec::new()).collect();
        for row in self.rows(&relation.title(), &statement).await? {
            let at = text(&row, 0).and_then(|digits| digits.parse::<usize>().ok());
            if let Some((values, value)) = at.and_then(|at| found.get_mut(at)).zip(text(&row, 1)) {
                values.push(Value::Text(value.to_owned()));
            }
        }
        for (column, values) in columns.into_iter().zip(found) {
            samples.add(&column.name, values);
        }
        Ok(samples)
    }

    /// What stands in the way of putting values of others into a field.
    pub(super) async fn draw_ahead(
        &self,
        relation: &Relation,
        column: &Column,
        found: &mut Found<'_>,
    ) -> Result<(), ConnectorError> {
        let field = Some(column.name.as_str());
        if column.is_required {
            let message = "the column is NOT NULL, and where too few other rows have a value to draw, shuffle erases it: use \
                           fixed, or drop the constraint";
            found.refuse(field, message);
        }
        if !is_drawn(&column.family) {
            let message = format!(
                "shuffle is for single values that many rows have alike, not for a column of type {}: use erase",
                column.declared_type
            );
            found.refuse(field, message);
        }
        let bound = Statement::of(BOUND).with(relation.oid.as_str()).with(column.name.as_str());
        for row in self.rows(&relation.title(), &bound).await? {
            let name = text(&row, 0).unwrap_or_default();
            let message = if text(&row, 1) == Some("true") {
                format!(
                    "by the constraint {name} the column refers to other rows, which lead to whoever the value is from"
                )
            } else {
                format!(
                    "{name} binds the column to other rows or columns, among which a value that is drawn may not stand"
                )
            };
            found.refuse(field, format!("{message}: use erase"));
        }
        Ok(())
    }
}

/// Whether values of a family stand by themselves.
fn is_drawn(family: &Family) -> bool {
    !matches!(family, Family::List(_) | Family::Json(_) | Family::Bytes | Family::Composite)
}

fn statement(
    relation: &Relation,
    columns: &[&Column],
    preamble: &str,
    theirs: &str,
    mut values: Values,
    random: &dyn Random,
) -> Statement {
    let mut number = |of: &str| {
        let number = random::below(random, 1 << 31).to_string();
        format!("{}::pg_catalog.{of}", values.take(Given::Text(Some(number))))
    };
    let pages = number("float8");
    let orders: Vec<String> = columns.iter().map(|_| number("int8")).collect();
    let table = values.take(Given::Text(Some(relation.oid.clone())));
    let with = if preamble.is_empty() { "WITH ".to_owned() } else { format!("{}, ", preamble.trim_end()) };
    let fields = columns.iter().enumerate().map(|(at, column)| {
        let name = format!("c.{}", quoted(&column.name));
        format!(
            "CASE WHEN pg_catalog.pg_column_size({name}) OPERATOR(pg_catalog.<=) {MOST_BYTES} THEN {name}::pg_catalog.text \
             END AS f{at}"
        )
    });
    let fields = fields.collect::<Vec<_>>().join(", ");
    let parts = orders.iter().enumerate().map(|(at, order)| {
        format!(
            "(SELECT '{at}'::pg_catalog.text, s.f{at} FROM s WHERE s.f{at} IS NOT NULL \
             ORDER BY pg_catalog.hashtextextended(s.place, {order}) LIMIT {MOST_DRAWN_FROM})"
        )
    });
    let parts = parts.collect::<Vec<_>>().join(" UNION ALL ");
    let text = format!(
        "{with}s AS MATERIALIZED (SELECT {fields}, pg_catalog.concat(c.tableoid, c.ctid) AS place FROM {of} AS c \
         TABLESAMPLE pg_catalog.system ((SELECT LEAST(100, 100 OPERATOR(pg_catalog.*) {BLOCKS_READ}::pg_catalog.float8 \
         OPERATOR(pg_catalog./) GREATEST(1, b.blocks)) FROM ({blocks}) AS b)) REPEATABLE ({pages}) \
         WHERE ({theirs}) IS NOT TRUE) {parts}",
        of = relation.sql(),
        blocks = BLOCKS.replace("{table}", &table),
    );
    values.into_statement(text)
}
