//! Tells people what became of their requests, the app what becomes of accounts, and operators what has become overdue.

mod app;

use std::sync::Arc;

use habeas::api::{Answer, Trigger};
use habeas::app::{AppCalls, AppError};
use habeas::aws::{Platform, PolicySourceError, SendError, Sender, StartError};
use habeas::identity::{Contact, SealError, seal};
use habeas::ledger::{LedgerError, NoticeItem, NoticeState};
use habeas::messages;
use habeas::plan::Queue;
use habeas::policy::{Pinned, in_language, refusal_text};
use habeas::request::{EffectItem, RequestId, Wake};
use habeas::steps::{Handled, Message, handle_batch};
use jiff::Timestamp;
use lambda_runtime::Error;

/// How often a notice is tried.
const MAX_ATTEMPTS: u32 = 10;

/// What the function has.
pub struct Function {
    /// Ledger, clock, policies.
    pub platform: Platform,
    /// Sends messages.
    pub sender: Arc<dyn Sender>,
    /// Calls the app.
    pub app: Arc<dyn AppCalls>,
}

/// Why a notice was not sent.
#[derive(Debug, thiserror::Error)]
enum NoticeError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Policy(#[from] PolicySourceError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    App(#[from] AppError),
}

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self { sender: Arc::new(platform.sender()?), app: Arc::new(platform.outbound()?), platform })
    }

    /// Sends a notice to each of its addresses, one after the other. It is sent again if this ends between sending and
    /// writing that it was sent: better twice than never.
    async fn notice(&self, id: &RequestId, number: u32) -> Result<(), NoticeError> {
        let driver = &self.platform.driver;
        let Some(mut notice) = driver.ledger.claim_notice(id, number, driver.clock.now()).await? else {
            return Ok(());
        };
        let policy = self.platform.policies.policy(&notice.policy).await?;
        let mut state = NoticeState::NoAddress;
        while let Some(sealed) = &notice.contact {
            let contact: Contact = driver.sealer.open(id, seal::end::CONTACT, sealed).await?;
            match self.sender.send(&contact, &message(id, &notice, &policy)).await {
                Ok(()) => state = NoticeState::Sent,
                Err(error) if notice.attempt >= MAX_ATTEMPTS || matches!(error, SendError::NoChannel) => {
                    habeas::telemetry::error_chain("notice_failed", "a notice could not be sent", &error);
                    state = if state == NoticeState::Sent { state } else { NoticeState::Failed };
                }
                Err(error) => return Err(error.into()),
            }
            if notice.others.is_empty() {
                break;
            }
            driver.ledger.notice_goes_on(id, &mut notice).await?;
        }
        driver.ledger.end_notice(id, &notice, state).await?;
        Ok(())
    }

    /// A request's due date has passed, or it waits for an operator.
    async fn overdue(&self, id: &RequestId) -> Result<(), NoticeError> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let Some(request) = driver.ledger.request(id).await? else {
            return Ok(());
        };
        // A message that comes late or twice must not take the place of a timer that is another function's by now.
        let is_not_ours = |wake: Wake| wake.queue != Queue::Notify || wake.at > now;
        if request.status.is_end() || request.wake.is_some_and(is_not_ours) {
            return Ok(());
        }
        tracing::error!(alarm = "overdue", request_id = %id, status = request.status.name(), "a request needs an operator");
        match driver.ledger.commit(&request.reminded(now), Vec::new(), None).await {
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn attend(&self, message: &Message, deadline: Timestamp) -> Handled {
        let attended = match message.item {
            EffectItem::Notice(number) => self.notice(&message.request_id, number).await,
            EffectItem::App(number) => self.tell_app(&message.request_id, number, deadline).await,
            EffectItem::Request => self.overdue(&message.request_id).await,
            EffectItem::Step(_) | EffectItem::Challenge => {
                tracing::error!(alarm = "misdirected", request_id = %message.request_id, "not for this function");
                return Handled::Retry;
            }
        };
        match attended {
            Ok(()) => Handled::Done,
            Err(error) => {
                habeas::telemetry::warn_chain("a notice will be tried again", &error);
                Handled::Retry
            }
        }
    }
}

fn message(id: &RequestId, notice: &NoticeItem, policy: &Pinned) -> messages::Message {
    let language = policy.language(Some(&notice.language));
    let controller = &policy.policy().controller;
    let message = messages::notice(
        language,
        &controller.name,
        notice.kind,
        notice.matter,
        id.as_str(),
        notice.moment,
        notice.left_out,
        &controller.time_zone,
        in_language(&controller.complaint, language),
    );
    match &notice.ground {
        Some(ground) => message.because(refusal_text(policy, ground, language), &ground.source),
        None => message,
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
