//! What a step waits for before it begins.
//!
//! The rule of this file: until a request has ended, the policy says whether it waits for a hold. After its end nothing waits
//! but the step that erases what holds have kept: until one of them has ended.

use habeas::holds::{Held, Holds};
use habeas::plan::Work;
use habeas::request::Matter;
use habeas::steps::{Job, StepError};

use crate::Function;

impl Function {
    /// The legal holds that a step has to wait for.
    pub(crate) fn to_wait_for(&self, job: &Job) -> Result<Vec<Held>, StepError> {
        let (request, holds, policy) = (&job.request, &job.holds, &job.policy);
        match &job.claim.step.work {
            _ if holds.is_empty() => Ok(Vec::new()),
            Work::EraseHeld => Ok(while_all_count(job, holds)),
            Work::Recheck { .. } | Work::Purge { .. } => Ok(Vec::new()),
            Work::Erase { collection } => {
                let whom = self.whom(job, job.person()?);
                Ok(holds.to_wait_for(policy, &whom, std::iter::once(collection.as_str())))
            }
            // Whoever is erased again is so in some collections only, each of which is looked at by its own step.
            _ if matches!(request.matter, Matter::ErasedAgain) => {
                Ok(holds.to_wait_for(policy, &self.whom(job, job.person()?), std::iter::empty()))
            }
            _ => Ok(holds.to_wait_for(policy, &self.whom(job, job.person()?), job.collections_at_stake())),
        }
    }
}

/// The holds that keep something, as long as none of them has ended.
fn while_all_count(job: &Job, holds: &Holds) -> Vec<Held> {
    let kept = || job.request.kept.iter().map(|kept| &kept.held);
    let has_begun = job.claim.step.cursor.is_some();
    if has_begun || kept().any(|held| !holds.has(&held.hold)) { Vec::new() } else { kept().cloned().collect() }
}
