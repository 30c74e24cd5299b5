//! Collections: a place, a way that leads there, and a rule.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_STEPS, Problems, rules};
use crate::policy::dataset::{self, Direction, visit};
use crate::policy::{Bundle, Collection, Graph, Link, Place, categories, place};

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let policy = &bundle.policy;
    let collections = dataset::by_name(&bundle.datasets);
    let graph = Graph::of(bundle);
    let worked_on = collections.values().filter(|collection| !collection.is_skipped()).count();
    let told = bundle.told().len();
    let steps = 2 * worked_on + graph.captures().values().map(BTreeSet::len).sum::<usize>() + told;
    if steps > MAX_STEPS {
        let message = format!(
            "a cancellation would take {steps} steps: two a collection, one for each set of keys that is captured and \
             one for each recipient that is told; this version plans at most {MAX_STEPS}"
        );
        problems.policy(&["systems"], message);
    }
    for name in graph.circular_order() {
        problems.dataset(name, None, "erase_after goes round in a circle; take one of the collections out of it");
    }
    systems(bundle, &collections, problems);
    subject(bundle, &collections, problems);
    wide_categories(bundle, problems);
    for (name, collection) in collections.iter().filter(|(_, collection)| !collection.is_skipped()) {
        field_categories(bundle, name, collection, problems);
        let Some(place) = place(policy, name) else {
            problems.dataset(name, None, format!("no system of the policy holds {name}; add it under systems"));
            continue;
        };
        let links = graph.links(name);
        if links.is_empty() {
            problems.dataset(name, None, unreachable(bundle, &graph, &collections, name, collection));
        }
        check_links(name, place, links, problems);
        match policy.collections.get(name) {
            None => {
                let message =
                    format!("{name} has no rule; add it under collections, or a rule for all: erasure_defaults");
                problems.dataset(name, None, message);
            }
            Some(rule) => rules::Check { bundle, name, collection, place, links }.rule(rule, problems),
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
    if collection.is_skipped() {
        let message = format!("{} has skip_processing, so nobody is ever found", subject.collection);
        problems.policy(&["subject", "collection"], message);
    }
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

fn unknown(category: &str) -> Option<String> {
    categories::find(category).is_none().then(|| format!("category {category:?} does not exist in fideslang"))
}

/// Categories that a dataset or a collection gives to its fields.
fn wide_categories(bundle: &Bundle, problems: &mut Problems) {
    for dataset in &bundle.datasets {
        for message in dataset.data_categories.iter().filter_map(|category| unknown(category)) {
            problems.refuse(&dataset.fides_key, None, &["data_categories"], message);
        }
        for collection in &dataset.collections {
            let name = format!("{}.{}", dataset.fides_key, collection.name);
            for message in collection.data_categories.iter().filter_map(|category| unknown(category)) {
                problems.refuse(&name, None, &["data_categories"], message);
            }
        }
    }
}

fn field_categories(bundle: &Bundle, name: &str, collection: &Collection, problems: &mut Problems) {
    let dataset = name.split_once('.').map_or(name, |(dataset, _)| dataset);
    let dataset = bundle.datasets.iter().find(|candidate| candidate.fides_key == dataset);
    let handed_down = |category: &String| {
        collection.data_categories.contains(category)
            || dataset.is_some_and(|dataset| dataset.data_categories.contains(category))
    };
    visit(&collection.fields, "", &mut |path, field| {
        let own = field.data_categories.iter().filter(|category| !handed_down(category));
        for message in own.filter_map(|category| unknown(category)) {
            problems.dataset(name, Some(path), message);
        }
    });
}

fn check_links(name: &str, place: Place<'_>, links: &[Link], problems: &mut Problems) {
    let Place::Table(table) = place else { return };
    if table.key.is_empty() || table.key.len() > 2 {
        problems.dataset(name, None, "key names the partition key and, if there is one, the sort key");
    }
    for link in links {
        let field = link.field();
        let fields: Vec<&str> = link.pairs.iter().map(|pair| pair.field.as_str()).collect();
        if table.path(&fields).is_none() {
            let message = format!("{field} is neither the partition key nor has it an index; add one under indexes");
            problems.dataset(name, Some(field), message);
        }
    }
}

/// Why nothing leads to a collection, and which reference is missing.
fn unreachable(
    bundle: &Bundle,
    graph: &Graph,
    collections: &BTreeMap<String, &Collection>,
    name: &str,
    collection: &Collection,
) -> String {
    let mut why = Vec::new();
    visit(&collection.fields, "", &mut |path, field| {
        let meta = &field.fides_meta;
        if let Some(kind) = meta.identity.as_ref().filter(|kind| bundle.identity_field(kind).is_none()) {
            why.push(format!("no field of {} holds the identity {kind} of {path}", bundle.policy.subject.collection));
        }
        if meta.custom_request_field.is_some() {
            why.push(format!("requests have no custom field that {path} could be found by"));
        }
        for reference in &meta.references {
            let other = format!("{}.{}", reference.dataset, reference.field);
            if reference.direction == Some(Direction::To) {
                why.push(format!("the reference of {path} leads away from here, to {other}"));
            } else {
                let held = reference.field.split_once('.').map_or("", |(collection, _)| collection);
                let held = format!("{}.{held}", reference.dataset);
                why.push(nothing_leads_to(graph, collections, &held, &other));
            }
        }
    });
    for (other, from) in collections.iter().filter(|(other, _)| *other != name) {
        visit(&from.fields, "", &mut |path, field| {
            let leads_here = field.fides_meta.references.iter().any(|reference| {
                let target = format!("{}.{}", reference.dataset, reference.field);
                reference.direction != Some(Direction::From) && target.starts_with(&format!("{name}."))
            });
            if leads_here {
                why.push(nothing_leads_to(graph, collections, other, &format!("{other}.{path}")));
            }
        });
    }
    why.dedup();
    let since = if why.is_empty() { String::new() } else { format!(", since {}", why.join(", and ")) };
    format!(
        "nothing leads here from an identity{since}: give a field fides_meta.identity, or add the reference that is \
         missing, {}, or one to a collection that it leads to; a key pattern has {{user_id}}; what is nobody's has \
         fides_meta: {{skip_processing: true}}",
        missing_reference(bundle, collections)
    )
}

fn nothing_leads_to(graph: &Graph, collections: &BTreeMap<String, &Collection>, held: &str, field: &str) -> String {
    match collections.get(held) {
        None => format!("{field} is in no dataset"),
        Some(collection) if collection.is_skipped() => format!("{field} is skipped (skip_processing)"),
        Some(_) if !graph.collections().any(|name| name == held) => format!("no system holds {field}"),
        Some(_) => format!("nothing leads to {field}"),
    }
}

/// The reference that would tie a collection to the subject, as it is written.
fn missing_reference(bundle: &Bundle, collections: &BTreeMap<String, &Collection>) -> String {
    let subject = &bundle.policy.subject;
    let (dataset, collection) = subject.collection.split_once('.').unwrap_or((&subject.collection, ""));
    let key = collections.get(&subject.collection).and_then(|collection| collection.primary_key().next());
    let field = key.or(subject.identities.values().next().map(String::as_str)).unwrap_or_default();
    format!("references: [{{dataset: {dataset}, field: {collection}.{field}, direction: from}}]")
}
