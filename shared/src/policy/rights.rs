//! What a policy says of each right: how whoever asks is verified, by when they are answered, what follows an erasure, what
//! comes before a cancellation.

use std::collections::BTreeMap;

use jiff::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cancellation::SecurityCheck;
use super::model::{Period, Text};

/// How one right is answered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RightRule {
    /// Any of these; each is a list of factors that are all needed.
    pub verification: Vec<Vec<Factor>>,
    /// How fresh a sign-in must be to count.
    pub sign_in_max_age: Period,
    /// The earliest of these is the due date.
    pub respond_within: Vec<ResponseTime>,
    /// How long a package can be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_expires: Option<Period>,
    /// How long a confirmed cancellation waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling_off: Option<Period>,
    /// What a person types to confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase: Option<Text>,
    /// What happens to whom confirms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequences: Option<BTreeMap<String, Vec<String>>>,
    /// How long after its end what an erasure erased is looked for again, each time. Absent: P1D and P30D. Empty: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck_after: Option<Vec<Period>>,
    /// What is done once rows that had to be kept may go. Absent: they are purged on time, and nobody's address is kept for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge: Option<Purge>,
    /// Whether an operator decides before the work is planned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub review: bool,
    /// What is checked before an account is cancelled: when the person confirms, and when the cooling-off period ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<SecurityCheck>,
    /// How long before the end of the cooling-off period the person is reminded, each time. Absent: P3D and P1D.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind_before: Option<Vec<Period>>,
    /// Whether a sign-in to the app while a cancellation cools off takes it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sign_in_withdraws: bool,
    /// Section of the document.
    pub source: String,
}

impl RightRule {
    /// How long after its end what an erasure erased is looked for again.
    #[must_use]
    pub fn rechecks(&self) -> Vec<Period> {
        let days = |days| Period(Span::new().days(days));
        self.recheck_after.clone().unwrap_or_else(|| vec![days(1), days(30)])
    }

    /// What is done once rows that had to be kept may go.
    #[must_use]
    pub fn purge(&self) -> Purge {
        self.purge.unwrap_or_default()
    }
}

/// What is done once rows that had to be kept after an erasure may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// Whether the request itself sees to it when the time comes. The values that lead to those rows stay sealed until then.
    /// Otherwise only the sweep does, and nothing stays.
    #[serde(default = "yes")]
    pub timer: bool,
    /// Whether the address that notices go to stays sealed until then too, so that the person can be told.
    #[serde(default)]
    pub keep_contact: bool,
}

fn yes() -> bool {
    true
}

impl Default for Purge {
    fn default() -> Self {
        Self { timer: true, keep_contact: false }
    }
}

/// A proof of who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// A token of the app's sign-in, recent enough.
    FreshSignIn,
    /// A code sent to an address on file.
    ContactCode,
}

/// A time limit for an answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseTime {
    /// How many.
    pub limit: u16,
    /// Of what.
    pub unit: TimeUnit,
    /// Counted from when.
    pub from: StartEvent,
    /// Section, or law.
    pub source: String,
}

/// Units of a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Days.
    CalendarDay,
    /// Months; a day that the last month lacks becomes its last day.
    CalendarMonth,
    /// Monday to Friday. Public holidays are not known and so count: the date is never late for them.
    BusinessDay,
}

/// When a time limit starts to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartEvent {
    /// The request arrived.
    Receipt,
}
