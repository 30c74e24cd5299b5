//! What stands for AWS in this process, and the clients that a function has to it: each through the gate of its role.
//! Calls to DynamoDB, S3, queues and people are counted and can be made to fail, and those of anchors' signatures; those to
//! KMS for seals, Secrets Manager and the policy bucket, of which a warm function makes none, are not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient};
use habeas::aws::{
    AwsSender, KmsDataKeys, KmsSigner, Platform, Reader, RecipientQueues, S3KeyStore, S3Policies, Settings, StartError,
};
use habeas::clock::ManualClock;
use habeas::connectors::{
    AwsDatabaseCredentials, Connectors, DynamoDb, KeyStore, NoKeyStore, Obstacle, Postgresql, S3,
};
use habeas::identity::Sealer;
use habeas::ledger::Ledger;
use habeas::random::SeededRandom;
use habeas::steps::{Driver, SqsQueues};
use habeas_cli::aws::Clients;

use crate::app::{TheApp, ToTheApp};
use crate::calls::Calls;
use crate::deployed::REGION;
use crate::functions::Function;
use crate::gate::Gate;
use crate::objects::{Locks, Objects, SharedBuckets, SharedUploads};
use crate::obstructed::Obstructed;
use crate::roles::Rights;
use crate::services::Services;

/// Whoever the test itself is: no role, all rights.
const ADMINISTRATOR: &str = "administrator";

/// The services of one world.
pub(crate) struct Cloud {
    pub(crate) rights: Rights,
    pub(crate) calls: Calls,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) services: Services,
    /// What the preflight finds besides.
    pub(crate) obstacles: Arc<Mutex<Vec<Obstacle>>>,
    pub(crate) uploads: SharedUploads,
    pub(crate) buckets: SharedBuckets,
    pub(crate) limits: Mutex<export_data::Limits>,
    /// Objects that S3 lets nobody delete.
    pub(crate) locks: Locks,
    /// Where the app's sign-in keeps its keys.
    pub(crate) keys_url: String,
    /// The app that is told and asked.
    pub(crate) app: TheApp,
    dynamodb_url: String,
    dynamodb: SharedHttpClient,
    s3: SharedHttpClient,
}

