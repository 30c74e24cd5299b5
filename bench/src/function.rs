//! The functions, in a process of their own: one request from its acceptance to its end, message by message, as the
//! queues would bring them.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use habeas::api::{Answer, Trigger};
use habeas::aws::{Platform, PolicySource, PolicySourceError, S3KeyStore, Settings};
use habeas::clock::{Clock, SystemClock};
use habeas::identity::seal::{DataKey, DataKeys};
use habeas::identity::{DigestKeys, SealError, Sealer, SubjectKeys, seal};
use habeas::ledger::Ledger;
use habeas::personal::IdentityKind;
use habeas::plan::{Counts, Plan, Queue};
use habeas::policy::{Pinned, PolicyDigest};
use habeas::random::SystemRandom;
use habeas::request::{Matter, NewRequest, Request, RequestId, Right, Status};
use habeas::steps::{Driver, Message, QueueError, Queues};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::stores::{Endpoints, LEDGER, PACKAGES, s3_client, sdk};

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Where the stores are.
    pub(crate) endpoints: Endpoints,
    /// The folder of the policy.
    pub(crate) policy: PathBuf,
    /// Secret name to secret, for databases.
    pub(crate) secrets: BTreeMap<String, serde_json::Value>,
    /// The right.
    pub(crate) right: Right,
    /// The kind of identity.
    pub(crate) kind: IdentityKind,
    /// The identity.
    pub(crate) identity: String,
    /// Whose request is answered first, so that connections stand as they do in a worker that has been at work.
    pub(crate) warm: Option<String>,
    /// How many messages are attended to at once.
    pub(crate) at_once: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Seconds from the request's arrival to its end.
    pub(crate) seconds: f64,
    /// Peak resident memory of this process.
    pub(crate) rss_mib: f64,
    /// What the steps counted.
    pub(crate) counts: Counts,
    /// The key of the package, if there is one.
    pub(crate) package: Option<String>,
    /// Its size.
    pub(crate) package_bytes: u64,
}

struct OnePolicy(Arc<Pinned>);

#[async_trait]
impl PolicySource for OnePolicy {
    async fn policy(&self, _: &PolicyDigest) -> Result<Arc<Pinned>, PolicySourceError> {
        Ok(self.0.clone())
    }
}

#[derive(Default)]
struct HandQueues(Mutex<VecDeque<(Queue, Message)>>);

