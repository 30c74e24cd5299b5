//! The crash matrix: the process is killed before or after each single call of a whole story, comes back, and everything
//! ends as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};

use export_data::Limits;
use habeas::evidence::{Certificate, EvidenceFile, verify};
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::json;

use crate::people::{LI, fresh, world};
use crate::recheck::after;
use crate::stories::package;

/// So little at once that a package of a few rows has a dozen pages and parts.
pub(crate) const SMALL: Limits =
    Limits { part_bytes: 2500, batch_objects: 1, batch_bytes: 1000, page_objects: 8, page_bytes: 1 << 20 };

/// Lets a request begin, kills the process at a call, and runs to the end. None: the story has fewer calls than that.
async fn killed_at(right: &str, call: usize, answer_is_lost: bool) -> Option<(World, String)> {
    let world = world().await;
    world.limit_packages(SMALL);
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": right}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    if !dies_at(&world, call, answer_is_lost).await {
        return None;
    }
    // The message that was being worked on comes back at once, as it may; the step's lease still stands.
    world.run_to_end(&id).await;
    world.run().await;
    Some((world, id))
}

/// Works on what waits until the process is killed at a call. False: there are fewer calls than that.
pub(crate) async fn dies_at(world: &World, call: usize, answer_is_lost: bool) -> bool {
    world.calls.die_after(call, answer_is_lost);
    let mut died = false;
    while !died && world.step().await {
        died = world.calls.revive();
    }
    world.calls.disarm();
    died
}

/// The same, and then it comes back and works, minute after minute, until it is done. False: there are fewer calls.
pub(crate) async fn dies_and_comes_back(
    world: &World,
    call: usize,
    answer_is_lost: bool,
    is_done: impl AsyncFn() -> bool,
) -> bool {
    let died = dies_at(world, call, answer_is_lost).await;
    for _ in 0..40 {
        world.run().await;
        if is_done().await {
            return died;
        }
        after(world, SignedDuration::from_mins(1)).await;
    }
    unreachable!("killed at call {call}, answer lost: {answer_is_lost}: it is never done");
}

pub(crate) async fn check_evidence(world: &World, id: &str) -> Certificate {
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let certificate = Certificate::from_events(&events).unwrap();
    verify(&EvidenceFile { certificate: certificate.clone(), events, anchored: None }).unwrap();
    certificate
}

#[tokio::test]
async fn an_erasure_that_is_killed_at_any_call_ends_the_same() {
    let (undisturbed, _) = whole("erasure").await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id)) = killed_at("erasure", call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            let certificate = check_evidence(&world, &id).await;
            assert_eq!(certificate.total.left_over, 0);
            assert_eq!(certificate.total.retained, 1);
            call += 1;
        }
        assert!(call > 40, "the matrix is not empty: {call}");
    }
}

#[tokio::test]
async fn an_access_that_is_killed_at_any_call_gives_the_same_package() {
    let (undisturbed, id) = whole("access").await;
    let expected = records(&undisturbed, &id).await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id)) = killed_at("access", call, answer_is_lost).await {
            let found = records(&world, &id).await;
            assert_eq!(found, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            check_evidence(&world, &id).await;
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
        }
        assert!(call > 120, "the matrix has many pages and parts: {call}");
    }
}

pub(crate) async fn whole(right: &str) -> (World, String) {
    let world = world().await;
    let id = crate::stories::exercise(&world, right).await;
    (world, id)
}

/// The records of every list and table, and that none is there twice.
pub(crate) async fn records(world: &World, id: &str) -> BTreeMap<String, BTreeSet<String>> {
    records_in(package(world, id).await)
}

/// The same of the files of a package.
pub(crate) fn records_in(files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for (path, content) in files.into_iter().filter(|(path, _)| path.starts_with("data/")) {
        let rows: Vec<String> = if path.split('.').next_back() == Some("csv") {
            csv::Reader::from_reader(content.as_slice()).records().map(|row| format!("{:?}", row.unwrap())).collect()
        } else {
            let list: Vec<serde_json::Value> = serde_json::from_slice(&content).unwrap();
            list.iter().map(ToString::to_string).collect()
        };
        let set: BTreeSet<String> = rows.iter().cloned().collect();
        assert_eq!(set.len(), rows.len(), "no record twice");
        found.insert(path, set);
    }
    found
}

#[tokio::test]
async fn a_step_whose_workers_always_die_comes_to_an_operator_in_the_end() {
    let world = world().await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "access"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().parse().unwrap();
    for _ in 0..600 {
        // Claimed, the request and the page read, and then nothing.
        world.calls.die_after(3, false);
        while world.step().await && !world.calls.revive() {}
        world.calls.disarm();
        let request = world.ledger().request(&id).await.unwrap().unwrap();
        if request.status == habeas::request::Status::NeedsAttention {
            return;
        }
        world.lose_messages();
        world.advance(SignedDuration::from_mins(16));
        world.wake().await;
    }
    panic!("nobody is told");
}
