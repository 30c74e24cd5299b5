//! Whole requests of a person who is in a database, by the functions themselves.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use habeas::evidence::Fact;
use habeas::request::Status;
use habeas_e2e::{TestDatabase, World};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::people::fresh;
use crate::recheck::{after, rechecks};
use crate::stories::package;

/// Customer 7 is Li, customer 8 is Ann.
const TABLES: &str = "
    CREATE SCHEMA sales;
    CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY (START 7) PRIMARY KEY, email text, name text NOT NULL,
        language text);
    CREATE TABLE addresses (id int PRIMARY KEY, street text);
    CREATE TABLE products (id uuid PRIMARY KEY, title text);
    CREATE TABLE sales.orders (id text PRIMARY KEY, customer_id bigint NOT NULL, ship_to int REFERENCES addresses,
        placed_at timestamptz);
    CREATE TABLE sales.order_items (order_id text REFERENCES sales.orders, no smallint, product_id uuid REFERENCES products,
        note text, PRIMARY KEY (order_id, no));
    CREATE TABLE reviews (id int PRIMARY KEY, author int, text text, stars int NOT NULL);
    CREATE TABLE logins (customer int, at timestamptz);
    CREATE TABLE answers (id int PRIMARY KEY, customer int, place text, born text, answer int);
    CREATE TABLE letters (id int PRIMARY KEY, sender int, receiver text, text text, call_back text);
    CREATE TABLE sales.invoices (number int PRIMARY KEY, customer_id int, bill_to text, issued_at date,
        cents bigint DEFAULT 100);
    CREATE SCHEMA restricted;
    CREATE TABLE restricted.invoices (LIKE sales.invoices INCLUDING ALL);
    INSERT INTO customers (email, name, language) VALUES ('li@mail.example', 'Li Wei', 'en'), ('ann@mail.example', 'Ann', 'en');
    INSERT INTO addresses VALUES (1, '1 Long Street'), (2, '2 Short Street');
    INSERT INTO products SELECT gen_random_uuid(), title FROM unnest(ARRAY['A book', 'A lamp']) title;
    INSERT INTO sales.orders VALUES ('o1', 7, 1, '2026-01-02'), ('o2', 7, NULL, '2026-01-03'), ('o3', 8, 2, '2026-01-04');
    INSERT INTO sales.order_items SELECT o.id, n, (SELECT id FROM products WHERE title = 'A book'), 'item ' || n
        FROM sales.orders o, generate_series(1, 2) n;
    INSERT INTO reviews VALUES (1, 7, 'Li likes it', 5), (2, 8, 'Ann likes it', 4);
    INSERT INTO logins SELECT 7 + n % 2, '2026-11-01' FROM generate_series(1, 11000) n;
    INSERT INTO sales.invoices VALUES (1, 7, '1 Long Street', '2026-01-02'), (2, 7, '1 Long Street', '2020-01-02'),
        (3, 8, '2 Short Street', '2026-01-02')";

/// Pages that were looked at, a line each, as a stream leaves them: two objects, of which one is compressed.
const VIEWS: [(&str, &str); 2] = [
    (
        "views/dt=2026-11-01/1.jsonl",
        r#"{"view_id":"v1","customer":7,"page":"/lamp"}
{"view_id":"v2","customer":8,"page":"/book", "at" : 1.50}
{"view_id":"v3","customer":77,"page":"/about"}
"#,
    ),
    (
        "views/dt=2026-11-02/1.jsonl.gz",
        r#"{"view_id":"v4","customer":8,"page":"/lamp"}
{"view_id":"v5","customer":"7","page":"/book"}
"#,
    ),
];

