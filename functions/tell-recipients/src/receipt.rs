//! What recipients say back, and what happens when they do not.

use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::evidence::Receipt;
use habeas::identity::reply;
use habeas::ledger::{Extra, LedgerError, StepStatus};
use habeas::plan::Work;
use habeas::policy::{Channel, Opendsr, Pinned};
use habeas::recipients::{Callback, ProcessorKey, ReceiptBody, idempotency_key, subject_request_id};
use habeas::request::{RequestId, StepNumber};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde_json::json;

use crate::Function;

/// Most times that a receipt is written anew because the request changed meanwhile.
const COMMIT_TRIES: usize = 10;

impl Function {
    /// A recipient says how far it is. What says nothing new is answered as if it did, so that it is not sent again.
    pub(crate) async fn receipt(&self, call: &Call, reply: &str) -> Result<Response<Body>, Problem> {
        let (id, number) = reply::open(&self.keys, reply).ok_or_else(no_message)?;
        let driver = &self.platform.driver;
        for _ in 0..COMMIT_TRIES {
            let request = driver.ledger.request(&id).await?.ok_or_else(no_message)?;
            let step = driver.ledger.step(&id, number).await?.ok_or_else(no_message)?;
            let Work::Tell { recipient } = &step.work else { return Err(no_message()) };
            let policy = self.platform.policies.policy(&request.policy).await?;
            let receipt = read(call, &policy, recipient, &id, number)?;
            let answer = json_response(StatusCode::OK, &json!({"recipient": recipient, "status": receipt}));
            let Some(change) = request.recipient_answered(recipient, receipt, driver.clock.now()) else {
                return Ok(answer);
            };
            // A step that is not over yet sets no timer once the receipt is there.
            let is_over = matches!(step.status, StepStatus::Done | StepStatus::Failed);
            let extras = if is_over && receipt.is_final() { vec![Extra::ReceiptOver(number)] } else { Vec::new() };
            match driver.ledger.commit(&change, extras, None).await {
                Ok(()) => {
                    if receipt == Receipt::Denied {
                        tracing::error!(
                            alarm = "recipient_denied",
                            request_id = %id,
                            recipient,
                            "a recipient does not erase; ask it why"
                        );
                    }
                    return Ok(answer);
                }
                Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::Conflict.into())
    }

    /// The receipt of whom a step told was due now, unless the message has come for another reason.
    pub(crate) async fn receipt_is_due(&self, id: &RequestId, number: StepNumber) -> Result<(), LedgerError> {
        let driver = &self.platform.driver;
        let (Some(request), Some(step)) = (driver.ledger.request(id).await?, driver.ledger.step(id, number).await?)
        else {
            return Ok(());
        };
        let Work::Tell { recipient } = &step.work else { return Ok(()) };
        let Some(change) = request.recipient_overdue(recipient, driver.clock.now()) else { return Ok(()) };
        tracing::error!(
            alarm = "receipt_overdue",
            request_id = %id,
            recipient,
            "a recipient was told of an erasure and did not say in time that it is done; ask it"
        );
        match driver.ledger.commit(&change, vec![Extra::ReceiptOver(number)], None).await {
            // The timer brings the message again.
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Reads what a recipient sent, in the form that belongs to how it was told.
fn read(call: &Call, policy: &Pinned, recipient: &str, id: &RequestId, number: StepNumber) -> Result<Receipt, Problem> {
    match policy.recipient(recipient).and_then(|recipient| recipient.tell.as_ref()).map(|tell| &tell.by) {
        Some(Channel::Opendsr(processor)) => {
            check_signature(call, processor)?;
            let callback: Callback = call.json()?;
            if callback.subject_request_id != subject_request_id(&idempotency_key(id, number)) {
                let detail = "Send the subject_request_id of the request that this address was given with.";
                return Err(Problem::new(ProblemKind::MalformedRequest, detail));
            }
            Ok(callback.request_status.into())
        }
        Some(Channel::Webhook(_) | Channel::Queue(_) | Channel::Email(_)) => Ok(call.json::<ReceiptBody>()?.status),
        None => Err(no_message()),
    }
}

/// A callback counts only if it is signed with the key that the policy pins, if it pins one (OpenDSR, section 8.6).
fn check_signature(call: &Call, processor: &Opendsr) -> Result<(), Problem> {
    let Some(pem) = &processor.certificate else { return Ok(()) };
    let key = ProcessorKey::parse(pem).map_err(|error| Problem::internal(&error))?;
    let domain = call.header("x-opendsr-processor-domain");
    let verified = key.verify(processor.domain(), domain, call.header("x-opendsr-signature"), call.body()?);
    verified.map_err(|_| {
        let detail = "Sign the body with the key of the certificate that the controller knows, and name its domain.";
        Problem::new(ProblemKind::Unauthorized, detail)
    })
}

fn no_message() -> Problem {
    Problem::new(ProblemKind::NotFound, "Check the address: it is given with the message that it answers.")
}
