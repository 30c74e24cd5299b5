//! What one step does, whatever it is for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policy::Period;

/// What one step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Finds the subject's row and captures, encrypted, the keys that later steps need.
    Resolve,
    /// Looks for what would make an erasure fail half-way, in every collection, and stops the request if there is any.
    Preflight,
    /// Captures, sealed, the keys by which rows elsewhere refer to the person's rows of one collection.
    Capture {
        /// `<dataset>.<collection>`.
        collection: String,
        /// The fields whose values are captured together.
        fields: Vec<String>,
    },
    /// Copies the subject's rows of one collection into the staging area.
    Export {
        /// `<dataset>.<collection>`.
        collection: String,
    },
    /// Puts the copies together to one package.
    Package,
    /// Deletes the copies that the package was put together from.
    Clear,
    /// Writes the suppression entries.
    Suppress,
    /// Tells a recipient that the person is being erased.
    Tell {
        /// Its id in the policy.
        recipient: String,
    },
    /// Erases, anonymises or retains the subject's rows of one collection, then reads it afresh.
    Erase {
        /// `<dataset>.<collection>`.
        collection: String,
    },
    /// Looks for what was erased once more, some time after the end, and erases what has turned up since.
    Recheck {
        /// How long after the end.
        after: Period,
    },
    /// Forgets the captured keys.
    Forget,
    /// Drops what is known of the person but for the values that lead to rows which are kept for a time.
    Narrow,
    /// Erases what was kept for a time, once that is over.
    Purge {
        /// What is kept until then, and no longer, goes.
        at: Timestamp,
    },
    /// Marks the identities of a cancelled account as not to be taken over.
    Tombstone,
    /// Erases or anonymises the rows of one collection that have outlived their retention.
    Sweep {
        /// `<dataset>.<collection>`.
        collection: String,
    },
    /// Reads all rows of one collection and keeps, sealed, the identities in it that were erased.
    Scan {
        /// `<dataset>.<collection>`.
        collection: String,
        /// The moment whose state was restored.
        state_of: Timestamp,
    },
    /// Opens a request for each person that was found, and waits until all of them have ended.
    Reapply {
        /// What was restored.
        collections: Vec<String>,
        /// The moment whose state was restored.
        state_of: Timestamp,
    },
    /// Reads all rows of one collection afresh, and counts what is left of people who were erased.
    Prove {
        /// `<dataset>.<collection>`.
        collection: String,
        /// The moment whose state was restored.
        state_of: Timestamp,
    },
    /// Finds the row of somebody who was erased and is to be erased again, if there is one.
    ResolveAgain {
        /// The moment whose state was restored.
        state_of: Timestamp,
    },
    /// Erases what legal holds had kept, once one of them has ended.
    EraseHeld,
}

impl Work {
    /// The collection that it touches, if it is one.
    #[must_use]
    pub fn collection(&self) -> Option<&str> {
        match self {
            Self::Capture { collection, .. }
            | Self::Export { collection }
            | Self::Erase { collection }
            | Self::Sweep { collection }
            | Self::Scan { collection, .. }
            | Self::Prove { collection, .. } => Some(collection),
            Self::Resolve
            | Self::ResolveAgain { .. }
            | Self::Reapply { .. }
            | Self::Preflight
            | Self::Package
            | Self::Clear
            | Self::Suppress
            | Self::Tell { .. }
            | Self::Recheck { .. }
            | Self::Forget
            | Self::Narrow
            | Self::Purge { .. }
            | Self::EraseHeld
            | Self::Tombstone => None,
        }
    }

    /// Whether what it counts is part of the request's sum. A scan only looks.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        match self {
            Self::Scan { .. } => false,
            Self::Reapply { .. } => true,
            work => work.collection().is_some(),
        }
    }

    /// The word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scan { .. } => "scan",
            Self::Reapply { .. } => "reapply",
            Self::Prove { .. } => "prove",
            Self::ResolveAgain { .. } => "resolve_again",
            Self::Resolve => "resolve",
            Self::Preflight => "preflight",
            Self::Capture { .. } => "capture",
            Self::Forget => "forget",
            Self::Narrow => "narrow",
            Self::Purge { .. } => "purge",
            Self::Recheck { .. } => "recheck",
            Self::Export { .. } => "export",
            Self::Package => "package",
            Self::Clear => "clear",
            Self::Suppress => "suppress",
            Self::Tell { .. } => "tell",
            Self::Erase { .. } => "erase",
            Self::Tombstone => "tombstone",
            Self::Sweep { .. } => "sweep",
            Self::EraseHeld => "erase_held",
        }
    }
}