impl Cloud {
    /// Starts DynamoDB, and S3 over a folder.
    pub(crate) async fn start(
        rights: Rights,
        folder: &Path,
        keys_url: String,
        secrets: BTreeMap<String, String>,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dynamodb_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
        let locks = Locks::default();
        let uploads = SharedUploads::default();
        let buckets = SharedBuckets::default();
        let objects = Objects::new(folder).shared(buckets.clone(), uploads.clone(), locks.clone());
        let mut service = s3s::service::S3ServiceBuilder::new(objects);
        let mut keys = s3s::auth::SimpleAuth::from_single(ADMINISTRATOR, "secret");
        for function in Function::ALL {
            keys.register(function.name().to_owned(), "secret".into());
        }
        service.set_auth(keys);
        Self {
            rights,
            calls: Calls::default(),
            clock: Arc::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap())),
            random: Arc::new(SeededRandom::new(1)),
            services: Services::with(secrets),
            obstacles: Arc::default(),
            uploads,
            buckets,
            limits: Mutex::default(),
            locks,
            keys_url,
            app: TheApp::start().await,
            dynamodb_url,
            dynamodb: aws_smithy_http_client::Builder::new().build_http(),
            s3: SharedHttpClient::new(s3s_aws::Client::from(service.build())),
        }
    }

    /// The test's own clients, past every role.
    pub(crate) fn administrator(&self) -> (aws_sdk_dynamodb::Client, aws_sdk_s3::Client) {
        let sdk = |client: &SharedHttpClient| sdk(ADMINISTRATOR, client.clone());
        (self.dynamodb_client(&sdk(&self.dynamodb)), self.s3_client(&sdk(&self.s3)))
    }

    /// The same as the command line has them.
    pub(crate) fn tool(&self) -> Clients {
        let (dynamodb, s3) = self.administrator();
        Clients::with(&sdk(ADMINISTRATOR, SharedHttpClient::new(self.services.clone())), dynamodb, s3)
    }

    /// A function's way to DynamoDB.
    pub(crate) fn dynamodb(&self, function: Function) -> aws_sdk_dynamodb::Client {
        self.dynamodb_client(&sdk(function.name(), self.gate(function, &self.dynamodb)))
    }

    /// A function's way to S3.
    pub(crate) fn s3(&self, function: Function) -> aws_sdk_s3::Client {
        self.s3_client(&sdk(function.name(), self.gate(function, &self.s3)))
    }

    /// A function's way to people's mailboxes and phones.
    pub(crate) fn sender(&self, function: Function, platform: &Platform) -> Result<AwsSender, StartError> {
        let sdk = sdk(function.name(), self.gate(function, &SharedHttpClient::new(self.services.clone())));
        let ses = aws_sdk_sesv2::config::Builder::from(&sdk).interceptor(self.calls.clone()).build();
        let sns = aws_sdk_sns::config::Builder::from(&sdk).interceptor(self.calls.clone()).build();
        Ok(AwsSender::new(
            aws_sdk_sesv2::Client::from_conf(ses),
            aws_sdk_sns::Client::from_conf(sns),
            platform.settings.required("EMAIL_FROM")?,
            platform.settings.optional("SMS_ENABLED") == "true",
        ))
    }

    /// The way to queues of recipients.
    pub(crate) fn recipient_queues(&self, platform: &Platform) -> RecipientQueues {
        let sqs = aws_sdk_sqs::config::Builder::from(&platform.sdk).interceptor(self.calls.clone()).build();
        RecipientQueues::new(aws_sdk_sqs::Client::from_conf(sqs))
    }

    /// A function's way to the app.
    pub(crate) fn app_calls(&self, platform: &Platform) -> Result<ToTheApp, StartError> {
        Ok(ToTheApp { outbound: platform.outbound()?, calls: self.calls.clone(), url: self.app.url.clone() })
    }

    /// What signs anchors.
    pub(crate) fn anchor_signer(&self, platform: &Platform) -> Result<KmsSigner, StartError> {
        let kms = aws_sdk_kms::config::Builder::from(&platform.sdk).interceptor(self.calls.clone()).build();
        let key = platform.settings.required("ANCHOR_SIGNING_KEY")?;
        Ok(KmsSigner::new(aws_sdk_kms::Client::from_conf(kms), key))
    }

    /// Connectors by these clients and with the secrets that a function may read (all, without one), and what stands in
    /// their way.
    pub(crate) fn connectors(
        &self,
        function: Option<Function>,
        dynamodb: aws_sdk_dynamodb::Client,
        s3: aws_sdk_s3::Client,
    ) -> Connectors {
        let services = SharedHttpClient::new(self.services.clone());
        let sdk = match function {
            Some(function) => sdk(function.name(), self.gate(function, &services)),
            None => sdk(ADMINISTRATOR, services),
        };
        let credentials = AwsDatabaseCredentials::new(&sdk, self.clock.clone());
        let inner = Arc::new(DynamoDb::new(dynamodb, self.random.clone()));
        Connectors {
            dynamodb: Arc::new(Obstructed { inner, obstacles: self.obstacles.clone() }),
            s3: Some(S3::new(s3, self.clock.clone())),
            postgresql: Some(Postgresql::new(Arc::new(credentials))),
        }
    }

    /// What a function has that only reads, as [`Reader::start`] makes it.
    pub(crate) async fn reader(&self, function: Function, connectors: Connectors) -> Result<Reader, StartError> {
        let (settings, sdk) = self.environment(function);
        let policies = self.policies(function, &settings);
        let dynamodb = self.dynamodb(function);
        Reader::with(&settings, &sdk, dynamodb, self.clock.clone(), self.random.clone(), policies, connectors).await
    }

    /// What every other function has, as [`Platform::start`] makes it.
    pub(crate) fn platform(&self, function: Function) -> Result<Platform, StartError> {
        let (settings, sdk) = self.environment(function);
        let sqs = aws_sdk_sqs::config::Builder::from(&sdk).interceptor(self.calls.clone()).build();
        let keys = KmsDataKeys::new(aws_sdk_kms::Client::new(&sdk), settings.optional("IDENTITY_KEY"));
        let sealer = Arc::new(Sealer::new(Arc::new(keys), self.clock.clone(), self.random.clone()));
        let key_store: Arc<dyn KeyStore> = match settings.optional("PACKAGE_BUCKET") {
            bucket if bucket.is_empty() => Arc::new(NoKeyStore),
            bucket => Arc::new(S3KeyStore::new(self.s3(function), bucket, sealer.clone(), self.clock.clone())),
        };
        let driver = Driver {
            ledger: Ledger::new(self.dynamodb(function), settings.required("LEDGER_TABLE")?),
            queues: Arc::new(SqsQueues::new(aws_sdk_sqs::Client::from_conf(sqs), settings.queue_urls())),
            clock: self.clock.clone(),
            random: self.random.clone(),
            sealer,
            key_store,
        };
        Ok(Platform { policies: self.policies(function, &settings), settings, sdk, driver })
    }

    /// A function's variables, and its way to the services that are neither DynamoDB nor S3.
    fn environment(&self, function: Function) -> (Settings, SdkConfig) {
        let mut variables = self.rights.stack().deployed.environment(function.name());
        if let Some(url) = variables.get_mut("OIDC_JWKS_URL") {
            url.clone_from(&self.keys_url);
        }
        let services = SharedHttpClient::new(self.services.clone());
        (Settings::from_map(variables), sdk(function.name(), self.gate(function, &services)))
    }

    fn policies(&self, function: Function, settings: &Settings) -> Arc<S3Policies> {
        let config = s3_config(&sdk(function.name(), self.gate(function, &self.s3)));
        let client = aws_sdk_s3::Client::from_conf(config.build());
        Arc::new(S3Policies::new(client, settings.optional("POLICY_BUCKET")))
    }

    fn gate(&self, function: Function, behind: &SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Gate { function, rights: self.rights.clone(), behind: behind.clone() })
    }

    fn dynamodb_client(&self, sdk: &SdkConfig) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).endpoint_url(&self.dynamodb_url);
        aws_sdk_dynamodb::Client::from_conf(config.interceptor(self.calls.clone()).build())
    }

    fn s3_client(&self, sdk: &SdkConfig) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(s3_config(sdk).interceptor(self.calls.clone()).build())
    }
}

fn s3_config(sdk: &SdkConfig) -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Builder::from(sdk).endpoint_url("http://s3.example").force_path_style(true)
}

fn sdk(who: &str, client: impl HttpClient + 'static) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(who, "secret", None, None, "test")))
        .retry_config(RetryConfig::disabled())
        .http_client(client)
        .build()
}
