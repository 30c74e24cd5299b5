//! Runs a function that is triggered by the API, by its queue, or by a schedule: told apart by the event's form.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use jiff::{SignedDuration, Timestamp};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Request, Response};
use lambda_runtime::{Error, LambdaEvent, service_fn, tower::Service as _};
use serde_json::Value;

use crate::aws::{Settings, StartError};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What triggered a function.
pub enum Trigger {
    /// A call of the API.
    Http(Box<Request>),
    /// Messages of a queue.
    Queue(SqsEvent),
    /// A schedule, or somebody by hand.
    Schedule,
}

/// What a function answers.
pub enum Answer {
    /// To a call of the API.
    Http(Box<Response<Body>>),
    /// To messages of a queue.
    Queue(SqsBatchResponse),
    /// To a schedule.
    Schedule(Value),
}

impl Answer {
    /// An answer to a call.
    #[must_use]
    pub fn http(response: Response<Body>) -> Self {
        Self::Http(Box::new(response))
    }
}

/// Starts a function: logs, clients, then one event after the other. `handle` gets the moment at which its time is up.
pub async fn serve<S, I, H, W>(start: I, handle: H) -> Result<(), Error>
where
    I: Future<Output = Result<S, StartError>>,
    S: Send + Sync,
    H: Fn(Arc<S>, Trigger, Timestamp) -> W + Sync,
    W: Future<Output = Result<Answer, Error>> + Send,
{
    crate::telemetry::init();
    let state = match start.await {
        Ok(state) => Arc::new(state),
        Err(error) => {
            crate::telemetry::error_chain("start", "the function cannot start", &error);
            return Err(error.into());
        }
    };
    let handle = &handle;
    let state = &state;
    // On a local stack the functions' clock may be shifted, and the runtime's deadline is in the machine's time.
    let seconds = Settings::from_env().and_then(|settings| settings.clock_offset_seconds());
    let offset = SignedDuration::from_secs(seconds.unwrap_or(0));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        // A box ends the nesting of future types, which the compiler follows only so deep.
        let answered: BoxFuture<'_, Result<Value, Error>> = Box::pin(async move {
            let deadline = deadline(&event).saturating_add(offset).unwrap_or(Timestamp::MAX);
            answer(event, |trigger| Box::pin(handle(Arc::clone(state), trigger, deadline)) as BoxFuture<'_, _>).await
        });
        answered
    }))
    .await
}

fn deadline(event: &LambdaEvent<Value>) -> Timestamp {
    i64::try_from(event.context.deadline)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
}

async fn answer<W>(event: LambdaEvent<Value>, handle: impl Fn(Trigger) -> W + Sync) -> Result<Value, Error>
where
    W: Future<Output = Result<Answer, Error>> + Send,
{
    let LambdaEvent { payload, context } = event;
    if payload.get("requestContext").is_some() {
        let request: LambdaRequest = serde_json::from_value(payload)?;
        let handle = &handle;
        let mut adapter = lambda_http::Adapter::from(service_fn(move |request: Request| async move {
            match handle(Trigger::Http(Box::new(request))).await? {
                Answer::Http(response) => Ok::<_, Error>(*response),
                Answer::Queue(_) | Answer::Schedule(_) => Err("no answer to a call".into()),
            }
        }));
        let response = adapter.call(LambdaEvent::new(request, context)).await?;
        return Ok(serde_json::to_value(response)?);
    }
    let trigger = if payload.get("Records").is_some() {
        Trigger::Queue(serde_json::from_value(payload)?)
    } else {
        Trigger::Schedule
    };
    match handle(trigger).await? {
        Answer::Queue(response) => Ok(serde_json::to_value(response)?),
        Answer::Schedule(value) => Ok(value),
        Answer::Http(_) => Err("an answer to no call".into()),
    }
}
