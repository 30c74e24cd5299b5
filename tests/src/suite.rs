//! What every connector must do, whatever it connects to. docs/connectors.md says why; [`connector_suite`] makes the tests.
//!
//! A connector is made anew for each page: what it remembers may make it quicker and nothing else.

use std::collections::BTreeSet;

use async_trait::async_trait;
use habeas::connectors::{Action, Connector, ConnectorError, Decision, Handle, Judge, Person, Row, Target, Who};
use habeas::identity::SubjectKeys;
use habeas::personal::IdentityKind;
use habeas::plan::Counts;
use habeas::policy::Pinned;

/// Whose rows are read and erased.
pub const PERSON: &str = "u-li";
/// Whose rows nothing may happen to.
pub const OTHER: &str = "u-ann";

/// A collection somewhere, and somebody who works in it beside the connector.
///
/// The collection has a link to [`PERSON`] by their user id, and a rule that erases its rows.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A connector as a new process has it.
    fn connector(&self) -> Box<dyn Connector>;

    /// The policy, and the collection's full name in it.
    fn collection(&self) -> (&Pinned, &str);

    /// Writes so many rows of somebody. Those of several people lie between one another.
    async fn add(&self, whose: &str, rows: usize);

    /// Writes more rows of somebody than a page holds; how many.
    async fn add_pages(&self, whose: &str) -> usize;

    /// Writes a row of somebody as large as the system takes.
    async fn add_huge(&self, whose: &str);

    /// Writes a row that leads to somebody by two links of the collection. False: this collection has one only.
    async fn add_linked_twice(&self, whose: &str) -> bool;

    /// Changes one row of somebody, as the application would, so that what was decided about it does not hold any more: it
    /// is another's now, or newer. The row as [`Fixture::dump`] shows it from now on.
    async fn change_one(&self, whose: &str) -> String;

    /// Takes every permission away.
    async fn forbid(&self);

    /// Takes the table or bucket away.
    async fn remove(&self);

    /// Every row there is, byte for byte, with its owner's user id somewhere in it.
    async fn dump(&self) -> Vec<String>;
}

/// A person of whom only the user id is known.
#[must_use]
pub fn person(user_id: &str) -> Person {
    let keys = [("user_id".to_owned(), vec![user_id.to_owned()])].into();
    Person::known_by(SubjectKeys {
        kind: IdentityKind::UserId,
        value: user_id.to_owned(),
        keys,
        named: Vec::new(),
        own_ids: std::collections::BTreeMap::new(),
    })
}

fn target(fixture: &dyn Fixture) -> Target<'_> {
    let (policy, name) = fixture.collection();
    Target::of(policy, name).unwrap()
}

/// What tells a row from every other.
fn identity(row: &Row) -> String {
    let record = serde_json::to_string(&row.record).unwrap();
    match &row.handle {
        Handle::Version { key, version } => format!("{key} {version:?} {record}"),
        Handle::Item(_) | Handle::Key { .. } => record,
    }
}

/// Pages from a cursor on: where each begins, and its rows.
async fn pages(fixture: &dyn Fixture, who: Who<'_>, from: Option<String>) -> Vec<(Option<String>, Vec<String>)> {
    let (mut pages, mut cursor) = (Vec::new(), from);
    loop {
        let page = fixture.connector().read(&target(fixture), who, cursor.as_deref()).await.unwrap();
        pages.push((cursor, page.rows.iter().map(identity).collect()));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return pages,
        }
        assert!(pages.len() < 1000, "the pages never end");
    }
}

async fn rows(fixture: &dyn Fixture, who: Who<'_>) -> Vec<String> {
    pages(fixture, who, None).await.into_iter().flat_map(|(_, rows)| rows).collect()
}

/// Says of every row that it goes.
pub struct Erase;

impl Judge for Erase {
    fn judge(&self, _: &Row) -> Result<Decision, ConnectorError> {
        Ok(Decision::Act(Action::Erase))
    }
}

/// Erases every row that is found, page after page; what was counted.
async fn erase(fixture: &dyn Fixture, who: Who<'_>) -> Counts {
    let (mut counts, mut cursor) = (Counts::default(), None);
    for _ in 0..1000 {
        let acted = fixture.connector().act(&target(fixture), who, &Erase, cursor.as_deref()).await.unwrap();
        counts.add(&acted.counts);
        match acted.next {
            Some(next) => cursor = Some(next),
            None => return counts,
        }
    }
    panic!("the pages never end");
}

