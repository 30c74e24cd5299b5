//! The world.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use habeas::api::{Answer, Trigger};
use habeas::aws::{Platform, PolicySource, PolicySourceError, S3KeyStore, SendError, Sender, Settings};
use habeas::clock::{Clock, ManualClock};
use habeas::connectors::{Connectors, DynamoDb};
use habeas::identity::oidc::{Issuer, SignInVerifier};
use habeas::identity::seal::{DataKey, DataKeys};
use habeas::identity::{Contact, DigestKeys, SealError, Sealer};
use habeas::ledger::Ledger;
use habeas::plan::Queue;
use habeas::policy::{Pinned, PolicyDigest};
use habeas::random::SeededRandom;
use habeas::steps::{Driver, Message, QueueError, Queues};
use jiff::{SignedDuration, Timestamp};
use lambda_http::{Body, Request};
use serde_json::Value;

use crate::calls::Calls;
use crate::objects::Objects;
use crate::sign_in::SignIns;
use crate::stores;

/// An answer of the API.
pub struct Answered {
    pub status: u16,
    pub body: Value,
}

/// Everything.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub calls: Calls,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub s3: aws_sdk_s3::Client,
    pub policy: Arc<Pinned>,
    queues: Arc<HandQueues>,
    outbox: Arc<Outbox>,
    platform: Platform,
    keys_url: String,
    _folder: tempfile::TempDir,
}

struct OnePolicy(Arc<Pinned>);

#[async_trait]
impl PolicySource for OnePolicy {
    async fn policy(&self, digest: &PolicyDigest) -> Result<Arc<Pinned>, PolicySourceError> {
        assert_eq!(digest, self.0.digest());
        Ok(self.0.clone())
    }
}

struct HandQueues {
    waiting: Mutex<VecDeque<(Queue, Message)>>,
    calls: Calls,
}

#[async_trait]
impl Queues for HandQueues {
    async fn send(&self, queue: Queue, messages: &[Message]) -> Result<(), QueueError> {
        self.calls.count("SendMessageBatch").map_err(QueueError::Service)?;
        self.waiting.lock().unwrap().extend(messages.iter().map(|message| (queue, message.clone())));
        self.calls.answered().map_err(QueueError::Service)
    }
}

struct Outbox {
    sent: Mutex<Vec<(String, String)>>,
    calls: Calls,
}

#[async_trait]
impl Sender for Outbox {
    async fn send(&self, to: &Contact, message: &habeas::messages::Message) -> Result<(), SendError> {
        self.calls.count("SendEmail").map_err(SendError::Email)?;
        self.sent.lock().unwrap().push((to.address.clone(), message.body.clone()));
        self.calls.answered().map_err(SendError::Email)
    }
}

struct LocalKeys;

#[async_trait]
impl DataKeys for LocalKeys {
    async fn generate(&self) -> Result<DataKey, SealError> {
        Ok(DataKey { clear: [7; 32], encrypted: vec![9; 40] })
    }

    async fn decrypt(&self, _: &[u8]) -> Result<[u8; 32], SealError> {
        Ok([7; 32])
    }
}

impl World {
    pub const BUCKET: &str = "packages";

