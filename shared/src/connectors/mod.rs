//! The code that reads and erases in one kind of system: one file a kind, one trait.
//!
//! The rules of this room: a page is bounded, its cursor survives a restart, and doing an action again does nothing more.

mod dynamodb;
mod links;
mod rows;
mod s3;

use async_trait::async_trait;

pub use dynamodb::DynamoDb;
pub use links::{LinkCursor, LinkPage, read_linked};
pub use rows::{Decision, decide, decide_sweep, exported, is_omitted, masked};
pub use s3::{Objects, S3};

use crate::mask::Masked;
use crate::policy::Place;
use crate::record::Record;

/// Why a connector did not do something.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The system is busy or out of reach: try again.
    #[error("{operation} did not succeed; it may the next time")]
    Transient {
        /// Which call.
        operation: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A permission or the place is missing, or the system refuses the call as it is.
    #[error("{operation} is refused")]
    Permanent {
        /// Which call.
        operation: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A cursor is not one of this connector.
    #[error("a cursor is malformed")]
    Cursor,
    /// A row is not in a form that the policy describes.
    #[error("a row is not as the policy describes: {0}")]
    Row(&'static str),
    /// The collection is not in a system that this connector serves.
    #[error("the collection is not in a system of this kind")]
    WrongKind,
}

impl ConnectorError {
    /// As the error of a step.
    #[must_use]
    pub fn into_step(self) -> crate::steps::StepError {
        match self {
            Self::Transient { .. } => crate::steps::StepError::transient(self),
            Self::Permanent { .. } | Self::Cursor | Self::Row(_) | Self::WrongKind => {
                crate::steps::StepError::permanent(self)
            }
        }
    }
}

/// Which rows.
#[derive(Clone, Copy)]
pub enum Selector<'a> {
    /// Those whose link field has this value.
    Link {
        /// The field.
        field: &'a str,
        /// The value.
        value: &'a str,
    },
    /// All.
    All,
}

/// A row or object version as it was read.
pub struct Row {
    /// What the connector finds it by again.
    pub handle: Handle,
    /// Its fields; for an object its description.
    pub record: Record,
    /// False for an old version or a delete marker, which is erased but not shown.
    pub is_current: bool,
}

/// What a connector finds a row by again.
pub enum Handle {
    /// A DynamoDB key.
    Item(crate::ledger::Item),
    /// A version of an object.
    Version {
        /// The object's key.
        key: String,
        /// Its version.
        version: Option<String>,
    },
}

/// Rows, and where the next page begins.
pub struct ReadPage {
    /// The rows.
    pub rows: Vec<Row>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
}

/// What to do to a row.
pub enum Action {
    /// It goes.
    Erase,
    /// These fields change; the rest stays.
    Change(Vec<(String, Masked)>),
}

/// Reads and erases in one kind of system.
#[async_trait]
pub trait Connector: Send + Sync {
    /// A page of rows.
    async fn read(
        &self,
        place: Place<'_>,
        selector: Selector<'_>,
        cursor: Option<&str>,
    ) -> Result<ReadPage, ConnectorError>;

    /// Does something to rows that were read. Doing it again, or to a row that is gone, does nothing.
    async fn apply(&self, place: Place<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError>;
}

/// The connectors that a function has, by kind of place.
pub struct Connectors {
    /// For tables.
    pub dynamodb: DynamoDb,
    /// For objects; none in a function that has no business with them.
    pub s3: Option<S3>,
}

impl Connectors {
    /// The connector for a place.
    pub fn of(&self, place: Place<'_>) -> Result<&dyn Connector, ConnectorError> {
        match place {
            Place::Table(_) => Ok(&self.dynamodb),
            Place::Objects { .. } => self.s3.as_ref().map(|s3| s3 as &dyn Connector).ok_or(ConnectorError::WrongKind),
        }
    }
}

/// Sorts an SDK error by its code: what trying again cannot mend is permanent.
fn refused<E>(operation: &'static str, error: E) -> ConnectorError
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    const PERMANENT: [&str; 7] = [
        "AccessDenied",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "NoSuchBucket",
        "ValidationException",
        "InvalidArgument",
        "UnrecognizedClientException",
    ];
    let permanent = error.code().is_some_and(|code| PERMANENT.contains(&code));
    let source = Box::new(error);
    if permanent {
        ConnectorError::Permanent { operation, source }
    } else {
        ConnectorError::Transient { operation, source }
    }
}
