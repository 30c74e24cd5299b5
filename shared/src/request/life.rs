//! What each thing that happens makes of a request: pure functions from a request to a [`Change`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::cancellation::Cancelling;
use super::change::{Change, StepNumber, Wake};
use super::state::{IllegalTransition, Status, Transition};
use super::{Aftercare, Ground, LeftOut, Matter, RequestId};
use crate::evidence::{
    Actor, EventHash, Fact, FailureReason, Obstructed, Outcome, RecipientResult, RetainedRows, StepReport,
};
use crate::holds::{Held, Kept};
use crate::plan::{Counts, Plan, Queue, Work};
use crate::policy::{Factor, PolicyDigest};

/// How long a person has to show who they are.
pub const VERIFICATION_WINDOW: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How long a person has to confirm a cancellation.
pub const CONFIRMATION_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often an overdue or stuck request is looked at again.
pub const REMINDER_PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// Links to one package. Each is an event: more would make the history long, and nobody needs them.
pub const MAX_LINKS: u32 = 100;
/// How long after its release a step that nobody claimed is sent again.
pub const RESEND_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Why something cannot happen to a request.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The state does not have it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The step is not of the stage that is being worked on.
    #[error("step {0} is not of the present stage")]
    WrongStage(StepNumber),
}

/// A stage of the plan, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageInfo {
    /// Who does it.
    pub queue: Queue,
    /// Number of its first step.
    pub first: StepNumber,
    /// How many steps it has.
    pub steps: u16,
    /// How many of them have not been done.
    pub remaining: u16,
}

/// A finished package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageInfo {
    /// Its key in the package bucket.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// Whether it is an age file, for the key that the person gave.
    #[serde(default)]
    pub encrypted: bool,
    /// When it is deleted.
    pub expires_at: Timestamp,
    /// Whether it has been deleted.
    #[serde(default)]
    pub deleted: bool,
    /// How many links to it were given out.
    #[serde(default)]
    pub links: u32,
}

/// What the resolving step captured, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The identity with the keys.
    pub sealed: String,
    /// Where notices go.
    pub contact: Option<String>,
}

/// One exercise of one right by one subject, or one sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// What it is for.
    pub matter: Matter,
    /// Where it stands.
    pub status: Status,
    /// The policy that it is answered under.
    pub policy: PolicyDigest,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When the answer is due.
    pub due_at: Timestamp,
    /// Keyed digest of the identity that it was made with; none for a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Language for notices and the package.
    pub language: String,
    /// The identity and captured keys, encrypted; gone when the request ends, or when its last re-check does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// What the person wrote with it, encrypted; gone when the request ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<String>,
    /// Where notices go, encrypted; gone when the request has ended and its package with it (a notice
    /// that is still to be sent has its own copy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Proofs given so far.
    #[serde(default)]
    pub factors: Vec<Factor>,
    /// How many events there are.
    pub events: u32,
    /// When the last event was.
    pub updated_at: Timestamp,
    /// Hash of the last event. Every change of the request is conditional on it.
    pub head: EventHash,
    /// The plan's stages.
    #[serde(default)]
    pub stages: Vec<StageInfo>,
    /// When the cooling-off period ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooling_off_until: Option<Timestamp>,
    /// What only a cancellation has, once it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling: Option<Cancelling>,
    /// Whether a copy was asked for before the erasure.
    #[serde(default)]
    pub with_export: bool,
    /// Sum of what the steps counted.
    #[serde(default)]
    pub total: Counts,
    /// The package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageInfo>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Whether the due date has passed before the end.
    #[serde(default)]
    pub overdue: bool,
    /// When it needs attention next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Wake>,
    /// What is still to be done after the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aftercare: Option<Aftercare>,
    /// Collections of which nothing is kept any more, with when the last of it was purged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub purged: BTreeMap<String, Timestamp>,
    /// What an operator left out.
    #[serde(default, skip_serializing_if = "LeftOut::is_empty")]
    pub left_out: LeftOut,
    /// The ground on which it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Ground>,
    /// Who was told of the erasure, or was not, and what they said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientResult>,
    /// The legal holds that it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<Held>,
    /// The legal holds that keep something of what it would erase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Kept>,
    /// What is kept for a time of what holds had kept, by collection, now that it was looked at again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retained_after_holds: BTreeMap<String, RetainedRows>,
    /// Where rows that were kept for a time may be left: nothing tells any more whose they are.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub out_of_reach: BTreeSet<String>,
    /// The step that erases what is held when a hold has ended; none if there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_step: Option<StepNumber>,
    /// The number of the last step that was written after the end; 0 before the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub last_step: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