    /// A new world under the small policy, without people.
    pub async fn new() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
        let policy = Arc::new(habeas::policy::load::load(&folder).expect("the small policy is sound"));
        let clock = Arc::new(ManualClock::at("2026-11-21T08:00:00Z".parse().unwrap()));
        let random = Arc::new(SeededRandom::new(1));
        let calls = Calls::default();
        let dynamodb = dynamodb(&calls).await;
        stores::create_ledger(&dynamodb).await;
        stores::create_tables(&dynamodb, &policy).await;
        let folder = tempfile::tempdir().unwrap();
        let s3 = s3(folder.path(), &calls);
        s3.create_bucket().bucket(Self::BUCKET).send().await.unwrap();
        let queues = Arc::new(HandQueues { waiting: Mutex::default(), calls: calls.clone() });
        let sealer = Arc::new(Sealer::new(Arc::new(LocalKeys), clock.clone(), random.clone()));
        let driver = Driver {
            ledger: Ledger::new(dynamodb.clone(), "ledger"),
            queues: queues.clone(),
            clock: clock.clone(),
            random,
            key_store: Arc::new(S3KeyStore::new(s3.clone(), Self::BUCKET.to_owned(), sealer.clone())),
            sealer,
        };
        let platform = Platform {
            settings: Settings::from_map(BTreeMap::from([("SMS_ENABLED".to_owned(), "true".to_owned())])),
            sdk: SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).build(),
            driver,
            policies: Arc::new(OnePolicy(policy.clone())),
        };
        let outbox = Arc::new(Outbox { sent: Mutex::default(), calls: calls.clone() });
        let keys_url = SignIns::start().await.keys_url;
        calls.take();
        Self { clock, calls, dynamodb, s3, policy, queues, outbox, platform, keys_url, _folder: folder }
    }

    /// Puts a row of texts into a table.
    pub async fn put(&self, table: &str, fields: &[(&str, &str)]) {
        let put = self.dynamodb.put_item().table_name(table);
        let put = fields.iter().fold(put, |put, (name, value)| put.item(*name, AttributeValue::S((*value).to_owned())));
        put.send().await.unwrap();
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.platform.driver.ledger
    }

    /// Codes and notices that were sent: address and text.
    pub fn mails(&self) -> Vec<(String, String)> {
        self.outbox.sent.lock().unwrap().clone()
    }

    /// The code in the last mail.
    pub fn last_code(&self) -> String {
        let mails = self.mails();
        let (_, body) = mails.last().expect("a mail was sent");
        let digits = |word: &&str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
        let words: Vec<&str> = body.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let at = words.windows(2).position(|pair| digits(&pair[0]) && digits(&pair[1])).expect("a code in the mail");
        words[at..at + 2].concat()
    }

    /// Messages that wait.
    pub fn waiting(&self) -> usize {
        self.queues.waiting.lock().unwrap().len()
    }

    /// Loses every message that waits.
    pub fn lose_messages(&self) {
        self.queues.waiting.lock().unwrap().clear();
    }

    fn keys() -> DigestKeys {
        DigestKeys::parse(&format!(r#"{{"current":"k1","k1":"{}"}}"#, "a".repeat(64))).unwrap()
    }

    fn sign_ins(&self) -> SignInVerifier {
        SignInVerifier::new(Issuer {
            issuer: SignIns::ISSUER.to_owned(),
            audience: SignIns::AUDIENCE.to_owned(),
            keys_url: self.keys_url.clone(),
            subject_claim: "sub".to_owned(),
        })
        .unwrap()
    }

    fn connectors(&self) -> Connectors {
        Connectors { dynamodb: DynamoDb::new(self.dynamodb.clone()), s3: None }
    }

    /// Calls the API.
    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Answered {
        self.call_raw(method, path, token, Some("key-1"), body.map_or(String::new(), |body| body.to_string())).await
    }

    /// Calls the API with any body and idempotency key.
    pub async fn call_raw(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: String,
    ) -> Answered {
        let mut request =
            lambda_http::http::Request::builder().method(method).uri(format!("https://api.example{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request: Request = request.body(Body::Text(body)).unwrap();
        let trigger = Trigger::Http(Box::new(request));
        let answer = if path.ends_with("/verification") {
            self.verify_identity(trigger).await
        } else if path.ends_with("/confirmation") {
            self.cancel_account(trigger).await
        } else {
            let function = submit_request::Function {
                platform: self.platform.clone(),
                current: self.policy.digest().clone(),
                keys: Self::keys(),
                sign_ins: self.sign_ins(),
                s3: self.s3.clone(),
                package_bucket: Self::BUCKET.to_owned(),
            };
            submit_request::handle(Arc::new(function), trigger, self.deadline()).await
        };
        let Ok(Answer::Http(response)) = answer else { panic!("the API answers every call") };
        let Body::Text(text) = response.body() else { panic!("the API answers with text") };
        Answered { status: response.status().as_u16(), body: serde_json::from_str(text).unwrap() }
    }

    fn deadline(&self) -> Timestamp {
        self.now() + SignedDuration::from_mins(15)
    }

    async fn verify_identity(&self, trigger: Trigger) -> Result<Answer, lambda_http::Error> {
        let function = verify_identity::Function {
            platform: self.platform.clone(),
            keys: Self::keys(),
            sign_ins: self.sign_ins(),
            connectors: self.connectors(),
            sender: self.outbox.clone(),
        };
        verify_identity::handle(Arc::new(function), trigger, self.deadline()).await
    }

    async fn cancel_account(&self, trigger: Trigger) -> Result<Answer, lambda_http::Error> {
        let function =
            cancel_account::Function { platform: self.platform.clone(), keys: Self::keys(), sign_ins: self.sign_ins() };
        cancel_account::handle(Arc::new(function), trigger, self.deadline()).await
    }

    /// Hands one message to its function. False: the function wants it again.
    pub async fn deliver(&self, queue: Queue, message: &Message) -> bool {
        let mut record = SqsMessage::default();
        record.message_id = Some("m".to_owned());
        record.body = Some(message.to_body());
        let mut event = SqsEvent::default();
        event.records = vec![record];
        let trigger = Trigger::Queue(event);
        let (platform, deadline) = (self.platform.clone(), self.deadline());
        let answer = match queue {
            Queue::Verify => self.verify_identity(trigger).await,
            Queue::Cancel => self.cancel_account(trigger).await,
            Queue::Export => {
                let function = export_data::Function {
                    platform,
                    connectors: self.connectors(),
                    s3: self.s3.clone(),
                    package_bucket: Self::BUCKET.to_owned(),
                };
                export_data::handle(Arc::new(function), trigger, deadline).await
            }
            Queue::Erase => {
                let connectors = self.connectors();
                let function = delete_or_anonymize::Function { platform, keys: Self::keys(), connectors };
                delete_or_anonymize::handle(Arc::new(function), trigger, deadline).await
            }
            Queue::Sweep => {
                let current = self.policy.digest().clone();
                let function = retention_sweep::Function { platform, current, connectors: self.connectors() };
                retention_sweep::handle(Arc::new(function), trigger, deadline).await
            }
            Queue::Notify => {
                let function = notify::Function { platform, sender: self.outbox.clone() };
                notify::handle(Arc::new(function), trigger, deadline).await
            }
        };
        let Ok(Answer::Queue(response)) = answer else { panic!("a queue's function answers with a batch response") };
        response.batch_item_failures.is_empty()
    }

    /// Begins a sweep.
    pub async fn sweep(&self) -> String {
        let function = retention_sweep::Function {
            platform: self.platform.clone(),
            current: self.policy.digest().clone(),
            connectors: self.connectors(),
        };
        match retention_sweep::handle(Arc::new(function), Trigger::Schedule, self.deadline()).await {
            Ok(Answer::Schedule(value)) => value["request_id"].as_str().unwrap().to_owned(),
            _ => panic!("a sweep begins"),
        }
    }

    /// Lets wake-due-work run once; how many items it sent.
    pub async fn wake(&self) -> u64 {
        let function = wake_due_work::Function { platform: self.platform.clone() };
        match wake_due_work::handle(Arc::new(function), Trigger::Schedule, self.deadline()).await {
            Ok(Answer::Schedule(value)) => value["sent"].as_u64().unwrap(),
            _ => 0,
        }
    }

    /// Takes the next message off the queues and delivers it. A message that its function wants again is put back, as SQS
    /// would. False: none waits.
    pub async fn step(&self) -> bool {
        let next = self.queues.waiting.lock().unwrap().pop_front();
        let Some((queue, message)) = next else { return false };
        if !self.deliver(queue, &message).await {
            self.queues.waiting.lock().unwrap().push_back((queue, message));
        }
        true
    }

    /// Delivers until nothing waits.
    pub async fn run(&self) {
        for _ in 0..1000 {
            if !self.step().await {
                return;
            }
        }
        panic!("the queues never become empty");
    }

    /// Lets time pass, wakes what is due, delivers: until a request has ended.
    pub async fn run_to_end(&self, id: &str) {
        let id = id.parse().unwrap();
        for _ in 0..200 {
            self.run().await;
            if self.ledger().request(&id).await.unwrap().is_some_and(|request| request.status.is_end()) {
                return;
            }
            self.advance(SignedDuration::from_mins(1));
            self.wake().await;
        }
        panic!("the request never ends");
    }

    /// Every item of every table of the policy.
    pub async fn data(&self) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
        let mut data = BTreeMap::new();
        for table in ["small-users", "small-posts", "small-comments", "small-messages", "small-orders"] {
            data.insert(table.to_owned(), stores::dump(&self.dynamodb, table).await);
        }
        data
    }
}

async fn dynamodb(calls: &Calls) -> aws_sdk_dynamodb::Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials())
        .retry_config(RetryConfig::disabled())
        .interceptor(calls.clone())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

fn s3(folder: &Path, calls: &Calls) -> aws_sdk_s3::Client {
    let store = s3s_fs::FileSystem::new(folder).expect("a folder for objects");
    let mut service = s3s::service::S3ServiceBuilder::new(Objects(store));
    service.set_auth(s3s::auth::SimpleAuth::from_single("test", "test"));
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url("http://s3.example")
        .force_path_style(true)
        .credentials_provider(credentials())
        .retry_config(RetryConfig::disabled())
        .http_client(s3s_aws::Client::from(service.build()))
        .interceptor(calls.clone())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

fn credentials() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"))
}
