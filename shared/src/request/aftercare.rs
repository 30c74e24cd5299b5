//! What is still done once an erasure has ended: re-checks, one after the other, each a step whose timer is its time; beside
//! them, if legal holds keep something, a step that erases it when they have ended; then captured keys are forgotten, and
//! whom it was about is dropped.
//!
//! The rule of this room: whatever becomes of a re-check, the next one follows, and after the last, and the last hold, the
//! request knows nobody.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::change::{Change, NewStep, StepNumber};
use super::life::{LifeError, Request};
use super::state::Status;
use crate::evidence::{Actor, Fact, FailureReason, RecheckReport, StepReport};
use crate::holds::next_look;
use crate::plan::{Queue, Work};
use crate::policy::Period;

/// What is still to be done after the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aftercare {
    /// The re-checks that no step has been written for: how long after the end each is.
    pub rechecks: Vec<Period>,
    /// Whether there are captured keys, to be forgotten when the last re-check is over.
    pub has_keys: bool,
    /// The step that waits for its time, or is being done; none before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepNumber>,
    /// When the last re-check is; none before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Request {
    /// Until when a request that has ended knows whom it was about.
    #[must_use]
    pub fn known_until(&self) -> Option<Timestamp> {
        self.aftercare.as_ref()?.until
    }

    /// Whether a step is the one that is to be done after the end.
    #[must_use]
    pub fn is_cared_for_by(&self, step: StepNumber) -> bool {
        let is_it = |aftercare: &Aftercare| aftercare.step == Some(step);
        let is_care = self.held_step == Some(step) || self.aftercare.as_ref().is_some_and(is_it);
        self.status == Status::Completed && is_care
    }

    /// A re-check has been done.
    pub fn rechecked(&self, report: RecheckReport, now: Timestamp) -> Result<Change, LifeError> {
        if !self.is_cared_for_by(report.step) {
            return Err(LifeError::WrongStage(report.step));
        }
        let mut change = self.begin_change();
        for held in &report.holds {
            change.request.keep(held, None);
        }
        change.care_ended(report.step, Fact::Rechecked(report), now);
        Ok(change)
    }

    /// Another step that follows the end has been done.
    pub(super) fn care_done(&self, report: StepReport, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        change.care_ended(report.step, Fact::StepDone(report), now);
        change
    }

    /// A step that follows the end failed for good. What comes after it is done all the same: nobody's identity is kept
    /// for longer because something fails.
    pub(super) fn care_failed(&self, step: StepNumber, reason: FailureReason, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        if self.held_step == Some(step) {
            change.give_up_in_the_end(now);
        }
        change.care_ended(step, Fact::StepFailed { step, reason, obstructed: Vec::new() }, now);
        change
    }
}

impl Change {
    /// The request has just ended: its identity is kept for re-checks, if there are any.
    pub(super) fn begin_care(&mut self, now: Timestamp) {
        let ended = self.request.ended_at.unwrap_or(now);
        let Some(aftercare) = &self.request.aftercare else { return };
        self.keep_subject_until(aftercare.rechecks.last().map_or(ended, |last| later(ended, *last)), now);
        self.care_on(now);
    }

    /// A step that follows the end is over.
    pub(super) fn care_ended(&mut self, step: StepNumber, fact: Fact, now: Timestamp) {
        self.record(now, Actor::System, fact);
        let request = &mut self.request;
        request.last_step = request.last_step.max(step.0);
        if request.held_step == Some(step) {
            request.held_step = None;
        } else if let Some(aftercare) = &mut request.aftercare {
            aftercare.step = None;
        }
        self.care_on(now);
    }

    /// Says until when whom it was about is known: as long as was said already, until then, and as long as holds last.
    fn keep_subject_until(&mut self, until: Timestamp, now: Timestamp) {
        let held_until = self.request.held_until();
        let Some(aftercare) = &mut self.request.aftercare else { return };
        let until = held_until.map_or(until, |held| held.max(until));
        if aftercare.until.is_none_or(|said| said < until) {
            aftercare.until = Some(until);
            self.record(now, Actor::System, Fact::SubjectKept { until });
        }
    }

