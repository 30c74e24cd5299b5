//! `POST /v1/requests/{id}/decision`: an operator has a request go on, refuses it, or leaves a part of it out.
//!
//! The rule of this file: a decision names a ground of the policy that the request is answered under, and comes before the
//! work begins. Whoever decided is a line of the log, by a digest; the person is told on which ground.

use std::collections::BTreeSet;

use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::identity::{Operator, OperatorError, seal};
use habeas::ledger::LedgerError;
use habeas::plan::Plan;
use habeas::policy::Pinned;
use habeas::request::{Change, Exemptions, Ground, LifeError, Request, Status};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Function;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    accept: Option<Accept>,
    deny: Option<Deny>,
    exempt: Option<Vec<Exempt>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    ground: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exempt {
    collection: String,
    ground: String,
}

/// What was decided, with grounds that the policy knows.
enum Decision {
    Accept,
    Deny(Ground),
    Exempt(Exemptions),
}

impl Decision {
    fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Deny(_) => "deny",
            Self::Exempt(_) => "exempt",
        }
    }
}

impl Function {
    /// Writes what an operator decided.
    pub(crate) async fn decide(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let operator = self.operator(call).await?;
        let id = call.request_id()?;
        let body: DecisionBody = call.json()?;
        let driver = &self.platform.driver;
        let request = driver.ledger.request(&id).await?.filter(|request| request.matter.right().is_some());
        let mut request = request.ok_or_else(Problem::not_found)?;
        let policy = self.platform.policies.policy(&request.policy).await?;
        let decision = decision(body, &policy)?;
        if !request.may_be_decided() {
            return Err(too_late(request.status));
        }
        if matches!(decision, Decision::Deny(_)) {
            self.find_address(&mut request, &policy).await?;
        }
        let change = self.change(&request, &policy, &decision)?;
        match driver.ledger.commit(&change, Vec::new(), None).await {
            Ok(()) => {}
            Err(LedgerError::Conflict) => {
                let detail = "The request has just gone on; look at its state, and decide again if you still can.";
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            Err(error) => return Err(error.into()),
        }
        driver.send_effects(&change).await;
        tracing::info!(
            operator = operator.digest,
            request_id = %id,
            decision = decision.name(),
            status = change.request.status.name(),
            "an operator decided"
        );
        let answer = json!({
            "request_id": id, "status": change.request.status,
            "denied": change.request.denied, "exempt": change.request.exempt,
        });
        Ok(json_response(StatusCode::OK, &answer))
    }

    fn change(&self, request: &Request, policy: &Pinned, decision: &Decision) -> Result<Change, Problem> {
        let now = self.platform.driver.clock.now();
        let plan =
            Plan::compile(request.matter, policy, request.with_export).map_err(|error| Problem::internal(&error))?;
        let decided = match decision {
            Decision::Accept => request.review_passed(&plan, now),
            Decision::Deny(ground) => request.denied(ground.clone(), now),
            Decision::Exempt(exemptions) => request.exempted(exemptions, &plan, now),
        };
        decided.map_err(|error| match error {
            LifeError::Illegal(illegal) => too_late(illegal.from),
            LifeError::WrongStage(_) => Problem::internal(&error),
        })
    }

    /// Whoever is refused is told. Nobody may have looked for their address yet.
    async fn find_address(&self, request: &mut Request, policy: &Pinned) -> Result<(), Problem> {
        if request.contact.is_some() {
            return Ok(());
        }
        let found = self.contact(request, policy).await.map_err(|error| Problem::unavailable(&error))?;
        if let Some((contact, _)) = found {
            let sealed = self.platform.driver.sealer.seal(&request.id, seal::end::CONTACT, &contact).await;
            request.contact = Some(sealed.map_err(|error| Problem::unavailable(&error))?);
        }
        Ok(())
    }

    async fn operator(&self, call: &Call) -> Result<Operator, Problem> {
        let now = self.platform.driver.clock.now();
        let operator = Operator::from_header(call.header("authorization"), &self.keys, &self.sign_ins, now).await;
        operator.map_err(|error| {
            if let OperatorError::NotAnOperator { digest } = &error {
                tracing::warn!(caller = digest, "somebody who is no operator tried to decide about a request");
            }
            error.into()
        })
    }
}

fn decision(body: DecisionBody, policy: &Pinned) -> Result<Decision, Problem> {
    match body {
        DecisionBody { accept: Some(Accept {}), deny: None, exempt: None } => Ok(Decision::Accept),
        DecisionBody { accept: None, deny: Some(Deny { ground }), exempt: None } => {
            Ok(Decision::Deny(known_ground(policy, &ground)?))
        }
        DecisionBody { accept: None, deny: None, exempt: Some(named) } if !named.is_empty() => {
            let known: BTreeSet<&str> = policy.collections().collect();
            let mut exemptions = Exemptions::new();
            for Exempt { collection, ground } in named {
                if !known.contains(collection.as_str()) {
                    return Err(malformed("exempt has a name that is no collection of the request's policy."));
                }
                exemptions.insert(collection, known_ground(policy, &ground)?);
            }
            if exemptions.len() == known.len() {
                return Err(malformed("That leaves nothing of the request. Refuse it: deny, with a ground."));
            }
            Ok(Decision::Exempt(exemptions))
        }
        _ => Err(malformed("Decide one of: accept: {}, deny: {ground}, exempt: [{collection, ground}].")),
    }
}

/// A ground that the policy lists.
fn known_ground(policy: &Pinned, id: &str) -> Result<Ground, Problem> {
    let refusals = &policy.policy().refusals;
    let named = refusals.iter().find(|refusal| refusal.id == id);
    let named = named.ok_or_else(|| {
        let known: Vec<&str> = refusals.iter().map(|refusal| refusal.id.as_str()).collect();
        malformed(&format!("The request's policy has the grounds: {}. Name one of them.", known.join(", ")))
    })?;
    Ok(Ground { ground: named.id.clone(), source: named.source.clone() })
}

fn too_late(status: Status) -> Problem {
    let detail = match status {
        Status::AwaitingVerification => "Nobody has shown who they are yet. Decide once they have.",
        Status::InProgress | Status::NeedsAttention => "The work has begun. What was not done yet is done.",
        Status::Accepted | Status::OnHold | Status::CoolingOff => {
            "It waits for no decision. It can be refused (deny), or a part of it left out (exempt)."
        }
        _ => "The request has ended.",
    };
    Problem::new(ProblemKind::Conflict, detail)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemKind::MalformedRequest, detail.to_owned())
}
