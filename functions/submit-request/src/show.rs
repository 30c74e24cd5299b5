//! What became of requests, and taking one back.

use habeas::api::{Call, Problem, ProblemKind, html_response, json_response, request_json, summary_json};
use habeas::certificate;
use habeas::evidence::{Certificate, EvidenceFile};
use habeas::identity::{Caller, token};
use habeas::ledger::LedgerError;
use habeas::request::life::LifeError;
use habeas::request::{Request, RequestId, Status};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde_json::{Value, json};

use crate::Function;

impl Function {
    /// The caller's requests.
    pub(crate) async fn list(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let ledger = &self.platform.driver.ledger;
        let requests = match self.caller(call).await? {
            Caller::SignedIn { digests, .. } => {
                let mut requests = Vec::new();
                for digest in &digests {
                    requests.extend(ledger.requests_of(digest).await?);
                }
                requests.sort_by_key(|request| std::cmp::Reverse(request.received_at));
                requests
            }
            Caller::TokenHolder(id) | Caller::ReceiptHolder(id) => ledger.request(&id).await?.into_iter().collect(),
            Caller::Anonymous => return Err(unauthorized()),
        };
        let mut listed: Vec<Value> = Vec::with_capacity(requests.len());
        for request in &requests {
            listed.push(summary_json(request, self.policy(&request.policy).await?.as_ref()));
        }
        Ok(json_response(StatusCode::OK, &json!({"requests": listed})))
    }

    /// One request.
    pub(crate) async fn show(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let id = call.request_id()?;
        let caller = known(self.caller(call).await?)?;
        let view = self.platform.driver.ledger.view(&id).await?.ok_or_else(Problem::not_found)?;
        if !caller.may_see_outcome(&view.request) {
            return Err(Problem::not_found());
        }
        let policy = self.policy(&view.request.policy).await?;
        let mut body = request_json(&view, &policy);
        let receipt = token::receipt(&self.keys, &id).map_err(|error| Problem::internal(&error))?;
        body["receipt"] = receipt.into();
        Ok(json_response(StatusCode::OK, &body))
    }

    /// The chain of events, the certificate, the latest anchor.
    pub(crate) async fn evidence(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let request = self.own_outcome(call).await?;
        let file = self.evidence_of(&request).await?;
        let body = serde_json::to_value(file).map_err(|error| Problem::internal(&error))?;
        Ok(json_response(StatusCode::OK, &body))
    }

    /// The certificate, as a page to be read.
    pub(crate) async fn certificate(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let request = self.own_outcome(call).await?;
        let file = self.evidence_of(&request).await?;
        let policy = self.policy(&request.policy).await?;
        let page = certificate::page(&file, &policy, &request.language);
        let page = certificate::render(&page).map_err(|error| Problem::internal(&error))?;
        Ok(html_response(page))
    }

    async fn evidence_of(&self, request: &Request) -> Result<EvidenceFile, Problem> {
        let (events, anchored) = self.platform.driver.ledger.evidence(&request.id).await?;
        let certificate = Certificate::from_events(&events).ok_or_else(Problem::not_found)?;
        Ok(EvidenceFile { certificate, events, anchored })
    }

    /// Takes a request back.
    pub(crate) async fn withdraw(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let driver = &self.platform.driver;
        let (request, _) = self.own_request(call).await?;
        let change = match request.withdrawn(driver.clock.now()) {
            Ok(change) => change,
            Err(LifeError::Illegal(illegal)) => {
                let policy = self.policy(&request.policy).await?;
                return Err(Problem::after_the_end(&request, &policy, too_late(illegal.from)));
            }
            Err(error @ LifeError::WrongStage(_)) => return Err(Problem::internal(&error)),
        };
        match driver.ledger.commit(&change, Vec::new(), None).await {
            Ok(()) => {}
            Err(LedgerError::Conflict) => {
                let detail = "The request has just gone on; look at its state.";
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            Err(error) => return Err(error.into()),
        }
        driver.send_effects(&change).await;
        let body = json!({"request_id": request.id, "status": change.request.status});
        Ok(json_response(StatusCode::OK, &body))
    }

    /// The request in the path, if it is the caller's.
    pub(crate) async fn own_request(&self, call: &Call) -> Result<(Request, Caller), Problem> {
        let (request, caller) = self.request_of(call).await?;
        if caller.may_see(&request) { Ok((request, caller)) } else { Err(Problem::not_found()) }
    }

    /// The same for whoever only has its receipt too.
    async fn own_outcome(&self, call: &Call) -> Result<Request, Problem> {
        let (request, caller) = self.request_of(call).await?;
        if caller.may_see_outcome(&request) { Ok(request) } else { Err(Problem::not_found()) }
    }

    async fn request_of(&self, call: &Call) -> Result<(Request, Caller), Problem> {
        let id: RequestId = call.request_id()?;
        let caller = known(self.caller(call).await?)?;
        let request = self.platform.driver.ledger.request(&id).await?.ok_or_else(Problem::not_found)?;
        Ok((request, caller))
    }
}

fn known(caller: Caller) -> Result<Caller, Problem> {
    if matches!(caller, Caller::Anonymous) { Err(unauthorized()) } else { Ok(caller) }
}

fn unauthorized() -> Problem {
    Problem::new(ProblemKind::Unauthorized, "Sign in, or prove an address by code and use the token that you get.")
}

fn too_late(status: Status) -> &'static str {
    match status {
        Status::Accepted | Status::InProgress | Status::NeedsAttention | Status::UnderReview => {
            "The work has begun and cannot be taken back."
        }
        Status::Completed => "The request has been completed and cannot be taken back.",
        Status::Withdrawn => "The request has been taken back already.",
        _ => "The request has ended and cannot be taken back.",
    }
}
