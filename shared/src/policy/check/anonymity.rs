//! Whether what a rule calls anonymous is: strategies that can be undone or guessed, and groups that nobody counts.

use std::collections::BTreeMap;

use super::rules::Check;
use super::{Problems, shuffle};
use crate::mask::{Class, leaves_a_token};
use crate::policy::expand::strategy_at;
use crate::policy::{CollectionRule, ErasureRule, Field, Generalisation, KAnonymity, Place, Strategy, ViaRule};

/// Most decimals of coordinates: two are about a kilometre, three a house.
const MOST_DECIMALS: u8 = 2;
/// Years of a band of ages.
const BANDS: std::ops::RangeInclusive<u8> = 2..=50;

type Strategies = BTreeMap<String, Strategy>;

/// What is wrong with a strategy for a field.
pub(super) fn strategy(path: &[&str], check: &Check<'_>, named: (&str, &Strategy), problems: &mut Problems) {
    let (field, strategy) = named;
    if Class::of(strategy) == Class::Pseudonymisation {
        let why = if *strategy == Strategy::Hash {
            "whoever guesses the value gets the same hash"
        } else {
            "whoever has the key can undo this"
        };
        let source = Class::Pseudonymisation.source().unwrap_or_default();
        let message = format!(
            "{why}, so it is pseudonymisation, not anonymisation ({source}): use erase, fixed, random, generalise or \
             salted_hash"
        );
        problems.policy(path, message);
    }
    let is_link = check.links.iter().any(|link| link.pairs.iter().any(|pair| pair.field == field));
    match strategy {
        Strategy::Shuffle => shuffle::strategy(path, check, field, problems),
        Strategy::Scan | Strategy::RandomFormat if is_link => problems.policy(
            path,
            format!("{field} ties the row to a person, and may do so after this: use detach, fixed, random or erase"),
        ),
        Strategy::Scan if check.collection.at(field).is_some_and(is_no_text) => {
            problems
                .policy(path, format!("scan is for texts, and {field} is none by its data_type: use erase or fixed"));
        }
        Strategy::Detach if !is_link && !check.collection.at(field).is_some_and(names_somebody) => problems.policy(
            path,
            format!("detach is for the field that names the author, and {field} leads to nobody: use fixed or erase"),
        ),
        Strategy::Generalise(Generalisation::Coordinates(decimals)) if *decimals > MOST_DECIMALS => problems.policy(
            path,
            format!("{decimals} decimals lead to a house; coordinates keep at most {MOST_DECIMALS}, about a kilometre"),
        ),
        Strategy::Generalise(Generalisation::AgeBand(years)) if !BANDS.contains(years) => {
            let (least, most) = (BANDS.start(), BANDS.end());
            problems.policy(path, format!("a band of ages has {least} to {most} years"));
        }
        _ => {}
    }
}

fn is_no_text(field: &Field) -> bool {
    let kind = field.fides_meta.data_type.as_deref().map(|kind| kind.trim_end_matches("[]"));
    matches!(kind, Some("integer" | "float" | "boolean" | "number" | "bytes"))
}

fn names_somebody(field: &Field) -> bool {
    let is_id = |category: &String| crate::policy::categories::is_within(category, "user.unique_id");
    field.data_categories.iter().any(is_id)
}

/// What is wrong with how a rule's strategies go together, and with the groups that it demands.
pub(super) fn rule(check: &Check<'_>, rule: &CollectionRule, problems: &mut Problems) {
    let path = ["collections", check.name, "erasure"];
    let fields_at = [&path[..], &["fields"]].concat();
    match &rule.erasure {
        ErasureRule::Anonymise { fields, k_anonymity, .. } => {
            let links = check.links.iter().flat_map(|link| &link.pairs);
            let has_token = links.filter_map(|pair| fields.get(&pair.field)).any(leaves_a_token);
            random_forms(&fields_at, fields, has_token, problems);
            scans(&fields_at, check, fields, problems);
            if let Some(demand) = k_anonymity {
                groups(check, rule, fields, demand, problems);
            }
        }
        ErasureRule::Retain { fields, .. } => random_forms(&fields_at, fields, false, problems),
        ErasureRule::Erase { .. } | ErasureRule::Keep { .. } => {}
    }
    let (ErasureRule::Erase { via } | ErasureRule::Anonymise { via, .. }) = &rule.erasure else { return };
    for (link, rule) in via {
        if let ViaRule::Anonymise { fields } = rule {
            let at = [&path[..], &["via", link, "fields"]].concat();
            random_forms(&at, fields, fields.get(link).is_some_and(leaves_a_token), problems);
        }
    }
}

