//! One call: its turn in the budget, and again with back-off while DynamoDB says that there are too many.

use std::error::Error;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::ConsumedCapacity;

use super::DynamoDb;
use super::pace::Pace;
use crate::connectors::{ConnectorError, Target, refused};
use crate::policy::System;
use crate::random;

/// How often a call is made that is refused for being too many; with the waits between, less than a second in all. The
/// SDK makes each three times itself.
const TRIES: u32 = 5;
/// The longest first wait; each further one may be twice as long.
const FIRST_WAIT_MS: u64 = 50;

/// What DynamoDB answers when there are too many calls, or two at one row.
const TOO_MANY: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionConflictException",
    "ReplicatedWriteConflictException",
];

impl DynamoDb {
    /// The pace of the system that a collection is in.
    pub(super) fn pace(&self, target: &Target<'_>) -> Arc<Pace> {
        let dataset = target.name.split_once('.').map_or(target.name, |(dataset, _)| dataset);
        let systems = &target.policy.policy().systems;
        let most = systems.iter().find(|system| system.dataset() == dataset).and_then(|system| match system {
            System::Dynamodb { capacity_units_per_second, .. } => *capacity_units_per_second,
            System::S3 { .. } | System::Postgresql(_) => None,
        });
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.entry((dataset.to_owned(), most)).or_insert_with(|| Arc::new(Pace::new(most))).clone()
    }

    /// Makes a call. The outer error: it was refused for being too many until patience ended, or the budget is spent for
    /// long; the inner one is any other answer. `units` reads what the call cost from its answer.
    pub(super) async fn call<O, E, F>(
        &self,
        operation: &'static str,
        pace: &Pace,
        send: impl Fn() -> F + Send + Sync,
        units: impl Fn(&O) -> f64 + Send + Sync,
    ) -> Result<Result<O, SdkError<E>>, ConnectorError>
    where
        O: Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
        F: Future<Output = Result<O, SdkError<E>>> + Send,
    {
        let mut attempt = 0;
        loop {
            let turn = pace.turn().await;
            turn.map_err(|spent| ConnectorError::Transient { operation, source: Box::new(spent) })?;
            match send().await {
                Ok(output) => {
                    pace.spent(units(&output));
                    return Ok(Ok(output));
                }
                Err(error) if error.code().is_some_and(|code| TOO_MANY.contains(&code)) => {
                    pace.refused();
                    attempt += 1;
                    if attempt == TRIES {
                        return Err(refused(operation, error));
                    }
                    let most = FIRST_WAIT_MS << (attempt - 1);
                    let wait = random::below(self.random.as_ref(), most + 1);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                Err(error) => {
                    // A condition that does not hold costs what the write would have; no answer says how much.
                    pace.spent(1.0);
                    return Ok(Err(error));
                }
            }
        }
    }
}

/// The units of an answer.
pub(super) fn units(consumed: Option<&ConsumedCapacity>) -> f64 {
    consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0)
}
