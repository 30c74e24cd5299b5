//! Fills the tables, buckets and databases of a policy with a population.
//!
//! Rows are made on a thread of their own and written a batch at a time, a bounded number of batches in flight, so that
//! memory stays flat however large the population is.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sdk_s3::primitives::ByteStream;
use futures::{Stream, TryStreamExt as _};
use habeas::policy::{Pinned, Place};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::databases::{Records, Writer, databases};
use super::{App, Object, Population, Row};
use crate::aws::{AwsError, Clients};

/// What one `BatchWriteItem` takes.
const BATCH_ROWS: usize = 25;
const IN_FLIGHT: usize = 16;
const ATTEMPTS_MOST: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PROGRESS_EVERY_ROWS: u64 = 1_000;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Rows.
    pub rows: u64,
    /// Objects.
    pub objects: u64,
}

/// Something to write.
enum Batch {
    Rows(HashMap<String, Vec<WriteRequest>>),
    Object {
        bucket: String,
        object: Object,
    },
    /// One user's rows in a database.
    Records {
        database: String,
        rows: Records,
    },
}

/// Where a collection is.
enum Spot {
    Table(String),
    Bucket(String),
    /// The system's id.
    Database(String),
}

/// Writes all users, or only those with the given indexes, and tells `progress` how many rows there are so far, every
/// thousand. What they are written to must be there: see [`super::tables::create`], [`super::databases::create`].
pub async fn load(
    policy: &Pinned,
    app: &'static dyn App,
    population: Population,
    only: &[usize],
    clients: &Clients,
    progress: impl Fn(u64),
) -> Result<Loaded, AwsError> {
    let users: Vec<usize> = if only.is_empty() { (0..population.users).collect() } else { only.to_vec() };
    let spots = spots(policy);
    let mut writers = BTreeMap::new();
    for database in databases(policy) {
        writers.insert(database.id.clone(), Writer::open(policy, database, clients).await?);
    }
    let (sender, receiver) = mpsc::channel(2 * IN_FLIGHT);
    let producer = tokio::task::spawn_blocking(move || produce(app, population, &users, &spots, &sender));
    let (rows, objects) = (AtomicU64::new(0), AtomicU64::new(0));
    let written = |count: usize| {
        let count = u64::try_from(count).unwrap_or(0);
        let total = rows.fetch_add(count, Ordering::Relaxed) + count;
        if total / PROGRESS_EVERY_ROWS > (total - count) / PROGRESS_EVERY_ROWS {
            progress(total);
        }
    };
    batches(receiver)
        .try_for_each_concurrent(IN_FLIGHT, |batch| async {
            match batch {
                Batch::Rows(requests) => {
                    let count = requests.values().map(Vec::len).sum();
                    write_rows(requests, clients).await?;
                    written(count);
                }
                Batch::Records { database, rows } => {
                    if let Some(writer) = writers.get(&database) {
                        writer.write(&rows).await?;
                        written(rows.len());
                    }
                }
                Batch::Object { bucket, object } => {
                    write_object(&bucket, object, clients).await?;
                    objects.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        })
        .await?;
    producer.await.map_err(AwsError::of("making the sample rows"))??;
    Ok(Loaded { rows: rows.into_inner(), objects: objects.into_inner() })
}

/// A row as DynamoDB takes it.
#[must_use]
pub fn item(fields: &Map<String, Value>) -> HashMap<String, AttributeValue> {
    fields.iter().map(|(field, value)| (field.clone(), attribute(value))).collect()
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(values) => AttributeValue::L(values.iter().map(attribute).collect()),
        Value::Object(fields) => AttributeValue::M(item(fields)),
    }
}

fn spots(policy: &Pinned) -> BTreeMap<String, Spot> {
    policy
        .collections()
        .filter_map(|name| {
            let spot = match policy.place(name)? {
                Place::Table(table) => Spot::Table(table.table.clone()),
                Place::Objects { bucket, .. } | Place::Rows { bucket, .. } => Spot::Bucket(bucket.to_owned()),
                Place::Relation { database, .. } => Spot::Database(database.id.clone()),
            };
            Some((name.to_owned(), spot))
        })
        .collect()
}

fn produce(
    app: &dyn App,
    population: Population,
    users: &[usize],
    spots: &BTreeMap<String, Spot>,
    sender: &mpsc::Sender<Batch>,
) -> Result<(), AwsError> {
    let mut unknown = None;
    let mut rows = HashMap::new();
    let mut count = 0;
    // A closed channel means that writing failed; the writer says why.
    let send = |batch| drop(sender.blocking_send(batch));
    for user in users {
        if sender.is_closed() {
            return Ok(());
        }
        let mut records: BTreeMap<String, Records> = BTreeMap::new();
        app.rows(&population, *user, &mut |Row { collection, stored, .. }| {
            let table = match spots.get(collection) {
                Some(Spot::Table(table)) => table,
                Some(Spot::Database(database)) => {
                    records.entry(database.clone()).or_default().push((collection, stored));
                    return;
                }
                Some(Spot::Bucket(_)) | None => {
                    unknown = Some(collection);
                    return;
                }
            };
            let put = PutRequest::builder().set_item(Some(item(&stored))).build();
            let write = WriteRequest::builder().set_put_request(put.ok()).build();
            rows.entry(table.clone()).or_insert_with(Vec::new).push(write);
            count += 1;
            if count == BATCH_ROWS {
                count = 0;
                send(Batch::Rows(std::mem::take(&mut rows)));
            }
        });
        for (database, rows) in records {
            send(Batch::Records { database, rows });
        }
        app.objects(&population, *user, &mut |object| match spots.get(object.collection) {
            Some(Spot::Bucket(bucket)) => send(Batch::Object { bucket: bucket.clone(), object }),
            _ => unknown = Some(object.collection),
        });
    }
    if !rows.is_empty() {
        send(Batch::Rows(rows));
    }
    unknown.map_or(Ok(()), |collection| {
        Err(AwsError::because(format!("making rows of {collection}"), "no system of the policy holds it"))
    })
}

fn batches(receiver: mpsc::Receiver<Batch>) -> impl Stream<Item = Result<Batch, AwsError>> {
    futures::stream::unfold(receiver, |mut receiver| async move {
        let batch = receiver.recv().await?;
        Some((Ok(batch), receiver))
    })
}

async fn write_rows(mut requests: HashMap<String, Vec<WriteRequest>>, clients: &Clients) -> Result<(), AwsError> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS_MOST {
        let written = clients.dynamodb.batch_write_item().set_request_items(Some(requests)).send().await;
        let written = written.map_err(AwsError::of("BatchWriteItem"))?;
        requests = written.unprocessed_items.unwrap_or_default();
        if requests.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(AwsError::because("BatchWriteItem", "DynamoDB left the same rows over twelve times: load less at once"))
}

async fn write_object(bucket: &str, object: Object, clients: &Clients) -> Result<(), AwsError> {
    let put = clients
        .s3
        .put_object()
        .bucket(bucket)
        .key(object.key)
        .content_type(object.content_type)
        .body(ByteStream::from(object.content));
    put.send().await.map(drop).map_err(AwsError::of(format!("PutObject in {bucket}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let row = serde_json::json!({"s": "x", "n": 12, "b": true, "l": ["y", 1], "m": {"z": null}});
        let item = item(row.as_object().unwrap());
        assert_eq!(item["s"], AttributeValue::S("x".to_owned()));
        assert_eq!(item["n"], AttributeValue::N("12".to_owned()));
        assert_eq!(item["b"], AttributeValue::Bool(true));
        assert_eq!(
            item["l"],
            AttributeValue::L(vec![AttributeValue::S("y".to_owned()), AttributeValue::N("1".to_owned())])
        );
        let inner = HashMap::from([("z".to_owned(), AttributeValue::Null(true))]);
        assert_eq!(item["m"], AttributeValue::M(inner));
    }
}
