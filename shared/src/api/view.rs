//! A request as the API shows it.

use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde_json::{Value, json};

use crate::certificate;
use crate::dry_run;
use crate::evidence::{RecipientResult, RetainedRows};
use crate::holds::Held;
use crate::ledger::{RequestView, Step, keys};
use crate::plan::Work;
use crate::policy::{Factor, Pinned, in_language, refusal_text};
use crate::request::{Ground, LeftOut, Matter, Request, Right, Status};

/// An answer with a JSON body, that nobody may cache.
#[must_use]
pub fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::Text(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}

/// An answer with a page for people, that nobody may cache and that loads nothing.
#[must_use]
pub fn html_response(page: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(page));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert(
        "content-security-policy",
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"),
    );
    response
}

/// What the person can do next.
#[must_use]
pub fn next_of(request: &Request, policy: &Pinned, language: &str) -> Value {
    match request.status {
        Status::AwaitingVerification => {
            let needed: Vec<&Vec<Factor>> = request
                .matter
                .right()
                .and_then(|right| policy.right(right))
                .map_or_else(Vec::new, |rule| rule.verification.iter().collect());
            json!({"action": "verify", "any_of": needed, "given": request.factors})
        }
        Status::OnHold => {
            let rule = policy.right(Right::AccountCancellation);
            let phrase = rule.and_then(|rule| rule.phrase.as_ref()).map(|phrase| in_language(phrase, language));
            let consequences = rule
                .and_then(|rule| rule.consequences.as_ref())
                .and_then(|all| all.get(language).or_else(|| all.values().next()));
            let plan = dry_run::consequences(policy, request.matter, &request.left_out.collections, language)
                .unwrap_or_default();
            let mut next = json!({
                "action": "confirm",
                "phrase": phrase,
                "consequences": consequences,
                "plan": plan,
                "irreversible_after": rule.and_then(|rule| rule.cooling_off),
                "checks": policy.checks().iter().map(|check| advice(policy, &check.id, language)).collect::<Vec<_>>(),
            });
            let failed = request.cancelling.as_ref().map_or(&[][..], |cancelling| cancelling.failed.as_slice());
            if !failed.is_empty() {
                next["failed_checks"] = failed.iter().map(|id| advice(policy, id, language)).collect();
            }
            next
        }
        Status::CoolingOff => {
            let until = request.cooling_off_until.map(keys::moment);
            json!({"action": "wait", "until": until, "irreversible_from": until})
        }
        Status::Completed if request.package.as_ref().is_some_and(|package| !package.deleted) => {
            json!({"action": "fetch_package"})
        }
        status if status.is_end() => json!({"action": "none"}),
        _ => json!({"action": "wait", "until": keys::moment(request.due_at)}),
    }
}

/// A check, with what the person can do about it.
fn advice(policy: &Pinned, id: &str, language: &str) -> Value {
    json!({"id": id, "what_to_do": policy.advice(id, language).unwrap_or_default()})
}

/// A request in a list, or without its steps.
#[must_use]
pub fn summary_json(request: &Request, policy: &Pinned) -> Value {
    let language = policy.language(Some(&request.language));
    let (done, planned) = request.progress();
    json!({
        "request_id": request.id,
        "right": request.matter.name(),
        "status": request.status,
        "received_at": keys::moment(request.received_at),
        "due_at": keys::moment(request.due_at),
        "overdue": request.overdue,
        "outcome": request.outcome,
        "ended_at": request.ended_at.map(keys::moment),
        "steps": {"done": done, "planned": planned},
        "next": next_of(request, policy, language),
    })
}

/// Who was told of the erasure, or was not, and what they said.
fn recipient_json(result: &RecipientResult, policy: &Pinned) -> Value {
    json!({
        "recipient": result.recipient,
        "name": policy.recipient(&result.recipient).map(|recipient| &recipient.name),
        "told_at": result.told_at.map(keys::moment),
        "not_told": result.not_told,
        "receipt_by": result.receipt_by.map(keys::moment),
        "receipt": result.receipt,
        "receipt_at": result.receipt_at.map(keys::moment),
        "overdue": result.overdue,
    })
}

