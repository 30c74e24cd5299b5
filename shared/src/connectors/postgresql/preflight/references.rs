//! Whether rows can go although other rows refer to them.

use super::{Found, MANY_ROWS};
use crate::connectors::postgresql::catalog::{Relation, text};
use crate::connectors::postgresql::session::Session;
use crate::connectors::postgresql::statement::Statement;
use crate::connectors::{ConnectorError, Target};
use crate::policy::{CollectionRule, ErasureRule, Period, Place, Strategy, ViaRule};

/// Foreign keys of all tables that refer to one; those of partitions stand for their table once.
const REFERENCES: &str = "SELECT con.conname::text, n.nspname::text, r.relname::text, con.confdeltype::text, \
    (con.conrelid = con.confrelid)::text, r.reltuples::float8::text, \
    (SELECT pg_catalog.string_agg(a.attname::text, ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)), \
    (SELECT pg_catalog.bool_or(a.attnotnull)::text FROM pg_catalog.pg_attribute a \
        WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)), \
    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = con.conrelid AND i.indisvalid \
        AND i.indkey[0] = ANY (con.conkey))::text \
    FROM pg_catalog.pg_constraint con JOIN pg_catalog.pg_class r ON r.oid = con.conrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
    WHERE con.contype = 'f' AND con.confrelid = $1::oid AND con.conparentid = 0 ORDER BY con.conname";

/// A foreign key that refers to the table.
struct Reference {
    constraint: String,
    schema: String,
    table: String,
    on_delete: OnDelete,
    is_to_itself: bool,
    estimated_rows: f64,
    columns: Vec<String>,
    is_required: bool,
    is_indexed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDelete {
    Refuse,
    Cascade,
    SetNull,
    SetDefault,
}

impl Session {
    /// What stands in the way of erasing rows of a table, by what refers to it.
    pub(super) async fn references(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
        relation: &Relation,
        found: &mut Found<'_>,
    ) -> Result<(), ConnectorError> {
        let rows = self.rows(&relation.title(), &Statement::of(REFERENCES).with(relation.oid.as_str())).await?;
        for row in &rows {
            if let Some(reference) = Reference::of(row) {
                reference.check(target, rule, relation, found);
            }
        }
        Ok(())
    }
}

impl Reference {
    fn of(row: &tokio_postgres::Row) -> Option<Self> {
        let is = |at: usize| text(row, at) == Some("true");
        Some(Self {
            constraint: text(row, 0)?.to_owned(),
            schema: text(row, 1)?.to_owned(),
            table: text(row, 2)?.to_owned(),
            on_delete: match text(row, 3)? {
                "c" => OnDelete::Cascade,
                "n" => OnDelete::SetNull,
                "d" => OnDelete::SetDefault,
                _ => OnDelete::Refuse,
            },
            is_to_itself: is(4),
            estimated_rows: text(row, 5)?.parse().ok()?,
            columns: text(row, 6)?.split(',').map(ToOwned::to_owned).collect(),
            is_required: is(7),
            is_indexed: is(8),
        })
    }