/// A random value of the same form looks like any other. A row that has one is known by the token in its link.
fn random_forms(at: &[&str], fields: &Strategies, has_token: bool, problems: &mut Problems) {
    let formed = fields.iter().filter(|(_, strategy)| **strategy == Strategy::RandomFormat);
    for (field, _) in formed.filter(|_| !has_token) {
        let message = format!(
            "nothing would tell that {field} was replaced already, so it would be again with each run: replace the link by \
             random, random_text or salted_hash, or write random here"
        );
        problems.policy(&[at, &[field.as_str()]].concat(), message);
    }
}

fn scans(at: &[&str], check: &Check<'_>, fields: &Strategies, problems: &mut Problems) {
    let scanned = fields.iter().filter(|(_, strategy)| **strategy == Strategy::Scan);
    for (field, _) in scanned.filter(|(field, _)| check.collection.at(field).is_some_and(Field::is_personal)) {
        let source = Class::Redaction.source().unwrap_or_default();
        let message = format!(
            "what the person wrote in {field} stays but for what is known of them, which is no proof of anonymity ({source}): \
             erase it, or replace it by a fixed text, to call the row anonymous"
        );
        problems.warn_policy(&[at, &[field.as_str()]].concat(), message);
    }
}

fn groups(check: &Check<'_>, rule: &CollectionRule, fields: &Strategies, demand: &KAnonymity, problems: &mut Problems) {
    let path = ["collections", check.name, "erasure", "k_anonymity"];
    let uncountable = match check.place {
        Place::Relation { .. } => None,
        Place::Table(_) => Some("DynamoDB would have to read the whole table to count a group"),
        Place::Objects { .. } | Place::Rows { .. } => Some("all objects would have to be read to count a group"),
    };
    if let Some(why) = uncountable {
        let message = format!(
            "{why}, so k_anonymity is for collections in PostgreSQL: leave it out and let the rows go (erasure: {{action: \
             erase}}), or leave nothing in them that tells people apart"
        );
        problems.policy(&path, message);
    }
    if rule.retention.is_some() {
        let message = "a sweep counts no groups and would leave rows in small ones: leave the retention out, or let the rows \
                       go (erasure: {action: erase})";
        problems.policy(&path, message);
    }
    if demand.k < 2 {
        let message =
            format!("k: {} asks for no group at all, since every row is one of its own: at least 2", demand.k);
        problems.policy(&[&path[..], &["k"]].concat(), message);
    }
    let at = [&path[..], &["quasi_identifiers"]].concat();
    if demand.quasi_identifiers.is_empty() {
        problems.policy(&at, "name the fields that tell people apart together: quasi_identifiers: [city, age_band]");
    }
    for (position, field) in demand.quasi_identifiers.iter().enumerate() {
        let position = position.to_string();
        let at = [&at[..], &[position.as_str()]].concat();
        if check.collection.at(field).is_none() {
            problems.policy(&at, format!("{field} is not a field of {}", check.name));
        }
        if let Some(Strategy::RandomFormat | Strategy::Scan) = strategy_at(fields, field) {
            problems.policy(&at, format!("{field} is different in each row, so no two would be alike: generalise it"));
        }
        let mut key = check.collection.primary_key();
        if key.next() == Some(field) && key.next().is_none() {
            problems.policy(&at, format!("{field} is the row's key and different in each, so no two would be alike"));
        }
        if strategy_at(fields, field).is_some_and(leaves_a_token) {
            problems.policy(
                &at,
                format!("{field} gets a token of its own in each row, so no two would be alike: generalise it"),
            );
        }
    }
}
