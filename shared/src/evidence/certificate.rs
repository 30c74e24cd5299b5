//! What was done where, worked out from the events and nothing else, so that it cannot say more than they prove.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RecipientResult;
use super::event::{Event, EventHash, Fact, Outcome, PurgeReport, Purged, RecheckReport, StepReport};
use crate::holds::Held;
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
    #[serde(default, skip_serializing_if = "super::event::is_zero")]
    pub marked: u64,
    /// Until when the last of them is kept, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many were erased by purges since.
    #[serde(default, skip_serializing_if = "super::event::is_zero")]
    pub purged: u64,
    /// When a purge found that nothing is kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<Timestamp>,
    /// Whether a purge could not tell any more of all rows there whether they are the person's, and left those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_reach: bool,
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
    /// What an erasure kept, one entry a collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<RetainedResult>,
    /// The ground on which it was refused, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Ground>,
    /// What an operator left out of it, by collection.
    #[serde(default, skip_serializing_if = "Exemptions::is_empty")]
    pub exempt: Exemptions,
    /// The same by category, where it was left out as one.
    #[serde(default, skip_serializing_if = "Exemptions::is_empty")]
    pub exempt_categories: Exemptions,
    /// What was looked for and found after the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rechecks: Vec<RecheckReport>,
    /// Who was told, or was not, and what they said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<RecipientResult>,
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
            retained: Vec::new(),
            denied: None,
            exempt: Exemptions::new(),
            exempt_categories: Exemptions::new(),
            rechecks: Vec::new(),
            recipients: Vec::new(),
            holds: Vec::new(),
            after_holds: Vec::new(),
            events: last.number,
            head: last.hash.clone(),
        };
        for event in events {
            RecipientResult::follow(&mut certificate.recipients, event.at, &event.fact);
            certificate.take_holds(event);
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
                Fact::Exempted(left_out) => {
                    certificate.exempt.extend(left_out.collections.clone());
                    certificate.exempt_categories.extend(left_out.categories.clone());
                }
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

    /// What an event says of legal holds.
    fn take_holds(&mut self, event: &Event) {
        match &event.fact {
            Fact::Held(held) => self.hold(held).waited_since = Some(event.at),
            Fact::HoldEnded { hold, .. } => {
                if let Some(result) = self.holds.iter_mut().rev().find(|result| result.held.hold == *hold) {
                    result.ended_at = Some(event.at);
                }
            }
            Fact::RecipientNotTold { holds, .. } => {
                for held in holds {
                    self.hold(held);
                }
            }
            Fact::Rechecked(RecheckReport { holds, .. }) | Fact::Purged(PurgeReport { holds, .. }) => {
                for kept in holds {
                    self.hold(&kept.held);
                }
            }
            Fact::StepDone(report) => {
                for kept in &report.holds {
                    let result = self.hold(&kept.held);
                    if let Some(collection) = report.work.collection() {
                        let kept = KeptRows { collection: collection.to_owned(), rows: report.counts.held };
                        result.kept.push(kept);
                    }
                }
                if report.work == Work::EraseHeld {
                    self.after_holds.push(report.counts);
                }
                for kept in &report.retained {
                    let entry = self.retained(&kept.collection);
                    (entry.rows, entry.marked, entry.until) = (entry.purged + kept.rows, kept.marked, kept.until);
                    entry.out_of_reach = kept.out_of_reach;
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

    /// What a purge did in a collection. What it kept itself, a re-check found: it was not there at the end.
    fn purged(&mut self, purged: &Purged, at: Timestamp) {
        let entry = self.retained(&purged.collection);
        entry.purged += purged.erased;
        entry.out_of_reach = purged.out_of_reach;
        if purged.retained > 0 {
            entry.until = purged.retained_until;
        } else if !purged.out_of_reach {
            entry.purged_at = Some(at);
        }
    }

    /// What is said of rows that were kept of a collection.
    fn retained(&mut self, collection: &str) -> &mut RetainedResult {
        let at = self.retained.iter().position(|entry| entry.collection == collection).unwrap_or_else(|| {
            self.retained.push(RetainedResult {
                collection: collection.to_owned(),
                rows: 0,
                marked: 0,
                until: None,
                purged: 0,
                purged_at: None,
                out_of_reach: false,
            });
            self.retained.len() - 1
        });
        &mut self.retained[at]
    }
}

/// What an erasure kept of a collection, if it kept anything.
fn kept(report: &StepReport) -> Option<RetainedResult> {
    let Work::Erase { collection } = &report.work else { return None };
    let StepReport { counts, retained_until: until, .. } = report;
    // What a legal hold keeps is told with the hold.
    let rows = counts.retained.saturating_sub(counts.held);
    (rows > 0).then(|| RetainedResult {
        collection: collection.clone(),
        rows,
        marked: counts.marked,
        until: *until,
        purged: 0,
        purged_at: None,
        out_of_reach: false,
    })
}
