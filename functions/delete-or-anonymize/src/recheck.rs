//! One page of a re-check: everything that the erasure went through is looked at again, collection after collection, and
//! what has turned up since is erased as the erasure would have. What a legal hold had kept is erased in the same way.
//!
//! The rule of this file: before each page it is asked whether somebody new holds an identity of the erased person, and what
//! is theirs is left alone. What is to be looked at may change while a step is under way; where it stands may not.

use habeas::connectors::{ConnectorError, Person};
use habeas::evidence::RetainedRows;
use habeas::holds::{Kept, keep};
use habeas::plan::{Counts, Plan, Work};
use habeas::policy::KeySet;
use habeas::request::Matter;
use habeas::steps::{Doubtful, Found, Job, Next, Page, StepError, is_out_of_reach, recapture_page, without_newcomers};
use serde::{Deserialize, Serialize};

use crate::Function;
use crate::erase::{Cursor, Progress};

/// Where a re-check stands.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    /// Which of the works of [`Plan::recheck`].
    work: usize,
    /// Where in it.
    at: Option<Cursor>,
    found: u64,
    found_in: Vec<String>,
    somebody_new: bool,
    /// Where rows are kept for a time.
    #[serde(default)]
    retained: Vec<RetainedRows>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Kept>,
}

impl Place {
    /// Goes on to the next work that is to be done. Those that are not count too: holds begin and end beside a step that was
    /// given back, and it must go on where it was all the same.
    fn pass_over(&mut self, job: &Job, works: &[Work]) {
        while works.get(self.work).is_some_and(|work| !is_to_be_done(job, work)) {
            self.work += 1;
            self.at = None;
        }
    }
}

/// Whether holds kept something of a collection.
fn was_kept(job: &Job, collection: &str) -> bool {
    job.request.kept.iter().any(|kept| kept.collections.contains(collection))
}

/// Whether a hold that kept something of a collection has ended: within a day the step comes that erases it.
fn is_come_back_for(job: &Job, collection: &str) -> bool {
    job.request.kept.iter().any(|kept| kept.collections.contains(collection) && !job.holds.has(&kept.held.hold))
}

/// Whether a collection is of those that the request is about: not one that an operator left out, and, where somebody is erased
/// again, one in which something was kept. What a hold kept that has ended has not turned up again, so a re-check leaves those
/// collections to the step that comes back for them; until it has ended, what was written late beside it is looked for.
fn is_to_be_looked_at(job: &Job, collection: &str) -> bool {
    let is_wanted = match (&job.claim.step.work, job.request.matter) {
        (Work::Recheck { .. }, _) => !is_come_back_for(job, collection),
        (_, Matter::ErasedAgain) => was_kept(job, collection),
        _ => true,
    };
    is_wanted && job.request.exemption(collection).is_none()
}

/// Whether one of the works of [`Plan::recheck`] is to be done now.
fn is_to_be_done(job: &Job, work: &Work) -> bool {
    match work {
        // What leads to kept rows only is all that is known any more: there are no captured keys, and none are to come.
        Work::Capture { .. } => !job.request.is_narrowed(),
        Work::Erase { collection } => is_to_be_looked_at(job, collection),
        _ => true,
    }
}

/// Calls an operator: rows had been kept, and of some nobody can tell any more whose they are.
pub(crate) fn told_out_of_reach(job: &Job, collection: &str) {
    tracing::error!(
        alarm = "purge_out_of_reach",
        request_id = %job.request.id,
        collection,
        "rows had been kept, and of some nothing tells any more whose they are"
    );
}

impl Function {
    pub(crate) async fn recheck(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError> {
        let mut place: Place = match cursor {
            None => Place::default(),
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let works = Plan::recheck(&job.policy);
        place.pass_over(job, &works);
        let place_of = |work: &Work| match work {
            Work::Capture { collection, .. } | Work::Erase { collection } => Some(collection.clone()),
            _ => None,
        };
        let (mut person, somebody_new) =
            self.still_erased(job, works.get(place.work).and_then(place_of).as_deref()).await?;
        if job.request.is_narrowed() {
            person = Person::known_by(person.keys);
        }
        place.somebody_new |= somebody_new;
        let counts = match works.get(place.work) {
            Some(Work::Capture { collection, fields }) => {
                let set = KeySet { collection: collection.clone(), fields: fields.clone() };
                let store = self.platform.driver.key_store.as_ref();
                recapture_page(job, &self.connectors, store, &set, &person).await?;
                place.work += 1;
                Counts::default()
            }
            Some(Work::Erase { collection }) => self.look_again(job, &person, collection, &mut place).await?,
            _ => Counts::default(),
        };
        place.pass_over(job, &works);
        let next = if place.work < works.len() {
            Next::Page(serde_json::to_string(&place).map_err(StepError::permanent)?)
        } else {
            let Place { found: rows, found_in: collections, somebody_new, retained, holds, .. } = place;
            if job.claim.step.work == Work::EraseHeld {
                Next::Kept { holds, retained }
            } else {
                let until = retained.into_iter().filter_map(|kept| Some((kept.collection, kept.until?)));
                Next::Rechecked(Found { rows, collections, somebody_new, kept: until.collect(), holds })
            }
        };
        Ok(Page { counts, retained_until: None, next })
    }

    /// Looks at a page of a collection, or erases one.
    async fn look_again(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        place: &mut Place,
    ) -> Result<Counts, StepError> {
        let cursor = place.at.take().unwrap_or_else(Cursor::that_looks_first);
        let (progress, counts) = self.turn(job, person, collection, cursor).await?;
        match progress {
            Progress::On(cursor) => {
                place.at = Some(cursor);
                Ok(counts)
            }
            Progress::Done(cursor) => {
                place.work += 1;
                let (rows, marked, until) = (cursor.retained - cursor.held, cursor.marked, cursor.kept_until());
                let out_of_reach = job.claim.step.work == Work::EraseHeld
                    && was_kept(job, collection)
                    && is_out_of_reach(&job.policy, &job.person()?.keys, &person.keys, collection);
                if out_of_reach {
                    told_out_of_reach(job, collection);
                }
                if rows > 0 || out_of_reach {
                    let collection = collection.to_owned();
                    place.retained.push(RetainedRows { collection, rows, marked, until, out_of_reach });
                }
                if cursor.found > 0 {
                    place.found += cursor.found;
                    place.found_in.push(collection.to_owned());
                }
                for held in &cursor.holds {
                    keep(&mut place.holds, held, [collection]);
                }
                let (retained, held) = (cursor.retained, cursor.held);
                Ok(Counts { read: cursor.found + retained, retained, held, marked: cursor.marked, ..counts })
            }
        }
    }

    /// The person by the keys that are still theirs alone in a collection, and whether somebody new holds any of the others.
    pub(crate) async fn still_erased(&self, job: &Job, collection: Option<&str>) -> Result<(Person, bool), StepError> {
        let driver = &self.platform.driver;
        let keys = job.person()?.keys.clone();
        let since = job.request.received_at;
        // What holds have kept was the erased person's when they kept it; what stands elsewhere may be somebody new's.
        let is_held = |collection: &str| job.claim.step.work == Work::EraseHeld && was_kept(job, collection);
        let doubtful = if collection.is_some_and(is_held) { Doubtful::Erased } else { Doubtful::New };
        let theirs = without_newcomers(&self.connectors, &job.policy, keys, since, doubtful).await;
        let (keys, somebody_new) = theirs.map_err(ConnectorError::into_step)?;
        Ok((Person::of(job.request.id.clone(), keys, driver.key_store.clone()), somebody_new))
    }
}
