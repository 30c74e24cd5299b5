//! The DynamoDB table that holds requests, steps, events, timers and suppression entries.
//!
//! The rules of this room: every key format is in [`keys`]; every write is conditional; a change of a request is one
//! transaction with its events. The layout is in docs/ARCHITECTURE.md.

mod anchor;
mod app;
mod challenge;
mod commit;
mod due;
mod hold;
pub mod keys;
mod notice;
mod read;
mod replay;
mod sending;
mod step;
mod suppression;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::AttributeValue;

pub use anchor::{Anchors, MAX_PER_SHARD, PendingAnchor};
pub use app::{AppItem, AppState};
pub use challenge::{Attempt, Challenge, ChallengeClaim, SendRefusal};
pub use commit::{Extra, Idempotency, Replay};
pub use due::DueItem;
pub use notice::{NoticeItem, NoticeState};
pub use read::{OlderThan, RequestPage, RequestView};
pub use replay::FoundAgain;
pub use step::{Claim, Step, StepStatus};
pub use suppression::Suppressed;

/// A DynamoDB item.
pub type Item = std::collections::HashMap<String, AttributeValue>;

/// Why the ledger did not do something.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody else changed the item first; read it again.
    #[error("the item was changed by somebody else")]
    Conflict,
    /// The idempotency key was used before.
    #[error("the idempotency key was used before")]
    Replayed(Box<Replay>),
    /// DynamoDB did not do it.
    #[error("DynamoDB did not answer: {operation}")]
    Service {
        /// Which call.
        operation: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An item is not in the form that it should be.
    #[error("an item of the ledger is malformed")]
    Malformed(#[from] serde_dynamo::Error),
    /// An item lacks an attribute.
    #[error("an item of the ledger has no {0}")]
    Missing(&'static str),
}

/// The table.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: Client,
    table: String,
}

impl Ledger {
    /// The ledger in this table.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}

/// What a conditional update gave; none if its condition does not hold.
fn if_it_holds<R>(
    sent: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
) -> Result<Option<UpdateItemOutput>, LedgerError>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match sent {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
            Ok(None)
        }
        Err(error) => Err(failed("UpdateItem")(error)),
    }
}

/// An item as an update left it; none if its condition does not hold.
fn updated<T, R>(
    sent: Result<UpdateItemOutput, SdkError<UpdateItemError, R>>,
    what: &'static str,
) -> Result<Option<T>, LedgerError>
where
    T: serde::de::DeserializeOwned,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let Some(output) = if_it_holds(sent)? else { return Ok(None) };
    Ok(Some(serde_dynamo::from_item(output.attributes.ok_or(LedgerError::Missing(what))?)?))
}

/// Wraps an error of a call.
fn failed<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> LedgerError
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    move |error| LedgerError::Service { operation, source: Box::new(error) }
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
