//! Every connector through the same suite, and what each does besides.

mod objects;
mod objects_preflight;
mod pace;
mod relations;
mod rows_in_objects;
mod single_table;
mod tables;
mod tables_change;
mod tables_preflight;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use habeas::connectors::{
    Acted, Connector, ConnectorError, DynamoDb, Judge, KeyStore, Person, Row, Target, Tuple, Who,
};
use habeas::identity::SubjectKeys;
use habeas::personal::IdentityKind;
use habeas::plan::Counts;
use habeas::policy::{KeySet, Pinned};
use habeas::random::SeededRandom;
use habeas::request::RequestId;
use habeas_e2e::Faults;

pub(crate) type Item = BTreeMap<String, AttributeValue>;

/// A policy of tests/connectors.
pub(crate) fn policy(name: &str) -> Arc<Pinned> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors").join(name);
    Arc::new(habeas::policy::load::load(&folder).unwrap_or_else(|error| unreachable!("{error}")))
}

/// The tables of a policy, behind a client whose calls can be made to fail.
pub(crate) struct Tables {
    pub(crate) faults: Faults,
    pub(crate) client: Client,
    pub(crate) policy: Arc<Pinned>,
}

impl Tables {
    pub(crate) async fn of(policy_name: &str) -> Self {
        let (faults, policy) = (Faults::default(), policy(policy_name));
        let client = faults.dynamodb().await;
        habeas_e2e::create_tables(&client, &policy).await;
        faults.take();
        Self { faults, client, policy }
    }

    pub(crate) fn connector(&self) -> DynamoDb {
        DynamoDb::new(self.client.clone(), Arc::new(SeededRandom::new(1)))
    }

    pub(crate) fn target<'a>(&'a self, collection: &'a str) -> Target<'a> {
        Target::of(&self.policy, collection).unwrap()
    }

    pub(crate) async fn put(&self, table: &str, item: &[(&str, AttributeValue)]) {
        let put = self.client.put_item().table_name(table);
        item.iter().fold(put, |put, (name, value)| put.item(*name, value.clone())).send().await.unwrap();
    }

    /// Every row of a table, by its key.
    pub(crate) async fn rows(&self, table: &str) -> Vec<Item> {
        let (mut rows, mut start) = (Vec::new(), None);
        loop {
            let page = self.client.scan().table_name(table).set_exclusive_start_key(start).send().await.unwrap();
            rows.extend(page.items.unwrap_or_default().into_iter().map(|item| item.into_iter().collect::<Item>()));
            start = page.last_evaluated_key;
            if start.is_none() {
                rows.sort_by_cached_key(|row| format!("{row:?}"));
                return rows;
            }
        }
    }

    /// The texts of an attribute of all rows of a table, sorted.
    pub(crate) async fn texts(&self, table: &str, attribute: &str) -> Vec<String> {
        let text = |row: &Item| row.get(attribute).and_then(|value| value.as_s().ok()).cloned();
        let mut texts: Vec<String> = self.rows(table).await.iter().filter_map(text).collect();
        texts.sort();
        texts
    }

    /// Acts until the pages end, each page by a new connector.
    pub(crate) async fn act(&self, collection: &str, who: Who<'_>, judge: &dyn Judge) -> Counts {
        let (mut counts, mut cursor) = (Counts::default(), None);
        loop {
            let acted = self.act_once(collection, who, judge, cursor.as_deref()).await.unwrap();
            counts.add(&acted.counts);
            cursor = acted.next;
            if cursor.is_none() {
                return counts;
            }
        }
    }

    pub(crate) async fn act_once(
        &self,
        collection: &str,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        self.connector().act(&self.target(collection), who, judge, cursor).await
    }

    /// The rows of the first page.
    pub(crate) async fn read(&self, collection: &str, who: Who<'_>) -> Vec<Row> {
        self.connector().read(&self.target(collection), who, None).await.unwrap().rows
    }
}

pub(crate) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(crate) fn n(digits: &str) -> AttributeValue {
    AttributeValue::N(digits.to_owned())
}

/// A person with these values in the fields of their own row, and these keys captured of other collections.
pub(crate) fn person_with(own: &[(&str, &str)], captured: &[(&str, &[&[&str]])]) -> Person {
    let keys = own.iter().map(|(field, value)| ((*field).to_owned(), vec![(*value).to_owned()])).collect();
    let keys = SubjectKeys {
        kind: IdentityKind::UserId,
        value: own[0].1.to_owned(),
        keys,
        named: Vec::new(),
        own_ids: BTreeMap::new(),
    };
    let tuple = |tuple: &&[&str]| tuple.iter().map(|value| (*value).to_owned()).collect::<Tuple>();
    let set = |tuples: &[&[&str]]| Arc::new(tuples.iter().map(tuple).collect::<Vec<_>>());
    let sets = captured.iter().map(|(name, tuples)| ((*name).to_owned(), set(tuples))).collect();
    Person::of(RequestId::new(&SeededRandom::new(2)), keys, Arc::new(Captured(sets)))
}

/// Keys by collection, in one chunk.
struct Captured(BTreeMap<String, Arc<Vec<Tuple>>>);

#[async_trait]
impl KeyStore for Captured {
    async fn put(&self, _: &RequestId, _: &KeySet, _: usize, _: Vec<Tuple>, _: bool) -> Result<(), ConnectorError> {
        unreachable!("nothing is captured here")
    }

    async fn get(&self, _: &RequestId, set: &KeySet, chunk: usize) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError> {
        Ok(self.0.get(&set.collection).filter(|_| chunk == 0).cloned())
    }

    async fn has(&self, _: &RequestId, set: &KeySet) -> Result<bool, ConnectorError> {
        Ok(self.0.contains_key(&set.collection))
    }

    async fn forget(&self, _: &RequestId) -> Result<(), ConnectorError> {
        unreachable!("nothing is forgotten here")
    }
}
