//! Fields that references, keys and indexes name must be there.

use std::collections::BTreeMap;

use super::Problems;
use crate::policy::dataset::{self, Reference};
use crate::policy::{Bundle, Collection, Field};
use crate::policy::{System, Table};

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let collections = dataset::by_name(&bundle.datasets);
    let subject = &bundle.policy.subject;
    for (name, collection) in &collections {
        for field in &collection.fields {
            references(name, &field.name, field, &subject.collection, &collections, problems);
        }
    }
    if let (Some(collection), Some(field)) = (collections.get(&subject.collection), &subject.locale_field)
        && collection.field(field).is_none()
    {
        let message = format!("{field} is not in {}; name the field with the language", subject.collection);
        problems.policy(&["subject", "locale_field"], message);
    }
    tables(bundle, &collections, problems);
}

/// References of a field, and of the fields inside it, which are reported at the outermost one.
fn references(
    name: &str,
    outermost: &str,
    field: &Field,
    subject: &str,
    collections: &BTreeMap<String, &Collection>,
    problems: &mut Problems,
) {
    for reference in field.fides_meta.references.iter().filter(|reference| !leads(reference, subject, collections)) {
        let message = format!(
            "the reference to {}.{} is a dead link: no such field; write dataset: <dataset>, field: \
             <collection>.<field>",
            reference.dataset, reference.field
        );
        problems.dataset(name, Some(outermost), message);
    }
    for inner in &field.fields {
        references(name, outermost, inner, subject, collections, problems);
    }
}

/// Whether the field is there: in the subject collection at the top level, since a link leads nowhere else.
fn leads(reference: &Reference, subject: &str, collections: &BTreeMap<String, &Collection>) -> bool {
    let Some((collection, field)) = reference.field.split_once('.') else { return false };
    let full_name = format!("{}.{collection}", reference.dataset);
    let Some(target) = collections.get(&full_name) else { return false };
    target.field(field).is_some() || (full_name != subject && is_within(&target.fields, field))
}

fn is_within(fields: &[Field], path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    fields
        .iter()
        .filter(|field| field.name == first)
        .any(|field| rest.is_none_or(|rest| is_within(&field.fields, rest)))
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
