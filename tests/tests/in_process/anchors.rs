//! Anchors: every request that changes is in one, each has its proof, and a run that dies anywhere is ended by the next.

use std::sync::Arc;
use std::time::Duration;

use habeas::evidence::merkle::TreeHash;
use habeas::evidence::{AnchorFault, EvidenceFile, verify_with};
use habeas::request::{Matter, NewRequest, Request};
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::json;

use crate::people::{LI, fresh, world};
use crate::stories::{evidence, exercise};

/// The evidence of a request, which must be sound under the stack's key and anchored up to its last event.
async fn anchored(world: &World, id: &str) -> EvidenceFile {
    let file = evidence(world, id).await;
    verify_with(&file, &world.anchor_key()).unwrap();
    let proof = file.anchored.as_ref().unwrap();
    assert_eq!(proof.events, file.certificate.events);
    file
}

/// Checks every anchor that is kept, and that each follows the one before it. The number of leaves of each.
pub(crate) async fn check_anchors(world: &World) -> Vec<u64> {
    let (anchors, key) = (world.anchors().await, world.anchor_key());
    let mut previous = TreeHash::ZERO;
    for (number, anchor) in (1..).zip(&anchors) {
        assert_eq!(anchor.anchor.number, number);
        assert_eq!(anchor.verify(previous, Some(&key)), Ok(key.clone()));
        previous = anchor.anchor.digest();
    }
    anchors.iter().map(|anchor| anchor.anchor.size).collect()
}

