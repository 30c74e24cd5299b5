//! Tables: the suite, by partition key and by index, and how rows are found.

use async_trait::async_trait;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use habeas::connectors::{Connector, Who};
use habeas::plan::Counts;
use habeas::policy::Pinned;
use habeas_e2e::connector_suite;
use habeas_e2e::suite::{Erase, Fixture, OTHER, PERSON, person};

use super::{Tables, n, person_with, s};

/// Notes lie under their owner; letters are found by an index.
struct Desk {
    tables: Tables,
    collection: &'static str,
    table: &'static str,
}

impl Desk {
    async fn of(collection: &'static str, table: &'static str) -> Self {
        Self { tables: Tables::of("plain").await, collection, table }
    }

    async fn write(&self, whose: &str, reader: Option<&str>, bytes: usize) {
        let number = self.tables.rows(self.table).await.len();
        let mut item = vec![
            ("owner_id", s(whose)),
            (if self.table == "desk-notes" { "note_id" } else { "letter_id" }, s(&format!("{number:05}"))),
            ("text", s(&"x".repeat(bytes))),
            ("at", s("2026-01-01T00:00:00Z")),
        ];
        // Most rows have no reader: the attribute is sparse, and so is its index.
        item.extend(reader.map(|reader| ("reader_id", s(reader))));
        self.tables.put(self.table, &item).await;
    }
}

#[async_trait]
impl Fixture for Desk {
    fn connector(&self) -> Box<dyn Connector> {
        Box::new(self.tables.connector())
    }

    fn collection(&self) -> (&Pinned, &str) {
        (&self.tables.policy, self.collection)
    }

    async fn add(&self, whose: &str, rows: usize) {
        for _ in 0..rows {
            self.write(whose, None, 100).await;
        }
    }

    /// Six megabytes: a page of a key ends at one, a page of an index after four.
    async fn add_pages(&self, whose: &str) -> usize {
        let start = self.tables.rows(self.table).await.len();
        for number in start..start + 60 {
            let id = if self.table == "desk-notes" { "note_id" } else { "letter_id" };
            let text = s(&"y".repeat(100_000));
            let item =
                [("owner_id", s(whose)), (id, s(&format!("{number:05}"))), ("text", text), ("at", s("2026-01-01"))];
            self.tables.put(self.table, &item).await;
        }
        60
    }

    /// 400 KB with the names.
    async fn add_huge(&self, whose: &str) {
        self.write(whose, None, 400 * 1024 - 100).await;
    }

    async fn add_linked_twice(&self, whose: &str) -> bool {
        self.write(whose, Some(whose), 10).await;
        true
    }

    async fn change_one(&self, whose: &str) -> String {
        let row = self.tables.rows(self.table).await.into_iter().find(|row| row["owner_id"] == s(whose)).unwrap();
        // A note stays its owner's for ever, but the time that its retention counts from may change.
        let (field, value) = if self.table == "desk-notes" { ("at", s("2026-11-20")) } else { ("owner_id", s(OTHER)) };
        let mut changed = row.clone();
        changed.insert(field.to_owned(), value);
        let item: Vec<(&str, AttributeValue)> =
            changed.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.tables.put(self.table, &item).await;
        format!("{changed:?}")
    }

    async fn forbid(&self) {
        self.tables.faults.answer("*", 0, usize::MAX, "AccessDeniedException");
    }

    async fn remove(&self) {
        self.tables.client.delete_table().table_name(self.table).send().await.unwrap();
    }

    async fn dump(&self) -> Vec<String> {
        self.tables.rows(self.table).await.iter().map(|row| format!("{row:?}")).collect()
    }
}

connector_suite!(by_partition_key, Desk::of("desk.notes", "desk-notes"));
connector_suite!(by_index, Desk::of("desk.letters", "desk-letters"));

#[tokio::test]
async fn keys_that_are_numbers_or_bytes_are_asked_for_as_what_they_are() {
    let tables = Tables::of("plain").await;
    for (meter, at, user) in [("7", "1", "42"), ("7", "2", "43"), ("8", "1.5", "42")] {
        tables.put("desk-readings", &[("meter", n(meter)), ("at", n(at)), ("user_number", n(user))]).await;
    }
    for secret in [[0_u8, 255, 1], [0, 255, 2]] {
        tables.put("desk-keys", &[("holder", AttributeValue::B(Blob::new(secret))), ("use", s("doors"))]).await;
    }
    // As another system may write the number, and the bytes as base64.
    let li = person_with(&[("user_id", PERSON), ("number", "0042"), ("secret", "AP8B")], &[]);
    let li = Who::Person(&li);
    assert_eq!(tables.connector().count(&tables.target("desk.readings"), li).await.unwrap(), 2);
    assert_eq!(tables.act("desk.readings", li, &Erase).await, Counts { read: 2, erased: 2, ..Counts::default() });
    assert_eq!(tables.act("desk.keys", li, &Erase).await, Counts { read: 1, erased: 1, ..Counts::default() });
    assert_eq!((tables.rows("desk-readings").await.len(), tables.rows("desk-keys").await.len()), (1, 1));
    // What is no number is nobody's key, and no error.
    let nobody = person_with(&[("user_id", PERSON), ("number", "none"), ("secret", "?")], &[]);
    assert!(tables.read("desk.readings", Who::Person(&nobody)).await.is_empty());
    assert!(tables.read("desk.keys", Who::Person(&nobody)).await.is_empty());
}

