//! Checks from outside: what is left of somebody, what happened to everybody else.

use habeas::policy::{ErasureRule, Pinned, Strategy};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Story;
use crate::drive::snapshot::{Finding, Snapshot, holds, left_in_stack};
use crate::drive::{DriveError, operate};
use crate::sample::{Person, Row};

/// The people that the story acts for.
const ACTORS: usize = 4;

/// What is there of a person after an erasure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Rows and objects that should not be.
    pub(super) left_over: usize,
    /// Rows that the policy keeps.
    pub(super) retained: usize,
}

impl Story<'_> {
    /// Sees that a person is there, so that not finding them later means something, and gives all that is not theirs.
    pub(super) async fn before(&mut self, person: &Person) -> Result<Vec<String>, DriveError> {
        let (policy, app) = (&self.options.policy, self.options.app);
        let now = Snapshot::take(policy, app, &self.options.population, &self.clients).await?;
        let there = total(&now.left_of(policy, app, person));
        self.check(there > 0, format!("{there} rows and objects of theirs are there (none: load the people anew)"));
        Ok(now.of_others(app, person))
    }

    /// Looks for a person who should be gone, and for changes to anybody else. Gives what was found.
    pub(super) async fn gone(&mut self, person: &Person, others_before: &[String]) -> Result<Found, DriveError> {
        let (policy, app) = (&self.options.policy, self.options.app);
        let now = Snapshot::take(policy, app, &self.options.population, &self.clients).await?;
        let mut left = now.left_of(policy, app, person);
        left.extend(left_in_stack(self.stack, &self.clients, person).await?);
        let left_over = total(&left);
        let looked_at = (now.rows.len(), now.versions.len());
        self.check_none(
            &left.iter().map(shown).collect::<Vec<_>>(),
            &format!("nothing of them in {} rows and {} object versions", looked_at.0, looked_at.1),
        );
        let retained = now.retained(policy, app, person);
        let unstripped = retained.iter().filter(|row| !is_stripped(policy, row)).count();
        let (kept, others_count) = (retained.len(), others_before.len());
        self.check(unstripped == 0, format!("{kept} rows are kept on a legal basis, stripped of what may go"));
        let others = now.of_others(app, person);
        // What was cut loose from the person is now nobody's, and so new among the others.
        let changed = others_before.iter().filter(|line| others.binary_search(line).is_err()).count();
        self.check(changed == 0, format!("{others_count} rows and objects of others are byte for byte as before"));
        Ok(Found { left_over, retained: kept })
    }

    /// Looks for the people of the story in everything that was logged.
    pub(super) async fn scan_logs(&mut self) -> Result<(), DriveError> {
        let lines = operate::logs(&self.cloud).await?;
        let people: Vec<Person> = (0..ACTORS).map(|index| self.person(index)).collect();
        let telling = lines.iter().filter(|line| people.iter().any(|person| holds(line, person))).count();
        self.check(!lines.is_empty(), format!("{} lines were logged", lines.len()));
        self.check(telling == 0, "no log line holds anything of the people of this story");
        Ok(())
    }
}

/// Whether a row has outlived the retention of its collection.
pub(super) fn is_overdue(policy: &Pinned, row: &Row, now: Timestamp) -> bool {
    let Some(retention) = policy.rule(row.collection).and_then(|rule| rule.retention.as_ref()) else {
        return false;
    };
    let start = row.stored.get(&retention.start_field).and_then(Value::as_str);
    let Some(start) = start.and_then(|start| start.parse::<Timestamp>().ok()) else {
        return false;
    };
    let end = start.to_zoned(TimeZone::UTC).checked_add(retention.period.0);
    end.is_ok_and(|end| end.timestamp() <= now)
}

/// Whether a retained row lost what its rule says goes at once.
fn is_stripped(policy: &Pinned, row: &Row) -> bool {
    match policy.rule(row.collection).map(|rule| &rule.erasure) {
        Some(ErasureRule::Retain { fields, .. }) => fields
            .iter()
            .filter(|(_, strategy)| **strategy == Strategy::Erase)
            .all(|(field, _)| !row.stored.contains_key(field)),
        _ => true,
    }
}

fn total(findings: &[Finding]) -> usize {
    findings.iter().map(|finding| finding.count).sum()
}

fn shown(finding: &Finding) -> String {
    format!("{} in {}", finding.count, finding.place)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn rows_are_overdue_after_their_period_and_not_before() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/yallo");
        let policy = habeas::policy::load::load(&folder).unwrap();
        let row = |collection: &'static str, field: &str, start: &str| Row {
            collection,
            stored: Map::from_iter([(field.to_owned(), json!(start))]),
            exported: Map::new(),
        };
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        let transaction = |start| row("yallo_app.transactions", "completed_at", start);
        assert!(is_overdue(&policy, &transaction("2023-11-21T00:00:00Z"), now));
        assert!(!is_overdue(&policy, &transaction("2023-11-21T00:00:01Z"), now));
        // Without a retention, and without a moment to count from.
        assert!(!is_overdue(&policy, &row("yallo_app.posts", "created_at", "1999-01-01T00:00:00Z"), now));
        assert!(!is_overdue(&policy, &row("yallo_app.locations", "created_at", "1999-01-01T00:00:00Z"), now));
    }
}
