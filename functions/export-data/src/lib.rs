//! Copies what is held about a person and makes the package; deletes it when its time is over.

mod collect;
mod expire;
mod package;

use std::sync::Arc;

use async_trait::async_trait;
use habeas::api::{Answer, Trigger};
use habeas::aws::{Platform, StartError};
use habeas::connectors::{Connectors, S3};
use habeas::export::Signer;
use habeas::plan::{Queue, Work};
use habeas::policy::KeySet;
use habeas::request::EffectItem;
use habeas::steps::{
    Handled, Job, Message, Page, StepError, Worker, capture_page, forget_page, handle_batch, resolve_page,
};
use jiff::Timestamp;
use lambda_runtime::Error;

pub use package::Limits;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// Reads the controller's systems.
    pub connectors: Connectors,
    /// Writes and reads the package bucket.
    pub s3: aws_sdk_s3::Client,
    /// Where packages are.
    pub package_bucket: String,
    /// Signs manifests.
    pub signer: Arc<dyn Signer>,
    /// How much of a package is made at once.
    pub limits: Limits,
}

/// Work that belongs to another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this function does not do that work")]
struct NotMyWork;

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self {
            connectors: platform.connectors(),
            s3: habeas::aws::s3_client(&platform.sdk),
            package_bucket: platform.settings.required("PACKAGE_BUCKET")?,
            signer: Arc::new(platform.signer()?),
            limits: Limits::default(),
            platform,
        })
    }

    /// The package bucket through the connector that can list and delete versions.
    fn packages(&self) -> S3 {
        S3::new(self.s3.clone(), self.platform.driver.clock.clone())
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        if message.item != EffectItem::Request {
            let policies = self.platform.policies.as_ref();
            return self.platform.driver.attend(message, Queue::Export, policies, self, deadline).await;
        }
        match self.expire_package(&message.request_id).await {
            Ok(()) => Handled::Done,
            Err(error) => {
                habeas::telemetry::warn_chain("an expired package is still there; it will be tried again", &error);
                Handled::Retry
            }
        }
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
            Work::Capture { collection, fields } => {
                let set = KeySet { collection: collection.clone(), fields: fields.clone() };
                capture_page(job, &self.connectors, self.platform.driver.key_store.as_ref(), &set, cursor).await
            }
            Work::Forget => forget_page(job, self.platform.driver.key_store.as_ref()).await,
            Work::Export { collection } => self.collect(job, collection, cursor).await,
            Work::Package => Box::pin(self.make_package(job, cursor)).await,
            Work::Clear => self.clear_staging(job).await,
            Work::Preflight
            | Work::EraseHeld
            | Work::Suppress
            | Work::Tell { .. }
            | Work::Erase { .. }
            | Work::Recheck { .. }
            | Work::Narrow
            | Work::Purge { .. }
            | Work::Tombstone
            | Work::Sweep { .. }
            | Work::Scan { .. }
            | Work::Reapply { .. }
            | Work::Prove { .. }
            | Work::ResolveAgain { .. } => Err(StepError::permanent(NotMyWork)),
        }
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