#[tokio::test]
async fn a_link_of_two_fields_is_one_key_condition_on_a_local_index() {
    let tables = Tables::of("plain").await;
    for (tenant, seat, owner) in [("t1", "1", PERSON), ("t1", "2", OTHER), ("t2", "1", PERSON), ("t3", "1", PERSON)] {
        tables.put("desk-seats", &[("tenant", s(tenant)), ("seat", s(seat)), ("owner_id", s(owner))]).await;
    }
    let captured: [&[&str]; 3] = [&[PERSON, "t1"], &[PERSON, "t2"], &[PERSON, "t9"]];
    let li = person_with(&[("user_id", PERSON)], &[("desk.tenancies", &captured)]);
    tables.faults.take();
    let counts = tables.act("desk.seats", Who::Person(&li), &Erase).await;
    assert_eq!((counts.read, counts.erased), (2, 2));
    let queries = tables.faults.take().iter().filter(|call| *call == "Query").count();
    assert_eq!(queries, 3, "one for each pair of values");
    let mut left = tables.rows("desk-seats").await;
    left.retain(|row| row["owner_id"] == s(PERSON));
    assert_eq!(left.len(), 1, "a seat of a tenant that was not captured");
}

#[tokio::test]
async fn a_partition_is_one_query_an_index_is_completed_and_a_count_reads_no_row() {
    let tables = Tables::of("plain").await;
    for number in 0..20 {
        tables.put("desk-notes", &[("owner_id", s(PERSON)), ("note_id", s(&number.to_string()))]).await;
        tables
            .put("desk-letters", &[("letter_id", s(&number.to_string())), ("owner_id", s(PERSON)), ("text", s("x"))])
            .await;
    }
    let li = person(PERSON);
    tables.faults.take();
    assert_eq!(tables.read("desk.notes", Who::Person(&li)).await.len(), 20);
    assert_eq!(tables.faults.take(), ["Query"]);
    let letters = tables.read("desk.letters", Who::Person(&li)).await;
    assert_eq!(tables.faults.take(), ["Query", "BatchGetItem"]);
    assert!(letters.iter().all(|letter| letter.record.get("text").is_some()), "the index holds keys only");
    let count = tables.connector().count(&tables.target("desk.notes"), Who::Person(&li)).await.unwrap();
    // By the second link there is nothing to read.
    assert_eq!((count, tables.faults.take()), (20, vec!["Query".to_owned(), "Query".to_owned()]));
}

/// The store's indexes do not lag, so the moment between index and table is made here.
#[tokio::test]
async fn a_row_that_an_index_leads_to_and_that_is_anothers_by_now_is_not_read() {
    let tables = Tables::of("plain").await;
    for id in ["1", "2", "3"] {
        tables.put("desk-letters", &[("letter_id", s(id)), ("owner_id", s(PERSON))]).await;
    }
    let client = tables.client.clone();
    tables.faults.before("BatchGetItem", async move {
        let sold = client.put_item().table_name("desk-letters").item("letter_id", s("1")).item("owner_id", s(OTHER));
        sold.send().await.unwrap();
        client.delete_item().table_name("desk-letters").key("letter_id", s("2")).send().await.unwrap();
    });
    let li = person(PERSON);
    let rows = tables.read("desk.letters", Who::Person(&li)).await;
    let ids: Vec<_> = rows.iter().filter_map(|row| row.record.get("letter_id")?.as_text()).collect();
    assert_eq!(ids, ["3"]);
}

#[tokio::test]
async fn rows_that_one_answer_cannot_hold_are_asked_for_again() {
    let tables = Tables::of("plain").await;
    // Fifty keys are asked for at once, and an answer holds 16 MB.
    for number in 0..46 {
        let text = s(&"z".repeat(390_000));
        let item = [("letter_id", s(&format!("{number:02}"))), ("owner_id", s(PERSON)), ("text", text)];
        tables.put("desk-letters", &item).await;
    }
    let li = person(PERSON);
    tables.faults.take();
    assert_eq!(tables.read("desk.letters", Who::Person(&li)).await.len(), 46);
    assert_eq!(tables.faults.take(), ["Query", "BatchGetItem", "BatchGetItem"]);
}
