//! Runs one step: claim, page after page under a checkpoint, done. The same for every kind of work.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::message::Message;
use super::page::{Job, MAX_CLAIMS, Next, StepError, Worker, WorkersDie};
use super::queue::Queues;
use crate::clock::Clock;
use crate::connectors::{KeyStore, Person};
use crate::evidence::{FailureReason, StepReport};
use crate::holds::Holds;
use crate::identity::{SealError, Sealer, SubjectKeys, seal};
use crate::ledger::{Claim, Extra, Ledger, LedgerError};
use crate::plan::{Queue, Work};
use crate::random::{self, Random};
use crate::request::life::LifeError;
use crate::request::{Captured, Change, Effect, EffectItem, PackageInfo, Request, RequestId, Status, StepNumber};

/// Failures after which a step is not tried again.
const MAX_FAILURES: u32 = 8;
/// How much of a function's time is left when a step gives itself back.
const TIME_RESERVE: SignedDuration = SignedDuration::from_secs(20);
/// Most times that a commit is tried again because other steps of the request were done meanwhile.
const COMMIT_TRIES: u32 = 40;

/// What cursors are sealed for.
const CURSOR: &str = "cursor";

/// What became of a message about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The step is done.
    Done,
    /// It was not there to be had: done already, or another worker has it.
    NotMine,
    /// It gave itself back: out of time, or to be tried again later.
    GivenBack,
    /// It failed for good.
    Failed,
}

/// Claims, loops, commits. Holds what every function has.
#[derive(Clone)]
pub struct Driver {
    /// The ledger.
    pub ledger: Ledger,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for back-off.
    pub random: Arc<dyn Random>,
    /// Opens what is sealed.
    pub sealer: Arc<Sealer>,
    /// Keeps captured keys.
    pub key_store: Arc<dyn KeyStore>,
}

impl Driver {
    /// Runs the step that a message names. An error brings the message back, and so does one that names none, for an operator
    /// to look at; nothing else does, since whatever gave the step back has also set its timer.
    pub async fn attend(
        &self,
        message: &Message,
        queue: Queue,
        policies: &dyn crate::aws::PolicySource,
        worker: &dyn Worker,
        deadline: Timestamp,
    ) -> super::Handled {
        let id = &message.request_id;
        let EffectItem::Step(number) = message.item else {
            tracing::error!(alarm = "misdirected", request_id = %id, "not for this function");
            return super::Handled::Retry;
        };
        match self.run(id, number, queue, policies, worker, deadline).await {
            Ok(ran) => {
                tracing::info!(request_id = %id, step = %number, ?ran, "attended");
                super::Handled::Done
            }
            Err(error) => {
                crate::telemetry::warn_chain("a step's message will come again", &error);
                super::Handled::Retry
            }
        }
    }

