//! A request's life: what can be asked, which states there are, what leads from one to the next. Pure: the clock is
//! passed in, nothing is read or written here.

mod aftercare;
mod apply;
pub mod cancellation;
pub mod change;
mod decision;
mod held;
pub mod id;
pub mod life;
mod recipients;
pub mod state;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::Actor;
pub use aftercare::{Aftercare, Narrowing};
pub use cancellation::{Addresses, Cancelling, Confirmation};
pub use change::{AppEvent, AppMessage, Change, Effect, EffectItem, NewStep, Notice, NoticeKind, StepNumber, Wake};
pub use decision::{Exemptions, Ground, LeftOut};
pub use id::RequestId;
pub use life::{Captured, LifeError, NewRequest, PackageInfo, Request, StageInfo};
pub use recipients::Telling;
pub use state::{IllegalTransition, Status, Transition};

/// What a person can ask for, in the field's words (GDPR chapter III; PIPL chapter IV).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// A copy of the data, with what is done with it (GDPR 15, PIPL 45).
    Access,
    /// The machine-readable part of it (GDPR 20, PIPL 45).
    Portability,
    /// Correction (GDPR 16, PIPL 46).
    Rectification,
    /// Deletion (GDPR 17, PIPL 47).
    Erasure,
    /// The end of the account, and of the data with it.
    AccountCancellation,
    /// Consent taken back (GDPR 7(3), PIPL 15).
    ConsentWithdrawal,
    /// Storage only (GDPR 18).
    Restriction,
    /// No processing for a purpose (GDPR 21, PIPL 44).
    Objection,
    /// Reasons of an automated decision (GDPR 22, PIPL 24).
    Explanation,
    /// A complaint about any of it.
    Complaint,
}

impl Right {
    /// The word for it in the API, in policies and in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Portability => "portability",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::AccountCancellation => "account_cancellation",
            Self::ConsentWithdrawal => "consent_withdrawal",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Explanation => "explanation",
            Self::Complaint => "complaint",
        }
    }

    /// Whether this version does the work of it.
    #[must_use]
    pub fn is_served(self) -> bool {
        matches!(self, Self::Access | Self::Portability | Self::Erasure | Self::AccountCancellation)
    }

    /// Whether its plan erases.
    #[must_use]
    pub fn erases(self) -> bool {
        matches!(self, Self::Erasure | Self::AccountCancellation)
    }

    /// Whether its plan always ends in a package.
    #[must_use]
    pub fn exports(self) -> bool {
        matches!(self, Self::Access | Self::Portability)
    }
}

/// What a request is for: a right that a person exercises, or the controller's own sweep of what has outlived its
/// retention, which goes through the same plan, steps and evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Matter {
    /// A person exercises a right.
    Right(Right),
    /// The controller keeps its retention periods.
    RetentionSweep,
    /// The controller looks in what it has restored for people who were erased.
    Replay,
    /// Somebody whom a replay has found is erased again.
    ErasedAgain,
}

impl Matter {
    const SWEEP: &'static str = "retention_sweep";
    const REPLAY: &'static str = "suppression_replay";
    const AGAIN: &'static str = "erased_again";

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Right(right) => right.name(),
            Self::RetentionSweep => Self::SWEEP,
            Self::Replay => Self::REPLAY,
            Self::ErasedAgain => Self::AGAIN,
        }
    }

    /// The right, if it is one.
    #[must_use]
    pub fn right(self) -> Option<Right> {
        match self {
            Self::Right(right) => Some(right),
            Self::RetentionSweep | Self::Replay | Self::ErasedAgain => None,
        }
    }

    /// Who begins it.
    #[must_use]
    pub fn actor(self) -> Actor {
        match self {
            Self::Right(_) => Actor::Subject,
            Self::RetentionSweep => Actor::System,
            Self::Replay | Self::ErasedAgain => Actor::Operator,
        }
    }
}

impl Serialize for Matter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Matter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.as_str() {
            Self::SWEEP => return Ok(Self::RetentionSweep),
            Self::REPLAY => return Ok(Self::Replay),
            Self::AGAIN => return Ok(Self::ErasedAgain),
            _ => {}
        }
        Right::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(name)).map(Self::Right)
    }
}
