//! A cancellation between its confirmation and its end: cooling off, reminded, held again if a check fails, taken back,
//! begun. Pure.
//!
//! The rule of this room: the app is told of each turn in the order in which they happened, and of the account by nothing
//! but the id that it knows it by.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::{AppEvent, AppMessage, Change, NoticeKind, Wake};
use super::life::{CONFIRMATION_WINDOW, LifeError, Request, after};
use super::state::{Status, Transition};
use crate::evidence::{Actor, Fact};
use crate::plan::{Plan, Queue};

/// What only a cancellation has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelling {
    /// Addresses on file besides the one that notices go to, each encrypted; gone when the request ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// The ids by which the app knows the account, encrypted; gone when the request ends. None: the app is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_user: Option<String>,
    /// The number of the last message to the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<u32>,
    /// When it was confirmed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// When the person is still to be reminded, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reminders: Vec<Timestamp>,
    /// The checks that failed when the cooling-off period ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// An operator has it go on, once it has been checked afresh.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_reviewed: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What a confirmation comes to.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// When the cooling-off period ends.
    pub until: Timestamp,
    /// Whether a copy of the data is made before it goes.
    pub export: bool,
    /// The checks that passed.
    pub checks: Vec<String>,
    /// When the person is reminded, in order, each before the end.
    pub reminders: Vec<Timestamp>,
    /// Where notices go.
    pub addresses: Addresses,
    /// The ids by which the app knows the account, encrypted, if the app is told.
    pub app_user: Option<String>,
}

/// Where notices go, each encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The first, if none is known yet.
    pub first: Option<String>,
    /// All others that are on file.
    pub others: Vec<String>,
}

impl Request {
    /// The person confirmed a cancellation, and nothing speaks against it.
    pub fn confirmed(&self, confirmation: Confirmation, now: Timestamp) -> Result<Change, LifeError> {
        let Confirmation { until, export, checks, reminders, addresses, app_user } = confirmation;
        let mut change = self.begin_change();
        change.go(Transition::Confirm)?;
        change.request.cooling_off_until = Some(until);
        change.request.with_export = export;
        change.remember(addresses);
        let cancelling = change.request.cancelling.get_or_insert_default();
        cancelling.failed.clear();
        cancelling.app_user = app_user;
        cancelling.confirmed_at = Some(now);
        cancelling.reminders = reminders.into_iter().filter(|at| *at < until).collect();
        change.wake_while_cooling_off(until);
        change.record(now, Actor::Subject, Fact::Confirmed { cooling_off_until: until, export, checks });
        change.notify(NoticeKind::CancellationConfirmed);
        change.tell_app(AppEvent::Freeze);
        Ok(change)
    }