fn is_gzip(key: &str) -> bool {
    key.rsplit('.').next() == Some("gz")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

pub(super) struct Shop {
    _database: TestDatabase,
    pub(super) sql: Client,
    pub(super) world: World,
}

pub(super) async fn shop() -> Shop {
    shop_in(async |secrets| World::with_database(secrets).await).await
}

/// The same in a world that is made of the secrets.
pub(super) async fn shop_in(world: impl AsyncFnOnce(BTreeMap<String, String>) -> World) -> Shop {
    let database = TestDatabase::create().await;
    let sql = database.client().await;
    sql.batch_execute(TABLES).await.unwrap();
    let secrets = BTreeMap::from([("habeas/shop".to_owned(), database.secret().to_string())]);
    let world = world(secrets).await;
    for (id, order, text) in [("t1", "o1", "Where is it?"), ("t2", "o3", "Thank you")] {
        world.put("shop-tickets", &[("ticket_id", id), ("order_id", order), ("text", text)]).await;
    }
    for (key, lines) in VIEWS {
        let body = if is_gzip(key) { gzip(lines.as_bytes()) } else { lines.as_bytes().to_vec() };
        world.s3.put_object().bucket("shop-lake").key(key).body(body.into()).send().await.unwrap();
    }
    Shop { _database: database, sql, world }
}

impl Shop {
    /// Each line of a query of one column of text.
    pub(super) async fn lines(&self, query: &str) -> Vec<String> {
        let rows = self.sql.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// Everything of one customer, line by line.
    pub(super) async fn of(&self, customer: u8) -> Vec<String> {
        self.lines(&format!(
            "SELECT c::text FROM customers c WHERE id = {customer} UNION ALL
            SELECT o::text FROM sales.orders o WHERE customer_id = {customer} UNION ALL
            SELECT i::text FROM sales.order_items i JOIN sales.orders o ON o.id = i.order_id WHERE customer_id = {customer}
            UNION ALL SELECT a::text FROM addresses a JOIN sales.orders o ON o.ship_to = a.id WHERE customer_id = {customer}
            UNION ALL SELECT r::text FROM reviews r WHERE author = {customer} UNION ALL
            SELECT count(*)::text FROM logins WHERE customer = {customer} UNION ALL
            SELECT i::text FROM sales.invoices i WHERE customer_id = {customer}"
        ))
        .await
    }

    /// The lines of both objects.
    async fn views(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, _) in VIEWS {
            let object = self.world.s3.get_object().bucket("shop-lake").key(key).send().await.unwrap();
            let body = object.body.collect().await.unwrap().to_vec();
            let mut text = String::new();
            if is_gzip(key) {
                flate2::read::MultiGzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(body).unwrap();
            }
            lines.extend(text.lines().map(ToOwned::to_owned));
        }
        lines
    }

    pub(super) async fn ask(&self, right: &str) -> String {
        let (token, body) = (fresh(&self.world, "7"), json!({"right": right}));
        let answer = self.world.call("POST", "/v1/requests", Some(&token), Some(body)).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let id = answer.body["request_id"].as_str().unwrap().to_owned();
        self.world.run_to_end(&id).await;
        let request = self.world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(request.status, Status::Completed);
        id
    }
}

#[tokio::test]
async fn an_access_shows_a_person_everything_over_every_path() {
    let shop = shop().await;
    let id = shop.ask("access").await;
    let files = package(&shop.world, &id).await;
    let rows = |dataset: &str, collection: &str| -> Vec<Value> {
        serde_json::from_slice(&files[&format!("data/{dataset}/{collection}.json")]).unwrap()
    };
    let names = |rows: Vec<Value>, field: &str| rows.iter().map(|row| row[field].clone()).collect::<Vec<_>>();
    assert_eq!(
        rows("shop_db", "customers"),
        [json!({"id": 7, "email": "li@mail.example", "name": "Li Wei", "language": "en"})]
    );
    assert_eq!(
        names(rows("shop_db", "orders"), "placed_at"),
        ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"]
    );
    assert_eq!(names(rows("shop_db", "order_items"), "note"), ["item 1", "item 2", "item 1", "item 2"]);
    assert_eq!(names(rows("shop_db", "products"), "title"), ["A book"]);
    assert_eq!(names(rows("shop_db", "addresses"), "street"), ["1 Long Street"]);
    assert_eq!(rows("shop_db", "logins").len(), 5_500);
    assert_eq!(names(rows("shop_support", "tickets"), "text"), ["Where is it?"]);
    assert_eq!(names(rows("shop_lake", "views"), "view_id"), ["v1", "v5"]);
}

#[tokio::test]
async fn an_erasure_goes_along_every_path_and_leaves_others_and_what_is_kept() {
    let shop = shop().await;
    let ann = shop.of(8).await;
    let rows_left = "SELECT (SELECT count(*) FROM customers) || ' ' || (SELECT count(*) FROM sales.orders) || ' ' ||
        (SELECT count(*) FROM sales.order_items) || ' ' || (SELECT count(*) FROM addresses) || ' ' ||
        (SELECT count(*) FROM products) || ' ' || (SELECT count(*) FROM logins)";
    shop.ask("erasure").await;
    assert_eq!(shop.lines(rows_left).await, ["1 1 2 1 2 5500"]);
    assert_eq!(shop.of(8).await, ann);
    assert_eq!(shop.lines("SELECT r::text FROM reviews r WHERE id = 1").await, ["(1,,[deleted],0)"]);
    assert_eq!(shop.lines("SELECT i::text FROM sales.invoices i WHERE customer_id = 7").await, Vec::<String>::new());
    let kept = shop.lines("SELECT i::text FROM restricted.invoices i").await;
    assert_eq!(kept, ["(1,7,,2026-01-02,100)"], "moved whole, without its address; the old one is gone");
    let tickets = habeas_e2e::dump(&shop.world.dynamodb, "shop-tickets").await;
    assert_eq!(tickets.iter().map(|ticket| ticket["ticket_id"].as_str()).collect::<Vec<_>>(), ["t2"]);
    assert_eq!(
        shop.views().await,
        [
            r#"{"view_id":"v2","customer":8,"page":"/book", "at" : 1.50}"#,
            r#"{"view_id":"v3","customer":77,"page":"/about"}"#,
            r#"{"view_id":"v4","customer":8,"page":"/lamp"}"#,
        ],
        "other people's lines are as they were, to the byte"
    );
    // Once more finds nothing to do, and does nothing.
    shop.world.advance(jiff::SignedDuration::from_hours(1));
    let before = shop
        .lines(
            "SELECT (SELECT json_agg(i)::text FROM restricted.invoices i) || (SELECT json_agg(r)::text FROM reviews r)",
        )
        .await;
    let body = json!({"right": "erasure"}).to_string();
    let token = fresh(&shop.world, "7");
    let answer = shop.world.call_raw("POST", "/v1/requests", Some(&token), Some("again"), body).await;
    shop.world.run_to_end(answer.body["request_id"].as_str().unwrap()).await;
    let after = shop
        .lines(
            "SELECT (SELECT json_agg(i)::text FROM restricted.invoices i) || (SELECT json_agg(r)::text FROM reviews r)",
        )
        .await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_re_check_finds_late_rows_by_keys_that_were_captured_and_forgets_the_keys_after_the_last() {
    let shop = shop().await;
    let world = &shop.world;
    let id = shop.ask("erasure").await;
    let keys = async || {
        let listed =
            world.s3.list_objects_v2().bucket(World::BUCKET).prefix(format!("keys/{id}/")).send().await.unwrap();
        listed.contents().len()
    };
    assert!(keys().await > 0);
    let late = "INSERT INTO sales.orders VALUES ('o9', 7, NULL, '2026-11-22')";
    shop.sql.batch_execute(late).await.unwrap();
    for (ticket, order) in [("t3", "o1"), ("t4", "o9")] {
        world.put("shop-tickets", &[("ticket_id", ticket), ("order_id", order), ("text", "late")]).await;
    }
    after(world, SignedDuration::from_hours(24)).await;
    let tickets = habeas_e2e::dump(&world.dynamodb, "shop-tickets").await;
    let left: Vec<&str> = tickets.iter().map(|ticket| ticket["ticket_id"].as_str()).collect();
    assert_eq!(left, ["t2"], "neither of an order that is gone nor of one that came late");
    assert_eq!(shop.lines("SELECT id FROM sales.orders").await, ["o3"]);
    let report = &rechecks(world, &id).await[0];
    assert_eq!((report.found, report.found_in.len()), (3, 2), "{report:?}");

    // What was captured late is known to the next re-check too.
    world.put("shop-tickets", &[("ticket_id", "t5"), ("order_id", "o9"), ("text", "later")]).await;
    assert!(keys().await > 0);
    after(world, SignedDuration::from_hours(29 * 24)).await;
    assert_eq!(rechecks(world, &id).await[1].found, 1);
    assert_eq!(keys().await, 0);
    // Until then what leads to the invoice that has to be kept is known.
    let left = "2029-01-03T00:00:00Z".parse::<jiff::Timestamp>().unwrap().duration_since(world.now());
    after(world, left).await;
    assert_eq!(shop.lines("SELECT i::text FROM restricted.invoices i").await, Vec::<String>::new());
    let last = world.ledger().events(&id.parse().unwrap()).await.unwrap().pop().unwrap();
    assert_eq!(last.fact, Fact::SubjectDropped);
}

#[tokio::test]
async fn a_re_check_that_finds_no_captured_keys_captures_those_of_the_rows_that_are_left() {
    let shop = shop().await;
    let world = &shop.world;
    let id = shop.ask("erasure").await;
    let keys = async || {
        let listed =
            world.s3.list_objects_v2().bucket(World::BUCKET).prefix(format!("keys/{id}/")).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for key in keys().await {
        world.delete(&key).await;
    }
    assert!(keys().await.is_empty());
    shop.sql.batch_execute("INSERT INTO sales.orders VALUES ('o9', 7, NULL, '2026-11-22')").await.unwrap();
    world.put("shop-tickets", &[("ticket_id", "t4"), ("order_id", "o9"), ("text", "late")]).await;
    after(world, SignedDuration::from_hours(24)).await;
    assert_eq!(rechecks(world, &id).await[0].found, 2, "the order and the ticket that hangs on it");
    assert_eq!(habeas_e2e::dump(&world.dynamodb, "shop-tickets").await.len(), 1);
    assert_eq!(shop.lines("SELECT id FROM sales.orders").await, ["o3"]);
}
