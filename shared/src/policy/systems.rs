//! The places that hold data, as a policy names them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tables::{Condition, Table};

/// A place that holds data.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "SystemText")]
pub enum System {
    /// DynamoDB tables.
    Dynamodb {
        /// Unique in the policy.
        id: String,
        /// The dataset that describes it.
        dataset: String,
        /// How many capacity units a second each worker may spend in it; none: as many as it takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capacity_units_per_second: Option<u32>,
        /// Collection to table.
        collections: BTreeMap<String, Table>,
    },
    /// Objects in one bucket.
    S3 {
        /// Unique in the policy.
        id: String,
        /// The dataset that describes it.
        dataset: String,
        /// The bucket's name.
        bucket: String,
        /// Collection to the objects that it is, or is in.
        collections: BTreeMap<String, S3Place>,
    },
    /// A PostgreSQL database.
    Postgresql(Database),
}

/// A PostgreSQL database, or one schema of it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Unique in the policy.
    pub id: String,
    /// The dataset that describes it.
    pub dataset: String,
    /// The Secrets Manager secret with its address and credentials, by name or ARN: JSON as RDS writes it (`host`, `port`,
    /// `dbname`, `username`, and `password` unless IAM authentication is used).
    pub secret: String,
    /// The schema of tables that are named without one. A policy that says everything names it; one that is written may
    /// leave it to the dataset's `fides_meta.namespace.schema`, or else `public`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Collections whose table has another name or schema, or whose key is not the primary key of the catalog. All others
    /// are the table of their own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collections: BTreeMap<String, Relation>,
}

/// A table, partitioned table or view of a database.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Its name, with its schema if that is another: `sales.orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What its rows are told apart by; the primary key if it is not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
}

impl Database {
    /// Schema and name of a collection's table.
    #[must_use]
    pub fn table<'a>(&'a self, collection: &'a str) -> (&'a str, &'a str) {
        let table =
            self.collections.get(collection).and_then(|relation| relation.table.as_deref()).unwrap_or(collection);
        let schema = if self.schema.is_empty() { PUBLIC } else { &self.schema };
        table.split_once('.').unwrap_or((schema, table))
    }

    /// The fields that the policy says a collection's rows are told apart by; empty: those of the catalog.
    #[must_use]
    pub fn key(&self, collection: &str) -> &[String] {
        self.collections.get(collection).map_or(&[], |relation| relation.key.as_slice())
    }
}

/// The schema that tables are in if nobody says otherwise.
pub(super) const PUBLIC: &str = "public";

impl System {
    /// The dataset that describes it.
    #[must_use]
    pub fn dataset(&self) -> &str {
        match self {
            Self::Dynamodb { dataset, .. } | Self::S3 { dataset, .. } => dataset,
            Self::Postgresql(database) => &database.dataset,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Dynamodb { id, .. } | Self::S3 { id, .. } => id,
            Self::Postgresql(database) => &database.id,
        }
    }

    /// The names of the collections that it names itself; those of a database need no mention.
    #[must_use]
    pub fn collections(&self) -> Vec<&str> {
        match self {
            Self::Dynamodb { collections, .. } => collections.keys().map(String::as_str).collect(),
            Self::S3 { collections, .. } => collections.keys().map(String::as_str).collect(),
            Self::Postgresql(database) => database.collections.keys().map(String::as_str).collect(),
        }
    }
}

/// What a collection in a bucket is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum S3Place {
    /// Whole objects, each somebody's.
    Objects(Objects),
    /// Rows inside objects.
    Rows(RowObjects),
}

impl S3Place {
    /// What all its keys begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let (pattern, ends) = match self {
            Self::Objects(objects) => (&objects.objects, '{'),
            Self::Rows(rows) => (&rows.rows, '*'),
        };
        pattern.split(ends).next().unwrap_or_default()
    }
}

/// Rows inside objects.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowObjects {
    /// Which objects: `*` stands for any characters but a slash, and a slash at the end for all keys that begin like this:
    /// `events/dt=*/`.
    pub rows: String,
    /// How the rows are stored.
    pub format: RowFormat,
    /// What stands between two fields of CSV; a comma if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
}

/// How rows are stored in an object. Text may be compressed with gzip or Zstandard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowFormat {
    /// A JSON object a line.
    Jsonl,
    /// A header and records.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// Objects under a key pattern.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// A key prefix with one kind of identity in braces: `avatars/{user_id}/`.
    pub objects: String,
}

/// A system as it is written. Read flat and then sorted by kind, since a reader that looks for the kind first forgets on
/// which line the rest stands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SystemText {
    kind: Kind,
    id: String,
    dataset: String,
    bucket: Option<String>,
    secret: Option<String>,
    schema: Option<String>,
    capacity_units_per_second: Option<u32>,
    #[serde(default)]
    collections: BTreeMap<String, PlaceText>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Dynamodb,
    S3,
    Postgresql,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlaceText {
    table: Option<String>,
    key: Option<Vec<String>>,
    #[serde(default)]
    indexes: BTreeMap<String, String>,
    objects: Option<String>,
    #[serde(default)]
    index_keys: BTreeMap<String, Vec<String>>,
    #[serde(default, rename = "where")]
    conditions: BTreeMap<String, Condition>,
    #[serde(default)]
    links: BTreeMap<String, String>,
    rows: Option<String>,
    format: Option<RowFormat>,
    delimiter: Option<char>,
}

