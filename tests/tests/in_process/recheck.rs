//! After an erasure: what is written late is found and erased again, what is somebody new's is left alone, and whom the
//! request was about is dropped when the last re-check is over.

use habeas::evidence::{Event, Fact, RecheckReport};
use habeas::request::{Aftercare, Request};
use habeas_e2e::World;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::crash::{check_evidence, dies_and_comes_back};
use crate::people::{LI, LI_EMAIL, fresh, world};
use crate::stories::{evidence, exercise};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Lets time pass, and everything be done that is due then.
pub(crate) async fn after(world: &World, time: SignedDuration) {
    world.advance(time);
    settled(world).await;
}

/// Works until nothing is to be done now.
async fn settled(world: &World) {
    for _ in 0..200 {
        world.wake().await;
        if world.waiting() == 0 {
            return;
        }
        world.run().await;
    }
    unreachable!("there is always something to do");
}

pub(crate) async fn request(world: &World, id: &str) -> Request {
    world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap()
}

/// What the re-checks of a request found, its evidence being sound.
pub(crate) async fn rechecks(world: &World, id: &str) -> Vec<RecheckReport> {
    check_evidence(world, id).await.rechecks
}

/// Rows that somebody's queue or cache writes after the erasure: of every kind, by every key.
async fn write_late(world: &World) {
    world.put("small-users", &[("user_id", LI), ("language", "zh-Hans")]).await;
    world.put("small-posts", &[("user_id", LI), ("post_id", "late"), ("text", "late")]).await;
    let comment = [("post_id", "new"), ("comment_id", "late"), ("author_id", LI), ("text", "late")];
    world.put("small-comments", &comment).await;
    let order = [("user_id", LI), ("order_id", "o1"), ("goods", "a book"), ("address", "1 Long Street")];
    world.put("small-orders", &order).await;
    world.put_object(World::FILES, "pictures/u-li/late.png", b"late", "2026-11-21T00:00:00Z").await;
}

#[tokio::test]
async fn what_is_written_after_an_erasure_is_found_by_each_re_check_and_erased() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let erased = world.data().await;
    let comment = |rows: &[std::collections::BTreeMap<String, String>]| {
        rows.iter().filter(|row| row["author_id"] == "deleted-user").count()
    };
    for time in [DAY, DAY * 29] {
        write_late(&world).await;
        after(&world, time).await;
        let mut found = world.data().await;
        assert_eq!(comment(&found["small-comments"]), 2, "the comment stays, without whose it is");
        found.get_mut("small-comments").unwrap().retain(|row| row["comment_id"] != "late");
        assert_eq!(
            found.into_iter().filter(|(table, _)| table != "small-orders").collect::<Vec<_>>(),
            erased.clone().into_iter().filter(|(table, _)| table != "small-orders").collect::<Vec<_>>()
        );
        let orders = &world.data().await["small-orders"];
        assert!(orders.iter().filter(|order| order["user_id"] == LI).all(|order| !order.contains_key("address")));
    }
    let reports = rechecks(&world, &id).await;
    assert_eq!(reports.len(), 2);
    for report in &reports {
        let counts = report.counts;
        assert_eq!((report.found, counts.erased, counts.anonymised, counts.retained), (5, 3, 1, 1), "{report:?}");
        let places = ["comments", "orders", "posts", "users"].map(|name| format!("small_app.{name}"));
        assert_eq!(report.found_in[..3], places[..3]);
        assert!(report.found_in.contains(&places[3]) && !report.somebody_new);
    }
    assert!(!serde_json::to_string(&evidence(&world, &id).await).unwrap().contains(LI));
}

#[tokio::test]
async fn what_is_written_while_the_erasure_runs_is_found_by_the_re_check() {
    let world = world().await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let posts_are_gone = async || world.data().await["small-posts"].iter().all(|post| post["user_id"] != LI);
    while !posts_are_gone().await {
        assert!(world.step().await);
    }
    world.put("small-posts", &[("user_id", LI), ("post_id", "late"), ("text", "late")]).await;
    world.run_to_end(&id).await;
    after(&world, DAY).await;
    assert!(posts_are_gone().await);
    assert_eq!(rechecks(&world, &id).await[0].found, 1);
}

