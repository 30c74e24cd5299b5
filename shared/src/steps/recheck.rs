//! The end of a re-check.

use crate::evidence::RecheckReport;
use crate::ledger::{Extra, LedgerError};
use crate::plan::Work;
use crate::request::Request;

use super::driver::{Driver, Ran};
use super::page::{Found, Job};

impl Driver {
    /// Writes the end of a re-check, and tells an operator if it found anything: something writes what should be gone.
    pub(super) async fn rechecked(&self, job: Job, found: Found) -> Result<Ran, LedgerError> {
        let kept = found.kept;
        let step = &job.claim.step;
        let Work::Recheck { after } = step.work else {
            return Err(LedgerError::Missing("re-check"));
        };
        let report = RecheckReport {
            step: step.number,
            after,
            // What was done in a round whose findings were lost was found as well.
            found: found.rows.max(step.counts.erased + step.counts.anonymised),
            found_in: found.collections,
            counts: step.counts,
            somebody_new: found.somebody_new,
            holds: found.holds,
        };
        if report.found > 0 {
            tracing::error!(
                alarm = "found_after_erasure",
                request_id = %job.request.id,
                found = report.found,
                found_in = report.found_in.join(", "),
                "rows of somebody who was erased had turned up again; they are gone, and what wrote them should be mended"
            );
        }
        let decide = |request: &Request, now| request.rechecked(report.clone(), &kept, now);
        let ended = self.commit_step(&job.claim, Some(job.request), &decide, &Extra::StepDone).await?;
        Ok(if ended { Ran::Done } else { Ran::NotMine })
    }
}
