//! What is still done once an erasure has ended: re-checks, one after the other, each a step whose timer is its time; beside
//! them, if legal holds keep something, a step that erases it when they have ended; then captured keys are forgotten, and
//! whom it was about is dropped. Where rows are kept for a time, the values that lead to them stay instead, and a purge at the
//! end of that time erases them.
//!
//! The rule of this room: whatever becomes of a step, the next one follows, and after the last, and the last hold, the request
//! knows nobody. What fails costs rows the timer, never a person their being forgotten: the sweep erases those rows too.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::change::{Change, NewStep, NoticeKind, StepNumber};
use super::life::{Captured, LifeError, Request, after, is_zero};
use super::state::Status;
use crate::evidence::{Actor, Fact, FailureReason, PurgeReport, RecheckReport, StepReport};
use crate::holds::{Kept, next_look};
use crate::plan::{Queue, Work};
use crate::policy::Period;

/// How often it is begun to forget captured keys, should it fail; then they are left to the bucket's own rules.
const TRIES_TO_FORGET: u16 = 30;
/// How long after it failed.
const FORGET_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// What is still to be done after the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aftercare {
    /// The re-checks that no step has been written for: how long after the end each is.
    pub rechecks: Vec<Period>,
    /// Whether there are captured keys, to be forgotten when the last re-check is over.
    pub has_keys: bool,
    /// How often it was begun to forget them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgetting: u16,
    /// The step that waits for its time, or is being done; none before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepNumber>,
    /// When the last re-check is; none before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The collections whose kept rows are purged on time, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purgeable: Vec<String>,
    /// Where rows are kept, and until when the last of them is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retained: BTreeMap<String, Timestamp>,
    /// Whether the address stays, so that the person can be told of the last purge.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_contact: bool,
    /// How far it is that nothing is known but what leads to kept rows.
    #[serde(default, skip_serializing_if = "Narrowing::is_ahead")]
    pub narrowing: Narrowing,
    /// Recipients that are being told now that a hold has ended, with their steps.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub telling: BTreeMap<String, StepNumber>,
}

/// How far it is that a request knows nothing but what leads to kept rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Narrowing {
    /// It comes after the last re-check.
    #[default]
    Ahead,
    /// A step is to do it.
    Asked,
    /// It is done.
    Done,
}

impl Narrowing {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_ahead(&self) -> bool {
        *self == Self::Ahead
    }
}

impl Aftercare {
    /// Takes note of rows that are kept somewhere.
    pub(super) fn keep(&mut self, collection: &str, until: Timestamp) {
        if self.purgeable.iter().any(|name| name == collection) {
            let last = self.retained.entry(collection.to_owned()).or_insert(until);
            *last = until.max(*last);
        }
    }

    /// Whether the person's address is still needed.
    pub(super) fn needs_contact(&self) -> bool {
        self.keeps_contact && !self.retained.is_empty()
    }
}

impl Request {
    /// Until when a request that has ended knows whom it was about: until the last re-check, or as far as it leads to kept
    /// rows until the last purge.
    #[must_use]
    pub fn known_until(&self) -> Option<Timestamp> {
        let aftercare = self.aftercare.as_ref()?;
        aftercare.until.max(aftercare.retained.values().max().copied())
    }

    /// Whether it knows nothing any more but what leads to kept rows.
    #[must_use]
    pub fn is_narrowed(&self) -> bool {
        self.aftercare.as_ref().is_some_and(|aftercare| aftercare.narrowing == Narrowing::Done)
    }

    /// What a purge is to look at, with until when rows there were kept.
    #[must_use]
    pub fn to_purge(&self) -> BTreeMap<String, Timestamp> {
        self.aftercare.as_ref().map_or_else(BTreeMap::new, |aftercare| aftercare.retained.clone())
    }

    /// Whether a step is the one that is to be done after the end.
    #[must_use]
    pub fn is_cared_for_by(&self, step: StepNumber) -> bool {
        let is_it = |aftercare: &Aftercare| {
            aftercare.step == Some(step) || aftercare.telling.values().any(|telling| *telling == step)
        };
        let is_care = self.held_step == Some(step) || self.aftercare.as_ref().is_some_and(is_it);
        self.status == Status::Completed && is_care
    }

    /// A re-check has been done. `kept`: where it found rows that are kept, and until when.
    pub fn rechecked(
        &self,
        report: RecheckReport,
        kept: &BTreeMap<String, Timestamp>,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        if !self.is_cared_for_by(report.step) {
            return Err(LifeError::WrongStage(report.step));
        }
        let mut change = self.begin_change();
        change.request.keep_all(&report.holds);
        if let Some(aftercare) = &mut change.request.aftercare {
            for (collection, until) in kept {
                aftercare.keep(collection, *until);
            }
        }
        change.care_ended(report.step, Fact::Rechecked(report), now);
        Ok(change)
    }

