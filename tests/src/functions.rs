//! The functions, each as it runs on Lambda: started once, with the variables that the template gives it, by the clients
//! that it makes for itself, and with nothing that another function has.

use std::fmt;
use std::sync::Arc;

use habeas::api::{Answer, Trigger};
use habeas::aws::{S3Anchors, StartError};
use habeas::plan::Queue;
use jiff::Timestamp;
use lambda_http::Error;

use crate::cloud::Cloud;

/// A function, by its name in the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Function {
    SubmitRequest,
    VerifyIdentity,
    ExportData,
    DeleteOrAnonymize,
    CancelAccount,
    RetentionSweep,
    WakeDueWork,
    Notify,
    PlanRequest,
    AnchorEvidence,
    ReplaySuppression,
    TellRecipients,
    ManageHolds,
}

impl Function {
    pub const ALL: [Self; 13] = [
        Self::SubmitRequest,
        Self::VerifyIdentity,
        Self::ExportData,
        Self::DeleteOrAnonymize,
        Self::CancelAccount,
        Self::RetentionSweep,
        Self::WakeDueWork,
        Self::Notify,
        Self::PlanRequest,
        Self::AnchorEvidence,
        Self::ReplaySuppression,
        Self::TellRecipients,
        Self::ManageHolds,
    ];

