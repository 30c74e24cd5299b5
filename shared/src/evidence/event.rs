//! One fact in a request's history, chained to the one before it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::recipients::{Means, NotTold, Receipt};
use crate::holds::{Held, HoldId, Kept};
use crate::plan::{Counts, Work};
use crate::policy::{Factor, Period, PolicyDigest};
use crate::request::{AppEvent, Ground, LeftOut, Matter, RequestId, StepNumber};

/// SHA-256 as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventHash(String);

impl EventHash {
    /// What stands before the first event.
    #[must_use]
    pub fn origin() -> Self {
        Self("0".repeat(64))
    }

    /// The hash with these bytes.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Who caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The person, or whoever claimed to be them before the verification.
    Subject,
    /// Habeas, by itself.
    System,
    /// Somebody of the controller.
    Operator,
    /// A recipient that was told.
    Recipient,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was asked for.
    Full,
    /// Something is kept, each with its reason.
    Partial,
    /// Nothing about this person was found.
    NothingFound,
}

/// Why a step failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// It failed as often as it may be tried.
    TooManyAttempts,
    /// Trying again cannot help: a permission or a table is missing, or the policy does not fit the system.
    Permanent,
    /// Rows keep turning up after they were erased.
    LeftOver,
    /// The preflight found what would make the erasure fail half-way. Nothing has been changed.
    PreflightRefused,
}

/// Where something stands in the way of a plan. What it is stands in the log: a person who reads the evidence need not know
/// how the controller's systems are built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Obstructed {
    /// The collection.
    pub collection: String,
    /// The field, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which step.
    pub step: StepNumber,
    /// What it was for.
    #[serde(flatten)]
    pub work: Work,
    /// What it counted.
    pub counts: Counts,
    /// Until when the last of the retained rows is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
    /// Whether nothing was done, since an operator left the collection out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exempt: bool,
    /// The legal holds that keep what is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Kept>,
    /// Of what was held before: what is kept for a time nevertheless.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<RetainedRows>,
}

/// Rows of one collection that are kept for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedRows {
    /// Which.
    pub collection: String,
    /// How many.
    pub rows: u64,
    /// Of those, how many bear the mark of what may not be used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub marked: u64,
    /// Until when the last of them is kept, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether there may be rows of the person's that were left: something that leads to them is not surely theirs any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_reach: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a re-check found and did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckReport {
    /// Which step.
    pub step: StepNumber,
    /// How long after the end.
    pub after: Period,
    /// Rows that were there again and that nothing keeps.
    pub found: u64,
    /// Where: names of collections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found_in: Vec<String>,
    /// What was read and done.
    pub counts: Counts,
    /// Whether an account made since holds one of the identities: what only that identity leads to was left to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub somebody_new: bool,
    /// The legal holds that keep what is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Kept>,
}

/// What a purge did: the rows that had been kept for a time, and whose time has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeReport {
    /// Which step.
    pub step: StepNumber,
    /// What was kept until then, and no longer, went.
    pub at: Timestamp,
    /// Where: what was looked at, and what became of it.
    pub collections: Vec<Purged>,
    /// What was read and done in all.
    pub counts: Counts,
    /// Whether an account made since holds one of the identities: what only that identity leads to was left to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub somebody_new: bool,
    /// Legal holds that keep something of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Kept>,
}

/// What a purge did in one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Which.
    pub collection: String,
    /// Rows that went.
    pub erased: u64,
    /// Rows that are still kept: their time has not come yet.
    pub retained: u64,
    /// Until when the last of those is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
    /// Whether there may be rows of the person's that were left: something that leads to them is not surely theirs any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_reach: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", content = "data", rename_all = "snake_case")]
