//! Erases, anonymises or retains what is held about a person, as the policy says, and reads everything afresh.

mod erase;
mod held;
mod purge;
mod recheck;

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Trigger};
use habeas::aws::{Platform, StartError};
use habeas::connectors::Connectors;
use habeas::holds::Held;
use habeas::identity::DigestKeys;
use habeas::plan::{Counts, Queue, Work};
use habeas::policy::KeySet;
use habeas::request::Request;
use habeas::steps::{
    Handled, Job, Message, Next, Page, StepError, Worker, capture_page, forget_page, handle_batch, narrow_page,
    preflight_page, resolve_again_page, resolve_page,
};
use habeas::suppression::digests;
use jiff::Timestamp;
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The digest keys.
    pub keys: DigestKeys,
    /// Erases in the controller's systems.
    pub connectors: Connectors,
}

/// Work that belongs to another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this function does not do that work")]
struct NotMyWork;

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self { keys: platform.digest_keys().await?, connectors: platform.connectors(), platform })
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        let policies = self.platform.policies.as_ref();
        self.platform.driver.attend(message, Queue::Erase, policies, self, deadline).await
    }

    /// Writes a suppression entry for every value of the subject's own row that leads to them or to other rows: by any of
    /// them a restored row is recognised.
    async fn suppress(&self, job: &Job) -> Result<Page, StepError> {
        let driver = &self.platform.driver;
        for (field, values) in &job.person()?.keys.keys {
            for value in values {
                let Some(digest) = digests(&self.keys, &job.policy, field, value).into_iter().next() else { continue };
                let Request { id, matter, left_out, .. } = &job.request;
                let written =
                    driver.ledger.suppress(&digest, id, *matter, &left_out.collections, driver.clock.now()).await;
                written.map_err(StepError::transient)?;
            }
        }
        Ok(Page::last(Counts::default()))
    }
}

#[async_trait]
impl Worker for Function {
    async fn page(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError> {
        match &job.claim.step.work {
            Work::Resolve => {
                let channels = self.platform.channels();
                resolve_page(job, &self.connectors, &self.platform.driver.sealer, &channels).await
            }
            Work::Preflight => preflight_page(job, &self.connectors).await,
            Work::Capture { collection, fields } => {
                let set = KeySet { collection: collection.clone(), fields: fields.clone() };
                capture_page(job, &self.connectors, self.platform.driver.key_store.as_ref(), &set, cursor).await
            }
            // What holds keep is found by these keys once the holds have ended.
            Work::Forget if !job.request.kept.is_empty() && !job.request.status.is_end() => {
                let holds = job.request.kept.iter().map(|kept| kept.held.clone().into()).collect();
                Ok(Page {
                    counts: Counts::default(),
                    retained_until: None,
                    next: Next::Kept { holds, retained: Vec::new() },
                })
            }
            Work::Forget => forget_page(job, self.platform.driver.key_store.as_ref()).await,
            Work::Suppress => self.suppress(job).await,
            Work::Erase { collection } => self.erase(job, collection, cursor).await,
            Work::Recheck { .. } | Work::EraseHeld => self.recheck(job, cursor).await,
            Work::Narrow => {
                let driver = &self.platform.driver;
                narrow_page(job, driver.key_store.as_ref(), &driver.sealer).await
            }
            Work::Purge { .. } => self.purge(job, cursor).await,
            Work::ResolveAgain { state_of } => {
                resolve_again_page(job, &self.connectors, &self.platform.driver.sealer, *state_of).await
            }
            Work::Export { .. }
            | Work::Package
            | Work::Clear
            | Work::Tombstone
            | Work::Tell { .. }
            | Work::Sweep { .. }
            | Work::Scan { .. }
            | Work::Reapply { .. }
            | Work::Prove { .. } => Err(StepError::permanent(NotMyWork)),
        }
    }

    fn minds_holds(&self, work: &Work) -> bool {
        matches!(
            work,
            Work::Preflight
                | Work::Suppress
                | Work::Erase { .. }
                | Work::Recheck { .. }
                | Work::EraseHeld
                | Work::Purge { .. }
        )
    }

    fn waits_for(&self, job: &Job) -> Result<Vec<Held>, StepError> {
        self.to_wait_for(job)
    }
}

/// Attends to messages of the queue.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    let Trigger::Queue(event) = trigger else {
        return Err("this function is called by its queue only".into());
    };
    let function = &function;
    Ok(Answer::Queue(handle_batch(event, |message| async move { function.attend(&message, deadline).await }).await))
}
