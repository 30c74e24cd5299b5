//! Versions of objects: listed page by page, and deleted.
//!
//! The rule of this room: an object is all of its versions and delete markers. Each is deleted by its version, since a
//! delete without one only puts a marker on top; one that was written while its bucket was not versioned has the version
//! `null`.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use serde::{Deserialize, Serialize};

use super::S3;
use crate::connectors::{ConnectorError, Handle, ReadPage, Row, refused};
use crate::record::{Record, Value};

/// Versions of one page.
const PAGE: i32 = 200;
/// Most deletes of one `DeleteObjects`.
const BATCH: usize = 1000;

/// A version of an object: its key and its version.
pub(super) type Version = (String, Option<String>);

/// Where a listing stands; with an empty key, at its beginning.
#[derive(Default, Serialize, Deserialize)]
struct Marker {
    key: String,
    version: Option<String>,
}

/// What became of versions that were to be deleted.
#[derive(Default)]
pub(super) struct Deleted {
    /// How many are gone.
    pub(super) gone: u64,
    /// Those that S3 does not let this role delete: they are locked, or it has no right to.
    pub(super) denied: Vec<Version>,
    /// The code of an answer that may be another the next time, if there was one.
    pub(super) busy: Option<String>,
}

impl S3 {
    /// Deletes versions of objects in a bucket, all of them.
    pub async fn delete(&self, bucket: &str, versions: Vec<Version>) -> Result<(), ConnectorError> {
        let deleted = self.try_delete(bucket, &versions).await?;
        if deleted.denied.is_empty() && deleted.busy.is_none() { Ok(()) } else { Err(not_deleted(&deleted)) }
    }

    /// Deletes what can be deleted.
    pub(super) async fn try_delete(&self, bucket: &str, versions: &[Version]) -> Result<Deleted, ConnectorError> {
        let mut done = Deleted::default();
        for chunk in versions.chunks(BATCH) {
            let mut delete = Delete::builder().quiet(true);
            for (key, version) in chunk {
                let identifier = ObjectIdentifier::builder().key(key).set_version_id(version.clone()).build();
                delete = delete.objects(identifier.map_err(|_| ConnectorError::Row("an object without a key"))?);
            }
            let delete = delete.build().map_err(|_| ConnectorError::Row("no objects to delete"))?;
            let output = self.client.delete_objects().bucket(bucket).delete(delete).send().await;
            let output = output.map_err(|error| refused("s3:DeleteObjects", error))?;
            done.gone += (chunk.len() - output.errors().len().min(chunk.len())) as u64;
            for error in output.errors() {
                match error.code() {
                    Some("AccessDenied") => {
                        let version = error.version_id().map(ToOwned::to_owned);
                        done.denied.push((error.key().unwrap_or_default().to_owned(), version));
                    }
                    code => done.busy = Some(code.unwrap_or("unknown").to_owned()),
                }
            }
        }
        Ok(done)
    }

    /// A page of versions under a prefix.
    pub async fn versions(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let marker: Marker =
            cursor.map_or(Ok(Marker::default()), serde_json::from_str).map_err(|_| ConnectorError::Cursor)?;
        let page = self
            .client
            .list_object_versions()
            .bucket(bucket)
            .prefix(prefix)
            .max_keys(PAGE)
            .set_key_marker(Some(marker.key).filter(|key| !key.is_empty()))
            .set_version_id_marker(marker.version)
            .send()
            .await
            .map_err(|error| refused("s3:ListObjectVersions", error))?;
        let mut rows = Vec::new();
        for found in page.versions() {
            let key = found.key().unwrap_or_default();
            let mut record = described(key, found.last_modified());
            record.set("bytes", Value::Number(found.size().unwrap_or(0).to_string()));
            rows.push(version_row(key, found.version_id(), record, found.is_latest() == Some(true)));
        }
        for marker in page.delete_markers() {
            let key = marker.key().unwrap_or_default();
            rows.push(version_row(key, marker.version_id(), described(key, marker.last_modified()), false));
        }
        let next = if page.is_truncated() == Some(true) {
            let marker = Marker {
                key: page.next_key_marker().unwrap_or_default().to_owned(),
                version: page.next_version_id_marker().map(ToOwned::to_owned),
            };
            Some(to_text(&marker)?)
        } else {
            None
        };
        Ok(ReadPage { rows, next, unread: 0 })
    }
}

/// The cursor of a listing's beginning.
pub(super) fn beginning() -> Result<String, ConnectorError> {
    to_text(&Marker::default())
}

fn to_text(marker: &Marker) -> Result<String, ConnectorError> {
    serde_json::to_string(marker).map_err(|_| ConnectorError::Cursor)
}

/// That not everything could be deleted.
pub(super) fn not_deleted(deleted: &Deleted) -> ConnectorError {
    let operation = "s3:DeleteObjects";
    if deleted.denied.is_empty() {
        let code = deleted.busy.as_deref().unwrap_or("unknown");
        ConnectorError::Transient { operation, source: format!("objects were not deleted, code {code}").into() }
    } else {
        let source = format!("{} objects were not deleted, code AccessDenied", deleted.denied.len()).into();
        ConnectorError::Permanent { operation, source }
    }
}

fn described(key: &str, last_modified: Option<&DateTime>) -> Record {
    let mut record = Record::default();
    record.set("key", Value::Text(key.to_owned()));
    let moment = last_modified.and_then(|at| jiff::Timestamp::from_second(at.secs()).ok());
    if let Some(moment) = moment {
        record.set("last_modified", Value::Text(crate::ledger::keys::moment(moment)));
    }
    record
}

fn version_row(key: &str, version: Option<&str>, record: Record, is_current: bool) -> Row {
    let version = version.map(ToOwned::to_owned);
    Row { handle: Handle::Version { key: key.to_owned(), version }, record, is_current, link: 0 }
}
