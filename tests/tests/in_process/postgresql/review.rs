//! A right that an operator looks at before the work begins.

use habeas::evidence::{Actor, Fact};
use habeas::request::Status;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::story::{Shop, shop};
use crate::crash::check_evidence;
use crate::decisions::decide;
use crate::people::fresh;
use crate::recheck::{after, request};

async fn ask(shop: &Shop) -> String {
    let (token, body) = (fresh(&shop.world, "7"), json!({"right": "portability"}));
    let answer = shop.world.call("POST", "/v1/requests", Some(&token), Some(body)).await;
    assert_eq!((answer.status, answer.body["status"].as_str()), (202, Some("under_review")), "{}", answer.body);
    answer.body["request_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_waits_for_a_review_does_nothing_until_an_operator_decides_and_comes_to_mind_before_it_is_due() {
    let shop = shop().await;
    let world = &shop.world;
    let id = ask(&shop).await;
    world.run().await;
    assert_eq!(request(world, &id).await.status, Status::UnderReview);
    let waiting = request(world, &id).await;
    let wake = waiting.wake.unwrap();
    assert_eq!(
        (wake.queue, waiting.due_at.duration_since(wake.at)),
        (habeas::plan::Queue::Notify, SignedDuration::from_hours(72))
    );
    after(world, SignedDuration::from_hours(24 * 31)).await;
    assert!(request(world, &id).await.overdue, "the due date runs on");
    let accepted = decide(world, &id, json!({"accept": {}})).await;
    assert_eq!(accepted.body["status"], "accepted", "{}", accepted.body);
    world.run_to_end(&id).await;
    assert_eq!(request(world, &id).await.status, Status::Completed);
    check_evidence(world, &id).await;
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let accepted = events.iter().find(|event| matches!(event.fact, Fact::Accepted { .. })).unwrap();
    assert_eq!(accepted.actor, Actor::Operator);
}

#[tokio::test]
async fn what_waits_for_a_review_can_go_on_in_part_be_refused_or_be_taken_back() {
    let shop = shop().await;
    let world = &shop.world;
    let id = ask(&shop).await;
    let exempt = json!({"exempt": [{"collection": "shop_db.reviews", "ground": "trade_secrets"}]});
    assert_eq!(decide(world, &id, exempt).await.body["status"], "accepted");
    world.run_to_end(&id).await;
    let shown: Value = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(world, "7")), None).await.body;
    assert_eq!((&shown["outcome"], &shown["exempt"][0]["source"]), (&json!("partial"), &json!("5(7)6")));

    let body = json!({"right": "portability"}).to_string();
    for (key, ends) in [("second", "denied"), ("third", "withdrawn")] {
        let token = fresh(world, "7");
        let answer = world.call_raw("POST", "/v1/requests", Some(&token), Some(key), body.clone()).await;
        let id = answer.body["request_id"].as_str().unwrap().to_owned();
        let status = if ends == "denied" {
            decide(world, &id, json!({"deny": {"ground": "trade_secrets"}})).await.body["status"].clone()
        } else {
            world.call("DELETE", &format!("/v1/requests/{id}"), Some(&token), None).await.body["status"].clone()
        };
        assert_eq!(status, ends);
        world.run().await;
        let told =
            world.mails().iter().filter(|(_, text)| text.contains("It would tell trade secrets (5(7)6)")).count();
        assert_eq!(told, 1, "the refusal, to the address on file");
    }
}

#[tokio::test]
async fn an_erasure_that_would_take_along_what_is_left_out_is_stopped_before_anything_goes() {
    let shop = shop().await;
    let world = &shop.world;
    // PostgreSQL would do it without a word.
    let cascade = "ALTER TABLE sales.order_items DROP CONSTRAINT order_items_order_id_fkey, \
        ADD CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES sales.orders ON DELETE CASCADE";
    shop.sql.batch_execute(cascade).await.unwrap();
    let answer = world.call("POST", "/v1/requests", Some(&fresh(world, "7")), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let exempt = json!({"exempt": [{"collection": "shop_db.order_items", "ground": "trade_secrets"}]});
    assert_eq!(decide(world, &id, exempt).await.status, 200);
    world.run().await;
    assert_eq!(request(world, &id).await.status, Status::NeedsAttention);
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let obstructed = events.iter().find_map(|event| match &event.fact {
        Fact::StepFailed { obstructed, .. } => Some(obstructed.clone()),
        _ => None,
    });
    assert_eq!(obstructed.unwrap()[0].collection, "shop_db.orders", "it may not go while those stay");
    let rows = "SELECT (SELECT count(*) FROM customers WHERE id = 7), (SELECT count(*) FROM sales.order_items)";
    let left = shop.sql.query_one(rows, &[]).await.unwrap();
    assert_eq!((left.get::<_, i64>(0), left.get::<_, i64>(1)), (1, 6));

    let too =
        ["orders", "addresses"].map(|name| json!({"collection": format!("shop_db.{name}"), "ground": "trade_secrets"}));
    assert_eq!(decide(world, &id, json!({"exempt": too})).await.status, 200, "nothing has been done yet");
    let retried = decide(world, &id, json!({"retry": {}})).await;
    assert_eq!((retried.status, &retried.body["status"]), (200, &json!("in_progress")), "{}", retried.body);
    world.run_to_end(&id).await;
    assert_eq!(request(world, &id).await.status, Status::Completed);
    let left = shop.sql.query_one(rows, &[]).await.unwrap();
    assert_eq!((left.get::<_, i64>(0), left.get::<_, i64>(1)), (0, 6));
    assert_eq!(decide(world, &id, json!({"retry": {}})).await.status, 409);
    check_evidence(world, &id).await;
}
