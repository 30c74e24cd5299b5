//! Clients and settings, made once an execution environment.

mod anchors;
mod call_secrets;
mod key_store;
mod kms;
mod policies;
mod recipient_queues;
mod send;
mod settings;
mod sign;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig};

pub use anchors::{AnchorBucketError, S3Anchors, key as anchor_key};
pub use call_secrets::AwsCallSecrets;
pub use key_store::S3KeyStore;
pub use kms::KmsDataKeys;
pub use policies::{PolicySource, PolicySourceError, S3Policies, key as policy_key};
pub use recipient_queues::{RecipientQueueError, RecipientQueues};
pub use send::{AwsSender, SendError, Sender};
pub use settings::{SettingError, Settings};
pub use sign::KmsSigner;

use crate::clock::{Clock, SystemClock};
use crate::connectors::{AwsDatabaseCredentials, Connectors, DynamoDb, KeyStore, NoKeyStore, Postgresql, S3};
use crate::identity::oidc::{Issuer, OidcError, SignInVerifier};
use crate::identity::{DigestKeys, KeyError, OperatorClaim, Operators, Sealer};
use crate::ledger::Ledger;
use crate::outbound::{CallSecrets, Outbound, OutboundError};
use crate::personal::IdentityKind;
use crate::policy::{PolicyDigest, PolicyError};
use crate::random::{Random, SystemRandom};
use crate::steps::{Driver, SqsQueues};

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An environment variable is missing or makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The digest keys cannot be read.
    #[error("the digest keys cannot be read from Secrets Manager")]
    Secret(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The digest keys make no sense.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// The policy digest makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The client for calls to other services cannot be made.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// What every function has.
#[derive(Clone)]
pub struct Platform {
    /// The settings.
    pub settings: Settings,
    /// The SDK's configuration, for further clients.
    pub sdk: SdkConfig,
    /// Ledger, queues, clock, randomness, seals.
    pub driver: Driver,
    /// Policies by digest.
    pub policies: Arc<dyn PolicySource>,
}

impl Platform {
    /// Reads the environment and makes the clients that every function has.
    pub async fn start() -> Result<Self, StartError> {
        let settings = Settings::from_env()?;
        let sdk = aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await;
        let clock = clock(&settings)?;
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let data_keys = KmsDataKeys::new(aws_sdk_kms::Client::new(&sdk), settings.optional("IDENTITY_KEY"));
        let sealer = Arc::new(Sealer::new(Arc::new(data_keys), clock.clone(), random.clone()));
        let key_store = key_store(&settings, &sdk, &sealer, &clock);
        let urls: BTreeMap<_, _> = settings.queue_urls();
        let driver = Driver {
            ledger: Ledger::new(aws_sdk_dynamodb::Client::new(&sdk), settings.required("LEDGER_TABLE")?),
            queues: Arc::new(SqsQueues::new(aws_sdk_sqs::Client::new(&sdk), urls)),
            clock,
            random,
            key_store,
            sealer,
        };
        Ok(Self { driver, policies: policies(&settings, &sdk), settings, sdk })
    }

    /// The digest of the policy in force.
    pub fn current_policy(&self) -> Result<PolicyDigest, StartError> {
        Ok(self.settings.required("POLICY_DIGEST")?.try_into()?)
    }

    /// The digest keys.
    pub async fn digest_keys(&self) -> Result<DigestKeys, StartError> {
        digest_keys(&self.settings, &self.sdk).await
    }

    /// The verifier of sign-ins.
    pub fn sign_ins(&self) -> Result<SignInVerifier, StartError> {
        sign_ins(&self.settings)
    }

    /// What tells operators from everybody else.
    pub async fn operators(&self) -> Result<Operators, StartError> {
        Ok(Operators { keys: self.digest_keys().await?, sign_ins: self.sign_ins()? })
    }

    /// The kinds of address that messages can be sent to.
    #[must_use]
    pub fn channels(&self) -> Vec<IdentityKind> {
        let sms = self.settings.optional("SMS_ENABLED") == "true";
        let kinds = [IdentityKind::Email, IdentityKind::PhoneNumber];
        kinds.into_iter().filter(|kind| sms || *kind != IdentityKind::PhoneNumber).collect()
    }

    /// Connectors to the controller's systems.
    #[must_use]
    pub fn connectors(&self) -> Connectors {
        connectors(&self.sdk, self.driver.clock.clone(), self.driver.random.clone())
    }

    /// Signs the manifests of packages.
    pub fn signer(&self) -> Result<KmsSigner, StartError> {
        let key = self.settings.required("PACKAGE_SIGNING_KEY")?;
        Ok(KmsSigner::new(aws_sdk_kms::Client::new(&self.sdk), key))
    }

    /// Signs anchors.
    pub fn anchor_signer(&self) -> Result<KmsSigner, StartError> {
        let key = self.settings.required("ANCHOR_SIGNING_KEY")?;
        Ok(KmsSigner::new(aws_sdk_kms::Client::new(&self.sdk), key))
    }

    /// Calls services of the controller and of third parties.
    pub fn outbound(&self) -> Result<Outbound, StartError> {
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk);
        let clock = self.driver.clock.clone();
        Ok(Outbound::new(Arc::new(AwsCallSecrets::new(client, clock.clone())), clock)?)
    }

    /// Sends to queues of recipients.
    #[must_use]
    pub fn recipient_queues(&self) -> RecipientQueues {
        RecipientQueues::new(aws_sdk_sqs::Client::new(&self.sdk))
    }

    /// The secrets of calls that other services make to us, and we to them.
    #[must_use]
    pub fn call_secrets(&self) -> Arc<dyn CallSecrets> {
        let client = aws_sdk_secretsmanager::Client::new(&self.sdk);
        Arc::new(AwsCallSecrets::new(client, self.driver.clock.clone()))
    }

    /// Sends e-mail and text messages.
    pub fn sender(&self) -> Result<AwsSender, StartError> {
        Ok(AwsSender::new(
            aws_sdk_sesv2::Client::new(&self.sdk),
            aws_sdk_sns::Client::new(&self.sdk),
            self.settings.required("EMAIL_FROM")?,
            self.settings.optional("SMS_ENABLED") == "true",
        ))
    }
}

