//! Locks on versions: a retention that ends, a legal hold that somebody lifts. Nobody can delete a version under one, so it
//! is retained, and the person is told until when.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::ObjectLockLegalHoldStatus;
use futures::future::join_all;

use super::S3;
use super::versions::Version;
use crate::connectors::{ConnectorError, Hold, refused};

/// Versions that are asked after at the same time.
const AT_ONCE: usize = 16;

/// A lock that ended this little ago still explains why S3 did not delete: its clock is another.
const CLOCKS_APART: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

/// What S3 answers for a version that has no lock, or can have none (a delete marker), or is gone.
const NO_LOCK: [&str; 6] = [
    "NoSuchObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequest",
    "MethodNotAllowed",
    "NoSuchKey",
    "NoSuchVersion",
];

impl S3 {
    /// The lock of each version.
    pub(super) async fn locks(&self, bucket: &str, versions: &[Version]) -> Result<Vec<Option<Hold>>, ConnectorError> {
        let mut holds = Vec::with_capacity(versions.len());
        for chunk in versions.chunks(AT_ONCE) {
            let mut asked = Vec::with_capacity(chunk.len());
            for version in chunk {
                asked.push(self.lock(bucket, version));
            }
            for hold in join_all(asked).await {
                holds.push(hold?);
            }
        }
        Ok(holds)
    }

    /// Whether versions that a role may not delete are all locked: then they are retained, and no right is missing.
    pub(super) async fn are_locked(&self, bucket: &str, versions: &[Version]) -> Result<bool, ConnectorError> {
        Ok(self.locks(bucket, versions).await?.iter().all(Option::is_some))
    }

    async fn lock(&self, bucket: &str, (key, version): &Version) -> Result<Option<Hold>, ConnectorError> {
        let held = self.client.get_object_legal_hold().bucket(bucket).key(key).set_version_id(version.clone());
        match held.send().await {
            Ok(output) => {
                let status = output.legal_hold.and_then(|hold| hold.status);
                if status == Some(ObjectLockLegalHoldStatus::On) {
                    return Ok(Some(Hold { until: None }));
                }
            }
            Err(error) if error.code().is_some_and(|code| NO_LOCK.contains(&code)) => {}
            Err(error) => return Err(refused("s3:GetObjectLegalHold", error)),
        }
        let ended = self.clock.now().saturating_sub(CLOCKS_APART).unwrap_or(jiff::Timestamp::MIN);
        let retained = self.client.get_object_retention().bucket(bucket).key(key).set_version_id(version.clone());
        match retained.send().await {
            Ok(output) => {
                let until = output.retention.and_then(|retention| retention.retain_until_date);
                let until = until.and_then(|at| jiff::Timestamp::from_second(at.secs()).ok());
                Ok(until.filter(|until| *until > ended).map(|until| Hold { until: Some(until) }))
            }
            Err(error) if error.code().is_some_and(|code| NO_LOCK.contains(&code)) => Ok(None),
            Err(error) => Err(refused("s3:GetObjectRetention", error)),
        }
    }
}
