//! Tells operators what a request would do, and does nothing.
//!
//! The rule of this function: it writes nothing anywhere, and its role could not. Who looked at whom is a line of the log,
//! by digests; the answer holds names and counts and no value of anybody's.

use std::collections::BTreeMap;
use std::sync::Arc;

use habeas::api::{Answer, Call, Problem, ProblemKind, Trigger, json_response};
use habeas::aws::{Reader, StartError};
use habeas::dry_run::{DryRun, DryRunError, Limits, Means};
use habeas::holds::{PlannedHold, Whom, digests_of};
use habeas::identity::SubjectKeys;
use habeas::personal::{Identity, IdentityKind};
use habeas::policy::{Pinned, PolicyDigest};
use habeas::request::{Matter, Right};
use habeas::steps::resolve;
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Response};
use lambda_runtime::Error;
use serde::Deserialize;

/// What is left of the function's time for the answer when it stops looking.
const TIME_RESERVE: SignedDuration = SignedDuration::from_secs(5);

/// What the function has.
pub struct Function {
    /// Clock, policies, digest keys, sign-ins, connectors.
    pub reader: Reader,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanBody {
    right: Right,
    identity: IdentityBody,
    policy: Option<String>,
    #[serde(default)]
    export: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityBody {
    user_id: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
}

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        Ok(Self { reader: Reader::start().await? })
    }

    async fn plan(&self, call: &Call, deadline: Timestamp) -> Result<Response<Body>, Problem> {
        let reader = &self.reader;
        let header = call.header("authorization");
        let operator = reader.operators.of(header, reader.clock.now(), "asked for a plan").await?;
        let body: PlanBody = call.json()?;
        let identity = body.identity.parse()?;
        let policy = self.policy(body.policy).await?;
        let offered = policy.right(body.right).filter(|_| body.right.is_served());
        offered.ok_or_else(|| not_offered(&policy))?;
        let means =
            Means { connectors: &reader.connectors, clock: reader.clock.as_ref(), random: reader.random.as_ref() };
        let limits = Limits { until: deadline.checked_sub(TIME_RESERVE).ok(), ..Limits::default() };
        let looked = DryRun::of(&policy, Matter::Right(body.right), body.export, &identity, means, limits).await;
        let mut dry_run = looked.map_err(|error| problem(&error))?;
        if body.right.erases() {
            dry_run.holds = self.holds(&policy, &identity).await?;
        }
        tracing::info!(
            operator = operator.digest,
            subject = reader.operators.keys.identity(&identity),
            right = body.right.name(),
            policy = %policy.digest(),
            begins = dry_run.begins,
            "an operator looked at somebody's plan"
        );
        let answer = serde_json::to_value(dry_run).map_err(|error| Problem::internal(&error))?;
        Ok(json_response(StatusCode::OK, &answer))
    }

    /// The legal holds that an erasure would meet. Whom the identity leads to cannot be read where the dry run has found an
    /// obstacle; then holds on the identity itself are named.
    async fn holds(&self, policy: &Pinned, identity: &Identity) -> Result<Vec<PlannedHold>, Problem> {
        let reader = &self.reader;
        let holds = reader.ledger.holds(reader.clock.now()).await?;
        if holds.is_empty() {
            return Ok(Vec::new());
        }
        let named = SubjectKeys {
            kind: identity.kind(),
            value: identity.value().expose().clone(),
            keys: BTreeMap::new(),
            named: Vec::new(),
            own_ids: BTreeMap::new(),
        };
        let place = policy.place(&policy.policy().subject.collection);
        let known = match place.and_then(|place| reader.connectors.of(place).ok()) {
            Some(connector) => resolve(connector, policy, &named, &[]).await.map_or(named, |resolved| resolved.keys),
            None => named,
        };
        let whom = Whom { digests: digests_of(&reader.operators.keys, policy, &known), request: None };
        Ok(holds.met_by(policy, &whom))
    }

    /// The policy in force, or the one that is asked for: a new one can be tried before it is.
    async fn policy(&self, digest: Option<String>) -> Result<Arc<Pinned>, Problem> {
        let Some(digest) = digest else {
            return Ok(self.reader.policies.policy(&self.reader.current).await?);
        };
        let malformed =
            |_| Problem::new(ProblemKind::MalformedRequest, "policy is a SHA-256: 64 lower-case hex digits.");
        let digest = PolicyDigest::try_from(digest).map_err(malformed)?;
        self.reader.policies.policy(&digest).await.map_err(|error| {
            habeas::telemetry::warn_chain("a policy that was asked for cannot be read", &error);
            Problem::new(ProblemKind::PolicyUnknown, "Publish it first (habeas policy publish), or leave policy out.")
        })
    }
}

impl IdentityBody {
    fn parse(&self) -> Result<Identity, Problem> {
        let malformed = |detail: String| Problem::new(ProblemKind::MalformedRequest, detail);
        let named = match (&self.user_id, &self.email, &self.phone_number) {
            (Some(id), None, None) => Identity::parse(IdentityKind::UserId, id),
            (None, Some(address), None) => Identity::parse(IdentityKind::Email, address),
            (None, None, Some(number)) => Identity::parse(IdentityKind::PhoneNumber, number),
            _ => return Err(malformed("Name one of user_id, email and phone_number.".to_owned())),
        };
        named.map_err(|error| malformed(error.to_string()))
    }
}

fn not_offered(policy: &Pinned) -> Problem {
    let offered = policy.policy().rights.keys().filter(|right| right.is_served()).map(|right| right.name());
    let detail = format!("Offered are: {}.", offered.collect::<Vec<_>>().join(", "));
    Problem::new(ProblemKind::RightNotOffered, detail)
}

fn problem(error: &DryRunError) -> Problem {
    match error {
        DryRunError::UnknownKind => {
            let detail = "The policy does not know people by this kind of identity. Name another.";
            Problem::new(ProblemKind::MalformedRequest, detail)
        }
        DryRunError::System(_) => Problem::unavailable(error),
        DryRunError::NotServed(_) | DryRunError::NoSubject => Problem::internal(error),
    }
}

/// Answers a call of the API.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    let Trigger::Http(request) = trigger else {
        return Err("this function is called through the API only".into());
    };
    let answered = match Call::parse_at("/v1/plans", *request) {
        Ok(call) if call.method == Method::POST && call.path.is_empty() => function.plan(&call, deadline).await,
        Ok(_) => Err(Problem::not_found()),
        Err(problem) => Err(problem),
    };
    Ok(Answer::http(answered.unwrap_or_else(|problem| problem.to_response())))
}
