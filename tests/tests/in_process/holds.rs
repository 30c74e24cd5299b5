//! Legal holds: an erasure waits for them or goes around them, as the policy says, and comes back; sweeps and replays leave
//! what is held; only operators place and lift them; and nothing of it is silent.

mod afterwards;
mod killed;
mod placing;

use habeas::evidence::{Certificate, Event, Fact, Outcome};
use habeas::policy::Bundle;
use habeas::request::{Request, Right, Status};
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::check_evidence;
use crate::decisions::decide;
use crate::people::{LI, LI_EMAIL, fresh, settle, world};
use crate::plans::token;
use crate::recheck::after;
use crate::replay::{YESTERDAY, replay};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const BASIS: &str = "Case 2026/17 of the Haidian District Court";

/// As an operator.
pub(crate) async fn call(world: &World, method: &str, path: &str, key: &str, body: Option<&Value>) -> (u16, Value) {
    let operator = token(world, world.now(), &json!(["operators"]));
    let body = body.map_or(String::new(), Value::to_string);
    let answer = world.call_raw(method, path, Some(&operator), Some(key), body).await;
    (answer.status, answer.body)
}

/// Places a hold for so long; its id.
pub(crate) async fn hold(world: &World, on: Value, time: SignedDuration) -> String {
    let key = on.to_string();
    let mut body = on;
    body["basis"] = BASIS.into();
    body["ends_at"] = (world.now() + time).to_string().into();
    let (status, placed) = call(world, "POST", "/v1/holds", &key, Some(&body)).await;
    assert_eq!(status, 201, "{placed}");
    assert_eq!((&placed["basis"], &placed["in_force"]), (&json!(BASIS), &json!(true)));
    placed["hold_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn lift(world: &World, hold: &str) {
    let (status, lifted) = call(world, "POST", &format!("/v1/holds/{hold}/lift"), "lift", None).await;
    assert_eq!((status, &lifted["in_force"]), (200, &json!(false)), "{lifted}");
}

/// A world in which erasures go around holds.
async fn world_that_goes_around() -> World {
    world_that_goes_around_and(false).await
}

/// The same. `purges`: what is retained is purged in the end, so that the story goes on for years.
async fn world_that_goes_around_and(purges: bool) -> World {
    world_of(|bundle| {
        let rule = bundle.policy.rights.get_mut(&Right::Erasure).unwrap();
        rule.purge = serde_json::from_value(json!({"timer": purges})).unwrap();
    })
    .await
}

/// The same, under a policy that is another one besides.
async fn world_of(change: impl FnOnce(&mut Bundle)) -> World {
    let world = World::under_small(|bundle| {
        bundle.policy.holds = serde_json::from_value(json!({"erasure": "around"})).unwrap();
        change(bundle);
    })
    .await;
    settle(&world).await;
    world
}

/// Li asks, signed in, and everything is done that can be done now.
async fn ask(world: &World, right: &str) -> String {
    let body = Some(json!({"right": right}));
    let answer = world.call("POST", "/v1/requests", Some(&fresh(world, LI)), body).await;
    world.run().await;
    answer.body["request_id"].as_str().unwrap().to_owned()
}

async fn request(world: &World, id: &str) -> Request {
    world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap()
}

async fn events(world: &World, id: &str) -> Vec<Event> {
    world.ledger().events(&id.parse().unwrap()).await.unwrap()
}

/// What happened with holds, in order.
async fn told(world: &World, id: &str) -> Vec<&'static str> {
    let word = |event: Event| match event.fact {
        Fact::Held(held) => {
            assert_eq!(held.basis, BASIS);
            Some("held")
        }
        Fact::HoldEnded { lifted: true, .. } => Some("lifted"),
        Fact::HoldEnded { lifted: false, .. } => Some("ended"),
        _ => None,
    };
    events(world, id).await.into_iter().filter_map(word).collect()
}

/// The request as the person sees it.
async fn seen(world: &World, id: &str) -> Value {
    world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(world, LI)), None).await.body
}

/// Rows of Li that a table has, by a field.
async fn of_li(world: &World, table: &str, field: &str) -> usize {
    of(world, table, field, LI).await
}

async fn of(world: &World, table: &str, field: &str, whose: &str) -> usize {
    world.data().await[table].iter().filter(|row| row.get(field).is_some_and(|value| value.contains(whose))).count()
}

async fn assert_holds_nobodys_data(world: &World, id: &str) {
    let evidence = serde_json::to_string(&(check_evidence(world, id).await, events(world, id).await)).unwrap();
    for value in [LI, LI_EMAIL, "ann@mail.example"] {
        assert!(!evidence.contains(value), "{value} is in {evidence}");
    }
}

