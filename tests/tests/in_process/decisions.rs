//! What operators decide: a request is refused, or a part of it is left out, with a ground, before anything is done.

use std::collections::BTreeMap;

use habeas::evidence::{Actor, Event, EvidenceFile, Fact, Outcome, verify};
use habeas::ledger::StepStatus;
use habeas_e2e::{Answered, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::check_evidence;
use crate::people::{LI, LI_EMAIL, fresh, world};
use crate::plans::token;
use crate::recheck::{after, request};
use crate::stories::{evidence, exercise, package};

fn operator(world: &World) -> String {
    token(world, world.now(), &json!(["operators"]))
}

async fn ask(world: &World, right: &str) -> String {
    let answer = world.call("POST", "/v1/requests", Some(&fresh(world, LI)), Some(json!({"right": right}))).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["request_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn decide(world: &World, id: &str, decision: Value) -> Answered {
    world.call("POST", &format!("/v1/requests/{id}/decision"), Some(&operator(world)), Some(decision)).await
}

async fn status(world: &World, id: &str) -> Value {
    world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(world, LI)), None).await.body
}

fn exempt_orders() -> Value {
    json!({"exempt": [{"collection": "small_app.orders", "ground": "criminal_process"}]})
}

fn of_operators(events: &[Event]) -> Vec<&Fact> {
    events.iter().filter(|event| event.actor == Actor::Operator).map(|event| &event.fact).collect()
}

/// As Li asks for an erasure, and an operator refuses it.
pub(crate) async fn refusal(world: &World) -> String {
    let id = ask(world, "erasure").await;
    let denied = decide(world, &id, json!({"deny": {"ground": "criminal_process"}})).await;
    assert_eq!((denied.status, denied.body["status"].as_str()), (200, Some("denied")), "{}", denied.body);
    world.run().await;
    id
}

#[tokio::test]
async fn a_refusal_ends_the_request_and_names_its_ground_to_the_person() {
    let world = world().await;
    let before = world.data().await;
    let id = refusal(&world).await;
    let (address, told) = world.mails().pop().unwrap();
    assert_eq!(address, LI_EMAIL);
    assert!(told.contains("A crime is being looked into (5(7)3)") && told.contains("Complain to us"), "{told}");
    let shown = status(&world, &id).await;
    let why = json!({"ground": "criminal_process", "text": "A crime is being looked into", "source": "5(7)3"});
    assert_eq!((&shown["denied"], &shown["complaint"]), (&why, &json!("Complain to us")));
    after(&world, SignedDuration::from_hours(24 * 40)).await;
    assert_eq!(world.data().await, before, "nothing is done any more");
    world.advance(SignedDuration::from_hours(24 * 400));
    assert_eq!(world.wake().await, 0, "and nothing waits");
    let ended = request(&world, &id).await;
    assert!(ended.sealed.is_none() && ended.contact.is_none());
    let file = evidence(&world, &id).await;
    assert!(matches!(of_operators(&file.events)[..], [Fact::Denied(_)]));
    assert_eq!(file.certificate.denied.as_ref().unwrap().source, "5(7)3");
    let text = serde_json::to_string(&file).unwrap();
    assert!(!text.contains(LI) && !text.contains("u-op"));
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&fresh(&world, LI))).await.text;
    assert!(page.contains("It was refused.") && page.contains("A crime is being looked into"), "{page}");
    let late = decide(&world, &id, json!({"accept": {}})).await;
    assert_eq!((late.status, late.body["detail"].as_str()), (409, Some("The request has ended.")));
}

#[tokio::test]
async fn what_is_left_out_stays_where_it_is_and_is_named_with_its_ground() {
    let world = world().await;
    let before = world.data().await;
    let id = ask(&world, "erasure").await;
    let decided = decide(&world, &id, exempt_orders()).await;
    assert_eq!((decided.status, decided.body["status"].as_str()), (200, Some("accepted")), "{}", decided.body);
    world.run_to_end(&id).await;
    let erased = world.data().await;
    assert_eq!(erased["small-orders"], before["small-orders"], "neither erased nor minimised nor marked");
    assert!(erased["small-posts"].iter().all(|post| post["user_id"] != LI));
    after(&world, SignedDuration::from_hours(24 * 31)).await;
    assert_eq!(world.data().await["small-orders"], before["small-orders"], "nor by a re-check");
    let shown = status(&world, &id).await;
    assert_eq!((&shown["outcome"], &shown["exempt"][0]["collection"]), (&json!("partial"), &json!("small_app.orders")));
    assert_eq!(shown["exempt"][0]["text"], "A crime is being looked into");
    let file = evidence(&world, &id).await;
    assert!(matches!(of_operators(&file.events)[..], [Fact::Exempted { .. }]));
    let left_out = BTreeMap::from_iter(file.certificate.exempt.clone());
    assert_eq!(left_out["small_app.orders"].ground, "criminal_process");
    assert!(file.certificate.results.iter().all(|result| result.work.collection() != Some("small_app.orders")));
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&fresh(&world, LI))).await.text;
    assert!(page.contains("What was refused, and why") && page.contains("5(7)3"), "{page}");
    let says_so = |text: &str| text.contains("we refused to delete a part of it") && text.contains("Complain to us");
    let mails = world.mails();
    assert!(mails.iter().any(|(address, text)| address == LI_EMAIL && says_so(text)), "{mails:?}");
    let late = decide(&world, &id, exempt_orders()).await;
    assert_eq!(late.status, 409, "{}", late.body);
}

