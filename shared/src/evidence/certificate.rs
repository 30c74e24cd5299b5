//! What was done where, worked out from the events and nothing else, so that it cannot say more than they prove.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, EventHash, Fact, Outcome, Purged, RecheckReport, StepReport};
use crate::plan::{Counts, Work};
use crate::policy::PolicyDigest;
use crate::request::{Exemptions, Ground, Matter, RequestId};

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

/// What was kept of one collection, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedResult {
    /// Which.
    pub collection: String,
    /// How many rows were kept at the end of the erasure.
    pub rows: u64,
    /// Of those, how many bore the mark of what may not be used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub marked: u64,
    /// Until when the last of them is kept, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many were erased by purges since.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub purged: u64,
    /// When a purge found that nothing is kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
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
    /// What an erasure kept, one entry a collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<RetainedResult>,
    /// The ground on which it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Ground>,
    /// What an operator left out of it, by collection.
    #[serde(default, skip_serializing_if = "Exemptions::is_empty")]
    pub exempt: Exemptions,
    /// What was looked for and found after the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rechecks: Vec<RecheckReport>,
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
            retained: Vec::new(),
            denied: None,
            exempt: Exemptions::new(),
            rechecks: Vec::new(),
            events: last.number,
            head: last.hash.clone(),
        };
        for event in events {
            match &event.fact {
                Fact::StepDone(report) if report.exempt => {}
                Fact::StepDone(report) if report.work.collection().is_some() || report.work.adds_up() => {
                    if report.work.adds_up() {
                        certificate.total.add(&report.counts);
                    }
                    certificate.retained.extend(kept(report));
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
                Fact::Denied(ground) => certificate.denied = Some(ground.clone()),
                Fact::Exempted { collections } => certificate.exempt.extend(collections.clone()),
                Fact::Rechecked(report) => certificate.rechecks.push(report.clone()),
                Fact::Purged(report) => {
                    for purged in &report.collections {
                        certificate.purged(purged, event.at);
                    }
                }
                _ => {}
            }
        }
        Some(certificate)
    }

    /// What a purge did in a collection. What it kept itself, a re-check found: it was not there at the end.
    fn purged(&mut self, purged: &Purged, at: Timestamp) {
        let known = self.retained.iter().position(|entry| entry.collection == purged.collection);
        let at_hand = known.unwrap_or(self.retained.len());
        if known.is_none() {
            let collection = purged.collection.clone();
            self.retained.push(RetainedResult {
                collection,
                rows: 0,
                marked: 0,
                until: None,
                purged: 0,
                purged_at: None,
            });
        }
        if let Some(entry) = self.retained.get_mut(at_hand) {
            entry.purged += purged.erased;
            if purged.retained == 0 {
                entry.purged_at = Some(at);
            } else {
                entry.until = purged.retained_until;
            }
        }
    }
}

/// What an erasure kept of a collection, if it kept anything.
fn kept(report: &StepReport) -> Option<RetainedResult> {
    let Work::Erase { collection } = &report.work else { return None };
    let StepReport { counts, retained_until: until, .. } = report;
    (counts.retained > 0).then(|| RetainedResult {
        collection: collection.clone(),
        rows: counts.retained,
        marked: counts.marked,
        until: *until,
        purged: 0,
        purged_at: None,
    })
}
