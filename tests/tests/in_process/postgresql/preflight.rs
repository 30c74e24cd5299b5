//! What is found before anything is touched.

use habeas::connectors::{Connector as _, Obstacle};
use habeas::policy::CollectionRule;
use serde_json::{Value, json};

use super::shop::Shop;

fn rule(erasure: &Value) -> CollectionRule {
    serde_json::from_value(json!({"retention": null, "erasure": erasure})).unwrap()
}

async fn found(shop: &Shop, collection: &str, erasure: Value) -> Vec<Obstacle> {
    shop.connector().preflight(&shop.target(collection), Some(&rule(&erasure))).await.unwrap()
}

/// Field and beginning of what refuses.
fn refusals(found: &[Obstacle]) -> Vec<(Option<&str>, &str)> {
    let refusing = found.iter().filter(|obstacle| obstacle.refuses);
    refusing.map(|obstacle| (obstacle.field.as_deref(), obstacle.message.as_str())).collect()
}

#[tokio::test]
async fn a_strategy_that_a_column_does_not_take_is_found() {
    let shop = Shop::new(
        "CREATE TYPE mood AS ENUM ('glad', 'none');
        CREATE TABLE towns (name text PRIMARY KEY);
        CREATE TABLE people (id int PRIMARY KEY, email text NOT NULL, nick varchar(10), feels mood, born date, tags text[],
            twice int GENERATED ALWAYS AS (1) STORED, login text UNIQUE, town text REFERENCES towns, facts jsonb, note text,
            age int, secret text)",
        &[(
            "people",
            &["id!", "email", "nick", "feels", "born", "tags", "twice", "login", "town", "facts", "note", "age"],
        )],
    )
    .await;
    let fields = |fields: Value| found(&shop, "db.people", json!({"action": "anonymise", "fields": fields}));
    let wrong = json!({
        "id": {"fixed": "0"}, "email": "erase", "nick": "random", "feels": {"fixed": "gone"}, "born": {"generalise": "year"},
        "twice": "null", "login": {"fixed": "x"}, "town": "random", "age": "salted_hash",
    });
    let found_wrong = fields(wrong.clone()).await;
    let refused: Vec<_> = refusals(&found_wrong).into_iter().map(|(field, _)| field.unwrap()).collect();
    assert_eq!(refused, wrong.as_object().unwrap().keys().collect::<Vec<_>>(), "{found_wrong:#?}");
    let right = json!({
        "email": {"fixed": "gone"}, "nick": "erase", "feels": {"fixed": "none"}, "born": {"fixed": "1900-01-01"},
        "tags": {"fixed": "x"}, "login": "random", "town": "erase", "facts": {"fixed": "x"}, "note": "salted_hash",
        "age": {"fixed": "0"},
    });
    let found_right = fields(right).await;
    assert_eq!(refusals(&found_right), []);
    let [note] = found_right.as_slice() else { panic!("{found_right:#?}") };
    assert!(note.message.contains("secret") && !note.message.contains("email"), "{}", note.message);
}

