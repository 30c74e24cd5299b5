//! Finds people who were erased in what was restored from a backup, has them erased again, and looks afresh.
//!
//! The rule of this function: it reads the controller's systems and changes nothing in them. Each person that it finds gets
//! a request of their own, which the function that erases answers as it answers every other.

mod begin;
mod reapply;
mod scan;

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Call, Problem, Trigger};
use habeas::aws::{Platform, StartError};
use habeas::connectors::Connectors;
use habeas::identity::Operators;
use habeas::plan::{Queue, Work};
use habeas::policy::PolicyDigest;
use habeas::steps::{Handled, Job, Message, Page, StepError, Worker, handle_batch};
use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The policy in force.
    pub current: PolicyDigest,
    /// Tells who is an operator; has the digest keys.
    pub operators: Operators,
    /// Reads the controller's systems.
    pub connectors: Connectors,
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
            operators: platform.operators().await?,
            connectors: platform.connectors(),
            platform,
        })
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        let policies = self.platform.policies.as_ref();
        self.platform.driver.attend(message, Queue::Replay, policies, self, deadline).await
    }
}

#[async_trait]
impl Worker for Function {
    async fn page(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError> {
        match &job.claim.step.work {
            Work::Scan { collection, state_of } => self.scan(job, collection, *state_of, cursor, true).await,
            Work::Reapply { collections, state_of } => self.reapply(job, collections, *state_of, cursor).await,
            Work::Prove { collection, state_of } => self.scan(job, collection, *state_of, cursor, false).await,
            _ => Err(StepError::permanent(NotMyWork)),
        }
    }

    fn minds_holds(&self, work: &Work) -> bool {
        matches!(work, Work::Scan { .. } | Work::Prove { .. })
    }
}

/// Answers calls of the API and messages of the queue.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    match trigger {
        Trigger::Http(request) => {
            let answered = match Call::parse_at("/v1/replays", *request) {
                Ok(call) if call.method == Method::POST && call.path.is_empty() => function.begin(&call).await,
                Ok(call) if call.method == Method::GET && call.path.len() == 1 => function.show(&call).await,
                Ok(_) => Err(Problem::not_found()),
                Err(problem) => Err(problem),
            };
            Ok(Answer::http(answered.unwrap_or_else(|problem| problem.to_response())))
        }
        Trigger::Queue(event) => {
            let function = &function;
            let attend = |message: Message| async move { function.attend(&message, deadline).await };
            Ok(Answer::Queue(handle_batch(event, attend).await))
        }
        Trigger::Schedule => Err("this function has no schedule".into()),
    }
}
