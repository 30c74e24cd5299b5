//! After a restore: who was erased is recognised in what came back and erased again, each by a request of their own; what is
//! somebody else's stays; and a look afresh proves it.

mod lake;

use std::collections::BTreeMap;

use habeas::evidence::{Actor, Certificate, EvidenceFile, Outcome, verify};
use habeas::request::RequestId;
use habeas_cli::commands::Verdict;
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::check_evidence;
use crate::decisions::decide;
use crate::people::{LI, LI_EMAIL, PICTURE, fresh, world};
use crate::plans::token;
use crate::stories::exercise;

type Rows = BTreeMap<String, Vec<BTreeMap<String, String>>>;

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Before anything was erased.
pub(crate) const YESTERDAY: &str = "2026-11-20T08:00:00Z";

/// Puts tables and objects back as they were.
async fn restore(world: &World, state: &Rows, places: &[&str]) {
    for (table, rows) in state.iter().filter(|(table, _)| places.contains(&table.as_str())) {
        for row in rows {
            if table == World::FILES {
                world.put_object(World::FILES, &row["key"], PICTURE, "2026-10-01T00:00:00Z").await;
            } else {
                let fields: Vec<(&str, &str)> =
                    row.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                world.put(table, &fields).await;
            }
        }
    }
}

const EVERYTHING: [&str; 6] =
    ["small-users", "small-posts", "small-comments", "small-messages", "small-orders", World::FILES];

/// As an operator.
async fn call(world: &World, method: &str, path: &str, body: Option<Value>) -> Value {
    let operator = token(world, world.now(), &json!(["operators"]));
    let answer = world.call(method, path, Some(&operator), body).await;
    assert!([200, 202].contains(&answer.status), "{} {}", answer.status, answer.body);
    answer.body
}

async fn begin(world: &World, body: Value) -> String {
    call(world, "POST", "/v1/replays", Some(body)).await["replay_id"].as_str().unwrap().to_owned()
}

/// A whole replay; its certificate, its evidence being sound.
pub(crate) async fn replay(world: &World, body: Value) -> Certificate {
    let id = begin(world, body).await;
    world.run_to_end(&id).await;
    let shown = call(world, "GET", &format!("/v1/replays/{id}"), None).await;
    assert_eq!(shown["status"], "completed");
    let file: EvidenceFile = serde_json::from_value(shown["evidence"].clone()).unwrap();
    verify(&file).unwrap();
    let mut told = Vec::new();
    let verdict = habeas_cli::commands::suppress::print(&shown, &mut told).unwrap();
    let is_proved = file.certificate.total.left_over == 0;
    assert_eq!(verdict, if is_proved { Verdict::Good } else { Verdict::Bad }, "{}", String::from_utf8(told).unwrap());
    file.certificate
}

/// By kind of work and collection: rows that were looked at, and those that had to go.
fn counted(certificate: &Certificate, work: &str) -> BTreeMap<String, (u64, u64)> {
    let of = certificate.results.iter().filter(|result| result.work.name() == work);
    of.map(|result| (result.work.collection().unwrap().to_owned(), (result.counts.read, result.counts.left_over)))
        .collect()
}

/// The requests of the ledger that erase somebody again.
async fn erased_again(world: &World) -> Vec<RequestId> {
    let items = habeas_e2e::dump(&world.dynamodb, "ledger").await;
    let again = items.iter().filter(|item| item.get("sk").is_some_and(|sk| sk == "REQUEST"));
    let again = again.filter(|item| item.get("matter").is_some_and(|matter| matter == "erased_again"));
    again.map(|item| item["id"].parse().unwrap()).collect()
}