    fn check(&self, target: &Target<'_>, rule: Option<&CollectionRule>, relation: &Relation, found: &mut Found<'_>) {
        let (constraint, referrer, own) =
            (&self.constraint, format!("{}.{}", self.schema, self.table), relation.title());
        let collections = self.collections(target);
        match self.on_delete {
            OnDelete::Refuse if self.is_to_itself => found.refuse(None, format!(
                "rows of {own} refer to each other by the constraint {constraint}, so PostgreSQL refuses to erase one \
                 while another refers to it: make it ON DELETE SET NULL or CASCADE"
            )),
            OnDelete::Refuse if collections.iter().any(|name| self.lets_go(rule, target.policy.rule(name))) => {
                let graph = target.policy.graph();
                let is_later = |name: &&String| graph.erase_stage(name) >= graph.erase_stage(target.name);
                for name in collections.iter().filter(is_later) {
                    found.refuse(None, format!(
                        "rows of {referrer} refer to these by the constraint {constraint} and do not go before them: write \
                         fides_meta.erase_after: [{name}] on this collection"
                    ));
                }
            }
            OnDelete::Refuse => found.refuse(None, format!(
                "rows of {referrer} refer to these by the constraint {constraint} and stay, so PostgreSQL would refuse to \
                 erase these: erase those too, set {} to null in them, or make the constraint ON DELETE SET NULL",
                self.columns.join(", ")
            )),
            OnDelete::Cascade => {
                for name in collections.iter().filter(|name| !goes(target.policy.rule(name))) {
                    found.refuse(None, format!(
                        "the constraint {constraint} (ON DELETE CASCADE) would erase rows of {referrer}, which the policy keeps \
                         as {name}: make it ON DELETE SET NULL"
                    ));
                }
                if collections.is_empty() {
                    found.note(None, format!(
                        "the constraint {constraint} (ON DELETE CASCADE) erases rows of {referrer} with these; no collection \
                         of the policy is that table, so they are not counted"
                    ));
                }
            }
            OnDelete::SetNull if self.is_required => found.refuse(None, format!(
                "the constraint {constraint} (ON DELETE SET NULL) cannot write null into {} of {referrer}, which is NOT NULL",
                self.columns.join(", ")
            )),
            OnDelete::SetNull | OnDelete::SetDefault => {}
        }
        if !self.is_indexed && self.estimated_rows > MANY_ROWS {
            found.note(None, format!(
                "no index begins with a column of the constraint {constraint}, so for every row that is erased PostgreSQL \
                 reads all of about {} rows of {referrer}",
                self.estimated_rows
            ));
        }
    }

    /// The collections that are the referring table.
    fn collections(&self, target: &Target<'_>) -> Vec<String> {
        let is_same = |name: &&str| match (target.policy.place(name), target.place) {
            (Some(place @ Place::Relation { database, name }), own) => {
                place.is_same_database(own) && database.table(name) == (self.schema.as_str(), self.table.as_str())
            }
            _ => false,
        };
        target.policy.collections().filter(is_same).map(ToOwned::to_owned).collect()
    }

    /// Whether a rule makes the referring rows go, or cut the reference. Where both are retained, the referring ones go in
    /// time if they are kept no longer.
    fn lets_go(&self, own: Option<&CollectionRule>, rule: Option<&CollectionRule>) -> bool {
        let is_cut = |fields: &std::collections::BTreeMap<String, Strategy>| {
            self.columns.iter().any(|column| matches!(fields.get(column), Some(Strategy::Erase | Strategy::Null)))
        };
        let via_lets_go = |via: &std::collections::BTreeMap<String, ViaRule>| {
            via.values().all(|rule| match rule {
                ViaRule::Erase => true,
                ViaRule::Anonymise { fields } => is_cut(fields),
            })
        };
        match rule.map(|rule| &rule.erasure) {
            Some(ErasureRule::Erase { via }) => via_lets_go(via),
            Some(ErasureRule::Anonymise { fields, via, .. }) => is_cut(fields) && via_lets_go(via),
            Some(ErasureRule::Retain { fields, period, .. }) => {
                let goes_in_time =
                    own.is_none_or(|own| own.erasure.move_to().is_none()) && is_kept_as_long(own, *period);
                let is_moved = rule.is_some_and(|rule| rule.erasure.move_to().is_some());
                is_cut(fields) || is_moved || goes_in_time
            }
            Some(ErasureRule::Keep { .. }) | None => false,
        }
    }
}

/// Whether a rule retains rows for a period, or longer.
fn is_kept_as_long(rule: Option<&CollectionRule>, other: Period) -> bool {
    match rule.map(|rule| &rule.erasure) {
        Some(ErasureRule::Retain { period, .. }) => period.is_no_shorter_than(other),
        _ => false,
    }
}

/// Whether all rows of a rule go at once.
fn goes(rule: Option<&CollectionRule>) -> bool {
    matches!(rule.map(|rule| &rule.erasure), Some(ErasureRule::Erase { via }) if via.values().all(|rule| matches!(rule, ViaRule::Erase)))
}