#[tokio::test]
async fn a_cancellation_is_re_checked_too_and_its_package_expires_in_between() {
    let world = world().await;
    let id = crate::rights::cancel(&world, true).await;
    after(&world, DAY * 7).await;
    world.put("small-posts", &[("user_id", LI), ("post_id", "late"), ("text", "late")]).await;
    after(&world, DAY * 23).await;
    let found: Vec<u64> = rechecks(&world, &id).await.iter().map(|report| report.found).collect();
    assert_eq!(found, [0, 1]);
    let request = request(&world, &id).await;
    assert!(request.package.as_ref().unwrap().deleted && request.wake.is_none());
}

#[tokio::test]
async fn whom_it_was_about_is_sealed_until_the_last_re_check_and_then_dropped() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let holds = async || request(&world, &id).await.sealed.is_some();
    let last = async || world.ledger().events(&id.parse().unwrap()).await.unwrap().pop().unwrap();
    let Event { at, fact: Fact::SubjectKept { until, retained_until }, .. } = last().await else { panic!() };
    assert_eq!((until, holds().await), (at + DAY * 30, true));
    assert_eq!(retained_until, "2029-01-31T00:00:00Z".parse().ok());
    after(&world, DAY * 29).await;
    assert!(holds().await);
    after(&world, DAY + SignedDuration::from_mins(1)).await;
    assert!(holds().await, "what leads to the order that has to be kept");
    let purged_at: Timestamp = retained_until.unwrap();
    after(&world, purged_at.duration_since(world.now())).await;
    assert_eq!((last().await.fact, holds().await), (Fact::SubjectDropped, false));
    assert_eq!(request(&world, &id).await.aftercare, None::<Aftercare>);
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    for value in [LI, LI_EMAIL, "13912345678", "sealed", "cursor\":"] {
        assert!(!ledger.contains(value), "{value}");
    }
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0, "nothing is ever to be done again");
}

#[tokio::test]
async fn somebody_who_signed_up_again_with_the_same_address_keeps_the_new_account() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    world.put("small-users", &[("user_id", "u-li-2"), ("email", LI_EMAIL), ("language", "en")]).await;
    world.put("small-posts", &[("user_id", "u-li-2"), ("post_id", "p"), ("text", "back again")]).await;
    world.put("small-posts", &[("user_id", LI), ("post_id", "late"), ("text", "late")]).await;
    after(&world, DAY).await;
    let data = world.data().await;
    assert!(data["small-users"].iter().any(|user| user["user_id"] == "u-li-2" && user["email"] == LI_EMAIL));
    let of = |who: &str| data["small-posts"].iter().filter(|post| post["user_id"] == who).count();
    assert_eq!((of("u-li-2"), of(LI)), (1, 0));
    let report = &rechecks(&world, &id).await[0];
    assert_eq!((report.found, report.somebody_new), (1, true));
}

/// A day after an erasure, with late rows: the re-check is killed at a call, comes back, and is done. None: it has fewer
/// calls than that.
async fn killed_at(call: usize, answer_is_lost: bool) -> Option<(World, String)> {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    world.run().await;
    write_late(&world).await;
    world.advance(DAY);
    world.wake().await;
    let is_done = async || !rechecks(&world, &id).await.is_empty();
    dies_and_comes_back(&world, call, answer_is_lost, is_done).await.then_some((world, id))
}

#[tokio::test]
async fn a_re_check_that_is_killed_at_any_call_ends_the_same() {
    let undisturbed = world().await;
    exercise(&undisturbed, "erasure").await;
    write_late(&undisturbed).await;
    after(&undisturbed, DAY).await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id)) = killed_at(call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            let reports = rechecks(&world, &id).await;
            assert_eq!((reports.len(), reports[0].found), (1, 5), "killed at call {call}: {answer_is_lost}");
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
        }
        assert!(call > 30, "the matrix is not empty: {call}");
    }
}
