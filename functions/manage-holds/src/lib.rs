//! Lets operators place, list and lift legal holds.
//!
//! The rule of this function: it erases nothing and starts nothing. Whatever erases looks for holds by itself before each of
//! its steps; and who placed or lifted one is in the hold and in the log, by digests.

mod place;

use std::sync::Arc;

use habeas::api::{Answer, Call, Problem, ProblemKind, Trigger, json_response};
use habeas::aws::{Platform, StartError};
use habeas::connectors::Connectors;
use habeas::holds::{LegalHold, Scope};
use habeas::identity::{Operator, Operators};
use habeas::ledger::keys::moment;
use habeas::policy::PolicyDigest;
use jiff::Timestamp;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Response};
use lambda_runtime::Error;
use serde_json::{Value, json};

/// What the function has.
pub struct Function {
    /// Ledger, clock, policies.
    pub platform: Platform,
    /// The policy in force.
    pub current: PolicyDigest,
    /// Tells who is an operator; has the digest keys.
    pub operators: Operators,
    /// Looks people up whom a hold is placed on.
    pub connectors: Connectors,
}

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self {
            current: platform.current_policy()?,
            operators: platform.operators().await?,
            connectors: platform.connectors(),
            platform,
        })
    }

    async fn route(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let now = self.platform.driver.clock.now();
        let operator = self.operators.of(call.header("authorization"), now, "asked for legal holds").await?;
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (&call.method, path.as_slice()) {
            (&Method::POST, []) => self.place(call, &operator).await,
            (&Method::GET, []) => self.list(call).await,
            (&Method::POST, [id, "lift"]) => self.lift(id, &operator).await,
            _ => Err(Problem::not_found()),
        }
    }

    async fn list(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let held: Vec<Value> = match call.query("ended") {
            None | Some("false") => driver.ledger.holds(now).await?.iter().map(|hold| shown(hold, now)).collect(),
            Some("true") => driver.ledger.all_holds().await?.iter().map(|hold| shown(hold, now)).collect(),
            Some(_) => return Err(Problem::new(ProblemKind::MalformedRequest, "ended is true or false.")),
        };
        Ok(json_response(StatusCode::OK, &json!({"holds": held})))
    }

    /// Lifts a hold. Lifting it again changes nothing and gives the same answer.
    async fn lift(&self, id: &str, operator: &Operator) -> Result<Response<Body>, Problem> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let id = id.parse().map_err(|_| unknown())?;
        let hold = driver.ledger.hold(&id, now).await?.ok_or_else(unknown)?;
        if hold.lifted_at.is_none() && !hold.is_in_force(now) {
            return Err(Problem::new(ProblemKind::Conflict, "The hold has ended by itself; nothing is to be lifted."));
        }
        if driver.ledger.lift_hold(&hold, &operator.digest, now).await? {
            tracing::info!(operator = operator.digest, hold = %id, "an operator lifted a legal hold");
        }
        let hold = driver.ledger.hold(&id, now).await?.ok_or_else(unknown)?;
        Ok(json_response(StatusCode::OK, &shown(&hold, now)))
    }
}

fn unknown() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no such hold. GET /v1/holds?ended=true lists them.")
}

/// A hold as operators see it. Whom it is on is nowhere but in their own files: the digests would tell them nothing.
fn shown(hold: &LegalHold, now: Timestamp) -> Value {
    let scope = match &hold.scope {
        Scope::Subject { .. } => json!({"kind": "subject"}),
        Scope::Collection { collection } => json!({"kind": "collection", "collection": collection}),
        Scope::Request { request_id } => json!({"kind": "request", "request_id": request_id}),
    };
    json!({
        "hold_id": hold.id,
        "scope": scope,
        "basis": hold.basis,
        "placed_at": moment(hold.placed_at),
        "placed_by": hold.placed_by,
        "ends_at": moment(hold.ends_at),
        "lifted_at": hold.lifted_at.map(moment),
        "lifted_by": hold.lifted_by,
        "in_force": hold.is_in_force(now),
    })
}

/// Answers a call of the API.
pub async fn handle(function: Arc<Function>, trigger: Trigger, _deadline: Timestamp) -> Result<Answer, Error> {
    let Trigger::Http(request) = trigger else {
        return Err("this function is called through the API only".into());
    };
    let answered = match Call::parse_at("/v1/holds", *request) {
        Ok(call) => function.route(&call).await,
        Err(problem) => Err(problem),
    };
    Ok(Answer::http(answered.unwrap_or_else(|problem| problem.to_response())))
}
