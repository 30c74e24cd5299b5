//! What events say of those who were told of an erasure: ids of the policy, times and receipts, nobody's identity.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Fact;

/// By what means a recipient was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// An erasure request of OpenDSR.
    Opendsr,
    /// A signed call.
    Webhook,
    /// A message on a queue.
    Queue,
    /// An e-mail.
    Email,
}

/// Why a recipient was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotTold {
    /// Nothing is known of the person that it knows people by.
    NothingKnown,
    /// An operator left out all that it got.
    NothingErased,
    /// Legal holds keep all that it got. It is told when they have ended.
    Held,
    /// It refused, or cannot be told as the policy says. Trying again cannot help.
    Refused,
    /// It was tried as often as it may be.
    TooManyAttempts,
}

/// What a recipient says of the erasure on its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// It has the message.
    Pending,
    /// It is at it.
    InProgress,
    /// It does not do it.
    Denied,
    /// It is done.
    Completed,
}

impl Receipt {
    /// Whether nothing else is waited for.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Denied | Self::Completed)
    }
}

/// What became of telling one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientResult {
    /// Its id in the policy.
    pub recipient: String,
    /// When it took the message; none if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// Why it was not told, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_told: Option<NotTold>,
    /// Until when its receipt was expected, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_by: Option<Timestamp>,
    /// What it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_at: Option<Timestamp>,
    /// Whether its receipt did not come in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overdue: bool,
}

impl RecipientResult {
    /// Takes up what an event says, if it says anything of a recipient.
    pub(crate) fn follow(results: &mut Vec<Self>, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::RecipientTold { recipient, receipt_by, .. } => {
                let result = Self::of(results, recipient);
                (result.told_at, result.receipt_by, result.not_told) = (Some(at), *receipt_by, None);
            }
            Fact::RecipientNotTold { recipient, reason, .. } => {
                Self::of(results, recipient).not_told = Some(*reason);
            }
            Fact::RecipientAnswered { recipient, receipt } => {
                let result = Self::of(results, recipient);
                (result.receipt, result.receipt_at) = (Some(*receipt), Some(at));
            }
            Fact::RecipientOverdue { recipient } => Self::of(results, recipient).overdue = true,
            _ => {}
        }
    }

    fn of<'a>(results: &'a mut Vec<Self>, recipient: &str) -> &'a mut Self {
        let position = results.iter().position(|result| result.recipient == recipient).unwrap_or_else(|| {
            results.push(Self {
                recipient: recipient.to_owned(),
                told_at: None,
                not_told: None,
                receipt_by: None,
                receipt: None,
                receipt_at: None,
                overdue: false,
            });
            results.len() - 1
        });
        &mut results[position]
    }

    /// Until when a receipt is still waited for.
    #[must_use]
    pub fn awaited_until(&self) -> Option<Timestamp> {
        let is_over = self.overdue || self.receipt.is_some_and(Receipt::is_final);
        self.receipt_by.filter(|_| !is_over)
    }
}