pub enum Fact {
    /// The request arrived.
    Received {
        /// What it is for.
        matter: Matter,
        /// The policy that it is answered under.
        policy: PolicyDigest,
        /// When the answer is due.
        due_at: Timestamp,
    },
    /// The person has shown who they are; the work is planned.
    Accepted {
        /// By what.
        factors: Vec<Factor>,
        /// How many steps the plan has.
        steps: u16,
    },
    /// The person has shown who they are, and is asked to confirm.
    ConfirmationAsked {
        /// By what.
        factors: Vec<Factor>,
    },
    /// The person confirmed.
    Confirmed {
        /// When the cooling-off period ends.
        cooling_off_until: Timestamp,
        /// Whether a copy of the data is made before it goes.
        export: bool,
        /// The checks that passed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<String>,
    },
    /// The person was reminded that the cooling-off period ends.
    CancellationReminded {
        /// When it does.
        cooling_off_until: Timestamp,
    },
    /// The cooling-off period ended, or an operator had it go on, and these checks failed: the person must confirm again.
    ChecksFailed {
        /// Which.
        checks: Vec<String>,
    },
    /// The person signed in to the app while the cancellation cooled off.
    SignedInAgain {
        /// When, as the app says.
        at: Timestamp,
    },
    /// A message to the app arrived, or was given up.
    AppTold {
        /// Its number: that of the event that it tells of.
        message: u32,
        /// What it says.
        event: AppEvent,
        /// Whether it arrived.
        delivered: bool,
    },
    /// The cooling-off period ended without a word; the work is planned.
    CoolingOffEnded {
        /// How many steps the plan has.
        steps: u16,
        /// The checks that passed once more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<String>,
    },
    /// The first step has been done.
    Begun,
    /// A step has been done.
    StepDone(StepReport),
    /// A step failed for good.
    StepFailed {
        /// Which step.
        step: StepNumber,
        /// Why.
        reason: FailureReason,
        /// Where, if the preflight refused: the first hundred places.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        obstructed: Vec<Obstructed>,
    },
    /// Everything has been done.
    Completed {
        /// How it ended.
        outcome: Outcome,
    },
    /// The person took it back.
    Withdrawn,
    /// The person did not answer in time.
    Expired,
    /// A link to the package was given out.
    PackageLinkIssued {
        /// Until when it works.
        until: Timestamp,
    },
    /// The package was deleted, with every version of it.
    PackageExpired {
        /// How many objects and versions went.
        deleted: u64,
    },
    /// The due date passed.
    Overdue,
    /// Whom it is about stays known to the request, sealed, for re-checks.
    SubjectKept {
        /// When the last of them is.
        until: Timestamp,
        /// Until when, after that, what leads to rows that are kept for a time stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retained_until: Option<Timestamp>,
    },
    /// What was erased was looked for again, and what had turned up was erased.
    Rechecked(RecheckReport),
    /// What was kept for a time was erased, its time having come.
    Purged(PurgeReport),
    /// The person has shown who they are, and a cancellation has cooled off; an operator is to decide whether it goes on.
    ReviewAsked {
        /// By what.
        factors: Vec<Factor>,
        /// The checks that passed once more when a cancellation had cooled off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<String>,
    },
    /// An operator has a cancellation go on, if nothing speaks against it by now: that is checked next.
    ReviewPassed,
    /// An operator left something out of it.
    Exempted(LeftOut),
    /// An operator had steps tried again that had failed for good.
    Retried {
        /// Which.
        steps: Vec<StepNumber>,
    },
    /// An operator refused it.
    Denied(Ground),
    /// The last re-check is over: the request no longer holds whom it is about.
    SubjectDropped,
    /// A recipient was told: it took the message.
    RecipientTold {
        /// Which step.
        step: StepNumber,
        /// Its id in the policy.
        recipient: String,
        /// By what means.
        by: Means,
        /// Until when its receipt is expected, if one is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt_by: Option<Timestamp>,
    },
    /// A recipient could not be told. The erasure goes on.
    RecipientNotTold {
        /// Which step.
        step: StepNumber,
        /// Its id in the policy.
        recipient: String,
        /// Why.
        reason: NotTold,
        /// The legal holds that keep what it got, if it is for those.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        holds: Vec<Held>,
    },
    /// A recipient said how far it is.
    RecipientAnswered {
        /// Its id in the policy.
        recipient: String,
        /// How far.
        receipt: Receipt,
    },
    /// A recipient's receipt did not come in time.
    RecipientOverdue {
        /// Its id in the policy.
        recipient: String,
    },
    /// A legal hold stops the request: what it would erase now waits until the hold has ended.
    Held(Held),
    /// A legal hold that stopped the request, or kept something of what it would erase, counts no more.
    HoldEnded {
        /// Which hold.
        hold: HoldId,
        /// Whether it was lifted, or ended by itself.
        lifted: bool,
    },
}

/// One fact, when, by whom, chained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The request.
    pub request_id: RequestId,
    /// Its place in the chain, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub actor: Actor,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
    /// Hash of the event before.
    pub previous: EventHash,
    /// SHA-256 of the canonical JSON (RFC 8785) of all the above.
    pub hash: EventHash,
}

impl Event {
    /// The event that follows `previous`.
    #[must_use]
    pub fn new(
        request_id: RequestId,
        number: u32,
        at: Timestamp,
        actor: Actor,
        fact: Fact,
        previous: EventHash,
    ) -> Self {
        let mut event = Self { request_id, number, at, actor, fact, previous, hash: EventHash::origin() };
        event.hash = event.computed_hash();
        event
    }

    /// The hash that the event should have.
    #[must_use]
    pub fn computed_hash(&self) -> EventHash {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.remove("hash");
        }
        // An event is plain strings and small integers, which canonical JSON always has a form for.
        let bytes = serde_json_canonicalizer::to_vec(&value).unwrap_or_default();
        EventHash(hex::encode(sha2::Sha256::digest(bytes)))
    }
}
