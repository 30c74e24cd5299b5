//! `POST` and `PUT /v1/requests/{id}/verification`.

use habeas::api::{Call, Problem, ProblemKind, json_response, next_of};
use habeas::identity::code::{self, MAX_ATTEMPTS, RESEND_INTERVAL};
use habeas::identity::{Caller, Code, CodeDigest, token};
use habeas::ledger::{Challenge, LedgerError, SendRefusal, keys};
use habeas::plan::{Plan, Queue};
use habeas::policy::{Factor, Pinned, deadline};
use habeas::request::{Change, EffectItem, Matter, Request, RequestId, Right, Status};
use habeas::steps::Message;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Function;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerBody {
    code: String,
}

/// How often a verified answer is tried to be written while the request changes under it.
const TRIES: usize = 5;

impl Function {
    /// Sends a code (again). Whoever knows the id may ask: the code goes to the address on file and nowhere else.
    pub(crate) async fn send_again(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let id = call.request_id()?;
        let driver = &self.platform.driver;
        let request = driver.ledger.request(&id).await?.ok_or_else(Problem::not_found)?;
        if request.sealed.is_none() && request.contact.is_none() {
            let detail = "The request has ended and nothing of it can be opened any more.";
            let policy = self.platform.policies.policy(&request.policy).await?;
            return Err(Problem::after_the_end(&request, &policy, detail));
        }
        match driver.ledger.ask_again(&id, driver.clock.now()).await? {
            Ok(()) => {}
            Err(refusal @ SendRefusal::TooSoon) => return Err(Problem::new(ProblemKind::TooSoon, sentence(&refusal))),
            Err(refusal @ SendRefusal::TooMany) => return Err(Problem::new(ProblemKind::TooMany, sentence(&refusal))),
        }
        driver.send(Queue::Verify, &[Message { request_id: id.clone(), item: EffectItem::Challenge }]).await;
        let body = json!({
            "request_id": id,
            "status": request.status,
            "code_expires_in_seconds": code::LIFETIME.as_secs(),
            "resend_after_seconds": RESEND_INTERVAL.as_secs(),
        });
        Ok(json_response(StatusCode::ACCEPTED, &body))
    }

    /// Checks a code.
    pub(crate) async fn answer(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let id = call.request_id()?;
        let body: AnswerBody = call.json()?;
        let typed = Code::parse(&body.code)
            .map_err(|error| Problem::new(ProblemKind::CodeWrong, format!("{}.", sentence(&error))))?;
        let now = self.platform.driver.clock.now();
        let caller =
            Caller::from_header(call.header("authorization"), &self.operators.keys, &self.operators.sign_ins, now)
                .await?;
        let challenge = self.check(&id, &typed, now).await?;
        let request = self.verified(&id, &caller, &challenge).await?;
        let policy = self.platform.policies.policy(&request.policy).await?;
        let language = policy.language(Some(&request.language));
        let mut body = json!({
            "request_id": id,
            "status": request.status,
            "due_at": keys::moment(request.due_at),
            "next": next_of(&request, &policy, language),
        });
        if !matches!(caller, Caller::SignedIn { .. }) {
            let (token, expires_at) =
                token::issue(&self.operators.keys, &id, now).map_err(|error| Problem::internal(&error))?;
            body["token"] = json!(token);
            body["token_expires_at"] = json!(keys::moment(expires_at));
        }
        Ok(json_response(StatusCode::OK, &body))
    }

    /// Counts the answer, then looks at it, then uses the code up.
    async fn check(&self, id: &RequestId, typed: &Code, now: Timestamp) -> Result<Challenge, Problem> {
        let ledger = &self.platform.driver.ledger;
        let spent = || {
            let detail =
                "No code was sent, it is older than ten minutes, or it was answered too often. Ask for a new one.";
            Problem::new(ProblemKind::CodeSpent, detail)
        };
        let attempt = ledger.count_attempt(id, now).await?.ok_or_else(spent)?;
        let stored = attempt.challenge.code.clone().unwrap_or_else(CodeDigest::of_nothing);
        if !typed.digest(&self.operators.keys, id, attempt.challenge.sends).matches(&stored) {
            let left = MAX_ATTEMPTS.saturating_sub(attempt.challenge.attempts);
            let detail = match left {
                0 => "That was the last try for this code. Ask for a new one.".to_owned(),
                1 => "One try is left for this code.".to_owned(),
                left => format!("{left} tries are left for this code."),
            };
            return Err(Problem::new(ProblemKind::CodeWrong, detail));
        }
        if ledger.use_code(id, &attempt).await? { Ok(attempt.challenge) } else { Err(spent()) }
    }

    /// Makes of the request what the new proof allows.
    async fn verified(&self, id: &RequestId, caller: &Caller, challenge: &Challenge) -> Result<Request, Problem> {
        let driver = &self.platform.driver;
        for _ in 0..TRIES {
            let request = driver.ledger.request(id).await?.ok_or_else(Problem::not_found)?;
            if request.status != Status::AwaitingVerification {
                return Ok(request);
            }
            let policy = self.platform.policies.policy(&request.policy).await?;
            let mut change = decide(&request, caller, &policy, driver.clock.now())?;
            change.request.contact.clone_from(&challenge.contact);
            for notice in &mut change.notices {
                notice.contact.clone_from(&challenge.contact);
            }
            match driver.ledger.commit(&change, Vec::new(), None).await {
                Ok(()) => {
                    driver.send_effects(&change).await;
                    return Ok(change.request);
                }
                Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::Conflict.into())
    }
}

fn decide(request: &Request, caller: &Caller, policy: &Pinned, now: Timestamp) -> Result<Change, Problem> {
    let right = request.matter.right().unwrap_or(Right::Access);
    let rule = policy.right(right).ok_or_else(Problem::not_found)?;
    let mut factors = request.factors.clone();
    let mut give = |factor: Factor| {
        if !factors.contains(&factor) {
            factors.push(factor);
        }
    };
    give(Factor::ContactCode);
    if let Caller::SignedIn { sign_in, .. } = caller {
        let time_zone = &policy.policy().controller.time_zone;
        let oldest =
            deadline::earlier(now, rule.sign_in_max_age, time_zone).map_err(|error| Problem::internal(&error))?;
        if caller.may_see(request) && sign_in.at >= oldest {
            give(Factor::FreshSignIn);
        }
    }
    let enough = rule.verification.iter().any(|alternative| alternative.iter().all(|factor| factors.contains(factor)));
    if !enough {
        return Ok(request.factor_given(Factor::ContactCode));
    }
    let decided = if right == Right::AccountCancellation {
        request.confirmation_asked(factors, now)
    } else if rule.review {
        request.review_asked(factors, now)
    } else {
        let plan = Plan::compile(Matter::Right(right), policy, false).map_err(|error| Problem::internal(&error))?;
        request.accepted(factors, &plan, now)
    };
    decided.map_err(|error| Problem::internal(&error))
}

fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
