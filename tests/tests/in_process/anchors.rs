//! Anchors: every request that changes is in one, each has its proof, and a run that dies anywhere is ended by the next.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use habeas::evidence::merkle::TreeHash;
use habeas::evidence::{Anchor, AnchorFault, AnchorHead, Event, EventHash, EvidenceError, EvidenceFile, verify_with};
use habeas::ledger::keys;
use habeas::request::{Matter, NewRequest, Request};
use habeas_cli::commands::{self, Verdict};
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
async fn an_hour_without_changes_costs_a_read_and_a_query_a_shard() {
    let world = world().await;
    ask(&world, 1).await;
    ask(&world, 2).await;
    world.calls.take();
    assert_eq!(world.anchor().await, Some(2));
    let calls = world.calls.take();
    let made = |name: &str| calls.get(name).copied().unwrap_or_default();
    // A proof and a mark a request; what is made, and that it is kept, once.
    assert_eq!((made("PutItem"), made("UpdateItem"), made("PutObject")), (2, 2 + 2, 1));
    assert_eq!((made("Sign"), made("Query"), made("Scan")), (1, 16, 0));
    assert_eq!(world.anchor().await, Some(0));
    let expected = [("GetItem", 1), ("Query", 16)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(world.calls.take(), expected.into());
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
    let bound = Duration::from_mins(3);
    while let Some(world) = tokio::time::timeout(bound, with_a_late_run(call)).await.expect("both runs end") {
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

/// Puts another history in the place of a request's, with hashes that fit, as whoever can write to the ledger could.
async fn written_anew(world: &World, id: &str) {
    let id = id.parse().unwrap();
    let mut previous = EventHash::origin();
    for event in world.ledger().events(&id).await.unwrap() {
        let at = event.at - SignedDuration::from_hours(1);
        let forged = Event::new(id.clone(), event.number, at, event.actor, event.fact, previous);
        previous = forged.hash.clone();
        let key = |text: String| AttributeValue::S(text);
        let at = serde_json::to_value(forged.at).unwrap().as_str().unwrap().to_owned();
        let update = world.dynamodb.update_item().table_name("ledger");
        let update = update.key("pk", key(format!("REQUEST#{id}"))).key("sk", key(keys::event(event.number)));
        let update = update.update_expression("SET #at = :at, previous = :previous, #hash = :hash");
        let update = update.expression_attribute_names("#at", "at").expression_attribute_names("#hash", "hash");
        let update = update.expression_attribute_values(":at", key(at));
        let update = update.expression_attribute_values(":previous", key(forged.previous.as_str().to_owned()));
        let update = update.expression_attribute_values(":hash", key(forged.hash.as_str().to_owned()));
        update.send().await.unwrap();
    }
    let update = world.dynamodb.update_item().table_name("ledger");
    let update = update.key("pk", AttributeValue::S(format!("REQUEST#{id}")));
    let update = update.key("sk", AttributeValue::S(keys::REQUEST.to_owned()));
    let update = update.update_expression("SET head = :head, unanchored_shard = :shard, unanchored_since = :since");
    let update = update.expression_attribute_values(":head", AttributeValue::S(previous.as_str().to_owned()));
    let update = update.expression_attribute_values(":shard", AttributeValue::N("1".to_owned()));
    update.expression_attribute_values(":since", AttributeValue::S("2026-11-21T08".to_owned())).send().await.unwrap();
}

/// The next anchor is over a history that was written anew like over any other. The earlier one is over none that is there.
#[tokio::test]
async fn a_history_that_was_written_anew_and_anchored_again_is_found_by_an_audit() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    ask(&world, 1).await;
    assert_eq!(world.anchor().await, Some(2));
    let kept = anchored(&world, &id).await;
    let folder = tempfile::tempdir().unwrap();
    let audit = async || {
        for anchor in world.anchors().await {
            let path = folder.path().join(format!("{:010}.json", anchor.anchor.number));
            std::fs::write(path, serde_json::to_vec(&anchor).unwrap()).unwrap();
        }
        let mut out = Vec::new();
        let audited = commands::evidence::audit_with(&world.dynamodb, folder.path(), None, "ledger", &mut out).await;
        (audited.unwrap(), String::from_utf8(out).unwrap())
    };
    let (verdict, told) = audit().await;
    assert_eq!(verdict, Verdict::Good, "{told}");

    written_anew(&world, &id).await;
    assert_eq!(evidence_fault(&world, &id).await, Some(AnchorFault::NotIncluded.into()), "until it is anchored again");
    assert_eq!(world.anchor().await, Some(1));
    assert_eq!(evidence_fault(&world, &id).await, None);
    verify_with(&kept, &world.anchor_key()).unwrap();
    let (verdict, told) = audit().await;
    assert_eq!(verdict, Verdict::Bad, "{told}");
    assert!(told.contains("not sound: 1 of 2 heads in anchor 1 of "), "{told}");
}

/// What is wrong with the evidence of a request of Li's.
async fn evidence_fault(world: &World, id: &str) -> Option<EvidenceError> {
    let path = format!("/v1/requests/{id}/evidence");
    let answer = world.call("GET", &path, Some(&fresh(world, LI)), None).await;
    let file: EvidenceFile = serde_json::from_value(answer.body).unwrap();
    verify_with(&file, &world.anchor_key()).err()
}

/// What an auditor does with a copy of the bucket.
#[tokio::test]
async fn a_copy_of_the_bucket_shows_what_was_left_out_or_put_between() {
    let world = world().await;
    for number in 0..3 {
        ask(&world, number).await;
        assert_eq!(world.anchor().await, Some(1));
    }
    let folder = tempfile::tempdir().unwrap();
    let (copy, key) = (folder.path().join("anchors"), folder.path().join("key.pem"));
    std::fs::create_dir(&copy).unwrap();
    std::fs::write(&key, world.anchor_key().to_pem()).unwrap();
    let kept = world.anchors().await;
    let write = |anchors: &[Anchor]| {
        std::fs::remove_dir_all(&copy).unwrap();
        std::fs::create_dir(&copy).unwrap();
        for anchor in anchors {
            let path = copy.join(format!("{:010}.json", anchor.anchor.number));
            std::fs::write(path, serde_json::to_vec(anchor).unwrap()).unwrap();
        }
        let mut out = Vec::new();
        let verdict = commands::evidence::anchors(&copy, Some(&key), &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    };
    let (verdict, told) = write(&kept);
    assert_eq!(verdict, Verdict::Good, "{told}");
    assert!(told.starts_with("sound: 3 anchors over 3 heads"), "{told}");
    let bad = |told: &str| (Verdict::Bad, format!("not sound: {told}\n"));
    assert_eq!(write(&[kept[0].clone(), kept[2].clone()]), bad("anchor 2 is missing"));
    let mut other_leaves = kept.clone();
    other_leaves[1].leaves = kept[0].leaves.clone();
    assert_eq!(write(&other_leaves), bad("anchor 2: the leaves of the anchor are not those of its root"));
    let mut put_between = kept.clone();
    put_between[1] = Anchor { anchor: AnchorHead { number: 2, ..kept[0].anchor.clone() }, ..kept[0].clone() };
    assert_eq!(write(&put_between), bad("anchor 2: the anchor does not follow the anchor before it"));
    let mut another = kept.clone();
    another[2].anchor.at = world.now() + SignedDuration::from_hours(1);
    assert_eq!(write(&another), bad("anchor 3: the anchor is not what was signed"));
}
