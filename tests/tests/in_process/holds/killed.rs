//! Erasures under a hold that are killed at any call.

use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{DAY, ask, hold, lift, told, world_that_goes_around};
use crate::crash::check_evidence;
use crate::people::{LI, LI_EMAIL, fresh, world};
use crate::recheck::after;

/// Li's erasure under a hold, killed at a call once the hold has been placed; then the hold is lifted. None: there are fewer
/// calls than that.
async fn killed_at(world: World, on: Value, call: usize, answer_is_lost: bool) -> Option<(World, String)> {
    let held = hold(&world, on, DAY * 60).await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.calls.die_after(call, answer_is_lost);
    let mut died = false;
    for lifted in [false, true] {
        if lifted {
            world.calls.aside(lift(&world, &held)).await;
        }
        for _ in 0..3 {
            while world.step().await {
                died |= world.calls.revive();
            }
            world.advance(if lifted { DAY } else { SignedDuration::from_mins(16) });
            world.calls.aside(world.wake()).await;
        }
    }
    world.calls.disarm();
    if !died {
        return None;
    }
    world.run_to_end(&id).await;
    after(&world, DAY).await;
    after(&world, DAY).await;
    Some((world, id))
}

#[tokio::test]
async fn an_erasure_that_waits_and_is_killed_at_any_call_ends_the_same() {
    let undisturbed = world().await;
    ask(&undisturbed, "erasure").await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        let on = || json!({"subject": {"email": LI_EMAIL}});
        while let Some((world, id)) = killed_at(world().await, on(), call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            assert_eq!(told(&world, &id).await, ["held", "lifted"], "killed at call {call}: {answer_is_lost}");
            check_evidence(&world, &id).await;
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
        }
        assert!(call > 40, "the matrix is not empty: {call}");
    }
}

#[tokio::test]
async fn an_erasure_that_goes_around_and_is_killed_at_many_calls_ends_the_same() {
    let undisturbed = world_that_goes_around().await;
    ask(&undisturbed, "erasure").await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        // The steps are those of every erasure, which is killed at each of its calls elsewhere: here a part of them will do.
        let mut call = usize::from(answer_is_lost);
        let on = || json!({"collection": "small_app.posts"});
        while let Some((world, id)) = killed_at(world_that_goes_around().await, on(), call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            assert_eq!(told(&world, &id).await, ["lifted"], "killed at call {call}: {answer_is_lost}");
            let certificate = check_evidence(&world, &id).await;
            assert_eq!(certificate.total.held, 3, "killed at call {call}: {answer_is_lost}");
            call += 7;
        }
        assert!(call > 40, "the matrix is not empty: {call}");
    }
}
