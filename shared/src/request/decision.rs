//! What operators decide: that a request goes on, that it is refused, or that a part of it is.
//!
//! The rule of this room: nothing is refused in silence. Each decision is an event of an operator with its ground, and it is
//! made before anything has been copied or erased.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cancellation::Addresses;
use super::change::{AppEvent, Change, NoticeKind, StepNumber, Wake};
use super::life::{LifeError, REMINDER_PERIOD, Request, after};
use super::state::{IllegalTransition, Status, Transition};
use crate::evidence::{Actor, Fact};
use crate::plan::{Plan, Queue};
use crate::policy::{Factor, Pinned};

/// How long before its answer is due a request that waits for a decision is brought to the operators' mind.
const REMINDED_BEFORE: jiff::SignedDuration = jiff::SignedDuration::from_hours(3 * 24);

/// A ground to refuse, as the policy names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// Its id under `refusals`.
    pub ground: String,
    /// The section or law that it stands in.
    pub source: String,
}

/// What is left out of a request, by name, each with its ground.
pub type Exemptions = BTreeMap<String, Ground>;

/// What an operator leaves out of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Whole collections.
    pub collections: Exemptions,
    /// Categories, with all below them: they do not leave with a copy. An erasure keeps the collections that have them,
    /// which stand beside.
    #[serde(default, skip_serializing_if = "Exemptions::is_empty")]
    pub categories: Exemptions,
}

impl LeftOut {
    /// Whether it is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty() && self.categories.is_empty()
    }

    /// Adds what was left out later.
    pub fn extend(&mut self, more: Self) {
        self.collections.extend(more.collections);
        self.categories.extend(more.categories);
    }
}

impl Request {
    /// Whether an operator may still decide: the person has shown who they are, and nothing has been done yet.
    #[must_use]
    pub fn may_be_decided(&self) -> bool {
        matches!(self.status, Status::UnderReview | Status::OnHold | Status::CoolingOff | Status::Accepted)
    }

    /// The cooling-off period ended, these checks passed once more, and an operator looks at it before the work is planned.
    /// Addresses that came on file since are told too.
    pub fn cooled_off_for_review(
        &self,
        checks: Vec<String>,
        addresses: Addresses,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.remember(addresses);
        change.review(self.factors.clone(), checks, Actor::System, now)?;
        Ok(change)
    }

    /// The person has shown who they are, and an operator looks at it before the work is planned.
    pub fn review_asked(&self, factors: Vec<Factor>, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.ask_for_review(factors, Actor::Subject, now)?;
        Ok(change)
    }

    /// An operator has it go on: at once or, where the policy has `checks` of a cancellation, once those have been made again.
    pub fn review_passed(&self, plan: &Plan, has_checks: bool, now: Timestamp) -> Result<Change, LifeError> {
        if self.is_reviewed() {
            return Err(IllegalTransition { from: self.status, transition: Transition::Accept }.into());
        }
        let mut change = self.begin_change();
        change.pass_review(plan, has_checks, now)?;
        Ok(change)
    }

    /// An operator refuses it.
    pub fn denied(&self, ground: Ground, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.go(Transition::Deny)?;
        change.request.denied = Some(ground.clone());
        change.record(now, Actor::Operator, Fact::Denied(ground));
        change.notify(NoticeKind::Denied);
        let is_frozen = self.cancelling.as_ref().is_some_and(|cancelling| cancelling.confirmed_at.is_some());
        if is_frozen && self.status != Status::OnHold {
            change.tell_app(AppEvent::Unfreeze);
        }
        // Nothing was erased, so nothing is looked for again.
        change.request.aftercare = None;
        change.end(now);
        Ok(change)
    }

    /// An operator leaves something out of it, before anything was done. What waits for a decision goes on with the rest.
    pub fn exempted(
        &self,
        left_out: LeftOut,
        plan: &Plan,
        has_checks: bool,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        // What the preflight refused has changed nothing yet.
        if !self.may_be_decided() && self.status != Status::NeedsAttention {
            return Err(IllegalTransition { from: self.status, transition: Transition::Exempt }.into());
        }
        let mut change = self.begin_change();
        change.request.left_out.extend(left_out.clone());
        change.record(now, Actor::Operator, Fact::Exempted(left_out));
        if self.status == Status::UnderReview && !self.is_reviewed() {
            change.pass_review(plan, has_checks, now)?;
        }
        Ok(change)
    }

    /// Whether a step is of the stage that is being worked on. What failed before it has been left behind.
    #[must_use]
    pub fn is_at(&self, step: StepNumber) -> bool {
        let stage = self.stages.iter().find(|stage| stage.remaining > 0);
        stage.is_some_and(|stage| (stage.first..StepNumber(stage.first.0 + stage.steps)).contains(&step))
    }

