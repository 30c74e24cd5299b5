//! An operator begins a replay, and asks how it goes.

use std::collections::BTreeSet;

use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::evidence::Certificate;
use habeas::identity::Operator;
use habeas::plan::Plan;
use habeas::policy::{Pinned, PolicyDigest};
use habeas::request::{Matter, NewRequest, Request, RequestId};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Function;

/// Within what time a replay is to be done. Nothing is served from what was restored before it.
pub(crate) const REPLAY_WITHIN: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Most collections of one replay: two steps each, and one between, are one transaction.
const MOST_COLLECTIONS: usize = 44;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    state_of: String,
    #[serde(default)]
    systems: BTreeSet<String>,
    #[serde(default)]
    collections: BTreeSet<String>,
    policy: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

impl Function {
    /// Opens a replay and plans it at once.
    pub(crate) async fn begin(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let operator = self.operator(call).await?;
        let body: ReplayBody = call.json()?;
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let state_of: Timestamp = body
            .state_of
            .parse()
            .ok()
            .filter(|moment| *moment <= now)
            .ok_or_else(|| malformed("state_of is the moment whose state was restored: RFC 3339, and over."))?;
        let policy = self.policy(body.policy).await?;
        let collections = chosen(&policy, &body.systems, &body.collections)?;
        let plan = Plan::replay(&collections, state_of, body.dry_run);
        let mut change = Request::open(NewRequest {
            id: RequestId::new(driver.random.as_ref()),
            matter: Matter::Replay,
            policy: policy.digest().clone(),
            received_at: now,
            due_at: now.saturating_add(REPLAY_WITHIN).unwrap_or(Timestamp::MAX),
            subject: None,
            language: policy.language(None).to_owned(),
            sealed: None,
            submission: None,
            factors: Vec::new(),
        });
        change.accept(Vec::new(), &plan, now).map_err(|error| Problem::internal(&error))?;
        driver.ledger.commit(&change, Vec::new(), None).await?;
        driver.send_effects(&change).await;
        let id = &change.request.id;
        tracing::info!(
            operator = operator.digest,
            request_id = %id,
            %state_of,
            dry_run = body.dry_run,
            collections = collections.join(", "),
            "an operator began a replay"
        );
        let answer = json!({"replay_id": id, "status": change.request.status, "collections": collections});
        Ok(json_response(StatusCode::ACCEPTED, &answer))
    }

    /// How a replay goes, with its evidence.
    pub(crate) async fn show(&self, call: &Call) -> Result<Response<Body>, Problem> {
        self.operator(call).await?;
        let id = call.request_id()?;
        let ledger = &self.platform.driver.ledger;
        let request = ledger.request(&id).await?.filter(|request| request.matter == Matter::Replay);
        let request = request.ok_or_else(Problem::not_found)?;
        let events = ledger.events(&id).await?;
        let certificate = Certificate::from_events(&events).ok_or_else(Problem::not_found)?;
        let (done, planned) = request.progress();
        let answer = json!({
            "replay_id": id,
            "status": request.status,
            "outcome": request.outcome,
            "steps": {"done": done, "planned": planned},
            "evidence": {"certificate": certificate, "events": events},
        });
        Ok(json_response(StatusCode::OK, &answer))
    }

    async fn operator(&self, call: &Call) -> Result<Operator, Problem> {
        let now = self.platform.driver.clock.now();
        Ok(self.operators.of(call.header("authorization"), now, "asked for a replay").await?)
    }

    /// The policy in force, or the one that is asked for: what was restored may have names of its own.
    async fn policy(&self, digest: Option<String>) -> Result<std::sync::Arc<Pinned>, Problem> {
        let Some(digest) = digest else {
            return Ok(self.platform.policies.policy(&self.current).await?);
        };
        let digest =
            PolicyDigest::try_from(digest).map_err(|_| malformed("policy is a SHA-256: 64 lower-case hex digits."))?;
        self.platform.policies.policy(&digest).await.map_err(|error| {
            habeas::telemetry::warn_chain("a policy that was asked for cannot be read", &error);
            Problem::new(ProblemKind::PolicyUnknown, "Publish it first (habeas policy publish), or leave policy out.")
        })
    }
}

/// The collections that were restored: those of the systems and those that are named; all, if nothing is.
fn chosen(policy: &Pinned, systems: &BTreeSet<String>, collections: &BTreeSet<String>) -> Result<Vec<String>, Problem> {
    let known: BTreeSet<&str> = policy.collections().collect();
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    for system in systems {
        let held = policy.policy().systems.iter().find(|known| known.id() == system);
        let dataset = held.ok_or_else(|| malformed("systems has a name that is no system of the policy."))?.dataset();
        let within = |name: &&&str| name.split_once('.').is_some_and(|(of, _)| of == dataset);
        chosen.extend(known.iter().filter(within).map(|name| (*name).to_owned()));
    }
    for collection in collections {
        if !known.contains(collection.as_str()) {
            return Err(malformed("collections has a name that is no collection of the policy."));
        }
        chosen.insert(collection.clone());
    }
    if systems.is_empty() && collections.is_empty() {
        chosen.extend(known.into_iter().map(ToOwned::to_owned));
    }
    if chosen.is_empty() {
        return Err(malformed("The systems that are named hold no collections of the policy."));
    }
    if chosen.len() > MOST_COLLECTIONS {
        return Err(malformed(&format!("Name at most {MOST_COLLECTIONS} collections; begin several replays.")));
    }
    Ok(chosen.into_iter().collect())
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemKind::MalformedRequest, detail.to_owned())
}
