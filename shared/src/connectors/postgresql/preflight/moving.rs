//! Whether rows that may not go yet can be moved out of the app's reach.

use super::Found;
use crate::connectors::postgresql::catalog::{Kind, Relation, text};
use crate::connectors::postgresql::error::Problem;
use crate::connectors::postgresql::session::Session;
use crate::connectors::postgresql::statement::Statement;
use crate::connectors::postgresql::ways::relation_alone;
use crate::connectors::{ConnectorError, Target};

/// Whether this role may add rows, whether anybody who connects may read them, and who else may read them that may also write
/// where they come from: the app, most likely.
const RIGHTS: &str = "SELECT pg_catalog.has_table_privilege(c.oid, 'INSERT')::text, \
    (pg_catalog.has_schema_privilege('public', c.relnamespace, 'USAGE') \
        AND pg_catalog.has_table_privilege('public', c.oid, 'SELECT'))::text, \
    (SELECT pg_catalog.string_agg(r.rolname::text, ', ' ORDER BY r.rolname) FROM pg_catalog.pg_roles r \
        WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname <> current_user \
        AND pg_catalog.has_table_privilege(r.oid, $2::oid, 'INSERT, UPDATE') \
        AND pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE') \
        AND pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')) \
    FROM pg_catalog.pg_class c WHERE c.oid = $1::oid";

/// Columns that a new row must have a value for.
const DEMANDED: &str = "SELECT a.attname::text FROM pg_catalog.pg_attribute a \
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped \
    AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' ORDER BY a.attnum";

impl Session {
    /// What stands in the way of moving rows of a table to the table of another collection.
    pub(super) async fn move_ahead(
        &mut self,
        target: &Target<'_>,
        relation: &Relation,
        to: &str,
        found: &mut Found<'_>,
    ) -> Result<(), ConnectorError> {
        let there = match relation_alone(self, target.policy, to).await {
            Ok(there) => there,
            Err(error) => {
                let Some(missing) = super::missing(&error) else { return Err(error) };
                found.refuse(None, format!("rows cannot be moved to {to}: {missing}"));
                return Ok(());
            }
        };
        let title = there.title();
        if there.kind != Kind::Table {
            found.refuse(None, Problem::ReadOnly { relation: title }.to_string());
            return Ok(());
        }
        columns(relation, &there, found);
        for row in self.rows(&title, &Statement::of(DEMANDED).with(there.oid.as_str())).await? {
            let name = text(&row, 0).unwrap_or_default();
            if relation.column(name).is_none() {
                let message =
                    format!("{title} demands a value for {name}, which rows that are moved there do not have");
                found.refuse(None, format!("{message}: give it a default"));
            }
        }
        let rights = Statement::of(RIGHTS).with(there.oid.as_str()).with(relation.oid.as_str());
        let rows = self.rows(&title, &rights).await?;
        let said = |at: usize| rows.first().and_then(|row| text(row, at));
        if said(0) != Some("true") {
            found.refuse(None, format!("this role may not move rows there: GRANT INSERT ON {}", there.sql()));
        }
        if said(1) == Some("true") {
            let message =
                format!("whoever connects may read {title}, so rows that are moved there are in everybody's reach");
            found.refuse(None, format!("{message}: REVOKE SELECT ON {} FROM PUBLIC", there.sql()));
        }
        if let Some(roles) = said(2) {
            let message =
                format!("rows that are moved to {title} are still in the reach of roles that write here: {roles}");
            found.note(None, message);
        }
        Ok(())
    }
}

/// A row is moved whole, with the columns that the dataset does not name: each must be there and be the same.
fn columns(relation: &Relation, there: &Relation, found: &mut Found<'_>) {
    let title = there.title();
    for column in &relation.columns {
        let message = match there.column(&column.name) {
            None => format!("{title} has no such column, and rows are moved there whole: add it"),
            Some(other) if other.declared_type != column.declared_type => {
                format!("the column is of type {} here and {} in {title}", column.declared_type, other.declared_type)
            }
            Some(other) if other.is_generated => {
                format!("PostgreSQL itself gives the value of this column in {title}: make it a plain one there")
            }
            Some(_) => continue,
        };
        found.refuse(Some(&column.name), message);
    }
}
