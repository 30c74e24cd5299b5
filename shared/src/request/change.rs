//! What a decision wants written: handed to the ledger, which writes all of it or nothing.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::life::Request;
use crate::evidence::{Event, EventHash};
use crate::plan::{Queue, Work};

/// The number of a step in its plan, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepNumber(pub u16);

impl fmt::Display for StepNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}", self.0)
    }
}

/// A step to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStep {
    /// Its number.
    pub number: StepNumber,
    /// What it does.
    pub work: Work,
    /// Who does it.
    pub queue: Queue,
    /// Whether nothing has to be done before it.
    pub is_ready: bool,
    /// When it begins, if it waits for a time: its timer brings it.
    pub begins_at: Option<Timestamp>,
}

/// What a person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The work has begun.
    Accepted,
    /// The account will be cancelled when the cooling-off period ends.
    CancellationConfirmed,
    /// The package is there.
    PackageReady,
    /// Everything that is not retained is gone.
    Erased,
    /// The account is gone.
    Cancelled,
    /// The request was taken back.
    Withdrawn,
    /// What had to be kept for a time is gone too.
    Purged,
    /// An operator has refused the request.
    Denied,
    /// The cooling-off period ends soon.
    CancellationReminder,
    /// A check failed when the cooling-off period ended: the person must look at it and confirm again.
    CheckFailed,
    /// The request waits for the end of a legal hold.
    Held,
}

impl NoticeKind {
    /// Whether it says that what was asked for has been done. Where a part was refused, it must say so.
    #[must_use]
    pub fn tells_what_was_done(self) -> bool {
        matches!(self, Self::PackageReady | Self::Erased | Self::Cancelled)
    }
}

/// What the app is told of an account that is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppEvent {
    /// The cancellation is confirmed and cools off: the account is to do nothing by itself.
    #[serde(rename = "account.freeze")]
    Freeze,
    /// It was taken back, or is held: the account goes on.
    #[serde(rename = "account.unfreeze")]
    Unfreeze,
    /// From now on it cannot be taken back: sessions and third-party log-ins are to be revoked.
    #[serde(rename = "account.close")]
    Close,
    /// The account's data is gone.
    #[serde(rename = "account.cancelled")]
    Cancelled,
}

impl AppEvent {
    /// The word for it in messages and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Freeze => "account.freeze",
            Self::Unfreeze => "account.unfreeze",
            Self::Close => "account.close",
            Self::Cancelled => "account.cancelled",
        }
    }
}

/// A message to the app to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppMessage {
    /// Its number: that of the event that it tells of.
    pub number: u32,
    /// What it says.
    pub event: AppEvent,
    /// The ids by which the app knows the account, encrypted.
    pub user: String,
    /// The number of the message before it, which goes first.
    pub after: Option<u32>,
}

/// A notice to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number: that of the event that it tells of.
    pub number: u32,
    /// What it says.
    pub kind: NoticeKind,
    /// Where it goes, encrypted; none if no address is known.
    pub contact: Option<String>,
    /// Where it goes besides, each encrypted.
    pub others: Vec<String>,
}

/// What must be sent once the change is written. A lost send costs a minute: the timer finds the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// To which queue.
    pub queue: Queue,
    /// Which item of the request.
    pub item: EffectItem,
}

/// An item of a request that needs attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectItem {
    /// The request itself.
    Request,
    /// A step.
    Step(StepNumber),
    /// A notice.
    Notice(u32),
    /// A message to the app.
    App(u32),
    /// The challenge.
    Challenge,
}

/// When an item needs attention next, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub queue: Queue,
}

/// A request's next state with all that goes with it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The head that the stored request must still have; none if the request is new.
    pub expected_head: Option<EventHash>,
    /// The request as it is to be.
    pub request: Request,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Steps to write.
    pub new_steps: Vec<NewStep>,
    /// Steps that may begin now.
    pub released: Vec<(StepNumber, Queue)>,
    /// Steps that failed for good and may begin again.
    pub retried: Vec<(StepNumber, Queue)>,
    /// Notices to write.
    pub notices: Vec<Notice>,
    /// Messages to the app to write.
    pub app_messages: Vec<AppMessage>,
}

impl Change {
    /// What to send when it is written.
    #[must_use]
    pub fn effects(&self) -> Vec<Effect> {
        let begins = |step: &&NewStep| step.is_ready && step.begins_at.is_none();
        let new = self.new_steps.iter().filter(begins).map(|step| (step.number, step.queue));
        let steps = new
            .chain(self.released.iter().copied())
            .chain(self.retried.iter().copied())
            .map(|(number, queue)| Effect { queue, item: EffectItem::Step(number) });
        let notices =
            self.notices.iter().map(|notice| Effect { queue: Queue::Notify, item: EffectItem::Notice(notice.number) });
        let app = |message: &AppMessage| Effect { queue: Queue::Notify, item: EffectItem::App(message.number) };
        steps.chain(notices).chain(self.app_messages.iter().map(app)).collect()
    }
}