    /// Kept rows were erased when their time had come. What is still kept there is purged in its turn.
    pub fn purged(&self, report: PurgeReport, now: Timestamp) -> Result<Change, LifeError> {
        if !self.is_cared_for_by(report.step) {
            return Err(LifeError::WrongStage(report.step));
        }
        let mut change = self.begin_change();
        change.request.keep_all(&report.holds);
        let (mut is_last, step) = (false, report.step);
        let keeps_nothing = report.holds.is_empty()
            && report.collections.iter().all(|purged| purged.retained == 0 && !purged.out_of_reach);
        if let Some(aftercare) = &mut change.request.aftercare {
            for purged in &report.collections {
                // What cannot be told apart before its time may be by then: whoever holds an identity now may be gone.
                let known = aftercare.retained.get(&purged.collection).filter(|_| purged.out_of_reach).copied();
                match purged.retained_until.max(known).filter(|until| *until > report.at) {
                    Some(until) => drop(aftercare.retained.insert(purged.collection.clone(), until)),
                    None => drop(aftercare.retained.remove(&purged.collection)),
                }
            }
            is_last = aftercare.keeps_contact && aftercare.retained.is_empty() && keeps_nothing;
        }
        for purged in &report.collections {
            change.request.is_reached(&purged.collection, !purged.out_of_reach);
            if purged.retained == 0 && !purged.out_of_reach {
                change.request.purged.insert(purged.collection.clone(), now);
            }
        }
        change.record(now, Actor::System, Fact::Purged(report));
        if is_last {
            change.notify(NoticeKind::Purged);
        }
        change.care_goes_on(step, now);
        Ok(change)
    }

    /// Takes note of a collection in which not all kept rows can be told to be the person's any more, or can again.
    pub(super) fn is_reached(&mut self, collection: &str, is_reached: bool) {
        if is_reached {
            self.out_of_reach.remove(collection);
        } else {
            self.out_of_reach.insert(collection.to_owned());
        }
    }

    /// Drops whom it was about; the address stays only while there is a package.
    fn drop_person(&mut self) {
        self.sealed = None;
        if self.package.as_ref().is_none_or(|package| package.deleted) {
            self.contact = None;
        }
    }

    fn keep_all(&mut self, holds: &[Kept]) {
        for Kept { held, collections } in holds {
            self.keep(held, collections.iter().map(String::as_str));
        }
    }

    /// Another step that follows the end has been done.
    pub(super) fn care_done(&self, report: StepReport, captured: Option<Captured>, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        if let Some(captured) = captured {
            change.request.sealed = Some(captured.sealed);
        }
        if let Some(aftercare) = &mut change.request.aftercare
            && report.work == Work::Narrow
        {
            aftercare.narrowing = Narrowing::Done;
        }
        if let Some(aftercare) = &mut change.request.aftercare
            && matches!(report.work, Work::Narrow | Work::Forget)
        {
            aftercare.has_keys = false;
        }
        change.care_ended(report.step, Fact::StepDone(report), now);
        change
    }

    /// A step that follows the end failed for good. What comes after it is done all the same: nobody's identity is kept
    /// for longer because something fails.
    pub(super) fn care_failed(&self, step: StepNumber, reason: FailureReason, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        if self.held_step == Some(step) {
            change.give_up_in_the_end(now);
        } else if let Some(aftercare) = &mut change.request.aftercare {
            match aftercare.narrowing {
                // A re-check: what is kept is purged all the same.
                Narrowing::Ahead => {}
                // What leads elsewhere could not be dropped by itself, so all of it goes.
                Narrowing::Asked => aftercare.retained.clear(),
                // A purge: the others follow.
                Narrowing::Done => {
                    let due = aftercare.retained.values().min().copied();
                    aftercare.retained.retain(|_, until| Some(*until) > due);
                }
            }
        }
        change.care_ended(step, Fact::StepFailed { step, reason, obstructed: Vec::new() }, now);
        change
    }
}

