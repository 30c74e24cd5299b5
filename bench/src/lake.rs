//! One person's rows in a table, in JSON Lines and in Parquet: what is in front of the functions is the same, the policies
//! differ in the system that holds the events.

use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_sdk_s3::primitives::ByteStream;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::BenchError;
use crate::stores::{Endpoints, s3_client, sdk};

/// Whose rows are exported and erased.
pub(crate) const PERSON: &str = "user-00004242";
/// Their address.
pub(crate) const EMAIL: &str = "u4242@load.example";
const USERS: &str = "bench-users";
const EVENTS: &str = "bench-events";
pub(crate) const BUCKET: &str = "bench-lake";
/// Bytes of an object of JSON Lines.
const OBJECT: usize = 64 << 20;
/// Rows of one `BatchWriteItem`, and calls at the same time.
const BATCH: u64 = 25;
const AT_ONCE: usize = 8;
/// Every so many rows one is of somebody else.
const OTHERS: u64 = 10;

/// Where the events are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Table,
    Lines,
    Parquet,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Lines => "lines",
            Self::Parquet => "parquet",
        }
    }

    fn system(self) -> Value {
        match self {
            Self::Table => json!({"id": "events", "kind": "dynamodb", "dataset": "events",
                "collections": {"events": {"table": EVENTS, "key": ["user_id", "event_id"]}}}),
            Self::Lines => json!({"id": "events", "kind": "s3", "dataset": "events", "bucket": BUCKET,
                "collections": {"events": {"rows": "lines/", "format": "jsonl"}}}),
            Self::Parquet => json!({"id": "events", "kind": "s3", "dataset": "events", "bucket": BUCKET,
                "collections": {"events": {"rows": "parquet/", "format": "parquet"}}}),
        }
    }

    /// The folder of a policy for it.
    pub(crate) fn policy(self, folder: &Path) -> Result<PathBuf, BenchError> {
        let policy = folder.join(self.name());
        std::fs::create_dir_all(policy.join("datasets"))?;
        let of_user = json!({"references": [{"dataset": "people", "field": "users.user_id", "direction": "from"}]});
        let datasets = json!({"dataset": [
            {"fides_key": "people", "collections": [{"name": "users", "fields": [
                {"name": "user_id", "data_categories": ["user.unique_id"],
                    "fides_meta": {"primary_key": true, "identity": "user_id"}},
                {"name": "email", "data_categories": ["user.contact.email"], "fides_meta": {"identity": "email"}}]}]},
            {"fides_key": "events", "collections": [{"name": "events", "fields": [
                {"name": "user_id", "data_categories": ["user.unique_id"], "fides_meta": of_user},
                {"name": "event_id", "data_categories": ["system.operations"], "fides_meta": {"primary_key": true}},
                {"name": "page", "data_categories": ["user.behavior.browsing_history"]}]}]},
        ]});
        let within = json!([{"limit": 30, "unit": "calendar_day", "from": "receipt", "source": "a benchmark"}]);
        let right = json!({"verification": [["contact_code"]], "sign_in_max_age": "PT10M", "respond_within": within,
            "source": "a benchmark"});
        let mut access = right.clone();
        access["package_expires"] = json!("P7D");
        let erase = json!({"retention": null, "erasure": {"action": "erase"}});
        let users = json!({"id": "people", "kind": "dynamodb", "dataset": "people", "collections":
            {"users": {"table": USERS, "key": ["user_id"], "indexes": {"email": "by-email"}}}});
        let text = json!({
            "habeas": 1, "id": format!("lake-{}", self.name()), "version": "1", "title": "A lake",
            "source": {"document": "none: it was written for a benchmark"}, "jurisdiction": "eu",
            "controller": {"name": "Lake", "languages": ["en"], "time_zone": "Europe/Berlin",
                "contact": {"en": "Write to us"}, "complaint": {"en": "Complain to the authority"}},
            "subject": {"collection": "people.users", "identities": {"user_id": "user_id", "email": "email"},
                "contact": ["email"]},
            "systems": [users, self.system()], "purposes": {"service": {"en": "To run the service"}},
            "rights": {"access": access, "erasure": right},
            "items_from_datasets": {"purposes": ["service"], "source": "the dataset"},
            "collections": {"people.users": erase, "events.events": erase},
        });
        // JSON is YAML.
        std::fs::write(policy.join("policy.yaml"), text.to_string())?;
        std::fs::write(policy.join("datasets/lake.yaml"), datasets.to_string())?;
        Ok(policy)
    }
}

