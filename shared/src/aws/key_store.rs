//! Captured keys in the package bucket, sealed for their request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::connectors::{ConnectorError, Handle, KeyStore, S3, Tuple};
use crate::export::staging;
use crate::identity::Sealer;
use crate::policy::KeySet;
use crate::request::RequestId;

/// What chunks are sealed for.
const END: &str = "keys";
/// How many chunks are remembered, so that a walk over values does not read a chunk once a value.
const REMEMBERED: usize = 4;

/// A chunk as it is sealed. Each says whether another follows, since S3 answers for a key that is not there only to those
/// who may list the bucket.
#[derive(Clone, Serialize, Deserialize)]
struct Chunk {
    keys: Arc<Vec<Tuple>>,
    more: bool,
}

/// Captured keys in a bucket.
pub struct S3KeyStore {
    client: Client,
    bucket: String,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<VecDeque<(String, Chunk)>>,
}

impl S3KeyStore {
    /// Keys in this bucket.
    #[must_use]
    pub fn new(client: Client, bucket: String, sealer: Arc<Sealer>, clock: Arc<dyn Clock>) -> Self {
        Self { client, bucket, sealer, clock, remembered: Mutex::new(VecDeque::new()) }
    }

    async fn chunk(&self, request: &RequestId, name: String) -> Result<Chunk, ConnectorError> {
        let known = {
            let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
            remembered.iter().find(|(known, _)| *known == name).map(|(_, chunk)| chunk.clone())
        };
        if let Some(chunk) = known {
            return Ok(chunk);
        }
        let object = self.client.get_object().bucket(&self.bucket).key(&name).send().await.map_err(failed)?;
        let bytes = object.body.collect().await.map_err(failed)?.into_bytes();
        let sealed = std::str::from_utf8(&bytes).map_err(failed)?;
        let chunk: Chunk = self.sealer.open(request, END, sealed).await.map_err(failed)?;
        // The last chunk of a set may come to have one behind it: a re-check adds what it finds.
        if chunk.more {
            self.remember(name, &chunk);
        }
        Ok(chunk)
    }

    fn remember(&self, name: String, chunk: &Chunk) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|(known, _)| *known != name);
        remembered.push_back((name, chunk.clone()));
        if remembered.len() > REMEMBERED {
            remembered.pop_front();
        }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::Keys(error.into())
}

#[async_trait]
impl KeyStore for S3KeyStore {
    async fn put(
        &self,
        request: &RequestId,
        set: &KeySet,
        chunk: usize,
        keys: Vec<Tuple>,
        more: bool,
    ) -> Result<(), ConnectorError> {
        let name = staging::keys(request, set, chunk);
        let sealed = self.sealer.seal(request, END, &Chunk { keys: Arc::new(keys), more }).await.map_err(failed)?;
        let put = self.client.put_object().bucket(&self.bucket).key(&name).body(ByteStream::from(sealed.into_bytes()));
        put.send().await.map_err(failed)?;
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != name);
        Ok(())
    }

    async fn get(
        &self,
        request: &RequestId,
        set: &KeySet,
        chunk: usize,
    ) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError> {
        if chunk > 0 && !self.chunk(request, staging::keys(request, set, chunk - 1)).await?.more {
            return Ok(None);
        }
        Ok(Some(self.chunk(request, staging::keys(request, set, chunk)).await?.keys))
    }

    /// By a listing: whoever may not list the bucket as it is, but its versions, is told nothing by a read of what is not there.
    async fn has(&self, request: &RequestId, set: &KeySet) -> Result<bool, ConnectorError> {
        let keys = S3::new(self.client.clone(), self.clock.clone());
        let page = keys.versions(&self.bucket, &staging::keys(request, set, 0), None).await?;
        Ok(page.rows.iter().any(|row| row.is_current))
    }

    async fn forget(&self, request: &RequestId) -> Result<(), ConnectorError> {
        let keys = S3::new(self.client.clone(), self.clock.clone());
        // Always the first page: what was listed is gone when the next is asked for.
        loop {
            let page = keys.versions(&self.bucket, &staging::all_keys(request), None).await?;
            if page.rows.is_empty() {
                return Ok(());
            }
            let versions = page.rows.into_iter().filter_map(|row| match row.handle {
                Handle::Version { key, version } => Some((key, version)),
                Handle::Item(_) | Handle::Key { .. } => None,
            });
            keys.delete(&self.bucket, versions.collect()).await?;
        }
    }
}
