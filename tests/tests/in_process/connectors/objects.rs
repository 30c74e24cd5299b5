//! Objects: the suite, versions and delete markers, locks.

use std::sync::Arc;

use async_trait::async_trait;
use habeas::clock::ManualClock;
use habeas::connectors::{Connector, ConnectorError, Handle, Hold, Judge, S3, Target, Who};
use habeas::plan::Counts;
use habeas::policy::Pinned;
use habeas_e2e::suite::{Erase, Fixture, OTHER, PERSON, person};
use habeas_e2e::{Denies, Versions, connector_suite};
use jiff::Timestamp;

use super::policy;

/// Pictures of people, each with a folder of their own.
pub(super) struct Pictures {
    pub(super) store: Versions,
    pub(super) policy: Arc<Pinned>,
}

impl Pictures {
    pub(super) fn new() -> Self {
        Self { store: Versions::new("files"), policy: policy("plain") }
    }

    fn key(whose: &str, name: &str) -> String {
        format!("people/{whose}/pictures/{name}")
    }

    fn put(&self, whose: &str, name: &str) -> String {
        self.store.bucket().put(&Self::key(whose, name), name.as_bytes().to_vec())
    }

    pub(super) fn target(&self) -> Target<'_> {
        Target::of(&self.policy, "files.pictures").unwrap()
    }

    async fn act(&self, who: Who<'_>, judge: &dyn Judge) -> Counts {
        let (mut counts, mut cursor) = (Counts::default(), None);
        loop {
            let acted = self.connector().act(&self.target(), who, judge, cursor.as_deref()).await.unwrap();
            counts.add(&acted.counts);
            cursor = acted.next;
            if cursor.is_none() {
                return counts;
            }
        }
    }
}

#[async_trait]
impl Fixture for Pictures {
    fn connector(&self) -> Box<dyn Connector> {
        let now = "2026-11-21T08:00:00Z".parse().unwrap();
        Box::new(S3::new(self.store.client(), Arc::new(ManualClock::at(now))))
    }

    fn collection(&self) -> (&Pinned, &str) {
        (&self.policy, "files.pictures")
    }

    async fn add(&self, whose: &str, rows: usize) {
        let start = self.store.bucket().dump().len();
        for number in start..start + rows {
            self.put(whose, &format!("{number:05}.png"));
        }
    }

    async fn add_pages(&self, whose: &str) -> usize {
        self.add(whose, 450).await;
        450
    }

    async fn add_huge(&self, whose: &str) {
        let body = vec![7; 8 * 1024 * 1024];
        self.store.bucket().put(&Self::key(whose, "film.mp4"), body);
    }

    async fn add_linked_twice(&self, _: &str) -> bool {
        false
    }

    async fn change_one(&self, whose: &str) -> String {
        let key = Self::key(whose, "");
        let mut bucket = self.store.bucket();
        let first = bucket.dump().into_iter().find(|line| line.starts_with(&key)).unwrap();
        let id = bucket.put(first.split(' ').next().unwrap(), b"new".to_vec());
        bucket.dump().into_iter().find(|line| line.contains(&format!(" {id} "))).unwrap()
    }

    async fn forbid(&self) {
        self.store.bucket().denies = Denies::Everything;
    }

    async fn remove(&self) {
        self.store.bucket().name.clear();
    }

    async fn dump(&self) -> Vec<String> {
        self.store.bucket().dump()
    }
}

connector_suite!(objects, std::future::ready(Pictures::new()));

#[tokio::test]
async fn old_versions_and_delete_markers_go_and_are_not_shown() {
    for versioning in [Some("Enabled"), Some("Suspended"), None] {
        let pictures = Pictures::new();
        pictures.put(PERSON, "a");
        pictures.put(PERSON, "a");
        pictures.put(PERSON, "b");
        pictures.store.bucket().mark_deleted(&Pictures::key(PERSON, "b"));
        // What is there when versioning ends stays until somebody deletes it.
        pictures.store.bucket().versioning = versioning;
        pictures.put(PERSON, "a");
        let li = person(PERSON);
        let target = pictures.target();
        let rows = pictures.connector().read(&target, Who::Person(&li), None).await.unwrap().rows;
        assert_eq!((rows.len(), rows.iter().filter(|row| row.is_current).count()), (5, 1), "{versioning:?}");
        assert_eq!(pictures.act(Who::Person(&li), &Erase).await.erased, 5);
        assert_eq!(pictures.store.bucket().dump(), [] as [String; 0], "{versioning:?}");
    }
}

