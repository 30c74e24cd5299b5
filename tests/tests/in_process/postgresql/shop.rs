//! A database with tables of a test's own, a policy that names them, and the connector between.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use habeas::connectors::{
    Action, Connector as _, ConnectorError, DatabaseCredentials, Decision, KeyStore, Person, Postgresql, Row, Target,
    Tuple, Who,
};
use habeas::identity::SubjectKeys;
use habeas::personal::IdentityKind;
use habeas::policy::{Bundle, KeySet, Pinned};
use habeas::request::RequestId;
use habeas_e2e::{TestDatabase, yaml};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// A database, its tables, and a policy.
pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    /// The role's own connection.
    pub(crate) sql: Client,
    pub(crate) policy: Pinned,
    pub(crate) secrets: Arc<Secrets>,
}

/// Secrets Manager: one secret, which can be changed.
pub(crate) struct Secrets(pub(crate) Mutex<String>);

#[async_trait]
impl DatabaseCredentials for Secrets {
    async fn secret(&self, id: &str) -> Result<String, ConnectorError> {
        assert_eq!(id, "shop");
        Ok(self.0.lock().unwrap().clone())
    }

    async fn token(&self, _: &str, _: u16, _: &str) -> Result<String, ConnectorError> {
        unreachable!("the secret has a password")
    }
}

/// Keys captured of a collection, in chunks, whichever request asks.
pub(crate) struct Captured(pub(crate) Vec<Vec<Tuple>>);

#[async_trait]
impl KeyStore for Captured {
    async fn put(&self, _: &RequestId, _: &KeySet, _: usize, _: Vec<Tuple>, _: bool) -> Result<(), ConnectorError> {
        unreachable!("nothing is captured here")
    }

    async fn get(&self, _: &RequestId, _: &KeySet, at: usize) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError> {
        Ok(self.0.get(at).cloned().map(Arc::new))
    }

    async fn has(&self, _: &RequestId, _: &KeySet) -> Result<bool, ConnectorError> {
        Ok(!self.0.is_empty())
    }

    async fn forget(&self, _: &RequestId) -> Result<(), ConnectorError> {
        unreachable!("nothing is forgotten here")
    }
}

impl Shop {
    /// Tables, and collections by name with their fields. A field is `name`, `name!` (of the primary key), `name@email` (an
    /// identity), `name<other.field` (led to from there), `name>other.field` (leads there).
    pub(crate) async fn new(tables: &str, collections: &[(&str, &[&str])]) -> Self {
        Self::with(tables, collections, |_| {}).await
    }

    /// The same, with something else in the policy. `people` is the subject's collection, with `id` and `email`.
    pub(crate) async fn with(tables: &str, collections: &[(&str, &[&str])], change: impl Fn(&mut Value)) -> Self {
        let database = TestDatabase::create().await;
        let sql = database.client().await;
        sql.batch_execute(tables).await.unwrap();
        let mut policy = yaml::read("tests/policy/policy.yaml");
        policy["systems"] = json!([
            {"id": "db", "kind": "postgresql", "dataset": "db", "secret": "shop"},
            {"id": "kv", "kind": "dynamodb", "dataset": "kv", "collections": {"notes": {"table": "n", "key": ["id"]}}},
        ]);
        policy["subject"]["collection"] = "db.people".into();
        policy["subject"]["identities"] = json!({"user_id": "id", "email": "email"});
        policy["collections"] = json!({});
        change(&mut policy);
        let datasets = json!([
            {"fides_key": "db", "collections": collections.iter().map(collection).collect::<Vec<_>>()},
            // In another system: what leads from here has to be captured.
            {"fides_key": "kv", "collections": [collection(&("notes", &["id!", "author<people.id", "about"]))]},
        ]);
        let bundle = Bundle {
            policy: serde_json::from_value(policy).unwrap(),
            datasets: serde_json::from_value(datasets).unwrap(),
        };
        let secrets = Arc::new(Secrets(Mutex::new(database.secret().to_string())));
        Self { policy: Pinned::new(bundle).unwrap(), sql, database, secrets }
    }

