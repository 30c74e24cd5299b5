//! An operator places a hold.
//!
//! The rule of this file: whom a hold is on is looked up while it is placed, so that it is known by everything that leads to
//! their rows; and only keyed digests of that are kept.

use std::collections::{BTreeMap, BTreeSet};

use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::connectors::ConnectorError;
use habeas::holds::{HoldId, LONGEST, LegalHold, MAX_BASIS, MOST_IN_FORCE, Scope, digests_of};
use habeas::identity::{Operator, SubjectKeys};
use habeas::ledger::{Idempotency, LedgerError, Replay};
use habeas::personal::{Identity, IdentityKind};
use habeas::policy::Pinned;
use habeas::request::RequestId;
use habeas::steps::{ResolveError, resolve};
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::{Function, shown};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    subject: Option<SubjectBody>,
    collection: Option<String>,
    request_id: Option<String>,
    basis: String,
    ends_at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectBody {
    user_id: Option<String>,
    email: Option<String>,
    phone_number: Option<String>,
}

/// What a hold is on, and how many people are on file for it, if it is on one.
struct Found {
    scope: Scope,
    rows: Option<u64>,
}

impl Function {
    pub(crate) async fn place(&self, call: &Call, operator: &Operator) -> Result<Response<Body>, Problem> {
        let key = call.idempotency_key()?;
        let body: HoldBody = call.json()?;
        let record = Idempotency {
            caller: operator.digest.clone(),
            key: self.operators.keys.labelled("idempotency key", &[&key]),
            body: self.operators.keys.labelled("body", &[&String::from_utf8_lossy(call.body()?)]),
        };
        let driver = &self.platform.driver;
        // Before anything is judged anew: the end may have come since, the room been used, the person be gone.
        if let Some(replay) = driver.ledger.answered(&record).await? {
            return replayed(&replay, &record.body);
        }
        let now = driver.clock.now();
        let ends_at = ends_at(&body.ends_at, now)?;
        let named = body.subject.as_ref().map_or_else(|| Ok(Vec::new()), SubjectBody::identities)?;
        let basis = basis(&body.basis, &named)?;
        if driver.ledger.holds(now).await?.iter().count() >= MOST_IN_FORCE {
            let detail =
                format!("At most {MOST_IN_FORCE} holds are in force at once. Lift some, or hold a collection.");
            return Err(Problem::new(ProblemKind::TooMany, detail));
        }
        let found = self.scope(&body, &named).await?;
        let hold = LegalHold {
            id: HoldId::new(driver.random.as_ref()),
            scope: found.scope,
            basis,
            placed_at: now,
            ends_at,
            placed_by: operator.digest.clone(),
            lifted_at: None,
            lifted_by: None,
        };
        let mut response = shown(&hold, now);
        if let Some(rows) = found.rows {
            response["subject_rows"] = rows.into();
        }
        let sent = record.body.clone();
        match driver.ledger.place_hold(&hold, record, &response.to_string()).await {
            Ok(()) => {
                tracing::info!(operator = operator.digest, hold = %hold.id, ends_at = %hold.ends_at, "an operator placed a legal hold");
                Ok(json_response(StatusCode::CREATED, &response))
            }
            Err(LedgerError::Replayed(replay)) => replayed(&replay, &sent),
            Err(error) => Err(error.into()),
        }
    }

    async fn scope(&self, body: &HoldBody, named: &[Identity]) -> Result<Found, Problem> {
        let policy = self.platform.policies.policy(&self.current).await?;
        match (&body.subject, &body.collection, &body.request_id) {
            (Some(_), None, None) => self.subject(&policy, named).await,
            (None, Some(collection), None) => {
                if !policy.collections().any(|known| known == collection) {
                    return Err(malformed("collection has a name that is no collection of the policy in force."));
                }
                Ok(Found { scope: Scope::Collection { collection: collection.clone() }, rows: None })
            }
            (None, None, Some(id)) => {
                let id: RequestId = id.parse().map_err(|_| malformed("request_id is 32 lower-case hex digits."))?;
                let known = self.platform.driver.ledger.request(&id).await?;
                known.ok_or_else(|| malformed("request_id names no request."))?;
                Ok(Found { scope: Scope::Request { request_id: id }, rows: None })
            }
            _ => Err(malformed("Name one of subject, collection and request_id.")),
        }
    }

