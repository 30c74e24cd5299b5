//! Secrets of calls to other services, from Secrets Manager.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::outbound::{CallSecrets, OutboundError};

/// How long a secret is kept: a changed one is in use everywhere after that.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// Secrets Manager, asked once in five minutes.
pub struct AwsCallSecrets {
    client: aws_sdk_secretsmanager::Client,
    clock: Arc<dyn Clock>,
    kept: Mutex<BTreeMap<String, (Timestamp, String)>>,
}

impl AwsCallSecrets {
    /// With this client. The clock tells when a secret is read again.
    #[must_use]
    pub fn new(client: aws_sdk_secretsmanager::Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, kept: Mutex::default() }
    }
}

#[async_trait]
impl CallSecrets for AwsCallSecrets {
    async fn secret(&self, id: &str) -> Result<String, OutboundError> {
        let now = self.clock.now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some((read_at, secret)) = kept
            && now.duration_since(read_at) < LIFETIME
        {
            return Ok(secret);
        }
        let value = self.client.get_secret_value().secret_id(id).send().await;
        let value = value.map_err(|error| OutboundError::Secret(Box::new(error)))?;
        let secret = value.secret_string().unwrap_or_default().to_owned();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), (now, secret.clone()));
        Ok(secret)
    }
}