impl PlaceText {
    /// Whether it says something that only rows inside objects have.
    fn is_rows(&self) -> bool {
        self.rows.is_some() || self.format.is_some() || self.delimiter.is_some()
    }
}

impl TryFrom<SystemText> for System {
    type Error = String;

    fn try_from(text: SystemText) -> Result<Self, String> {
        let SystemText { kind, id, dataset, bucket, secret, schema, capacity_units_per_second, collections } = text;
        if capacity_units_per_second.is_some() && !matches!(kind, Kind::Dynamodb) {
            return Err(format!("system {id} has no capacity_units_per_second, which is for dynamodb; leave it out"));
        }
        let places = collections.into_iter();
        match (kind, bucket, secret, schema) {
            (Kind::Dynamodb, None, None, None) => {
                let collections = places.map(|(name, place)| Ok((name.clone(), place.into_table(&id, &name)?)));
                let collections = collections.collect::<Result<_, String>>()?;
                Ok(Self::Dynamodb { id, dataset, capacity_units_per_second, collections })
            }
            (Kind::S3, Some(bucket), None, None) => {
                let collections = places.map(|(name, place)| Ok((name.clone(), place.into_s3(&id, &name)?)));
                Ok(Self::S3 { collections: collections.collect::<Result<_, String>>()?, id, dataset, bucket })
            }
            (Kind::Postgresql, None, Some(secret), schema) => {
                let collections = places.map(|(name, place)| Ok((name.clone(), place.into_relation(&id, &name)?)));
                let collections = collections.collect::<Result<_, String>>()?;
                let schema = schema.unwrap_or_default();
                Ok(Self::Postgresql(Database { id, dataset, secret, schema, collections }))
            }
            (Kind::Dynamodb, ..) => {
                Err(format!("system {id} is of kind dynamodb and has no bucket, secret or schema; leave it out"))
            }
            (Kind::S3, ..) => {
                Err(format!("system {id} is of kind s3 and needs its bucket, and that alone: bucket: NAME"))
            }
            (Kind::Postgresql, ..) => Err(format!(
                "system {id} is of kind postgresql and needs the secret with its address and credentials: secret: NAME"
            )),
        }
    }
}

impl PlaceText {
    fn into_table(self, system: &str, name: &str) -> Result<Table, String> {
        let is_rows = self.is_rows();
        match self {
            Self {
                table: Some(table), key: Some(key), indexes, objects: None, index_keys, conditions, links, ..
            } if !is_rows => Ok(Table { table, key, indexes, index_keys, conditions, links }),
            _ => Err(format!("{name} of system {system} is a table: {{table: NAME, key: [FIELD], indexes: {{}}}}")),
        }
    }

    fn into_relation(self, system: &str, name: &str) -> Result<Relation, String> {
        let is_plain = self.has_no_index() && !self.is_rows();
        match self {
            Self { table, key, objects: None, .. } if is_plain => Ok(Relation { table, key: key.unwrap_or_default() }),
            _ => {
                Err(format!("{name} of system {system} is a table of a database: {{table: SCHEMA.NAME, key: [FIELD]}}"))
            }
        }
    }

    fn into_s3(self, system: &str, name: &str) -> Result<S3Place, String> {
        let is_plain = self.has_no_index();
        let Self { table: None, key: None, objects, rows, format, delimiter, .. } = self else {
            return Err(format!(
                "{name} of system {system} is objects or rows inside objects, and has no table or key"
            ));
        };
        match (objects, rows, format, delimiter) {
            (Some(objects), None, None, None) if is_plain => Ok(S3Place::Objects(Objects { objects })),
            (None, Some(rows), Some(format), delimiter) if is_plain => {
                let is_mark = |mark: char| mark.is_ascii() && !matches!(mark, '"' | '\r' | '\n');
                if delimiter.is_some_and(|mark| format != RowFormat::Csv || !is_mark(mark)) {
                    let message = "the delimiter is one ASCII character, of CSV only";
                    return Err(format!("{name} of system {system}: {message}"));
                }
                Ok(S3Place::Rows(RowObjects { rows, format, delimiter }))
            }
            _ => Err(format!(
                "{name} of system {system} is objects: {{objects: \"prefix/{{user_id}}/\"}}, or rows inside objects: \
                 {{rows: \"prefix/*/\", format: jsonl}}"
            )),
        }
    }

    /// Whether nothing is said that only a DynamoDB table has.
    fn has_no_index(&self) -> bool {
        self.indexes.is_empty() && self.index_keys.is_empty() && self.conditions.is_empty() && self.links.is_empty()
    }
}
