//! One object: what is known of a version of it, and its bytes.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ObjectLockLegalHoldStatus, StorageClass};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::connectors::ConnectorError;
use crate::connectors::formats::{FormatError, Source};

/// An object of at most this many bytes is read once, and kept while it is worked on.
const SMALL: u64 = 8 << 20;
/// How often a range is asked for whose bytes break off. The SDK itself only tries again what has not begun to answer.
const MOST_READS: u8 = 4;

/// Where an object is.
#[derive(Clone, Debug)]
pub(super) struct ObjectPlace {
    pub(super) client: Client,
    pub(super) bucket: String,
    pub(super) key: String,
}

impl ObjectPlace {
    /// What is known of a version, or of the current one; none: there is none.
    pub(super) async fn head(&self, version: Option<&str>) -> Result<Option<HeadObjectOutput>, FormatError> {
        let head = self.client.head_object().bucket(&self.bucket).key(&self.key);
        match head.set_version_id(version.map(ToOwned::to_owned)).send().await {
            Ok(head) if head.delete_marker() == Some(true) => Ok(None),
            Ok(head) => Ok(Some(head)),
            Err(error) => match failed("s3:HeadObject", error) {
                FormatError::Changed => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The bytes of a version.
    pub(super) fn version(&self, head: &HeadObjectOutput) -> Result<Arc<Version>, FormatError> {
        let archived = matches!(head.storage_class(), Some(StorageClass::Glacier | StorageClass::DeepArchive))
            || head.archive_status().is_some();
        // What has been restored for a time can be read, and says until when.
        if archived && !head.restore().is_some_and(|restore| restore.contains("ongoing-request=\"false\"")) {
            return Err(FormatError::Unsupported("it is archived and must be restored first"));
        }
        Ok(Arc::new(Version {
            place: self.clone(),
            etag: head.e_tag().map(ToOwned::to_owned),
            id: head.version_id().map(ToOwned::to_owned),
            size: head.content_length().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            whole: OnceCell::new(),
        }))
    }
}

/// A version of an object, as it was when it was looked at: if another takes its place, reading it says so.
pub(super) struct Version {
    pub(super) place: ObjectPlace,
    pub(super) etag: Option<String>,
    pub(super) id: Option<String>,
    size: u64,
    whole: OnceCell<Bytes>,
}

impl Version {
    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, FormatError> {
        const OPERATION: &str = "s3:GetObject";
        let mut attempt = 1;
        loop {
            let get = self.place.client.get_object().bucket(&self.place.bucket).key(&self.place.key);
            let get = get.set_version_id(self.id.clone()).set_if_match(self.etag.clone());
            let get = get.range(format!("bytes={}-{}", range.start, range.end - 1));
            let got = get.send().await.map_err(|error| failed(OPERATION, error))?;
            match got.body.collect().await {
                Ok(bytes) => {
                    let bytes = bytes.into_bytes();
                    if bytes.len() as u64 == range.end - range.start {
                        return Ok(bytes);
                    }
                    return Err(FormatError::Changed);
                }
                Err(_) if attempt < MOST_READS => attempt += 1,
                Err(error) => {
                    let source = Box::new(error);
                    return Err(ConnectorError::Transient { operation: OPERATION, source }.into());
                }
            }
        }
    }
}

#[async_trait]
impl Source for Version {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, FormatError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.end > self.size {
            return Err(FormatError::Malformed("a range is outside the object"));
        }
        if self.size > SMALL {
            return self.fetch(range).await;
        }
        let whole = self.whole.get_or_try_init(|| self.fetch(0..self.size)).await?;
        let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else {
            return Err(FormatError::Malformed("a range is outside the object"));
        };
        Ok(whole.slice(start..end))
    }
}

/// A lock as a version's description tells it.
#[derive(Clone, Copy)]
pub(super) struct Lock {
    /// Until when it is retained; none: it is not.
    pub(super) until: Option<Timestamp>,
    /// Whether somebody has put it on legal hold.
    pub(super) is_on_hold: bool,
}

/// What keeps a version from being deleted at this moment.
pub(super) fn lock(head: &HeadObjectOutput, now: Timestamp) -> Option<Lock> {
    let until = head.object_lock_retain_until_date().and_then(|date| Timestamp::from_second(date.secs()).ok());
    let until = until.filter(|until| head.object_lock_mode().is_some() && *until > now);
    let is_on_hold = head.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On);
    (until.is_some() || is_on_hold).then_some(Lock { until, is_on_hold })
}

/// Sorts an error of S3: what says that the object is another by now, that it cannot be read, that trying again may help.
pub(super) fn failed<E>(operation: &'static str, error: SdkError<E>) -> FormatError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        (_, Some("InvalidObjectState")) => {
            return FormatError::Unsupported("it is archived and must be restored first");
        }
        (_, Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey" | "NoSuchVersion" | "NotFound"))
        | (Some(412), _)
        | (Some(404 | 405), None) => return FormatError::Changed,
        // The answer to a HEAD has no body that could tell the code.
        (Some(403), None) => return ConnectorError::Permanent { operation, source: Box::new(error) }.into(),
        (Some(400), None) => return FormatError::Unsupported("it is encrypted with a key that S3 does not have"),
        _ => {}
    }
    crate::connectors::refused(operation, error).into()
}
