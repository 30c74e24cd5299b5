//! What the API answers, to good calls and bad.

use std::collections::BTreeMap;

use habeas_e2e::{SignIns, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::people::{LI, LI_EMAIL, LI_PHONE, fresh, world};
use crate::stories::exercise;

/// A public key of age: the point that all others are multiples of.
const AGE_KEY: &str = "age1pyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq8r66x";

fn counts(calls: &[(&str, usize)]) -> BTreeMap<String, usize> {
    calls.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

async fn ask_by_email(world: &World, email: &str, key: &str) -> Value {
    let body = json!({"right": "access", "identity": {"email": email}}).to_string();
    let answer = world.call_raw("POST", "/v1/requests", None, Some(key), body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn submitting_is_one_transaction_and_one_send_and_status_one_query() {
    let world = world().await;
    let token = fresh(&world, LI);
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "access"}))).await;
    assert_eq!(world.calls.take(), counts(&[("TransactWriteItems", 1), ("SendMessageBatch", 1)]));
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.call("GET", &format!("/v1/requests/{id}"), Some(&token), None).await;
    assert_eq!(world.calls.take(), counts(&[("Query", 1)]));
    ask_by_email(&world, LI_EMAIL, "by-mail").await;
    assert_eq!(world.calls.take(), counts(&[("TransactWriteItems", 1), ("SendMessageBatch", 1)]));
}

#[tokio::test]
async fn a_step_is_a_claim_a_commit_a_page_and_a_completion() {
    let world = world().await;
    let token = fresh(&world, LI);
    world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "access"}))).await;
    world.calls.take();
    world.step().await;
    // Claim, request, the subject's row, completion, and the send that releases the next stage.
    let resolve = [("UpdateItem", 1), ("GetItem", 1), ("Query", 1), ("TransactWriteItems", 1), ("SendMessageBatch", 1)];
    assert_eq!(world.calls.take(), counts(&resolve));
    world.step().await;
    // Claim, request; the comments by an index, which says which rows to get; one page staged; the request once more, since
    // other steps are done beside this one; completion.
    let read = [("Query", 1), ("BatchGetItem", 1)];
    let step = [("UpdateItem", 1), ("GetItem", 2), ("PutObject", 1), ("TransactWriteItems", 1)];
    let export = [&step[..], &read].concat();
    assert_eq!(world.calls.take(), counts(&export));
}

#[tokio::test]
async fn one_who_is_not_signed_in_proves_an_address_and_gets_a_token_for_that_request_only() {
    let world = world().await;
    let asked = ask_by_email(&world, " Li.Wei@MAIL.example", "one").await;
    let id = asked["request_id"].as_str().unwrap().to_owned();
    assert_eq!(asked["status"], "awaiting_verification");
    world.run().await;
    let mails = world.mails();
    assert_eq!((mails.len(), mails[0].0.as_str()), (1, LI_EMAIL));
    let code = json!({"code": world.last_code()});
    let verified = world.call("PUT", &format!("/v1/requests/{id}/verification"), None, Some(code.clone())).await;
    assert_eq!((verified.status, &verified.body["status"]), (200, &json!("accepted")), "{}", verified.body);
    let token = verified.body["token"].as_str().unwrap().to_owned();
    let used = world.call("PUT", &format!("/v1/requests/{id}/verification"), None, Some(code)).await;
    assert_eq!(used.body["type"], "urn:habeas:problem:code-spent", "a code works once");
    world.run_to_end(&id).await;
    let package = world.call("GET", &format!("/v1/requests/{id}/package"), Some(&token), None).await;
    assert_eq!(package.status, 200, "{}", package.body);
    let listed = world.call("GET", "/v1/requests", Some(&token), None).await;
    assert_eq!(listed.body["requests"].as_array().unwrap().len(), 1);

    let other = ask_by_email(&world, LI_EMAIL, "two").await;
    let other = other["request_id"].as_str().unwrap().to_owned();
    assert_eq!(world.call("GET", &format!("/v1/requests/{other}"), Some(&token), None).await.status, 404);
    world.advance(SignedDuration::from_mins(31));
    assert_eq!(world.call("GET", &format!("/v1/requests/{id}"), Some(&token), None).await.status, 401);

    // Days later a new code, to the address that the request kept, opens the package again.
    world.lose_messages();
    let again = world.call("POST", &format!("/v1/requests/{id}/verification"), None, None).await;
    assert_eq!(again.status, 202, "{}", again.body);
    world.run().await;
    let code = json!({"code": world.last_code()});
    let verified = world.call("PUT", &format!("/v1/requests/{id}/verification"), None, Some(code)).await;
    assert_eq!(verified.body["status"], "completed", "{}", verified.body);
    assert!(verified.body["token"].is_string());
}

