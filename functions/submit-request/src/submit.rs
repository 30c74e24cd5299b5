//! `POST /v1/requests`.

use habeas::api::{Call, Problem, ProblemKind, json_response, next_of};
use habeas::evidence::Actor;
use habeas::identity::{AgeKey, Caller, SubjectKeys, Submission, seal};
use habeas::ledger::{Challenge, Extra, Idempotency, LedgerError, keys};
use habeas::personal::{Identity, IdentityKind};
use habeas::plan::{Plan, Queue};
use habeas::policy::{Factor, Pinned, RightRule, deadline};
use habeas::request::{Change, EffectItem, Matter, NewRequest, Request, RequestId, Right};
use habeas::steps::Message;
use jiff::Timestamp;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Function;

/// Longest reason, in characters.
const MAX_REASON: usize = 2_000;
/// Largest details, in bytes of JSON.
const MAX_DETAILS: usize = 8 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmitBody {
    right: Right,
    identity: Option<IdentityBody>,
    reason: Option<String>,
    details: Option<serde_json::Map<String, Value>>,
    locale: Option<String>,
    encrypt_to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityBody {
    email: Option<String>,
    phone_number: Option<String>,
}

impl Function {
    pub(crate) async fn submit(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let key = idempotency_key(call)?;
        let body: SubmitBody = call.json()?;
        check_limits(&body)?;
        let encrypt_to = encrypt_to(&body)?;
        let caller = self.caller(call).await?;
        let policy = self.policy(&self.current).await?;
        let rule = offered(&policy, body.right)?;
        let identity = identity(&caller, body.identity.as_ref())?;
        let now = self.platform.driver.clock.now();
        let given = given_factors(&caller, rule, now, &policy)?;
        let path = path(rule, &given, &caller)?;

        let subject = self.keys.identity(&identity);
        let (right, locale) = (body.right, body.locale);
        let language = policy.language(locale.as_deref());
        let submission = Submission { reason: body.reason, details: body.details, encrypt_to };
        let change = self.open(right, submission, language, &policy, rule, &identity, &subject, given, now).await?;
        let change = decide(change, path, &policy, right, now)?;
        let response = json!({
            "request_id": change.request.id,
            "right": right,
            "status": change.request.status,
            "received_at": keys::moment(change.request.received_at),
            "due_at": keys::moment(change.request.due_at),
            "next": next_of(&change.request, &policy, language),
        });
        let record = Idempotency {
            caller: subject.clone(),
            key: self.keys.labelled("idempotency key", &[&key]),
            body: self.keys.labelled("body", &[&String::from_utf8_lossy(call.body()?)]),
        };
        self.commit(change, path, subject, record, response).await
    }

    #[expect(clippy::too_many_arguments, reason = "each is one part of a new request, and it is made in one place")]
    async fn open(
        &self,
        right: Right,
        submission: Submission,
        language: &str,
        policy: &Pinned,
        rule: &RightRule,
        identity: &Identity,
        subject: &str,
        factors: Vec<Factor>,
        now: Timestamp,
    ) -> Result<Change, Problem> {
        let driver = &self.platform.driver;
        let id = RequestId::new(driver.random.as_ref());
        let sealed = SubjectKeys {
            kind: identity.kind(),
            value: identity.value().expose().clone(),
            keys: std::collections::BTreeMap::new(),
            named: Vec::new(),
        };
        let sealed = driver.sealer.seal(&id, seal::end::SUBJECT, &sealed).await?;
        let submission = if submission.is_empty() {
            None
        } else {
            Some(driver.sealer.seal(&id, seal::end::SUBMISSION, &submission).await?)
        };
        let due_at = deadline::due_at(now, &policy.policy().controller.time_zone, &rule.respond_within)
            .map_err(|error| Problem::internal(&error))?;
        Ok(Request::open(NewRequest {
            id,
            matter: Matter::Right(right),
            policy: policy.digest().clone(),
            received_at: now,
            due_at,
            subject: Some(subject.to_owned()),
            language: language.to_owned(),
            sealed: Some(sealed),
            submission,
            factors,
        }))
    }

    /// One transaction, one send.
    async fn commit(
        &self,
        change: Change,
        path: Path,
        subject: String,
        record: Idempotency,
        response: Value,
    ) -> Result<Response<Body>, Problem> {
        let driver = &self.platform.driver;
        let body = record.body.clone();
        let mut extras = vec![Extra::Idempotency(record), Extra::SubjectIndex { digest: subject }];
        if path == Path::SendCode {
            extras.push(Extra::Challenge(Challenge::asked(change.request.received_at)));
        }
        match driver.ledger.commit(&change, extras, Some(&response.to_string())).await {
            Ok(()) => {}
            Err(LedgerError::Replayed(replay)) if replay.body == body => {
                let saved: Value = serde_json::from_str(&replay.response).map_err(|error| Problem::internal(&error))?;
                return Ok(json_response(StatusCode::ACCEPTED, &saved));
            }
            Err(LedgerError::Replayed(_)) => {
                let detail = "Use a new key for another request, or send the same body again.";
                return Err(Problem::new(ProblemKind::IdempotencyKeyReused, detail));
            }
            Err(error) => return Err(error.into()),
        }
        if path == Path::SendCode {
            let message = Message { request_id: change.request.id.clone(), item: EffectItem::Challenge };
            driver.send(Queue::Verify, &[message]).await;
        }
        driver.send_effects(&change).await;
        tracing::info!(request_id = %change.request.id, right = change.request.matter.name(), status = change.request.status.name(), "received");
        Ok(json_response(StatusCode::ACCEPTED, &response))
    }
}

/// How a new request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// What came with it is proof enough.
    Verified,
    /// A code proves the rest.
    SendCode,
}

