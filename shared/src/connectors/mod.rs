//! The code that reads and erases in one kind of system: one file a kind, one trait.
//!
//! The rules of this room: a page is bounded, its cursor survives a restart, and doing an action again does nothing more.

mod dynamodb;
mod erasure;
pub mod formats;
mod obstacles;
mod person;
mod postgresql;
mod rows;
mod s3;
mod walk;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

pub use dynamodb::DynamoDb;
pub use erasure::{ErasureJudge, GroupValues, Groups, erasure_judge};
pub use obstacles::obstacles_of;
pub use person::{KeyStore, NoKeyStore, Person, Tuple};
pub use postgresql::{AwsDatabaseCredentials, DatabaseCredentials, Postgresql};
pub(crate) use rows::moment;
pub use rows::{Decision, decide, decide_sweep, erases_all, exported, is_shown_whole, masked};
pub use s3::{Objects, S3};

use serde::Serialize;

use crate::mask::{Masked, Samples};
use crate::plan::Counts;
use crate::policy::{CollectionRule, Field, Link, Pinned, Place};
use crate::random::Random;
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
    /// The keys that lead here have not been captured, or cannot be read.
    #[error("the captured keys cannot be read")]
    Keys(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The collection is not in a system that this connector serves.
    #[error("the collection is not in a system of this kind")]
    WrongKind,
}

impl ConnectorError {
    /// As the error of a step.
    #[must_use]
    pub fn into_step(self) -> crate::steps::StepError {
        match self {
            Self::Transient { .. } | Self::Keys(_) => crate::steps::StepError::transient(self),
            Self::Permanent { .. } | Self::Cursor | Self::Row(_) | Self::WrongKind => {
                crate::steps::StepError::permanent(self)
            }
        }
    }
}

/// A collection as a connector is asked about it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Its full name.
    pub name: &'a str,
    /// Where it is.
    pub place: Place<'a>,
    /// What ties its rows to a person.
    pub links: &'a [Link],
    /// Its fields.
    pub fields: &'a [Field],
    /// The policy, for the collections that links come from.
    pub policy: &'a Pinned,
}

impl<'a> Target<'a> {
    /// A collection of a policy.
    pub fn of(policy: &'a Pinned, name: &'a str) -> Result<Self, ConnectorError> {
        let place = policy.place(name).ok_or(ConnectorError::WrongKind)?;
        let fields = policy.collection(name).map_or(&[][..], |collection| collection.fields.as_slice());
        Ok(Self { name, place, links: policy.links(name), fields, policy })
    }
}

/// Whose rows.
#[derive(Clone, Copy)]
pub enum Who<'a> {
    /// A person's, through the links of the collection.
    Person(&'a Person),
    /// Everybody's.
    Everyone,
}

/// A row or object version as it was read.
pub struct Row {
    /// What the connector finds it by again.
    pub handle: Handle,
    /// Its fields; for an object its description.
    pub record: Record,
    /// False for an old version or a delete marker, which is erased but not shown.
    pub is_current: bool,
    /// The position of the first link of the collection that leads to it; 0 if everybody's rows are read.
    pub link: usize,
}

/// What a connector finds a row by again.
pub enum Handle {
    /// A DynamoDB item as it was read, key and all: a change is made on the condition that what decided is still so.
    Item(crate::ledger::Item),
    /// A version of an object.
    Version {
        /// The object's key.
        key: String,
        /// Its version.
        version: Option<String>,
    },
    /// A row of a database.
    Key {
        /// The texts of its key's fields.
        values: Vec<Option<String>>,
        /// Which version of the row it was: a change made since is not overwritten.
        version: String,
    },
}

/// Rows, and where the next page begins.
#[derive(Default)]
pub struct ReadPage {
    /// The rows, each once: a row that several links lead to comes with the first.
    pub rows: Vec<Row>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
    /// With the last page of everybody's rows: how many objects and rows could not be read. Of a person's rows that is an error.
    pub unread: u64,
}

/// What to do to a row.
pub enum Action {
    /// It goes.
    Erase,
    /// These fields change; the rest stays.
    Change(Vec<(String, Masked)>),
    /// It goes from here to another collection of the same system, whole and in one: never to be in both, nor in neither.
    Move(String),
}

/// Says what becomes of a row.
pub trait Judge: Send + Sync {
    /// What becomes of it.
    fn judge(&self, row: &Row) -> Result<Decision, ConnectorError>;
}

impl<F: Fn(&Row) -> Result<Decision, ConnectorError> + Send + Sync> Judge for F {
    fn judge(&self, row: &Row) -> Result<Decision, ConnectorError> {
        self(row)
    }
}

/// What was done to a page of rows.
#[derive(Default)]
pub struct Acted {
    /// How many were read, erased and anonymised.
    pub counts: Counts,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
}

/// Reads and erases in one kind of system. docs/connectors.md is the author's guide.
///
/// Whatever a connector does, it does a page at a time; a cursor is text that a later process goes on from; doing the same
/// again does nothing more; and a row that was changed since it was read is left as it is, for the fresh read to find.
#[async_trait]
pub trait Connector: Send + Sync {
    /// A page of rows.
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError>;