    /// A person by every identity that the operator names, and by everything in the rows that those lead to.
    async fn subject(&self, policy: &Pinned, named: &[Identity]) -> Result<Found, Problem> {
        let place = policy.place(&policy.policy().subject.collection).ok_or(ConnectorError::WrongKind);
        let connector = place.and_then(|place| self.connectors.of(place)).map_err(|error| Problem::internal(&error))?;
        let (mut digests, mut rows) = (BTreeSet::new(), 0);
        for identity in named {
            let keys = SubjectKeys {
                kind: identity.kind(),
                value: identity.value().expose().clone(),
                keys: BTreeMap::new(),
                named: Vec::new(),
                own_ids: BTreeMap::new(),
            };
            let resolved = resolve(connector, policy, &keys, &[]).await.map_err(|error| problem(&error))?;
            digests.extend(digests_of(&self.operators.keys, policy, &resolved.keys));
            rows = rows.max(resolved.rows);
        }
        Ok(Found { scope: Scope::Subject { digests }, rows: Some(rows) })
    }
}

impl SubjectBody {
    fn identities(&self) -> Result<Vec<Identity>, Problem> {
        let given = [
            (IdentityKind::UserId, &self.user_id),
            (IdentityKind::Email, &self.email),
            (IdentityKind::PhoneNumber, &self.phone_number),
        ];
        let given = given.into_iter().filter_map(|(kind, value)| Some(Identity::parse(kind, value.as_ref()?)));
        let given: Vec<Identity> = given.collect::<Result<_, _>>().map_err(|error| malformed(&error.to_string()))?;
        if given.is_empty() {
            return Err(malformed("Name at least one of user_id, email and phone_number of the subject."));
        }
        Ok(given)
    }
}

/// What was answered when the key was used before, if it came with the same body.
fn replayed(replay: &Replay, body: &str) -> Result<Response<Body>, Problem> {
    if replay.body != body {
        let detail = "Use a new key for another hold, or send the same body again.";
        return Err(Problem::new(ProblemKind::IdempotencyKeyReused, detail));
    }
    let saved: Value = serde_json::from_str(&replay.response).map_err(|error| Problem::internal(&error))?;
    Ok(json_response(StatusCode::CREATED, &saved))
}

/// In whole seconds, as keys have it.
fn ends_at(text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    let latest = now.saturating_add(LONGEST).unwrap_or(Timestamp::MAX);
    let parsed = text.parse::<Timestamp>().ok().and_then(|at| Timestamp::from_second(at.as_second()).ok());
    parsed
        .filter(|at| *at > now && *at <= latest)
        .ok_or_else(|| malformed("ends_at is when the hold ends: RFC 3339, to come, and within ten years."))
}

/// Everybody whose data is held may read it, and so may whoever checks evidence.
fn basis(text: &str, named: &[Identity]) -> Result<String, Problem> {
    let text = text.trim();
    let fits = (1..=MAX_BASIS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !fits {
        return Err(malformed(&format!("basis is why the data is held: 1 to {MAX_BASIS} characters on one line.")));
    }
    let lower = text.to_lowercase();
    if named.iter().any(|identity| lower.contains(&identity.value().expose().to_lowercase())) {
        return Err(malformed("basis must not say whom the hold is on: name the case, or the law."));
    }
    Ok(text.to_owned())
}

fn problem(error: &ResolveError) -> Problem {
    match error {
        ResolveError::UnknownKind => {
            malformed("The policy does not know people by this kind of identity. Name another.")
        }
        ResolveError::TooMany => malformed("The identity leads to too many people. Name another."),
        ResolveError::Connector(_) => Problem::unavailable(error),
    }
}

fn malformed(detail: &str) -> Problem {
    Problem::new(ProblemKind::MalformedRequest, detail.to_owned())
}
