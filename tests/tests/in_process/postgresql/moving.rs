//! Rows that may not go yet are moved out of the app's reach: whole, once, and found again where they are.

use habeas::connectors::{Obstacle, obstacles_of};
use habeas::evidence::Certificate;
use habeas::request::Status;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::story::{Shop, shop};
use crate::crash::{check_evidence, dies_at};
use crate::people::fresh;
use crate::recheck::after;
use crate::stories::package;

const KEPT: &str = "SELECT i::text FROM restricted.invoices i ORDER BY number";
const LEFT: &str = "SELECT i::text FROM sales.invoices i ORDER BY number";
const ANNS: &str = "(3,8,\"2 Short Street\",2026-01-02,100)";
const MOVED: &str = "(1,7,,2026-01-02,100)";

fn retained(certificate: &Certificate) -> Vec<(&str, u64)> {
    certificate.retained.iter().map(|entry| (entry.collection.as_str(), entry.rows)).collect()
}

#[tokio::test]
async fn what_is_kept_is_moved_whole_is_told_and_is_found_where_it_is() {
    let shop = shop().await;
    let id = shop.ask("erasure").await;
    assert_eq!((shop.lines(KEPT).await, shop.lines(LEFT).await), (vec![MOVED.to_owned()], vec![ANNS.to_owned()]));
    let certificate = check_evidence(&shop.world, &id).await;
    assert_eq!(retained(&certificate), [("shop_db.invoices_kept", 1)]);
    assert_eq!((certificate.total.moved, certificate.total.retained), (1, 1));
    let status = shop.world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&shop.world, "7")), None).await.body;
    assert_eq!(status["retained"][0]["restricted"], "moved", "{status}");
    assert_eq!(status["outcome"], "partial");

    // Written late, and restored: a row that is there already stays as it is.
    let late = "INSERT INTO sales.invoices VALUES (1, 7, '1 Long Street', '2026-01-02'), (9, 7, 'late', '2026-02-02')";
    shop.sql.batch_execute(late).await.unwrap();
    after(&shop.world, SignedDuration::from_hours(24)).await;
    assert_eq!(shop.lines(KEPT).await, [MOVED, "(9,7,,2026-02-02,100)"]);
    assert_eq!(shop.lines(LEFT).await, [ANNS]);

    // Whoever comes back with the same id is shown what is kept.
    shop.sql
        .batch_execute("INSERT INTO customers OVERRIDING SYSTEM VALUE VALUES (7, 'li@mail.example', 'Li', 'en')")
        .await
        .unwrap();
    let files = package(&shop.world, &asked_again(&shop).await).await;
    let shown: Vec<Value> = serde_json::from_slice(&files["data/shop_db/invoices_kept.json"]).unwrap();
    assert_eq!(shown.iter().map(|row| &row["number"]).collect::<Vec<_>>(), [&json!(1), &json!(9)]);
}

async fn asked_again(shop: &Shop) -> String {
    let (token, body) = (fresh(&shop.world, "7"), json!({"right": "access"}).to_string());
    let answer = shop.world.call_raw("POST", "/v1/requests", Some(&token), Some("again"), body).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    shop.world.run_to_end(&id).await;
    id
}

#[tokio::test]
async fn what_was_moved_is_purged_where_it_is() {
    let shop = shop().await;
    let id = shop.ask("erasure").await;
    after(&shop.world, SignedDuration::from_hours(31 * 24)).await;
    let end: jiff::Timestamp = "2029-01-01T16:00:00Z".parse().unwrap();
    after(&shop.world, end.duration_since(shop.world.now()) - SignedDuration::from_hours(24)).await;
    assert_eq!(shop.lines(KEPT).await, [MOVED]);
    after(&shop.world, SignedDuration::from_hours(49)).await;
    assert_eq!(shop.lines(KEPT).await, Vec::<String>::new());
    let certificate = check_evidence(&shop.world, &id).await;
    assert_eq!((certificate.retained[0].purged, certificate.retained[0].purged_at.is_some()), (1, true));
}

