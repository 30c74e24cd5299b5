//! Everything that is stored, read through the AWS APIs and by SQL and not through any code of Habeas: all rows of all
//! tables and all versions of all objects. What a scan finds here is what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt as _, TryStreamExt as _};
use habeas::ledger::keys;
use habeas::policy::{Pinned, Place};
use habeas::request::Status;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::{DriveError, Stack};
use crate::aws::{AwsError, Clients};
use crate::sample::expected::canonical;
use crate::sample::{App, Person, Population, Row, databases};

const READS_AT_ONCE: usize = 16;

/// One version of an object, or a delete marker.
#[derive(Clone, Debug)]
pub struct Version {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// The version.
    pub version: String,
    /// Whether it is a delete marker.
    pub is_marker: bool,
    /// The bytes; empty for a delete marker.
    pub content: Vec<u8>,
}

/// The stored state of a policy's systems.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Rows, as generators know them; `exported` is empty.
    pub rows: Vec<Row>,
    /// Object versions.
    pub versions: Vec<Version>,
}

/// Where a value was found. Names places, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The collection, table or bucket.
    pub place: String,
    /// Number of rows or versions in it that hold any of the values.
    pub count: usize,
}

impl Snapshot {
    /// Reads everything in the systems of a policy.
    pub async fn take(
        policy: &Pinned,
        app: &dyn App,
        population: &Population,
        clients: &Clients,
    ) -> Result<Self, DriveError> {
        let names = collection_names(app, population);
        let mut snapshot = Self::default();
        let mut connections = BTreeMap::new();
        for database in databases::databases(policy) {
            connections.insert(&database.id, databases::connect(database, clients).await?);
        }
        for name in policy.collections() {
            let Some(collection) = names.get(name) else { continue };
            let stored = match policy.place(name) {
                Some(Place::Table(table)) => rows(&table.table, clients).await?,
                Some(Place::Relation { database, name }) => match connections.get(&database.id) {
                    Some(connection) => databases::rows(connection, database.table(name)).await?,
                    None => continue,
                },
                Some(Place::Objects { .. } | Place::Rows { .. }) | None => continue,
            };
            let row = |stored| Row { collection, stored, exported: Map::new() };
            snapshot.rows.extend(stored.into_iter().map(row));
        }
        for bucket in crate::sample::tables::buckets(policy) {
            snapshot.versions.extend(versions(bucket, clients).await?);
        }
        Ok(snapshot)
    }

    /// Everything that does not concern a person, in a form that can be compared.
    #[must_use]
    pub fn of_others(&self, app: &dyn App, person: &Person) -> Vec<String> {
        let rows = self.rows.iter().filter(|row| !app.concerns(row, person)).map(line);
        let versions = self.versions.iter().filter(|version| !version.key.contains(&person.user_id)).map(|version| {
            let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&version.content));
            format!("{} {} {} {digest}", version.bucket, version.key, version.version)
        });
        let mut all: Vec<String> = rows.chain(versions).collect();
        all.sort();
        all
    }

    /// Rows of a person in collections whose rule keeps them.
    #[must_use]
    pub fn retained(&self, policy: &Pinned, app: &dyn App, person: &Person) -> Vec<&Row> {
        self.rows.iter().filter(|row| is_retained(policy, row) && app.concerns(row, person)).collect()
    }

    /// Where anything that identifies a person is left, apart from rows that the policy keeps.
    #[must_use]
    pub fn left_of(&self, policy: &Pinned, app: &dyn App, person: &Person) -> Vec<Finding> {
        let rows = self
            .rows
            .iter()
            .filter(|row| !(is_retained(policy, row) && app.concerns(row, person)))
            .filter(|row| app.concerns(row, person) || holds(&Value::Object(row.stored.clone()).to_string(), person))
            .map(|row| row.collection.to_owned());
        counted(rows.chain(found_in(&self.versions, person)))
    }
}