/// Makes a request that waits to be verified.
async fn ask(world: &World, number: usize) -> String {
    let body = json!({"right": "access", "identity": {"email": format!("nobody{number}@mail.example")}}).to_string();
    let key = format!("key-{number}");
    let answer = world.call_raw("POST", "/v1/requests", None, Some(&key), body).await;
    answer.body["request_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_request_that_has_changed_is_anchored_once_and_proves_its_head() {
    let world = world().await;
    assert_eq!(world.anchor().await, Some(0), "there is nothing to anchor");
    let erased = exercise(&world, "erasure").await;
    assert!(evidence(&world, &erased).await.anchored.is_none());
    let swept = world.sweep().await;
    world.run_to_end(&swept).await;
    assert_eq!(world.anchor().await, Some(2));
    assert_eq!(world.anchor().await, Some(0), "nothing has changed");
    let first = anchored(&world, &erased).await;

    let copied = exercise(&world, "access").await;
    let link = world.call("GET", &format!("/v1/requests/{copied}/package"), Some(&fresh(&world, LI)), None).await;
    assert_eq!(link.status, 200);
    assert_eq!(world.anchor().await, Some(1));
    assert_eq!(anchored(&world, &copied).await.anchored.unwrap().anchor.number, 2);
    assert_eq!(anchored(&world, &erased).await, first, "what has not changed keeps its proof");
    assert_eq!(check_anchors(&world).await, [2, 1]);

    // What comes after the anchor is sound, and not proven before the next.
    let link = world.call("GET", &format!("/v1/requests/{copied}/package"), Some(&fresh(&world, LI)), None).await;
    assert_eq!(link.status, 200);
    let file = evidence(&world, &copied).await;
    verify_with(&file, &world.anchor_key()).unwrap();
    let cut = EvidenceFile { events: file.events[..3].to_vec(), ..file.clone() };
    assert_eq!(file.anchored.unwrap().events + 1, file.certificate.events);
    let certificate = habeas::evidence::Certificate::from_events(&cut.events).unwrap();
    let fault = verify_with(&EvidenceFile { certificate, ..cut }, &world.anchor_key()).unwrap_err();
    assert_eq!(fault, AnchorFault::CutOff { proven: file.certificate.events - 1, found: 3 }.into());
    assert_eq!(world.anchor().await, Some(1));
    anchored(&world, &copied).await;
    // Nothing in an anchor says which request it is of.
    let kept = serde_json::to_string(&world.anchors().await).unwrap();
    assert!(!kept.contains(&copied) && !kept.contains(&erased));
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_call_is_ended_by_the_next() {
    for answer_is_lost in [false, true] {
        let mut call = 0;
        loop {
            let world = world().await;
            let ids = [ask(&world, 1).await, ask(&world, 2).await, ask(&world, 3).await];
            world.calls.die_after(call, answer_is_lost);
            world.anchor().await;
            if !world.calls.revive() {
                break;
            }
            // Meanwhile one of them goes on, and there is a fourth.
            let expired = world.ledger().request(&ids[0].parse().unwrap()).await.unwrap().unwrap();
            let now = world.now();
            world.ledger().commit(&expired.expired(now).unwrap(), Vec::new(), None).await.unwrap();
            let fourth = ask(&world, 4).await;
            assert!(world.anchor().await.is_some(), "killed at call {call}, answer lost: {answer_is_lost}");
            for id in ids.iter().chain([&fourth]) {
                let (events, proof) = world.ledger().evidence(&id.parse().unwrap()).await.unwrap();
                let proof = proof.unwrap_or_else(|| unreachable!("{id} has no proof, killed at call {call}"));
                assert_eq!(proof.events, events.last().unwrap().number);
                assert_eq!(proof.verify(&events, Some(&world.anchor_key())), Ok(world.anchor_key()));
            }
            let sizes = check_anchors(&world).await;
            assert!([vec![4], vec![3, 2]].contains(&sizes), "each is anchored once: {sizes:?}, killed at call {call}");
            assert_eq!(world.anchor().await, Some(0), "nothing is left to do");
            call += 1;
        }
        assert!(call > 20, "the matrix is not empty: {call}");
    }
}

/// One run sleeps before a call while another begins, and new requests come; then it wakes up. None: it makes fewer calls.
async fn with_a_late_run(call: usize) -> Option<Arc<World>> {
    let world = Arc::new(world().await);
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(ask(&world, number).await);
    }
    let mut hold = world.calls.hold_after(call);
    let sleeper = world.clone();
    let mut late = tokio::spawn(async move { sleeper.anchor().await });
    let slept = tokio::select! {
        told = &mut hold.asleep => told.is_ok(),
        _ = &mut late => false,
    };
    if !slept {
        return None;
    }
    assert!(world.anchor().await.is_some());
    ids.push(ask(&world, 3).await);
    // At every other call the third run comes only after the late one.
    if call.is_multiple_of(2) {
        assert!(world.anchor().await.is_some());
    }
    hold.release();
    tokio::time::timeout(Duration::from_mins(2), late).await.unwrap().unwrap();
    assert!(world.anchor().await.is_some());
    for id in ids {
        let (events, proof) = world.ledger().evidence(&id.parse().unwrap()).await.unwrap();
        let proof = proof.unwrap_or_else(|| unreachable!("{id} has no proof, asleep at call {call}"));
        assert_eq!(proof.verify(&events, Some(&world.anchor_key())), Ok(world.anchor_key()));
    }
    Some(world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_wakes_up_late_at_any_call_breaks_no_chain() {
    let mut call = 0;
    while let Some(world) = with_a_late_run(call).await {
        assert_eq!(check_anchors(&world).await, [3, 1], "asleep at call {call}");
        assert_eq!(world.anchor().await, Some(0), "nothing is left to do");
        call += 1;
    }
    assert!(call > 20, "the matrix is not empty: {call}");
}

#[tokio::test]
async fn more_than_fit_into_one_anchor_go_into_the_next_of_the_same_run() {
    let world = world().await;
    let of_one_shard = (0_u32..).map(|number| format!("{number:032x}"));
    let of_one_shard = of_one_shard.filter(|id| crc32fast::hash(format!("REQUEST#{id}").as_bytes()) % 16 == 5);
    for id in of_one_shard.take(300) {
        let now = world.now();
        let change = Request::open(NewRequest {
            id: id.parse().unwrap(),
            matter: Matter::RetentionSweep,
            policy: world.policy.digest().clone(),
            received_at: now,
            due_at: now,
            subject: None,
            language: "en".to_owned(),
            sealed: None,
            submission: None,
            factors: Vec::new(),
        });
        world.ledger().commit(&change, Vec::new(), None).await.unwrap();
    }
    assert_eq!(world.anchor().await, Some(300));
    assert_eq!(check_anchors(&world).await, [256, 44]);
}

/// A ledger that was put back to an earlier moment does not know the anchors that were made since.
pub(crate) async fn ledger_put_back(world: &World) {
    ask(world, 1).await;
    assert_eq!(world.anchor().await, Some(1));
    ask(world, 2).await;
    assert_eq!(world.anchor().await, Some(1));
    world.forget_anchors().await;
    ask(world, 3).await;
    assert_eq!(world.anchor().await, Some(1), "after it has learnt of the two");
}

#[tokio::test]
async fn a_ledger_that_was_put_back_goes_on_from_the_anchors_that_are_kept() {
    let world = world().await;
    ledger_put_back(&world).await;
    assert_eq!(check_anchors(&world).await, [1, 1, 1]);
    world.advance(SignedDuration::from_hours(1));
    assert_eq!(world.anchor().await, Some(0));
}
