//! Pages and where they end.

use habeas::connectors::{Action, Connector as _, Handle, Person, Who};

use super::shop::{Shop, person};

/// Many rows of two persons, whose keys have an order that depends on language, and one of both.
async fn letters() -> Shop {
    Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE letters (town text, no int, owner int, copy_to int, text text, PRIMARY KEY (town, no));
        DO $$ BEGIN IF EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu') THEN
            ALTER TABLE letters ALTER town TYPE text COLLATE \"und-x-icu\"; END IF; END $$;
        INSERT INTO letters SELECT (ARRAY['Zug', 'ähnlich', 'Ulm', 'zu', 'Ähre', 'aal'])[1 + n % 6], n, 2 - n % 2,
            CASE WHEN n % 100 = 0 THEN 1 END, 'letter ' || n FROM generate_series(1, 24000) n",
        &[
            ("people", &["id!", "email"]),
            ("letters", &["town!", "no!", "owner<people.id", "copy_to<people.id", "text"]),
        ],
    )
    .await
}

#[tokio::test]
async fn pages_are_the_same_whether_one_process_reads_them_or_each_its_own() {
    let shop = letters().await;
    let li = person("1", "li@mail.example");
    let connector = shop.connector();
    let (mut numbers, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = connector.read(&shop.target("db.letters"), Who::Person(&li), cursor.as_deref()).await.unwrap();
        assert!(page.rows.len() <= 5_000);
        numbers.extend(page.rows.iter().map(|row| super::shop::json_of(row)["no"].as_i64().unwrap()));
        pages += 1;
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let again = shop.read("db.letters", &li).await;
    assert_eq!(numbers, again.iter().map(|row| row["no"].as_i64().unwrap()).collect::<Vec<_>>());
    // Every second is Li's, and of every hundredth, which are Ann's, she has a copy.
    assert_eq!((numbers.len(), pages), (12_240, 3));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 12_240, "no row came twice");
    let everyone = shop.connector().read(&shop.target("db.letters"), Who::Everyone, None).await.unwrap();
    assert!(everyone.rows.len() == 5_000 && everyone.next.is_some());
}

#[tokio::test]
async fn a_cursor_that_stands_open_is_read_on_from_by_the_person_that_it_is_for_only() {
    let shop = letters().await;
    let (li, ann) = (person("1", "li@mail.example"), person("2", "ann@mail.example"));
    let target = shop.target("db.letters");
    let kept = shop.connector();
    let first = kept.read(&target, Who::Person(&li), None).await.unwrap();
    let next = first.next.unwrap();
    let numbers = async |connector: &habeas::connectors::Postgresql, who: &Person| {
        let page = connector.read(&target, Who::Person(who), Some(&next)).await.unwrap();
        page.rows.iter().map(|row| super::shop::json_of(row)["no"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let expected = numbers(&shop.connector(), &ann).await;
    assert_eq!(numbers(&kept, &ann).await, expected);
    assert!(expected.iter().all(|number| number % 2 == 0), "what is Ann's, though Li's cursor was open");
}

#[tokio::test]
async fn rows_that_become_large_after_many_small_ones_come_each_once_in_pages_that_fit() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE letters (no int PRIMARY KEY, owner int, text text);
        INSERT INTO letters SELECT n, 1, CASE WHEN n <= 20000 THEN 'short' ELSE repeat('long', 262144) END
            FROM generate_series(1, 20030) n",
        &[("people", &["id!", "email"]), ("letters", &["no!", "owner<people.id", "text"])],
    )
    .await;
    let (li, target, connector) = (person("1", "li@mail.example"), shop.target("db.letters"), shop.connector());
    let (mut numbers, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let lines = connector.lines(&target, Who::Person(&li), cursor.as_deref()).await.unwrap().unwrap();
        let text = String::from_utf8(lines.text).unwrap();
        let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["no"].as_i64().unwrap();
        numbers.extend(text.lines().map(number));
        pages.push(lines.rows);
        cursor = lines.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(numbers, (1..=20_030).collect::<Vec<_>>());
    // What is on its way is of the size of what came before, and is cut off where a page is full.
    assert_eq!(pages, [20_000, 8, 8, 8, 6]);
}

#[tokio::test]
async fn a_connection_that_is_cut_or_changed_meanwhile_loses_no_row() {
    let shop = letters().await;
    let li = person("1", "li@mail.example");
    let (target, connector) = (shop.target("db.letters"), shop.connector());
    let first = connector.read(&target, Who::Person(&li), None).await.unwrap();
    // In one expression: conditions side by side are tried in any order, on other people's connections too. The next page may
    // still be on its way.
    let cut = "SELECT count(CASE WHEN application_name = 'habeas' AND datname = current_database()
        AND xact_start IS NOT NULL THEN nullif(pg_terminate_backend(pid), false) END) FROM pg_stat_activity";
    assert_eq!(shop.number(cut).await, 1, "a cursor stands open");
    // Rows before and behind the place go and come.
    let Some(Handle::Key { values, .. }) = first.rows.last().map(|row| &row.handle) else { panic!() };
    let last: i64 = values[1].as_deref().unwrap().parse().unwrap();
    shop.sql.batch_execute(&format!("DELETE FROM letters WHERE town = 'aal' OR no = {last}")).await.unwrap();
    let (mut read, mut cursor) = (first.rows.len(), first.next);
    while let Some(at) = cursor {
        let page = connector.read(&target, Who::Person(&li), Some(&at)).await.unwrap();
        read += page.rows.len();
        cursor = page.next;
    }
    assert_eq!(read, 12_240, "what was read has gone, and the rest is read all the same");
}

#[tokio::test]
async fn a_page_is_bounded_in_bytes_and_what_is_too_large_to_read_can_be_erased() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE files (id int PRIMARY KEY, owner int, content text, raw bytea);
        ALTER TABLE files ALTER content SET STORAGE EXTERNAL;
        INSERT INTO files SELECT n, 1, repeat(n::text, 1000000 / length(n::text)), decode('00ff', 'hex')
            FROM generate_series(1, 40) n;
        INSERT INTO files VALUES (99, 2, NULL, decode(repeat('00', 20 << 20), 'hex'))",
        &[("people", &["id!", "email"]), ("files", &["id!", "owner<people.id", "content", "raw"])],
    )
    .await;
    let (li, ann) = (person("1", "li@mail.example"), person("2", "ann@mail.example"));
    let target = shop.target("db.files");
    let connector = shop.connector();
    let (mut sizes, mut cursor) = (Vec::new(), None);
    loop {
        let page = connector.read(&target, Who::Person(&li), cursor.as_deref()).await.unwrap();
        sizes.push(page.rows.len());
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(sizes.iter().sum::<usize>(), 40);
    assert!(sizes.iter().all(|rows| *rows <= 9), "{sizes:?}");
    let error = connector.read(&target, Who::Person(&ann), None).await.err().unwrap();
    let (is_for_good, words) = super::shop::words(&error);
    assert!(is_for_good && words.contains("public.files holds a row of more than"), "{words}");
    assert_eq!(shop.act("db.files", &ann, |_| Some(Action::Erase)).await, (1, 0));
    assert_eq!(shop.act("db.files", &li, |_| Some(Action::Erase)).await, (40, 0));
    assert_eq!(shop.number("SELECT count(*) FROM files").await, 0);
}
