//! Whether rows that may not go yet can be restricted as a rule says: marked, or moved out of the app's reach.

use std::collections::BTreeMap;

use super::Problems;
use super::rules::{Check, unwritable};
use super::tables;
use crate::policy::dataset;
use crate::policy::expand::strategy_at;
use crate::policy::{Collection, ErasureRule, Graph, Mark, Origin, Period, Place, Restrict, Strategy, place};

type Strategies = BTreeMap<String, Strategy>;

/// What a rule says of the rows that it keeps for a time.
pub(super) struct Kept<'a> {
    pub(super) start_field: &'a str,
    pub(super) period: Period,
    pub(super) fields: &'a Strategies,
}

/// What is wrong with how a rule restricts rows.
pub(super) fn check(check: &Check<'_>, kept: &Kept<'_>, restrict: &Restrict, problems: &mut Problems) {
    match restrict {
        Restrict::Mark(marks) if marks.is_empty() => {
            let path = ["collections", check.name, "erasure", "restrict", "mark"];
            problems.policy(&path, "a mark names a field and what it becomes: mark: {state: restricted}");
        }
        Restrict::Mark(marks) => {
            for (field, mark) in marks {
                check_mark(check, kept, field, mark, problems);
            }
        }
        Restrict::MoveTo(to) => {
            for message in unmovable(check, kept, to) {
                problems.policy(&["collections", check.name, "erasure", "restrict", "move_to"], message);
            }
        }
    }
}

fn check_mark(check: &Check<'_>, kept: &Kept<'_>, field: &str, mark: &Mark, problems: &mut Problems) {
    let path = ["collections", check.name, "erasure", "restrict", "mark", field];
    let Some(described) = check.collection.field(field) else {
        problems
            .policy(&path, format!("{field} is not a field of {}; a mark is one by itself, in no object", check.name));
        return;
    };
    let is_counted_from = |start: &str| start == field;
    let retention = check.bundle.policy.collections.get(check.name).and_then(|rule| rule.retention.as_ref());
    let mut why = Vec::new();
    if described.is_personal() {
        why.push("it is personal, and a mark would overwrite what is kept");
    }
    if !described.fields.is_empty() {
        why.push("it is an object, and a mark is a text, a number or a truth value");
    }
    if described.fides_meta.primary_key == Some(true) {
        why.push("it is part of the row's key, which cannot be changed in place");
    }
    if check.links.iter().any(|link| link.pairs.iter().any(|pair| pair.field == field)) {
        why.push("it ties the row to the person, who would not be found again");
    }
    if is_counted_from(kept.start_field) || retention.is_some_and(|retention| is_counted_from(&retention.start_field)) {
        why.push("the time that the row is kept counts from it");
    }
    if strategy_at(kept.fields, field).is_some() {
        why.push("it has a strategy under fields, which would undo it");
    }
    for why in why {
        problems.policy(&path, format!("{field} cannot be the mark: {why}; name a field that only says this"));
    }
    let strategy = mark.as_strategy();
    for message in unwritable(field, described, &strategy) {
        problems.policy(&path, message);
    }
    if let Place::Table(table) = check.place {
        tables::strategy(&path, check, table, (field, &strategy), problems);
    }
}

/// Why rows cannot be moved to a collection, or would not be found there again.
fn unmovable(check: &Check<'_>, kept: &Kept<'_>, to: &str) -> Vec<String> {
    let policy = &check.bundle.policy;
    let subject = &policy.subject.collection;
    let collections = dataset::by_name(&check.bundle.datasets);
    if to == check.name {
        return vec!["rows are moved to another collection than their own".to_owned()];
    }
    if *subject == check.name || subject == to {
        return vec![format!("{subject} is the subject collection, whose rows are neither moved nor moved to")];
    }
    let (Some(there), Some(place)) = (collections.get(to), place(policy, to)) else {
        return vec![format!("{to} is in no dataset, or no system holds it: describe where the rows are moved to")];
    };
    let mut why = Vec::new();
    if !check.place.is_same_database(place) {
        why.push(format!(
            "rows are moved within one PostgreSQL database, and {to} is not in that of {}: mark them instead (restrict: {{mark: \
             {{FIELD: VALUE}}}})",
            check.name
        ));
    }
    why.extend(lacking(check.collection, there, to));
    let rule = policy.collections.get(to);
    match rule.map(|rule| (&rule.erasure, &rule.retention)) {
        Some((ErasureRule::Retain { start_field, period, fields, restrict, .. }, retention)) => {
            if start_field != kept.start_field || !period.is_no_shorter_than(kept.period) {
                let kept = format!("{} + {}", kept.start_field, kept.period.0);
                why.push(format!(
                    "rows are kept until {kept} here, and must be kept as long from the same field in {to}"
                ));
            }
            if matches!(restrict, Some(Restrict::MoveTo(_))) {
                why.push(format!("rows of {to} are moved on; name where they end"));
            }
            if retention.is_none() {
                why.push(format!("{to} has no retention, so no sweep would ever erase its rows: give it one"));
            }
            for (field, _) in kept.fields.iter().filter(|(field, strategy)| fields.get(*field) != Some(*strategy)) {
                why.push(format!(
                    "what goes at once goes in {to}, where rows are moved whole: put {field} under its fields"
                ));
            }
        }
        _ => why.push(format!("{to} has no rule that keeps rows for a time (erasure: {{action: retain, …}})")),
    }
    let graph = Graph::of(check.bundle);
    let moves = |name: &str| policy.collections.get(name).is_some_and(|rule| rule.erasure.move_to().is_some());
    let stays = |origin: &Origin| match origin {
        Origin::Subject => true,
        Origin::Collection(origin) => !moves(origin),
    };
    if !graph.links(to).iter().any(|link| stays(&link.origin)) {
        why.push(format!(
            "what leads to {to} is moved away itself, so its rows would never be found again: give it a reference to where \
             those are moved to"
        ));
    }
    why
}

/// Fields that the other collection does not have.
fn lacking(here: &Collection, there: &Collection, to: &str) -> Option<String> {
    let missing: Vec<&str> =
        here.fields.iter().map(|field| field.name.as_str()).filter(|name| there.field(name).is_none()).collect();
    (!missing.is_empty()).then(|| format!("{to} lacks the fields {}", missing.join(", ")))
}