async fn of_others(fixture: &dyn Fixture) -> Vec<String> {
    fixture.dump().await.into_iter().filter(|row| row.contains(OTHER)).collect()
}

/// What an error says, with all its causes.
fn words(error: &ConnectorError) -> String {
    format!("{} {error:?}", habeas::telemetry::chain(error))
}

pub async fn every_row_comes_once_from_any_cursor_on(fixture: &dyn Fixture) {
    fixture.add(OTHER, 3).await;
    let count = fixture.add_pages(PERSON).await;
    fixture.add(OTHER, 3).await;
    let li = person(PERSON);
    let pages = pages(fixture, Who::Person(&li), None).await;
    assert!(pages.len() > 1, "more than one page");
    let all: Vec<&String> = pages.iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (count, count), "each row once");
    for (at, (cursor, _)) in pages.iter().enumerate() {
        let rest: Vec<&String> = pages[at..].iter().flat_map(|(_, rows)| rows).collect();
        let again = self::pages(fixture, Who::Person(&li), cursor.clone()).await;
        assert_eq!(again.iter().flat_map(|(_, rows)| rows).collect::<Vec<_>>(), rest, "from page {at} on");
    }
}

pub async fn acting_again_does_nothing_more_and_others_keep_every_byte(fixture: &dyn Fixture) {
    fixture.add(OTHER, 5).await;
    let count = fixture.add_pages(PERSON).await as u64;
    fixture.add(OTHER, 5).await;
    let before = of_others(fixture).await;
    assert_eq!(before.len(), 10);
    let li = person(PERSON);
    let counts = erase(fixture, Who::Person(&li)).await;
    assert_eq!(counts, Counts { read: count, erased: count, ..Counts::default() });
    assert_eq!(fixture.dump().await, before, "the person's rows are gone, and nothing else");
    assert_eq!(erase(fixture, Who::Person(&li)).await, Counts::default());
    assert_eq!(fixture.dump().await, before);
}

pub async fn applying_again_does_nothing_more(fixture: &dyn Fixture) {
    fixture.add(OTHER, 2).await;
    fixture.add(PERSON, 4).await;
    let before = of_others(fixture).await;
    let (li, target) = (person(PERSON), target(fixture));
    let read = async || fixture.connector().read(&target, Who::Person(&li), None).await.unwrap().rows;
    let (once, twice) = (read().await, read().await);
    for rows in [once, twice] {
        let actions = rows.into_iter().map(|row| (row, Action::Erase)).collect();
        fixture.connector().apply(&target, actions).await.unwrap();
        assert_eq!(fixture.dump().await, before);
    }
}

