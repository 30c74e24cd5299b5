//! What a plan would do, found out without doing it.
//!
//! The rules of this room: nothing is written anywhere; a dry run holds names and counts and never a value of anybody's; and
//! what it looks at is bounded, in rows, keys and time, and marked where it did not look at all.

mod consequences;
mod keys;
mod look;
mod outline;

use jiff::Timestamp;
use serde::Serialize;

pub use consequences::{Consequence, Fate, What, consequences};
pub use look::{DryRunError, Limits, Means};
pub use outline::{Does, FieldAction, Kept, Outline, PlannedStep, PolicyName, Way};

use crate::connectors::Obstacle;

/// A plan with what it would find and do now, for one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DryRun {
    /// The steps, those that touch rows with how many.
    #[serde(flatten)]
    pub outline: Outline,
    /// When it was looked at. Whether a row is retained is judged by this moment.
    pub at: Timestamp,
    /// Whether anybody is there.
    pub subject: Subject,
    /// Whether a request would begin: nothing that refuses stands in the way.
    pub begins: bool,
    /// What stands in the way, what refuses first.
    pub obstacles: Vec<Obstacle>,
    /// The sum of the steps.
    pub total: Total,
}

/// The person's own rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The collection with one row a person.
    pub collection: String,
    /// How many the identity leads to; none if they cannot be read.
    pub rows: Option<u64>,
}

/// The rows that one step would touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// How many there are, or at least are if it is not exact. For captured keys: how many different ones.
    pub found: u64,
    /// Whether all were counted.
    #[serde(rename = "exact")]
    pub is_exact: bool,
    /// What an erasure makes of them.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
}

/// What an erasure makes of the rows that were looked at: of all, or of the first ones if there are very many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Split {
    /// How many were looked at.
    pub looked_at: u64,
    /// They go.
    pub erased: u64,
    /// They stay and identify nobody.
    pub anonymised: u64,
    /// They are kept for a time.
    pub retained: u64,
    /// They are moved to another collection, where they are kept for a time.
    #[serde(skip_serializing_if = "is_zero")]
    pub moved: u64,
    /// They are as the policy wants them already.
    pub left: u64,
    /// Until when the last of the retained ones is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
}

/// The sum of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Rows and objects copied for the person.
    pub exported: u64,
    /// They go.
    pub erased: u64,
    /// They stay and identify nobody.
    pub anonymised: u64,
    /// They are kept for a time.
    pub retained: u64,
    /// They are moved to another collection, where they are kept for a time.
    #[serde(skip_serializing_if = "is_zero")]
    pub moved: u64,
    /// They are as the policy wants them already.
    pub left: u64,
    /// Whether all rows of all steps were looked at.
    #[serde(rename = "exact")]
    pub is_exact: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Rows {
    /// So many, and no more.
    #[must_use]
    pub fn exactly(found: u64) -> Self {
        Self { found, is_exact: true, split: None }
    }

    /// Whether the split is of some of the rows only.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.split.is_some_and(|split| !self.is_exact || split.looked_at < self.found)
    }
}
