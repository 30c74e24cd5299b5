//! Whether what a strategy writes can be written into a column.

use super::Found;
use crate::connectors::ConnectorError;
use crate::connectors::postgresql::catalog::{Column, Relation, text};
use crate::connectors::postgresql::session::Session;
use crate::connectors::postgresql::statement::Statement;
use crate::connectors::postgresql::types::Family;
use crate::mask::{DETACHED, LEAST_TOKEN_LENGTH, MARK, TOKEN_LENGTH};
use crate::policy::{Generalisation, Strategy};

/// Foreign keys that a column is part of.
const REFERS: &str = "SELECT con.conname::text FROM pg_catalog.pg_constraint con \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey) \
    WHERE con.contype = 'f' AND con.conrelid = $1::oid AND a.attname = $2";

/// Foreign keys of other tables that refer to a column.
const REFERRED_TO: &str = "SELECT con.conname::text FROM pg_catalog.pg_constraint con \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = ANY (con.confkey) \
    WHERE con.contype = 'f' AND con.confrelid = $1::oid AND con.conparentid = 0 AND a.attname = $2";

impl Session {
    /// What stands in the way of changing a field so.
    pub(super) async fn change(
        &self,
        relation: &Relation,
        field: &str,
        strategy: &Strategy,
        found: &mut Found<'_>,
    ) -> Result<(), ConnectorError> {
        // A field that is not there has been found already.
        let Ok(located) = relation.located(field) else { return Ok(()) };
        let column = located.column;
        if !column.is_writable {
            found.refuse(
                Some(field),
                format!("this role may not change the column: GRANT UPDATE ON {}", relation.sql()),
            );
        }
        if located.inside.is_some() {
            if !matches!(column.family, Family::Json(_)) {
                found.refuse(Some(field), "a field inside a value can be changed in json and jsonb columns only");
            }
            return Ok(());
        }
        if column.is_generated {
            found.refuse(Some(field), "PostgreSQL itself gives the value of this column, so it cannot be changed");
            return Ok(());
        }
        if relation.indexes.iter().any(|index| index.is_primary && index.columns.contains(&column.name)) {
            found.refuse(
                Some(field),
                "the column is part of the primary key, by which rows are found; erase the row instead",
            );
            return Ok(());
        }
        for row in self.rows(&relation.title(), &about(REFERRED_TO, relation, column)).await? {
            let constraint = text(&row, 0).unwrap_or_default();
            found.refuse(Some(field), format!("other rows refer to the column by the constraint {constraint}"));
        }
        if *strategy == Strategy::Shuffle {
            return self.draw_ahead(relation, column, found).await;
        }
        if matches!(strategy, Strategy::Erase | Strategy::Null) {
            if column.is_required {
                let message = format!(
                    "the column is NOT NULL, so nothing can be written there for {}: use fixed, or drop the constraint",
                    if *strategy == Strategy::Null { "null" } else { "erase" }
                );
                found.refuse(Some(field), message);
            }
            return Ok(());
        }
        self.text_is_written(relation, column, field, strategy, found).await
    }

    /// A strategy that writes a text: whether the column takes it, and gives the same back. What it does not give back
    /// would be found to be left over for ever.
    async fn text_is_written(
        &self,
        relation: &Relation,
        column: &Column,
        field: &str,
        strategy: &Strategy,
        found: &mut Found<'_>,
    ) -> Result<(), ConnectorError> {
        let is_text = matches!(&column.family, Family::Text | Family::Padded | Family::CaseBlind(_));
        if *strategy == Strategy::RandomFormat && !is_text {
            found.refuse(
                Some(field),
                format!(
                    "random characters of the same kind go into columns of text only, not of type {}: use erase, or a fixed \
                     text of that type",
                    column.declared_type
                ),
            );
            return Ok(());
        }
        let sample = sample(strategy, is_text);
        if !matches!(column.family, Family::Json(_)) {
            match self.written(relation, column, &sample).await? {
                Some(back) if is_same(strategy, &back, &sample) => {}
                back => {
                    let instead = back.map_or(String::new(), |back| format!(" (it would become {back:?})"));
                    let message = format!(
                        "a column of type {} does not take {sample:?}{instead}: use erase, or a fixed text of that type",
                        column.declared_type
                    );
                    found.refuse(Some(field), message);
                    return Ok(());
                }
            }
        }
        let is_alone = |columns: &[String]| columns.len() == 1 && columns.iter().all(|name| *name == column.name);
        let is_same_for_all = matches!(strategy, Strategy::Fixed(_) | Strategy::Detach | Strategy::Generalise(_));
        if is_same_for_all && relation.indexes.iter().any(|index| index.is_unique && is_alone(&index.columns)) {
            found.refuse(
                Some(field),
                "the column is unique, so no two rows can have the same text: use random or erase",
            );
        }
        for row in self.rows(&relation.title(), &about(REFERS, relation, column)).await? {
            let constraint = text(&row, 0).unwrap_or_default();
            let message = format!("by the constraint {constraint} the text must be there in another table: use erase");
            if matches!(strategy, Strategy::Fixed(_) | Strategy::Detach) {
                found.note(Some(field), message);
            } else {
                found.refuse(Some(field), message);
            }
        }
        Ok(())
    }

