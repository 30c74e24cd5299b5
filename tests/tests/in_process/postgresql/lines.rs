//! Rows as lines: what is made here of columns as they come is what PostgreSQL itself would have made of the rows.

use habeas::connectors::{Connector as _, Who};

use super::shop::{Shop, person};

/// The lines of Li's rows, and what PostgreSQL says they are; pages are read by turns with the connection of before, and with
/// a new one that only knows the key where the last page ended.
async fn assert_lines_are_postgresqls(shop: &Shop, table: &str, order: &str) -> usize {
    let (li, name) = (person("1", "li@mail.example"), format!("db.{table}"));
    let target = shop.target(&name);
    let (mut lines, mut cursor, mut connector) = (String::new(), None, shop.connector());
    for page in 0.. {
        let read = connector.lines(&target, Who::Person(&li), cursor.as_deref()).await.unwrap().unwrap();
        lines.push_str(&String::from_utf8(read.text).unwrap());
        cursor = read.next;
        if cursor.is_none() {
            break;
        }
        if page % 2 == 0 {
            connector = shop.connector();
        }
    }
    let columns: Vec<String> =
        target.fields.iter().map(|field| format!("\"{}\"", field.name.replace('"', "\"\""))).collect();
    let settings = "SET timezone TO 'UTC'; SET intervalstyle TO iso_8601; SET extra_float_digits TO 1";
    shop.sql.batch_execute(settings).await.unwrap();
    let query = format!(
        "SELECT row_to_json(r)::text FROM {table} t CROSS JOIN LATERAL (SELECT {}) r WHERE t.owner = 1 ORDER BY {order}",
        columns.join(", ")
    );
    let expected: Vec<String> = shop.sql.query(&query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(lines.lines().count(), expected.len());
    for (line, expected) in lines.lines().zip(&expected) {
        if expected[1..].contains(['{', '[']) {
            let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(parsed(line), parsed(expected));
        } else {
            assert_eq!(line, expected);
        }
    }
    expected.len()
}

#[tokio::test]
async fn a_line_is_what_postgresql_writes_whatever_the_types() {
    let shop = Shop::new(
        r#"CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TYPE mood AS ENUM ('good', 'it''s "so"'); CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN note AS text; CREATE DOMAIN instant AS timestamptz; CREATE DOMAIN score AS int CHECK (VALUE < 1000);
        CREATE TABLE kinds (id uuid PRIMARY KEY, owner int, small smallint, large bigint, exact numeric, "real ""one""" real,
            double double precision, truth boolean, free text, short varchar(10), padded char(5), called name, other uuid,
            day date, local timestamp, instant timestamptz, seconds timestamp(0), hour time, zoned timetz, span interval,
            plain json, binary_json jsonb, numbers int[], texts text[], mood mood, pair pair, note note, since instant,
            score score, address inet, price money, span_of int4range, bits bit varying(8));
        INSERT INTO kinds (id, owner) VALUES ('00000000-0000-0000-0000-000000000001', 1);
        INSERT INTO kinds VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964ff', 1, -32768, 9223372036854775807, 1.10, 0.1, 1e20,
            true, E'a "b" \\ / \n\t\r\b\f \x01 \x1f \x7f ü 😀 \u2028 {x} [y]', 'short', 'ab', 'called "so"',
            'FFFFFFFF-0000-1111-2222-0123456789AB', '2000-02-29', '1999-12-31 23:59:59.5', '2026-11-22 10:00:00.000001+08',
            '2001-01-01 00:00:00', '12:00:00.25', '12:00:00+05:30', '1 year 2 days 03:04:05.6', '{"b": 1, "a": [1, {"b": 2}]}',
            '{"b": 1.0, "a": null}', '{1,NULL,3}', '{"a b",NULL}', 'it''s "so"', '(1,"x y")', 'a note', '0044-03-15 12:00+00 BC',
            999, '10.0.0.1/8', '$1,234.50', '[1,5)', '1010');
        INSERT INTO kinds VALUES ('6f9619ff-8b86-d011-b42d-00c04fc96500', 1, 0, -9223372036854775808, 'NaN', 'NaN', '-Infinity',
            false, '', '', '', '', NULL, 'infinity', '-infinity', 'infinity', 'infinity', '24:00:00', NULL, '-1 day', 'null',
            '[]', '{}', '{}', 'good', '(,)', '', '-infinity', 0, '::1', '-$0.01', 'empty', '');
        INSERT INTO kinds (id, owner, exact, "real ""one""", double, day, local, instant) VALUES
            ('6f9619ff-8b86-d011-b42d-00c04fc96501', 1, 123456789012345678901234567890.000, 1e-5, 4.9e-324, '5874897-12-31',
            '294276-12-31 23:59:59.999999', '4713-01-01 00:00:00+00 BC')"#,
        &[
            ("people", &["id!", "email"]),
            (
                "kinds",
                &[
                    "id!", "owner<people.id", "small", "large", "exact", "real \"one\"", "double", "truth", "free", "short",
                    "padded", "called", "other", "day", "local", "instant", "seconds", "hour", "zoned", "span", "plain",
                    "binary_json", "numbers", "texts", "mood", "pair", "note", "since", "score", "address", "price",
                    "span_of", "bits",
                ],
            ),
        ],
    )
    .await;
    assert_eq!(assert_lines_are_postgresqls(&shop, "kinds", "t.id").await, 4);
}