/// What is kept for a time: what the erasure kept, and what of it is found to be so once holds have ended.
fn retained(view: &RequestView) -> Vec<RetainedRows> {
    let after_holds = &view.request.retained_after_holds;
    let of_step = |step: &Step| {
        let Work::Erase { collection } = &step.work else { return None };
        let rows = step.counts.retained.saturating_sub(step.counts.held);
        let is_said = rows > 0 && !after_holds.contains_key(collection);
        let (marked, until) = (step.counts.marked, step.retained_until);
        is_said.then(|| RetainedRows { collection: collection.clone(), rows, marked, until, out_of_reach: false })
    };
    view.steps.iter().filter_map(of_step).chain(after_holds.values().cloned()).collect()
}

fn kept_json(kept: &RetainedRows, request: &Request, policy: &Pinned, language: &str) -> Option<Value> {
    let mut entry = json!({
        "collection": kept.collection,
        "rows": kept.rows,
        "until": kept.until.map(keys::moment),
        "basis": certificate::basis(policy, &kept.collection, language, kept.out_of_reach)?,
    });
    let is_moved_here =
        |name: &str| policy.rule(name).and_then(|rule| rule.erasure.move_to()) == Some(kept.collection.as_str());
    if kept.marked > 0 {
        entry["restricted"] = json!("marked");
    } else if policy.collections().any(is_moved_here) {
        entry["restricted"] = json!("moved");
    }
    if request.out_of_reach.contains(&kept.collection) {
        entry["out_of_reach"] = json!(true);
    }
    if let Some(at) = request.purged.get(&kept.collection) {
        entry["purged_at"] = json!(keys::moment(*at));
    }
    Some(entry)
}

/// A request with all that the person may know of it.
#[must_use]
pub fn request_json(view: &RequestView, policy: &Pinned) -> Value {
    let request = &view.request;
    let language = policy.language(Some(&request.language));
    let mut body = summary_json(request, policy);
    let retained: Vec<Value> =
        retained(view).iter().filter_map(|kept| kept_json(kept, request, policy, language)).collect();
    body["counts"] = json!(request.total);
    body["retained"] = json!(retained);
    let ground = |ground: &Ground| json!({"ground": ground.ground, "text": refusal_text(policy, ground, language), "source": ground.source});
    if let Some(denied) = &request.denied {
        body["denied"] = ground(denied);
    }
    if !request.left_out.is_empty() {
        let entry = |kind: &str, name: &str, why: &Ground| {
            let mut entry = ground(why);
            entry[kind] = json!(name);
            entry
        };
        let LeftOut { collections, categories } = &request.left_out;
        let by_category = categories.iter().map(|(name, why)| entry("category", name, why));
        let by_collection = collections.iter().map(|(name, why)| entry("collection", name, why));
        body["exempt"] = by_category.chain(by_collection).collect();
    }
    body["policy"] = json!({
        "id": policy.policy().id,
        "version": policy.policy().version,
        "sha256": policy.digest(),
    });
    body["complaint"] = json!(in_language(&policy.policy().controller.complaint, language));
    if request.matter == Matter::Right(Right::AccountCancellation) {
        body["cooling_off_until"] = json!(request.cooling_off_until.map(keys::moment));
    }
    if !request.recipients.is_empty() {
        let told: Vec<Value> = request.recipients.iter().map(|result| recipient_json(result, policy)).collect();
        body["recipients"] = json!(told);
    }
    if let Some(holds) = legal_holds(view) {
        body["legal_holds"] = holds;
    }
    if let Some(until) = request.known_until() {
        body["known_until"] = json!(keys::moment(until));
    }
    if let Some(package) = &request.package {
        body["package"] = json!({
            "bytes": package.bytes,
            "sha256": package.sha256,
            "encrypted": package.encrypted,
            "expires_at": keys::moment(package.expires_at),
            "deleted": package.deleted,
            "links": package.links,
        });
    }
    body
}

/// The legal holds that a request waits for, those that keep something, and what; none if there are none.
fn legal_holds(view: &RequestView) -> Option<Value> {
    let told = |held: &Held| json!({"hold": held.hold, "basis": held.basis, "until": keys::moment(held.until)});
    let request = &view.request;
    if request.waits_for.is_empty() && request.kept.is_empty() {
        return None;
    }
    let rows = view.steps.iter().filter(|step| step.counts.held > 0);
    let rows = rows.filter_map(|step| {
        let Work::Erase { collection } = &step.work else { return None };
        Some(json!({"collection": collection, "rows": step.counts.held}))
    });
    Some(json!({
        "waits_for": request.waits_for.iter().map(told).collect::<Vec<_>>(),
        "keep": request.kept.iter().map(|kept| told(&kept.held)).collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
    }))
}
