//! Erasing and changing rows.

use std::sync::{Arc, Mutex};

use habeas::connectors::{Action, Connector as _, Person, Row, Who};
use habeas::mask::Masked;
use habeas::record::{Record, Value};
use serde_json::json;

use super::shop::{Captured, Shop, keys, person};

fn text(text: &str) -> Masked {
    Masked::Replaced(Value::Text(text.to_owned()))
}

fn change(fields: &[(&str, Masked)]) -> Action {
    Action::Change(fields.iter().map(|(field, masked)| ((*field).to_owned(), masked.clone())).collect())
}

#[tokio::test]
async fn what_went_before_an_erasure_met_an_error_is_counted_and_the_next_page_meets_it_again() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE letters (no int PRIMARY KEY, note text);
        CREATE TABLE stamps (letter int REFERENCES letters);
        INSERT INTO letters VALUES (1, 'n1'), (2, 'n2'), (3, 'n3');
        INSERT INTO stamps VALUES (2)",
        &[("people", &["id!", "email"]), ("letters", &["no!", "note<notes.about"])],
    )
    .await;
    let chunk = |key: &str| vec![vec![key.to_owned()]];
    let li = || {
        let captured = Arc::new(Captured(vec![chunk("n1"), chunk("n2")]));
        Person::of("0".repeat(32).parse().unwrap(), keys("1", "li@mail.example"), captured)
    };
    let target = shop.target("db.letters");
    let first = shop.connector().erase(&target, Who::Person(&li()), None).await.unwrap().unwrap();
    assert_eq!((first.counts.read, first.counts.erased), (1, 1));
    let next = first.next.expect("it is not done");
    assert!(shop.connector().erase(&target, Who::Person(&li()), Some(&next)).await.is_err());
    assert_eq!(shop.number("SELECT sum(no) FROM letters").await, 5, "the second and the third");
    shop.sql.batch_execute("DELETE FROM stamps").await.unwrap();
    let last = shop.connector().erase(&target, Who::Person(&li()), Some(&next)).await.unwrap().unwrap();
    assert_eq!((last.counts.erased, last.next), (1, None));
    assert_eq!(shop.number("SELECT sum(no) FROM letters").await, 3);
}

#[tokio::test]
async fn rows_that_need_no_look_go_in_transactions_of_a_bounded_size() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE letters (no int PRIMARY KEY, owner int);
        INSERT INTO letters SELECT n, 1 + n / 50000 FROM generate_series(1, 50002) n",
        &[("people", &["id!", "email"]), ("letters", &["no!", "owner<people.id"])],
    )
    .await;
    let (li, target) = (person("1", "li@mail.example"), shop.target("db.letters"));
    let (mut gone, mut cursor) = (Vec::new(), None);
    loop {
        let page = shop.connector().erase(&target, Who::Person(&li), cursor.as_deref()).await.unwrap().unwrap();
        gone.push(page.counts.erased);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(gone, [20_000, 20_000, 9_999]);
    assert_eq!(shop.number("SELECT count(*) FROM letters").await, 3);
}

