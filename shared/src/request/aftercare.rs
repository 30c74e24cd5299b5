//! What is still done once an erasure has ended: re-checks, one after the other, each a step whose timer is its time; then
//! captured keys are forgotten, and whom it was about is dropped.
//!
//! The rule of this room: whatever becomes of a re-check, the next one follows, and after the last the request knows nobody.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::change::{Change, NewStep, StepNumber};
use super::life::{LifeError, Request};
use super::state::Status;
use crate::evidence::{Actor, Fact, FailureReason, RecheckReport, StepReport};
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
        self.status == Status::Completed && self.aftercare.as_ref().is_some_and(is_it)
    }

    /// A re-check has been done.
    pub fn rechecked(&self, report: RecheckReport, now: Timestamp) -> Result<Change, LifeError> {
        if !self.is_cared_for_by(report.step) {
            return Err(LifeError::WrongStage(report.step));
        }
        Ok(self.care_ended(Fact::Rechecked(report), now))
    }

    /// Another step that follows the end has been done.
    pub(super) fn care_done(&self, report: StepReport, now: Timestamp) -> Change {
        self.care_ended(Fact::StepDone(report), now)
    }

    /// A step that follows the end failed for good. What comes after it is done all the same: nobody's identity is kept
    /// for longer because something fails.
    pub(super) fn care_failed(&self, step: StepNumber, reason: FailureReason, now: Timestamp) -> Change {
        self.care_ended(Fact::StepFailed { step, reason, obstructed: Vec::new() }, now)
    }

    fn care_ended(&self, fact: Fact, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        change.record(now, Actor::System, fact);
        change.care_on(now);
        change
    }
}

impl Change {
    /// The request has just ended: its identity is kept for re-checks, if there are any.
    pub(super) fn begin_care(&mut self, now: Timestamp) {
        let ended = self.request.ended_at.unwrap_or(now);
        let Some(aftercare) = &mut self.request.aftercare else { return };
        let until = aftercare.rechecks.last().map_or(ended, |last| later(ended, *last));
        aftercare.until = Some(until);
        self.record(now, Actor::System, Fact::SubjectKept { until });
        self.care_on(now);
    }

    /// Writes the next step, to begin at its time; after the last one nothing of the person is left.
    fn care_on(&mut self, now: Timestamp) {
        let request = &mut self.request;
        let planned: u16 = request.stages.iter().map(|stage| stage.steps).sum();
        let ended = request.ended_at.unwrap_or(now);
        let Some(aftercare) = &mut request.aftercare else { return };
        let number = StepNumber(aftercare.step.map_or(planned, |step| step.0) + 1);
        let (work, begins_at) = if !aftercare.rechecks.is_empty() {
            let after = aftercare.rechecks.remove(0);
            (Work::Recheck { after }, Some(later(ended, after).max(now)))
        } else if std::mem::take(&mut aftercare.has_keys) {
            (Work::Forget, None)
        } else {
            request.aftercare = None;
            request.sealed = None;
            self.record(now, Actor::System, Fact::SubjectDropped);
            return;
        };
        aftercare.step = Some(number);
        self.new_steps.push(NewStep { number, work, queue: Queue::Erase, is_ready: true, begins_at });
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