#[tokio::test]
async fn an_erasure_waits_for_a_hold_by_e_mail_and_goes_on_after_the_lift() {
    let world = world().await;
    let before = world.data().await;
    let held = hold(&world, json!({"subject": {"email": LI_EMAIL}}), DAY * 400).await;
    let id = ask(&world, "erasure").await;
    for _ in 0..3 {
        after(&world, DAY).await;
    }
    assert_eq!(world.data().await, before, "nothing is changed");
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!(!ledger.contains("SUPPRESSED"), "nor is anybody marked as erased");
    assert_eq!(told(&world, &id).await, ["held"], "once, however often it is looked at");
    let shown = seen(&world, &id).await;
    assert_eq!((&shown["status"], &shown["outcome"]), (&json!("in_progress"), &Value::Null));
    assert_eq!(shown["legal_holds"]["waits_for"][0]["basis"], BASIS);
    assert_eq!(world.mails().len(), 1, "the person is told, once");

    after(&world, DAY * 28).await;
    assert!(events(&world, &id).await.iter().any(|event| event.fact == Fact::Overdue), "the due date is watched");
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
    assert_eq!(told(&world, &id).await, ["held", "lifted"]);
    assert_eq!(of_li(&world, "small-posts", "user_id").await, 0);
    assert!(seen(&world, &id).await.get("legal_holds").is_none());
    assert_holds_nobodys_data(&world, &id).await;
}

#[tokio::test]
async fn a_hold_that_ends_lets_the_erasure_go_on_by_itself() {
    let world = world().await;
    hold(&world, json!({"collection": "small_app.posts"}), SignedDuration::from_hours(10)).await;
    let id = ask(&world, "erasure").await;
    after(&world, SignedDuration::from_hours(9)).await;
    assert_eq!((of_li(&world, "small-users", "user_id").await, told(&world, &id).await), (1, vec!["held"]));
    after(&world, SignedDuration::from_hours(1)).await;
    assert_eq!(told(&world, &id).await, ["held", "ended"]);
    assert_eq!(request(&world, &id).await.outcome, Some(Outcome::Partial), "an order is retained");
    assert_eq!(of_li(&world, "small-users", "user_id").await, 0);
}

#[tokio::test]
async fn a_hold_that_comes_while_an_erasure_runs_stops_what_has_not_begun() {
    let world = world().await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    while of_li(&world, "small-posts", "user_id").await > 0 {
        assert!(world.step().await);
    }
    let held = hold(&world, json!({"request_id": id}), DAY * 30).await;
    world.run().await;
    after(&world, DAY * 2).await;
    assert_eq!((of_li(&world, "small-users", "user_id").await, told(&world, &id).await), (1, vec!["held"]));
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
    assert_eq!(of_li(&world, "small-users", "user_id").await, 0);
    check_evidence(&world, &id).await;
}

#[tokio::test]
async fn an_erasure_goes_around_a_collection_and_erases_it_when_the_hold_ends() {
    let world = world_that_goes_around().await;
    let undisturbed = world_that_goes_around().await;
    ask(&undisturbed, "erasure").await;
    let held = hold(&world, json!({"collection": "small_app.comments"}), DAY * 40).await;
    let id = ask(&world, "erasure").await;
    assert_eq!(of_li(&world, "small-comments", "author_id").await, 1);
    let (data, mut expected) = (world.data().await, undisturbed.data().await);
    expected.insert("small-comments".into(), data["small-comments"].clone());
    assert_eq!(data, expected, "everything else goes");
    let shown = seen(&world, &id).await;
    assert_eq!(shown["outcome"], "partial");
    let until = shown["legal_holds"]["keep"][0]["until"].as_str().unwrap().to_owned();
    assert_eq!(
        shown["legal_holds"],
        json!({"waits_for": [], "keep": [{"hold": held, "basis": BASIS, "until": until}],
            "rows": [{"collection": "small_app.comments", "rows": 1}]})
    );
    assert!(shown["retained"].as_array().unwrap().iter().all(|kept| kept["collection"] != "small_app.comments"));
    let certificate = check_evidence(&world, &id).await;
    let [told] = certificate.holds.as_slice() else { panic!("{:?}", certificate.holds) };
    assert_eq!((told.held.basis.as_str(), told.ended_at), (BASIS, None));
    assert_eq!(told.kept[0].collection, "small_app.comments");
    assert_eq!((certificate.total.held, certificate.total.retained), (1, 2));
    assert_eq!(shown["known_until"], json!(until), "whom it is about is known until the hold ends");

    after(&world, DAY * 31).await;
    assert!(request(&world, &id).await.sealed.is_some(), "the re-checks are over, the hold is not");
    assert_eq!(of_li(&world, "small-comments", "author_id").await, 1);
    after(&world, DAY * 9).await;
    assert_eq!(of_li(&world, "small-comments", "author_id").await, 0);
    assert_eq!(world.data().await, undisturbed.data().await);
    let last: Vec<Fact> = events(&world, &id).await.into_iter().rev().take(3).map(|event| event.fact).collect();
    assert!(matches!(&last[0], Fact::SubjectDropped), "{last:?}");
    assert!(matches!(&last[1], Fact::StepDone(report) if report.counts.anonymised == 1), "{last:?}");
    assert!(matches!(&last[2], Fact::HoldEnded { lifted: false, .. }), "{last:?}");
    assert!(request(&world, &id).await.sealed.is_none());
    assert!(check_evidence(&world, &id).await.holds[0].ended_at.is_some());
    assert_holds_nobodys_data(&world, &id).await;
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0, "nothing is ever to be done again");
}

