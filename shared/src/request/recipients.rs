//! Recipients that are told of an erasure, and what they say back; also long after the request has ended.
//!
//! The rule of this room: whether a recipient takes the message changes nothing for the person whose data goes.

use jiff::Timestamp;

use super::change::{Change, StepNumber};
use super::life::{LifeError, Request};
use crate::evidence::{Actor, Fact, Means, NotTold, Receipt, RecipientResult};
use crate::holds::Held;

/// What became of telling a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// It took the message.
    Told {
        /// By what means.
        by: Means,
        /// Until when its receipt is expected.
        receipt_by: Option<Timestamp>,
    },
    /// It is told later: these legal holds keep all that it got.
    Held(Vec<Held>),
    /// It was not told.
    NotTold(NotTold),
}

impl Request {
    /// A recipient has been told, or that was given up: the step is over either way.
    pub fn recipient_told(
        &self,
        step: StepNumber,
        recipient: &str,
        telling: Telling,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        let recipient = recipient.to_owned();
        let not_told = |recipient, reason, holds| Fact::RecipientNotTold { step, recipient, reason, holds };
        let fact = match telling {
            Telling::Told { by, receipt_by } => Fact::RecipientTold { step, recipient, by, receipt_by },
            // It is come back for them as for what they keep here, even if that is nothing.
            Telling::Held(holds) => {
                for held in &holds {
                    change.request.keep(held, []);
                }
                not_told(recipient, NotTold::Held, holds)
            }
            Telling::NotTold(reason) => not_told(recipient, reason, Vec::new()),
        };
        if self.is_cared_for_by(step) {
            change.record_of_recipient(now, Actor::System, fact);
            change.care_goes_on(step, now);
            return Ok(change);
        }
        change.begin_work(now)?;
        let stage_done = change.count_down(step)?;
        change.record_of_recipient(now, Actor::System, fact);
        change.go_on(stage_done, now)?;
        Ok(change)
    }

    /// A recipient said how far it is. None: it says nothing new. A receipt that comes late, or twice, or after a later one
    /// is no news, so that there are few events whatever a recipient sends.
    #[must_use]
    pub fn recipient_answered(&self, recipient: &str, receipt: Receipt, now: Timestamp) -> Option<Change> {
        let known = self.recipient(recipient).and_then(|result| result.receipt);
        if known.is_some_and(|known| receipt <= known) {
            return None;
        }
        let mut change = self.begin_change();
        let recipient = recipient.to_owned();
        change.record_of_recipient(now, Actor::Recipient, Fact::RecipientAnswered { recipient, receipt });
        Some(change)
    }

    /// The time for a recipient's receipt is over. None: it is not, or none is waited for.
    #[must_use]
    pub fn recipient_overdue(&self, recipient: &str, now: Timestamp) -> Option<Change> {
        self.recipient(recipient)?.awaited_until().filter(|until| *until <= now)?;
        let mut change = self.begin_change();
        let fact = Fact::RecipientOverdue { recipient: recipient.to_owned() };
        change.record_of_recipient(now, Actor::System, fact);
        Some(change)
    }

    /// What became of telling a recipient.
    #[must_use]
    pub fn recipient(&self, id: &str) -> Option<&RecipientResult> {
        self.recipients.iter().find(|result| result.recipient == id)
    }
}

impl Change {
    /// A hold has ended: those are told that were not because holds kept all that they got. Each is looked at anew, since
    /// another hold may keep it.
    pub(super) fn tell_who_was_passed_over(&mut self) {
        let was = |result: &&RecipientResult| result.not_told == Some(NotTold::Held);
        let passed_over: Vec<String> =
            self.request.recipients.iter().filter(was).map(|result| result.recipient.clone()).collect();
        for recipient in passed_over {
            self.write_tell_step(recipient);
        }
    }

    fn record_of_recipient(&mut self, now: Timestamp, actor: Actor, fact: Fact) {
        self.record(now, actor, fact);
        if let Some(event) = self.events.last() {
            RecipientResult::follow(&mut self.request.recipients, event.at, &event.fact);
        }
    }
}