    /// Writes the next steps, to begin at their time; after the last one nothing of the person is left.
    fn care_on(&mut self, now: Timestamp) {
        if self.request.held_step.is_none() && !self.request.kept.is_empty() {
            self.keep_subject_until(Timestamp::MIN, now);
            let look = next_look(self.request.kept.iter().map(|kept| &kept.held), now);
            self.request.held_step = Some(self.write_step(Work::EraseHeld, Some(look)));
        }
        let request = &mut self.request;
        let ended = request.ended_at.unwrap_or(now);
        let Some(aftercare) = request.aftercare.as_mut().filter(|aftercare| aftercare.step.is_none()) else { return };
        let (work, begins_at) = if !aftercare.rechecks.is_empty() {
            let after = aftercare.rechecks.remove(0);
            (Work::Recheck { after }, Some(later(ended, after).max(now)))
        } else if request.held_step.is_some() {
            return;
        } else if std::mem::take(&mut aftercare.has_keys) {
            (Work::Forget, None)
        } else {
            request.aftercare = None;
            request.sealed = None;
            self.record(now, Actor::System, Fact::SubjectDropped);
            return;
        };
        let number = self.write_step(work, begins_at);
        if let Some(aftercare) = &mut self.request.aftercare {
            aftercare.step = Some(number);
        }
    }

    fn write_step(&mut self, work: Work, begins_at: Option<Timestamp>) -> StepNumber {
        let planned: u16 = self.request.stages.iter().map(|stage| stage.steps).sum();
        let number = StepNumber(planned.max(self.request.last_step) + 1);
        self.request.last_step = number.0;
        self.new_steps.push(NewStep { number, work, queue: Queue::Erase, is_ready: true, begins_at });
        number
    }
}

/// A moment later by a period; in UTC, since nobody is promised an hour of it.
fn later(moment: Timestamp, period: Period) -> Timestamp {
    let moved = moment.to_zoned(TimeZone::UTC).checked_add(period.0);
    moved.map_or(Timestamp::MAX, |moved| moved.timestamp())
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::request::{Matter, NewRequest, Right};

    fn ended(rechecks: Vec<Period>, has_keys: bool) -> Change {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut change = Request::open(NewRequest {
            id: "1".repeat(32).parse().unwrap(),
            matter: Matter::Right(Right::Erasure),
            policy: "ab".repeat(32).try_into().unwrap(),
            received_at: now,
            due_at: now,
            subject: Some("k1:aa".into()),
            language: "en".into(),
            sealed: Some("sealed".into()),
            submission: None,
            factors: Vec::new(),
        });
        change.request.status = Status::InProgress;
        change.request.aftercare = Some(Aftercare { rechecks, has_keys, step: None, until: None });
        change.complete(now).unwrap();
        change
    }

    #[test]
    fn whom_it_is_about_is_kept_until_the_last_re_check_and_no_longer_whatever_fails() {
        let (day, month) = (Period(1.day()), Period(30.days()));
        let end = ended(vec![day, month], true);
        let until = "2026-12-22T00:00:00Z".parse().unwrap();
        assert_eq!(end.events.last().unwrap().fact, Fact::SubjectKept { until });
        let first = end.new_steps.last().unwrap();
        assert_eq!(
            (&first.work, first.begins_at),
            (&Work::Recheck { after: day }, "2026-11-23T00:00:00Z".parse().ok())
        );
        assert!(end.effects().iter().all(|effect| effect.item != super::super::EffectItem::Step(first.number)));
        let request = end.request;
        assert!(request.is_cared_for_by(first.number) && request.sealed.is_some());

        let late: Timestamp = "2026-12-24T00:00:00Z".parse().unwrap();
        let failed = request.step_failed(first.number, FailureReason::Permanent, Vec::new(), late).unwrap();
        let second = failed.new_steps.last().unwrap();
        assert_eq!((&second.work, second.begins_at), (&Work::Recheck { after: month }, Some(late)), "its time is over");
        let failed = failed.request.step_failed(second.number, FailureReason::Permanent, Vec::new(), late).unwrap();
        let forget = failed.new_steps.last().unwrap();
        assert_eq!((&forget.work, forget.begins_at), (&Work::Forget, None));
        assert!(failed.request.sealed.is_some(), "until the keys are forgotten");
        let last = failed.request.step_failed(forget.number, FailureReason::Permanent, Vec::new(), late).unwrap();
        assert_eq!(last.events.last().unwrap().fact, Fact::SubjectDropped);
        assert_eq!((last.request.sealed, last.request.aftercare, last.new_steps.len()), (None, None, 0));
    }
}