#[tokio::test]
async fn a_copy_is_without_what_is_left_out_and_its_first_page_says_so() {
    let world = world().await;
    let id = ask(&world, "access").await;
    decide(&world, &id, exempt_orders()).await;
    world.run_to_end(&id).await;
    let files = package(&world, &id).await;
    assert!(!files.keys().any(|path| path.contains("orders")), "{:?}", files.keys());
    assert!(files.contains_key("data/small_app/posts.json"));
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(
        page.contains("What is not in this copy, and why") && page.contains("A crime is being looked into (5(7)3)")
    );
    assert_eq!(check_evidence(&world, &id).await.outcome, Some(Outcome::Partial));
    let told = world.mails().pop().unwrap().1;
    assert!(told.contains("The copy is without a part of your data") && told.contains("Complain to us"), "{told}");
}

#[tokio::test]
async fn a_category_that_is_left_out_does_not_leave_with_a_copy_wherever_it_stands() {
    let world = world().await;
    let id = ask(&world, "access").await;
    let everything = json!({"exempt": [{"category": "user", "ground": "criminal_process"}]});
    assert_eq!(decide(&world, &id, everything).await.status, 400, "that would be a refusal");
    let exempt = json!({"exempt": [{"category": "user.content", "ground": "criminal_process"}]});
    let decided = decide(&world, &id, exempt).await;
    let why = json!({"user.content": {"ground": "criminal_process", "source": "5(7)3"}});
    assert_eq!((&decided.body["exempt"], &decided.body["exempt_categories"]), (&json!({}), &why));
    world.run_to_end(&id).await;
    let files = package(&world, &id).await;
    let posts: Value = serde_json::from_slice(&files["data/small_app/posts.json"]).unwrap();
    let post = &posts.as_array().unwrap()[0];
    assert!(post.get("post_id").is_some() && post.get("text").is_none(), "{post}");
    assert!(!files.keys().any(|path| path.starts_with("media/")), "nor what objects hold");
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(page.contains("user.content") && page.contains("A crime is being looked into (5(7)3)"), "{page}");
    let shown = status(&world, &id).await;
    assert_eq!((&shown["outcome"], &shown["exempt"][0]["category"]), (&json!("partial"), &json!("user.content")));
    let certificate = check_evidence(&world, &id).await;
    assert_eq!(certificate.exempt_categories["user.content"].ground, "criminal_process");
}

#[tokio::test]
async fn an_erasure_keeps_every_collection_that_has_a_category_which_is_left_out() {
    let world = world().await;
    let before = world.data().await;
    let id = ask(&world, "erasure").await;
    let exempt = json!({"exempt": [{"category": "user.behavior", "ground": "criminal_process"}]});
    let decided = decide(&world, &id, exempt).await;
    assert_eq!(decided.body["exempt"].as_object().unwrap().keys().collect::<Vec<_>>(), ["small_app.orders"]);
    world.run_to_end(&id).await;
    let erased = world.data().await;
    assert_eq!(erased["small-orders"], before["small-orders"]);
    assert!(erased["small-users"].iter().all(|user| user["user_id"] != LI));
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&fresh(&world, LI))).await.text;
    assert!(page.contains("user.behavior") && page.contains("small_app.orders"), "{page}");
}