    /// What a text becomes in a column; none: it is an error.
    async fn written(
        &self,
        relation: &Relation,
        column: &Column,
        sample: &str,
    ) -> Result<Option<String>, ConnectorError> {
        let value = match column.family {
            Family::Bytes => return Ok(None),
            // A strategy writes its text into each element.
            Family::List(_) => format!("(ARRAY[$1]::{})[1]", column.declared_type),
            _ => format!("$1::{}", column.declared_type),
        };
        let cast = format!("SELECT pg_catalog.to_json({value}) OPERATOR(pg_catalog.#>>) '{{}}'");
        match self.rows(&relation.title(), &Statement::of(cast).with(sample)).await {
            Ok(rows) => Ok(rows.first().and_then(|row| text(row, 0)).map(ToOwned::to_owned)),
            Err(ConnectorError::Permanent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn about(query: &str, relation: &Relation, column: &Column) -> Statement {
    Statement::of(query).with(relation.oid.as_str()).with(column.name.as_str())
}

/// Whether a column gives back what was written, or the same number in other digits.
fn is_same(strategy: &Strategy, back: &str, sample: &str) -> bool {
    let is_number = matches!(strategy, Strategy::Generalise(Generalisation::Coordinates(_)));
    let numbers = back.parse::<f64>().ok().zip(sample.parse::<f64>().ok());
    back == sample || (is_number && numbers.is_some_and(|(back, sample)| (back - sample).abs() < f64::EPSILON))
}

/// A text such as the strategy writes into a column of text, or of something else.
fn sample(strategy: &Strategy, is_text: bool) -> String {
    match strategy {
        Strategy::Fixed(text) => text.clone(),
        Strategy::Detach => DETACHED.to_owned(),
        Strategy::Scan => MARK.to_string(),
        Strategy::RandomFormat => "a".to_owned(),
        Strategy::Generalise(Generalisation::Coordinates(decimals)) => {
            let degrees = format!("-30.{}", "3".repeat(usize::from(*decimals)));
            let degrees = degrees.trim_end_matches('.');
            if is_text { format!("{degrees},{degrees}") } else { degrees.to_owned() }
        }
        Strategy::Generalise(Generalisation::AgeBand(years)) => format!("{years}-{}", 2 * u16::from(*years) - 1),
        Strategy::Generalise(Generalisation::Year) => "1990".to_owned(),
        Strategy::Generalise(Generalisation::Month) => "1990-05".to_owned(),
        Strategy::Generalise(Generalisation::Decade) => "1990s".to_owned(),
        Strategy::Generalise(Generalisation::City) => "Province City".to_owned(),
        Strategy::Generalise(Generalisation::CoarseLocation) => "-30.3,-120.2".to_owned(),
        Strategy::RandomText(form) => {
            let length = form.length.clamp(LEAST_TOKEN_LENGTH, TOKEN_LENGTH);
            format!("anon-{}{}", "0".repeat(length - "anon-".len()), form.suffix)
        }
        // The reversible ones are in no checked policy.
        _ => format!("anon-{}", "0".repeat(32)),
    }
}