    /// When it was confirmed last.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<Timestamp> {
        self.cancelling.as_ref()?.confirmed_at
    }

    /// Whether the next reminder of a cancellation that cools off is due.
    #[must_use]
    pub fn reminder_is_due(&self, now: Timestamp) -> bool {
        let next = self.cancelling.as_ref().and_then(|cancelling| cancelling.reminders.first());
        self.status == Status::CoolingOff && next.is_some_and(|at| *at <= now)
    }

    /// The person is reminded: once, of however many reminders are due.
    #[must_use]
    pub fn reminded_of_end(&self, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        if let Some(cancelling) = &mut change.request.cancelling {
            cancelling.reminders.retain(|at| *at > now);
        }
        if let Some(until) = self.cooling_off_until {
            change.wake_while_cooling_off(until);
            change.record(now, Actor::System, Fact::CancellationReminded { cooling_off_until: until });
            change.notify(NoticeKind::CancellationReminder);
        }
        change
    }

    /// The cooling-off period ended, or an operator had it go on, and something speaks against it by now: the person must
    /// confirm again.
    pub fn checks_failed(&self, failed: Vec<String>, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.go(Transition::HoldAgain)?;
        change.request.cooling_off_until = None;
        change.request.wake = Some(Wake { at: after(now, CONFIRMATION_WINDOW), queue: Queue::Cancel });
        let cancelling = change.request.cancelling.get_or_insert_default();
        cancelling.reminders.clear();
        cancelling.failed.clone_from(&failed);
        cancelling.is_reviewed = false;
        change.record(now, Actor::System, Fact::ChecksFailed { checks: failed });
        change.notify(NoticeKind::CheckFailed);
        change.tell_app(AppEvent::Unfreeze);
        Ok(change)
    }

    /// Whether an operator has it go on, and it is still to be checked afresh.
    #[must_use]
    pub fn is_reviewed(&self) -> bool {
        self.status == Status::UnderReview && self.cancelling.as_ref().is_some_and(|cancelling| cancelling.is_reviewed)
    }

    /// The cooling-off period ended, with an operator's look at it if there was to be one, and these checks passed once more.
    /// Addresses that came on file since are told too.
    pub fn cooling_off_ended(
        &self,
        plan: &Plan,
        checks: Vec<String>,
        addresses: Addresses,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.go(if self.is_reviewed() { Transition::Accept } else { Transition::Proceed })?;
        change.remember(addresses);
        let steps = change.plan(plan);
        change.record(now, Actor::System, Fact::CoolingOffEnded { steps, checks });
        change.notify(NoticeKind::Accepted);
        change.tell_app(AppEvent::Close);
        Ok(change)
    }

    /// The person takes it back.
    pub fn withdrawn(&self, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.withdraw(Actor::Subject, now)?;
        Ok(change)
    }

    /// The person signed in to the app while a cancellation cooled off, and so takes it back.
    pub fn withdrawn_by_sign_in(&self, signed_in_at: Timestamp, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.record(now, Actor::Subject, Fact::SignedInAgain { at: signed_in_at });
        change.withdraw(Actor::System, now)?;
        Ok(change)
    }

    /// A message to the app has arrived, or was given up.
    #[must_use]
    pub fn app_told(&self, message: u32, event: AppEvent, delivered: bool, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        change.record(now, Actor::System, Fact::AppTold { message, event, delivered });
        change
    }
}

impl Change {
    fn withdraw(&mut self, actor: Actor, now: Timestamp) -> Result<(), LifeError> {
        let status = self.request.status;
        self.go(Transition::Withdraw)?;
        self.record(now, actor, Fact::Withdrawn);
        if status != Status::AwaitingVerification {
            self.notify(NoticeKind::Withdrawn);
        }
        // Whatever is held again was let go when it was held.
        if matches!(status, Status::CoolingOff | Status::UnderReview) {
            self.tell_app(AppEvent::Unfreeze);
        }
        self.end(now);
        Ok(())
    }

    pub(super) fn remember(&mut self, addresses: Addresses) {
        if self.request.contact.is_none() {
            self.request.contact = addresses.first;
        }
        self.request.cancelling.get_or_insert_default().others = addresses.others;
    }

    fn wake_while_cooling_off(&mut self, until: Timestamp) {
        let reminder = self.request.cancelling.as_ref().and_then(|cancelling| cancelling.reminders.first().copied());
        self.request.wake = Some(Wake { at: reminder.map_or(until, |at| at.min(until)), queue: Queue::Cancel });
    }

    /// Tells the app of what the last event says, if it is told at all. It gets a copy of the ids of its own, since the
    /// request may end before it is sent.
    pub(super) fn tell_app(&mut self, event: AppEvent) {
        let number = self.request.events;
        let Some(cancelling) = &mut self.request.cancelling else { return };
        let Some(user) = cancelling.app_user.clone() else { return };
        let after = cancelling.told.replace(number);
        self.app_messages.push(AppMessage { number, event, user, after });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holds::Held;
    use crate::request::{Ground, Matter, NewRequest, Right};

    fn now() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().unwrap()
    }

    fn day(day: i64) -> Timestamp {
        now() + jiff::SignedDuration::from_hours(24 * day)
    }

