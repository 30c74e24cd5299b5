//! AWS clients, from the environment or for the stack that endpoints.json names.

use std::error::Error;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use habeas::clock::SystemClock;
use habeas::random::SystemRandom;

/// A call to AWS, or to what stands in for it, that failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{action} failed. Check AWS_ENDPOINT_URL (unset: the real AWS), the credentials in the environment and what they \
     allow"
)]
pub struct AwsError {
    action: String,
    source: Box<dyn Error + Send + Sync>,
}

impl AwsError {
    /// Says what failed. `action` names tables, buckets and operations, never what is in them.
    pub fn of<E: Error + Send + Sync + 'static>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self { action, source: Box::new(source) }
    }

    /// An error with a reason in words.
    pub fn because(action: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { action: action.into(), source: reason.into().into() }
    }
}

/// From the environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, credentials.
pub async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await
}

/// The clients that the tool uses.
#[derive(Clone, Debug)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// The region that they speak to.
    pub region: String,
    sdk: SdkConfig,
}

impl Clients {
    /// From the environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, credentials.
    pub async fn from_env() -> Self {
        let config = config().await;
        Self::new(&config, std::env::var_os("AWS_ENDPOINT_URL").is_some())
    }

    /// For one endpoint with these credentials, whatever the environment says.
    pub async fn at(endpoint: &str, region: &str, access_key_id: &str, secret_access_key: &str) -> Self {
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(endpoint)
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new(access_key_id, secret_access_key, None, None, "endpoints.json"))
            .load()
            .await;
        Self::new(&config, true)
    }

    /// With these clients; everything else by the configuration.
    #[must_use]
    pub fn with(config: &SdkConfig, dynamodb: aws_sdk_dynamodb::Client, s3: aws_sdk_s3::Client) -> Self {
        Self { dynamodb, s3, ..Self::new(config, true) }
    }

    /// Connectors to the systems of a policy.
    #[must_use]
    pub fn connectors(&self) -> habeas::connectors::Connectors {
        habeas::aws::connectors(&self.sdk, Arc::new(SystemClock::default()), Arc::new(SystemRandom))
    }

    fn new(config: &SdkConfig, emulated: bool) -> Self {
        // A bucket's name is no host on an emulator.
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(emulated).build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            sdk: config.clone(),
            region: config.region().map_or_else(|| "us-east-1".to_owned(), ToString::to_string),
        }
    }
}
