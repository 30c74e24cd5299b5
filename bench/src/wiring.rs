//! The two functions, wired to the stores of a task.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use habeas::aws::Platform;
use habeas::connectors::{ConnectorError, Connectors, DatabaseCredentials, DynamoDb, Postgresql, S3};
use habeas::export::{PublicKey, SignError, Signer};
use habeas::identity::DigestKeys;
use habeas_e2e::signing_key::SigningKey;

use crate::function::Task;
use crate::stores::{PACKAGES, s3_client, sdk};

/// The secrets that a task brings.
struct Secrets(BTreeMap<String, serde_json::Value>);

#[async_trait]
impl DatabaseCredentials for Secrets {
    async fn secret(&self, id: &str) -> Result<String, ConnectorError> {
        self.0.get(id).map(ToString::to_string).ok_or_else(|| missing(format!("the task brings no secret {id}")))
    }

    async fn token(&self, _: &str, _: u16, _: &str) -> Result<String, ConnectorError> {
        Err(missing("the server's URL has no password".to_owned()))
    }
}

fn missing(what: String) -> ConnectorError {
    ConnectorError::Permanent { operation: "secret", source: what.into() }
}

fn connectors(platform: &Platform, task: &Task) -> Connectors {
    let driver = &platform.driver;
    let tables = aws_sdk_dynamodb::Client::new(&sdk(&task.endpoints.dynamodb));
    Connectors {
        dynamodb: Arc::new(DynamoDb::new(tables, driver.random.clone())),
        s3: Some(S3::new(s3_client(&task.endpoints), driver.clock.clone())),
        postgresql: Some(Postgresql::new(Arc::new(Secrets(task.secrets.clone())))),
    }
}

/// A key of this process, in place of KMS.
#[derive(Default)]
struct LocalSigner(SigningKey);

#[async_trait]
impl Signer for LocalSigner {
    async fn public_key(&self) -> Result<PublicKey, SignError> {
        PublicKey::from_der(&self.0.public_key()).map_err(|error| SignError(Box::new(error)))
    }

    async fn sign(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(&sha256))
    }
}

/// export-data.
pub(crate) fn export(platform: &Platform, task: &Task, s3: aws_sdk_s3::Client) -> export_data::Function {
    export_data::Function {
        platform: platform.clone(),
        connectors: connectors(platform, task),
        s3,
        package_bucket: PACKAGES.to_owned(),
        signer: Arc::new(LocalSigner::default()),
        limits: export_data::Limits::default(),
    }
}

/// delete-or-anonymize.
pub(crate) fn erase(platform: &Platform, task: &Task, keys: DigestKeys) -> delete_or_anonymize::Function {
    delete_or_anonymize::Function { platform: platform.clone(), keys, connectors: connectors(platform, task) }
}
