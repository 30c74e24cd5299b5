//! What was done where, worked out from the events and nothing else, so that it cannot say more than they prove.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RecipientResult;
use super::event::{Event, EventHash, Fact, Outcome, RecheckReport};
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
    /// Who was told, or was not, and what they said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientResult>,
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
            recipients: Vec::new(),
            events: last.number,
            head: last.hash.clone(),
        };
        for event in events {
            RecipientResult::follow(&mut certificate.recipients, event.at, &event.fact);
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
}