pub(super) fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// What a new request is made of.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// Its id.
    pub id: RequestId,
    /// What it is for.
    pub matter: Matter,
    /// The policy in force.
    pub policy: PolicyDigest,
    /// Now.
    pub received_at: Timestamp,
    /// When the answer is due.
    pub due_at: Timestamp,
    /// Keyed digest of the identity.
    pub subject: Option<String>,
    /// Language for notices and the package.
    pub language: String,
    /// The identity, encrypted.
    pub sealed: Option<String>,
    /// What the person wrote with it, encrypted.
    pub submission: Option<String>,
    /// Proofs that came with it.
    pub factors: Vec<Factor>,
}

impl Request {
    /// Whether steps of the present stage are done side by side, so that what is known of the request may not be so any more.
    #[must_use]
    pub fn has_steps_side_by_side(&self) -> bool {
        self.stages.iter().find(|stage| stage.remaining > 0).is_some_and(|stage| stage.remaining > 1)
    }

    /// A request arrives and waits to be verified.
    #[must_use]
    pub fn open(new: NewRequest) -> Change {
        let actor = new.matter.actor();
        let fact = Fact::Received { matter: new.matter, policy: new.policy.clone(), due_at: new.due_at };
        let expires_at = new.received_at.saturating_add(VERIFICATION_WINDOW).unwrap_or(Timestamp::MAX);
        let request = Self {
            id: new.id,
            matter: new.matter,
            status: Status::AwaitingVerification,
            policy: new.policy,
            received_at: new.received_at,
            due_at: new.due_at,
            subject: new.subject,
            language: new.language,
            sealed: new.sealed,
            submission: new.submission,
            contact: None,
            factors: new.factors,
            events: 0,
            updated_at: new.received_at,
            head: EventHash::origin(),
            stages: Vec::new(),
            cooling_off_until: None,
            cancelling: None,
            with_export: false,
            total: Counts::default(),
            package: None,
            outcome: None,
            ended_at: None,
            overdue: false,
            wake: Some(Wake { at: expires_at, queue: Queue::Verify }),
            aftercare: None,
            purged: BTreeMap::new(),
            left_out: LeftOut::default(),
            denied: None,
            recipients: Vec::new(),
            waits_for: Vec::new(),
            kept: Vec::new(),
            retained_after_holds: BTreeMap::new(),
            out_of_reach: BTreeSet::new(),
            held_step: None,
            last_step: 0,
        };
        let at = request.received_at;
        let mut change = request.change(None);
        change.record(at, actor, fact);
        change
    }

    /// The start of a change of this request.
    fn change(self, expected_head: Option<EventHash>) -> Change {
        Change {
            expected_head,
            request: self,
            events: Vec::new(),
            new_steps: Vec::new(),
            released: Vec::new(),
            retried: Vec::new(),
            notices: Vec::new(),
            app_messages: Vec::new(),
        }
    }

    pub(super) fn begin_change(&self) -> Change {
        self.clone().change(Some(self.head.clone()))
    }

    /// The person has shown who they are by these factors, and the work is planned.
    pub fn accepted(&self, factors: Vec<Factor>, plan: &Plan, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.accept(factors, plan, now)?;
        Ok(change)
    }

    /// The person has shown who they are, and must confirm before anything happens.
    pub fn confirmation_asked(&self, factors: Vec<Factor>, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.ask_to_confirm(factors, now)?;
        Ok(change)
    }