    /// Runs a step until it is done, or the deadline is near.
    pub async fn run(
        &self,
        id: &RequestId,
        number: StepNumber,
        queue: Queue,
        policies: &dyn crate::aws::PolicySource,
        worker: &dyn Worker,
        deadline: Timestamp,
    ) -> Result<Ran, LedgerError> {
        let now = self.clock.now();
        let Some(claim) = self.ledger.claim_step(id, number, queue, now).await? else {
            return Ok(Ran::NotMine);
        };
        tracing::info!(request_id = %id, step = %number, work = claim.step.work.name(), attempt = claim.step.attempt, "claimed");
        if claim.step.attempt.saturating_sub(claim.step.waits) > MAX_CLAIMS {
            return self.failed(&claim, StepError::permanent(WorkersDie)).await;
        }
        // Neither has to wait for the other.
        let minds_holds = worker.minds_holds(&claim.step.work);
        let holds = async { if minds_holds { Some(self.ledger.holds(now).await) } else { None } };
        let (job, holds) = tokio::join!(self.job(claim, policies), holds);
        let mut job = match job? {
            Ok(job) => job,
            Err((claim, error)) => return self.failed(&claim, error).await,
        };
        if job.request.status.is_end() && !job.request.is_cared_for_by(number) {
            tracing::info!(request_id = %id, step = %number, status = job.request.status.name(), "the request has ended");
            self.ledger.retire_step(&job.claim).await?;
            return Ok(Ran::NotMine);
        }
        let is_worked_on = matches!(job.request.status, Status::Accepted | Status::InProgress);
        if !is_worked_on && !job.request.is_cared_for_by(number) {
            tracing::warn!(request_id = %id, step = %number, status = job.request.status.name(), "the request does not go on");
            self.ledger
                .release_claim(&job.claim, now.saturating_add(SignedDuration::from_hours(1)).unwrap_or(now))
                .await?;
            return Ok(Ran::GivenBack);
        }
        if job.is_exempt() {
            return self.done(job, None, None).await;
        }
        if let Some(ran) = Box::pin(self.meet_holds(&mut job, holds, worker)).await? {
            return Ok(ran);
        }
        let mut cursor: Option<String> = match &job.claim.step.cursor {
            None => None,
            Some(sealed) => match self.sealer.open(id, CURSOR, sealed).await {
                Ok(cursor) => Some(cursor),
                Err(error) => return self.failed(&job.claim, StepError::transient(error)).await,
            },
        };
        loop {
            let page = match worker.page(&job, cursor.as_deref()).await {
                Ok(page) => page,
                Err(error) => return self.failed(&job.claim, error).await,
            };
            let step = &mut job.claim.step;
            step.counts.add(&page.counts);
            step.retained_until = step.retained_until.max(page.retained_until);
            let mut wait = None;
            match page.next {
                Next::Later(next, time) => (cursor, wait) = (Some(next), Some(time)),
                Next::Done { package, captured } => return self.done(job, package, captured).await,
                Next::Rechecked(found) => return self.rechecked(job, found).await,
                Next::Purged { collections, somebody_new, holds } => {
                    return self.purged(job, collections, somebody_new, holds).await;
                }
                Next::Told(telling) => return Box::pin(self.told(&job.claim, Some(job.request), telling)).await,
                Next::Kept { holds, retained } => return Box::pin(self.done_but_for(job, holds, retained)).await,
                Next::Page(next) => cursor = Some(next),
            }
            job.claim.step.cursor = match self.sealer.seal(id, CURSOR, &cursor).await {
                Ok(sealed) => Some(sealed),
                // Nothing was committed of this page, so it is simply done again.
                Err(error) => {
                    crate::telemetry::warn_chain("a step is left to its lease", &error);
                    return Ok(Ran::GivenBack);
                }
            };
            let now = self.clock.now();
            if let Some(wait) = wait {
                self.ledger.release_claim(&job.claim, now.saturating_add(wait).unwrap_or(now)).await?;
                return Ok(Ran::GivenBack);
            }
            if deadline.duration_since(now) < TIME_RESERVE {
                self.ledger.release_claim(&job.claim, now).await?;
                self.send(queue, &[Message { request_id: id.clone(), item: EffectItem::Step(number) }]).await;
                return Ok(Ran::GivenBack);
            }
            match self.ledger.checkpoint(&job.claim, now).await {
                Ok(()) => {}
                Err(LedgerError::Conflict) => return Ok(Ran::NotMine),
                Err(error) => return Err(error),
            }
        }
    }

    async fn job(
        &self,
        claim: Claim,
        policies: &dyn crate::aws::PolicySource,
    ) -> Result<Result<Job, (Claim, StepError)>, LedgerError> {
        let request = self.ledger.request(&claim.request_id).await?.ok_or(LedgerError::Missing("request"))?;
        let policy = match policies.policy(&request.policy).await {
            Ok(policy) => request.under(policy),
            Err(error) => return Ok(Err((claim, StepError::transient(error)))),
        };
        let person = match &request.sealed {
            None => None,
            Some(sealed) => match self.sealer.open::<SubjectKeys>(&request.id, seal::end::SUBJECT, sealed).await {
                Ok(subject) => Some(Person::of(request.id.clone(), subject, self.key_store.clone())),
                Err(error @ SealError::KeyService(_)) => return Ok(Err((claim, StepError::transient(error)))),
                Err(error) => return Ok(Err((claim, StepError::permanent(error)))),
            },
        };
        Ok(Ok(Job { request, claim, policy, person, holds: Holds::default() }))
    }

    /// Writes the end of a step. Where others are done beside it the request has most likely changed, and to read it again
    /// costs less than to be refused; what the step did stays what it was when the step was claimed.
    async fn done(
        &self,
        job: Job,
        package: Option<PackageInfo>,
        captured: Option<Captured>,
    ) -> Result<Ran, LedgerError> {
        let step = &job.claim.step;
        let report = StepReport {
            step: step.number,
            work: step.work.clone(),
            counts: step.counts,
            retained_until: step.retained_until,
            exempt: job.is_exempt(),
            holds: Vec::new(),
            retained: Vec::new(),
        };
        let decide = |request: &Request, now: Timestamp| {
            request.step_done(report.clone(), package.clone(), captured.clone(), now)
        };
        let known = Some(job.request).filter(|request| !request.has_steps_side_by_side());
        let ended = self.commit_step(&job.claim, known, &decide, &Extra::StepDone).await?;
        Ok(if ended { Ran::Done } else { Ran::NotMine })
    }