#[tokio::test]
async fn what_is_written_is_what_the_column_means_and_rows_may_change_in_different_ways() {
    let shop = Shop::new(
        "CREATE TYPE mood AS ENUM ('glad', 'none');
        CREATE DOMAIN short AS varchar(8);
        CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, code short, feels mood, tags text[],
            numbers int[], facts jsonb, notes json, raw bytea, is_glad bool, height numeric(6, 2), born date, padded char(6));
        INSERT INTO people (email, code, feels, tags, numbers, facts, notes, raw, is_glad, height, born, padded)
            SELECT 'same', 'code', 'glad', '{a}', '{1}', '{\"a\": {\"b\": 1, \"c\": 2}, \"d\": 3}', '{\"a\": 1}', 'x', true,
            1.5, '1990-05-17', 'ab' FROM generate_series(1, 3)",
        &[(
            "people",
            &[
                "id!", "email", "code", "feels", "tags", "numbers", "facts", "notes", "raw", "is_glad", "height", "born",
                "padded",
            ],
        )],
    )
    .await;
    let same = person("", "same");
    let list = |items: Vec<Value>| Masked::Replaced(Value::List(items));
    let map: Record = [("x".to_owned(), Value::Number("1.20".into()))].into_iter().collect();
    let ways = [
        change(&[
            ("code", Masked::Removed),
            ("feels", text("none")),
            ("tags", Masked::Replaced(Value::Null)),
            ("facts", Masked::Replaced(Value::Null)),
            ("notes", text("[deleted]")),
            ("raw", Masked::Replaced(Value::Bytes(vec![0, 255]))),
        ]),
        change(&[
            ("facts.a.b", Masked::Removed),
            ("facts.a.c", Masked::Replaced(Value::Null)),
            ("facts.d", text("it's \"gone\"")),
            ("facts.not.there", text("no")),
            ("notes.a", Masked::Removed),
            ("tags", list(vec![Value::Text("x\"y".into()), Value::Null])),
            ("numbers", list(vec![Value::Number("7".into())])),
        ]),
        change(&[
            ("facts", Masked::Replaced(Value::Map(map))),
            ("is_glad", Masked::Replaced(Value::Bool(false))),
            ("height", Masked::Replaced(Value::Number("2.25".into()))),
            ("born", text("1990-01-01")),
            ("code", text("anon")),
            ("email", Masked::Kept),
            ("padded", text("cd")),
        ]),
    ];
    let ways = Mutex::new(ways.into_iter());
    assert_eq!(shop.act("db.people", &same, |_| ways.lock().unwrap().next()).await, (0, 3));
    let rows = json!(shop.read("db.people", &same).await);
    let of = |at: usize, fields: &[&str]| fields.iter().map(|field| rows[at][field].clone()).collect::<Vec<_>>();
    assert_eq!(
        json!(of(0, &["code", "feels", "tags", "facts", "notes", "raw", "numbers"])),
        json!([null, "none", null, null, "[deleted]", "AP8=", [1]])
    );
    let facts = json!({"a": {"c": null}, "d": "it's \"gone\""});
    assert_eq!(
        json!(of(1, &["facts", "notes", "tags", "numbers", "code"])),
        json!([facts, {}, ["x\"y", null], [7], "code"])
    );
    assert_eq!(
        json!(of(2, &["is_glad", "born", "code", "email", "padded"])),
        json!([false, "1990-01-01", "anon", "same", "cd    "])
    );
    assert!(shop.text("db.people", &same).await.contains(r#""facts":{"x":1.20}"#), "with its digits");
    let nulls = "SELECT count(*) FROM people WHERE facts IS NULL AND tags IS NULL AND code IS NULL";
    assert_eq!(shop.number(nulls).await, 1, "SQL's null, not JSON's");
}

#[tokio::test]
async fn a_row_that_was_changed_since_it_was_read_is_left_for_the_fresh_read() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE posts (id int PRIMARY KEY, author int, text text);
        CREATE TABLE loose (author int, text text);
        INSERT INTO posts SELECT n, 1, 'old' FROM generate_series(1, 4) n;
        INSERT INTO loose SELECT 1, 'old' FROM generate_series(1, 4) n",
        &[
            ("people", &["id!", "email"]),
            ("posts", &["id!", "author<people.id", "text"]),
            ("loose", &["author<people.id", "text"]),
        ],
    )
    .await;
    let li = person("1", "");
    for collection in ["db.posts", "db.loose"] {
        let (connector, target) = (shop.connector(), shop.target(collection));
        let read = async || connector.read(&target, Who::Person(&li), None).await.unwrap().rows;
        let actions = |rows: Vec<Row>| {
            let action = |at| if at % 2 == 0 { Action::Erase } else { change(&[("text", text("gone"))]) };
            rows.into_iter().enumerate().map(|(at, row)| (row, action(at))).collect::<Vec<_>>()
        };
        let rows = read().await;
        let table = &collection[3..];
        let meanwhile = format!(
            "WITH first AS (SELECT ctid FROM {table} ORDER BY ctid LIMIT 2)
             UPDATE {table} SET author = 2, text = 'taken over' WHERE ctid IN (SELECT ctid FROM first)"
        );
        shop.sql.batch_execute(&meanwhile).await.unwrap();
        connector.apply(&target, actions(rows)).await.unwrap();
        let taken = format!("SELECT count(*) FROM {table} WHERE author = 2 AND text = 'taken over'");
        assert_eq!(shop.number(&taken).await, 2, "neither erased nor changed");
        let left = read().await;
        assert_eq!(left.len(), 1, "of the other two one is gone");
        assert_eq!(super::shop::json_of(&left[0])["text"], "gone");
    }
}

