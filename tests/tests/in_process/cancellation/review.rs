//! A cancellation that an operator looks at before the work begins.

use habeas::plan::Queue;
use habeas::request::EffectItem;
use habeas::steps::Message;

use super::*;

/// A world in which an operator looks at each cancellation, and one that cools off.
async fn to_be_reviewed() -> (World, String) {
    let world = World::under_small(|bundle| {
        bundle.policy.rights.get_mut(&Right::AccountCancellation).unwrap().review = true;
    })
    .await;
    settle(&world).await;
    let id = confirmed(&world).await;
    (world, id)
}

/// The same, once it has cooled off.
async fn under_review() -> (World, String) {
    let (world, id) = to_be_reviewed().await;
    after(&world, DAY * 15).await;
    assert_eq!(request(&world, &id).await.status, Status::UnderReview);
    assert_eq!(told(&world), ["account.freeze"]);
    (world, id)
}

#[tokio::test]
async fn an_account_whose_cancellation_is_taken_back_under_review_is_free_again() {
    let (world, id) = under_review().await;
    let before = world.data().await;
    let withdrawn = world.call("DELETE", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await;
    assert_eq!(withdrawn.body["status"], "withdrawn", "{}", withdrawn.body);
    after(&world, DAY * 20).await;
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
    assert_eq!(world.data().await, before);
    check_evidence(&world, &id).await;
}

#[tokio::test]
async fn an_account_is_closed_only_once_an_operator_has_its_cancellation_go_on() {
    let (world, id) = under_review().await;
    let accepted = decide(&world, &id, json!({"accept": {}})).await;
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    world.run_to_end(&id).await;
    assert_eq!(told(&world), ["account.freeze", "account.close", "account.cancelled"]);
    check_evidence(&world, &id).await;
}

#[tokio::test]
async fn what_an_operator_is_to_look_at_was_checked_and_addresses_that_came_since_are_told() {
    let (world, id) = to_be_reviewed().await;
    let since = "+8613900000000";
    set(&world, "phone", since).await;
    after(&world, DAY * 15).await;
    let facts = facts(&world, &id).await;
    let checks = facts.into_iter().find_map(|fact| match fact {
        Fact::ReviewAsked { checks, .. } => Some(checks),
        _ => None,
    });
    assert_eq!(checks.unwrap(), ["credentials", "status", "disputes", "balance"]);
    let before = world.mails().len();
    assert_eq!(decide(&world, &id, json!({"accept": {}})).await.status, 200);
    world.run_to_end(&id).await;
    let told: Vec<String> = world.mails().into_iter().skip(before).map(|(address, _)| address).collect();
    assert_eq!(told[..3], [LI_EMAIL, LI_PHONE, since], "that it begins");
}

#[tokio::test]
async fn what_came_up_while_an_operator_looked_holds_a_cancellation_that_is_accepted() {
    let (world, id) = under_review().await;
    after(&world, DAY * 5).await;
    set(&world, "password_changed_at", &world.now().to_string()).await;
    let before = world.data().await;
    let accepted = decide(&world, &id, json!({"accept": {}})).await;
    assert_eq!((accepted.status, &accepted.body["status"]), (200, &json!("under_review")), "{}", accepted.body);
    assert_eq!(decide(&world, &id, json!({"accept": {}})).await.status, 409, "it was accepted already");
    // What cannot be asked is no pass.
    world.app_answers(503, true);
    world.wake().await;
    assert!(world.step().await);
    assert!(request(&world, &id).await.is_reviewed(), "its timer comes again");
    world.lose_messages();
    world.app_answers(200, true);
    after(&world, SignedDuration::from_mins(6)).await;
    let held = request(&world, &id).await;
    assert_eq!((held.status, held.is_reviewed()), (Status::OnHold, false));
    assert_eq!(world.data().await, before);
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
    let last = facts(&world, &id).await;
    assert!(last.contains(&Fact::ReviewPassed), "{last:?}");
    assert!(last.contains(&Fact::ChecksFailed { checks: vec!["credentials".into()] }), "{last:?}");
    assert!(world.mails().iter().any(|(_, text)| text.contains("Something did, so nothing has been deleted")));

    // Confirmed again, it is looked at again.
    after(&world, DAY * 6).await;
    set(&world, "password_changed_at", "2026-11-01T00:00:00Z").await;
    assert_eq!(confirm(&world, &id).await.body["status"], "cooling_off");
    after(&world, DAY * 15 + SignedDuration::from_mins(1)).await;
    let again = request(&world, &id).await;
    assert_eq!((again.status, again.is_reviewed()), (Status::UnderReview, false));
    assert_eq!(decide(&world, &id, json!({"accept": {}})).await.status, 200);
    world.run_to_end(&id).await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
}

#[tokio::test]
async fn a_reminder_of_a_review_that_comes_after_the_decision_holds_nothing_up() {
    let (world, id) = under_review().await;
    assert_eq!(decide(&world, &id, json!({"accept": {}})).await.status, 200);
    let reminder = Message { request_id: id.parse().unwrap(), item: EffectItem::Request };
    assert!(world.deliver(Queue::Notify, &reminder).await);
    after(&world, SignedDuration::from_mins(1)).await;
    assert!(facts(&world, &id).await.iter().any(|fact| matches!(fact, Fact::CoolingOffEnded { .. })));
    world.run_to_end(&id).await;
    assert_eq!(told(&world), ["account.freeze", "account.close", "account.cancelled"]);
}

#[tokio::test]
async fn a_part_that_is_left_out_under_review_is_no_way_around_the_checks() {
    let (world, id) = under_review().await;
    set(&world, "status", "frozen").await;
    let before = world.data().await;
    let exempt = json!({"exempt": [{"collection": "small_app.posts", "ground": "criminal_process"}]});
    assert_eq!(decide(&world, &id, exempt).await.body["status"], "under_review");
    after(&world, SignedDuration::from_mins(1)).await;
    assert_eq!(request(&world, &id).await.status, Status::OnHold);
    assert_eq!(world.data().await, before);
}

#[tokio::test]
async fn a_cancellation_that_is_accepted_and_killed_at_any_call_of_its_last_check_begins_once() {
    for answer_is_lost in [false, true] {
        let mut call = 0;
        loop {
            let (world, id) = under_review().await;
            decide(&world, &id, json!({"accept": {}})).await;
            world.wake().await;
            world.calls.die_after(call, answer_is_lost);
            world.step().await;
            let died = world.calls.revive();
            world.calls.disarm();
            world.run_to_end(&id).await;
            let facts = facts(&world, &id).await;
            let ended = facts.iter().filter(|fact| matches!(fact, Fact::CoolingOffEnded { .. })).count();
            assert_eq!(ended, 1, "killed at call {call}, answer lost: {answer_is_lost}");
            let mut got = told(&world);
            got.dedup();
            assert_eq!(got, ["account.freeze", "account.close", "account.cancelled"]);
            if !died {
                break;
            }
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
        }
        assert!(call > 4, "the matrix is not empty: {call}");
    }
}
