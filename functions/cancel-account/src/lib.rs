//! Confirmation, cooling-off and tombstone of an account cancellation.

mod confirm;
mod cooling_off;

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Call, Problem, Trigger};
use habeas::aws::{Platform, StartError};
use habeas::identity::DigestKeys;
use habeas::identity::oidc::SignInVerifier;
use habeas::personal::{Identity, IdentityKind};
use habeas::plan::{Counts, Queue, Work};
use habeas::request::EffectItem;
use habeas::steps::{Handled, Job, Message, Page, StepError, Worker, handle_batch};
use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The digest keys.
    pub keys: DigestKeys,
    /// Checks sign-ins.
    pub sign_ins: SignInVerifier,
}

/// Work that belongs to another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this function does not do that work")]
struct NotMyWork;

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self { keys: platform.digest_keys().await?, sign_ins: platform.sign_ins()?, platform })
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        match message.item {
            EffectItem::Step(number) => {
                let policies = self.platform.policies.as_ref();
                self.platform.driver.attend(&message.request_id, number, Queue::Cancel, policies, self, deadline).await
            }
            EffectItem::Request => match self.time_is_up(&message.request_id).await {
                Ok(()) => Handled::Done,
                Err(error) => {
                    habeas::telemetry::warn_chain("a timer will come again", &error);
                    Handled::Retry
                }
            },
            EffectItem::Notice(_) | EffectItem::Challenge => {
                tracing::error!(alarm = "misdirected", request_id = %message.request_id, "not for this function");
                Handled::Retry
            }
        }
    }

    /// Marks every identity of the account as not to be taken over.
    async fn tombstone(&self, job: &Job) -> Result<Page, StepError> {
        let driver = &self.platform.driver;
        let subject = &job.person()?.keys;
        for kind in [IdentityKind::UserId, IdentityKind::Email, IdentityKind::PhoneNumber] {
            let Some(field) = job.policy.identity_field(kind) else {
                continue;
            };
            for value in subject.keys.get(field).into_iter().flatten() {
                let Ok(identity) = Identity::parse(kind, value) else {
                    continue;
                };
                let digest = self.keys.identity(&identity);
                let written = driver.ledger.tombstone(&digest, &job.request.id, driver.clock.now()).await;
                written.map_err(StepError::transient)?;
            }
        }
        Ok(Page::last(Counts::default()))
    }
}

#[async_trait]
impl Worker for Function {
    async fn page(&self, job: &Job, _cursor: Option<&str>) -> Result<Page, StepError> {
        match &job.claim.step.work {
            Work::Tombstone => self.tombstone(job).await,
            _ => Err(StepError::permanent(NotMyWork)),
        }
    }
}

/// Answers calls of the API and messages of the queue.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    match trigger {
        Trigger::Http(request) => {
            let answered = match Call::parse(*request) {
                Ok(call) if call.method == Method::POST => function.confirm(&call).await,
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