#[tokio::test]
async fn rows_that_others_refer_to_are_found_with_what_to_write() {
    let tables = "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES people ON DELETE SET NULL);
        CREATE TABLE addresses (id int PRIMARY KEY, owner int REFERENCES people);
        CREATE TABLE parcels (id int PRIMARY KEY, receiver int, address int CONSTRAINT parcel_to REFERENCES addresses);
        CREATE TABLE stickers (id int PRIMARY KEY, parcel int);
        CREATE TABLE labels (id int PRIMARY KEY, address int CONSTRAINT label_of REFERENCES addresses ON DELETE CASCADE);
        CREATE TABLE audits (id int PRIMARY KEY, who int CONSTRAINT audited REFERENCES people);
        CREATE TABLE replies (id int PRIMARY KEY, author int, answers int CONSTRAINT answer REFERENCES replies);
        CREATE VIEW everyone AS SELECT * FROM people";
    let collections: &[(&str, &[&str])] = &[
        ("people", &["id!", "email"]),
        ("orders", &["id!", "customer<people.id"]),
        ("addresses", &["id!", "owner<people.id"]),
        ("parcels", &["id!", "receiver<people.id", "address"]),
        ("labels", &["id!", "address<addresses.id"]),
        ("replies", &["id!", "author<people.id", "answers"]),
        ("everyone", &["id!", "email@email"]),
        ("nowhere", &["id!", "owner<people.id"]),
        ("bare", &["id!", "missing", "owner<people.id"]),
        // Goes before parcels, which so go at the same time as addresses.
        ("stickers", &["id!", "parcel<parcels.id"]),
    ];
    let erase = json!({"action": "erase"});
    let keep = json!({"action": "keep", "reason": {"en": "x"}});
    let rules = |labels: &Value| {
        let rule = |erasure: &Value| json!({"retention": null, "erasure": erasure});
        json!({"db.orders": rule(&erase), "db.addresses": rule(&erase), "db.parcels": rule(&erase), "db.labels": rule(labels)})
    };
    let shop = Shop::with(tables, collections, |policy| {
        policy["collections"] = rules(&keep);
        policy["systems"][0]["collections"] = json!({"bare": {"table": "addresses"}});
    })
    .await;
    let only = async |shop: &Shop, collection: &str| {
        let found = found(shop, collection, erase.clone()).await;
        refusals(&found).into_iter().map(|(_, message)| message.to_owned()).collect::<Vec<_>>()
    };
    let people = only(&shop, "db.people").await;
    assert_eq!(people.len(), 2, "{people:#?}");
    assert!(
        people[0].contains("audited") && people[0].contains("public.audits"),
        "a table that no collection is: {}",
        people[0]
    );
    assert!(people[1].contains("orders_customer_fkey") && people[1].contains("NOT NULL"), "{}", people[1]);
    let addresses = only(&shop, "db.addresses").await;
    assert_eq!(addresses.len(), 2, "{addresses:#?}");
    assert!(
        addresses[0].contains("label_of") && addresses[0].contains("db.labels"),
        "kept, and would go: {}",
        addresses[0]
    );
    assert!(addresses[1].contains("erase_after: [db.parcels]"), "{}", addresses[1]);
    assert!(only(&shop, "db.replies").await[0].contains("answer"));
    assert!(only(&shop, "db.everyone").await[0].contains("read only"));
    assert!(only(&shop, "db.nowhere").await[0].contains("no table or view public.nowhere"));
    assert!(only(&shop, "db.bare").await[0].contains("no column missing"));

    let shop = Shop::with(tables, collections, |policy| policy["collections"] = rules(&erase)).await;
    let mut bundle = json!({"policy": shop.policy.policy(), "datasets": shop.policy.datasets()});
    bundle["datasets"][0]["collections"][2]["fides_meta"] = json!({"erase_after": ["db.parcels"]});
    let pinned = |bundle: &Value| habeas::policy::Pinned::new(serde_json::from_value(bundle.clone()).unwrap()).unwrap();
    let shop = Shop { policy: pinned(&bundle), ..shop };
    assert_eq!(only(&shop, "db.addresses").await, [""; 0]);

    let retain = |period: &str| json!({"action": "retain", "start_field": "id", "for": period, "basis": {"en": "x"}});
    bundle["policy"]["collections"]["db.parcels"]["erasure"] = retain("P3Y");
    let shop = Shop { policy: pinned(&bundle), ..shop };
    for (own, refusing) in [(erase.clone(), 1), (retain("P35M"), 1), (retain("P36M"), 0), (retain("P4Y"), 0)] {
        let found = found(&shop, "db.addresses", own.clone()).await;
        assert_eq!(refusals(&found).len(), refusing, "{own}: {:?}", refusals(&found));
    }
}

#[tokio::test]
async fn a_missing_right_or_index_is_found() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text, name text);
        CREATE TABLE visits (id int PRIMARY KEY, visitor int REFERENCES people ON DELETE CASCADE, page text);
        INSERT INTO people VALUES (1);
        INSERT INTO visits SELECT n, 1, 'p' FROM generate_series(1, 20000) n;
        ANALYZE visits",
        &[("people", &["id!", "email", "name"]), ("visits", &["id!", "visitor<people.id", "page"])],
    )
    .await;
    let role = &shop.database.name;
    let messages = async |collection: &str, refuses: bool, erasure: Value| {
        let found = found(&shop, collection, erasure).await;
        let found = found.into_iter().filter(|obstacle| obstacle.refuses == refuses);
        found.map(|obstacle| obstacle.message).collect::<Vec<_>>()
    };
    let notes = messages("db.visits", false, json!({"action": "erase"})).await;
    assert!(notes.len() == 1 && notes[0].contains("no index begins with visitor"), "{notes:#?}");
    let notes = messages("db.people", false, json!({"action": "erase"})).await;
    assert!(notes.len() == 1 && notes[0].contains("visits_visitor_fkey"), "{notes:#?}");
    let admin = shop.database.admin().await;
    let revoke = format!(
        "CREATE INDEX ON visits (visitor); ALTER TABLE people OWNER TO CURRENT_USER; ALTER TABLE visits OWNER TO CURRENT_USER;
        GRANT SELECT (id, email) ON people TO {role}; GRANT SELECT, UPDATE (page) ON visits TO {role}"
    );
    admin.batch_execute(&revoke).await.unwrap();
    let refused = messages("db.people", true, json!({"action": "anonymise", "fields": {"email": "erase"}})).await;
    assert!(refused[0].contains("may not read the column") && refused[1].contains("xmin"), "{refused:#?}");
    assert!(refused[2].contains("GRANT UPDATE") && refused.len() == 3, "{refused:#?}");
    let refused = messages("db.visits", true, json!({"action": "erase"})).await;
    assert!(refused.len() == 1 && refused[0].contains("GRANT DELETE"), "{refused:#?}");
    let anonymise = json!({"action": "anonymise", "fields": {"page": "erase", "visitor": "erase"}});
    assert_eq!(messages("db.visits", true, anonymise).await.len(), 1, "only visitor may not be changed");
    assert_eq!(messages("db.visits", false, json!({"action": "erase"})).await, [""; 0]);
}
