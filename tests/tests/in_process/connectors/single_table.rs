//! A table that holds several collections, told apart by its keys.

use habeas::connectors::{Connector, Row, Who, decide};
use habeas::random::SeededRandom;
use habeas_e2e::suite::{Erase, OTHER, PERSON, person};

use super::{Tables, person_with, s};

/// Two people with a profile, two orders of one line each and a review.
async fn shop() -> Tables {
    let tables = Tables::of("single-table").await;
    for (user, mail) in [(PERSON, "li@mail.example"), (OTHER, "ann@mail.example")] {
        let (pk, by_mail) = (format!("USER#{user}"), format!("MAIL#{mail}"));
        let profile = [("pk", s(&pk)), ("sk", s("PROFILE")), ("gsi1pk", s(&by_mail)), ("gsi1sk", s("PROFILE"))];
        tables.put("shop", &[&profile[..], &[("email", s(mail))]].concat()).await;
        for order in ["1", "2"] {
            let (id, sk) = (format!("{user}-{order}"), format!("ORDER#{order}"));
            let at = s(if order == "1" { "2020-01-01T00:00:00Z" } else { "2026-11-01T00:00:00Z" });
            tables.put("shop", &[("pk", s(&pk)), ("sk", s(&sk)), ("order_id", s(&id)), ("at", at)]).await;
            let line = [("pk", s(&format!("ORDER#{id}"))), ("sk", s("LINE#1")), ("goods", s("a book"))];
            tables.put("shop", &line).await;
        }
        let review = [
            ("pk", s("BOOK#1")),
            ("sk", s(&format!("REVIEW#{user}"))),
            ("gsi1pk", s(&pk)),
            ("gsi1sk", s("REVIEW#1")),
            ("kind", s("review")),
            ("text", s("good")),
        ];
        tables.put("shop", &review).await;
    }
    // What is in no collection, though it looks like it.
    tables
        .put("shop", &[("pk", s("TEAM#1")), ("sk", s("ORDER#1")), ("order_id", s("x")), ("at", s("2020-01-01"))])
        .await;
    tables.put("shop", &[("pk", s(&format!("USER#{PERSON}"))), ("sk", s("SESSION#1"))]).await;
    tables
}

/// Keys of all rows, sorted.
async fn keys(tables: &Tables) -> Vec<String> {
    let text = |value: &aws_sdk_dynamodb::types::AttributeValue| value.as_s().unwrap().clone();
    let key = |row: &super::Item| format!("{} {}", text(&row["pk"]), text(&row["sk"]));
    let mut keys: Vec<String> = tables.rows("shop").await.iter().map(key).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_person_is_found_by_what_stands_in_the_keys() {
    let tables = shop().await;
    let by_mail = person_with(&[("email", "li@mail.example")], &[]);
    let rows = tables.read("shop.customers", Who::Person(&by_mail)).await;
    let [row] = rows.as_slice() else { unreachable!("one profile") };
    // Their user id stands in the key alone, and is read out of it.
    assert_eq!(row.record.get("user_id").and_then(|value| value.as_text()), Some(PERSON));
    let both = person_with(&[("user_id", PERSON), ("email", "li@mail.example")], &[]);
    assert_eq!(tables.read("shop.customers", Who::Person(&both)).await.len(), 1);
    let who = Who::Person(&both);
    assert_eq!(tables.connector().count(&tables.target("shop.customers"), who).await.unwrap(), 1);
}

#[tokio::test]
async fn each_collection_loses_its_own_rows_of_the_person_and_no_other() {
    let tables = shop().await;
    let all = keys(&tables).await;
    let orders: [&[&str]; 2] = [&["u-li-1"], &["u-li-2"]];
    let li = person_with(&[("user_id", PERSON), ("email", "li@mail.example")], &[("shop.orders", &orders)]);
    let mut expected = all;
    for (collection, count, gone) in [
        ("shop.lines", 2, &["ORDER#u-li-1 LINE#1", "ORDER#u-li-2 LINE#1"][..]),
        ("shop.orders", 2, &["USER#u-li ORDER#1", "USER#u-li ORDER#2"]),
        ("shop.customers", 1, &["USER#u-li PROFILE"]),
    ] {
        let target = tables.target(collection);
        assert_eq!(tables.connector().count(&target, Who::Person(&li)).await.unwrap(), count, "{collection}");
        let counts = tables.act(collection, Who::Person(&li), &Erase).await;
        assert_eq!((counts.read, counts.erased), (count, count), "{collection}");
        expected.retain(|key| !gone.contains(&key.as_str()));
        assert_eq!(keys(&tables).await, expected, "{collection}");
    }
}

#[tokio::test]
async fn an_index_that_holds_rows_of_several_collections_leads_to_those_of_one() {
    let tables = shop().await;
    let li = person(PERSON);
    let policy = tables.policy.clone();
    let judge = move |row: &Row| {
        let link = &policy.links("shop.reviews")[row.link];
        let (rule, now) = (policy.rule("shop.reviews").unwrap(), "2026-11-21T00:00:00Z".parse().unwrap());
        decide(rule, link, &row.record, now, "Asia/Shanghai", &SeededRandom::new(1))
    };
    let counts = tables.act("shop.reviews", Who::Person(&li), &judge).await;
    assert_eq!((counts.read, counts.anonymised), (1, 1));
    let texts = tables.texts("shop", "text").await;
    assert_eq!(texts, ["[deleted]", "good"]);
    assert!(tables.read("shop.reviews", Who::Person(&li)).await.is_empty(), "the index's key is gone");
}

#[tokio::test]
async fn a_sweep_reads_the_rows_of_its_collection_only() {
    let tables = shop().await;
    let rows = tables.read("shop.orders", Who::Everyone).await;
    assert_eq!(rows.len(), 4, "neither profiles nor a team's");
    assert_eq!(tables.connector().count(&tables.target("shop.orders"), Who::Everyone).await.unwrap(), 4);
    let policy = tables.policy.clone();
    let judge = move |row: &Row| {
        let (rule, now) = (policy.rule("shop.orders").unwrap(), "2026-11-21T00:00:00Z".parse().unwrap());
        habeas::connectors::decide_sweep(rule, &row.record, now, "Asia/Shanghai", &SeededRandom::new(1))
    };
    let counts = tables.act("shop.orders", Who::Everyone, &judge).await;
    assert_eq!((counts.read, counts.erased), (4, 2));
    assert!(keys(&tables).await.contains(&"TEAM#1 ORDER#1".to_owned()));
}