    /// A function that has just started.
    pub(crate) fn connector(&self) -> Postgresql {
        Postgresql::new(self.secrets.clone())
    }

    pub(crate) fn target<'a>(&'a self, collection: &'a str) -> Target<'a> {
        Target::of(&self.policy, collection).unwrap()
    }

    /// A collection's rows as JSON, in order, each page read by a new process.
    pub(crate) async fn read(&self, collection: &str, person: &Person) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.connector().read(&self.target(collection), Who::Person(person), cursor.as_deref()).await;
            let page = page.unwrap();
            rows.extend(page.rows.iter().map(json_of));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return rows,
            }
        }
    }

    /// The first page of a collection's rows as an export writes them, with all digits of their numbers.
    pub(crate) async fn text(&self, collection: &str, person: &Person) -> String {
        let page = self.connector().read(&self.target(collection), Who::Person(person), None).await.unwrap();
        page.rows.iter().map(|row| serde_json::to_string(&row.record).unwrap() + "\n").collect()
    }

    /// Does to each row of a person what the judge says, and counts what was erased and changed.
    pub(crate) async fn act(
        &self,
        collection: &str,
        person: &Person,
        judge: impl Fn(&Row) -> Option<Action> + Send + Sync,
    ) -> (u64, u64) {
        let connector = self.connector();
        let judge = |row: &Row| Ok(judge(row).map_or(Decision::Leave, Decision::Act));
        let (mut done, mut cursor) = ((0, 0), None);
        loop {
            let target = self.target(collection);
            let acted = connector.act(&target, Who::Person(person), &judge, cursor.as_deref()).await.unwrap();
            done = (done.0 + acted.counts.erased, done.1 + acted.counts.anonymised);
            match acted.next {
                Some(next) => cursor = Some(next),
                None => return done,
            }
        }
    }

    /// One number.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.sql.query_one(&format!("SELECT ({query})::bigint"), &[]).await.unwrap().get(0)
    }
}

/// A person by their id and address.
pub(crate) fn person(id: &str, email: &str) -> Person {
    Person::known_by(keys(id, email))
}

pub(crate) fn keys(id: &str, email: &str) -> SubjectKeys {
    let keys = [("id", id), ("email", email)].map(|(field, value)| (field.to_owned(), vec![value.to_owned()]));
    SubjectKeys {
        kind: IdentityKind::Email,
        value: email.to_owned(),
        keys: BTreeMap::from(keys),
        named: Vec::new(),
        own_ids: BTreeMap::new(),
    }
}

/// Whether something went wrong for good, and all that is said of it.
pub(crate) fn words(error: &ConnectorError) -> (bool, String) {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    (matches!(error, ConnectorError::Permanent { .. }), format!("{words} / {error:?}"))
}

pub(crate) fn json_of(row: &Row) -> Value {
    serde_json::to_value(&row.record).unwrap()
}

fn collection((name, fields): &(&str, &[&str])) -> Value {
    let fields = fields.iter().map(|field| {
        let at = field.find(['!', '@', '<', '>']).unwrap_or(field.len());
        let (name, rest) = field.split_at(at);
        let reference = |direction: &str| {
            let (collection, of) = rest[1..].split_once('.').unwrap();
            let dataset = if collection == "notes" { "kv" } else { "db" };
            json!({"references": [{"dataset": dataset, "field": format!("{collection}.{of}"), "direction": direction}]})
        };
        let meta = match rest.chars().next() {
            Some('!') => json!({"primary_key": true}),
            Some('@') => json!({"identity": rest[1..]}),
            Some('<') => reference("from"),
            Some('>') => reference("to"),
            _ => json!({}),
        };
        json!({"name": name, "fides_meta": meta})
    });
    json!({"name": name, "fields": fields.collect::<Vec<_>>()})
}