#[tokio::test]
async fn a_move_that_is_killed_at_any_call_loses_no_row() {
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some(shop) = killed_at(call, answer_is_lost).await {
            assert_eq!(shop.lines(KEPT).await, [MOVED], "killed at call {call}, answer lost: {answer_is_lost}");
            assert_eq!(shop.lines(LEFT).await, [ANNS], "killed at call {call}, answer lost: {answer_is_lost}");
            call += 20;
        }
        assert!(call > 60, "the matrix is not empty: {call}");
    }
}

/// An erasure that is killed at a call, and comes back. None: it has fewer calls than that.
async fn killed_at(call: usize, answer_is_lost: bool) -> Option<Shop> {
    let shop = shop().await;
    let world = &shop.world;
    let token = fresh(world, "7");
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let died = dies_at(world, call, answer_is_lost).await;
    world.run_to_end(&id).await;
    died.then_some(shop)
}

#[tokio::test]
async fn a_row_that_cannot_arrive_stays_where_it_is_and_an_operator_is_told() {
    const LIS: &str = "(1,7,\"1 Long Street\",2026-01-02,100)";
    for in_the_way in [
        "INSERT INTO restricted.invoices VALUES (1, 8, 'another of the same number', '2025-05-05')",
        "CREATE UNIQUE INDEX ON restricted.invoices (issued_at);
            INSERT INTO restricted.invoices VALUES (99, 8, 'another of the same day', '2026-01-02')",
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER swallow BEFORE INSERT ON restricted.invoices FOR EACH ROW EXECUTE FUNCTION swallow()",
    ] {
        let shop = shop().await;
        shop.sql.batch_execute(in_the_way).await.unwrap();
        let before = shop.lines(KEPT).await;
        let (token, body) = (fresh(&shop.world, "7"), json!({"right": "erasure"}));
        let answer = shop.world.call("POST", "/v1/requests", Some(&token), Some(body)).await;
        shop.world.run().await;
        let id = answer.body["request_id"].as_str().unwrap().parse().unwrap();
        let request = shop.world.ledger().request(&id).await.unwrap().unwrap();
        assert_eq!(request.status, Status::NeedsAttention, "{in_the_way}");
        assert!(shop.lines(LEFT).await.contains(&LIS.to_owned()), "{in_the_way}");
        assert_eq!(shop.lines(KEPT).await, before, "{in_the_way}");
    }
}

#[tokio::test]
async fn without_a_unique_key_there_rows_arrive_all_the_same() {
    let shop = shop().await;
    shop.sql.batch_execute("ALTER TABLE restricted.invoices DROP CONSTRAINT invoices_pkey").await.unwrap();
    shop.ask("erasure").await;
    assert_eq!((shop.lines(KEPT).await, shop.lines(LEFT).await), (vec![MOVED.to_owned()], vec![ANNS.to_owned()]));
}

#[tokio::test]
async fn the_preflight_finds_what_rows_cannot_be_moved_to() {
    let obstacles = async |change: &str| -> Vec<Obstacle> {
        let shop = shop().await;
        shop.sql.batch_execute(change).await.unwrap();
        let connectors = shop.world.connectors();
        let mut found = obstacles_of(&shop.world.policy, &connectors, "shop_db.invoices", true).await.unwrap();
        found.retain(|obstacle| obstacle.refuses);
        found
    };
    assert!(obstacles("").await.is_empty());
    for (change, says) in [
        ("DROP TABLE restricted.invoices", "there is no table or view restricted.invoices"),
        ("ALTER TABLE restricted.invoices DROP COLUMN cents", "has no such column, and rows are moved there whole"),
        ("ALTER TABLE restricted.invoices ALTER cents TYPE int", "is of type bigint here and integer in"),
        ("ALTER TABLE restricted.invoices ADD reason text NOT NULL", "demands a value for reason"),
        (
            "GRANT USAGE ON SCHEMA restricted TO PUBLIC; GRANT SELECT ON restricted.invoices TO PUBLIC",
            "whoever connects may read restricted.invoices",
        ),
    ] {
        let found = obstacles(change).await;
        assert!(found.iter().any(|obstacle| obstacle.message.contains(says)), "{change}: {found:?}");
    }
}
