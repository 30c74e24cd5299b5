//! Collections: a place, a link, and a rule that can do what it claims.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_STEPS, Problems};
use crate::mask::Class;
use crate::policy::{Bundle, Collection, Graph, Link, Place, categories, dataset, place};
use crate::policy::{CollectionRule, ErasureRule, Strategy, Text, ViaRule};

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let policy = &bundle.policy;
    let collections = dataset::by_name(&bundle.datasets);
    let graph = Graph::of(bundle);
    let steps = 2 * collections.len() + graph.captures().values().map(BTreeSet::len).sum::<usize>();
    if steps > MAX_STEPS {
        let message = format!(
            "a cancellation would take {steps} steps: two a collection and one for each set of keys that is captured; \
             this version plans at most {MAX_STEPS}"
        );
        problems.policy(&["systems"], message);
    }
    for name in graph.circular_order() {
        problems.dataset(name, None, "erase_after goes round in a circle; take one of the collections out of it");
    }
    systems(bundle, &collections, problems);
    subject(bundle, &collections, problems);
    for (name, collection) in collections.iter().filter(|(_, collection)| !collection.is_skipped()) {
        field_categories(name, collection, problems);
        let Some(place) = place(policy, name) else {
            problems.dataset(name, None, format!("no system of the policy holds {name}; add it under systems"));
            continue;
        };
        let own_links = graph.links(name);
        check_links(name, collection, place, own_links, problems);
        match policy.collections.get(name) {
            None => problems.dataset(name, None, format!("{name} has no rule; add it under collections")),
            Some(rule) => check_rule(bundle, name, collection, place, own_links, rule, problems),
        }
    }
    for name in policy.collections.keys().filter(|name| !collections.contains_key(*name)) {
        problems.policy(&["collections", name], format!("{name} is in no dataset"));
    }
}

fn systems(bundle: &Bundle, collections: &BTreeMap<String, &Collection>, problems: &mut Problems) {
    for (position, system) in bundle.policy.systems.iter().enumerate() {
        let at = position.to_string();
        if !bundle.datasets.iter().any(|dataset| dataset.fides_key == system.dataset()) {
            problems.policy(&["systems", &at], format!("dataset {:?} is in no file of datasets/", system.dataset()));
            continue;
        }
        for name in system.collections() {
            if !collections.contains_key(&format!("{}.{name}", system.dataset())) {
                problems.policy(&["systems", &at, "collections", name], format!("{name} is not in the dataset"));
            }
        }
    }
}

fn subject(bundle: &Bundle, collections: &BTreeMap<String, &Collection>, problems: &mut Problems) {
    let subject = &bundle.policy.subject;
    let Some(collection) = collections.get(&subject.collection) else {
        problems.policy(&["subject", "collection"], format!("{} is in no dataset", subject.collection));
        return;
    };
    for (kind, field) in &subject.identities {
        if collection.field(field).is_none() {
            problems
                .policy(&["subject", "identities", kind.name()], format!("{field} is not in {}", subject.collection));
        }
    }
    if subject.contact.is_empty() {
        let message = "there is no contact to send codes and notices to; write contact: [email] for example";
        problems.policy(&["subject", "contact"], message);
    }
    for (position, kind) in subject.contact.iter().enumerate() {
        if !subject.identities.contains_key(kind) {
            let message = format!("{} is not under subject.identities", kind.name());
            problems.policy(&["subject", "contact", &position.to_string()], message);
        }
    }
}

fn field_categories(name: &str, collection: &Collection, problems: &mut Problems) {
    for field in &collection.fields {
        for category in &field.data_categories {
            if categories::find(category).is_none() {
                problems.dataset(name, Some(&field.name), format!("category {category:?} does not exist in fideslang"));
            }
        }
    }
}

fn check_links(name: &str, collection: &Collection, place: Place<'_>, links: &[Link], problems: &mut Problems) {
    if links.is_empty() {
        problems.dataset(name, None, unreachable(collection));
    }
    let Place::Table(table) = place else { return };
    if table.key.is_empty() || table.key.len() > 2 {
        problems.dataset(name, None, "key names the partition key and, if there is one, the sort key");
    }
    for link in links {
        let field = link.field();
        if table.key.first().is_none_or(|key| key != field) && !table.indexes.contains_key(field) {
            let message = format!("{field} is neither the partition key nor has it an index; add one under indexes");
            problems.dataset(name, Some(field), message);
        }
    }
}

/// Why nothing leads to a collection: the references that it has lead to collections that nothing leads to either, or it
/// has none.
fn unreachable(collection: &Collection) -> String {
    let references = collection.fields.iter().flat_map(|field| &field.fides_meta.references);
    let named: Vec<String> = references.map(|reference| format!("{}.{}", reference.dataset, reference.field)).collect();
    let what_to_do = "give a field fides_meta.identity, or a reference to a field of the subject collection or of one \
                      that it leads to, or put {user_id} into the key pattern";
    if named.is_empty() {
        format!("nothing leads here from an identity: {what_to_do}")
    } else {
        format!("nothing leads here from an identity, since nothing leads to {}: {what_to_do}", named.join(", "))
    }
}

