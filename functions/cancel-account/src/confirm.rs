//! `POST /v1/requests/{id}/confirmation`: the consequences were read, the phrase says so, and nothing that the policy checks
//! speaks against it.

use std::time::Duration;

use habeas::api::{Call, FailedCheck, Problem, ProblemKind, json_response, next_of};
use habeas::checks::Occasion;
use habeas::identity::{Caller, token};
use habeas::ledger::{LedgerError, keys};
use habeas::policy::{Pinned, deadline};
use habeas::request::{Change, Confirmation, Request, Right, Status};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Function;
use crate::account::{Account, CancelError};

/// How long the checks may take while the person waits: the call as a whole has thirty seconds.
const TIME_FOR_CHECKS: Duration = Duration::from_secs(20);
/// Longest id of a device, in bytes.
const MAX_DEVICE: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    phrase: String,
    #[serde(default)]
    export: bool,
    device: Option<String>,
}

impl Function {
    pub(crate) async fn confirm(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let id = call.request_id()?;
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let caller = Caller::from_header(call.header("authorization"), &self.keys, &self.sign_ins, now).await?;
        if matches!(caller, Caller::Anonymous) {
            return Err(Problem::new(ProblemKind::Unauthorized, "Sign in, or use the token that the code gave you."));
        }
        let request = driver.ledger.request(&id).await?.filter(|request| caller.may_see(request));
        let request = request.ok_or_else(Problem::not_found)?;
        let body: ConfirmBody = call.json()?;
        let policy = self.platform.policies.policy(&request.policy).await?;
        if request.status != Status::OnHold {
            return Err(not_to_be_confirmed(&request, &policy));
        }
        check_phrase(&policy, &body.phrase)?;
        let change = self.checked(&request, &policy, &body).await?;
        match driver.ledger.commit(&change, Vec::new(), None).await {
            Ok(()) => {}
            Err(LedgerError::Conflict) => {
                return Err(Problem::new(ProblemKind::Conflict, "The request has just changed; look at its state."));
            }
            Err(error) => return Err(error.into()),
        }
        driver.send_effects(&change).await;
        let language = policy.language(Some(&request.language));
        // The account and the address for codes will be gone: this is what the person can ask with then.
        let receipt = token::receipt(&self.keys, &id).map_err(|error| Problem::internal(&error))?;
        let answer = json!({
            "request_id": id,
            "status": change.request.status,
            "cooling_off_until": change.request.cooling_off_until.map(keys::moment),
            "export": body.export,
            "receipt": receipt,
            "next": next_of(&change.request, &policy, language),
        });
        Ok(json_response(StatusCode::OK, &answer))
    }
}

impl Function {
    /// Makes the policy's checks, and of the request what a confirmation comes to if all of them pass.
    async fn checked(&self, request: &Request, policy: &Pinned, body: &ConfirmBody) -> Result<Change, Problem> {
        if body.device.as_ref().is_some_and(|device| device.is_empty() || device.len() > MAX_DEVICE) {
            let detail = format!("device has 1 to {MAX_DEVICE} bytes.");
            return Err(Problem::new(ProblemKind::MalformedRequest, detail));
        }
        let occasion = Occasion::Confirmation { device: body.device.as_deref() };
        let account = tokio::time::timeout(TIME_FOR_CHECKS, self.account(request, policy, occasion)).await;
        let account = account.unwrap_or(Err(CancelError::TooLate)).map_err(|error| problem(&error))?;
        if !account.checked.failed.is_empty() {
            tracing::info!(request_id = %request.id, failed = ?account.checked.failed, "a check failed");
            return Err(refused(&account, policy, policy.language(Some(&request.language))));
        }
        self.decide(request, policy, account, body.export).await.map_err(|error| problem(&error))
    }

    async fn decide(
        &self,
        request: &Request,
        policy: &Pinned,
        account: Account,
        export: bool,
    ) -> Result<Change, CancelError> {
        let now = self.platform.driver.clock.now();
        let time_zone = &policy.policy().controller.time_zone;
        let rule = policy.right(Right::AccountCancellation);
        let cooling_off = rule.and_then(|rule| rule.cooling_off).ok_or(CancelError::NoSubject)?;
        let until = deadline::later(now, cooling_off, time_zone)?;
        let reminders: Result<Vec<Timestamp>, _> = rule
            .map_or_else(Vec::new, habeas::policy::RightRule::reminders)
            .into_iter()
            .map(|before| deadline::earlier(until, before, time_zone))
            .collect();
        let confirmation = Confirmation {
            until,
            export,
            reminders: reminders?.into_iter().filter(|at| *at > now).collect(),
            addresses: self.addresses(request, &account).await?,
            app_user: self.app_user(request, policy, &account).await?,
            checks: account.checked.passed,
        };
        Ok(request.confirmed(confirmation, now)?)
    }
}

/// Why a request that does not wait for it cannot be confirmed.
fn not_to_be_confirmed(request: &Request, policy: &Pinned) -> Problem {
    let detail = match request.status {
        Status::AwaitingVerification => "Show who you are first; the request says how.",
        Status::CoolingOff => "It has been confirmed already.",
        _ => return Problem::after_the_end(request, policy, "This request does not wait for a confirmation."),
    };
    Problem::new(ProblemKind::Conflict, detail)
}

fn problem(error: &CancelError) -> Problem {
    if error.is_transient() { Problem::unavailable(error) } else { Problem::internal(error) }
}

/// Each check that failed, with what the person can do about it.
fn refused(account: &Account, policy: &Pinned, language: &str) -> Problem {
    let advice = |id: &String| FailedCheck {
        id: id.clone(),
        what_to_do: policy.advice(id, language).unwrap_or_default().to_owned(),
    };
    let detail = "Nothing has been changed. See under checks what you can do, then confirm again.";
    Problem::new(ProblemKind::CheckFailed, detail).with_checks(account.checked.failed.iter().map(advice).collect())
}

/// The phrase in any of the policy's languages; space around it and upper or lower case do not count.
fn check_phrase(policy: &Pinned, typed: &str) -> Result<(), Problem> {
    let phrase = policy.right(Right::AccountCancellation).and_then(|rule| rule.phrase.as_ref());
    let same = |wanted: &String| wanted.trim().to_lowercase() == typed.trim().to_lowercase();
    if phrase.is_some_and(|phrase| phrase.values().any(same)) {
        return Ok(());
    }
    let detail = "Type the phrase exactly as the request shows it under next.phrase.";
    Err(Problem::new(ProblemKind::PhraseWrong, detail))
}
