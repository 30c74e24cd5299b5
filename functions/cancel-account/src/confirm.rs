//! `POST /v1/requests/{id}/confirmation`: the consequences were read, and the phrase says so.

use habeas::api::{Call, Problem, ProblemKind, json_response, next_of};
use habeas::identity::{Caller, token};
use habeas::ledger::{LedgerError, keys};
use habeas::policy::{Pinned, deadline};
use habeas::request::{Right, Status};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Function;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    phrase: String,
    #[serde(default)]
    export: bool,
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
        if request.status != Status::OnHold {
            let detail = match request.status {
                Status::AwaitingVerification => "Show who you are first; the request says how.",
                Status::CoolingOff => "It has been confirmed already.",
                _ => "This request does not wait for a confirmation.",
            };
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let policy = self.platform.policies.policy(&request.policy).await?;
        check_phrase(&policy, &body.phrase)?;
        let rule = policy.right(Right::AccountCancellation).and_then(|rule| rule.cooling_off);
        let cooling_off = rule.ok_or_else(Problem::not_found)?;
        let until = deadline::later(now, cooling_off, &policy.policy().controller.time_zone)
            .map_err(|error| Problem::internal(&error))?;
        let change = request.confirmed(until, body.export, now).map_err(|error| Problem::internal(&error))?;
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
            "cooling_off_until": keys::moment(until),
            "export": body.export,
            "receipt": receipt,
            "next": next_of(&change.request, &policy, language),
        });
        Ok(json_response(StatusCode::OK, &answer))
    }
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