    fn cooling_off(app: bool) -> Change {
        let mut opened = Request::open(NewRequest {
            id: "1".repeat(32).parse().unwrap(),
            matter: Matter::Right(Right::AccountCancellation),
            policy: "a".repeat(64).try_into().unwrap(),
            received_at: now(),
            due_at: day(20),
            subject: Some("k1:digest".into()),
            language: "en".into(),
            sealed: Some("sealed".into()),
            submission: None,
            factors: Vec::new(),
        });
        opened.ask_to_confirm(Vec::new(), now()).unwrap();
        opened.request.contact = Some("first".into());
        let confirmation = Confirmation {
            until: day(15),
            export: false,
            checks: vec!["status".into()],
            reminders: vec![day(12), day(14), day(15)],
            addresses: Addresses { first: Some("unused".into()), others: vec!["second".into()] },
            app_user: app.then(|| "user".to_owned()),
        };
        opened.request.confirmed(confirmation, now()).unwrap()
    }

    #[test]
    fn each_reminder_is_given_once_and_late_ones_together() {
        let confirmed = cooling_off(false).request;
        assert_eq!(confirmed.wake.unwrap().at, day(12));
        assert!(!confirmed.reminder_is_due(day(11)) && confirmed.reminder_is_due(day(12)));
        let first = confirmed.reminded_of_end(day(12));
        assert_eq!(first.notices.len(), 1);
        assert_eq!(first.request.wake.unwrap().at, day(14));
        assert!(!first.request.reminder_is_due(day(12)));
        let both = confirmed.reminded_of_end(day(14));
        assert_eq!((both.notices.len(), both.request.wake.unwrap().at), (1, day(15)));
        assert!(!both.request.reminder_is_due(day(15)), "what is at the end is the end");
    }

    #[test]
    fn the_app_is_told_of_each_turn_after_the_one_before_it() {
        let confirmed = cooling_off(true);
        let [freeze] = confirmed.app_messages.as_slice() else { panic!() };
        assert_eq!((freeze.event, freeze.after), (AppEvent::Freeze, None));
        let held = confirmed.request.checks_failed(vec!["status".into()], day(15)).unwrap();
        let [unfreeze] = held.app_messages.as_slice() else { panic!() };
        assert_eq!((unfreeze.event, unfreeze.after), (AppEvent::Unfreeze, Some(freeze.number)));
        assert_eq!(held.request.status, Status::OnHold);
        let expired = held.request.expired(day(22)).unwrap();
        assert!(expired.app_messages.is_empty(), "it was let go already");
        let withdrawn = confirmed.request.withdrawn_by_sign_in(day(1), day(1)).unwrap();
        assert_eq!(withdrawn.app_messages[0].event, AppEvent::Unfreeze);
        assert_eq!(withdrawn.app_messages[0].user, "user");
        let cancelling = withdrawn.request.cancelling.unwrap();
        assert_eq!((cancelling.app_user, cancelling.others.len(), withdrawn.request.contact), (None, 0, None));
        assert!(cooling_off(false).app_messages.is_empty());
    }

    #[test]
    fn a_request_that_was_refused_or_taken_back_waits_for_no_hold() {
        let mut waiting = cooling_off(false).request;
        let hold = "b".repeat(32).parse().unwrap();
        waiting.waits_for.push(Held { hold, basis: "a case".into(), until: day(100) });
        let ground = Ground { ground: "malice".into(), source: "5(7)5".into() };
        for ended in [waiting.denied(ground, now()), waiting.withdrawn(now())] {
            let ended = ended.unwrap().request;
            assert!(ended.status.is_end() && ended.waits_for.is_empty(), "{:?}", ended.status);
        }
    }

    #[test]
    fn notices_go_to_every_address_on_file() {
        let confirmed = cooling_off(false);
        assert_eq!(confirmed.notices[0].contact.as_deref(), Some("first"));
        assert_eq!(confirmed.notices[0].others, ["second"]);
    }
}