#[tokio::test]
async fn what_a_restore_brought_back_is_erased_again_and_everything_is_as_it_was_before() {
    let world = world().await;
    let before = world.data().await;
    exercise(&world, "erasure").await;
    let erased = world.data().await;
    restore(&world, &before, &EVERYTHING).await;
    assert_ne!(world.data().await, erased);
    let certificate = replay(&world, json!({"state_of": YESTERDAY})).await;
    assert_eq!(world.data().await, erased);
    assert_eq!(certificate.outcome, Some(Outcome::Full));
    let found: u64 = counted(&certificate, "scan").values().map(|(_, left)| left).sum();
    assert_eq!(found, 10, "a user, three posts, a comment, two messages, two orders, a picture");
    let proof = counted(&certificate, "prove");
    assert_eq!(proof.len(), 6);
    assert!(proof.values().all(|(read, left)| *left == 0 && *read > 0), "{proof:?}");
    assert_eq!((certificate.total.erased, certificate.total.anonymised, certificate.total.retained), (7, 2, 1));
    let again = erased_again(&world).await;
    let [again] = again.as_slice() else { panic!("one person, one request: {again:?}") };
    let events = world.ledger().events(again).await.unwrap();
    assert_eq!(events[0].actor, Actor::Operator);
    check_evidence(&world, again.as_str()).await;
    assert!(world.mails().len() <= 1, "nobody is told a second time");
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!(!ledger.contains(LI) && !ledger.contains("FOUND#"), "what was kept of whom it found is forgotten");

    let second = replay(&world, json!({"state_of": YESTERDAY})).await;
    assert_eq!((second.total.erased, second.total.anonymised, erased_again(&world).await.len()), (0, 0, 1));
    assert_eq!(world.data().await, erased);
}

#[tokio::test]
async fn rows_that_came_back_without_the_person_are_recognised_by_what_they_refer_to() {
    let world = world().await;
    let before = world.data().await;
    exercise(&world, "erasure").await;
    let erased = world.data().await;
    restore(&world, &before, &["small-comments", World::FILES]).await;
    let body = json!({"state_of": YESTERDAY, "systems": ["files"], "collections": ["small_app.comments"]});
    let certificate = replay(&world, body).await;
    assert_eq!(world.data().await, erased);
    let scanned = counted(&certificate, "scan");
    assert_eq!(scanned["small_app.comments"], (3, 1));
    assert_eq!(scanned.keys().collect::<Vec<_>>(), ["small_app.comments", "small_files.pictures"]);
}

#[tokio::test]
async fn what_an_operator_left_out_of_an_erasure_stays_when_it_is_done_again() {
    let world = world().await;
    let before = world.data().await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let exempt = json!({"exempt": [{"collection": "small_app.posts", "ground": "criminal_process"}]});
    assert_eq!(decide(&world, &id, exempt).await.status, 200);
    world.run_to_end(&id).await;
    let erased = world.data().await;
    restore(&world, &before, &["small-orders"]).await;
    let of_orders = json!({"state_of": YESTERDAY, "systems": ["app"], "collections": ["small_app.orders"]});
    assert_eq!(replay(&world, of_orders).await.outcome, Some(Outcome::Full));
    assert_eq!(world.data().await, erased);
    restore(&world, &before, &EVERYTHING).await;
    let certificate = replay(&world, json!({"state_of": YESTERDAY})).await;
    assert_eq!(certificate.outcome, Some(Outcome::Full));
    assert_eq!(counted(&certificate, "scan")["small_app.posts"].1, 0, "they do not count as erased");
    assert_eq!(world.data().await, erased, "whatever was replayed in between");
    for again in erased_again(&world).await {
        let of_again = check_evidence(&world, again.as_str()).await;
        assert_eq!(of_again.exempt["small_app.posts"].source, "5(7)3");
    }
}

#[tokio::test]
async fn a_dry_run_of_a_replay_counts_and_changes_nothing() {
    let world = world().await;
    let before = world.data().await;
    exercise(&world, "erasure").await;
    restore(&world, &before, &EVERYTHING).await;
    let restored = world.data().await;
    let certificate = replay(&world, json!({"state_of": YESTERDAY, "dry_run": true})).await;
    assert_eq!((certificate.outcome, certificate.total.left_over), (Some(Outcome::Partial), 10));
    assert_eq!((world.data().await, erased_again(&world).await.len()), (restored, 0));
}

