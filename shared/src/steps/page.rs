//! What a worker is given, and what it gives back: one page of a step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::connectors::{Obstacle, Person};
use crate::evidence::{Obstructed, Purged, RetainedRows};
use crate::holds::{Held, Holds, Kept};
use crate::ledger::Claim;
use crate::plan::{Counts, Work};
use crate::policy::Pinned;
use crate::request::{Captured, PackageInfo, Request, Telling};

/// Claims after which a step is not tried again: a worker that dies reports no error, and one that dies at the same page
/// each time would go on for ever. A sound step gives itself back once in a quarter of an hour at most.
pub(super) const MAX_CLAIMS: u32 = 500;
/// Most places that the event of a refusal names.
const MAX_OBSTRUCTED: usize = 100;

/// Why a page was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Trying again may help.
    #[error("a page of a step was not done")]
    Transient(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Trying again cannot help.
    #[error("a step cannot be done")]
    Permanent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Rows keep turning up after they were erased.
    #[error("rows were left over after the erasure")]
    LeftOver,
    /// The preflight found what would make the erasure fail half-way.
    #[error("the preflight refuses the plan: {} obstacles, each in a line of its own", .0.len())]
    Refused(Vec<Obstacle>),
}

impl StepError {
    /// An error that may pass.
    pub fn transient(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Transient(error.into())
    }

    /// An error that will not.
    pub fn permanent(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Permanent(error.into())
    }

    /// Where something stands in the way, for the evidence.
    pub(super) fn obstructed(&self) -> Vec<Obstructed> {
        let Self::Refused(obstacles) = self else { return Vec::new() };
        let place =
            |obstacle: &Obstacle| Obstructed { collection: obstacle.collection.clone(), field: obstacle.field.clone() };
        let places: BTreeSet<Obstructed> = obstacles.iter().map(place).collect();
        places.into_iter().take(MAX_OBSTRUCTED).collect()
    }
}

/// All that a worker is told about its step.
pub struct Job {
    /// The request.
    pub request: Request,
    /// The step, claimed.
    pub claim: Claim,
    /// The policy that the request is answered under.
    pub policy: Arc<Pinned>,
    /// Whom it is about; none for a sweep.
    pub person: Option<Person>,
    /// The legal holds in force when the step was claimed; none for work that no hold stops.
    pub holds: Holds,
}

/// A step was claimed so often that its workers must be dying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the step was claimed more than {MAX_CLAIMS} times and is not done: its workers die")]
pub(crate) struct WorkersDie;

/// A step needs to know whom it is about, and the request does not say any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request no longer holds whom it is about")]
pub(crate) struct NoSubject;

impl Job {
    /// Whom it is about.
    pub fn person(&self) -> Result<&Person, StepError> {
        self.person.as_ref().ok_or_else(|| StepError::permanent(NoSubject))
    }

    /// The collections of the policy that no operator left out.
    pub fn collections_at_stake(&self) -> impl Iterator<Item = &str> {
        self.policy.collections().filter(|name| self.request.exemption(name).is_none())
    }

    /// Whether the step would copy or erase what an operator left out of the request.
    pub(super) fn is_exempt(&self) -> bool {
        let work = &self.claim.step.work;
        let collection = work.collection().filter(|_| matches!(work, Work::Export { .. } | Work::Erase { .. }));
        collection.is_some_and(|name| self.request.exemption(name).is_some())
    }
}

/// What one page did.
pub struct Page {
    /// What it counted.
    pub counts: Counts,
    /// The latest moment until which a row is retained.
    pub retained_until: Option<Timestamp>,
    /// What comes next.
    pub next: Next,
}

/// What comes after a page.
pub enum Next {
    /// Another page, which begins here.
    Page(String),
    /// Another page, which begins here, after this time: something else has to be done first.
    Later(String, SignedDuration),
    /// Nothing: the step is done.
    Done {
        /// The package, if this step made it.
        package: Option<PackageInfo>,
        /// What it captured, if it resolved the subject.
        captured: Option<Captured>,
    },
    /// Nothing: the step was a re-check and is done.
    Rechecked(Found),
    /// Nothing: the step was a purge and is done.
    Purged {
        /// What it did, by collection.
        collections: Vec<Purged>,
        /// Whether an account made since holds one of the identities.
        somebody_new: bool,
        /// Legal holds that keep something of it.
        holds: Vec<Kept>,
    },
    /// Nothing: a recipient was told, or is not told and will not be.
    Told(Telling),
    /// Nothing: the step is done but for what these legal holds keep.
    Kept {
        /// The holds.
        holds: Vec<Kept>,
        /// What a step that comes back for what was held found to be kept for a time.
        retained: Vec<RetainedRows>,
    },
}

/// What a re-check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many rows.
    pub rows: u64,
    /// In which collections.
    pub collections: Vec<String>,
    /// Whether an account made since holds one of the identities.
    pub somebody_new: bool,
    /// Where rows are kept, and until when the last of them is.
    pub kept: BTreeMap<String, Timestamp>,
    /// The legal holds that keep something of it.
    pub holds: Vec<Kept>,
}

impl Page {
    /// The last page of a step that leaves nothing but counts.
    #[must_use]
    pub fn last(counts: Counts) -> Self {
        Self { counts, retained_until: None, next: Next::Done { package: None, captured: None } }
    }
}

/// Does the pages of some kinds of work.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Does the page that begins at the cursor; the first one has none. The driver seals cursors, since the key of a row
    /// can be personal data.
    async fn page(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError>;

    /// Whether legal holds matter to a kind of work. They are read before each step of it begins, or goes on.
    fn minds_holds(&self, work: &Work) -> bool {
        let _ = work;
        false
    }

    /// The legal holds that a step has to wait for.
    fn waits_for(&self, job: &Job) -> Result<Vec<Held>, StepError> {
        let _ = job;
        Ok(Vec::new())
    }
}
