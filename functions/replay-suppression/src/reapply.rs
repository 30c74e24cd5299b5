//! Opens a request for each person that was found, and waits until they have ended.
//!
//! The rule of this file: a person's request has an id that follows from the replay and from the request that erased them,
//! so that it is opened once however often this runs; what was kept of them is forgotten once it is open.

use std::collections::BTreeMap;

use habeas::identity::{SubjectKeys, seal};
use habeas::ledger::{FoundAgain, LedgerError};
use habeas::personal::IdentityKind;
use habeas::plan::{Counts, Plan};
use habeas::request::{Matter, NewRequest, Request, RequestId, Status};
use habeas::steps::{Job, Next, Page, StepError};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::Function;
use crate::begin::REPLAY_WITHIN;
use crate::scan::END;

/// Identities that are taken at a time. A person has a handful.
const FOUND_AT_ONCE: i32 = 200;
/// Requests that are asked after at a time.
const REQUESTS_AT_ONCE: i32 = 100;
/// How long it waits for requests that have not ended, the first time,
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);
/// and at most.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// Where it stands.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    /// Whether all requests are open.
    all_are_open: bool,
    /// The last request that has ended.
    ended: Option<RequestId>,
    /// How often it has waited.
    waits: u32,
}

impl Function {
    pub(crate) async fn reapply(
        &self,
        job: &Job,
        collections: &[String],
        state_of: Timestamp,
        cursor: Option<&str>,
    ) -> Result<Page, StepError> {
        let place: Place = match cursor {
            None => Place::default(),
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        if place.all_are_open {
            return self.await_end(job, place).await;
        }
        let all_are_open = self.open_some(job, collections, state_of).await?;
        page(Counts::default(), &Place { all_are_open, ..place })
    }

    /// Opens requests for some of those that were found. True: there are no more.
    async fn open_some(&self, job: &Job, collections: &[String], state_of: Timestamp) -> Result<bool, StepError> {
        let ledger = &self.platform.driver.ledger;
        let found = ledger.found_again(&job.request.id, FOUND_AT_ONCE).await;
        let (found, more) = found.map_err(StepError::transient)?;
        let mut people: BTreeMap<RequestId, Vec<FoundAgain>> = BTreeMap::new();
        for found in found {
            people.entry(found.erased_by.clone()).or_default().push(found);
        }
        if more && people.len() > 1 {
            // The rest of the last one's is on the next page.
            people.pop_last();
        }
        for (erased_by, found) in people {
            self.open(job, &erased_by, &found, collections, state_of).await?;
            for found in &found {
                ledger.forget_found(&job.request.id, found).await.map_err(StepError::transient)?;
            }
        }
        Ok(!more)
    }

    async fn open(
        &self,
        job: &Job,
        erased_by: &RequestId,
        found: &[FoundAgain],
        collections: &[String],
        state_of: Timestamp,
    ) -> Result<(), StepError> {
        let driver = &self.platform.driver;
        let replay = &job.request.id;
        let id = id_of(replay, erased_by);
        driver.ledger.keep_again(replay, &id).await.map_err(StepError::transient)?;
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for found in found {
            let opened = driver.sealer.open(replay, END, &found.sealed).await;
            let (field, value): (String, String) = opened.map_err(StepError::transient)?;
            keys.entry(field).or_default().push(value);
        }
        // Nobody asked, so there is no identity that it was asked with: its keys say whom it is about.
        let subject = SubjectKeys {
            kind: IdentityKind::UserId,
            value: String::new(),
            keys,
            named: Vec::new(),
            own_ids: BTreeMap::new(),
        };
        let sealed = driver.sealer.seal(&id, seal::end::SUBJECT, &subject).await.map_err(StepError::transient)?;
        let now = driver.clock.now();
        let mut change = Request::open(NewRequest {
            id,
            matter: Matter::ErasedAgain,
            policy: job.policy.digest().clone(),
            received_at: now,
            due_at: now.saturating_add(REPLAY_WITHIN).unwrap_or(Timestamp::MAX),
            subject: None,
            language: job.request.language.clone(),
            sealed: Some(sealed),
            submission: None,
            factors: Vec::new(),
        });
        // All of it, whatever this replay is about: the list of erasures learns it from here for the next one.
        change.leave_out_again(found.iter().flat_map(|found| found.exempt.clone()).collect(), now);
        let plan = Plan::again(&job.policy, collections, state_of);
        change.accept(Vec::new(), &plan, now).map_err(StepError::permanent)?;
        match driver.ledger.commit(&change, Vec::new(), None).await {
            Ok(()) => {
                tracing::info!(request_id = %change.request.id, %replay, %erased_by, "somebody is erased again");
                driver.send_effects(&change).await;
                Ok(())
            }
            // It is open already; or another worker is about to open it, and may fail.
            Err(LedgerError::Conflict) => match driver.ledger.request(&change.request.id).await {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err(StepError::transient(LedgerError::Conflict)),
                Err(error) => Err(StepError::transient(error)),
            },
            Err(error) => Err(StepError::transient(error)),
        }
    }

    /// Asks after some requests. One that needs attention, or waits for a legal hold, is not waited for: what it left is found by the look afresh.
    async fn await_end(&self, job: &Job, mut place: Place) -> Result<Page, StepError> {
        let ledger = &self.platform.driver.ledger;
        let opened = ledger.opened_again(&job.request.id, place.ended.as_ref(), REQUESTS_AT_ONCE).await;
        let opened = opened.map_err(StepError::transient)?;
        let mut counts = Counts::default();
        if opened.is_empty() {
            return Ok(Page::last(counts));
        }
        for id in opened {
            let request = ledger.request(&id).await.map_err(StepError::transient)?;
            let over = request.filter(|request| {
                let is_stopped = request.status == Status::NeedsAttention || !request.waits_for.is_empty();
                request.status.is_end() || is_stopped
            });
            let Some(request) = over else {
                let wait = (FIRST_WAIT * (1 << place.waits.min(5))).min(LONGEST_WAIT);
                place.waits += 1;
                let next = serde_json::to_string(&place).map_err(StepError::permanent)?;
                return Ok(Page { counts, retained_until: None, next: Next::Later(next, wait) });
            };
            let Counts { erased, anonymised, retained, .. } = request.total;
            counts.add(&Counts { erased, anonymised, retained, ..Counts::default() });
            place.ended = Some(id);
        }
        page(counts, &place)
    }
}

fn page(counts: Counts, place: &Place) -> Result<Page, StepError> {
    let next = serde_json::to_string(place).map_err(StepError::permanent)?;
    Ok(Page { counts, retained_until: None, next: Next::Page(next) })
}

/// The id of the request of a person. As hard to guess as those that it is made of.
fn id_of(replay: &RequestId, erased_by: &RequestId) -> RequestId {
    let digest = hex::encode(sha2::Sha256::digest(format!("{replay}/{erased_by}")));
    // Thirty-two hexadecimal digits are an id.
    digest[..32].parse().unwrap_or_else(|_| erased_by.clone())
}
