//! What is written to tables, and what is not when a row has changed meanwhile.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use habeas::connectors::{ConnectorError, Decision, Row, Who, decide};
use habeas::random::SeededRandom;
use habeas_e2e::suite::{Erase, OTHER, PERSON, person};

use super::{Tables, n, s};

/// Does what the policy says of letters.
fn by_policy(tables: &Tables) -> impl Fn(&Row) -> Result<Decision, ConnectorError> + Send + Sync {
    let (policy, now) = (tables.policy.clone(), "2026-11-21T00:00:00Z".parse().unwrap());
    move |row| {
        let (rule, link) = (policy.rule("desk.letters").unwrap(), &policy.links("desk.letters")[row.link]);
        decide(rule, link, &row.record, now, "Asia/Shanghai", &SeededRandom::new(1))
    }
}

fn map(fields: &[(&str, AttributeValue)]) -> AttributeValue {
    AttributeValue::M(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

#[tokio::test]
async fn what_is_not_changed_keeps_its_type_and_paths_lead_into_maps() {
    let tables = Tables::of("plain").await;
    let kept = [
        ("letter_id", s("1")),
        ("number", n("12345678901234567890.5")),
        ("bytes", AttributeValue::B(Blob::new([0, 255]))),
        ("yes", AttributeValue::Bool(true)),
        ("nothing", AttributeValue::Null(true)),
        ("list", AttributeValue::L(vec![n("1"), s("two"), map(&[("three", n("3"))])])),
        ("texts", AttributeValue::Ss(vec!["a".into(), "b".into()])),
        ("numbers", AttributeValue::Ns(vec!["1".into(), "2".into()])),
        ("blobs", AttributeValue::Bs(vec![Blob::new([1]), Blob::new([2])])),
        ("empty", s("")),
    ];
    let address =
        |city: &str| map(&[("city", s(city)), ("country", s("CN")), ("codes", AttributeValue::Ns(vec!["7".into()]))]);
    let changed = [
        ("owner_id", s(PERSON)),
        ("text", AttributeValue::Ss(vec!["x".into(), "y".into()])),
        ("profile", map(&[("name", s("Li")), ("age", n("36")), ("address", address("Hangzhou"))])),
    ];
    tables.put("desk-letters", &[&kept[..], &changed[..]].concat()).await;
    let li = person(PERSON);
    let counts = tables.act("desk.letters", Who::Person(&li), &by_policy(&tables)).await;
    assert_eq!((counts.read, counts.anonymised), (1, 1));
    let mut row = tables.rows("desk-letters").await.remove(0);
    if let Some(AttributeValue::Ns(numbers)) = row.get_mut("numbers") {
        // A set has no order.
        numbers.sort();
    }
    assert_eq!(row.remove("text"), Some(AttributeValue::Null(true)), "a set became null");
    assert_eq!(row.remove("profile"), Some(map(&[("age", n("36")), ("address", address("somewhere"))])));
    assert_eq!(row.remove("owner_id"), None, "a key of an index can go, and the row leaves the index");
    assert_eq!(row, kept.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<super::Item>());
    assert!(tables.read("desk.letters", Who::Person(&li)).await.is_empty());
}

#[tokio::test]
async fn a_row_that_lacks_what_would_be_changed_is_no_error() {
    let tables = Tables::of("plain").await;
    tables.put("desk-letters", &[("letter_id", s("1")), ("owner_id", s(PERSON)), ("profile", s("no map"))]).await;
    tables.put("desk-letters", &[("letter_id", s("2")), ("reader_id", s(PERSON))]).await;
    let li = person(PERSON);
    let counts = tables.act("desk.letters", Who::Person(&li), &by_policy(&tables)).await;
    assert_eq!((counts.read, counts.anonymised), (2, 2));
    assert_eq!(tables.texts("desk-letters", "reader_id").await, ["nobody"]);
}

#[tokio::test]
async fn a_row_that_is_changed_between_read_and_write_is_read_and_judged_again() {
    let tables = Tables::of("plain").await;
    let letter =
        [("letter_id", s("1")), ("owner_id", s(PERSON)), ("profile", map(&[("name", s("Li"))])), ("text", s("old"))];
    tables.put("desk-letters", &letter).await;
    let client = tables.client.clone();
    tables.faults.before("UpdateItem", async move {
        let update = client.put_item().table_name("desk-letters").item("letter_id", s("1")).item("owner_id", s(PERSON));
        update.item("text", s("new")).item("stamp", s("kept")).send().await.unwrap();
    });
    let li = person(PERSON);
    let counts = tables.act("desk.letters", Who::Person(&li), &by_policy(&tables)).await;
    assert_eq!((counts.read, counts.anonymised), (1, 1));
    let row = tables.rows("desk-letters").await.remove(0);
    assert_eq!((&row["text"], &row["stamp"]), (&AttributeValue::Null(true), &s("kept")));
    assert!(!row.contains_key("profile") && !row.contains_key("owner_id"), "nothing that was read comes back");
}

#[tokio::test]
async fn a_row_that_becomes_anothers_between_read_and_write_stays_theirs() {
    let tables = Tables::of("plain").await;
    tables.put("desk-letters", &[("letter_id", s("1")), ("owner_id", s(PERSON))]).await;
    let client = tables.client.clone();
    tables.faults.before("DeleteItem", async move {
        let sold = client.put_item().table_name("desk-letters").item("letter_id", s("1")).item("owner_id", s(OTHER));
        sold.send().await.unwrap();
    });
    let li = person(PERSON);
    let counts = tables.act("desk.letters", Who::Person(&li), &Erase).await;
    assert_eq!((counts.read, counts.erased), (1, 0), "what was not erased is not counted");
    assert_eq!(tables.texts("desk-letters", "owner_id").await, [OTHER]);
}

#[tokio::test]
async fn a_sweep_leaves_a_row_whose_time_begins_anew() {
    let tables = Tables::of("plain").await;
    let note = |at: &str| [("owner_id", s(PERSON)), ("note_id", s("1")), ("at", s(at))];
    tables.put("desk-notes", &note("2020-01-01T00:00:00Z")).await;
    let client = tables.client.clone();
    tables.faults.before("DeleteItem", async move {
        let renewed = client.put_item().table_name("desk-notes").item("owner_id", s(PERSON)).item("note_id", s("1"));
        renewed.item("at", s("2026-11-20T00:00:00Z")).send().await.unwrap();
    });
    let (policy, now) = (tables.policy.clone(), "2026-11-21T00:00:00Z".parse().unwrap());
    let judge = move |row: &Row| {
        let rule = policy.rule("desk.notes").unwrap();
        habeas::connectors::decide_sweep(rule, &row.record, now, "Asia/Shanghai", &SeededRandom::new(1))
    };
    let counts = tables.act("desk.notes", Who::Everyone, &judge).await;
    assert_eq!((counts.read, counts.erased), (1, 0));
    assert_eq!(tables.texts("desk-notes", "at").await, ["2026-11-20T00:00:00Z"]);
}
