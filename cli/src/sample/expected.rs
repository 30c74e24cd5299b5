//! What an export for one person must show, known from the generators alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{App, Object, Person, Population, Row};

/// Collections whose content is biometric and so never leaves; what is known about each object does.
const WITHOUT_CONTENT: [&str; 1] = ["yallo_media.id_scans"];

/// The expected export by `<dataset>.<collection>`: the person's rows and other users' rows that a link ties to them,
/// then objects as `key`, `bytes`, `content_type` and, where the content leaves too, its `sha256`. Sorted by canonical
/// JSON. Collections without anything are absent.
#[must_use]
pub fn expected(app: &dyn App, population: &Population, index: usize) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    concerning(app, population, index, &mut |row| {
        found.entry(row.collection.to_owned()).or_default().push(Value::Object(row.exported));
    });
    app.objects(population, index, &mut |object| {
        found.entry(object.collection.to_owned()).or_default().push(shown(&object));
    });
    for records in found.values_mut() {
        records.sort_by_cached_key(canonical);
    }
    found
}

/// Every row, of whatever user, that is tied to a person by one of its links.
pub fn concerning(app: &dyn App, population: &Population, index: usize, emit: &mut dyn FnMut(Row)) {
    let person: Person = app.person(population, index);
    for user in 0..population.users {
        app.rows(population, user, &mut |row| {
            // Whatever a user owns is theirs also where no link says so.
            if user == index || app.concerns(&row, &person) {
                emit(row);
            }
        });
    }
}

/// JSON in the one form that equal values share (RFC 8785).
#[must_use]
pub fn canonical(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_else(|_| value.to_string())
}

fn shown(object: &Object) -> Value {
    let mut shown = json!({
        "key": object.key,
        "bytes": object.content.len(),
        "content_type": object.content_type,
    });
    if !WITHOUT_CONTENT.contains(&object.collection) {
        shown["sha256"] = hex::encode(Sha256::digest(&object.content)).into();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_subject_has_something_in_every_collection_and_gets_messages() {
        let population = Population { seed: 1, users: 40, heavy_rows: 50 };
        for (policy, collections) in [("yallo", 18), ("yuncan", 20)] {
            let app = sample::app(policy).unwrap();
            for index in 0..Population::SUBJECTS {
                let export = expected(app, &population, index);
                assert_eq!(export.len(), collections, "{policy} {index}: {:?}", export.keys());
                let user = app.person(&population, index).user_id;
                let messages = &export[&format!("{policy}_app.messages")];
                assert!(messages.iter().any(|message| message["recipient_id"] == user.as_str()), "{policy} {index}");
            }
        }
    }

    #[test]
    fn biometric_content_is_not_expected() {
        let population = Population { seed: 1, users: 12, heavy_rows: 5 };
        let export = expected(sample::app("yallo").unwrap(), &population, 1);
        assert!(export["yallo_media.id_scans"].iter().all(|scan| scan.get("sha256").is_none()));
        assert!(export["yallo_media.photos"].iter().all(|photo| photo.get("sha256").is_some()));
    }
}
