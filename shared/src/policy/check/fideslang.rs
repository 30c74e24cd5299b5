//! What fideslang says and Habeas does not act on: each is named. It is an error if what was meant would be lost by it, and
//! a warning if Habeas does more than was asked, or the dataset itself says that something is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::Problems;
use crate::policy::dataset::{self, Dataset, Direction, FieldMeta, visit};
use crate::policy::{Bundle, Collection, Field, Graph, System};

/// The data types that fideslang has; with `[]`, lists of them.
const DATA_TYPES: [&str; 6] = ["string", "integer", "float", "boolean", "object_id", "object"];

const META: &str = "fides_meta";

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    names(bundle, problems);
    let collections = dataset::by_name(&bundle.datasets);
    for dataset in &bundle.datasets {
        of_dataset(bundle, dataset, problems);
    }
    for (name, collection) in &collections {
        of_collection(name, collection, &collections, problems);
        visit(&collection.fields, "", &mut |path, field| of_field(name, path, field, problems));
        if !collection.is_skipped() {
            identities(bundle, name, collection, problems);
            lists(&collection.fields, "", false, &mut |path| whole_list(name, path, problems));
        }
    }
    not_followed(bundle, &collections, problems);
}

/// Names that tell datasets, collections and fields apart.
fn names(bundle: &Bundle, problems: &mut Problems) {
    let mut datasets = BTreeSet::new();
    for dataset in &bundle.datasets {
        let key = dataset.fides_key.as_str();
        if !datasets.insert(key) {
            problems.name(key, format!("dataset {key:?} is there twice; join the two or rename one"));
        }
        if key.contains('.') {
            problems.name(key, format!("{key:?} has a dot, after which the name of a collection begins; rename it"));
        }
        let mut collections = BTreeSet::new();
        for collection in &dataset.collections {
            let name = format!("{key}.{}", collection.name);
            if !collections.insert(collection.name.as_str()) {
                problems.dataset(&name, None, format!("{name} is there twice; join the two or rename one"));
            }
            if collection.name.contains('.') {
                let message = format!(
                    "{:?} has a dot, after which the name of a field begins; give it another name, and its table under \
                     systems",
                    collection.name
                );
                problems.dataset(&name, None, message);
            }
            let mut fields = BTreeSet::new();
            visit(&collection.fields, "", &mut |path, _| {
                if !fields.insert(path.to_owned()) {
                    problems.dataset(&name, Some(path), format!("{path} is there twice; join the two"));
                }
            });
        }
    }
}

fn of_dataset(bundle: &Bundle, dataset: &Dataset, problems: &mut Problems) {
    let key = dataset.fides_key.as_str();
    let meta = &dataset.fides_meta;
    if dataset.retention.is_some() {
        problems.warn(key, None, &["retention"], RETENTION);
    }
    if meta.redact.is_some() {
        problems.warn(key, None, &[META, "redact"], REDACT);
    }
    let database = bundle.policy.systems.iter().find_map(|system| match system {
        System::Postgresql(database) if database.dataset == key => Some(database),
        _ => None,
    });
    for (name, value) in &meta.namespace {
        let message = match (name.as_str(), database) {
            ("schema", Some(database)) if value.as_str() == Some(database.schema.as_str()) => continue,
            ("schema", Some(database)) => {
                format!("the system {} says schema {:?}, and that counts", database.id, database.schema)
            }
            ("connection_type", Some(_)) if value.as_str().is_some_and(|kind| kind.contains("postgres")) => continue,
            ("database_name" | "database", Some(database)) => {
                format!("the secret {:?} of the system {} says which database it is", database.secret, database.id)
            }
            _ => "policy.yaml says under systems what holds the dataset, and where".to_owned(),
        };
        problems.warn(key, None, &[META, "namespace", name], format!("{name} does nothing: {message}"));
    }
    for other in meta.after.iter().filter(|other| !bundle.datasets.iter().any(|dataset| dataset.fides_key == **other)) {
        problems.warn(key, None, &[META, "after"], format!("there is no dataset {other:?}"));
    }
}

const RETENTION: &str = "a retention in words does nothing; write retention in the collection's rule in policy.yaml";
const REDACT: &str = "names are not redacted: a package shows the names of collections and fields as they are";

