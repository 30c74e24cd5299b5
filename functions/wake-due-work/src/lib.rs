//! Sends every item that is due to the queue of the function that looks after it. There is no other scheduler.

use std::sync::Arc;

use habeas::api::{Answer, Trigger};
use habeas::aws::{Platform, StartError};
use habeas::ledger::LedgerError;
use habeas::ledger::keys::DUE_SHARDS;
use habeas::steps::{Message, QueueError};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock.
    pub platform: Platform,
}

/// Why due items were not sent.
#[derive(Debug, thiserror::Error)]
enum WakeError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Items of one query.
const PAGE: i32 = 100;
/// How much of the function's time is left when it stops; the next minute goes on.
const TIME_RESERVE: SignedDuration = SignedDuration::from_secs(5);

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        Ok(Self { platform: Platform::start().await? })
    }

    /// Sends what is due; returns how many items that were.
    async fn wake(&self, deadline: Timestamp) -> Result<u64, WakeError> {
        let mut sent = 0;
        for shard in 0..DUE_SHARDS {
            loop {
                let now = self.platform.driver.clock.now();
                if deadline.duration_since(now) < TIME_RESERVE {
                    return Ok(sent);
                }
                let count = self.wake_page(shard, now).await?;
                sent += count;
                if count < u64::from(PAGE.unsigned_abs()) {
                    break;
                }
            }
        }
        Ok(sent)
    }

    /// Sends first and moves the timer on after, so that a crash between the two sends an item twice and never not at all.
    async fn wake_page(&self, shard: u8, now: Timestamp) -> Result<u64, WakeError> {
        let driver = &self.platform.driver;
        let due = driver.ledger.due(shard, now, PAGE).await?;
        for item in &due {
            let message = Message { request_id: item.request_id.clone(), item: item.item };
            driver.queues.send(item.queue, &[message]).await?;
            driver.ledger.postpone(item, now).await?;
        }
        Ok(due.len() as u64)
    }
}

/// Runs every minute.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    let Trigger::Schedule = trigger else {
        return Err("this function is called by its schedule only".into());
    };
    let sent = function.wake(deadline).await.inspect_err(|error| {
        habeas::telemetry::error_chain("wake", "due items were not sent", error);
    })?;
    tracing::info!(sent, "woken");
    Ok(Answer::Schedule(serde_json::json!({"sent": sent})))
}
