//! How groups are counted, and what is found to be in the way of that and of the strategies that go with it.

use habeas::connectors::{Connector as _, Obstacle};
use habeas::policy::CollectionRule;
use serde_json::{Value, json};

use super::shop::Shop;

const TABLES: &str = "CREATE TABLE people (id int PRIMARY KEY, email text, age int, born date, city text, facts jsonb,
        tags text[], latitude numeric(9,6), point float8, nick varchar(10), plate text);
    INSERT INTO people (id, age, born, city, facts) VALUES (1, 30, '1996-05-17', 'Xiamen', '{\"plan\": \"a\"}'),
        (2, 30, '1996-05-17', 'Xiamen', '{\"plan\": \"a\"}'), (3, 30, '1996-05-17', 'xiamen', '{\"plan\": \"b\"}'),
        (4, 30, NULL, 'Xiamen', NULL), (5, 30, NULL, 'Xiamen', '{}'), (6, NULL, NULL, NULL, NULL),
        (7, 31, '1996-05-18', 'o''neil'' OR 1=1; --', NULL)";

async fn shop() -> Shop {
    let fields = ["id!", "email@email", "age", "born", "city", "facts", "tags", "latitude", "point", "nick", "plate"];
    Shop::new(TABLES, &[("people", &fields)]).await
}

#[tokio::test]
async fn rows_are_alike_by_the_types_of_their_columns_and_null_is_like_null() {
    let shop = shop().await;
    let fields = ["age", "born", "city", "facts.plan"].map(ToOwned::to_owned);
    let asked = [
        (["30", "1996-05-17", "Xiamen", "a"].map(Some), 2),
        (["30", "1996-05-17", "xiamen", "b"].map(Some), 1),
        ([Some("30"), None, Some("Xiamen"), None], 2),
        ([None; 4], 1),
        ([Some("31"), Some("1996-05-18"), Some("o'neil' OR 1=1; --"), None], 1),
        ([Some("thirty"), None, Some("Xiamen"), None], 0),
        ([Some("030"), None, Some("Xiamen"), None], 0),
        ([Some("30"), Some("soon"), Some("Xiamen"), Some("a")], 0),
    ];
    let groups: Vec<Vec<Option<String>>> =
        asked.iter().map(|(values, _)| values.iter().map(|value| value.map(ToOwned::to_owned)).collect()).collect();
    let sizes = shop.connector().group_sizes(&shop.target("db.people"), &fields, &groups).await.unwrap();
    assert_eq!(sizes, asked.map(|(_, size)| size));
}

fn rule(erasure: &Value) -> CollectionRule {
    serde_json::from_value(json!({"retention": null, "erasure": erasure})).unwrap()
}

async fn found(shop: &Shop, erasure: Value) -> Vec<Obstacle> {
    shop.connector().preflight(&shop.target("db.people"), Some(&rule(&erasure))).await.unwrap()
}

#[tokio::test]
async fn what_would_keep_groups_from_being_counted_is_found() {
    let shop = shop().await;
    shop.sql.batch_execute("INSERT INTO people (id) SELECT generate_series(100, 12000); ANALYZE people").await.unwrap();
    let demand = |fields: Value| {
        let erasure = json!({"action": "anonymise", "fields": {"email": "erase"},
            "k_anonymity": {"k": 5, "quasi_identifiers": fields}});
        found(&shop, erasure)
    };
    let obstacles = demand(json!(["tags", "town", "city"])).await;
    let of =
        |field: &str| obstacles.iter().filter(|obstacle| obstacle.field.as_deref() == Some(field)).collect::<Vec<_>>();
    let (tags, town) = (of("tags"), of("town"));
    let ([tags, slow], [town]) = (tags.as_slice(), town.as_slice()) else { panic!("{obstacles:#?}") };
    assert!(tags.refuses && tags.message.contains("a list is no quasi-identifier"), "{tags:?}");
    assert!(town.refuses && town.message.contains("no column town"), "{town:?}");
    assert!(!slow.refuses && slow.message.contains("every group is counted by reading all"), "{slow:?}");
    shop.sql.batch_execute("CREATE INDEX by_city ON people (city)").await.unwrap();
    let obstacles = demand(json!(["age", "city"])).await;
    assert!(obstacles.iter().all(|obstacle| !obstacle.message.contains("group")), "{obstacles:#?}");

    // Rows may go, whoever only may change them.
    let role = &shop.database.name;
    shop.database
        .admin()
        .await
        .batch_execute(&format!("ALTER TABLE people OWNER TO CURRENT_USER; GRANT SELECT, UPDATE ON people TO {role}"))
        .await
        .unwrap();
    let obstacles = demand(json!(["city"])).await;
    assert!(
        obstacles.iter().any(|obstacle| obstacle.refuses && obstacle.message.contains("GRANT DELETE")),
        "{obstacles:#?}"
    );
}

#[tokio::test]
async fn columns_that_take_what_is_coarse_random_or_scanned_are_told_from_those_that_do_not() {
    let shop = shop().await;
    let fields = |fields: Value| found(&shop, json!({"action": "anonymise", "fields": fields}));
    let coordinates = json!({"generalise": {"coordinates": 2}});
    let right = json!({"latitude": coordinates, "point": coordinates, "city": "scan", "nick": "random_format",
        "plate": "random_format", "email": "detach", "facts": "scan"});
    let obstacles = fields(right).await;
    assert!(obstacles.iter().all(|obstacle| !obstacle.refuses), "{obstacles:#?}");
    let wrong = json!({"age": {"generalise": {"age_band": 5}}, "born": "random_format", "latitude": "scan",
        "nick": "detach", "point": "detach"});
    let obstacles = fields(wrong.clone()).await;
    let refused: Vec<&str> = obstacles.iter().filter(|o| o.refuses).filter_map(|o| o.field.as_deref()).collect();
    assert_eq!(refused, wrong.as_object().unwrap().keys().collect::<Vec<_>>(), "{obstacles:#?}");
}
