//! One page of a purge: rows that were kept for a time are looked at, collection after collection, and those whose time has
//! come are erased.
//!
//! The rule of this file: what may go is judged by the moment that the step is for, so that a step which is late or done again
//! judges alike; and what is somebody new's is left alone, as by a re-check.

use habeas::connectors::Person;
use habeas::evidence::Purged;
use habeas::holds::{Kept, keep};
use habeas::plan::{Counts, Plan, Work};
use habeas::steps::{Job, Next, Page, StepError, is_out_of_reach};
use serde::{Deserialize, Serialize};

use crate::Function;
use crate::erase::{Cursor, Progress};
use crate::recheck::told_out_of_reach;

/// Where a purge stands.
#[derive(Default, Serialize, Deserialize)]
struct Place {
    /// What is done, in the order of the collections.
    done: Vec<Purged>,
    /// Where in the next one.
    at: Option<Cursor>,
    /// What has gone of it.
    erased: u64,
    somebody_new: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Kept>,
}

impl Function {
    pub(crate) async fn purge(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError> {
        let mut place: Place = match cursor {
            None => Place::default(),
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let collections = Plan::in_order(&job.policy, &job.request.to_purge());
        let (person, somebody_new) = self.still_erased(job, None).await?;
        place.somebody_new |= somebody_new;
        // Captured keys have been forgotten: only values that are sealed lead anywhere.
        let person = Person::known_by(person.keys);
        let counts = match collections.get(place.done.len()) {
            Some(collection) => self.purge_page(job, &person, collection, &mut place).await?,
            None => Counts::default(),
        };
        let next = if place.done.len() < collections.len() {
            Next::Page(serde_json::to_string(&place).map_err(StepError::permanent)?)
        } else {
            Next::Purged { collections: place.done, somebody_new: place.somebody_new, holds: place.holds }
        };
        Ok(Page { counts, retained_until: None, next })
    }

    async fn purge_page(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        place: &mut Place,
    ) -> Result<Counts, StepError> {
        let (progress, counts) = self.turn(job, person, collection, place.at.take().unwrap_or_default()).await?;
        place.erased += counts.erased;
        match progress {
            Progress::On(cursor) => {
                place.at = Some(cursor);
                Ok(counts)
            }
            Progress::Done(cursor) => {
                let out_of_reach = is_out_of_reach(&job.policy, &job.person()?.keys, &person.keys, collection);
                // Before its time it is nobody's matter: it may be told again by then.
                let until = job.request.to_purge().get(collection).copied();
                let is_due = matches!(job.claim.step.work, Work::Purge { at } if until.is_none_or(|until| until <= at));
                if out_of_reach && is_due {
                    told_out_of_reach(job, collection);
                }
                place.done.push(Purged {
                    collection: collection.to_owned(),
                    erased: std::mem::take(&mut place.erased),
                    retained: cursor.retained,
                    retained_until: cursor.kept_until(),
                    out_of_reach,
                });
                let counts = Counts { retained: cursor.retained, marked: cursor.marked, held: cursor.held, ..counts };
                for held in &cursor.holds {
                    keep(&mut place.holds, held, [collection]);
                }
                Ok(counts)
            }
        }
    }
}