#[tokio::test]
async fn only_operators_decide_with_a_ground_of_the_policy_and_before_the_work_begins() {
    let world = world().await;
    let id = ask(&world, "erasure").await;
    let path = format!("/v1/requests/{id}/decision");
    let deny = json!({"deny": {"ground": "criminal_process"}});
    for (token, refused) in [(Some(fresh(&world, LI)), 403), (Some("x".to_owned()), 401), (None, 401)] {
        let answer = world.call("POST", &path, token.as_deref(), Some(deny.clone())).await;
        assert_eq!(answer.status, refused, "{}", answer.body);
    }
    let stale = operator(&world);
    world.advance(SignedDuration::from_mins(31));
    let answer = world.call("POST", &path, Some(&stale), Some(deny.clone())).await;
    assert_eq!(answer.body["type"], "urn:habeas:problem:sign-in-too-old");
    for wrong in [
        json!({}),
        json!({"accept": {}, "deny": {"ground": "groundless"}}),
        json!({"deny": {"ground": "no such ground"}}),
        json!({"exempt": []}),
        json!({"exempt": [{"collection": "small_app.nothing", "ground": "groundless"}]}),
        json!({"exempt": [{"category": "user", "ground": "groundless"}]}),
        json!({"exempt": [{"category": "user.biometric", "ground": "groundless"}]}),
        json!({"exempt": [{"ground": "groundless"}]}),
    ] {
        assert_eq!(decide(&world, &id, wrong.clone()).await.status, 400, "{wrong}");
    }
    let all: Vec<Value> =
        world.policy.collections().map(|name| json!({"collection": name, "ground": "groundless"})).collect();
    assert_eq!(decide(&world, &id, json!({"exempt": all})).await.status, 400, "that would be a refusal");
    assert_eq!(decide(&world, &id, json!({"exempt": all[1..]})).await.status, 200);
    assert_eq!(decide(&world, &id, json!({"exempt": all[..1]})).await.status, 400, "and so would that, by and by");
    assert_eq!(decide(&world, &id, json!({"accept": {}})).await.status, 409, "it waits for none");
    assert_eq!(decide(&world, &"0".repeat(32), deny.clone()).await.status, 404);
    assert!(world.step().await, "the first step, and the work has begun");
    assert_eq!(decide(&world, &id, deny.clone()).await.status, 409);
    let body = json!({"right": "erasure", "identity": {"email": LI_EMAIL}});
    let unknown = world.call("POST", "/v1/requests", None, Some(body)).await.body["request_id"].clone();
    let early = decide(&world, unknown.as_str().unwrap(), deny).await;
    assert_eq!(early.body["detail"], "Nobody has shown who they are yet. Decide once they have.");
}

#[tokio::test]
async fn a_cancellation_that_cools_off_can_be_refused() {
    let world = world().await;
    let before = world.data().await;
    let id = crate::rights::confirmed(&world, false).await;
    let denied = decide(&world, &id, json!({"deny": {"ground": "groundless"}})).await;
    assert_eq!(denied.body["status"], "denied", "{}", denied.body);
    after(&world, SignedDuration::from_hours(24 * 16)).await;
    assert_eq!(world.data().await, before);
}

/// A refusal whose function is killed at a call, and which the operator sends again. None: it has fewer calls than that.
async fn killed_at(call: usize, answer_is_lost: bool) -> Option<(World, String)> {
    let world = world().await;
    let id = ask(&world, "erasure").await;
    world.calls.die_after(call, answer_is_lost);
    let first = decide(&world, &id, exempt_orders()).await;
    let died = world.calls.revive();
    world.calls.disarm();
    if first.status != 200 {
        let again = decide(&world, &id, exempt_orders()).await;
        assert_eq!(again.status, 200, "killed at call {call}: {}", again.body);
    }
    world.run_to_end(&id).await;
    died.then_some((world, id))
}

#[tokio::test]
async fn a_decision_that_is_killed_at_any_call_is_made_once_it_is_sent_again() {
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id)) = killed_at(call, answer_is_lost).await {
            assert_eq!(request(&world, &id).await.left_out.collections.len(), 1);
            assert!(world.data().await["small-orders"].iter().any(|order| order["order_id"] == "o2"));
            check_evidence(&world, &id).await;
            call += 1;
        }
        assert!(call > 1, "the matrix is not empty: {call}");
    }
}

#[tokio::test]
async fn a_step_that_was_ready_when_the_request_was_refused_is_never_done() {
    let world = world().await;
    let id = ask(&world, "erasure").await;
    decide(&world, &id, json!({"deny": {"ground": "groundless"}})).await;
    world.run().await;
    let view = world.ledger().view(&id.parse().unwrap()).await.unwrap().unwrap();
    assert!(view.steps.iter().all(|step| matches!(step.status, StepStatus::Retired | StepStatus::Waiting)));
    let again = exercise(&world, "access").await;
    let events = world.ledger().events(&again.parse().unwrap()).await.unwrap();
    let certificate = habeas::evidence::Certificate::from_events(&events).unwrap();
    verify(&EvidenceFile { certificate, events, anchored: None }).unwrap();
}