#[tokio::test]
async fn an_account_made_since_the_erasure_is_left_alone_by_a_replay() {
    let world = world().await;
    let before = world.data().await;
    exercise(&world, "erasure").await;
    world.put("small-users", &[("user_id", "u-li-2"), ("email", LI_EMAIL), ("language", "en")]).await;
    world.put("small-posts", &[("user_id", "u-li-2"), ("post_id", "p"), ("text", "back again")]).await;
    let lives = world.data().await;
    restore(&world, &before, &["small-users", "small-posts"]).await;
    for state_of in [YESTERDAY.to_owned(), (world.now()).to_string()] {
        let certificate = replay(&world, json!({"state_of": state_of})).await;
        assert_eq!(certificate.outcome, Some(Outcome::Full));
        assert_eq!(world.data().await, lives, "the new account stays, the old one does not");
    }
}

#[tokio::test]
async fn only_operators_begin_replays_and_of_what_the_policy_has() {
    let world = world().await;
    let begin = json!({"state_of": YESTERDAY});
    let person = fresh(&world, LI);
    assert_eq!(world.call("POST", "/v1/replays", Some(&person), Some(begin.clone())).await.status, 403);
    assert_eq!(world.call("POST", "/v1/replays", None, Some(begin)).await.status, 401);
    let operator = token(&world, world.now(), &json!(["operators"]));
    for wrong in [
        json!({}),
        json!({"state_of": "yesterday"}),
        json!({"state_of": (world.now() + DAY).to_string()}),
        json!({"state_of": YESTERDAY, "systems": ["nowhere"]}),
        json!({"state_of": YESTERDAY, "collections": ["small_app.nothing"]}),
    ] {
        let answer = world.call("POST", "/v1/replays", Some(&operator), Some(wrong)).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let id = exercise(&world, "erasure").await;
    let not_one = world.call("GET", &format!("/v1/replays/{id}"), Some(&operator), None).await;
    assert_eq!(not_one.status, 404, "an erasure is no replay");
}

/// A replay for the stories of the roles: with what is locked, and whose first message is lost.
pub(crate) async fn of_everything(world: &World) {
    let before = world.data().await;
    exercise(world, "erasure").await;
    restore(world, &before, &EVERYTHING).await;
    world.lock("pictures/u-li/face.png", Some("2027-03-01T00:00:00Z".parse().unwrap()));
    let id = begin(world, json!({"state_of": YESTERDAY})).await;
    world.lose_messages();
    world.run_to_end(&id).await;
    let shown = call(world, "GET", &format!("/v1/replays/{id}"), None).await;
    assert_eq!(shown["outcome"], "full", "what its system keeps is not left over");
}

/// A replay of one table that is killed at a call, and its end. None: it has fewer calls than that.
async fn killed_at(call: usize, answer_is_lost: bool) -> Option<(World, String)> {
    let world = world().await;
    let before = world.data().await;
    exercise(&world, "erasure").await;
    world.run().await;
    restore(&world, &before, &["small-comments"]).await;
    let id = begin(&world, json!({"state_of": YESTERDAY, "collections": ["small_app.comments"]})).await;
    world.calls.die_after(call, answer_is_lost);
    let mut died = false;
    let ended = async || world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap().status.is_end();
    for _ in 0..200 {
        while !died && world.step().await {
            died = world.calls.revive();
        }
        if died || world.calls.aside(ended()).await {
            break;
        }
        world.advance(SignedDuration::from_mins(1));
        world.wake().await;
        died = world.calls.revive();
    }
    world.calls.disarm();
    if !died {
        return None;
    }
    world.run_to_end(&id).await;
    Some((world, id))
}

#[tokio::test]
async fn a_replay_that_is_killed_at_any_call_ends_the_same() {
    let undisturbed = world().await;
    exercise(&undisturbed, "erasure").await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id)) = killed_at(call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            let certificate = check_evidence(&world, &id).await;
            assert_eq!((certificate.outcome, certificate.total.left_over), (Some(Outcome::Full), 0), "call {call}");
            let again = erased_again(&world).await;
            assert_eq!(again.len(), 1, "killed at call {call}: one person, one request");
            check_evidence(&world, again[0].as_str()).await;
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
        }
        assert!(call > 30, "the matrix is not empty: {call}");
    }
}