#[tokio::test]
async fn doing_the_same_again_does_nothing_more() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE posts (id int PRIMARY KEY, author int, text text, changes int DEFAULT 0);
        CREATE TABLE empty (id int PRIMARY KEY, author int);
        CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.changes = NEW.changes + 1; RETURN NEW; END';
        CREATE TRIGGER counted BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION count_changes();
        INSERT INTO posts SELECT n, 1, 'old' FROM generate_series(1, 4) n",
        &[
            ("people", &["id!", "email"]),
            ("posts", &["id!", "author<people.id", "text"]),
            ("empty", &["id!", "author<people.id"]),
        ],
    )
    .await;
    let li = person("1", "");
    let target = shop.target("db.posts");
    let rows = async || shop.connector().read(&target, Who::Person(&li), None).await.unwrap().rows;
    let actions = |rows: Vec<Row>| {
        let action = |at| if at < 2 { Action::Erase } else { change(&[("text", text("gone"))]) };
        rows.into_iter().enumerate().map(|(at, row)| (row, action(at))).collect::<Vec<_>>()
    };
    // Read twice, so that the same can be sent twice.
    let (once, twice) = (rows().await, rows().await);
    let connector = shop.connector();
    connector.apply(&target, actions(once)).await.unwrap();
    connector.apply(&target, actions(twice)).await.unwrap();
    connector.apply(&target, Vec::new()).await.unwrap();
    assert_eq!(shop.number("SELECT count(*) FROM posts WHERE text = 'gone' AND changes = 1").await, 2);
    assert_eq!(shop.number("SELECT count(*) FROM posts").await, 2);
    assert!(shop.read("db.empty", &li).await.is_empty());
    assert_eq!(shop.act("db.empty", &li, |_| Some(Action::Erase)).await, (0, 0));
}

#[tokio::test]
async fn a_page_is_written_wholly_or_not_at_all() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE posts (id int PRIMARY KEY, author int, text text CHECK (text <> 'secret word'));
        INSERT INTO posts SELECT n, 1, 'old' FROM generate_series(1, 3) n",
        &[("people", &["id!", "email"]), ("posts", &["id!", "author<people.id", "text"])],
    )
    .await;
    let (li, target, connector) = (person("1", ""), shop.target("db.posts"), shop.connector());
    let rows = connector.read(&target, Who::Person(&li), None).await.unwrap().rows;
    let what = [Action::Erase, change(&[("text", text("gone"))]), change(&[("text", text("secret word"))])];
    let error = connector.apply(&target, rows.into_iter().zip(what).collect()).await.unwrap_err();
    let (is_for_good, words) = super::shop::words(&error);
    assert!(is_for_good && words.contains("posts_text_check") && words.contains("23514"), "{words}");
    assert!(!words.contains("secret word"), "{words}");
    assert_eq!(shop.number("SELECT count(*) FROM posts WHERE text = 'old'").await, 3);
    assert_eq!(connector.read(&target, Who::Person(&li), None).await.unwrap().rows.len(), 3, "and it goes on");
}
