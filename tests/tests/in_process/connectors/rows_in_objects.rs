//! Rows inside objects: the suite, old versions, locks, and what others write meanwhile.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use habeas::clock::ManualClock;
use habeas::connectors::{Action, Connector, ConnectorError, Decision, Hold, Judge, Row, S3, Target, Who};
use habeas::mask::Masked;
use habeas::plan::Counts;
use habeas::policy::Pinned;
use habeas::record::Value;
use habeas_e2e::suite::{Fixture, OTHER, PERSON, person};
use habeas_e2e::{Between, Denies, Versions, connector_suite};
use jiff::Timestamp;

use super::policy;

/// Events as a stream leaves them: a JSON object a line, in an object a day.
struct Events {
    store: Versions,
    policy: Arc<Pinned>,
}

fn line(whose: &str, number: usize) -> String {
    format!(r#"{{"number": {number}, "user_id":"{whose}","at":"2026-11-01" , "amount":1.50}}"#)
}

fn key(day: usize) -> String {
    format!("events/dt=2026-11-{day:02}/part-0.jsonl")
}

impl Events {
    fn new() -> Self {
        Self { store: Versions::new("files"), policy: policy("plain") }
    }

    /// Writes an object with these lines; its version.
    fn put(&self, day: usize, lines: &[String]) -> String {
        let mut body = lines.join("\n");
        body.push('\n');
        self.store.bucket().put(&key(day), body.into_bytes())
    }

    fn target(&self) -> Target<'_> {
        Target::of(&self.policy, "files.events").unwrap()
    }

    fn lines(&self, day: usize) -> Vec<String> {
        let bucket = self.store.bucket();
        let body = bucket.body(&key(day)).unwrap_or_default();
        String::from_utf8(body.to_vec()).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    async fn act(&self, judge: &dyn Judge) -> Result<Counts, ConnectorError> {
        let li = person(PERSON);
        let (mut counts, mut cursor) = (Counts::default(), None);
        loop {
            let acted = self.connector().act(&self.target(), Who::Person(&li), judge, cursor.as_deref()).await?;
            counts.add(&acted.counts);
            cursor = acted.next;
            if cursor.is_none() {
                return Ok(counts);
            }
        }
    }
}

#[async_trait]
impl Fixture for Events {
    fn connector(&self) -> Box<dyn Connector> {
        let now = "2026-11-21T08:00:00Z".parse().unwrap();
        Box::new(S3::new(self.store.client(), Arc::new(ManualClock::at(now))))
    }

    fn collection(&self) -> (&Pinned, &str) {
        (&self.policy, "files.events")
    }

    async fn add(&self, whose: &str, rows: usize) {
        let start = self.dump().await.len();
        for day in 1..=3 {
            let mut lines = self.lines(day);
            lines
                .extend((start..start + rows).filter(|number| number % 3 + 1 == day).map(|number| line(whose, number)));
            if !lines.is_empty() {
                // What was there before was never a version: nobody has erased it yet.
                self.store.bucket().versioning = None;
                self.put(day, &lines);
                self.store.bucket().versioning = Some("Enabled");
            }
        }
    }

    async fn add_pages(&self, whose: &str) -> usize {
        self.add(whose, 12_000).await;
        12_000
    }

    async fn add_huge(&self, whose: &str) {
        let day = 10 + self.store.bucket().dump().len();
        self.put(day, &[format!(r#"{{"user_id":"{whose}","number":{day},"text":"{}"}}"#, "x".repeat(12 << 20))]);
    }

    async fn add_linked_twice(&self, _: &str) -> bool {
        false
    }

    async fn change_one(&self, _: &str) -> String {
        unreachable!("rows inside objects change where they are read")
    }

    async fn forbid(&self) {
        self.store.bucket().denies = Denies::Everything;
    }

    async fn remove(&self) {
        self.store.bucket().name.clear();
    }

    async fn dump(&self) -> Vec<String> {
        (1..40).flat_map(|day| self.lines(day)).collect()
    }
}

connector_suite!(rows_in_objects, std::future::ready(Events::new());
    every_row_comes_once_from_any_cursor_on,
    acting_again_does_nothing_more_and_others_keep_every_byte,
    everybodys_rows_are_read_and_erased_too,
    as_many_are_counted_as_are_read,
    a_row_that_two_links_lead_to_comes_once,
    what_is_forbidden_is_permanent_and_is_found_beforehand,
    what_is_missing_is_permanent_and_is_found_beforehand,
    a_preflight_finds_nothing_where_nothing_is_wrong_and_touches_nothing,
    nothing_is_found_where_nothing_is,
    a_huge_row_is_read_and_erased,
    a_cursor_of_another_kind_is_refused);

#[expect(clippy::unnecessary_wraps, reason = "a judge may refuse")]
fn erase(_: &Row) -> Result<Decision, ConnectorError> {
    Ok(Decision::Act(Action::Erase))
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_and_read_each_object_once() {
    let events = Events::new();
    let count = events.add_pages(PERSON).await;
    let (li, target) = (person(PERSON), events.target());
    let connector = events.connector();
    let (mut numbers, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = connector.read(&target, Who::Person(&li), cursor.as_deref()).await.unwrap();
        numbers.extend(page.rows.iter().map(|row| row.record.get("number").unwrap().as_key().unwrap().into_owned()));
        pages += 1;
        // Somebody else who asks in between gets their own rows, and takes none of these away.
        let ann = person(OTHER);
        assert!(connector.read(&target, Who::Person(&ann), None).await.unwrap().rows.is_empty() || pages > 1);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!((numbers.len(), pages), (count, 3));
}

#[tokio::test]
async fn old_versions_that_hold_the_persons_rows_go_and_others_stay() {
    let events = Events::new();
    events.put(1, &[line(PERSON, 1), line(OTHER, 2)]);
    let without = events.put(1, &[line(OTHER, 2)]);
    events.put(1, &[line(OTHER, 2), line(PERSON, 3)]);
    events.put(2, &[line(PERSON, 4)]);
    events.store.bucket().mark_deleted(&key(2));
    let counts = events.act(&erase).await.unwrap();
    assert_eq!((counts.read, counts.erased), (1, 3), "a row, and a version of each object");
    let dump = events.store.bucket().dump();
    assert!(!dump.iter().any(|version| version.contains(&key(2))), "nothing is left of the second: {dump:?}");
    assert_eq!(dump.len(), 2, "{dump:?}");
    assert!(dump.iter().any(|version| version.contains(&format!(" {without} "))));
    assert_eq!(events.lines(1), [line(OTHER, 2)]);
    assert_eq!(events.store.bucket().open_uploads(), 0);
}

#[tokio::test]
async fn what_others_write_meanwhile_is_kept_and_erased_from_too() {
    for large in [false, true] {
        let events = Events::new();
        let others = if large { 120_000 } else { 2 };
        let mut lines: Vec<String> = (10..10 + others).map(|number| line(OTHER, number)).collect();
        lines.push(line(PERSON, 1));
        events.put(1, &lines);
        let mut later = lines.clone();
        later.extend([line(PERSON, 2), line(OTHER, 3)]);
        let body = format!("{}\n", later.join("\n")).into_bytes();
        events.store.bucket().before_next_write = Some(Box::new(move |bucket| drop(bucket.put(&key(1), body))));
        let counts = events.act(&erase).await.unwrap();
        assert_eq!((counts.read, counts.erased), (2, 3), "both rows, and the version that came in between");
        later.retain(|line| !line.contains(PERSON));
        assert!(events.lines(1) == later, "every line of others, the new one too");
        let bucket = events.store.bucket();
        assert_eq!((bucket.dump().len(), bucket.open_uploads()), (1, 0));
    }
}

#[tokio::test]
async fn a_locked_version_is_retained_and_told() {
    let events = Events::new();
    let until: Timestamp = "2027-01-31T00:00:00Z".parse().unwrap();
    let old = events.put(1, &[line(PERSON, 1), line(OTHER, 2)]);
    events.store.bucket().lock(&key(1), &old, Some(until));
    let counts = events.act(&erase).await.unwrap();
    assert_eq!((counts.erased, events.lines(1)), (1, vec![line(OTHER, 2)]), "the current one is without the row");
    let (li, target) = (person(PERSON), events.target());
    let left = events.connector().read(&target, Who::Person(&li), None).await.unwrap().rows;
    assert_eq!(left.len(), 1);
    assert_eq!(events.connector().held(&target, &left).await.unwrap(), [Some(Hold { until: Some(until) })]);
}

#[tokio::test]
async fn fields_change_and_all_else_is_as_it_was_written() {
    let events = Events::new();
    events.put(1, &[line(OTHER, 2), line(PERSON, 1)]);
    let nobody = |_: &Row| {
        Ok(Decision::Act(Action::Change(vec![(
            "user_id".to_owned(),
            Masked::Replaced(Value::Text("nobody".to_owned())),
        )])))
    };
    assert_eq!(events.act(&nobody).await.unwrap().anonymised, 1);
    let changed = r#"{"number":1,"user_id":"nobody","at":"2026-11-01","amount":1.50}"#;
    assert_eq!(events.lines(1), [line(OTHER, 2), changed.to_owned()]);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_hides_no_other_and_is_told_in_the_end() {
    let events = Events::new();
    events.store.bucket().put(&key(1), b"\x1f\x8b\x08 not gzip".to_vec());
    events.put(2, &[line(PERSON, 1), line(OTHER, 2)]);
    let error = events.act(&erase).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Permanent { .. }));
    assert!(habeas::telemetry::chain(&error).contains("1 objects"), "{}", habeas::telemetry::chain(&error));
    assert_eq!(events.lines(2), [line(OTHER, 2)]);
}

#[tokio::test]
async fn an_object_that_goes_or_changes_between_two_pages_hides_no_row_of_another() {
    for is_gone in [true, false] {
        let events = Events::new();
        events.store.bucket().versioning = None;
        events.put(1, &(0..6000).map(|number| line(PERSON, number)).collect::<Vec<_>>());
        events.put(2, &(6000..6010).map(|number| line(PERSON, number)).collect::<Vec<_>>());
        let (li, target) = (person(PERSON), events.target());
        let first = events.connector().read(&target, Who::Person(&li), None).await.unwrap();
        assert!(first.rows.len() < 6000);
        if is_gone {
            let gone = ObjectIdentifier::builder().key(key(1)).version_id("null").build().unwrap();
            let delete = Delete::builder().objects(gone).build().unwrap();
            events.store.client().delete_objects().bucket("files").delete(delete).send().await.unwrap();
        } else {
            events.put(1, &[line(PERSON, 7000)]);
        }
        let rest = events.connector().read(&target, Who::Person(&li), first.next.as_deref()).await.unwrap();
        assert_eq!((rest.rows.len(), rest.next), (if is_gone { 10 } else { 11 }, None));
    }
}

#[tokio::test]
async fn what_was_done_before_an_object_failed_is_counted() {
    let events = Events::new();
    events.put(1, &[line(PERSON, 1), line(OTHER, 2)]);
    events.put(2, &[line(PERSON, 3)]);
    let at_the_second: Between = Box::new(|bucket| bucket.denies = Denies::Everything);
    let at_the_first: Between = Box::new(|bucket| bucket.before_next_write = Some(at_the_second));
    events.store.bucket().before_next_write = Some(at_the_first);
    let (li, target) = (person(PERSON), events.target());
    let first = events.connector().act(&target, Who::Person(&li), &erase, None).await.unwrap();
    assert_eq!(first.counts.erased, 1);
    let cursor = first.next.unwrap();
    let again = events.connector().act(&target, Who::Person(&li), &erase, Some(&cursor)).await;
    assert!(matches!(again.err(), Some(ConnectorError::Permanent { .. })), "nothing was done: it is an error");
    events.store.bucket().denies = Denies::Nothing;
    let rest = events.connector().act(&target, Who::Person(&li), &erase, Some(&cursor)).await.unwrap();
    assert_eq!((rest.counts.erased, rest.next), (1, None));
    assert_eq!(events.dump().await, [line(OTHER, 2)]);
}