pub async fn everybodys_rows_are_read_and_erased_too(fixture: &dyn Fixture) {
    let count = fixture.add_pages(PERSON).await;
    fixture.add(OTHER, 3).await;
    assert_eq!(rows(fixture, Who::Everyone).await.len(), count + 3);
    let only_li = |row: &Row| if identity(row).contains(PERSON) { Erase.judge(row) } else { Ok(Decision::Leave) };
    let before = of_others(fixture).await;
    let mut cursor = None;
    loop {
        let acted = fixture.connector().act(&target(fixture), Who::Everyone, &only_li, cursor.as_deref()).await;
        cursor = acted.unwrap().next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(fixture.dump().await, before);
}

pub async fn as_many_are_counted_as_are_read(fixture: &dyn Fixture) {
    fixture.add(OTHER, 3).await;
    let count = fixture.add_pages(PERSON).await as u64;
    fixture.add_linked_twice(PERSON).await;
    let li = person(PERSON);
    for who in [Who::Person(&li), Who::Everyone] {
        let read = rows(fixture, who).await.len() as u64;
        assert!(read >= count);
        assert_eq!(fixture.connector().count(&target(fixture), who).await.unwrap(), read);
    }
    erase(fixture, Who::Person(&li)).await;
    assert_eq!(fixture.connector().count(&target(fixture), Who::Person(&li)).await.unwrap(), 0);
}

pub async fn a_row_that_two_links_lead_to_comes_once(fixture: &dyn Fixture) {
    fixture.add(PERSON, 2).await;
    if !fixture.add_linked_twice(PERSON).await {
        let (policy, name) = fixture.collection();
        assert_eq!(policy.links(name).len(), 1, "a collection with several links has such rows");
        return;
    }
    let li = person(PERSON);
    assert_eq!(rows(fixture, Who::Person(&li)).await.len(), 3);
    assert_eq!(erase(fixture, Who::Person(&li)).await.erased, 3);
}

pub async fn a_row_that_was_changed_since_it_was_read_is_left(fixture: &dyn Fixture) {
    fixture.add(OTHER, 2).await;
    fixture.add(PERSON, 3).await;
    let (li, target) = (person(PERSON), target(fixture));
    let page = fixture.connector().read(&target, Who::Person(&li), None).await.unwrap();
    assert_eq!(page.rows.len(), 3);
    let changed = fixture.change_one(PERSON).await;
    let mut expected = of_others(fixture).await;
    if !expected.contains(&changed) {
        expected.push(changed);
    }
    let actions = page.rows.into_iter().map(|row| (row, Action::Erase)).collect();
    fixture.connector().apply(&target, actions).await.unwrap();
    let (mut left, mut expected) = (fixture.dump().await, expected);
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
}

pub async fn what_is_forbidden_is_permanent_and_is_found_beforehand(fixture: &dyn Fixture) {
    fixture.add(PERSON, 2).await;
    fixture.forbid().await;
    refuses(fixture).await;
}

pub async fn what_is_missing_is_permanent_and_is_found_beforehand(fixture: &dyn Fixture) {
    fixture.add(PERSON, 2).await;
    fixture.remove().await;
    refuses(fixture).await;
}

async fn refuses(fixture: &dyn Fixture) {
    let (li, target) = (person(PERSON), target(fixture));
    let connector = fixture.connector();
    let read = connector.read(&target, Who::Person(&li), None).await.err();
    let acted = connector.act(&target, Who::Person(&li), &Erase, None).await.err();
    let counted = connector.count(&target, Who::Person(&li)).await.err();
    for error in [read, acted, counted] {
        let error = error.expect("it is refused");
        assert!(matches!(error, ConnectorError::Permanent { .. }), "{}", words(&error));
        assert!(!words(&error).contains(PERSON), "an error repeats whose rows they are: {}", words(&error));
    }
    let obstacles = connector.preflight(&target, target.policy.rule(target.name)).await.unwrap();
    assert!(obstacles.iter().any(|obstacle| obstacle.refuses && obstacle.collection == target.name), "{obstacles:?}");
}

pub async fn a_preflight_finds_nothing_where_nothing_is_wrong_and_touches_nothing(fixture: &dyn Fixture) {
    fixture.add(PERSON, 2).await;
    let before = fixture.dump().await;
    let target = target(fixture);
    for rule in [None, target.policy.rule(target.name)] {
        let obstacles = fixture.connector().preflight(&target, rule).await.unwrap();
        assert!(!obstacles.iter().any(|obstacle| obstacle.refuses), "{obstacles:?}");
    }
    assert_eq!(fixture.dump().await, before);
}

pub async fn nothing_is_found_where_nothing_is(fixture: &dyn Fixture) {
    let li = person(PERSON);
    for who in [Who::Person(&li), Who::Everyone] {
        assert!(rows(fixture, who).await.is_empty());
        assert_eq!(fixture.connector().count(&target(fixture), who).await.unwrap(), 0);
        assert_eq!(erase(fixture, who).await, Counts::default());
    }
}

pub async fn a_huge_row_is_read_and_erased(fixture: &dyn Fixture) {
    fixture.add_huge(OTHER).await;
    fixture.add_huge(PERSON).await;
    fixture.add(PERSON, 1).await;
    let before = of_others(fixture).await;
    let li = person(PERSON);
    assert_eq!(rows(fixture, Who::Person(&li)).await.len(), 2);
    assert_eq!(erase(fixture, Who::Person(&li)).await.erased, 2);
    assert!(fixture.dump().await == before, "the other's huge row is as it was");
}

/// A connector may have no quicker way; if it has one, it leads to the same.
pub async fn lines_are_the_rows_as_they_are_whatever_else_is_asked_meanwhile(fixture: &dyn Fixture) {
    fixture.add(OTHER, 3).await;
    let count = fixture.add_pages(PERSON).await as u64;
    let (li, target, connector) = (person(PERSON), target(fixture), fixture.connector());
    let parse = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap().to_string();
    let (mut read, mut cursor) = (Vec::new(), None);
    loop {
        let (who, at) = (Who::Person(&li), cursor.as_deref());
        let Some(lines) = connector.lines(&target, who, at).await.unwrap() else { return };
        // The next page may be on its way.
        let meanwhile = tokio::time::timeout(std::time::Duration::from_mins(1), connector.count(&target, who)).await;
        assert_eq!(meanwhile.expect("it is answered").unwrap(), count);
        let text = String::from_utf8(lines.text).unwrap();
        assert_eq!(text.lines().count() as u64, lines.rows);
        read.extend(text.lines().map(parse));
        let page = fixture.connector().read(&target, who, at).await.unwrap();
        assert_eq!(page.next, lines.next);
        cursor = lines.next;
        if cursor.is_none() {
            break;
        }
    }
    let rows = rows(fixture, Who::Person(&li)).await;
    assert_eq!(read, rows.iter().map(|row| parse(row)).collect::<Vec<_>>());
}

/// A connector may have no quicker way; if it has one, it leads to the same.
pub async fn having_every_row_go_is_acting_on_each(fixture: &dyn Fixture) {
    fixture.add(OTHER, 3).await;
    let mut count = fixture.add_pages(PERSON).await as u64;
    count += u64::from(fixture.add_linked_twice(PERSON).await);
    let before = of_others(fixture).await;
    let (li, target) = (person(PERSON), target(fixture));
    let (mut counts, mut cursor) = (Counts::default(), None);
    loop {
        let erased = fixture.connector().erase(&target, Who::Person(&li), cursor.as_deref()).await.unwrap();
        let Some(acted) = erased else { return };
        counts.add(&acted.counts);
        cursor = acted.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(counts, Counts { read: count, erased: count, ..Counts::default() });
    assert!(fixture.dump().await == before, "the person's rows are gone, and nothing else");
}

pub async fn a_cursor_of_another_kind_is_refused(fixture: &dyn Fixture) {
    fixture.add(PERSON, 1).await;
    let (li, target) = (person(PERSON), target(fixture));
    for who in [Who::Person(&li), Who::Everyone] {
        let read = fixture.connector().read(&target, who, Some("page 2")).await;
        assert!(matches!(read.err(), Some(ConnectorError::Cursor)));
    }
}

/// The tests of a connector: a module with one test for each thing that it must do. The second argument is an async
/// expression that makes a new [`Fixture`](crate::suite::Fixture), whose type is in scope.
#[macro_export]
macro_rules! connector_suite {
    ($module:ident, $fixture:expr) => {
        $crate::connector_suite!($module, $fixture;
            every_row_comes_once_from_any_cursor_on,
            acting_again_does_nothing_more_and_others_keep_every_byte,
            applying_again_does_nothing_more,
            everybodys_rows_are_read_and_erased_too,
            as_many_are_counted_as_are_read,
            a_row_that_two_links_lead_to_comes_once,
            a_row_that_was_changed_since_it_was_read_is_left,
            what_is_forbidden_is_permanent_and_is_found_beforehand,
            what_is_missing_is_permanent_and_is_found_beforehand,
            a_preflight_finds_nothing_where_nothing_is_wrong_and_touches_nothing,
            nothing_is_found_where_nothing_is,
            a_huge_row_is_read_and_erased,
            lines_are_the_rows_as_they_are_whatever_else_is_asked_meanwhile,
            having_every_row_go_is_acting_on_each,
            a_cursor_of_another_kind_is_refused);
    };
    ($module:ident, $fixture:expr; $($behaviour:ident),*) => {
        mod $module {
            use super::*;

            $(#[tokio::test]
            async fn $behaviour() {
                $crate::suite::$behaviour(&$fixture.await).await;
            })*
        }
    };
}