/// Makes of an opened request what its proofs allow.
fn decide(mut change: Change, path: Path, policy: &Pinned, right: Right, now: Timestamp) -> Result<Change, Problem> {
    if path == Path::SendCode {
        return Ok(change);
    }
    let factors = change.request.factors.clone();
    let decided = if right == Right::AccountCancellation {
        change.ask_to_confirm(factors, now)
    } else if policy.right(right).is_some_and(|rule| rule.review) {
        change.ask_for_review(factors, Actor::Subject, now)
    } else {
        let plan = Plan::compile(Matter::Right(right), policy, false).map_err(|error| Problem::internal(&error))?;
        change.accept(factors, &plan, now)
    };
    decided.map_err(|error| Problem::internal(&error))?;
    Ok(change)
}

fn idempotency_key(call: &Call) -> Result<String, Problem> {
    let key = call.header("idempotency-key").unwrap_or_default();
    let well_formed = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if well_formed {
        return Ok(key.to_owned());
    }
    let detail =
        "Send 1 to 255 visible ASCII characters, a fresh UUID for example, and the same again if you repeat the call.";
    Err(Problem::new(ProblemKind::IdempotencyKeyMissing, detail))
}

fn check_limits(body: &SubmitBody) -> Result<(), Problem> {
    let malformed = |detail: String| Err(Problem::new(ProblemKind::MalformedRequest, detail));
    if body.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return malformed(format!("reason may have {MAX_REASON} characters."));
    }
    let details = body.details.as_ref().and_then(|details| serde_json::to_vec(details).ok());
    if details.is_some_and(|bytes| bytes.len() > MAX_DETAILS) {
        return malformed(format!("details may have {MAX_DETAILS} bytes."));
    }
    if body.locale.as_ref().is_some_and(|locale| locale.len() > 35) {
        return malformed("locale is a language tag such as en or zh-Hans.".to_owned());
    }
    Ok(())
}