#[tokio::test]
async fn all_of_a_person_is_kept_by_a_hold_on_them_and_goes_after_the_lift() {
    let world = world_that_goes_around_and(true).await;
    let before = world.data().await;
    let held = hold(&world, json!({"subject": {"user_id": LI}}), DAY * 300).await;
    let id = ask(&world, "erasure").await;
    assert_eq!(world.data().await, before);
    let certificate = check_evidence(&world, &id).await;
    assert_eq!((certificate.outcome, certificate.total.erased), (Some(Outcome::Partial), 0));
    assert_eq!((certificate.total.held, certificate.total.retained), (10, 10));
    lift(&world, &held).await;
    after(&world, DAY).await;
    for (table, field) in [("small-users", "user_id"), ("small-posts", "user_id"), ("small-files", "key")] {
        assert_eq!(of_li(&world, table, field).await, 0, "{table}");
    }
    assert_eq!(told(&world, &id).await, ["lifted"]);
    let rechecks = check_evidence(&world, &id).await.rechecks;
    assert!(rechecks.len() == 1 && rechecks[0].found == 0, "what was held has not turned up again: {rechecks:?}");
    let [kept] = check_evidence(&world, &id).await.retained.try_into().unwrap();
    assert_eq!((kept.collection.as_str(), kept.rows, kept.marked), ("small_app.orders", 1, 1));
    let shown = &seen(&world, &id).await["retained"][0];
    assert_eq!((&shown["rows"], &shown["restricted"]), (&json!(1), &json!("marked")));
    assert_eq!(shown["until"], json!(habeas::ledger::keys::moment(kept.until.unwrap())));
    after(&world, DAY * 30).await;
    assert_eq!(of_li(&world, "small-orders", "user_id").await, 1, "the law keeps it for longer than the hold did");
    assert!(request(&world, &id).await.is_narrowed(), "after the last re-check, not the end of the hold");
    after(&world, DAY * 1_000).await;
    assert_eq!(of_li(&world, "small-orders", "user_id").await, 0, "and it is purged in its time");
    assert!(request(&world, &id).await.sealed.is_none());
    check_evidence(&world, &id).await;
}

#[tokio::test]
async fn a_hold_on_what_an_operator_left_out_stops_nothing() {
    let world = world().await;
    hold(&world, json!({"collection": "small_app.orders"}), DAY * 300).await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let exempt = json!({"exempt": [{"collection": "small_app.orders", "ground": "criminal_process"}]});
    assert_eq!(decide(&world, &id, exempt).await.status, 200);
    world.run().await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
    assert_eq!(of_li(&world, "small-users", "user_id").await, 0);
}

#[tokio::test]
async fn what_somebody_else_who_is_held_has_a_part_in_stays_when_the_other_is_erased() {
    let world = world().await;
    let held = hold(&world, json!({"subject": {"email": "ann@mail.example"}}), DAY * 300).await;
    let id = ask(&world, "erasure").await;
    let messages = |data: &std::collections::BTreeMap<_, Vec<std::collections::BTreeMap<String, String>>>| {
        data["small-messages"].iter().filter(|row| row.values().any(|value| value == LI)).count()
    };
    assert_eq!(request(&world, &id).await.status, Status::Completed, "it is not about her, so it does not wait");
    assert_eq!(messages(&world.data().await), 2);
    assert_eq!(of_li(&world, "small-users", "user_id").await, 0);
    assert_eq!(check_evidence(&world, &id).await.holds[0].kept[0].collection, "small_app.messages");
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!(messages(&world.data().await), 0);
    assert_holds_nobodys_data(&world, &id).await;
}

