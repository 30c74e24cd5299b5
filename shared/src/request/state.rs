//! The states of a request and the one place where it is decided which follows which.

use serde::{Deserialize, Serialize};

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The person has not yet shown who they are.
    AwaitingVerification,
    /// It waits for the person: a confirmation.
    OnHold,
    /// A confirmed cancellation waits, so that the person may think again.
    CoolingOff,
    /// An operator decides.
    UnderReview,
    /// Verified and planned; no work has been done yet.
    Accepted,
    /// Work is being done.
    InProgress,
    /// A step failed for good; an operator has been told.
    NeedsAttention,
    /// The end: done, in full or in part.
    Completed,
    /// The end: refused.
    Denied,
    /// The end: taken back by the person.
    Withdrawn,
    /// The end: the person never showed who they are, or never confirmed.
    Expired,
}

impl Status {
    /// Whether nothing more will be done.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Denied | Self::Withdrawn | Self::Expired)
    }

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AwaitingVerification => "awaiting_verification",
            Self::OnHold => "on_hold",
            Self::CoolingOff => "cooling_off",
            Self::UnderReview => "under_review",
            Self::Accepted => "accepted",
            Self::InProgress => "in_progress",
            Self::NeedsAttention => "needs_attention",
            Self::Completed => "completed",
            Self::Denied => "denied",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// The state after a transition, or why there is none.
    pub fn after(self, transition: Transition) -> Result<Self, IllegalTransition> {
        use Transition as T;
        let next = match (self, transition) {
            (Self::AwaitingVerification, T::Verify)
            | (Self::CoolingOff, T::Proceed)
            | (Self::UnderReview, T::Accept) => Self::Accepted,
            (Self::AwaitingVerification, T::AskToConfirm) | (Self::CoolingOff | Self::UnderReview, T::HoldAgain) => {
                Self::OnHold
            }
            (Self::OnHold, T::Confirm) => Self::CoolingOff,
            (Self::AwaitingVerification | Self::CoolingOff, T::Review) => Self::UnderReview,
            (Self::UnderReview | Self::OnHold | Self::CoolingOff | Self::Accepted, T::Deny) => Self::Denied,
            (Self::Accepted, T::Begin) | (Self::NeedsAttention, T::Retry) => Self::InProgress,
            (Self::InProgress, T::Complete) => Self::Completed,
            (Self::Accepted | Self::InProgress | Self::NeedsAttention, T::Fail) => Self::NeedsAttention,
            (Self::AwaitingVerification | Self::OnHold | Self::CoolingOff | Self::UnderReview, T::Withdraw) => {
                Self::Withdrawn
            }
            (Self::AwaitingVerification | Self::OnHold, T::Expire) => Self::Expired,
            _ => return Err(IllegalTransition { from: self, transition }),
        };
        Ok(next)
    }
}

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The person has shown who they are, and nothing else is needed.
    Verify,
    /// The person has shown who they are, and must now confirm.
    AskToConfirm,
    /// The person confirmed.
    Confirm,
    /// The cooling-off period is over, or an operator had it go on, and something speaks against it.
    HoldAgain,
    /// The cooling-off period is over.
    Proceed,
    /// The first step has been done.
    Begin,
    /// The last step has been done.
    Complete,
    /// A step failed for good.
    Fail,
    /// An operator has it tried again.
    Retry,
    /// The person takes it back.
    Withdraw,
    /// The person did not answer in time.
    Expire,
    /// An operator is to look at it first.
    Review,
    /// An operator has it go on.
    Accept,
    /// An operator refuses it.
    Deny,
    /// An operator leaves a part of it out. It stays where it is.
    Exempt,
}

/// A transition that the present state does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {} cannot {transition:?}", from.name())]
pub struct IllegalTransition {
    /// The present state.
    pub from: Status,
    /// What was tried.
    pub transition: Transition,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out_of_an_end() {
        use Transition as T;
        for end in [Status::Completed, Status::Denied, Status::Withdrawn, Status::Expired] {
            for transition in [
                T::Verify,
                T::AskToConfirm,
                T::Confirm,
                T::Proceed,
                T::HoldAgain,
                T::Begin,
                T::Complete,
                T::Fail,
                T::Retry,
                T::Withdraw,
                T::Expire,
                T::Review,
                T::Accept,
                T::Deny,
                T::Exempt,
            ] {
                assert!(end.after(transition).is_err(), "{end:?} {transition:?}");
            }
        }
    }

    #[test]
    fn work_that_has_begun_cannot_be_withdrawn() {
        for status in [Status::Accepted, Status::InProgress, Status::NeedsAttention] {
            assert!(status.after(Transition::Withdraw).is_err());
        }
        for status in [Status::InProgress, Status::NeedsAttention, Status::AwaitingVerification] {
            assert!(status.after(Transition::Deny).is_err(), "nor refused, and nobody is before they are known");
        }
    }
}
