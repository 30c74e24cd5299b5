//! How the step ends that tells a recipient.
//!
//! The rule of this file: a recipient that cannot be told is an operator's matter, and not the person's: the erasure goes on.

use super::driver::{Driver, Ran};
use super::page::StepError;
use crate::evidence::{FailureReason, NotTold};
use crate::ledger::{Claim, Extra, LedgerError};
use crate::plan::Work;
use crate::request::{Request, Telling};

impl Driver {
    /// Commits what became of telling a recipient.
    pub(super) async fn told(
        &self,
        claim: &Claim,
        known: Option<Request>,
        telling: Telling,
    ) -> Result<Ran, LedgerError> {
        let Work::Tell { recipient } = &claim.step.work else {
            return Err(LedgerError::Missing("recipient"));
        };
        let number = claim.step.number;
        let decide = |request: &Request, now| request.recipient_told(number, recipient, telling.clone(), now);
        let extra: fn(Claim) -> Extra = match telling {
            Telling::NotTold(NotTold::Refused | NotTold::TooManyAttempts) => Extra::StepFailed,
            Telling::Told { .. } | Telling::Held(_) | Telling::NotTold(_) => Extra::StepTold,
        };
        let ended = self.commit_step(claim, known, &decide, &extra).await?;
        Ok(if ended { Ran::Done } else { Ran::NotMine })
    }

    /// A recipient was not told, and trying again is over.
    pub(super) async fn not_told(
        &self,
        claim: &Claim,
        recipient: &str,
        reason: FailureReason,
        error: &StepError,
    ) -> Result<Ran, LedgerError> {
        tracing::error!(
            alarm = "recipient_not_told",
            request_id = %claim.request_id,
            recipient,
            error = crate::telemetry::chain(error),
            "a recipient was not told of an erasure; tell it by hand"
        );
        let reason = match reason {
            FailureReason::TooManyAttempts | FailureReason::LeftOver => NotTold::TooManyAttempts,
            FailureReason::Permanent | FailureReason::PreflightRefused => NotTold::Refused,
        };
        let ended = self.told(claim, None, Telling::NotTold(reason)).await?;
        Ok(if ended == Ran::Done { Ran::Failed } else { ended })
    }
}