/// Where anything that identifies a person is left in what a stack itself keeps: its ledger and its buckets. What a package was
/// made from is packed, so that no search of its bytes finds a name in it, and none of it may be there once its request has
/// ended: whosever it is, it counts by its key.
pub async fn left_in_stack(stack: &Stack, clients: &Clients, person: &Person) -> Result<Vec<Finding>, DriveError> {
    let (mut places, mut ended) = (Vec::new(), BTreeSet::new());
    for stored in rows(&stack.ledger_table, clients).await? {
        ended.extend(ended_request(&stored));
        if holds(&Value::Object(stored).to_string(), person) {
            places.push(stack.ledger_table.clone());
        }
    }
    for bucket in [&stack.package_bucket, &stack.policy_bucket] {
        let mut versions = versions(bucket, clients).await?;
        let staged = versions.iter().filter(|version| is_left_of_making(version, &ended)).count();
        places.extend(std::iter::repeat_n(format!("{bucket}, of what packages were made from"), staged));
        versions.iter_mut().filter(|version| is_package(&version.key)).for_each(|version| version.content.clear());
        places.extend(found_in(&versions, person));
    }
    Ok(counted(places.into_iter()))
}

/// The id of a request, if a row of the ledger is one that has ended.
fn ended_request(row: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let is_end = Status::deserialize(row.get("status")?).is_ok_and(Status::is_end);
    let id = text("id").filter(|_| text("sk") == Some(keys::REQUEST))?;
    is_end.then(|| id.to_owned())
}

/// The request that something in the package bucket belongs to, and its name below that.
fn of_request(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix("requests/")?.split_once('/')
}

/// Whether a version is of what the package of a request was made from (pages, copied objects, notes), and the request has ended.
fn is_left_of_making(version: &Version, ended: &BTreeSet<String>) -> bool {
    let is_of_ended = of_request(&version.key).is_some_and(|(id, _)| ended.contains(id));
    is_of_ended && !version.is_marker && !is_package(&version.key)
}

/// Whether a key is that of a finished package. What is in one is of whoever asked for it, who may have written to others or follow
/// them; it is packed, so that a search of its bytes finds such a name where a text was too short to be packed, and only there.
fn is_package(key: &str) -> bool {
    of_request(key).is_some_and(|(_, name)| name.starts_with("package-") && !name.contains('/'))
}

/// Whether a text holds anything that identifies a person.
#[must_use]
pub fn holds(text: &str, person: &Person) -> bool {
    person.identifying.iter().any(|value| text.contains(value.as_str()))
}

/// Rows of a table.
pub async fn rows(table: &str, clients: &Clients) -> Result<Vec<Map<String, Value>>, DriveError> {
    let pages = clients.dynamodb.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    let items: Result<Vec<_>, _> = pages.collect().await;
    let items: Vec<HashMap<String, AttributeValue>> = items.map_err(AwsError::of(format!("Scan of {table}")))?;
    Ok(items.into_iter().map(fields).collect())
}

/// All versions of all objects of a bucket, with their bytes.
pub async fn versions(bucket: &str, clients: &Clients) -> Result<Vec<Version>, DriveError> {
    let mut listed = Vec::new();
    let (mut key, mut version) = (None, None);
    loop {
        let list = clients.s3.list_object_versions().bucket(bucket);
        let page = list.set_key_marker(key).set_version_id_marker(version).send().await;
        let page = page.map_err(AwsError::of(format!("ListObjectVersions {bucket}")))?;
        let named = |key: Option<&str>, version: Option<&str>, is_marker: bool| {
            (key.unwrap_or_default().to_owned(), version.unwrap_or_default().to_owned(), is_marker)
        };
        listed.extend(page.versions().iter().map(|object| named(object.key(), object.version_id(), false)));
        listed.extend(page.delete_markers().iter().map(|marker| named(marker.key(), marker.version_id(), true)));
        if page.is_truncated != Some(true) {
            break;
        }
        (key, version) = (page.next_key_marker, page.next_version_id_marker);
    }
    futures::stream::iter(listed)
        .map(|(key, version, is_marker)| async move {
            let content = if is_marker { Vec::new() } else { content(bucket, &key, &version, clients).await? };
            Ok(Version { bucket: bucket.to_owned(), key, version, is_marker, content })
        })
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await
}