impl HandQueues {
    fn take(&self) -> Option<(Queue, Message)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

#[async_trait]
impl Queues for HandQueues {
    async fn send(&self, queue: Queue, messages: &[Message]) -> Result<(), QueueError> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(messages.iter().map(|message| (queue, message.clone())));
        Ok(())
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

/// The functions that do the work of a request: an execution environment of each.
struct Functions {
    export: Arc<export_data::Function>,
    erase: Arc<delete_or_anonymize::Function>,
}

impl Functions {
    async fn attend(&self, queue: Queue, message: Message) -> Result<(), BenchError> {
        let mut record = SqsMessage::default();
        record.message_id = Some("1".to_owned());
        record.body = Some(message.to_body());
        let mut event = SqsEvent::default();
        event.records = vec![record];
        let trigger = Trigger::Queue(event);
        let deadline = SystemClock::default().now() + SignedDuration::from_mins(15);
        let answer = match queue {
            Queue::Export => export_data::handle(self.export.clone(), trigger, deadline).await,
            Queue::Erase => delete_or_anonymize::handle(self.erase.clone(), trigger, deadline).await,
            // A notice to the person is no part of what is compared.
            _ => return Ok(()),
        };
        match answer.map_err(|error| BenchError::Other(error.to_string()))? {
            Answer::Queue(response) if response.batch_item_failures.is_empty() => Ok(()),
            _ => Err(BenchError::Other("a message was not attended to".to_owned())),
        }
    }
}

/// Runs a request to its end.
pub(crate) async fn run(task: Task) -> Result<Outcome, BenchError> {
    let policy = Arc::new(habeas::policy::load::load(&task.policy).map_err(BenchError::other)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let random = Arc::new(SystemRandom);
    let queues = Arc::new(HandQueues::default());
    let s3 = s3_client(&task.endpoints);
    let sealer = Arc::new(Sealer::new(Arc::new(LocalKeys), clock.clone(), random.clone()));
    let dynamodb = aws_sdk_dynamodb::Client::new(&sdk(&task.endpoints.dynamodb));
    let driver = Driver {
        ledger: Ledger::new(dynamodb, LEDGER),
        queues: queues.clone(),
        clock: clock.clone(),
        random: random.clone(),
        key_store: Arc::new(S3KeyStore::new(s3.clone(), PACKAGES.to_owned(), sealer.clone(), clock.clone())),
        sealer: sealer.clone(),
    };
    let platform = Platform {
        settings: Settings::from_map(BTreeMap::from([("PACKAGE_BUCKET".to_owned(), PACKAGES.to_owned())])),
        sdk: sdk(&task.endpoints.dynamodb),
        driver,
        policies: Arc::new(OnePolicy(policy.clone())),
    };
    let environment = || {
        Ok(Arc::new(Functions {
            export: Arc::new(crate::wiring::export(&platform, &task, s3.clone())),
            erase: Arc::new(crate::wiring::erase(&platform, &task, digest_keys()?)),
        }))
    };
    let mut environments = (0..task.at_once).map(|_| environment()).collect::<Result<Vec<_>, BenchError>>()?;
    if let Some(warm) = &task.warm {
        let id = open(&platform, &policy, &task, warm).await?;
        drive(&platform, &mut environments, &queues, &id).await?;
    }
    let begun = start();
    let id = open(&platform, &policy, &task, &task.identity).await?;
    drive(&platform, &mut environments, &queues, &id).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let request = platform.driver.ledger.request(&id).await.map_err(BenchError::other)?;
    let request = request.ok_or_else(|| BenchError::Other("the request is gone".to_owned()))?;
    Ok(Outcome {
        seconds,
        rss_mib: peak_rss_mib()?,
        counts: request.total,
        package_bytes: request.package.as_ref().map_or(0, |package| package.bytes),
        package: request.package.map(|package| package.key),
    })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn start() -> Instant {
    Instant::now()
}

fn digest_keys() -> Result<DigestKeys, BenchError> {
    DigestKeys::parse(&format!(r#"{{"current":"k1","k1":"{}"}}"#, "a".repeat(64))).map_err(BenchError::other)
}

/// Opens a request that is verified and planned at once: verification is a person's time, not the machine's.
async fn open(platform: &Platform, policy: &Pinned, task: &Task, identity: &str) -> Result<RequestId, BenchError> {
    let driver = &platform.driver;
    let now = driver.clock.now();
    let id = RequestId::new(driver.random.as_ref());
    let subject = SubjectKeys {
        kind: task.kind,
        value: identity.to_owned(),
        keys: BTreeMap::new(),
        named: Vec::new(),
        own_ids: BTreeMap::new(),
    };
    let sealed = driver.sealer.seal(&id, seal::end::SUBJECT, &subject).await.map_err(BenchError::other)?;
    let matter = Matter::Right(task.right);
    let mut change = Request::open(NewRequest {
        id,
        matter,
        policy: policy.digest().clone(),
        received_at: now,
        due_at: now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX),
        subject: None,
        language: policy.language(None).to_owned(),
        sealed: Some(sealed),
        submission: None,
        factors: Vec::new(),
    });
    let plan = Plan::compile(matter, policy, false).map_err(BenchError::other)?;
    change.accept(Vec::new(), &plan, now).map_err(BenchError::other)?;
    driver.ledger.commit(&change, Vec::new(), None).await.map_err(BenchError::other)?;
    driver.send_effects(&change).await;
    Ok(change.request.id)
}

/// Attends to messages until the request has ended: each environment to one at a time, as Lambda's do.
async fn drive(
    platform: &Platform,
    free: &mut Vec<Arc<Functions>>,
    queues: &HandQueues,
    id: &RequestId,
) -> Result<(), BenchError> {
    let mut busy = tokio::task::JoinSet::new();
    loop {
        while !free.is_empty()
            && let Some((queue, message)) = queues.take()
            && let Some(functions) = free.pop()
        {
            busy.spawn(async move { functions.attend(queue, message).await.map(|()| functions) });
        }
        if let Some(done) = busy.join_next().await {
            free.push(done.map_err(BenchError::other)??);
            continue;
        }
        let request = platform.driver.ledger.request(id).await.map_err(BenchError::other)?;
        match request.map(|request| request.status) {
            Some(Status::Completed) => return Ok(()),
            status => return Err(BenchError::Other(format!("the request stands at {status:?} and nothing waits"))),
        }
    }
}

/// The most memory that this process ever had resident.
fn peak_rss_mib() -> Result<f64, BenchError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<f64> = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
    kib.map(|kib| kib / 1024.0).ok_or_else(|| BenchError::Other("no VmHWM in /proc/self/status".to_owned()))
}
