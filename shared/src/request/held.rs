//! What legal holds make of a request: it waits for them, or goes around what they keep and comes back for it.
//!
//! The rule of this room: a hold is told of once, when it is first met, and once more when it counts no more.

use jiff::{SignedDuration, Timestamp};

use super::change::{Change, NoticeKind};
use super::life::{LifeError, Request, after};
use super::{Aftercare, Matter};
use crate::evidence::{Actor, Fact, StepReport};
use crate::holds::{Held, HoldId, Holds, Kept, MOST_TOLD, keep};
use crate::plan::Work;

/// How long after the last hold should have ended it is still tried to erase what it kept. Nobody's identity is kept for
/// longer because something fails.
pub(super) const TRIED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Request {
    /// What the holds that it waits for have come to: those that are new, and those that count no more. None: nothing has
    /// changed.
    #[must_use]
    pub fn holds_changed(&self, to_wait_for: &[Held], in_force: &Holds, now: Timestamp) -> Option<Change> {
        let mut change = self.begin_change();
        if self.status.is_end() {
            return None;
        }
        for held in self.waits_for.iter().filter(|held| !in_force.has(&held.hold)) {
            change.record(now, Actor::System, ended(held, now));
        }
        change.request.waits_for.retain(|held| in_force.has(&held.hold));
        for held in to_wait_for {
            let waits_for = &mut change.request.waits_for;
            if waits_for.len() < MOST_TOLD && !waits_for.iter().any(|known| known.hold == held.hold) {
                waits_for.push(held.clone());
                change.record(now, Actor::System, Fact::Held(held.clone()));
            }
        }
        if self.waits_for.is_empty() && !change.request.waits_for.is_empty() && matches!(self.matter, Matter::Right(_))
        {
            change.notify(NoticeKind::Held);
        }
        (!change.events.is_empty()).then_some(change)
    }

    /// What was held has been erased, as far as no hold keeps it any more. `over`: the holds that count no more.
    pub fn held_erased(&self, report: StepReport, over: &[HoldId], now: Timestamp) -> Result<Change, LifeError> {
        if self.held_step != Some(report.step) {
            return Err(LifeError::WrongStage(report.step));
        }
        let mut change = self.begin_change();
        // One that ended after some rows had been left for it is come back for, and counts until then.
        let still = |kept: &&Kept| report.holds.iter().any(|held| held.held.hold == kept.held.hold);
        for kept in self.kept.iter().filter(|kept| over.contains(&kept.held.hold) && !still(kept)) {
            change.record(now, Actor::System, ended(&kept.held, now));
        }
        change.request.kept.retain(|kept| still(&kept));
        for kept in &report.retained {
            if let (Some(aftercare), Some(until)) = (&mut change.request.aftercare, kept.until) {
                aftercare.keep(&kept.collection, until);
            }
            change.request.retained_after_holds.insert(kept.collection.clone(), kept.clone());
            change.request.is_reached(&kept.collection, !kept.out_of_reach);
        }
        change.keep_what_is_held(&report);
        if !over.is_empty() {
            change.tell_who_was_passed_over();
        }
        change.care_ended(report.step, Fact::StepDone(report), now);
        Ok(change)
    }

    /// Nothing happens to it.
    #[must_use]
    pub fn unchanged(&self) -> Change {
        self.begin_change()
    }

    /// When the last hold ends that keeps something; none if nothing is kept.
    #[must_use]
    pub fn held_until(&self) -> Option<Timestamp> {
        self.kept.iter().map(|kept| kept.held.until).max()
    }
}

fn ended(held: &Held, now: Timestamp) -> Fact {
    Fact::HoldEnded { hold: held.hold.clone(), lifted: held.until > now }
}

impl Change {
    /// Remembers which holds a step has gone around, and where.
    pub(super) fn keep_what_is_held(&mut self, report: &StepReport) {
        let request = &mut self.request;
        for kept in &report.holds {
            request.keep(&kept.held, kept.collections.iter().map(String::as_str).chain(report.work.collection()));
        }
        if report.work == Work::Forget && !report.holds.is_empty() {
            let aftercare = Aftercare { has_keys: true, ..Aftercare::default() };
            request.aftercare.get_or_insert(aftercare).has_keys = true;
        }
    }

    /// The request is about to end: what is held is come back for, unless it is about nobody.
    pub(super) fn come_back_for_what_is_held(&mut self) {
        let request = &mut self.request;
        if request.kept.is_empty() {
            return;
        }
        if request.sealed.is_some() {
            request.aftercare.get_or_insert_default();
        } else {
            request.kept.clear();
        }
    }

    /// The step that was to erase what is held failed for good: it is tried again later, for a time.
    pub(super) fn give_up_in_the_end(&mut self, now: Timestamp) {
        let request = &mut self.request;
        if request.held_until().is_some_and(|until| after(until, TRIED_FOR) < now) {
            request.kept.clear();
            self.tell_who_was_passed_over();
        }
    }
}

impl Request {
    /// Remembers that a hold keeps something, and where.
    pub(super) fn keep<'a>(&mut self, held: &Held, collections: impl IntoIterator<Item = &'a str>) {
        keep(&mut self.kept, held, collections);
    }
}
