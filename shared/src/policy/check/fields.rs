//! Fields that references name must be there.

use std::collections::BTreeMap;

use super::Problems;
use crate::policy::dataset::{self, Reference, visit};
use crate::policy::{Bundle, Collection};

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
    let named = [
        ("locale_field", &subject.locale_field, "the language"),
        ("created_field", &subject.created_field, "the moment that the account was made"),
    ];
    for (key, field, holds) in named {
        if let (Some(collection), Some(field)) = (collections.get(&subject.collection), field)
            && collection.field(field).is_none()
        {
            let message = format!("{field} is not in {}; name the field with {holds}", subject.collection);
            problems.policy(&["subject", key], message);
        }
    }
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
