//! What a step does that meets a legal hold: it waits, without being worked on and without failing, or is done but for what is
//! held.

use jiff::Timestamp;

use super::driver::{Driver, Ran};
use super::message::Message;
use super::page::{Job, StepError, Worker};
use crate::evidence::{RetainedRows, StepReport};
use crate::holds::{Held, HoldId, Holds, Kept, next_look};
use crate::ledger::{Claim, Extra, LedgerError};
use crate::plan::Work;
use crate::request::life::LifeError;
use crate::request::{Change, EffectItem, Request};

impl Driver {
    /// Takes note of the holds in force; none if they do not matter to the step. Some: the step does not go on.
    pub(super) async fn meet_holds(
        &self,
        job: &mut Job,
        holds: Option<Result<Holds, LedgerError>>,
        worker: &dyn Worker,
    ) -> Result<Option<Ran>, LedgerError> {
        job.holds = match holds {
            None => return Ok(None),
            Some(Ok(holds)) => holds,
            Some(Err(error)) => return self.failed(&job.claim, StepError::transient(error)).await.map(Some),
        };
        match worker.waits_for(job) {
            Ok(waits_for) => self.wait_for_holds(job, &waits_for).await,
            Err(error) => self.failed(&job.claim, error).await.map(Some),
        }
    }

    /// Gives the step back if it has to wait for holds, to look again when the first of them ends, or within a day. What is
    /// new about holds is written into the request's history in the same transaction. None: the step goes on.
    async fn wait_for_holds(&self, job: &Job, waits_for: &[Held]) -> Result<Option<Ran>, LedgerError> {
        let now = self.clock.now();
        let mut claim = job.claim.clone();
        claim.step.waits += 1;
        let again = if waits_for.is_empty() { now } else { next_look(waits_for, now) };
        if job.request.holds_changed(waits_for, &job.holds, now).is_none() {
            if waits_for.is_empty() {
                return Ok(None);
            }
            return match self.ledger.release_claim(&claim, again).await {
                Ok(()) => Ok(Some(Ran::GivenBack)),
                Err(LedgerError::Conflict) => Ok(Some(Ran::NotMine)),
                Err(error) => Err(error),
            };
        }
        let decide = |request: &Request, now: Timestamp| -> Result<Change, LifeError> {
            Ok(request.holds_changed(waits_for, &job.holds, now).unwrap_or_else(|| request.unchanged()))
        };
        let extra = |claim: Claim| Extra::StepWaits(claim, again);
        if !self.commit_step(&claim, Some(job.request.clone()), &decide, &extra).await? {
            return Ok(Some(Ran::NotMine));
        }
        for held in waits_for {
            tracing::info!(request_id = %job.request.id, step = %claim.step.number, hold = %held.hold, until = %held.until, "a legal hold stops a step");
        }
        if waits_for.is_empty() {
            let item = EffectItem::Step(claim.step.number);
            self.send(claim.queue, &[Message { request_id: job.request.id.clone(), item }]).await;
        }
        Ok(Some(Ran::GivenBack))
    }

    /// Writes the end of a step that holds keep something of.
    pub(super) async fn done_but_for(
        &self,
        job: Job,
        holds: Vec<Kept>,
        retained: Vec<RetainedRows>,
    ) -> Result<Ran, LedgerError> {
        let step = &job.claim.step;
        let report = StepReport {
            step: step.number,
            work: step.work.clone(),
            counts: step.counts,
            retained_until: step.retained_until,
            exempt: false,
            holds,
            retained,
        };
        let over: Vec<HoldId> = job.request.kept.iter().map(|kept| kept.held.hold.clone()).collect();
        let over: Vec<HoldId> = over.into_iter().filter(|hold| !job.holds.has(hold)).collect();
        let decide = |request: &Request, now: Timestamp| match report.work {
            Work::EraseHeld => request.held_erased(report.clone(), &over, now),
            _ => request.step_done(report.clone(), None, None, now),
        };
        let ended = self.commit_step(&job.claim, Some(job.request.clone()), &decide, &Extra::StepDone).await?;
        Ok(if ended { Ran::Done } else { Ran::NotMine })
    }
}
