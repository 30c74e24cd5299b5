//! Who may place a hold, on what, and how often: only operators, with a basis and an end, and once a key.

use habeas::holds::{HoldId, LegalHold, MOST_IN_FORCE};
use habeas::ledger::Idempotency;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{BASIS, DAY, call, hold, lift};
use crate::people::{LI, LI_EMAIL, fresh, world};
use crate::plans::token;

#[tokio::test]
async fn only_operators_place_list_and_lift_holds() {
    let world = world().await;
    let body = json!({"collection": "small_app.posts", "basis": BASIS, "ends_at": (world.now() + DAY).to_string()});
    let held = hold(&world, json!({"collection": "small_app.posts"}), DAY).await;
    let stale = token(&world, world.now() - SignedDuration::from_mins(31), &json!(["operators"]));
    for (who, status) in [(None, 401), (Some(fresh(&world, LI)), 403), (Some(stale), 403)] {
        for (method, path) in [
            ("POST", "/v1/holds".to_owned()),
            ("GET", "/v1/holds".to_owned()),
            ("POST", format!("/v1/holds/{held}/lift")),
        ] {
            let answer = world.call(method, &path, who.as_deref(), Some(body.clone())).await;
            assert_eq!(answer.status, status, "{method} {path} {}", answer.body);
        }
    }
    assert_eq!(call(&world, "GET", "/v1/holds", "", None).await.1["holds"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_hold_needs_a_scope_that_is_there_a_basis_and_an_end_and_is_placed_once() {
    let world = world().await;
    let good =
        json!({"subject": {"user_id": LI, "email": LI_EMAIL}, "basis": BASIS, "ends_at": "2027-01-01T00:00:00Z"});
    for (field, wrong) in [
        ("basis", json!(" ")),
        ("basis", json!("x".repeat(501))),
        ("basis", json!(format!("the case of {LI_EMAIL}"))),
        ("ends_at", json!("2026-11-20T00:00:00Z")),
        ("ends_at", json!("2046-11-20T00:00:00Z")),
        ("ends_at", json!("soon")),
        ("subject", json!({})),
        ("subject", json!({"email": "li.wei"})),
        ("subject", Value::Null),
        ("collection", json!("small_app.posts")),
        ("request_id", json!("0".repeat(32))),
    ] {
        let mut body = good.clone();
        body[field] = wrong;
        let (status, answer) = call(&world, "POST", "/v1/holds", "wrong", Some(&body)).await;
        assert_eq!(
            (status, &answer["type"]),
            (400, &json!("urn:habeas:problem:malformed-request")),
            "{field} {answer}"
        );
        assert!(!answer.to_string().contains("li.wei"));
    }
    for (scope, value) in [("collection", json!("small_app.nothing")), ("request_id", json!("0".repeat(32)))] {
        let body = json!({scope: value, "basis": BASIS, "ends_at": "2027-01-01T00:00:00Z"});
        assert_eq!(call(&world, "POST", "/v1/holds", "wrong", Some(&body)).await.0, 400);
    }
    assert_eq!(call(&world, "POST", "/v1/holds", "", Some(&good)).await.0, 400, "no key");
    let (status, first) = call(&world, "POST", "/v1/holds", "once", Some(&good)).await;
    assert_eq!((status, &first["subject_rows"]), (201, &json!(1)));
    assert_eq!(call(&world, "POST", "/v1/holds", "once", Some(&good)).await, (201, first.clone()));
    let mut other = good;
    other["ends_at"] = "2028-01-01T00:00:00Z".into();
    assert_eq!(call(&world, "POST", "/v1/holds", "once", Some(&other)).await.0, 409);
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!(!ledger.contains(LI) && !ledger.contains(LI_EMAIL), "digests only");

    let id = first["hold_id"].as_str().unwrap();
    assert_eq!(call(&world, "POST", &format!("/v1/holds/{}/lift", "0".repeat(32)), "", None).await.0, 404);
    lift(&world, id).await;
    let again = call(&world, "POST", &format!("/v1/holds/{id}/lift"), "", None).await.1;
    let listed = async |path: &str| call(&world, "GET", path, "", None).await.1["holds"].clone();
    assert_eq!(listed("/v1/holds").await, json!([]));
    assert_eq!(listed("/v1/holds?ended=true").await, json!([again]));
    assert!(again["lifted_at"].is_string() && again["lifted_by"] == again["placed_by"]);
}

#[tokio::test]
async fn a_hold_that_was_placed_is_answered_again_whatever_has_changed_since() {
    let world = world().await;
    let of =
        |ends_at: jiff::Timestamp| json!({"subject": {"user_id": LI}, "basis": BASIS, "ends_at": ends_at.to_string()});
    let body = of(world.now() + SignedDuration::from_hours(1));
    let (status, placed) = call(&world, "POST", "/v1/holds", "first", Some(&body)).await;
    assert_eq!(status, 201, "{placed}");
    let ledger = world.ledger();
    let first = ledger.all_holds().await.unwrap().remove(0);
    for number in 1..MOST_IN_FORCE {
        let id: HoldId = format!("{number:032x}").parse().unwrap();
        let record = Idempotency { caller: "test".into(), key: number.to_string(), body: String::new() };
        ledger
            .place_hold(&LegalHold { id, ends_at: world.now() + DAY * 9, ..first.clone() }, record, "")
            .await
            .unwrap();
    }
    let later = of(world.now() + DAY);
    assert_eq!(call(&world, "POST", "/v1/holds", "another", Some(&later)).await.0, 429, "there is no room");
    assert_eq!(call(&world, "POST", "/v1/holds", "first", Some(&body)).await, (201, placed.clone()));
    assert_eq!(call(&world, "POST", "/v1/holds", "first", Some(&later)).await.0, 409, "the key is of another body");
    world.advance(DAY);
    assert_eq!(call(&world, "POST", "/v1/holds", "first", Some(&body)).await, (201, placed), "its end has come");
    assert_eq!(ledger.all_holds().await.unwrap().len(), MOST_IN_FORCE, "it was placed once");
}
