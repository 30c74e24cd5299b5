//! What would stand in the way of a plan, found in the catalog before a row is touched.

mod changes;
mod moving;
mod references;

use std::borrow::Cow;

use super::catalog::{Kind, Relation, text};
use super::error::Problem;
use super::groups;
use super::session::{READ, Session};
use super::statement::Statement;
use super::ways::relation_alone;
use crate::connectors::{ConnectorError, Obstacle, Target};
use crate::policy::{CollectionRule, ErasureRule, Strategy, ViaRule};

/// Tables of fewer rows are read whole in no time, with or without an index.
pub(super) const MANY_ROWS: f64 = 10_000.0;

/// Whether this role may erase rows and see their versions, and whether row-level security hides some.
const RIGHTS: &str = "SELECT pg_catalog.has_table_privilege($1::oid, 'DELETE')::text, \
    (SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(attrelid, attnum, 'SELECT'))::text \
        FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attname = 'xmin'), \
    pg_catalog.row_security_active($1::oid)::text";

/// Obstacles as they are found.
pub(super) struct Found<'a> {
    collection: &'a str,
    obstacles: Vec<Obstacle>,
}

impl Found<'_> {
    pub(super) fn refuse(&mut self, field: Option<&str>, message: impl Into<String>) {
        self.add(true, field, message.into());
    }

    pub(super) fn note(&mut self, field: Option<&str>, message: impl Into<String>) {
        self.add(false, field, message.into());
    }

    fn add(&mut self, refuses: bool, field: Option<&str>, message: String) {
        let obstacle =
            Obstacle { refuses, collection: self.collection.to_owned(), field: field.map(ToOwned::to_owned), message };
        if !self.obstacles.contains(&obstacle) {
            self.obstacles.push(obstacle);
        }
    }
}

/// What a rule does to rows.
struct Doing<'a> {
    erases: bool,
    /// Fields that change, and how; one field may change in several ways, by the link that led to its row.
    changes: Vec<(&'a str, Cow<'a, Strategy>)>,
}

impl<'a> Doing<'a> {
    fn of(rule: Option<&'a CollectionRule>) -> Self {
        let Some(erasure) = rule.map(|rule| &rule.erasure) else {
            return Self { erases: false, changes: Vec::new() };
        };
        let erases = match erasure {
            ErasureRule::Erase { .. } | ErasureRule::Retain { .. } => true,
            ErasureRule::Anonymise { k_anonymity, via, .. } => {
                k_anonymity.is_some() || via.values().any(|rule| matches!(rule, ViaRule::Erase))
            }
            ErasureRule::Keep { .. } => false,
        };
        Self { erases, changes: erasure.writes().map(|(field, strategy)| (field.as_str(), strategy)).collect() }
    }

    fn is_nothing(&self) -> bool {
        !self.erases && self.changes.is_empty()
    }
}

impl Session {
    /// What would stand in the way of reading a collection, and of what a rule does.
    pub(super) async fn preflight(
        &mut self,
        target: &Target<'_>,
        key: &[String],
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        self.settle(READ, target.name).await?;
        self.forget_relations();
        let mut found = Found { collection: target.name, obstacles: Vec::new() };
        let relation = match relation_alone(self, target.policy, target.name).await {
            Ok(relation) => relation,
            Err(error) => {
                let Some(missing) = missing(&error) else { return Err(error) };
                found.refuse(None, missing);
                return Ok(found.obstacles);
            }
        };
        let doing = Doing::of(rule);
        fields(target, &relation, &mut found);
        links(target, &relation, &mut found);
        let of_dataset = super::primary_key(target);
        if let Err(problem) = relation.key(key, &of_dataset) {
            found.refuse(None, problem.to_string());
        }
        if !doing.is_nothing() && relation.kind != Kind::Table {
            found.refuse(None, Problem::ReadOnly { relation: relation.title() }.to_string());
            return Ok(found.obstacles);
        }
        self.rights(&relation, &doing, &mut found).await?;
        for (field, strategy) in &doing.changes {
            self.change(&relation, field, strategy, &mut found).await?;
        }
        if let Some(to) = rule.and_then(|rule| rule.erasure.move_to()) {
            self.move_ahead(target, &relation, to, &mut found).await?;
        }
        if let Some(demand) = rule.and_then(|rule| rule.erasure.k_anonymity()) {
            groups::look_ahead(demand, &relation, &mut found);
        }
        if doing.erases {
            self.references(target, rule, &relation, &mut found).await?;
        }
        Ok(found.obstacles)
    }

    async fn rights(
        &self,
        relation: &Relation,
        doing: &Doing<'_>,
        found: &mut Found<'_>,
    ) -> Result<(), ConnectorError> {
        let title = relation.title();
        let rows = self.rows(&title, &Statement::of(RIGHTS).with(relation.oid.as_str())).await?;
        let is = |at: usize| rows.first().and_then(|row| text(row, at)) == Some("true");
        if doing.erases && !is(0) {
            found.refuse(None, format!("this role may not erase rows of {title}: GRANT DELETE ON {}", relation.sql()));
        }
        if relation.version().is_some() && !is(1) {
            let message =
                format!("this role may not read the versions of rows (xmin): GRANT SELECT ON {}", relation.sql());
            found.refuse(None, message);
        }
        if is(2) {
            let message =
                format!("row-level security hides rows of {title} from this role: give it BYPASSRLS, or a policy");
            found.refuse(None, message);
        }
        Ok(())
    }
}

/// What to say if an error is that the table is not there.
fn missing(error: &ConnectorError) -> Option<String> {
    let ConnectorError::Permanent { source, .. } = error else { return None };
    let problem: &Problem = source.downcast_ref()?;
    matches!(problem, Problem::NoRelation { .. }).then(|| problem.to_string())
}

fn fields(target: &Target<'_>, relation: &Relation, found: &mut Found<'_>) {
    for field in target.fields {
        match relation.column(&field.name) {
            None => found.refuse(Some(&field.name), relation.lacks(&field.name).to_string()),
            Some(column) if !column.is_readable => {
                let message = format!("this role may not read the column: GRANT SELECT ON {}", relation.sql());
                found.refuse(Some(&field.name), message);
            }
            Some(_) => {}
        }
    }
    let is_declared = |name: &str| target.fields.iter().any(|field| field.name == name);
    let others: Vec<&str> =
        relation.columns.iter().map(|column| column.name.as_str()).filter(|name| !is_declared(name)).collect();
    if !others.is_empty() {
        let message = format!(
            "columns that the dataset does not name are neither shown nor changed: {}; name those that are about a person",
            others.join(", ")
        );
        found.note(None, message);
    }
}

fn links(target: &Target<'_>, relation: &Relation, found: &mut Found<'_>) {
    for link in target.links {
        let mut is_indexed = false;
        for pair in &link.pairs {
            match relation.located(&pair.field) {
                Err(problem) => found.refuse(Some(&pair.field), problem.to_string()),
                Ok(located) => {
                    is_indexed |= located.inside.is_none() && relation.leads_an_index(&located.column.name);
                }
            }
        }
        if !is_indexed && relation.estimated_rows > MANY_ROWS {
            let message = format!(
                "no index begins with {}, so every look-up reads all of about {} rows of {}",
                link.field(),
                relation.estimated_rows,
                relation.title()
            );
            found.note(Some(link.field()), message);
        }
    }
}