    /// The person did not answer in time.
    pub fn expired(&self, now: Timestamp) -> Result<Change, LifeError> {
        let mut change = self.begin_change();
        change.go(Transition::Expire)?;
        change.record(now, Actor::System, Fact::Expired);
        change.end(now);
        Ok(change)
    }

    /// A step has been done; perhaps its stage, perhaps all.
    pub fn step_done(
        &self,
        report: StepReport,
        package: Option<PackageInfo>,
        captured: Option<Captured>,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        let step = report.step;
        if self.is_cared_for_by(step) {
            return Ok(self.care_done(report, captured, now));
        }
        let mut change = self.begin_change();
        change.begin_work(now)?;
        let request = &mut change.request;
        if let (Work::Erase { collection }, Some(until), Some(aftercare)) =
            (&report.work, report.retained_until, &mut request.aftercare)
        {
            aftercare.keep(collection, until);
        }
        if report.work.adds_up() {
            request.total.add(&report.counts);
        }
        if let Some(package) = package {
            request.package = Some(package);
        }
        if let Some(captured) = captured {
            request.sealed = Some(captured.sealed);
            request.contact = captured.contact.or(request.contact.take());
        }
        let stage_done = change.count_down(step)?;
        change.keep_what_is_held(&report);
        change.record(now, Actor::System, Fact::StepDone(report));
        change.go_on(stage_done, now)?;
        Ok(change)
    }

    /// A step failed for good. `obstructed` says where, if the preflight refused.
    pub fn step_failed(
        &self,
        step: StepNumber,
        reason: FailureReason,
        obstructed: Vec<Obstructed>,
        now: Timestamp,
    ) -> Result<Change, LifeError> {
        if self.is_cared_for_by(step) {
            return Ok(self.care_failed(step, reason, now));
        }
        let mut change = self.begin_change();
        change.go(Transition::Fail)?;
        change.record(now, Actor::System, Fact::StepFailed { step, reason, obstructed });
        change.request.wake = Some(Wake { at: after(now, REMINDER_PERIOD), queue: Queue::Notify });
        Ok(change)
    }

    /// A proof was given that is not enough by itself. Nothing has happened yet, so there is no event.
    #[must_use]
    pub fn factor_given(&self, factor: Factor) -> Change {
        let mut change = self.begin_change();
        if !change.request.factors.contains(&factor) {
            change.request.factors.push(factor);
        }
        change
    }

    /// A link to the package was given out.
    #[must_use]
    pub fn link_issued(&self, until: Timestamp, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        if let Some(package) = &mut change.request.package {
            package.links += 1;
        }
        change.record(now, Actor::Subject, Fact::PackageLinkIssued { until });
        change
    }

    /// The package was deleted.
    #[must_use]
    pub fn package_expired(&self, deleted: u64, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        if let Some(package) = &mut change.request.package {
            package.deleted = true;
        }
        change.request.wake = None;
        if !change.request.aftercare.as_ref().is_some_and(Aftercare::needs_contact) {
            change.request.contact = None;
        }
        change.record(now, Actor::System, Fact::PackageExpired { deleted });
        change
    }

    /// The timer of a request that is not done went off. The first time after the due date that is a fact; the timer goes
    /// on until the end.
    #[must_use]
    pub fn reminded(&self, now: Timestamp) -> Change {
        let mut change = self.begin_change();
        change.request.wake = Some(Wake { at: after(now, REMINDER_PERIOD), queue: Queue::Notify });
        if !self.overdue && self.due_at <= now {
            change.request.overdue = true;
            change.record(now, Actor::System, Fact::Overdue);
        }
        change
    }

    /// Steps done and planned.
    #[must_use]
    pub fn progress(&self) -> (u16, u16) {
        let planned: u16 = self.stages.iter().map(|stage| stage.steps).sum();
        let remaining: u16 = self.stages.iter().map(|stage| stage.remaining).sum();
        (planned - remaining, planned)
    }
}

pub(super) fn after(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