/// What a function has that only reads: it writes no ledger and sends nothing.
#[derive(Clone)]
pub struct Reader {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Policies by digest.
    pub policies: Arc<dyn PolicySource>,
    /// The policy in force.
    pub current: PolicyDigest,
    /// Tells who is an operator; has the digest keys.
    pub operators: Arc<Operators>,
    /// Connectors to the controller's systems.
    pub connectors: Arc<Connectors>,
    /// The ledger, of which it reads legal holds and nothing else.
    pub ledger: Ledger,
}

impl Reader {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let settings = Settings::from_env()?;
        let sdk = aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await;
        let (clock, policies) = (clock(&settings)?, policies(&settings, &sdk));
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let connectors = connectors(&sdk, clock.clone(), random.clone());
        let dynamodb = aws_sdk_dynamodb::Client::new(&sdk);
        Self::with(&settings, &sdk, dynamodb, clock, random, policies, connectors).await
    }

    /// The same with these clients.
    pub async fn with(
        settings: &Settings,
        sdk: &SdkConfig,
        dynamodb: aws_sdk_dynamodb::Client,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        policies: Arc<dyn PolicySource>,
        connectors: Connectors,
    ) -> Result<Self, StartError> {
        Ok(Self {
            clock,
            random,
            policies,
            current: settings.required("POLICY_DIGEST")?.try_into()?,
            operators: Arc::new(Operators { keys: digest_keys(settings, sdk).await?, sign_ins: sign_ins(settings)? }),
            connectors: Arc::new(connectors),
            ledger: Ledger::new(dynamodb, settings.required("LEDGER_TABLE")?),
        })
    }
}

fn clock(settings: &Settings) -> Result<Arc<dyn Clock>, StartError> {
    Ok(Arc::new(SystemClock::ahead_by_seconds(settings.clock_offset_seconds()?)))
}

fn policies(settings: &Settings, sdk: &SdkConfig) -> Arc<dyn PolicySource> {
    Arc::new(S3Policies::new(s3_client(sdk), settings.optional("POLICY_BUCKET")))
}

async fn digest_keys(settings: &Settings, sdk: &SdkConfig) -> Result<DigestKeys, StartError> {
    let secret = settings.required("DIGEST_KEYS_SECRET")?;
    let client = aws_sdk_secretsmanager::Client::new(sdk);
    let value = client.get_secret_value().secret_id(secret).send().await;
    let value = value.map_err(|error| StartError::Secret(Box::new(error)))?;
    Ok(DigestKeys::parse(value.secret_string().unwrap_or_default())?)
}

fn sign_ins(settings: &Settings) -> Result<SignInVerifier, StartError> {
    let subject_claim = settings.optional("OIDC_SUBJECT_CLAIM");
    Ok(SignInVerifier::new(Issuer {
        issuer: settings.required("OIDC_ISSUER")?,
        audience: settings.required("OIDC_AUDIENCE")?,
        keys_url: settings.optional("OIDC_JWKS_URL"),
        subject_claim: if subject_claim.is_empty() { "sub".to_owned() } else { subject_claim },
        operator: OperatorClaim::new(settings.optional("OPERATOR_CLAIM"), settings.optional("OPERATOR_VALUE")),
    })?)
}

/// Connectors to the systems that this configuration reaches.
#[must_use]
pub fn connectors(sdk: &SdkConfig, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Connectors {
    Connectors {
        dynamodb: Arc::new(DynamoDb::new(aws_sdk_dynamodb::Client::new(sdk), random)),
        s3: Some(S3::new(s3_client(sdk), clock.clone())),
        postgresql: Some(Postgresql::new(Arc::new(AwsDatabaseCredentials::new(sdk, clock)))),
    }
}

fn key_store(settings: &Settings, sdk: &SdkConfig, sealer: &Arc<Sealer>, clock: &Arc<dyn Clock>) -> Arc<dyn KeyStore> {
    match settings.optional("PACKAGE_BUCKET") {
        bucket if bucket.is_empty() => Arc::new(NoKeyStore),
        bucket => Arc::new(S3KeyStore::new(s3_client(sdk), bucket, sealer.clone(), clock.clone())),
    }
}

/// An S3 client. With an endpoint of its own (a local stack) buckets are in the path, since their names are in no DNS.
#[must_use]
pub fn s3_client(sdk: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(sdk.endpoint_url().is_some()).build();
    aws_sdk_s3::Client::from_conf(config)
}