    /// An operator has steps of the present stage tried again that failed for good.
    pub fn retried(&self, failed: &[StepNumber], now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.go(Transition::Retry)?;
        if let Some(elsewhere) = failed.iter().find(|step| !self.is_at(**step)) {
            return Err(LifeError::WrongStage(*elsewhere));
        }
        let stage = self.stages.iter().find(|stage| stage.remaining > 0);
        let queue = stage.map(|stage| stage.queue).ok_or(LifeError::WrongStage(StepNumber(0)))?;
        change.retried.extend(failed.iter().map(|step| (*step, queue)));
        let at = if self.due_at > now { self.due_at } else { after(now, REMINDER_PERIOD) };
        change.request.wake = Some(Wake { at, queue: Queue::Notify });
        change.record(now, Actor::Operator, Fact::Retried { steps: failed.to_vec() });
        Ok(change)
    }

    /// The ground on which a collection is left out, if it is.
    #[must_use]
    pub fn exemption(&self, collection: &str) -> Option<&Ground> {
        self.left_out.collections.get(collection)
    }

    /// The policy as this request is answered under it. Of what is left out of an erasure nothing goes, and what would take it
    /// along is refused; what is left out of a copy does not leave.
    #[must_use]
    pub fn under(&self, policy: Arc<Pinned>) -> Arc<Pinned> {
        if self.left_out.is_empty() {
            return policy;
        }
        let LeftOut { collections, categories } = &self.left_out;
        Arc::new(policy.without(collections.keys(), categories.keys()))
    }
}

impl Change {
    /// As [`Request::review_asked`], on a change that has already begun.
    pub fn ask_for_review(&mut self, factors: Vec<Factor>, actor: Actor, now: Timestamp) -> Result<(), LifeError> {
        self.review(factors, Vec::new(), actor, now)
    }

    fn review(
        &mut self,
        factors: Vec<Factor>,
        checks: Vec<String>,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), LifeError> {
        self.go(Transition::Review)?;
        self.request.factors.clone_from(&factors);
        let near = self.request.due_at.checked_sub(REMINDED_BEFORE).unwrap_or(now);
        self.request.wake = Some(Wake { at: near.max(after(now, REMINDER_PERIOD)), queue: Queue::Notify });
        self.record(now, actor, Fact::ReviewAsked { factors, checks });
        Ok(())
    }

    /// What an operator left out of an erasure is left out where that is done again.
    pub fn leave_out_again(&mut self, collections: Exemptions, now: Timestamp) {
        if !collections.is_empty() {
            let left_out = LeftOut { collections, categories: Exemptions::new() };
            self.request.left_out = left_out.clone();
            self.record(now, Actor::System, Fact::Exempted(left_out));
        }
    }

    fn pass_review(&mut self, plan: &Plan, has_checks: bool, now: Timestamp) -> Result<(), LifeError> {
        let was_confirmed = self.request.confirmed_at().is_some();
        if has_checks && was_confirmed && self.request.status == Status::UnderReview {
            self.request.cancelling.get_or_insert_default().is_reviewed = true;
            self.request.wake = Some(Wake { at: now, queue: Queue::Cancel });
            self.record(now, Actor::Operator, Fact::ReviewPassed);
            return Ok(());
        }
        self.go(Transition::Accept)?;
        let steps = self.plan(plan);
        let factors = self.request.factors.clone();
        self.record(now, Actor::Operator, Fact::Accepted { factors, steps });
        self.notify(NoticeKind::Accepted);
        if was_confirmed {
            self.tell_app(AppEvent::Close);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::life::StageInfo;
    use crate::request::{Matter, NewRequest, Right};

    #[test]
    fn only_what_failed_in_the_present_stage_is_tried_again() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut request = Request::open(NewRequest {
            id: "1".repeat(32).parse().unwrap(),
            matter: Matter::Right(Right::Erasure),
            policy: "ab".repeat(32).try_into().unwrap(),
            received_at: now,
            due_at: now,
            subject: None,
            language: "en".into(),
            sealed: None,
            submission: None,
            factors: Vec::new(),
        })
        .request;
        let stage = |first, remaining, queue| StageInfo { queue, first: StepNumber(first), steps: 2, remaining };
        request.stages = vec![stage(1, 0, Queue::Tell), stage(3, 2, Queue::Erase)];
        assert!(request.retried(&[StepNumber(3)], now).is_err(), "it needs no attention");
        request.status = Status::NeedsAttention;
        assert!(request.retried(&[StepNumber(2)], now).is_err(), "a recipient that was not told has been left behind");
        let change = request.retried(&[StepNumber(3)], now).unwrap();
        assert_eq!(
            (change.request.status, &change.retried[..]),
            (Status::InProgress, &[(StepNumber(3), Queue::Erase)][..])
        );
        assert!(change.request.wake.unwrap().at > now, "it is overdue already");
    }
}
