//! Policies by digest, from a versioned bucket; each is read once an execution environment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_s3::Client;

use crate::policy::{Pinned, PolicyDigest, PolicyError};

/// Why a policy cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PolicySourceError {
    /// The bucket does not give it.
    #[error("policy {digest} cannot be read; has it been published?")]
    Unavailable {
        /// Which.
        digest: PolicyDigest,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the bucket gives is not it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Where policies come from.
#[async_trait]
pub trait PolicySource: Send + Sync {
    /// The policy with this digest.
    async fn policy(&self, digest: &PolicyDigest) -> Result<Arc<Pinned>, PolicySourceError>;
}

/// The key of a policy in the bucket.
#[must_use]
pub fn key(digest: &PolicyDigest) -> String {
    format!("policies/{digest}.json")
}

/// The policy bucket.
#[derive(Debug)]
pub struct S3Policies {
    client: Client,
    bucket: String,
    read: Mutex<BTreeMap<PolicyDigest, Arc<Pinned>>>,
}

impl S3Policies {
    /// Policies in this bucket.
    #[must_use]
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket, read: Mutex::new(BTreeMap::new()) }
    }
}

#[async_trait]
impl PolicySource for S3Policies {
    async fn policy(&self, digest: &PolicyDigest) -> Result<Arc<Pinned>, PolicySourceError> {
        if let Some(policy) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(digest) {
            return Ok(policy.clone());
        }
        let unavailable = |source| PolicySourceError::Unavailable { digest: digest.clone(), source };
        let object = self.client.get_object().bucket(&self.bucket).key(key(digest)).send().await;
        let object = object.map_err(|error| unavailable(Box::new(error)))?;
        let bytes = object.body.collect().await.map_err(|error| unavailable(Box::new(error)))?.into_bytes();
        let policy = Arc::new(Pinned::from_stored(&bytes, digest)?);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone(), policy.clone());
        Ok(policy)
    }
}
