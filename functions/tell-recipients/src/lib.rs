//! Tells recipients of an erasure, takes their receipts, and reports those that do not come.
//!
//! The rule of this function: a recipient is told at least once, each time with the same key and the same words; what it is
//! told of the person stands in the message alone, never in a log, an error or an event.

mod receipt;
mod tell;

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Call, Problem, Trigger};
use habeas::aws::{Platform, RecipientQueues, Sender, StartError};
use habeas::holds::Held;
use habeas::identity::DigestKeys;
use habeas::outbound::Outbound;
use habeas::plan::{Queue, Work};
use habeas::request::EffectItem;
use habeas::steps::{Handled, Job, Message, Page, Ran, StepError, Worker, handle_batch};
use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_http::{Body, Response};
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The digest keys.
    pub keys: DigestKeys,
    /// Calls services of recipients.
    pub outbound: Outbound,
    /// Sends to queues of recipients.
    pub queues: RecipientQueues,
    /// Sends e-mail.
    pub sender: Arc<dyn Sender>,
    /// Where recipients reach the API, without a slash at the end.
    pub api_url: String,
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
            keys: platform.digest_keys().await?,
            outbound: platform.outbound()?,
            queues: platform.recipient_queues(),
            sender: Arc::new(platform.sender()?),
            api_url: platform.settings.required("API_URL")?.trim_end_matches('/').to_owned(),
            platform,
        })
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        let EffectItem::Step(number) = message.item else {
            tracing::error!(alarm = "misdirected", request_id = %message.request_id, "not for this function");
            return Handled::Retry;
        };
        let driver = &self.platform.driver;
        let policies = self.platform.policies.as_ref();
        let ran = Box::pin(driver.run(&message.request_id, number, Queue::Tell, policies, self, deadline)).await;
        // A step that is over comes again when the receipt of whom it told is due.
        let attended = match ran {
            Ok(Ran::NotMine) => self.receipt_is_due(&message.request_id, number).await,
            Ok(ran) => {
                tracing::info!(request_id = %message.request_id, step = %number, ?ran, "attended");
                Ok(())
            }
            Err(error) => Err(error),
        };
        match attended {
            Ok(()) => Handled::Done,
            Err(error) => {
                habeas::telemetry::warn_chain("a step's message will come again", &error);
                Handled::Retry
            }
        }
    }

    async fn route(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let parts: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (&call.method, parts.as_slice()) {
            (&Method::POST, [reply, "receipts"]) => self.receipt(call, reply).await,
            _ => Err(Problem::not_found()),
        }
    }
}

#[async_trait]
impl Worker for Function {
    async fn page(&self, job: &Job, _cursor: Option<&str>) -> Result<Page, StepError> {
        match &job.claim.step.work {
            Work::Tell { recipient } => self.tell(job, recipient).await,
            _ => Err(StepError::permanent(NotMyWork)),
        }
    }

    /// Nobody is told to erase what is held.
    fn minds_holds(&self, work: &Work) -> bool {
        matches!(work, Work::Tell { .. })
    }

    fn waits_for(&self, job: &Job) -> Result<Vec<Held>, StepError> {
        if job.holds.is_empty() || job.request.status.is_end() {
            return Ok(Vec::new());
        }
        Ok(job.holds.to_wait_for(&job.policy, &self.whom(job)?, job.collections_at_stake()))
    }
}

/// Answers calls of the API and messages of the queue.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    match trigger {
        Trigger::Http(request) => {
            let answered = match Call::parse_at("/v1/recipients", *request) {
                Ok(call) => function.route(&call).await,
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