#[tokio::test]
async fn people_who_are_not_on_file_get_the_same_answers_and_no_mail() {
    let world = world().await;
    let known = ask_by_email(&world, LI_EMAIL, "one").await;
    let calls = world.calls.take();
    let unknown = ask_by_email(&world, "nobody@mail.example", "two").await;
    assert_eq!(world.calls.take(), calls, "the same calls, and so the same time");
    let without_id = |mut body: Value| {
        body.as_object_mut().unwrap().remove("request_id");
        body
    };
    let id = unknown["request_id"].as_str().unwrap().to_owned();
    assert_eq!(without_id(known.clone()), without_id(unknown));
    world.run().await;
    assert_eq!(world.mails().len(), 1);
    let wrong = json!({"code": "0000 0000"});
    let for_unknown = world.call("PUT", &format!("/v1/requests/{id}/verification"), None, Some(wrong.clone())).await;
    let id = known["request_id"].as_str().unwrap();
    let for_known = world.call("PUT", &format!("/v1/requests/{id}/verification"), None, Some(wrong)).await;
    assert_eq!((for_known.status, for_known.body), (for_unknown.status, for_unknown.body));
}

#[tokio::test]
async fn a_code_is_sent_to_a_phone_on_file_and_expires() {
    let world = world().await;
    let body = json!({"right": "access", "identity": {"phone_number": "+86 139-1234-5678"}});
    let asked = world.call("POST", "/v1/requests", None, Some(body)).await.body;
    let id = asked["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    assert_eq!(world.mails()[0].0, LI_PHONE);
    let code = json!({"code": world.last_code()});
    world.advance(SignedDuration::from_mins(10));
    let late = world.call("PUT", &format!("/v1/requests/{id}/verification"), None, Some(code)).await;
    assert_eq!(late.body["type"], "urn:habeas:problem:code-spent");
}

#[tokio::test]
async fn five_wrong_codes_use_the_code_up_and_ten_codes_the_request() {
    let world = world().await;
    let id = ask_by_email(&world, LI_EMAIL, "one").await["request_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/requests/{id}/verification");
    world.run().await;
    let right = world.last_code();
    let wrong = json!({"code": if right == "00000000" { "11111111" } else { "00000000" }});
    for left in ["4 tries", "3 tries", "2 tries", "One try", "last try"] {
        let answer = world.call("PUT", &path, None, Some(wrong.clone())).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body["detail"].as_str().unwrap().contains(left), "{}", answer.body);
    }
    let answer = world.call("PUT", &path, None, Some(json!({"code": right}))).await;
    assert_eq!((answer.status, &answer.body["type"]), (409, &json!("urn:habeas:problem:code-spent")));
    assert_eq!(world.call("POST", &path, None, None).await.status, 429, "not within a minute");
    for sending in 2..=10 {
        world.advance(SignedDuration::from_mins(1));
        assert_eq!(world.call("POST", &path, None, None).await.status, 202, "{sending}");
    }
    world.advance(SignedDuration::from_mins(1));
    assert_eq!(world.call("POST", &path, None, None).await.body["type"], "urn:habeas:problem:too-many");
    world.run().await;
    let code = json!({"code": world.last_code()});
    assert_eq!(world.call("PUT", &path, None, Some(code)).await.status, 200, "the last code still works");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_to_the_same_body_and_409_to_another() {
    let world = world().await;
    let token = fresh(&world, LI);
    let body = json!({"right": "access"});
    let first = world.call("POST", "/v1/requests", Some(&token), Some(body.clone())).await;
    let again = world.call("POST", "/v1/requests", Some(&token), Some(body.clone())).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let other = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "erasure"}))).await;
    assert_eq!((other.status, &other.body["type"]), (409, &json!("urn:habeas:problem:idempotency-key-reused")));
    let somebody_else = world.call("POST", "/v1/requests", Some(&fresh(&world, "u-ann")), Some(body)).await;
    assert_ne!(somebody_else.body["request_id"], first.body["request_id"]);
    let listed = world.call("GET", "/v1/requests", Some(&token), None).await;
    assert_eq!(listed.body["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bad_calls_get_a_problem_that_says_what_to_do_and_change_nothing() {
    let world = world().await;
    let token = fresh(&world, LI);
    let raw = async |token: Option<&str>, key: Option<&str>, body: &str| {
        let answer = world.call_raw("POST", "/v1/requests", token, key, body.to_owned()).await;
        assert!(!answer.body["detail"].as_str().unwrap().is_empty(), "{}", answer.body);
        let kind = answer.body["type"].as_str().unwrap().replace("urn:habeas:problem:", "");
        format!("{} {kind}", answer.status)
    };
    let (signed_in, key) = (Some(token.as_str()), Some("k"));
    let long = format!(r#"{{"right":"access","reason":"{}"}}"#, "长".repeat(2001));
    let huge = format!(r#"{{"right":"access","reason":"{}"}}"#, "x".repeat(17_000));
    let key_of_small_order = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z";
    let encrypted = |right: &str, to: &str| json!({"right": right, "encrypt_to": to}).to_string();
    for (answer, expected) in [
        (raw(signed_in, key, &encrypted("access", "")).await, "400 malformed-request"),
        (raw(signed_in, key, &encrypted("access", "age1xyz")).await, "400 malformed-request"),
        (raw(signed_in, key, &encrypted("access", key_of_small_order)).await, "400 malformed-request"),
        (raw(signed_in, key, &encrypted("erasure", AGE_KEY)).await, "400 malformed-request"),
        (raw(signed_in, key, r#"{"right":"access","encrypt_to":["age1"]}"#).await, "400 malformed-request"),
        (raw(signed_in, key, "{").await, "400 malformed-request"),
        (raw(signed_in, key, "").await, "400 malformed-request"),
        (raw(signed_in, key, r#"{"right":"access","extra":1}"#).await, "400 malformed-request"),
        (raw(signed_in, key, r#"{"right":"oblivion"}"#).await, "400 malformed-request"),
        (raw(signed_in, key, &long).await, "400 malformed-request"),
        (raw(signed_in, key, &huge).await, "413 body-too-large"),
        (raw(signed_in, None, r#"{"right":"access"}"#).await, "400 idempotency-key-missing"),
        (raw(signed_in, Some("a b"), r#"{"right":"access"}"#).await, "400 idempotency-key-missing"),
        (raw(signed_in, key, r#"{"right":"objection"}"#).await, "422 right-not-offered"),
        (
            raw(signed_in, key, r#"{"right":"access","identity":{"email":"a@b.example"}}"#).await,
            "400 malformed-request",
        ),
        (raw(None, key, r#"{"right":"access"}"#).await, "422 identity-missing"),
        (raw(None, key, r#"{"right":"access","identity":{}}"#).await, "400 malformed-request"),
        (raw(None, key, r#"{"right":"access","identity":{"email":"li.wei"}}"#).await, "400 malformed-request"),
        (
            raw(None, key, r#"{"right":"account_cancellation","identity":{"email":"a@b.example"}}"#).await,
            "401 unauthorized",
        ),
        (raw(Some("rubbish"), key, r#"{"right":"access"}"#).await, "401 unauthorized"),
    ] {
        assert_eq!(answer, expected);
    }
    assert!(habeas_e2e::dump(&world.dynamodb, "ledger").await.is_empty());
    for (method, path) in [("GET", "/v1/requests/xyz"), ("PATCH", "/v1/requests"), ("GET", "/v1/other")] {
        assert_eq!(world.call(method, path, Some(&token), None).await.status, 404, "{method} {path}");
    }
}

#[tokio::test]
async fn tokens_of_other_issuers_audiences_times_and_signatures_are_refused() {
    let world = world().await;
    let now = world.now().as_second();
    let good = json!({"iss": SignIns::ISSUER, "aud": SignIns::AUDIENCE, "sub": LI, "auth_time": now, "iat": now, "exp": now + 60});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        SignIns::token_with(&claims)
    };
    let call = async |token: String| world.call("GET", "/v1/requests", Some(&token), None).await.status;
    assert_eq!(call(SignIns::token_with(&good)).await, 200);
    assert_eq!(call(with("iss", json!("https://elsewhere.example"))).await, 401);
    assert_eq!(call(with("aud", json!("another-app"))).await, 401);
    assert_eq!(call(with("exp", json!(now - 60))).await, 401);
    assert_eq!(call(with("auth_time", json!(now + 600))).await, 401);
    assert_eq!(call(with("sub", json!(""))).await, 401);
    let mut forged = SignIns::token_with(&good);
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert_eq!(call(forged).await, 401);
}

#[tokio::test]
async fn a_stale_sign_in_is_not_proof_and_a_code_is_sent_instead() {
    let world = world().await;
    let token = fresh(&world, LI);
    world.advance(SignedDuration::from_mins(11));
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "access"}))).await;
    assert_eq!(answer.body["status"], "awaiting_verification", "{}", answer.body);
    world.run().await;
    assert_eq!(world.mails()[0].0, LI_EMAIL);
    let body = json!({"right": "account_cancellation"}).to_string();
    let stale = world.call_raw("POST", "/v1/requests", Some(&token), Some("other"), body).await;
    assert_eq!(stale.body["type"], "urn:habeas:problem:sign-in-too-old");
}

#[tokio::test]
async fn somebody_elses_request_is_not_there() {
    let world = world().await;
    let id = exercise(&world, "access").await;
    let ann = fresh(&world, "u-ann");
    for (method, rest) in
        [("GET", ""), ("DELETE", ""), ("GET", "/package"), ("GET", "/evidence"), ("POST", "/confirmation")]
    {
        let path = format!("/v1/requests/{id}{rest}");
        let body = Some(json!({"phrase": "Cancel my account"}));
        let theirs = world.call(method, &path, Some(&ann), body.clone()).await;
        let nobodys = world.call(method, &path.replace(&id, &"0".repeat(32)), Some(&ann), body).await;
        assert_eq!((theirs.status, &theirs.body), (404, &nobodys.body), "{method} {rest}");
        assert_eq!(world.call(method, &path, None, None).await.status, 401, "{method} {rest}");
    }
}

#[tokio::test]
async fn a_request_that_nobody_verifies_expires() {
    let world = world().await;
    let id = ask_by_email(&world, LI_EMAIL, "one").await["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    world.advance(SignedDuration::from_hours(3 * 24 + 1));
    world.wake().await;
    world.run().await;
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((request.status.name(), request.sealed), ("expired", None));
}

#[tokio::test]
async fn a_lost_send_costs_a_minute_and_never_a_request() {
    let world = world().await;
    let token = fresh(&world, LI);
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    for _ in 0..40 {
        world.lose_messages();
        world.advance(SignedDuration::from_secs(61));
        world.wake().await;
        world.step().await;
    }
    world.run_to_end(&id).await;
}
