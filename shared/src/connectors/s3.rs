//! S3: objects under a key pattern, with every version and delete marker.

use std::fmt::Write as _;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use serde::{Deserialize, Serialize};

use super::walk::{Step, Stop};
use super::{Action, Connector, ConnectorError, Handle, Obstacle, ReadPage, Row, Target, Who, refused};
use crate::policy::{CollectionRule, Place};
use crate::record::{Record, Value};

/// Objects.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
}

/// Versions of one page.
const PAGE: i32 = 200;
/// Most deletes of one `DeleteObjects`.
const BATCH: usize = 1000;

#[derive(Serialize, Deserialize)]
struct Marker {
    key: String,
    version: Option<String>,
}

impl S3 {
    /// Objects behind this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client, for copying objects into a package.
    #[must_use]
    pub fn objects(&self) -> Objects<'_> {
        Objects { client: &self.client }
    }

    /// Deletes versions of objects in a bucket.
    pub async fn delete(&self, bucket: &str, versions: Vec<(String, Option<String>)>) -> Result<(), ConnectorError> {
        for chunk in versions.chunks(BATCH) {
            let mut delete = Delete::builder().quiet(true);
            for (key, version) in chunk {
                let identifier = ObjectIdentifier::builder().key(key).set_version_id(version.clone()).build();
                delete = delete.objects(identifier.map_err(|_| ConnectorError::Row("an object without a key"))?);
            }
            let delete = delete.build().map_err(|_| ConnectorError::Row("no objects to delete"))?;
            let deleted = self
                .client
                .delete_objects()
                .bucket(bucket)
                .delete(delete)
                .send()
                .await
                .map_err(|error| refused("s3:DeleteObjects", error))?;
            if let Some(error) = deleted.errors().first() {
                let code = error.code().unwrap_or("unknown").to_owned();
                let source = format!("{} objects were not deleted, code {code}", deleted.errors().len()).into();
                let operation = "s3:DeleteObjects";
                return Err(if code == "AccessDenied" {
                    ConnectorError::Permanent { operation, source }
                } else {
                    ConnectorError::Transient { operation, source }
                });
            }
        }
        Ok(())
    }

    /// A page of versions under a prefix.
    pub async fn versions(&self, bucket: &str, prefix: &str, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let marker: Option<Marker> =
            cursor.map(serde_json::from_str).transpose().map_err(|_| ConnectorError::Cursor)?;
        let (key, version) = marker.map_or((None, None), |marker| (Some(marker.key), marker.version));
        let page = self
            .client
            .list_object_versions()
            .bucket(bucket)
            .prefix(prefix)
            .max_keys(PAGE)
            .set_key_marker(key)
            .set_version_id_marker(version)
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
            Some(serde_json::to_string(&marker).map_err(|_| ConnectorError::Cursor)?)
        } else {
            None
        };
        Ok(ReadPage { rows, next })
    }
}

fn described(key: &str, last_modified: Option<&aws_sdk_s3::primitives::DateTime>) -> Record {
    let mut record = Record::default();
    record.set("key", Value::Text(key.to_owned()));
    let moment = last_modified.and_then(|at| jiff::Timestamp::from_second(at.secs()).ok());
    if let Some(moment) = moment {
        record.set("last_modified", Value::Text(crate::ledger::keys::moment(moment)));
    }
    record
}

fn version_row(key: &str, version: Option<&str>, record: Record, is_current: bool) -> Row {
    // An object that was written while the bucket was not versioned has the version "null", and is deleted by that name:
    // without a version a delete would only put a marker on top of it.
    let version = version.map(ToOwned::to_owned);
    Row { handle: Handle::Version { key: key.to_owned(), version }, record, is_current, link: 0 }
}

#[async_trait]
impl Connector for S3 {
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let Place::Objects { bucket, pattern } = target.place else {
            return Err(ConnectorError::WrongKind);
        };
        let (before, after) = pattern.split_once('{').unwrap_or((pattern, ""));
        match who {
            Who::Everyone => self.versions(bucket, before, cursor).await,
            Who::Person(person) => {
                let Some(stop) = Stop::from(target, person, Step::parse(cursor)?).await? else {
                    return Ok(ReadPage { rows: Vec::new(), next: None });
                };
                let value = stop.tuple().first().map_or("", String::as_str);
                let after = after.split_once('}').map_or("", |(_, after)| after);
                let prefix = format!("{before}{value}{after}");
                let mut page = self.versions(bucket, &prefix, stop.at.native.as_deref()).await?;
                for row in &mut page.rows {
                    row.link = stop.at.link;
                }
                Ok(ReadPage { rows: page.rows, next: stop.after(target, person, page.next).await? })
            }
        }
    }

    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        let Place::Objects { bucket, .. } = target.place else {
            return Err(ConnectorError::WrongKind);
        };
        let mut versions = Vec::new();
        for (row, action) in actions {
            let Handle::Version { key, version } = row.handle else {
                return Err(ConnectorError::WrongKind);
            };
            match action {
                Action::Erase => versions.push((key, version)),
                Action::Change(_) => return Err(ConnectorError::Row("an object cannot be changed in place")),
            }
        }
        self.delete(bucket, versions).await
    }

    async fn preflight(&self, _: &Target<'_>, _: Option<&CollectionRule>) -> Result<Vec<Obstacle>, ConnectorError> {
        Ok(Vec::new())
    }
}

/// Reads and copies objects for a package.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a> {
    client: &'a Client,
}

impl Objects<'_> {
    /// The MIME type of an object.
    pub async fn content_type(&self, bucket: &str, key: &str) -> Result<String, ConnectorError> {
        let head = self.client.head_object().bucket(bucket).key(key).send().await;
        let head = head.map_err(|error| refused("s3:HeadObject", error))?;
        Ok(head.content_type().unwrap_or("application/octet-stream").to_owned())
    }

    /// Copies an object, without its bytes passing through here.
    pub async fn copy(&self, bucket: &str, key: &str, to_bucket: &str, to_key: &str) -> Result<(), ConnectorError> {
        let source = format!("{bucket}/{}", percent_encoded(key));
        let copy = self
            .client
            .copy_object()
            .copy_source(source)
            .bucket(to_bucket)
            .key(to_key)
            // Tags are not the person's data, and copying them would need one more right.
            .tagging_directive(aws_sdk_s3::types::TaggingDirective::Replace)
            .send()
            .await;
        copy.map_err(|error| refused("s3:CopyObject", error))?;
        Ok(())
    }
}

/// A key as a copy source wants it: percent-encoded but for what a path may hold.
fn percent_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