/// How many of Ann's rows there are that a sweep takes.
async fn out_of_date(world: &World) -> usize {
    let data = world.data().await;
    let is_old = |row: &&std::collections::BTreeMap<String, String>| {
        row.values().any(|value| value == "old" || value == "Ann said hello" || value.ends_with("u-ann/old.png"))
    };
    data.values().flatten().filter(is_old).count()
}

async fn sweep(world: &World) -> Certificate {
    let id = world.sweep().await;
    world.run_to_end(&id).await;
    check_evidence(world, &id).await
}

#[tokio::test]
async fn a_sweep_leaves_the_rows_of_whoever_is_held_and_collections_that_are_held() {
    let world = world().await;
    assert_eq!(out_of_date(&world).await, 3);
    let on_ann = hold(&world, json!({"subject": {"email": "ann@mail.example"}}), DAY * 300).await;
    let swept = sweep(&world).await;
    assert_eq!(out_of_date(&world).await, 3);
    assert_eq!((swept.outcome, swept.total.held, swept.total.anonymised), (Some(Outcome::Partial), 3, 0));
    assert_eq!(swept.holds[0].kept.len(), 3, "{:?}", swept.holds);
    lift(&world, &on_ann).await;
    hold(&world, json!({"collection": "small_app.posts"}), DAY * 300).await;
    let swept = sweep(&world).await;
    assert_eq!(out_of_date(&world).await, 1, "the post");
    assert_eq!(
        (swept.outcome, swept.holds[0].kept[0].collection.as_str()),
        (Some(Outcome::Partial), "small_app.posts")
    );
}

#[tokio::test]
async fn what_a_restore_brought_back_of_somebody_who_is_held_stays_until_the_hold_ends() {
    let world = world().await;
    ask(&world, "erasure").await;
    let erased = world.data().await;
    world.put("small-posts", &[("user_id", LI), ("post_id", "p0"), ("text", "restored")]).await;
    let held = hold(&world, json!({"subject": {"user_id": LI}}), DAY * 300).await;
    let certificate = replay(&world, json!({"state_of": YESTERDAY, "collections": ["small_app.posts"]})).await;
    assert_eq!((certificate.outcome, certificate.total.left_over), (Some(Outcome::Full), 0));
    assert_eq!((certificate.total.held, of_li(&world, "small-posts", "user_id").await), (1, 1));
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!(world.data().await, erased);
}

#[tokio::test]
async fn a_dry_run_names_the_holds_that_an_erasure_would_meet() {
    let world = world().await;
    let plan = async |right: &str| {
        let body = json!({"right": right, "identity": {"user_id": LI}});
        call(&world, "POST", "/v1/plans", "plan", Some(&body)).await.1
    };
    hold(&world, json!({"subject": {"email": "ann@mail.example"}}), DAY).await;
    assert!(plan("erasure").await.get("holds").is_none(), "it is not on her");
    let on_li = hold(&world, json!({"subject": {"email": LI_EMAIL}}), DAY).await;
    let on_posts = hold(&world, json!({"collection": "small_app.posts"}), DAY).await;
    let met = plan("erasure").await["holds"].clone();
    let named = |position: usize| (met[position]["hold"].clone(), met[position]["collection"].clone());
    assert_eq!(named(0), (json!(on_li), Value::Null), "{met}");
    assert_eq!(named(1), (json!(on_posts), json!("small_app.posts")));
    assert_eq!((&met[0]["basis"], &met[0]["waits"]), (&json!(BASIS), &json!(true)));
    assert!(plan("access").await.get("holds").is_none(), "a copy is made all the same");
}

#[tokio::test]
async fn a_copy_is_made_under_a_hold() {
    let world = world().await;
    hold(&world, json!({"subject": {"email": LI_EMAIL}}), DAY * 20).await;
    let id = ask(&world, "access").await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
}

/// For the stories of the roles: holds of each kind, by each identity, listed and lifted.
pub(crate) async fn of_every_kind(world: &World) {
    let by_id = hold(world, json!({"subject": {"user_id": LI}}), DAY * 30).await;
    hold(world, json!({"subject": {"email": LI_EMAIL}}), SignedDuration::from_hours(1)).await;
    let id = ask(world, "erasure").await;
    hold(world, json!({"request_id": id}), SignedDuration::from_hours(2)).await;
    assert_eq!(call(world, "GET", "/v1/holds?ended=true", "", None).await.0, 200);
    let body = json!({"right": "erasure", "identity": {"user_id": LI}});
    assert_eq!(call(world, "POST", "/v1/plans", "plan", Some(&body)).await.1["holds"].as_array().unwrap().len(), 2);
    lift(world, &by_id).await;
    after(world, DAY).await;
    assert_eq!(request(world, &id).await.status, Status::Completed);
}
