//! Fields that references, keys and indexes name must be there.

use std::collections::BTreeMap;

use super::Problems;
use crate::policy::dataset::{self, Reference, visit};
use crate::policy::{Bundle, Collection, System, Table};

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let collections = dataset::by_name(&bundle.datasets);
    let subject = &bundle.policy.subject;
    for (name, collection) in &collections {
        visit(&collection.fields, "", &mut |path, field| {
            for reference in &field.fides_meta.references {
                check_reference(name, path, reference, &collections, problems);
            }
        });
    }
    if let (Some(collection), Some(field)) = (collections.get(&subject.collection), &subject.locale_field)
        && collection.field(field).is_none()
    {
        let message = format!("{field} is not in {}; name the field with the language", subject.collection);
        problems.policy(&["subject", "locale_field"], message);
    }
    tables(bundle, &collections, problems);
}

fn check_reference(
    name: &str,
    path: &str,
    reference: &Reference,
    collections: &BTreeMap<String, &Collection>,
    problems: &mut Problems,
) {
    let keys = ["fides_meta", "references"];
    let (collection, field) = reference.field.split_once('.').unwrap_or((&reference.field, ""));
    let other = format!("{}.{collection}", reference.dataset);
    match collections.get(&other).map(|target| (target, target.at(field))) {
        Some((_, Some(_))) if other == name => {
            let message = "a reference to the collection itself is not followed: it leads to other people's rows";
            problems.warn(name, Some(path), &keys, message);
        }
        Some((target, Some(_))) if target.is_skipped() => {
            let message = format!("the reference to {other} is not followed: it is skipped (skip_processing)");
            problems.warn(name, Some(path), &keys, message);
        }
        Some((_, Some(_))) => {}
        Some((_, None)) | None => {
            let message = format!(
                "the reference to {}.{} is a dead link: no such field; write dataset: <dataset>, field: \
                 <collection>.<field>",
                reference.dataset, reference.field
            );
            problems.dataset(name, Some(path), message);
        }
    }
}

fn tables(bundle: &Bundle, collections: &BTreeMap<String, &Collection>, problems: &mut Problems) {
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (position, system) in bundle.policy.systems.iter().enumerate() {
        let System::Dynamodb { dataset, collections: tables, .. } = system else { continue };
        let at = position.to_string();
        for (name, table) in tables {
            let path = ["systems", &at, "collections", name];
            let full_name = format!("{dataset}.{name}");
            if let Some(collection) = collections.get(&full_name) {
                key_fields(&path, &full_name, collection, table, problems);
            }
            if let Some(other) = seen.get(table.table.as_str()) {
                let message = format!(
                    "table {:?} holds {other} already, and a rule for one would act on the rows of both; give {full_name} \
                     its own table",
                    table.table
                );
                problems.policy(&[&path[..], &["table"]].concat(), message);
            } else {
                seen.insert(&table.table, full_name);
            }
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
