//! Deterministic sample users for the two apps whose policies ship with Habeas.
//!
//! The rule of this room: a generator knows what it stores *and* what an export of it must show, without asking any
//! code of the exporter, so that tests compare the exporter with an independent expectation. The same seed gives the
//! same bytes on every machine.

pub mod databases;
pub mod expected;
pub mod load;
pub mod people;
pub mod tables;
pub mod text;
pub mod yallo;
pub mod yuncan;

use serde_json::{Map, Value};

pub use expected::expected;

/// How many users there are and which.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// Every value derives from it.
    pub seed: u64,
    /// Number of users, at least [`Population::SUBJECTS`].
    pub users: usize,
    /// Posts of a heavy user (user 0, and every 500th).
    pub heavy_rows: usize,
}

impl Population {
    /// Users below this index are the ones that stories and tests act for. Nobody else's free text mentions them, so
    /// that after their erasure not one of their values may be found anywhere.
    pub const SUBJECTS: usize = 10;

    /// Whether this user has `heavy_rows` posts instead of about ten.
    #[must_use]
    pub fn is_heavy(&self, index: usize) -> bool {
        index.is_multiple_of(500)
    }
}

/// One row of one user in one collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `<dataset>.<collection>`.
    pub collection: &'static str,
    /// What the app stores: strings, integers, booleans, lists, objects, no floats (coordinates are strings).
    pub stored: Map<String, Value>,
    /// What an export shows: `stored` without omitted fields, masked fields masked.
    pub exported: Map<String, Value>,
}

/// One object of one user in one bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `<dataset>.<collection>`.
    pub collection: &'static str,
    /// The whole key.
    pub key: String,
    /// MIME type.
    pub content_type: &'static str,
    /// The bytes.
    pub content: Vec<u8>,
}

/// How a story reaches a user, and what must not be found of them after an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The app's id of the user; also the `sub` of their sign-in.
    pub user_id: String,
    /// E-mail on file, if any.
    pub email: Option<String>,
    /// Phone number on file in E.164, if any.
    pub phone: Option<String>,
    /// `en` or `zh-Hans`.
    pub language: &'static str,
    /// Every value that identifies this user and nobody else, longer than three characters.
    pub identifying: Vec<String>,
    /// What the ids begin with that lead to rows of theirs which hold nothing of the user: lines of an order, say.
    pub series: Vec<String>,
}

/// One app's generator.
pub trait App: Sync {
    /// The user with this index.
    fn person(&self, population: &Population, index: usize) -> Person;
    /// SQL that makes the tables of a dataset which is kept in a database.
    fn tables(&self, _dataset: &str) -> &'static str {
        ""
    }
    /// Every row that this user wrote or owns, a collection after the other, what is referred to first.
    fn rows(&self, population: &Population, index: usize, emit: &mut dyn FnMut(Row));
    /// Every object that this user owns.
    fn objects(&self, population: &Population, index: usize, emit: &mut dyn FnMut(Object));
    /// Whether a row, possibly another user's, is tied to this person by one of its links.
    fn concerns(&self, row: &Row, person: &Person) -> bool;
}

/// The generator for a policy id.
#[must_use]
pub fn app(policy: &str) -> Option<&'static dyn App> {
    match policy {
        "yallo" => Some(&yallo::Yallo),
        "yuncan" => Some(&yuncan::Yuncan),
        _ => None,
    }
}
