//! One recipient is told, by the means that the policy names.

use std::cell::RefCell;

use habeas::aws::{RecipientQueueError, SendError};
use habeas::connectors::Target;
use habeas::evidence::{Means, NotTold};
use habeas::holds::{Keeps, Whom, merge};
use habeas::identity::{Contact, reply};
use habeas::messages;
use habeas::outbound::{Answered, OutboundCall, OutboundError};
use habeas::personal::IdentityKind;
use habeas::plan::Counts;
use habeas::policy::{Channel, Opendsr, Period, Webhook};
use habeas::recipients::{self, ProcessorKey, SignatureError, Told};
use habeas::request::Telling;
use habeas::steps::{Job, Next, Page, StepError};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Function;

const JSON: &str = "application/json";

/// What is wrong with the policy, or with an answer, beyond the errors of the means.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error("the policy has no recipient of this id that is told")]
    NobodyToTell,
    #[error("the answer is not signed by the processor")]
    Unsigned(#[source] SignatureError),
}

impl Function {
    /// The only page of a step: done once the recipient has taken the message.
    pub(crate) async fn tell(&self, job: &Job, recipient: &str) -> Result<Page, StepError> {
        let tell = job.policy.recipient(recipient).and_then(|recipient| recipient.tell.as_ref());
        let tell = tell.ok_or_else(|| StepError::permanent(TellError::NobodyToTell))?;
        if let Some(telling) = self.nothing_goes(job, recipient)? {
            return Ok(page(telling));
        }
        let known = recipients::known(&job.policy, tell, &job.person()?.keys);
        if known.is_empty() {
            tracing::info!(recipient, "a recipient knows the person by nothing that is on file");
            return Ok(page(Telling::NotTold(NotTold::NothingKnown)));
        }
        let step = job.claim.step.number;
        let key = recipients::idempotency_key(&job.request.id, step);
        let reply = reply::issue(&self.keys, &job.request.id, step);
        let told = Told {
            request_id: &job.request.id,
            right: job.request.matter.name(),
            submitted_at: job.request.received_at,
            controller: &job.policy.policy().id,
            idempotency_key: &key,
            identities: &known,
            receipt_url: &format!("{}/v1/recipients/{reply}/receipts", self.api_url),
        };
        let by = match &tell.by {
            Channel::Opendsr(processor) => self.request_erasure(job, processor, &told).await?,
            Channel::Webhook(service) => self.call(service, &told).await?,
            Channel::Queue(queue) => {
                let sent = self.queues.send(queue, &key, &recipients::json(&told)).await;
                sent.map_err(|error| match error {
                    RecipientQueueError::Closed(_) => StepError::permanent(error),
                    RecipientQueueError::Busy(_) => StepError::transient(error),
                })?;
                Means::Queue
            }
            Channel::Email(address) => self.mail(job, address, &told).await?,
        };
        let receipt_by = tell.receipt_within.map(|period| later(self.platform.driver.clock.now(), period));
        Ok(page(Telling::Told { by, receipt_by }))
    }

    /// Why nothing is erased that a recipient got, if nothing is.
    fn nothing_goes(&self, job: &Job, recipient: &str) -> Result<Option<Telling>, StepError> {
        let is_exempt = |collection: &str| job.request.exemption(collection).is_some();
        if !job.policy.concerns(recipient, &is_exempt) {
            return Ok(Some(Telling::NotTold(NotTold::NothingErased)));
        }
        let whom = self.whom(job)?;
        let met = RefCell::new(Vec::new());
        let is_held = |collection: &str| {
            let keeps =
                |target| Keeps::of_person(target, &self.keys, &job.holds, &whom, &job.request.kept).everything();
            let held = Target::of(&job.policy, collection).map(keeps).unwrap_or_default();
            merge(&mut met.borrow_mut(), held.iter().cloned());
            !held.is_empty()
        };
        let is_left = |collection: &str| is_exempt(collection) || is_held(collection);
        let is_passed_over = !job.policy.concerns(recipient, &is_left);
        Ok(is_passed_over.then(|| Telling::Held(met.into_inner())))
    }

    /// Whom the request is about, as holds know people.
    pub(crate) fn whom(&self, job: &Job) -> Result<Whom, StepError> {
        if job.holds.is_empty() {
            return Ok(Whom::default());
        }
        Ok(Whom::of(&self.keys, &job.policy, &job.person()?.keys, &job.request.id))
    }

    async fn request_erasure(&self, job: &Job, processor: &Opendsr, told: &Told<'_>) -> Result<Means, StepError> {
        let call = OutboundCall {
            url: &processor.url,
            secret: processor.secret.as_deref(),
            bearer: processor.bearer.as_deref(),
            id: told.idempotency_key,
            content_type: JSON,
            body: recipients::opendsr(processor, &job.policy.policy().jurisdiction, told),
            reads_answer: processor.certificate.is_some(),
        };
        match self.outbound.post(&call).await {
            Ok(answered) => check_signature(processor, &answered).map_err(StepError::transient)?,
            // It has a request of this id already: the answer to an earlier try was lost.
            Err(OutboundError::Refused { status: 409 }) => {}
            Err(error) => return Err(into_step(error)),
        }
        Ok(Means::Opendsr)
    }

    async fn call(&self, service: &Webhook, told: &Told<'_>) -> Result<Means, StepError> {
        let call = OutboundCall {
            url: &service.url,
            secret: Some(&service.secret),
            bearer: service.bearer.as_deref(),
            id: told.idempotency_key,
            content_type: JSON,
            body: recipients::json(told),
            reads_answer: false,
        };
        self.outbound.post(&call).await.map_err(into_step)?;
        Ok(Means::Webhook)
    }

    /// In the controller's first language: nobody knows that of whoever reads it.
    async fn mail(&self, job: &Job, address: &str, told: &Told<'_>) -> Result<Means, StepError> {
        let message = messages::recipient(job.policy.language(None), &job.policy.policy().controller.name, told);
        let to = Contact { kind: IdentityKind::Email, address: address.to_owned() };
        self.sender.send(&to, &message).await.map_err(|error| match error {
            SendError::NoChannel => StepError::permanent(error),
            SendError::Email(_) | SendError::Sms(_) => StepError::transient(error),
        })?;
        Ok(Means::Email)
    }
}

/// An answer that is not the processor's says nothing (OpenDSR, section 7.3).
fn check_signature(processor: &Opendsr, answered: &Answered) -> Result<(), TellError> {
    let Some(pem) = &processor.certificate else { return Ok(()) };
    let header = |name: &str| answered.headers.get(name).and_then(|value| value.to_str().ok());
    let key = ProcessorKey::parse(pem).map_err(TellError::Unsigned)?;
    let domain = header("x-opendsr-processor-domain");
    let signature = header("x-opendsr-signature");
    key.verify(processor.domain(), domain, signature, &answered.body).map_err(TellError::Unsigned)
}

fn into_step(error: OutboundError) -> StepError {
    if error.is_transient() { StepError::transient(error) } else { StepError::permanent(error) }
}

fn page(telling: Telling) -> Page {
    Page { counts: Counts::default(), retained_until: None, next: Next::Told(telling) }
}

/// A moment later by a period; in UTC, since nobody is promised an hour of it.
fn later(moment: Timestamp, period: Period) -> Timestamp {
    let moved = moment.to_zoned(TimeZone::UTC).checked_add(period.0);
    moved.map_or(Timestamp::MAX, |moved| moved.timestamp())
}