impl Change {
    /// The request has just ended: its identity is kept for re-checks, for holds and for purges, if there are any.
    pub(super) fn begin_care(&mut self, now: Timestamp) {
        let ended = self.request.ended_at.unwrap_or(now);
        let is_held = !self.request.kept.is_empty();
        let Some(aftercare) = &mut self.request.aftercare else { return };
        let until = aftercare.rechecks.last().map_or(ended, |last| later(ended, *last));
        if is_held || !aftercare.rechecks.is_empty() || !aftercare.retained.is_empty() {
            self.keep_subject_until(until, now);
        } else {
            aftercare.until = Some(until);
        }
        self.care_on(now);
    }

    /// A step that follows the end is over.
    pub(super) fn care_ended(&mut self, step: StepNumber, fact: Fact, now: Timestamp) {
        self.record(now, Actor::System, fact);
        self.care_goes_on(step, now);
    }

    /// A step that follows the end is over, which has been recorded.
    pub(super) fn care_goes_on(&mut self, step: StepNumber, now: Timestamp) {
        let request = &mut self.request;
        request.last_step = request.last_step.max(step.0);
        if request.held_step == Some(step) {
            request.held_step = None;
        } else if let Some(aftercare) = &mut request.aftercare {
            if aftercare.step == Some(step) {
                aftercare.step = None;
            }
            aftercare.telling.retain(|_, telling| *telling != step);
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
            let retained_until = aftercare.retained.values().max().copied();
            self.record(now, Actor::System, Fact::SubjectKept { until, retained_until });
        }
    }

    /// Writes the next steps, to begin at their time; after the last one nothing of the person is left. While a hold keeps
    /// something, all that leads to it stays known, and purges wait: the step that comes back for it erases what is due too.
    fn care_on(&mut self, now: Timestamp) {
        if self.request.held_step.is_none() && !self.request.kept.is_empty() {
            self.keep_subject_until(Timestamp::MIN, now);
            let look = next_look(self.request.kept.iter().map(|kept| &kept.held), now);
            self.request.held_step = Some(self.write_step(Work::EraseHeld, Queue::Erase, Some(look)));
        }
        let request = &mut self.request;
        let ended = request.ended_at.unwrap_or(now);
        let Some(aftercare) = request.aftercare.as_mut().filter(|aftercare| aftercare.step.is_none()) else { return };
        let (work, begins_at) = if !aftercare.rechecks.is_empty() {
            let after = aftercare.rechecks.remove(0);
            (Work::Recheck { after }, Some(later(ended, after).max(now)))
        } else if request.held_step.is_some() || !aftercare.telling.is_empty() {
            return;
        } else if let Some(next) = aftercare.retained.values().min().copied() {
            if aftercare.narrowing == Narrowing::Done {
                (Work::Purge { at: next }, Some(next.max(now)))
            } else {
                aftercare.narrowing = Narrowing::Asked;
                (Work::Narrow, None)
            }
        } else if aftercare.has_keys && aftercare.forgetting < TRIES_TO_FORGET {
            let is_again = aftercare.forgetting > 0;
            aftercare.forgetting += 1;
            if is_again {
                // The keys of rows are found by the request's id, and need nobody's identity to go.
                request.drop_person();
            }
            (Work::Forget, is_again.then(|| after(now, FORGET_AGAIN)))
        } else {
            request.aftercare = None;
            request.drop_person();
            self.record(now, Actor::System, Fact::SubjectDropped);
            return;
        };
        let number = self.write_step(work, Queue::Erase, begins_at);
        if let Some(aftercare) = &mut self.request.aftercare {
            aftercare.step = Some(number);
        }
    }

    /// A step that tells a recipient after the end, unless there is one.
    pub(super) fn write_tell_step(&mut self, recipient: String) {
        let aftercare = self.request.aftercare.get_or_insert_default();
        if !aftercare.telling.contains_key(&recipient) {
            let number = self.write_step(Work::Tell { recipient: recipient.clone() }, Queue::Tell, None);
            self.request.aftercare.get_or_insert_default().telling.insert(recipient, number);
        }
    }

    fn write_step(&mut self, work: Work, queue: Queue, begins_at: Option<Timestamp>) -> StepNumber {
        let planned: u16 = self.request.stages.iter().map(|stage| stage.steps).sum();
        let number = StepNumber(planned.max(self.request.last_step) + 1);
        self.request.last_step = number.0;
        self.new_steps.push(NewStep { number, work, queue, is_ready: true, begins_at });
        number
    }
}

/// A moment later by a period; in UTC, since nobody is promised an hour of it.
fn later(moment: Timestamp, period: Period) -> Timestamp {
    let moved = moment.to_zoned(TimeZone::UTC).checked_add(period.0);
    moved.map_or(Timestamp::MAX, |moved| moved.timestamp())
}

#[cfg(test)]
mod tests;