    pub(super) async fn failed(&self, claim: &Claim, error: StepError) -> Result<Ran, LedgerError> {
        let reason = match &error {
            StepError::Permanent(_) => FailureReason::Permanent,
            StepError::Refused(_) => FailureReason::PreflightRefused,
            StepError::LeftOver if claim.step.failures + 1 >= MAX_FAILURES => FailureReason::LeftOver,
            _ if claim.step.failures + 1 >= MAX_FAILURES => FailureReason::TooManyAttempts,
            _ => {
                crate::telemetry::warn_chain("a step will be tried again", &error);
                let mut again = claim.clone();
                again.step.failures += 1;
                if matches!(error, StepError::LeftOver) {
                    // From the beginning: what was left over must be acted on, not only looked at.
                    again.step.cursor = None;
                }
                let wake_at = self.clock.now().saturating_add(self.back_off(again.step.failures));
                return match self.ledger.release_claim(&again, wake_at.unwrap_or(Timestamp::MAX)).await {
                    Ok(()) => Ok(Ran::GivenBack),
                    Err(LedgerError::Conflict) => Ok(Ran::NotMine),
                    Err(error) => Err(error),
                };
            }
        };
        if let Work::Tell { recipient } = &claim.step.work {
            // A box ends the nesting of future types, which the compiler follows only so deep.
            return Box::pin(self.not_told(claim, recipient, reason, &error)).await;
        }
        crate::telemetry::error_chain("needs_attention", "a step failed for good", &error);
        let number = claim.step.number;
        let obstructed = error.obstructed();
        let decide = |request: &Request, now: Timestamp| request.step_failed(number, reason, obstructed.clone(), now);
        let ended = self.commit_step(claim, None, &decide, &Extra::StepFailed).await?;
        Ok(if ended { Ran::Failed } else { Ran::NotMine })
    }

    /// Commits what a step's end makes of the request. False: the step is not this worker's any more.
    pub(super) async fn commit_step(
        &self,
        claim: &Claim,
        known: Option<Request>,
        decide: &(dyn Fn(&Request, Timestamp) -> Result<Change, LifeError> + Sync),
        extra: &(dyn Fn(Claim) -> Extra + Sync),
    ) -> Result<bool, LedgerError> {
        let mut known = known;
        for attempt in 1..=COMMIT_TRIES {
            let request = match known.take() {
                Some(request) => request,
                None => self.ledger.request(&claim.request_id).await?.ok_or(LedgerError::Missing("request"))?,
            };
            let change = match decide(&request, self.clock.now()) {
                Ok(change) => change,
                Err(error) => {
                    tracing::warn!(request_id = %claim.request_id, step = %claim.step.number, %error, "a step's end came too late");
                    return Ok(false);
                }
            };
            match self.ledger.commit(&change, vec![extra(claim.clone())], None).await {
                Ok(()) => {
                    self.send_effects(&change).await;
                    return Ok(true);
                }
                // Mostly another step was done meanwhile, which is over by now.
                Err(LedgerError::Conflict) if attempt == 1 => {}
                Err(LedgerError::Conflict) => tokio::time::sleep(self.jitter(attempt)).await,
                Err(error) => return Err(error),
            }
        }
        // The lease lapses and the timer brings the step back.
        Err(LedgerError::Conflict)
    }

    /// Sends what a change wants sent. A failure is only logged: the timers find what is not sent.
    pub async fn send_effects(&self, change: &Change) {
        for queue in Queue::ALL {
            let to_message = |effect: Effect| Message { request_id: change.request.id.clone(), item: effect.item };
            let messages: Vec<Message> =
                change.effects().into_iter().filter(|effect| effect.queue == queue).map(to_message).collect();
            if !messages.is_empty() {
                self.send(queue, &messages).await;
            }
        }
    }

    /// Sends messages; a failure is only logged.
    pub async fn send(&self, queue: Queue, messages: &[Message]) {
        if let Err(error) = self.queues.send(queue, messages).await {
            crate::telemetry::warn_chain("a message was not sent; its timer will bring it back", &error);
        }
    }

    fn back_off(&self, attempt: u32) -> SignedDuration {
        let base = 15_i64 << attempt.min(8);
        let jitter = random::below(self.random.as_ref(), 15);
        SignedDuration::from_secs(base + i64::try_from(jitter).unwrap_or(0))
    }

    fn jitter(&self, attempt: u32) -> std::time::Duration {
        let most = u64::from(attempt.min(20)) * 6;
        std::time::Duration::from_millis(1 + random::below(self.random.as_ref(), most))
    }
}
