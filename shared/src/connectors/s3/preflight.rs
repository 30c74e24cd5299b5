//! What would stand in the way of reading and erasing objects, found by reading alone: the bucket as it is set up.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{BucketVersioningStatus, MfaDeleteStatus};

use super::rows::Rows;
use super::{S3, before};
use crate::connectors::{ConnectorError, Obstacle, Target, refused};
use crate::policy::{CollectionRule, ErasureRule, Place};

impl S3 {
    /// What would stand in the way of reading a collection, and with a rule of erasing in it.
    pub(super) async fn look_ahead(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        match target.place {
            Place::Objects { bucket, pattern } => self.bucket_ahead(target, bucket, before(pattern), rule).await,
            Place::Rows { bucket, rows: place } => Rows { s3: self, bucket, place }.preflight(target, rule).await,
            Place::Table(_) | Place::Relation { .. } => Err(ConnectorError::WrongKind),
        }
    }

    /// What of a bucket would stand in the way of what a rule does under a prefix.
    pub(super) async fn bucket_ahead(
        &self,
        target: &Target<'_>,
        bucket: &str,
        prefix: &str,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        let obstacle =
            |refuses, message| Obstacle { refuses, collection: target.name.to_owned(), field: None, message };
        let list = self.client.list_object_versions().bucket(bucket).prefix(prefix).max_keys(1);
        if let Err(error) = list.send().await {
            let message = if error.code() == Some("NoSuchBucket") {
                format!("there is no bucket {bucket:?}; create it, or correct its name in the policy")
            } else {
                not_allowed("s3:ListBucketVersions", bucket, error)?
            };
            return Ok(vec![obstacle(true, message)]);
        }
        let erases = rule.is_some_and(|rule| !matches!(rule.erasure, ErasureRule::Keep { .. }));
        if !erases {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        found.extend(self.versioning(bucket).await?.map(|(refuses, message)| obstacle(refuses, message)));
        let is_swept = rule.is_some_and(|rule| rule.retention.is_some());
        found.extend(self.object_lock(bucket, is_swept).await?.map(|message| obstacle(false, message)));
        Ok(found)
    }

    /// Whether the bucket's versioning stands in the way. That there are no versions does not: what is erased is then gone
    /// at once.
    async fn versioning(&self, bucket: &str) -> Result<Option<(bool, String)>, ConnectorError> {
        let versioning = match self.client.get_bucket_versioning().bucket(bucket).send().await {
            Ok(versioning) => versioning,
            Err(error) => return Ok(Some((false, not_allowed("s3:GetBucketVersioning", bucket, error)?))),
        };
        if versioning.mfa_delete == Some(MfaDeleteStatus::Enabled) {
            let message =
                format!("bucket {bucket:?} asks for a second factor to delete versions, which no function has");
            return Ok(Some((true, message)));
        }
        Ok(match versioning.status {
            Some(BucketVersioningStatus::Enabled) => None,
            Some(_) => Some((
                false,
                format!("versioning of bucket {bucket:?} is suspended: what is written from now on cannot be had back"),
            )),
            None => Some((
                false,
                format!("bucket {bucket:?} is not versioned: what a mistaken policy erases cannot be had back"),
            )),
        })
    }

    /// What is worth knowing of a bucket's locks.
    async fn object_lock(&self, bucket: &str, is_swept: bool) -> Result<Option<String>, ConnectorError> {
        match self.client.get_object_lock_configuration().bucket(bucket).send().await {
            Ok(output) => Ok(output.object_lock_configuration.map(|_| {
                let after = if is_swept {
                    "the sweep takes them when it has ended"
                } else {
                    "nothing takes them when it has ended: give the collection a retention, or the bucket a lifecycle rule"
                };
                format!("bucket {bucket:?} has Object Lock: versions under a lock are retained, and {after}")
            })),
            Err(error) if error.code() == Some("ObjectLockConfigurationNotFoundError") => Ok(None),
            Err(error) => not_allowed("s3:GetBucketObjectLockConfiguration", bucket, error).map(Some),
        }
    }
}

/// That a call is refused for good; an error that may pass stays one.
fn not_allowed<E>(operation: &'static str, bucket: &str, error: SdkError<E>) -> Result<String, ConnectorError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    match refused(operation, error) {
        ConnectorError::Permanent { .. } => Ok(denied(operation, bucket, &code)),
        other => Err(other),
    }
}

fn denied(operation: &str, bucket: &str, code: &str) -> String {
    format!(
        "{operation} on bucket {bucket:?} is refused ({code}); allow it to this function: deploy it with the parameters of \
         this policy"
    )
}
