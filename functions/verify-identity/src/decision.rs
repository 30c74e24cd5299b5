//! `POST /v1/requests/{id}/decision`: an operator has a request go on, refuses it, or leaves a part of it out.
//!
//! The rule of this file: a decision names a ground of the policy that the request is answered under, and comes before the
//! work begins. Whoever decided is a line of the log, by a digest; the person is told on which ground.

use std::collections::BTreeSet;

use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::identity::seal;
use habeas::ledger::{LedgerError, RequestView, Step, StepStatus};
use habeas::plan::{Plan, Work};
use habeas::policy::Pinned;
use habeas::request::{Change, Ground, LeftOut, LifeError, Matter, Request, Right, Status, StepNumber};
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
    retry: Option<Retry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deny {
    ground: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exempt {
    collection: Option<String>,
    category: Option<String>,
    ground: String,
}

/// What was decided, with grounds that the policy knows.
enum Decision {
    Accept,
    Deny(Ground),
    Exempt(LeftOut),
    Retry(Vec<StepNumber>),
}

impl Decision {
    fn name(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Deny(_) => "deny",
            Self::Exempt(_) => "exempt",
            Self::Retry(_) => "retry",
        }
    }
}

impl Function {
    /// Writes what an operator decided.
    pub(crate) async fn decide(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let now = self.platform.driver.clock.now();
        let operator = self.operators.of(call.header("authorization"), now, "tried to decide about a request").await?;
        let id = call.request_id()?;
        let body: DecisionBody = call.json()?;
        let driver = &self.platform.driver;
        let view = driver.ledger.view(&id).await?.filter(|view| view.request.matter.right().is_some());
        let RequestView { mut request, steps } = view.ok_or_else(Problem::not_found)?;
        let policy = self.platform.policies.policy(&request.policy).await?;
        let decision = decision(body, &request, &steps, &policy)?;
        let is_in_time = match &decision {
            Decision::Retry(steps) => !steps.is_empty(),
            Decision::Exempt(_) => request.may_be_decided() || nothing_is_done(&request, &steps),
            Decision::Accept | Decision::Deny(_) => request.may_be_decided(),
        };
        if !is_in_time {
            return Err(too_late(request.status, request.may_be_decided()));
        }
        if matches!(decision, Decision::Deny(_)) {
            self.find_address(&mut request, &policy).await?;
        }
        let name = decision.name();
        let change = self.change(&request, &policy, decision)?;
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
            decision = name,
            status = change.request.status.name(),
            "an operator decided"
        );
        let answer = json!({
            "request_id": id, "status": change.request.status,
            "denied": change.request.denied, "exempt": change.request.left_out.collections,
            "exempt_categories": change.request.left_out.categories,
        });
        Ok(json_response(StatusCode::OK, &answer))
    }

    fn change(&self, request: &Request, policy: &Pinned, decision: Decision) -> Result<Change, Problem> {
        let now = self.platform.driver.clock.now();
        let plan =
            Plan::compile(request.matter, policy, request.with_export).map_err(|error| Problem::internal(&error))?;
        // Only cancel-account may read what they read.
        let has_checks = !policy.checks().is_empty();
        let decided = match decision {
            Decision::Accept => request.review_passed(&plan, has_checks, now),
            Decision::Deny(ground) => request.denied(ground, now),
            Decision::Exempt(left_out) => request.exempted(left_out, &plan, has_checks, now),
            Decision::Retry(failed) => request.retried(&failed, now),
        };
        decided.map_err(|error| match error {
            LifeError::Illegal(illegal) => too_late(illegal.from, false),
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
}

fn decision(body: DecisionBody, request: &Request, steps: &[Step], policy: &Pinned) -> Result<Decision, Problem> {
    match body {
        DecisionBody { retry: Some(Retry {}), accept: None, deny: None, exempt: None } => {
            let is_stuck = request.status == Status::NeedsAttention;
            let failed = |step: &&Step| is_stuck && step.status == StepStatus::Failed && request.is_at(step.number);
            Ok(Decision::Retry(steps.iter().filter(failed).map(|step| step.number).collect()))
        }
        DecisionBody { accept: Some(Accept {}), deny: None, exempt: None, retry: None } => Ok(Decision::Accept),
        DecisionBody { accept: None, deny: Some(Deny { ground }), exempt: None, retry: None } => {
            Ok(Decision::Deny(known_ground(policy, &ground)?))
        }
        DecisionBody { accept: None, deny: None, exempt: Some(named), retry: None } if !named.is_empty() => {
            Ok(Decision::Exempt(left_out(named, request, policy)?))
        }
        _ => Err(malformed(
            "Decide one of: accept: {}, retry: {}, deny: {ground}, exempt: [{collection, ground} or {category, ground}].",
        )),
    }
}

/// Whether a request is stuck before anything was copied, told or erased: the preflight refused, or nobody could be found.
fn nothing_is_done(request: &Request, steps: &[Step]) -> bool {
    let only_reads = |work: &Work| matches!(work, Work::Resolve | Work::Preflight | Work::Capture { .. });
    let is_ahead = |step: &Step| step.status == StepStatus::Waiting || only_reads(&step.work);
    request.status == Status::NeedsAttention && steps.iter().all(is_ahead)
}

/// What is left out, with grounds that the policy knows. A category does not leave with a copy; an erasure keeps all collections
/// that have it, since a row goes or stays as one.
fn left_out(named: Vec<Exempt>, request: &Request, policy: &Pinned) -> Result<LeftOut, Problem> {
    let known: BTreeSet<&str> = policy.collections().collect();
    let is_copy = matches!(request.matter, Matter::Right(Right::Access | Right::Portability));
    let mut left_out = LeftOut::default();
    for Exempt { collection, category, ground } in named {
        let ground = known_ground(policy, &ground)?;
        match (collection, category) {
            (Some(collection), None) if known.contains(collection.as_str()) => {
                left_out.collections.insert(collection, ground);
            }
            (None, Some(category)) => {
                let having = policy.collections_with(&category);
                if having.is_empty() {
                    return Err(malformed("exempt has a category of which the request's policy has no field."));
                }
                if !is_copy {
                    let each = having.into_iter().map(|name| (name.to_owned(), ground.clone()));
                    left_out.collections.extend(each);
                }
                left_out.categories.insert(category, ground);
            }
            (Some(_), None) => {
                return Err(malformed("exempt has a name that is no collection of the request's policy."));
            }
            _ => return Err(malformed("Each entry of exempt has a collection or a category, and a ground.")),
        }
    }
    let mut all = request.left_out.clone();
    all.extend(left_out.clone());
    if all.collections.len() == known.len() || (is_copy && leaves_with_nothing(&all, policy)) {
        return Err(malformed("That leaves nothing of the request. Refuse it: deny, with a ground."));
    }
    Ok(left_out)
}

/// Whether no field would be left in a copy that has a category.
fn leaves_with_nothing(left_out: &LeftOut, policy: &Pinned) -> bool {
    let without = policy.without(left_out.collections.keys(), left_out.categories.keys());
    let mut stays = without.collections().filter(|name| !left_out.collections.contains_key(*name));
    !stays.any(|name| without.leaves_with_a_copy(name))
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

fn too_late(status: Status, may_be_decided: bool) -> Problem {
    let detail = match status {
        Status::AwaitingVerification => "Nobody has shown who they are yet. Decide once they have.",
        Status::InProgress => "The work has begun. What was not done yet is done.",
        Status::NeedsAttention => "The work has begun, and something failed. Mend it, and have it tried again (retry).",
        Status::UnderReview if may_be_decided => {
            "It waits for a decision: accept it, refuse it (deny), or leave a part of it out (exempt)."
        }
        Status::UnderReview => "It was accepted, and is checked once more before the work begins.",
        Status::Accepted | Status::OnHold | Status::CoolingOff => {
            "It waits for no decision, and nothing of it has failed. It can be refused (deny), or a part of it left out (exempt)."
        }
        _ => "The request has ended.",
    };
    Problem::new(ProblemKind::Conflict, detail)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemKind::MalformedRequest, detail.to_owned())
}