#[tokio::test]
async fn days_and_times_are_written_as_postgresql_does_over_all_that_it_knows() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE days (day date, at timestamptz, owner int, PRIMARY KEY (day, at));
        CREATE TABLE codes (code char(8) PRIMARY KEY, at timestamp(3), owner int);
        INSERT INTO days SELECT date '4713-01-01 BC' + n * 71, timestamptz '4713-01-01 BC' + n * interval '61 days 7:13:11.000137', 1
            FROM generate_series(0, 30000) n;
        INSERT INTO days SELECT date '1896-02-27' + n, timestamptz '1999-12-31 23:59:59.999998' + n * interval '1 microsecond', 1
            FROM generate_series(0, 1500) n;
        INSERT INTO codes SELECT 'c' || n, timestamp '1970-01-01' + n * interval '1001 milliseconds', 1
            FROM generate_series(0, 21000) n",
        &[
            ("people", &["id!", "email"]),
            ("days", &["day!", "at!", "owner<people.id"]),
            ("codes", &["code!", "at", "owner<people.id"]),
        ],
    )
    .await;
    assert_eq!(assert_lines_are_postgresqls(&shop, "days", "t.day, t.at").await, 31_502);
    assert_eq!(assert_lines_are_postgresqls(&shop, "codes", "t.code").await, 21_001);
}

#[tokio::test]
async fn a_row_that_is_too_large_is_named_by_its_table_before_it_is_sent() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE notes (id int PRIMARY KEY, owner int, text text, more json);
        ALTER TABLE notes ALTER text SET STORAGE EXTERNAL;
        INSERT INTO notes VALUES (1, 1, repeat('x', 20 << 20), to_json(repeat('y', 13 << 20))),
            (2, 2, repeat('x', 20 << 20), to_json(repeat('y', 11 << 20)))",
        &[("people", &["id!", "email"]), ("notes", &["id!", "owner<people.id", "text", "more"])],
    )
    .await;
    let (li, ann) = (person("1", "li@mail.example"), person("2", "ann@mail.example"));
    let (target, connector) = (shop.target("db.notes"), shop.connector());
    let error = connector.lines(&target, Who::Person(&li), None).await.err().unwrap();
    let (is_for_good, words) = super::shop::words(&error);
    assert!(is_for_good && words.contains("public.notes holds a row of more than"), "{words}");
    let lines = connector.lines(&target, Who::Person(&ann), None).await.unwrap().unwrap();
    assert_eq!((lines.rows, lines.text.len() >> 20), (1, 31), "and what fits comes on a new connection");
}
