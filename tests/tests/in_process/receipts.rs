//! Receipts: who has no account any more can still see, keep and check what was done.

use std::path::Path;

use habeas::evidence::{EvidenceFile, Outcome, verify_with};
use habeas_cli::commands::{self, Verdict};
use habeas_e2e::{World, dump};
use jiff::SignedDuration;
use serde_json::json;

use crate::people::{LI, fresh, world};
use crate::recheck::after;
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
    // Until the last re-check, and the purge of what had to be kept, the request knows, sealed, whom it is about.
    for days in [1, 29, 800] {
        after(&world, SignedDuration::from_hours(days * 24)).await;
    }
    world.anchor().await.unwrap();
    // Years later.
    world.advance(SignedDuration::from_hours(2 * 365 * 24));

    // Of the person there is nothing left to ask with.
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert!(request.sealed.is_none() && request.contact.is_none() && request.submission.is_none());
    assert!(dump(&world.dynamodb, "ledger").await.iter().any(|item| item.contains_key("cancelled_at")), "a tombstone");
    assert!(world.data().await["small-users"].iter().all(|user| user["user_id"] != LI));
    let again = world.call("POST", &format!("/v1/requests/{id}/verification"), None, None).await;
    assert_eq!(again.status, 410, "{}", again.body);

    let status = world.call("GET", &format!("/v1/requests/{id}"), Some(&receipt), None).await;
    assert_eq!((status.status, &status.body["status"]), (200, &json!("completed")));
    assert_eq!(status.body["receipt"], json!(receipt), "the same at any time");
    let listed = world.call("GET", "/v1/requests", Some(&receipt), None).await;
    assert_eq!(listed.body["requests"].as_array().unwrap().len(), 1);

    let evidence = world.page(&format!("/v1/requests/{id}/evidence"), Some(&receipt)).await;
    let file: EvidenceFile = serde_json::from_str(&evidence.text).unwrap();
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
    check_offline(&world, &evidence.text, &page.text);
}

/// What the command line makes of a file of evidence, without a stack: it is sound, under the stack's key and no other, and
/// its certificate is the page that was served.
fn check_offline(world: &World, evidence: &str, page: &str) {
    let folder = tempfile::tempdir().unwrap();
    let [file, key, other] = ["evidence.json", "key.pem", "other.pem"].map(|name| folder.path().join(name));
    std::fs::write(&file, evidence).unwrap();
    std::fs::write(&key, world.anchor_key().to_pem()).unwrap();
    std::fs::write(&other, world.signing_key().to_pem()).unwrap();
    let run = |key: Option<&Path>| {
        let mut out = Vec::new();
        let verdict = commands::evidence::verify(&file, key, &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    };
    let (verdict, told) = run(Some(&key));
    assert_eq!(verdict, Verdict::Good, "{told}");
    assert!(told.contains("outcome partial") && told.contains("that is the key that you named"), "{told}");
    let (verdict, told) = run(None);
    assert_eq!(verdict, Verdict::Good, "{told}");
    assert!(told.contains("does not prove who signed"), "{told}");
    let wrong = (Verdict::Bad, "not sound: the anchor was signed with another key\n".to_owned());
    assert_eq!(run(Some(&other)), wrong, "packages are signed with another key than anchors");
    let mut shown = Vec::new();
    let policy = habeas_e2e::yaml::path("tests/policy");
    commands::evidence::show(&file, &policy, "zh-Hans", &mut shown).unwrap();
    assert_eq!(String::from_utf8(shown).unwrap(), page);
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
