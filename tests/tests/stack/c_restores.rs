//! What a restore brings back, and what a hold keeps, with the rights of the deployed roles.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use habeas::evidence::{Certificate, EvidenceFile, verify};
use habeas::request::Right;
use habeas_cli::drive::snapshot::Snapshot;
use habeas_cli::drive::{create_operator, sign_in};
use habeas_cli::sample::Person;
use serde_json::{Value, json};
use tokio::time::error::Elapsed;

use crate::world::{BOUND, World};

const OPERATOR: &str = "the-operator-of-restores";
const PASSWORD: &str = "a long enough password";
/// Tables that are put back, and the collections in them.
const RESTORED: [(&str, &str); 3] = [
    ("yuncan-users", "yuncan_app.users"),
    ("yuncan-posts", "yuncan_app.posts"),
    ("yuncan-devices", "yuncan_app.devices"),
];
/// As long as it may take until a lift is noticed, and a little more.
const A_DAY: i64 = 25 * 3600;

type Items = Vec<HashMap<String, AttributeValue>>;

async fn operator(world: &World) -> String {
    let _ = create_operator(&world.endpoints, OPERATOR, PASSWORD).await;
    sign_in(&world.endpoints, OPERATOR, PASSWORD).await.unwrap()
}

/// The items of a table with a user id.
async fn items(world: &World, table: &str, user_id: &str) -> Items {
    let pages = world.clients.dynamodb.scan().table_name(table).consistent_read(true).into_paginator().items().send();
    let all: Items = pages.collect::<Result<_, _>>().await.unwrap();
    let is_theirs = |item: &HashMap<String, AttributeValue>| {
        item.get("user_id").and_then(|id| id.as_s().ok()).is_some_and(|id| id == user_id)
    };
    all.into_iter().filter(is_theirs).collect()
}

/// Asks until something is so.
async fn until<T>(world: &World, mut is_so: impl AsyncFnMut() -> Option<T>) -> Result<T, Elapsed> {
    let waited = async {
        loop {
            world.wake().await;
            if let Some(found) = is_so().await {
                return found;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(BOUND, waited).await
}

/// How many rows of a person are left that the policy does not keep.
fn left(world: &World, snapshot: &Snapshot, person: &Person) -> usize {
    let theirs = snapshot.rows.iter().filter(|row| world.app.concerns(row, person)).count();
    theirs - snapshot.retained(&world.policy, world.app, person).len()
}

fn checked(evidence: &Value) -> Certificate {
    let file: EvidenceFile = serde_json::from_value(evidence.clone()).unwrap();
    verify(&file).unwrap();
    file.certificate
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn what_a_restore_brings_back_is_erased_again_before_it_serves() {
    let world = World::of("yuncan").await;
    let person = world.person(12);
    let mut before: Vec<(&str, Items)> = Vec::new();
    for (table, _) in RESTORED {
        before.push((table, items(&world, table, &person.user_id).await));
    }
    assert!(before.iter().all(|(_, items)| !items.is_empty()));
    let (id, token) = world.open(Right::Erasure, &person).await;
    world.wait(&id, &token).await;
    let erased = world.snapshot().await;
    for (table, items) in &before {
        for item in items {
            world.clients.dynamodb.put_item().table_name(*table).set_item(Some(item.clone())).send().await.unwrap();
        }
    }
    assert_ne!(
        world.snapshot().await.of_others(world.app, &world.person(0)),
        erased.of_others(world.app, &world.person(0))
    );
    let operator = operator(&world).await;
    let tables = RESTORED.iter().map(|(_, collection)| *collection);
    let collections: Vec<&str> = tables.chain(["yuncan_media.photos"]).collect();
    let state_of = world.api.status(&id, &token).await.unwrap().expect(200).unwrap()["received_at"].clone();
    let body = json!({"state_of": state_of, "collections": collections});
    let begun = world.api.begin_replay(&body, &operator).await.unwrap().expect(202).unwrap();
    let replay = begun["replay_id"].as_str().unwrap();
    let shown = until(&world, async || {
        let shown = world.api.replay(replay, &operator).await.unwrap().expect(200).unwrap();
        (shown["status"] == "completed").then_some(shown)
    })
    .await
    .expect("the replay ends");
    let certificate = checked(&shown["evidence"]);
    assert_eq!(certificate.total.left_over, 0);
    let after = world.snapshot().await;
    assert_eq!(left(&world, &after, &person), 0);
    let nobody = world.person(0);
    assert_eq!(after.of_others(world.app, &nobody), erased.of_others(world.app, &nobody));
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn what_a_hold_keeps_stays_until_it_is_lifted() {
    let world = World::of("yuncan").await;
    let person = world.person(13);
    let before = world.snapshot().await;
    let operator = operator(&world).await;
    let body = json!({
        "subject": {"user_id": person.user_id},
        "basis": "Case 2026/17 of the Haidian District Court",
        "ends_at": "2030-01-01T00:00:00Z",
    });
    let placed = world.api.place_hold(&body, "the-hold", &operator).await.unwrap().expect(201).unwrap();
    let hold = placed["hold_id"].as_str().unwrap();
    let listed = world.api.holds(false, &operator).await.unwrap().expect(200).unwrap();
    assert!(listed.to_string().contains(hold), "{listed}");
    let (id, token) = world.open(Right::Erasure, &person).await;
    world.wait(&id, &token).await;
    let nobody = world.person(0);
    assert_eq!(world.snapshot().await.of_others(world.app, &nobody), before.of_others(world.app, &nobody));
    let evidence = async || world.api.evidence(&id, &token).await.unwrap().expect(200).unwrap();
    let certificate = checked(&evidence().await);
    assert!(certificate.total.held > 0 && certificate.total.erased == 0, "{:?}", certificate.total);

    world.api.lift_hold(hold, &operator).await.unwrap().expect(200).unwrap();
    world.set_clock(A_DAY).await;
    let gone = until(&world, async || (left(&world, &world.snapshot().await, &person) == 0).then_some(())).await;
    world.set_clock(0).await;
    gone.expect("what was held goes");
    assert!(checked(&evidence().await).holds[0].ended_at.is_some());
}
