//! Kinds of table, column and name.

use habeas::connectors::{Action, Connector as _, Who};
use habeas::mask::Masked;
use habeas::record::Value;
use serde_json::json;

use super::shop::{Shop, person, words};

#[tokio::test]
async fn values_of_every_type_are_shown_as_postgresql_writes_them() {
    let shop = Shop::new(
        "CREATE TYPE mood AS ENUM ('glad', 'so so');
        CREATE TYPE place AS (town text, zip int);
        CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%');
        CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email mail, name varchar(20), balance numeric(30, 10),
            height float8, is_glad bool, feels mood, tags text[], grid int[][], facts jsonb, notes json, raw bytea, born date,
            seen timestamptz, waits interval, address inet, lives place, span int4range, paid money, none text,
            twice int GENERATED ALWAYS AS (1 + 1) STORED, hidden text DEFAULT 'never shown');
        INSERT INTO people (email, name, balance, height, is_glad, feels, tags, grid, facts, notes, raw, born, seen, waits,
            address, lives, span, paid) VALUES ('li@mail.example', 'Lǐ \"Wei\"\n', 12345678901234567890.1000000000, 'NaN', true,
            'so so', '{a,NULL,\"b c\"}', '{{1,2},{3,4}}', '{\"n\": 1.10, \"deep\": {\"x\": [null]}}', ' {\"as\" : \"is\"}',
            '\\x00ff', '1990-05-17', '2026-11-21T08:00:00.5+08', '1 day 2 hours', '10.0.0.1', ROW('Hangzhou', 310000),
            '[1,5)', 12.5)",
        &[(
            "people",
            &[
                "id!", "email", "name", "balance", "height", "is_glad", "feels", "tags", "grid", "facts", "notes", "raw",
                "born", "seen", "waits", "address", "lives", "span", "paid", "none", "twice",
            ],
        )],
    )
    .await;
    let rows = shop.read("db.people", &person("1", "")).await;
    let text = shop.text("db.people", &person("1", "")).await;
    assert!(text.contains(r#""balance":12345678901234567890.1000000000"#), "{text}");
    assert!(rows[0]["paid"].as_str().unwrap().contains("12"), "as the server's locale has it");
    assert_eq!(
        json!(rows),
        json!([{
            "id": 1, "email": "li@mail.example", "name": "Lǐ \"Wei\"\n", "balance": rows[0]["balance"], "height": "NaN",
            "is_glad": true, "feels": "so so", "tags": ["a", null, "b c"], "grid": [[1, 2], [3, 4]],
            "facts": {"n": rows[0]["facts"]["n"], "deep": {"x": [null]}}, "notes": {"as": "is"}, "raw": "AP8=",
            "born": "1990-05-17", "seen": "2026-11-21T00:00:00.5+00:00", "waits": "P1DT2H", "address": "10.0.0.1",
            "lives": {"town": "Hangzhou", "zip": 310_000}, "span": "[1,5)", "paid": rows[0]["paid"], "none": null, "twice": 2,
        }])
    );
}

#[tokio::test]
async fn names_may_be_anything_and_tables_in_any_schema() {
    let shop = Shop::with(
        r#"CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE SCHEMA "My ""Sales"" %s";
        CREATE TABLE "My ""Sales"" %s"."order" ("select" int PRIMARY KEY, "O'wner; --" int, "ÜBER $1" text, "k0" text);
        CREATE TABLE "My ""Sales"" %s"."{}" ("t" int PRIMARY KEY, "order" int, v0 text);
        INSERT INTO "My ""Sales"" %s"."order" VALUES (1, 1, 'x', 'y'), (2, 2, 'x', 'y');
        INSERT INTO "My ""Sales"" %s"."{}" VALUES (1, 1, 'a'), (2, 2, 'b')"#,
        &[
            ("people", &["id!", "email"]),
            ("order", &["select!", "O'wner; --<people.id", "ÜBER $1", "k0"]),
            ("items", &["t!", "order<order.select", "v0"]),
        ],
        |policy| {
            let sales = "My \"Sales\" %s";
            policy["systems"][0]["collections"] =
                json!({"order": {"table": format!("{sales}.order")}, "items": {"table": format!("{sales}.{{}}")}});
        },
    )
    .await;
    let li = person("1", "");
    assert_eq!(shop.read("db.items", &li).await, [json!({"t": 1, "order": 1, "v0": "a"})]);
    let expected = json!({"select": 1, "O'wner; --": 1, "ÜBER $1": "x", "k0": "y"});
    assert_eq!(shop.read("db.order", &li).await, [expected]);
    let change =
        Action::Change(vec![("ÜBER $1".to_owned(), Masked::Replaced(Value::Text("'); DROP TABLE people; --".into())))]);
    let mut change = Some(change);
    assert_eq!(shop.act("db.items", &li, |_| Some(Action::Erase)).await, (1, 0));
    let change = std::sync::Mutex::new(&mut change);
    assert_eq!(shop.act("db.order", &li, |_| change.lock().unwrap().take()).await, (0, 1));
    assert_eq!(shop.read("db.order", &li).await[0]["ÜBER $1"], "'); DROP TABLE people; --");
    assert_eq!(shop.number(r#"SELECT count(*) FROM "My ""Sales"" %s"."order" WHERE "ÜBER $1" = 'x'"#).await, 1);
}

#[tokio::test]
async fn partitions_are_read_and_erased_as_the_table_that_they_are_of() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE visits (id bigint, at date, visitor int, page text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
        CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
            PARTITION BY HASH (at);
        CREATE TABLE visits_new_0 PARTITION OF visits_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE visits_new_1 PARTITION OF visits_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        CREATE TABLE seen (visitor int, page text) PARTITION BY LIST (visitor);
        CREATE TABLE seen_1 PARTITION OF seen FOR VALUES IN (1, 2);
        CREATE TABLE seen_rest PARTITION OF seen DEFAULT;
        INSERT INTO visits SELECT n, '2025-06-01'::date + n % 500, 1 + n % 2, 'p' || n FROM generate_series(1, 12000) n;
        INSERT INTO seen SELECT n % 4, 'same' FROM generate_series(1, 80) n",
        &[
            ("people", &["id!", "email"]),
            ("visits", &["id", "at", "visitor<people.id", "page"]),
            ("seen", &["visitor<people.id", "page"]),
        ],
    )
    .await;
    let li = person("1", "");
    assert_eq!(shop.read("db.visits", &li).await.len(), 6_000);
    assert_eq!(shop.read("db.seen", &li).await.len(), 20, "rows without any key, and all alike");
    let every_third = |row: &habeas::connectors::Row| {
        let id: u64 = row.record.get("id")?.as_key()?.parse().ok()?;
        let fields = vec![
            ("visitor".to_owned(), Masked::Removed),
            ("page".to_owned(), Masked::Replaced(Value::Text("gone".into()))),
        ];
        Some(if id.is_multiple_of(3) { Action::Erase } else { Action::Change(fields) })
    };
    assert_eq!(shop.act("db.visits", &li, every_third).await, (2_000, 4_000));
    assert_eq!(shop.act("db.seen", &li, |_| Some(Action::Erase)).await, (20, 0));
    assert_eq!(shop.number("SELECT count(*) FROM visits WHERE visitor = 2").await, 6_000);
    assert_eq!(shop.number("SELECT count(*) FROM visits WHERE visitor IS NULL AND page = 'gone'").await, 4_000);
    assert_eq!(shop.number("SELECT count(*) FROM visits").await, 10_000);
    assert_eq!(shop.number("SELECT count(*) FROM seen").await, 60);
}

#[tokio::test]
async fn views_are_read_by_the_key_that_the_policy_gives_and_never_changed() {
    let tables = "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE sales (id int, owner int, sum int);
        INSERT INTO sales SELECT n % 100, 1 + n % 2, n FROM generate_series(1, 1000) n;
        CREATE VIEW totals AS SELECT owner, id, sum(sum) AS total FROM sales GROUP BY owner, id;
        CREATE MATERIALIZED VIEW yearly AS SELECT owner, sum(sum) AS total FROM sales GROUP BY owner";
    let collections: &[(&str, &[&str])] = &[
        ("people", &["id!", "email"]),
        ("totals", &["owner<people.id", "id", "total"]),
        ("yearly", &["owner<people.id", "total"]),
    ];
    let without = Shop::new(tables, collections).await;
    let li = person("1", "");
    let error = without.connector().read(&without.target("db.totals"), Who::Person(&li), None).await.err().unwrap();
    assert!(words(&error).1.contains("key: [FIELD]"), "{}", words(&error).1);
    let shop = Shop::with(tables, collections, |policy| {
        policy["systems"][0]["collections"] = json!({"totals": {"key": ["owner", "id"]}});
    })
    .await;
    assert_eq!(shop.read("db.totals", &li).await.len(), 50);
    assert_eq!(shop.read("db.yearly", &li).await.len(), 1);
    for collection in ["db.totals", "db.yearly"] {
        let page = shop.connector().read(&shop.target(collection), Who::Person(&li), None).await.unwrap();
        let actions = page.rows.into_iter().map(|row| (row, Action::Erase)).collect();
        let error = shop.connector().apply(&shop.target(collection), actions).await.unwrap_err();
        let (is_for_good, words) = words(&error);
        assert!(is_for_good && words.contains("read only"), "{words}");
    }
}

#[tokio::test]
async fn a_key_that_is_null_or_not_unique_loses_no_row_and_takes_no_other() {
    let shop = Shop::with(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE notes (owner int, tag text, body text);
        INSERT INTO notes SELECT 1 + n % 2, CASE WHEN n % 3 > 0 THEN 't' || n % 5 END, 'b' FROM generate_series(1, 20000) n",
        &[("people", &["id!", "email"]), ("notes", &["owner<people.id", "tag", "body"])],
        |policy| policy["systems"][0]["collections"] = json!({"notes": {"key": ["tag"]}}),
    )
    .await;
    let li = person("1", "");
    let rows = shop.read("db.notes", &li).await;
    assert_eq!((rows.len(), rows.iter().filter(|row| row["tag"].is_null()).count()), (10_000, 3_333));
    assert_eq!(shop.act("db.notes", &li, |_| Some(Action::Erase)).await, (10_000, 0));
    assert_eq!(shop.number("SELECT count(*) FROM notes WHERE owner = 2").await, 10_000);
    assert_eq!(shop.number("SELECT count(*) FROM notes WHERE owner = 1").await, 0);
}