/// The key that the package is to be encrypted to; only where there is one.
fn encrypt_to(body: &SubmitBody) -> Result<Option<AgeKey>, Problem> {
    let Some(text) = &body.encrypt_to else {
        return Ok(None);
    };
    let malformed = |detail: String| Err(Problem::new(ProblemKind::MalformedRequest, detail));
    if !matches!(body.right, Right::Access | Right::Portability | Right::AccountCancellation) {
        return malformed("encrypt_to goes with a right that ends with a package. Leave it out.".to_owned());
    }
    match text.parse() {
        Ok(key) => Ok(Some(key)),
        Err(error) => malformed(format!("encrypt_to: {error}.")),
    }
}

fn offered(policy: &Pinned, right: Right) -> Result<&RightRule, Problem> {
    policy.right(right).filter(|_| right.is_served()).ok_or_else(|| {
        let offered: Vec<&str> = policy.policy().rights.keys().map(|right| right.name()).collect();
        Problem::new(ProblemKind::RightNotOffered, format!("Offered are: {}.", offered.join(", ")))
    })
}

/// Who the request is about: whoever is signed in, or else the address that is named.
fn identity(caller: &Caller, named: Option<&IdentityBody>) -> Result<Identity, Problem> {
    let malformed =
        |error: habeas::personal::IdentityError| Problem::new(ProblemKind::MalformedRequest, error.to_string());
    match (caller, named) {
        (Caller::SignedIn { .. }, Some(_)) => {
            let detail = "You are signed in, so leave identity out: the request is about your account.";
            Err(Problem::new(ProblemKind::MalformedRequest, detail))
        }
        (Caller::SignedIn { sign_in, .. }, None) => {
            Identity::parse(IdentityKind::UserId, sign_in.user_id.expose()).map_err(malformed)
        }
        (Caller::TokenHolder(_) | Caller::ReceiptHolder(_), _) => {
            let detail = "This token opens one request only. Leave it out and name an identity, or sign in.";
            Err(Problem::new(ProblemKind::Unauthorized, detail))
        }
        (Caller::Anonymous, None) => {
            let detail = "Sign in, or name the e-mail address or phone number that is on file.";
            Err(Problem::new(ProblemKind::IdentityMissing, detail))
        }
        (Caller::Anonymous, Some(IdentityBody { email: Some(email), phone_number: None })) => {
            Identity::parse(IdentityKind::Email, email).map_err(malformed)
        }
        (Caller::Anonymous, Some(IdentityBody { email: None, phone_number: Some(number) })) => {
            Identity::parse(IdentityKind::PhoneNumber, number).map_err(malformed)
        }
        (Caller::Anonymous, Some(_)) => {
            let detail = "Name either email or phone_number.";
            Err(Problem::new(ProblemKind::MalformedRequest, detail))
        }
    }
}

fn given_factors(caller: &Caller, rule: &RightRule, now: Timestamp, policy: &Pinned) -> Result<Vec<Factor>, Problem> {
    let Caller::SignedIn { sign_in, .. } = caller else {
        return Ok(Vec::new());
    };
    let time_zone = &policy.policy().controller.time_zone;
    let oldest = deadline::earlier(now, rule.sign_in_max_age, time_zone).map_err(|error| Problem::internal(&error))?;
    Ok(if sign_in.at >= oldest { vec![Factor::FreshSignIn] } else { Vec::new() })
}

/// Whether the proofs are enough, or a code is the rest, or neither can be.
fn path(rule: &RightRule, given: &[Factor], caller: &Caller) -> Result<Path, Problem> {
    let missing = |alternative: &Vec<Factor>| -> Vec<Factor> {
        alternative.iter().filter(|factor| !given.contains(factor)).copied().collect()
    };
    if rule.verification.iter().any(|alternative| missing(alternative).is_empty()) {
        return Ok(Path::Verified);
    }
    if rule.verification.iter().any(|alternative| missing(alternative) == [Factor::ContactCode]) {
        return Ok(Path::SendCode);
    }
    Err(match caller {
        Caller::SignedIn { .. } => Problem::new(ProblemKind::SignInTooOld, "Sign in again, then repeat the call."),
        _ => Problem::new(
            ProblemKind::Unauthorized,
            "For this right you must be signed in. Sign in, then repeat the call.",
        ),
    })
}
