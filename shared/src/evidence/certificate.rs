//! What was done where, worked out from the events and nothing else, so that it cannot say more than they prove.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, EventHash, Fact, Outcome, RecheckReport};
use crate::holds::Held;
use crate::plan::{Counts, Work};
use crate::policy::PolicyDigest;
use crate::request::{Matter, RequestId};

/// The result for one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionResult {
    /// What was done.
    #[serde(flatten)]
    pub work: Work,
    /// What was counted.
    pub counts: Counts,
    /// Until when the last of the retained rows is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<Timestamp>,
}

/// What a legal hold did to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldResult {
    /// The hold, its basis and its end.
    #[serde(flatten)]
    pub held: Held,
    /// Since when the request waited for it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_since: Option<Timestamp>,
    /// When it was seen to count no more, if it has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What it kept when the request came to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptRows>,
}

/// Rows of one collection that legal holds kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRows {
    /// The collection.
    pub collection: String,
    /// How many rows all the holds kept there together; 0 if they were not looked at.
    pub rows: u64,
}

/// A summary of a request's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The request.
    pub request_id: RequestId,
    /// What it was for.
    pub matter: Matter,
    /// The policy that it was answered under.
    pub policy: PolicyDigest,
    /// When it arrived.
    pub received_at: Timestamp,
    /// When the answer was due.
    pub due_at: Timestamp,
    /// When it was done, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// How it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// One entry a step that touched data.
    pub results: Vec<CollectionResult>,
    /// The sum of them.
    pub total: Counts,
    /// What was looked for and found after the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rechecks: Vec<RecheckReport>,
    /// What legal holds did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldResult>,
    /// What was erased once a hold had ended, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_holds: Vec<Counts>,
    /// How many events there are.
    pub events: u32,
    /// Hash of the last one.
    pub head: EventHash,
}

impl Certificate {
    /// The certificate of a whole chain; none if it does not begin with a request's arrival.
    #[must_use]
    pub fn from_events(events: &[Event]) -> Option<Self> {
        let first = events.first()?;
        let last = events.last()?;
        let Fact::Received { matter, policy, due_at } = &first.fact else {
            return None;
        };
        let mut certificate = Self {
            request_id: first.request_id.clone(),
            matter: *matter,
            policy: policy.clone(),
            received_at: first.at,
            due_at: *due_at,
            completed_at: None,
            outcome: None,
            results: Vec::new(),
            total: Counts::default(),
            rechecks: Vec::new(),
            holds: Vec::new(),
            after_holds: Vec::new(),
            events: last.number,
            head: last.hash.clone(),
        };
        for event in events {
            certificate.take_holds(event);
            match &event.fact {
                Fact::StepDone(report) if report.work.collection().is_some() || report.work.adds_up() => {
                    if report.work.adds_up() {
                        certificate.total.add(&report.counts);
                    }
                    certificate.results.push(CollectionResult {
                        work: report.work.clone(),
                        counts: report.counts,
                        retained_until: report.retained_until,
                    });
                }
                Fact::Completed { outcome } => {
                    certificate.completed_at = Some(event.at);
                    certificate.outcome = Some(*outcome);
                }
                Fact::Rechecked(report) => certificate.rechecks.push(report.clone()),
                _ => {}
            }
        }
        Some(certificate)
    }

    /// What an event says of legal holds.
    fn take_holds(&mut self, event: &Event) {
        match &event.fact {
            Fact::Held(held) => self.hold(held).waited_since = Some(event.at),
            Fact::HoldEnded { hold, .. } => {
                if let Some(result) = self.holds.iter_mut().rev().find(|result| result.held.hold == *hold) {
                    result.ended_at = Some(event.at);
                }
            }
            Fact::Rechecked(report) => {
                for held in &report.holds {
                    self.hold(held);
                }
            }
            Fact::StepDone(report) => {
                for held in &report.holds {
                    let result = self.hold(held);
                    if let Some(collection) = report.work.collection() {
                        let kept = KeptRows { collection: collection.to_owned(), rows: report.counts.held };
                        result.kept.push(kept);
                    }
                }
                if report.work == Work::EraseHeld {
                    self.after_holds.push(report.counts);
                }
            }
            _ => {}
        }
    }

    fn hold(&mut self, held: &Held) -> &mut HoldResult {
        let at = self.holds.iter().position(|result| result.held.hold == held.hold).unwrap_or_else(|| {
            let result = HoldResult { held: held.clone(), waited_since: None, ended_at: None, kept: Vec::new() };
            self.holds.push(result);
            self.holds.len() - 1
        });
        &mut self.holds[at]
    }
}
