//! Erases or anonymises what has outlived its retention, through the same plan, steps and evidence as a request.

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Trigger};
use habeas::aws::{Platform, PolicySourceError, StartError};
use habeas::connectors::{ConnectorError, Connectors, Row, Target, Who, decide_sweep};
use habeas::holds::{Held, HeldJudge, Keeps, Kept, merge};
use habeas::identity::DigestKeys;
use habeas::ledger::LedgerError;
use habeas::plan::{Counts, NotServed, Plan, Queue, Work};
use habeas::policy::PolicyDigest;
use habeas::request::life::LifeError;
use habeas::request::{Matter, NewRequest, Request, RequestId};
use habeas::steps::{Handled, Job, Message, Next, Page, StepError, Worker, handle_batch};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};

/// Within what time a sweep is to be done: before the next one.
const SWEEP_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The policy in force.
    pub current: PolicyDigest,
    /// The digest keys.
    pub keys: DigestKeys,
    /// Erases in the controller's systems.
    pub connectors: Connectors,
}

/// Where the sweep of a collection stands.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    sweep_at: Option<String>,
    holds: Vec<Held>,
}

/// Why a sweep did not begin.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Policy(#[from] PolicySourceError),
    #[error(transparent)]
    Plan(#[from] NotServed),
    #[error(transparent)]
    Life(#[from] LifeError),
}

/// Work that belongs to another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this function does not do that work")]
struct NotMyWork;

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self {
            current: platform.current_policy()?,
            keys: platform.digest_keys().await?,
            connectors: platform.connectors(),
            platform,
        })
    }

    /// Opens a sweep and plans it at once: nobody has to be verified.
    async fn begin(&self) -> Result<RequestId, SweepError> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let policy = self.platform.policies.policy(&self.current).await?;
        let mut change = Request::open(NewRequest {
            id: RequestId::new(driver.random.as_ref()),
            matter: Matter::RetentionSweep,
            policy: policy.digest().clone(),
            received_at: now,
            due_at: now.saturating_add(SWEEP_WITHIN).unwrap_or(Timestamp::MAX),
            subject: None,
            language: policy.language(None).to_owned(),
            sealed: None,
            submission: None,
            factors: Vec::new(),
        });
        let plan = Plan::compile(Matter::RetentionSweep, &policy, false)?;
        change.accept(Vec::new(), &plan, now)?;
        driver.ledger.commit(&change, Vec::new(), None).await?;
        driver.send_effects(&change).await;
        tracing::info!(request_id = %change.request.id, steps = plan.len(), "a sweep has begun");
        Ok(change.request.id)
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        let policies = self.platform.policies.as_ref();
        self.platform.driver.attend(message, Queue::Sweep, policies, self, deadline).await
    }

    async fn sweep(&self, job: &Job, collection: &str, cursor: Option<&str>) -> Result<Page, StepError> {
        let target = Target::of(&job.policy, collection).map_err(ConnectorError::into_step)?;
        let rule = job.policy.rule(collection).ok_or(ConnectorError::WrongKind).map_err(ConnectorError::into_step)?;
        let connector = self.connectors.of(target.place).map_err(ConnectorError::into_step)?;
        let time_zone = &job.policy.policy().controller.time_zone;
        let mut place = Place::of(cursor);
        let keeps = Keeps::of_everybody(target, &self.keys, &job.holds);
        let everything = keeps.everything();
        if !everything.is_empty() {
            merge(&mut place.holds, everything);
            return Ok(Page {
                counts: Counts::default(),
                retained_until: None,
                next: Next::Kept { holds: place.holds.into_iter().map(Kept::from).collect(), retained: Vec::new() },
            });
        }
        let random = self.platform.driver.random.as_ref();
        let judge = |row: &Row| decide_sweep(rule, &row.record, job.request.received_at, time_zone, random);
        let judge = HeldJudge::new(keeps, &judge);
        let acted = connector.act(&target, Who::Everyone, &judge, place.sweep_at.as_deref()).await;
        let acted = acted.map_err(ConnectorError::into_step)?;
        let (held, holds) = judge.met();
        merge(&mut place.holds, holds);
        let counts = Counts { retained: held, held, ..acted.counts };
        let next = match acted.next {
            Some(next) => {
                let place = Place { sweep_at: Some(next), ..place };
                Next::Page(serde_json::to_string(&place).map_err(StepError::permanent)?)
            }
            None if place.holds.is_empty() => Next::Done { package: None, captured: None },
            None => Next::Kept { holds: place.holds.into_iter().map(Kept::from).collect(), retained: Vec::new() },
        };
        Ok(Page { counts, retained_until: None, next })
    }
}

#[async_trait]
impl Worker for Function {
    async fn page(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError> {
        match &job.claim.step.work {
            Work::Sweep { collection } => self.sweep(job, collection, cursor).await,
            _ => Err(StepError::permanent(NotMyWork)),
        }
    }

    fn minds_holds(&self, _: &Work) -> bool {
        true
    }
}

impl Place {
    /// A cursor that is none of these is the connector's own, as steps had it that began before holds were looked for.
    fn of(cursor: Option<&str>) -> Self {
        let Some(cursor) = cursor else { return Self::default() };
        let connectors_own = || Self { sweep_at: Some(cursor.to_owned()), holds: Vec::new() };
        serde_json::from_str(cursor).unwrap_or_else(|_| connectors_own())
    }
}

/// Begins a sweep on its schedule, or by hand, and attends to messages of the queue.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    match trigger {
        Trigger::Schedule => {
            let id = function.begin().await.inspect_err(|error| {
                habeas::telemetry::error_chain("sweep", "a sweep did not begin", error);
            })?;
            Ok(Answer::Schedule(serde_json::json!({"request_id": id})))
        }
        Trigger::Queue(event) => {
            let function = &function;
            let attend = |message: Message| async move { function.attend(&message, deadline).await };
            Ok(Answer::Queue(handle_batch(event, attend).await))
        }
        Trigger::Http(_) => Err("this function is not behind the API".into()),
    }
}
