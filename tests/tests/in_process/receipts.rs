//! Receipts: who has no account any more can still see, keep and check what was done.

use habeas::evidence::{EvidenceFile, Outcome, verify_with};
use habeas_e2e::{World, dump};
use jiff::SignedDuration;
use serde_json::json;

use crate::people::{LI, fresh, world};
use crate::stories::exercise;

/// Cancels Li's account and waits until it is gone; the request and its receipt.
async fn cancelled(world: &World) -> (String, String) {
    let token = fresh(world, LI);
    let body = Some(json!({"right": "account_cancellation", "locale": "zh-Hans"}));
    let answer = world.call("POST", "/v1/requests", Some(&token), body).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    world.call("PUT", &format!("/v1/requests/{id}/verification"), Some(&token), Some(code)).await;
    let phrase = json!({"phrase": "Cancel my account"});
    let confirmed = world.call("POST", &format!("/v1/requests/{id}/confirmation"), Some(&token), Some(phrase)).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.body);
    let receipt = confirmed.body["receipt"].as_str().unwrap().to_owned();
    world.advance(SignedDuration::from_hours(15 * 24 + 1));
    world.wake().await;
    world.run_to_end(&id).await;
    world.run().await;
    (id, receipt)
}

#[tokio::test]
async fn who_has_cancelled_their_account_still_has_a_receipt_that_can_be_checked() {
    let world = world().await;
    let (id, receipt) = cancelled(&world).await;
    world.anchor().await.unwrap();
    // Years later.
    world.advance(SignedDuration::from_hours(2 * 365 * 24));

    // Of the person there is nothing left to ask with.
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert!(request.sealed.is_none() && request.contact.is_none() && request.submission.is_none());
    assert!(dump(&world.dynamodb, "ledger").await.iter().any(|item| item.contains_key("cancelled_at")), "a tombstone");
    assert!(world.data().await["small-users"].iter().all(|user| user["user_id"] != LI));
    let again = world.call("POST", &format!("/v1/requests/{id}/verification"), None, None).await;
    assert_eq!(again.status, 409, "{}", again.body);

    let status = world.call("GET", &format!("/v1/requests/{id}"), Some(&receipt), None).await;
    assert_eq!((status.status, &status.body["status"]), (200, &json!("completed")));
    assert_eq!(status.body["receipt"], json!(receipt), "the same at any time");
    let listed = world.call("GET", "/v1/requests", Some(&receipt), None).await;
    assert_eq!(listed.body["requests"].as_array().unwrap().len(), 1);

    let evidence = world.call("GET", &format!("/v1/requests/{id}/evidence"), Some(&receipt), None).await;
    let file: EvidenceFile = serde_json::from_value(evidence.body).unwrap();
    verify_with(&file, &world.anchor_key()).unwrap();
    assert_eq!(file.certificate.outcome, Some(Outcome::Partial));
    assert_eq!(file.anchored.unwrap().events, file.certificate.events);

    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&receipt)).await;
    assert_eq!((page.status, page.content_type.as_str()), (200, "text/html; charset=utf-8"));
    // In the language that the request was made in.
    assert!(page.text.contains("订单保存三年") && page.text.contains(file.certificate.head.as_str()));
    for of_li in [LI, "li.wei@mail.example", "13912345678", "1 Long Street"] {
        assert!(!page.text.contains(of_li), "{of_li}");
    }
}

#[tokio::test]
async fn a_receipt_opens_what_became_of_its_request_and_nothing_else() {
    let world = world().await;
    let id = exercise(&world, "access").await;
    let token = fresh(&world, LI);
    let status = world.call("GET", &format!("/v1/requests/{id}"), Some(&token), None).await;
    let receipt = status.body["receipt"].as_str().unwrap();
    let other = exercise(&world, "portability").await;
    for (method, path) in [
        ("GET", format!("/v1/requests/{id}/package")),
        ("DELETE", format!("/v1/requests/{id}")),
        ("POST", format!("/v1/requests/{id}/confirmation")),
        ("GET", format!("/v1/requests/{other}")),
        ("GET", format!("/v1/requests/{other}/evidence")),
        ("GET", format!("/v1/requests/{other}/certificate")),
    ] {
        let answer = world.call(method, &path, Some(receipt), None).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
    }
    let asked = world.call("POST", "/v1/requests", Some(receipt), Some(json!({"right": "access"}))).await;
    assert_eq!(asked.status, 401, "{}", asked.body);
    let page = world.page(&format!("/v1/requests/{id}/certificate"), None).await;
    assert_eq!((page.status, page.content_type.as_str()), (401, "application/problem+json"));
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&token)).await;
    assert_eq!(page.status, 200);
}