    /// Its name in the template.
    pub fn name(self) -> &'static str {
        match self {
            Self::SubmitRequest => "SubmitRequest",
            Self::VerifyIdentity => "VerifyIdentity",
            Self::ExportData => "ExportData",
            Self::DeleteOrAnonymize => "DeleteOrAnonymize",
            Self::CancelAccount => "CancelAccount",
            Self::RetentionSweep => "RetentionSweep",
            Self::WakeDueWork => "WakeDueWork",
            Self::Notify => "Notify",
            Self::PlanRequest => "PlanRequest",
            Self::AnchorEvidence => "AnchorEvidence",
            Self::ReplaySuppression => "ReplaySuppression",
            Self::TellRecipients => "TellRecipients",
            Self::ManageHolds => "ManageHolds",
        }
    }

    /// The one that a queue feeds.
    pub fn of(queue: Queue) -> Self {
        match queue {
            Queue::Verify => Self::VerifyIdentity,
            Queue::Export => Self::ExportData,
            Queue::Erase => Self::DeleteOrAnonymize,
            Queue::Cancel => Self::CancelAccount,
            Queue::Sweep => Self::RetentionSweep,
            Queue::Notify => Self::Notify,
            Queue::Replay => Self::ReplaySuppression,
            Queue::Tell => Self::TellRecipients,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A function that has started.
pub(crate) enum Running {
    SubmitRequest(Arc<submit_request::Function>),
    VerifyIdentity(Arc<verify_identity::Function>),
    ExportData(Arc<export_data::Function>),
    DeleteOrAnonymize(Arc<delete_or_anonymize::Function>),
    CancelAccount(Arc<cancel_account::Function>),
    RetentionSweep(Arc<retention_sweep::Function>),
    WakeDueWork(Arc<wake_due_work::Function>),
    Notify(Arc<notify::Function>),
    PlanRequest(Arc<plan_request::Function>),
    AnchorEvidence(Arc<anchor_evidence::Function>),
    ReplaySuppression(Arc<replay_suppression::Function>),
    TellRecipients(Arc<tell_recipients::Function>),
    ManageHolds(Arc<manage_holds::Function>),
}

impl Running {
    /// Starts a function as its own `start` does.
    pub(crate) async fn start(function: Function, cloud: &Cloud) -> Result<Self, StartError> {
        let connectors = || cloud.connectors(Some(function), cloud.dynamodb(function), cloud.s3(function));
        if function == Function::PlanRequest {
            let reader = cloud.reader(function, connectors()).await?;
            return Ok(Self::PlanRequest(Arc::new(plan_request::Function { reader })));
        }
        let platform = cloud.platform(function)?;
        Ok(match function {
            Function::SubmitRequest => Self::SubmitRequest(Arc::new(submit_request::Function {
                current: platform.current_policy()?,
                keys: platform.digest_keys().await?,
                sign_ins: platform.sign_ins()?,
                s3: cloud.s3(function),
                package_bucket: platform.settings.required("PACKAGE_BUCKET")?,
                platform,
            })),
            Function::VerifyIdentity => Self::VerifyIdentity(Arc::new(verify_identity::Function {
                operators: platform.operators().await?,
                connectors: connectors(),
                sender: Arc::new(cloud.sender(function, &platform)?),
                platform,
            })),
            Function::ExportData => Self::ExportData(Arc::new(export_data::Function {
                connectors: connectors(),
                s3: cloud.s3(function),
                package_bucket: platform.settings.required("PACKAGE_BUCKET")?,
                signer: Arc::new(platform.signer()?),
                limits: *cloud.limits.lock().unwrap(),
                platform,
            })),
            Function::DeleteOrAnonymize => Self::DeleteOrAnonymize(Arc::new(delete_or_anonymize::Function {
                keys: platform.digest_keys().await?,
                connectors: connectors(),
                platform,
            })),
            Function::CancelAccount => Self::CancelAccount(Arc::new(cancel_account::Function {
                keys: platform.digest_keys().await?,
                sign_ins: platform.sign_ins()?,
                connectors: connectors(),
                app: Arc::new(cloud.app_calls(&platform)?),
                secrets: platform.call_secrets(),
                current: platform.current_policy()?,
                platform,
            })),
            Function::RetentionSweep => Self::RetentionSweep(Arc::new(retention_sweep::Function {
                current: platform.current_policy()?,
                keys: platform.digest_keys().await?,
                connectors: connectors(),
                platform,
            })),
            Function::WakeDueWork => Self::WakeDueWork(Arc::new(wake_due_work::Function { platform })),
            Function::Notify => {
                let sender = Arc::new(cloud.sender(function, &platform)?);
                let app = Arc::new(cloud.app_calls(&platform)?);
                Self::Notify(Arc::new(notify::Function { sender, app, platform }))
            }
            Function::AnchorEvidence => {
                let bucket = platform.settings.required("ANCHOR_BUCKET")?;
                Self::AnchorEvidence(Arc::new(anchor_evidence::Function {
                    anchors: S3Anchors::new(cloud.s3(function), bucket),
                    signer: Arc::new(cloud.anchor_signer(&platform)?),
                    platform,
                }))
            }
            Function::ReplaySuppression => Self::ReplaySuppression(Arc::new(replay_suppression::Function {
                current: platform.current_policy()?,
                operators: platform.operators().await?,
                connectors: connectors(),
                platform,
            })),
            Function::TellRecipients => Self::TellRecipients(Arc::new(tell_recipients::Function {
                keys: platform.digest_keys().await?,
                outbound: platform.outbound()?,
                queues: cloud.recipient_queues(&platform),
                sender: Arc::new(cloud.sender(function, &platform)?),
                api_url: platform.settings.required("API_URL")?,
                platform,
            })),
            Function::ManageHolds => Self::ManageHolds(Arc::new(manage_holds::Function {
                current: platform.current_policy()?,
                operators: platform.operators().await?,
                connectors: connectors(),
                platform,
            })),
            Function::PlanRequest => unreachable!("it has no platform"),
        })
    }

    /// Lets it do its work once.
    pub(crate) async fn handle(&self, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
        match self {
            Self::SubmitRequest(function) => {
                Box::pin(submit_request::handle(function.clone(), trigger, deadline)).await
            }
            Self::VerifyIdentity(function) => {
                Box::pin(verify_identity::handle(function.clone(), trigger, deadline)).await
            }
            Self::ExportData(function) => Box::pin(export_data::handle(function.clone(), trigger, deadline)).await,
            Self::DeleteOrAnonymize(function) => {
                Box::pin(delete_or_anonymize::handle(function.clone(), trigger, deadline)).await
            }
            Self::CancelAccount(function) => {
                Box::pin(cancel_account::handle(function.clone(), trigger, deadline)).await
            }
            Self::RetentionSweep(function) => {
                Box::pin(retention_sweep::handle(function.clone(), trigger, deadline)).await
            }
            Self::WakeDueWork(function) => Box::pin(wake_due_work::handle(function.clone(), trigger, deadline)).await,
            Self::Notify(function) => Box::pin(notify::handle(function.clone(), trigger, deadline)).await,
            Self::PlanRequest(function) => Box::pin(plan_request::handle(function.clone(), trigger, deadline)).await,
            Self::AnchorEvidence(function) => {
                Box::pin(anchor_evidence::handle(function.clone(), trigger, deadline)).await
            }
            Self::ReplaySuppression(function) => {
                Box::pin(replay_suppression::handle(function.clone(), trigger, deadline)).await
            }
            Self::TellRecipients(function) => {
                Box::pin(tell_recipients::handle(function.clone(), trigger, deadline)).await
            }
            Self::ManageHolds(function) => Box::pin(manage_holds::handle(function.clone(), trigger, deadline)).await,
        }
    }
}