async fn content(bucket: &str, key: &str, version: &str, clients: &Clients) -> Result<Vec<u8>, DriveError> {
    let failed = || format!("GetObject in {bucket}");
    let object = clients.s3.get_object().bucket(bucket).key(key).version_id(version).send().await;
    let body = object.map_err(AwsError::of(failed()))?.body.collect().await;
    Ok(body.map_err(AwsError::of(failed()))?.to_vec())
}

/// Names of collections as generators spell them. A subject that is not heavy has a row in every one.
fn collection_names(app: &dyn App, population: &Population) -> BTreeMap<&'static str, &'static str> {
    let mut names = BTreeMap::new();
    app.rows(population, 1, &mut |row| {
        names.insert(row.collection, row.collection);
    });
    names
}

fn is_retained(policy: &Pinned, row: &Row) -> bool {
    let rule = policy.rule(row.collection).map(|rule| &rule.erasure);
    matches!(rule, Some(habeas::policy::ErasureRule::Retain { .. }))
}

fn line(row: &Row) -> String {
    format!("{} {}", row.collection, canonical(&Value::Object(row.stored.clone())))
}

fn found_in<'a>(versions: &'a [Version], person: &'a Person) -> impl Iterator<Item = String> + 'a {
    let held =
        |version: &&Version| holds(&version.key, person) || holds(&String::from_utf8_lossy(&version.content), person);
    versions.iter().filter(held).map(|version| version.bucket.clone())
}

fn counted(places: impl Iterator<Item = String>) -> Vec<Finding> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for place in places {
        *counts.entry(place).or_default() += 1;
    }
    counts.into_iter().map(|(place, count)| Finding { place, count }).collect()
}

/// An item as JSON.
pub(crate) fn fields(item: HashMap<String, AttributeValue>) -> Map<String, Value> {
    item.into_iter().map(|(name, attribute)| (name, value(attribute))).collect()
}

fn value(attribute: AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => text.into(),
        AttributeValue::N(digits) => serde_json::from_str(&digits).unwrap_or(Value::String(digits)),
        AttributeValue::Bool(value) => value.into(),
        AttributeValue::L(values) => values.into_iter().map(value).collect(),
        AttributeValue::M(map) => Value::Object(fields(map)),
        AttributeValue::Ss(values) | AttributeValue::Ns(values) => values.into(),
        AttributeValue::B(bytes) => hex::encode(bytes).into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use habeas::export::staging::{Making, columns, media, package, page};
    use habeas::request::{RequestId, StepNumber};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_package_was_made_from_is_found_by_its_key_once_its_request_has_ended() {
        let row = |row: Value| ended_request(row.as_object().unwrap());
        let (done, open) = ("1".repeat(32), "2".repeat(32));
        let request = |id: &str, status: &str| json!({"pk": "REQUEST#1", "sk": "REQUEST", "id": id, "status": status});
        assert_eq!(row(request(&done, "completed")), Some(done.clone()));
        assert_eq!(row(request(&open, "in_progress")), None);
        assert_eq!(row(json!({"pk": "REQUEST#1", "sk": "STEP#0001", "status": "done"})), None);

        let ended = BTreeSet::from([done.clone()]);
        let is_left = |key: String, is_marker| {
            let version = Version { bucket: "b".into(), key, version: "1".into(), is_marker, content: Vec::new() };
            is_left_of_making(&version, &ended)
        };
        let (done, open): (RequestId, RequestId) = (done.parse().unwrap(), open.parse().unwrap());
        let (step, making) = (StepNumber(2), Making { attempt: 1, time: 1 });
        for key in [page(&done, step, 0), format!("{}package-1", media(&done, step)), columns(&done, making, 1)] {
            assert!(is_left(key.clone(), false), "{key}");
            assert!(!is_left(key, true), "a delete marker has nothing in it");
        }
        for key in [package(&done, making, false), page(&open, step, 0), habeas::export::staging::all_keys(&done)] {
            assert!(!is_left(key.clone(), false), "{key}");
        }
        assert!(is_package(&package(&done, making, true)));
    }
}
