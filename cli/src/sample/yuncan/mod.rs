//! Sample users of Yuncan tracking, for the policy `yuncan`.
//!
//! Names of collections and fields, what an export leaves out and what it masks are written down here a second time, on
//! purpose: tests compare the exporter, which reads the policy, with a generator that does not.

mod facts;
mod objects;
mod records;
mod social;
mod traces;

use serde_json::{Map, Value};

use super::{App, Object, Person, Population, Row, people};
use facts::Facts;

/// What [`people`] knows the app as.
const APP: &str = "yc";

/// Fields that never leave: the categories `user.authorization` and `user.biometric`.
const OMITTED: [(&str, &str); 2] = [("yuncan_app.users", "password_hash"), ("yuncan_app.users", "face_features")];

/// Fields of which only the last four characters are shown: numbers of identity papers, accounts and cards.
const MASKED: [(&str, &str); 3] = [
    ("yuncan_app.users", "id_number"),
    ("yuncan_records.orders", "card_number"),
    ("yuncan_records.campaign_entries", "bank_account"),
];
const SHOWN: usize = 4;

/// The generator of Yuncan's users.
#[derive(Clone, Copy, Debug)]
pub struct Yuncan;

impl App for Yuncan {
    fn person(&self, population: &Population, index: usize) -> Person {
        let facts = Facts::of(population, index);
        Person {
            user_id: facts.who.user_id.clone(),
            email: facts.who.email.clone(),
            phone: facts.who.phone.clone(),
            language: facts.who.language,
            identifying: facts.identifying(),
            series: vec![facts.order_series(), facts.feedback_series()],
        }
    }

    fn rows(&self, population: &Population, index: usize, emit: &mut dyn FnMut(Row)) {
        let facts = Facts::of(population, index);
        social::rows(&facts, emit);
        traces::rows(&facts, emit);
        records::rows(&facts, emit);
    }

    fn tables(&self, dataset: &str) -> &'static str {
        match dataset {
            "yuncan_records" => include_str!("records.sql"),
            _ => "",
        }
    }

    fn objects(&self, population: &Population, index: usize, emit: &mut dyn FnMut(Object)) {
        objects::objects(&Facts::of(population, index), emit);
    }

    fn concerns(&self, row: &Row, person: &Person) -> bool {
        let holds = |field: &str, value: &str| row.stored.get(field).and_then(Value::as_str) == Some(value);
        let by_contact = row.collection == "yuncan_app.users"
            && [("email", &person.email), ("phone", &person.phone)]
                .iter()
                .any(|(field, value)| value.as_deref().is_some_and(|value| holds(field, value)));
        let through = further(row.collection).and_then(|field| row.stored.get(field)?.as_str());
        by_contact
            || links(row.collection).iter().any(|field| holds(field, &person.user_id))
            || through.is_some_and(|id| person.series.iter().any(|series| id.starts_with(series)))
    }
}

/// The fields that hold the id of a user a row belongs to.
fn links(collection: &str) -> &'static [&'static str] {
    match collection {
        "yuncan_app.comments" => &["author_id"],
        "yuncan_app.follows" => &["follower_id", "followee_id"],
        "yuncan_app.messages" => &["sender_id", "recipient_id"],
        _ => &["user_id"],
    }
}

/// The field that holds the id of another row of the user's, where a row holds nothing of the user.
fn further(collection: &str) -> Option<&'static str> {
    match collection {
        "yuncan_records.order_items" => Some("order_id"),
        "yuncan_records.feedback_replies" => Some("feedback_id"),
        _ => None,
    }
}

/// A row in the making.
struct Draft {
    collection: &'static str,
    stored: Map<String, Value>,
}

impl Draft {
    fn new(collection: &'static str) -> Self {
        Self { collection, stored: Map::new() }
    }

    fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.stored.insert(field.to_owned(), value.into());
        self
    }

    /// A field that is absent, not null, where there is nothing to store: an index must not meet a null.
    fn with_some(self, field: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(field, value),
            None => self,
        }
    }

    fn row(self) -> Row {
        let listed = |list: &[(&str, &str)], field: &str| list.contains(&(self.collection, field));
        let mut exported = Map::new();
        for (field, value) in &self.stored {
            if listed(&OMITTED, field) {
                continue;
            }
            let shown = match value {
                Value::String(text) if listed(&MASKED, field) => people::mask(text, SHOWN).into(),
                other => other.clone(),
            };
            exported.insert(field.clone(), shown);
        }
        Row { collection: self.collection, exported, stored: self.stored }
    }
}
