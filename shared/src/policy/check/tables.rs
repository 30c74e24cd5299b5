//! Tables: fields that keys, indexes, conditions and forms name must be there, and rows of a shared table must be told
//! apart.

use std::collections::BTreeMap;

use super::Problems;
use super::rules::Check;
use crate::policy::dataset;
use crate::policy::{Bundle, Collection, Condition, KeyKind, Strategy, System, Table, Template};

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let collections = dataset::by_name(&bundle.datasets);
    let mut seen: BTreeMap<&str, Vec<(String, &Table)>> = BTreeMap::new();
    for (position, system) in bundle.policy.systems.iter().enumerate() {
        let System::Dynamodb { dataset, collections: tables, capacity_units_per_second, .. } = system else { continue };
        let at = position.to_string();
        if *capacity_units_per_second == Some(0) {
            let message = "a budget of 0 units lets nothing be read; leave it out for none, or write at least 1";
            problems.policy(&["systems", &at, "capacity_units_per_second"], message);
        }
        for (name, table) in tables {
            let path = ["systems", &at, "collections", name];
            let full_name = format!("{dataset}.{name}");
            if let Some(collection) = collections.get(&full_name) {
                key_fields(&path, &full_name, collection, table, problems);
                index_keys(&path, &full_name, collection, table, problems);
                conditions(&path, &full_name, collection, table, problems);
                forms(&path, &full_name, bundle, &collections, table, problems);
            }
            let others = seen.entry(table.table.as_str()).or_default();
            if let Some((other, _)) = others.iter().find(|(_, other)| other.key != table.key) {
                let message =
                    format!("the key of table {:?} is another under {other}; correct one of them", table.table);
                problems.policy(&[&path[..], &["key"]].concat(), message);
            }
            if let Some((other, _)) = others.iter().find(|(_, other)| !other.is_apart_from(table)) {
                let message = format!(
                    "table {:?} holds {other} already, and a rule for one would act on the rows of both; give {full_name} \
                     its own table, or tell the rows of the two apart under where",
                    table.table
                );
                problems.policy(&[&path[..], &["table"]].concat(), message);
            }
            others.push((full_name, table));
        }
    }
}

fn key_fields(path: &[&str], name: &str, collection: &Collection, table: &Table, problems: &mut Problems) {
    for (position, field) in table.key.iter().enumerate().filter(|(_, field)| collection.field(field).is_none()) {
        let message = format!("key {field:?} is not a field of {name}; add it to the dataset or correct it");
        problems.policy(&[path, &["key", &position.to_string()]].concat(), message);
    }
    for field in table.indexes.keys().filter(|field| collection.field(field).is_none()) {
        let message = format!("index field {field:?} is not a field of {name}; an index is <field>: <index name>");
        problems.policy(&[path, &["indexes", field]].concat(), message);
    }
}

fn index_keys(path: &[&str], name: &str, collection: &Collection, table: &Table, problems: &mut Problems) {
    for (index, key) in &table.index_keys {
        let at = [path, &["index_keys", index.as_str()]].concat();
        if key.is_empty() || key.len() > 2 {
            problems.policy(&at, "an index's key is its partition key and, if there is one, its sort key");
        }
        for field in key.iter().filter(|field| collection.field(field).is_none()) {
            problems.policy(&at, format!("{field:?} is not a field of {name}; add it to the dataset or correct it"));
        }
        if !table.indexes.iter().any(|(field, named)| named == index && key.contains(field)) {
            let message =
                format!("no field of this key has the index {index:?}; name it under indexes: <field>: {index}");
            problems.policy(&at, message);
        }
    }
}

fn conditions(path: &[&str], name: &str, collection: &Collection, table: &Table, problems: &mut Problems) {
    for (field, condition) in &table.conditions {
        let at = [path, &["where", field.as_str()]].concat();
        if collection.field(field).is_none() {
            problems.policy(&at, format!("{field:?} is not a field of {name}; add it to the dataset or correct it"));
        }
        if KeyKind::of(&collection.fields, field) != KeyKind::Text {
            problems.policy(&at, format!("{field} is no text, and rows are told apart by texts only"));
        }
        let says_nothing = match condition {
            Condition::Equals(text) | Condition::BeginsWith(text) => text.is_empty(),
            Condition::Between(first, last) => first > last,
        };
        if says_nothing {
            problems.policy(&at, "no row is told apart by this: write a text, and the smaller one of a range first");
        }
    }
}

fn forms(
    path: &[&str],
    name: &str,
    bundle: &Bundle,
    collections: &BTreeMap<String, &Collection>,
    table: &Table,
    problems: &mut Problems,
) {
    let subject = &bundle.policy.subject;
    for (field, text) in &table.links {
        let at = [path, &["links", field.as_str()]].concat();
        if !table.key_fields().any(|key| key == field) {
            problems
                .policy(&at, format!("{field:?} is no key of the table and of no index, so nothing is found by it"));
        }
        if KeyKind::of(collections.get(name).map_or(&[], |collection| &collection.fields), field) != KeyKind::Text {
            problems.policy(&at, format!("{field} is no text, and a form is for texts only"));
        }
        if name == subject.collection && subject.identities.values().any(|identity| identity == field) {
            let message = format!(
                "{field} holds more than the identity alone; name a field for the identity itself under \
                 subject.identities (what stands in the braces is read out of the key where the row lacks that field)"
            );
            problems.policy(&at, message);
        }
        let Some(form) = Template::of(text) else {
            problems.policy(&at, "a form has one name in braces: USER#{user_id} for example");
            continue;
        };
        let is_kind = bundle.identity_field(form.name).is_some();
        let is_field = form.name.rsplit_once('.').is_some_and(|(from, origin)| {
            collections.get(from).is_some_and(|collection| collection.field(origin).is_some())
        });
        if !is_kind && !is_field {
            let message = format!(
                "{:?} leads nowhere: write a kind of identity that the subject has, or <dataset>.<collection>.<field>",
                form.name
            );
            problems.policy(&at, message);
        }
    }
}

/// What a strategy would do to a key.
pub(super) fn strategy(
    path: &[&str],
    check: &Check<'_>,
    table: &Table,
    (field, strategy): (&str, &Strategy),
    problems: &mut Problems,
) {
    if *strategy == Strategy::Keep {
        return;
    }
    if table.key.iter().any(|key| key == field) {
        problems.policy(path, format!("{field} is part of the table's key and cannot be changed in place"));
    } else if table.key_fields().any(|key| key == field) {
        if *strategy == Strategy::Null || *strategy == Strategy::Fixed(String::new()) {
            problems.policy(path, format!("{field} is an index key, which DynamoDB refuses to hold null or empty"));
        }
        let kind = KeyKind::of(&check.collection.fields, field);
        if kind != KeyKind::Text && *strategy != Strategy::Erase {
            let message =
                format!("{field} is an index key of type {}, which can hold no text: erase it", kind.letter());
            problems.policy(path, message);
        }
    }
    if table.conditions.contains_key(field) {
        problems.policy(path, format!("{field} says that the row is of this collection (where) and must stay"));
    }
    let mut forms = table.links.values().filter_map(|form| Template::of(form));
    let is_read_from_key = forms.any(|form| check.bundle.identity_field(form.name) == Some(field));
    if check.name == check.bundle.policy.subject.collection && is_read_from_key {
        let message = format!("{field} also stands in a key of the row, and would be read out of it again: keep it");
        problems.policy(path, message);
    }
}