    /// A page of rows as an export writes them, where nothing of them is left out or changed: the same rows and cursors as
    /// [`Connector::read`] gives. None: this system has no quicker way to them than that.
    async fn lines(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Option<Lines>, ConnectorError> {
        let _ = (target, who, cursor);
        Ok(None)
    }

    /// Does something to rows that were read. Doing it again, or to a row that is gone, does nothing.
    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError>;

    /// Reads a page and does to each row what the judge says. A system whose rows cannot be changed one by one (rows
    /// inside objects) does it its own way.
    async fn act(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        let page = self.read(target, who, cursor).await?;
        let (counts, actions) = judged(page.rows, judge)?;
        if !actions.is_empty() {
            self.apply(target, actions).await?;
        }
        Ok(Acted { counts, next: page.next })
    }

    /// Erases a page of rows of which every one goes: what [`Connector::act`] does with a judge that says so of each. None:
    /// this system has no quicker way than that.
    async fn erase(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Option<Acted>, ConnectorError> {
        let _ = (target, who, cursor);
        Ok(None)
    }

    /// Why rows that the policy would have gone, and that a fresh read still found, are there: the system keeps them itself.
    /// None for a row that nothing keeps.
    async fn held(&self, target: &Target<'_>, rows: &[Row]) -> Result<Vec<Option<Hold>>, ConnectorError> {
        let _ = target;
        Ok(vec![None; rows.len()])
    }

    /// How many rows there are.
    async fn count(&self, target: &Target<'_>, who: Who<'_>) -> Result<u64, ConnectorError> {
        let (mut count, mut cursor) = (0, None);
        loop {
            let page = self.read(target, who, cursor.as_deref()).await?;
            count += page.rows.len() as u64;
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// How many rows, whoever's they are, have each of these sets of values in these fields; of very many only the first. A
    /// system that cannot count them in few bounded calls refuses, and so does the check of a policy that asks for it.
    async fn group_sizes(
        &self,
        target: &Target<'_>,
        fields: &[String],
        groups: &[GroupValues],
    ) -> Result<Vec<u64>, ConnectorError> {
        let _ = (target, fields, groups);
        Err(ConnectorError::WrongKind)
    }

    /// Values that other people's rows have in these fields, for [`Samples::draw`]: some of them by chance, by a bounded look.
    /// A system that cannot pick rows by chance has none, so that nothing is drawn; the check of a policy refuses to ask it.
    async fn sample(
        &self,
        target: &Target<'_>,
        person: &Person,
        fields: &[String],
        random: &dyn Random,
    ) -> Result<Samples, ConnectorError> {
        let _ = (target, person, fields, random);
        Ok(Samples::default())
    }

    /// What would stand in the way of reading the collection, and with a rule of erasing in it, found without touching a
    /// row.
    async fn preflight(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError>;
}

/// Rows as lines of JSON, and where the next page begins.
pub struct Lines {
    /// A record a line, with all of its fields.
    pub text: Vec<u8>,
    /// How many.
    pub rows: u64,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
}

/// What a judge says of rows: how many go and how many change, and what is to be done.
fn judged(rows: Vec<Row>, judge: &dyn Judge) -> Result<(Counts, Vec<(Row, Action)>), ConnectorError> {
    let mut counts = Counts { read: rows.len() as u64, ..Counts::default() };
    let mut actions = Vec::new();
    for row in rows {
        match judge.judge(&row)? {
            Decision::Act(Action::Erase) => {
                counts.erased += 1;
                actions.push((row, Action::Erase));
            }
            Decision::Act(action @ Action::Change(_)) => {
                counts.anonymised += 1;
                actions.push((row, action));
            }
            Decision::Act(action @ Action::Move(_)) => {
                counts.moved += 1;
                actions.push((row, action));
            }
            Decision::Retain { minimise, .. } if !minimise.is_empty() => {
                actions.push((row, Action::Change(minimise)));
            }
            Decision::Retain { .. } | Decision::Leave => {}
        }
    }
    Ok((counts, actions))
}

/// A system keeps a row whatever it is asked: an object under a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Until when; none: until somebody lifts it.
    pub until: Option<Timestamp>,
}

/// Something that stands in the way of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Whether the plan must not begin; otherwise it is worth knowing.
    pub refuses: bool,
    /// The collection.
    pub collection: String,
    /// The field, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What it is, and what to do.
    pub message: String,
}

/// The connectors that a function has, by kind of place.
pub struct Connectors {
    /// For tables.
    pub dynamodb: Arc<dyn Connector>,
    /// For objects; none in a function that has no business with them.
    pub s3: Option<S3>,
    /// For databases; none in a function that has no business with them.
    pub postgresql: Option<Postgresql>,
}

impl Connectors {
    /// The connector for a place.
    pub fn of(&self, place: Place<'_>) -> Result<&dyn Connector, ConnectorError> {
        match place {
            Place::Table(_) => Ok(self.dynamodb.as_ref()),
            Place::Objects { .. } | Place::Rows { .. } => {
                self.s3.as_ref().map(|s3| s3 as &dyn Connector).ok_or(ConnectorError::WrongKind)
            }
            Place::Relation { .. } => {
                let postgresql = self.postgresql.as_ref().map(|postgresql| postgresql as &dyn Connector);
                postgresql.ok_or(ConnectorError::WrongKind)
            }
        }
    }
}

/// An error that a service answered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer was {code}")]
struct Answered {
    code: String,
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
    let code = error.code().map(ToOwned::to_owned);
    let permanent = code.as_deref().is_some_and(|code| PERMANENT.contains(&code));
    // What a service answers in words repeats what was sent: a key, an object's name with a person's id in it.
    let source: Box<dyn std::error::Error + Send + Sync> = match code {
        Some(code) => Box::new(Answered { code }),
        None => Box::new(error),
    };
    if permanent {
        ConnectorError::Permanent { operation, source }
    } else {
        ConnectorError::Transient { operation, source }
    }
}
