//! Confirmation, checks, cooling-off and tombstone of an account cancellation; what the app tells of it.

mod account;
mod app_events;
mod confirm;
mod cooling_off;

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Call, Problem, Trigger};
use habeas::app::AppCalls;
use habeas::aws::{Platform, StartError};
use habeas::connectors::Connectors;
use habeas::identity::DigestKeys;
use habeas::identity::oidc::SignInVerifier;
use habeas::outbound::CallSecrets;
use habeas::personal::{Identity, IdentityKind};
use habeas::plan::{Counts, Queue, Work};
use habeas::policy::PolicyDigest;
use habeas::request::EffectItem;
use habeas::steps::{Handled, Job, Message, Page, StepError, Worker, handle_batch};
use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use lambda_runtime::Error;

/// Where the app calls.
const APP: &str = "/v1/app";

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The digest keys.
    pub keys: DigestKeys,
    /// Checks sign-ins.
    pub sign_ins: SignInVerifier,
    /// Reads what is checked.
    pub connectors: Connectors,
    /// Asks the app.
    pub app: Arc<dyn AppCalls>,
    /// The secrets of calls that come from it.
    pub secrets: Arc<dyn CallSecrets>,
    /// The policy in force.
    pub current: PolicyDigest,
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
            sign_ins: platform.sign_ins()?,
            connectors: platform.connectors(),
            app: Arc::new(platform.outbound()?),
            secrets: platform.call_secrets(),
            current: platform.current_policy()?,
            platform,
        })
    }

    async fn answer(&self, request: Request, deadline: Timestamp) -> Result<Response<Body>, Problem> {
        if request.uri().path().contains(APP) {
            let call = Call::parse_at(APP, request)?;
            return match (&call.method, call.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
                (&Method::POST, ["events"]) => self.app_event(&call, deadline).await,
                _ => Err(Problem::not_found()),
            };
        }
        let call = Call::parse(request)?;
        if call.method == Method::POST { self.confirm(&call).await } else { Err(Problem::not_found()) }
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        if message.item != EffectItem::Request {
            let policies = self.platform.policies.as_ref();
            return self.platform.driver.attend(message, Queue::Cancel, policies, self, deadline).await;
        }
        match self.time_is_up(&message.request_id).await {
            Ok(()) => Handled::Done,
            Err(error) if error.is_transient() => {
                habeas::telemetry::warn_chain("a timer will come again", &error);
                Handled::Retry
            }
            Err(error) => {
                habeas::telemetry::error_chain("cancellation_stuck", "a cancellation does not go on", &error);
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
            let answered = function.answer(*request, deadline).await;
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