fn of_collection(
    name: &str,
    collection: &Collection,
    collections: &BTreeMap<String, &Collection>,
    problems: &mut Problems,
) {
    let meta = &collection.fides_meta;
    if collection.retention.is_some() {
        problems.warn(name, None, &["retention"], RETENTION);
    }
    if meta.redact.is_some() {
        problems.warn(name, None, &[META, "redact"], REDACT);
    }
    if meta.partitioning.is_some() {
        problems.warn(
            name,
            None,
            &[META, "partitioning"],
            "partitioning does nothing: all rows are asked for, in every partition",
        );
    }
    for (position, other) in meta.after.iter().enumerate().filter(|(_, other)| !collections.contains_key(*other)) {
        let keys = [META, "after", &position.to_string()];
        problems.warn(name, None, &keys, format!("{other} is in no dataset; write <dataset>.<collection>"));
    }
    for (position, other) in meta.erase_after.iter().enumerate() {
        let position = position.to_string();
        let keys = [META, "erase_after", position.as_str()];
        match collections.get(other) {
            None => {
                problems.refuse(name, None, &keys, format!("{other} is in no dataset; write <dataset>.<collection>"));
            }
            Some(other_one) if other_one.is_skipped() => {
                problems.warn(name, None, &keys, format!("{other} is skipped, so nothing of it is erased first"));
            }
            Some(_) => {}
        }
    }
    if collection.is_skipped() {
        let personal = collection.fields.iter().filter(|field| field.is_personal());
        let personal: Vec<&str> = personal.map(|field| field.name.as_str()).collect();
        if !personal.is_empty() {
            let message = format!(
                "the collection is skipped, so what is personal in it is neither shown nor erased: {}",
                personal.join(", ")
            );
            problems.warn(name, None, &[META, "skip_processing"], message);
        }
    }
}

fn of_field(name: &str, path: &str, field: &Field, problems: &mut Problems) {
    let meta = &field.fides_meta;
    if field.retention.is_some() {
        problems.warn(name, Some(path), &["retention"], RETENTION);
    }
    if meta.redact.is_some() {
        problems.warn(name, Some(path), &[META, "redact"], REDACT);
    }
    if let Some(custom) = &meta.custom_request_field {
        let message = format!("requests have no field {custom:?}, so no row is found by it");
        problems.warn(name, Some(path), &[META, "custom_request_field"], message);
    }
    let Some(data_type) = &meta.data_type else { return };
    let element = data_type.strip_suffix("[]").unwrap_or(data_type);
    if !field.fields.is_empty() && element != "object" {
        let message = format!("it has fields inside and so is of the type object or object[], not {data_type}");
        problems.refuse(name, Some(path), &[META, "data_type"], message);
    } else if !DATA_TYPES.contains(&element) {
        let message =
            format!("fideslang has no data_type {data_type:?}; it has {} and lists of them", DATA_TYPES.join(", "));
        problems.warn(name, Some(path), &[META, "data_type"], message);
    }
}

/// Kinds of identity that the person's own row does not hold.
fn identities(bundle: &Bundle, name: &str, collection: &Collection, problems: &mut Problems) {
    let subject = &bundle.policy.subject.collection;
    visit(&collection.fields, "", &mut |path, field| {
        let unknown = field.fides_meta.identity.as_ref().filter(|kind| bundle.identity_field(kind).is_none());
        if let Some(kind) = unknown {
            let message = format!(
                "nothing leads here by the identity {kind}: no field of {subject} holds it; give one identity: {kind}, or \
                 name it under subject.identities"
            );
            problems.warn(name, Some(path), &[META, "identity"], message);
        }
    });
}

/// Calls `each` for lists that lead to a row and are not said to be shown whole. A list says it for what is inside it.
fn lists(fields: &[Field], prefix: &str, is_whole: bool, each: &mut impl FnMut(&str)) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        let meta = &field.fides_meta;
        let is_whole = is_whole || meta.return_all_elements == Some(true);
        if meta.is_list() && !is_whole && leads_here(field) {
            each(&path);
        }
        lists(&field.fields, &format!("{path}."), is_whole, each);
    }
}

fn leads_here(field: &Field) -> bool {
    let leads = |meta: &FieldMeta| {
        meta.identity.is_some() || meta.references.iter().any(|reference| reference.direction != Some(Direction::To))
    };
    leads(&field.fides_meta) || field.fields.iter().any(leads_here)
}

fn whole_list(name: &str, path: &str, problems: &mut Problems) {
    let message = "the list is shown and erased whole, as with return_all_elements: true, and not only the elements that \
                   lead here; say return_all_elements: true if that is right";
    problems.warn(name, Some(path), &[META, "data_type"], message);
}

/// References that would go round in a circle, if a dataset gives them that direction.
fn not_followed(bundle: &Bundle, collections: &BTreeMap<String, &Collection>, problems: &mut Problems) {
    let graph = Graph::of(bundle);
    for (from, to) in graph.not_followed() {
        for (name, other, direction) in [(to, from, Direction::From), (from, to, Direction::To)] {
            let Some(collection) = collections.get(name) else { continue };
            visit(&collection.fields, "", &mut |path, field| {
                let meant = field.fides_meta.references.iter().find(|reference| {
                    let target = format!("{}.{}", reference.dataset, reference.field);
                    reference.direction == Some(direction) && target.starts_with(&format!("{other}."))
                });
                if let Some(reference) = meant {
                    let message = format!(
                        "the reference to {}.{} closes a circle and is not followed: rows of {to} are found in another way \
                         only",
                        reference.dataset, reference.field
                    );
                    problems.warn(name, Some(path), &[META, "references"], message);
                }
            });
        }
    }
}