/// Makes the tables and the bucket, and the person's own row.
pub(crate) async fn prepare(endpoints: &Endpoints, folder: &Path) -> Result<(), BenchError> {
    let tables = aws_sdk_dynamodb::Client::new(&sdk(&endpoints.dynamodb));
    let policy = habeas::policy::load::load(&Store::Table.policy(folder)?).map_err(BenchError::other)?;
    habeas_e2e::create_tables(&tables, &policy).await;
    s3_client(endpoints).create_bucket().bucket(BUCKET).send().await.map_err(BenchError::other)?;
    person(endpoints).await
}

/// Writes the person's own row, which an erasure takes.
pub(crate) async fn person(endpoints: &Endpoints) -> Result<(), BenchError> {
    let tables = aws_sdk_dynamodb::Client::new(&sdk(&endpoints.dynamodb));
    let put = tables.put_item().table_name(USERS);
    let put = put.item("user_id", text(PERSON)).item("email", text(EMAIL));
    put.send().await.map(drop).map_err(BenchError::other)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// Writes rows of the person into the table.
pub(crate) async fn fill_table(endpoints: &Endpoints, rows: u64) -> Result<(), BenchError> {
    let tables = aws_sdk_dynamodb::Client::new(&sdk(&endpoints.dynamodb));
    let batches = stream::iter((0..rows).step_by(usize::try_from(BATCH).map_err(BenchError::other)?));
    let written = batches.map(|first| {
        let tables = tables.clone();
        async move {
            let item = |number: u64| -> Result<WriteRequest, BenchError> {
                let event_id = format!("e-{number:09}");
                let put = PutRequest::builder().item("user_id", text(PERSON)).item("event_id", text(&event_id));
                let put = put.item("page", text(&page(number))).item("at", text("2026-11-01T12:00:00Z"));
                Ok(WriteRequest::builder().put_request(put.build().map_err(BenchError::other)?).build())
            };
            let items = (first..rows.min(first + BATCH)).map(item).collect::<Result<Vec<_>, _>>()?;
            tables.batch_write_item().request_items(EVENTS, items).send().await.map(drop).map_err(BenchError::other)
        }
    });
    written.buffer_unordered(AT_ONCE).try_collect().await
}

fn page(number: u64) -> String {
    format!("/articles/{:08x}/read?from=newsletter-{}&campaign=autumn", number.wrapping_mul(2_654_435_761), number % 97)
}

/// Writes objects of JSON Lines, in which most rows are the person's; how many bytes.
pub(crate) async fn fill_lines(endpoints: &Endpoints, rows: u64) -> Result<u64, BenchError> {
    use std::io::Write as _;
    let s3 = s3_client(endpoints);
    let (mut body, mut objects, mut bytes, mut number) = (Vec::with_capacity(OBJECT + 1024), 0, 0, 0);
    let mut theirs = 0;
    while theirs < rows || !body.is_empty() {
        if theirs < rows {
            let whose = if number % OTHERS == 0 { "user-00000007" } else { PERSON };
            theirs += u64::from(whose == PERSON);
            let page = page(number);
            writeln!(
                body,
                r#"{{"user_id":"{whose}","event_id":"e-{number:09}","at":"2026-11-01T12:00:00Z","page":"{page}","agent":"Mozilla/5.0 (X11; Linux x86_64) Agent/{}"}}"#,
                number % 300
            )?;
            number += 1;
        }
        if body.len() >= OBJECT || theirs >= rows {
            bytes += body.len() as u64;
            let key = format!("lines/{objects:05}.jsonl");
            let put = s3.put_object().bucket(BUCKET).key(key).body(ByteStream::from(std::mem::take(&mut body)));
            put.send().await.map_err(BenchError::other)?;
            objects += 1;
        }
    }
    Ok(bytes)
}

/// Puts the Parquet files of a folder into the bucket; how many bytes.
pub(crate) async fn fill_parquet(endpoints: &Endpoints, folder: &Path) -> Result<u64, BenchError> {
    let s3 = s3_client(endpoints);
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "parquet") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bytes += std::fs::metadata(&path)?.len();
        let body = ByteStream::from_path(&path).await.map_err(BenchError::other)?;
        let put = s3.put_object().bucket(BUCKET).key(format!("parquet/{name}")).body(body);
        put.send().await.map_err(BenchError::other)?;
    }
    Ok(bytes)
}