fn check_rule(
    bundle: &Bundle,
    name: &str,
    collection: &Collection,
    place: Place<'_>,
    links: &[Link],
    rule: &CollectionRule,
    problems: &mut Problems,
) {
    let path = ["collections", name];
    if let Some(retention) = &rule.retention {
        start_field(name, collection, place, &retention.start_field, "retention", problems);
    }
    let (no_fields, no_via) = (BTreeMap::new(), BTreeMap::new());
    let (fields, via) = match &rule.erasure {
        ErasureRule::Erase { via } => (&no_fields, via),
        ErasureRule::Anonymise { fields, via } => {
            anonymises(name, collection, links, fields, problems);
            (fields, via)
        }
        ErasureRule::Retain { start_field: start, basis, fields, .. } => {
            start_field(name, collection, place, start, "erasure", problems);
            basis_text(&bundle.policy.controller.languages, name, basis, problems);
            for link in links.iter().filter(|link| fields.contains_key(link.field())) {
                problems.policy(
                    &path,
                    format!("{} is the link of a retained row; without it the row is never found again", link.field()),
                );
            }
            (fields, &no_via)
        }
        ErasureRule::Keep { reason } => {
            basis_text(&bundle.policy.controller.languages, name, reason, problems);
            for field in collection.fields.iter().filter(|field| field.is_personal()) {
                let message = format!("{} is personal, so the rows cannot be kept for being nobody's", field.name);
                problems.policy(&path, message);
            }
            (&no_fields, &no_via)
        }
    };
    strategies(&["collections", name, "erasure", "fields"], name, collection, place, fields, problems);
    for (field, rule) in via {
        let path = ["collections", name, "erasure", "via", field];
        if !links.iter().any(|link| link.field() == field) {
            problems.policy(&path, format!("{field} is no link of {name}"));
        }
        if let ViaRule::Anonymise { fields } = rule {
            let at = [&path[..], &["fields"]].concat();
            strategies(&at, name, collection, place, fields, problems);
            let message = format!("rows found through {field} stay tied to the person unless {field} is replaced");
            match fields.get(field) {
                None => problems.policy(&path, message),
                Some(Strategy::Keep) => problems.policy(&[&at[..], &[field]].concat(), message),
                Some(_) => {}
            }
        }
    }
    if matches!(place, Place::Objects { .. }) && !matches!(&rule.erasure, ErasureRule::Erase { via } if via.is_empty())
    {
        problems.policy(&path, "objects can only be erased whole in this version: erasure: {action: erase}");
    }
}

fn start_field(
    name: &str,
    collection: &Collection,
    place: Place<'_>,
    field: &str,
    part: &str,
    problems: &mut Problems,
) {
    let known =
        collection.field(field).is_some() || (matches!(place, Place::Objects { .. }) && field == "last_modified");
    if !known {
        let message = format!("start_field {field:?} is not a field of {name}; the period would never start");
        problems.policy(&["collections", name, part, "start_field"], message);
    }
}

fn basis_text(languages: &[String], name: &str, basis: &Text, problems: &mut Problems) {
    let missing = |language: &&String| basis.get(*language).is_none_or(|words| words.trim().is_empty());
    for language in languages.iter().filter(missing) {
        problems.policy(&["collections", name, "erasure", "basis"], format!("the basis in {language} is missing"));
    }
}

/// A row that stays must lose every personal field and every link, by means that cannot be reversed.
fn anonymises(
    name: &str,
    collection: &Collection,
    links: &[Link],
    fields: &BTreeMap<String, Strategy>,
    problems: &mut Problems,
) {
    let path = ["collections", name, "erasure"];
    let linked: BTreeSet<&str> = links.iter().map(Link::field).collect();
    for field in &collection.fields {
        match fields.get(&field.name) {
            None if field.is_personal() => {
                problems.policy(
                    &path,
                    format!("{} is personal and has no strategy; a row that stays must lose it", field.name),
                );
            }
            None | Some(Strategy::Keep) if linked.contains(field.name.as_str()) => {
                problems.policy(&path, format!("{} ties the row to the person and must be replaced", field.name));
            }
            Some(Strategy::Keep) if field.is_personal() => {
                problems.policy(&path, format!("{} is personal; keep is for fields that are not", field.name));
            }
            _ => {}
        }
    }
}

fn strategies(
    at: &[&str],
    name: &str,
    collection: &Collection,
    place: Place<'_>,
    fields: &BTreeMap<String, Strategy>,
    problems: &mut Problems,
) {
    for (field, strategy) in fields {
        let path = [at, &[field.as_str()]].concat();
        if collection.field(field).is_none() {
            problems.policy(&path, format!("{field} is not a field of {name}"));
        }
        if Class::of(strategy) == Class::Pseudonymisation {
            problems.policy(
                &path,
                "whoever has the key can undo this, so it is pseudonymisation, not anonymisation (PIPL Art. 73): use \
                 erase, fixed, random, generalise or salted_hash",
            );
        }
        let Place::Table(table) = place else { continue };
        if table.key.contains(field) && *strategy != Strategy::Keep {
            problems.policy(&path, format!("{field} is part of the table's key and cannot be changed in place"));
        }
        let empties = *strategy == Strategy::Null || *strategy == Strategy::Fixed(String::new());
        if table.indexes.contains_key(field) && empties {
            problems.policy(&path, format!("{field} is an index key, which DynamoDB refuses to hold null or empty"));
        }
    }
}