#[tokio::test]
async fn two_collections_below_one_prefix_are_swept_apart() {
    let pictures = Pictures::new();
    pictures.put(PERSON, "a");
    let sound = format!("people/{PERSON}/sounds/a");
    pictures.store.bucket().put(&sound, Vec::new());
    assert_eq!(pictures.act(Who::Everyone, &Erase).await.erased, 1);
    assert!(pictures.store.bucket().dump()[0].starts_with(&sound));
}

#[tokio::test]
async fn locked_versions_are_retained_and_nothing_is_lost_over_them() {
    let pictures = Pictures::new();
    let until: Timestamp = "2027-01-31T00:00:00Z".parse().unwrap();
    let (locked, held) = (pictures.put(PERSON, "locked"), pictures.put(PERSON, "held"));
    pictures.put(PERSON, "free");
    pictures.store.bucket().mark_deleted(&Pictures::key(PERSON, "gone"));
    pictures.store.bucket().lock(&Pictures::key(PERSON, "locked"), &locked, Some(until));
    pictures.store.bucket().hold(&Pictures::key(PERSON, "held"), &held, true);
    pictures.put(OTHER, "free");
    let li = person(PERSON);
    let counts = pictures.act(Who::Person(&li), &Erase).await;
    assert_eq!(counts, Counts { read: 4, erased: 2, ..Counts::default() });

    let target = pictures.target();
    let rows = pictures.connector().read(&target, Who::Person(&li), None).await.unwrap().rows;
    let keys: Vec<&str> = rows
        .iter()
        .map(|row| match &row.handle {
            Handle::Version { key, .. } => key.rsplit('/').next().unwrap(),
            Handle::Item(_) | Handle::Key { .. } => unreachable!("objects have versions"),
        })
        .collect();
    assert_eq!(keys, ["held", "locked"]);
    let holds = pictures.connector().held(&target, &rows).await.unwrap();
    assert_eq!(holds, [Some(Hold { until: None }), Some(Hold { until: Some(until) })]);

    // When the locks have ended, the next one takes what is left.
    pictures.store.bucket().lock(&Pictures::key(PERSON, "locked"), &locked, None);
    pictures.store.bucket().hold(&Pictures::key(PERSON, "held"), &held, false);
    assert_eq!(pictures.connector().held(&target, &rows).await.unwrap(), [None, None]);
    assert_eq!(pictures.act(Who::Person(&li), &Erase).await.erased, 2);
}

#[tokio::test]
async fn a_delete_that_is_denied_without_a_lock_is_an_error() {
    let pictures = Pictures::new();
    pictures.put(PERSON, "a");
    pictures.store.bucket().denies = Denies::Deletes;
    let li = person(PERSON);
    let acted = pictures.connector().act(&pictures.target(), Who::Person(&li), &Erase, None).await;
    let error = acted.err().unwrap();
    assert!(matches!(error, ConnectorError::Permanent { .. }));
    assert!(!format!("{error:?}").contains(PERSON), "{error:?}");
}

#[tokio::test]
async fn what_was_deleted_before_the_bucket_was_busy_is_counted_and_the_rest_comes_after() {
    for everyone in [false, true] {
        let pictures = Pictures::new();
        pictures.add(PERSON, 10).await;
        pictures.store.bucket().slow = 4;
        let li = person(PERSON);
        let who = if everyone { Who::Everyone } else { Who::Person(&li) };
        let first = pictures.connector().act(&pictures.target(), who, &Erase, None).await.unwrap();
        assert_eq!((first.counts.read, first.counts.erased), (6, 6));
        let rest = pictures.connector().act(&pictures.target(), who, &Erase, first.next.as_deref()).await.unwrap();
        assert_eq!((rest.counts.read, rest.counts.erased, rest.next), (4, 4, None));
    }
}
