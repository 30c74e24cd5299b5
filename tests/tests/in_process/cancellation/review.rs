//! A cancellation that an operator looks at before the work begins.

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
