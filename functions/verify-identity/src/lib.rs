//! Sends codes to addresses on file and checks them; takes what operators decide of whoever has been verified.
//!
//! The rule of this function: what a person learns from outside does not depend on whether anybody is on file. Looking
//! somebody up happens behind the queue, after the answer was given.

mod answer;
mod challenge;
mod decision;

use std::sync::Arc;

use habeas::api::{Answer, Call, Problem, Trigger};
use habeas::aws::{Platform, Sender, StartError};
use habeas::connectors::Connectors;
use habeas::identity::Operators;
use habeas::request::EffectItem;
use habeas::steps::{Handled, Message, handle_batch};
use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_http::{Body, Response};
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// Tells who is an operator; has the digest keys, and checks everybody's sign-ins.
    pub operators: Operators,
    /// Reads the subject collection.
    pub connectors: Connectors,
    /// Sends codes.
    pub sender: Arc<dyn Sender>,
}

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self {
            operators: platform.operators().await?,
            connectors: platform.connectors(),
            sender: Arc::new(platform.sender()?),
            platform,
        })
    }

    async fn route(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let parts: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (&call.method, parts.as_slice()) {
            (&Method::POST, [_, "verification"]) => self.send_again(call).await,
            (&Method::PUT, [_, "verification"]) => self.answer(call).await,
            (&Method::POST, [_, "decision"]) => Box::pin(self.decide(call)).await,
            _ => Err(Problem::not_found()),
        }
    }

    async fn attend(&self, message: &Message) -> Handled {
        let attended = match message.item {
            EffectItem::Challenge => self.send_code(&message.request_id).await,
            EffectItem::Request => self.expire(&message.request_id).await,
            EffectItem::Step(_) | EffectItem::Notice(_) | EffectItem::App(_) => {
                tracing::error!(alarm = "misdirected", request_id = %message.request_id, "not for this function");
                return Handled::Retry;
            }
        };
        match attended {
            Ok(()) => Handled::Done,
            Err(error) => {
                habeas::telemetry::warn_chain("a message will come again", &error);
                Handled::Retry
            }
        }
    }
}

/// Answers calls of the API and messages of the queue.
pub async fn handle(function: Arc<Function>, trigger: Trigger, _deadline: Timestamp) -> Result<Answer, Error> {
    match trigger {
        Trigger::Http(request) => {
            let answered = match Call::parse(*request) {
                Ok(call) => function.route(&call).await,
                Err(problem) => Err(problem),
            };
            Ok(Answer::http(answered.unwrap_or_else(|problem| problem.to_response())))
        }
        Trigger::Queue(event) => {
            let function = &function;
            Ok(Answer::Queue(handle_batch(event, |message| async move { function.attend(&message).await }).await))
        }
        Trigger::Schedule => Err("this function has no schedule".into()),
    }
}
