//! The places that hold data, as a policy names them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        /// Collection to key pattern.
        collections: BTreeMap<String, Objects>,
    },
}

impl System {
    /// The dataset that describes it.
    #[must_use]
    pub fn dataset(&self) -> &str {
        match self {
            Self::Dynamodb { dataset, .. } | Self::S3 { dataset, .. } => dataset,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Dynamodb { id, .. } | Self::S3 { id, .. } => id,
        }
    }

    /// The names of its collections.
    #[must_use]
    pub fn collections(&self) -> Vec<&str> {
        match self {
            Self::Dynamodb { collections, .. } => collections.keys().map(String::as_str).collect(),
            Self::S3 { collections, .. } => collections.keys().map(String::as_str).collect(),
        }
    }
}

/// A DynamoDB table.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub table: String,
    /// Partition key and, if there is one, sort key.
    pub key: Vec<String>,
    /// Field to the index that can be queried by it.
    #[serde(default)]
    pub indexes: BTreeMap<String, String>,
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
    collections: BTreeMap<String, PlaceText>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Dynamodb,
    S3,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlaceText {
    table: Option<String>,
    key: Option<Vec<String>>,
    #[serde(default)]
    indexes: BTreeMap<String, String>,
    objects: Option<String>,
}

impl TryFrom<SystemText> for System {
    type Error = String;

    fn try_from(text: SystemText) -> Result<Self, String> {
        let SystemText { kind, id, dataset, bucket, collections } = text;
        let places = collections.into_iter();
        match (kind, bucket) {
            (Kind::Dynamodb, None) => {
                let collections = places.map(|(name, place)| Ok((name.clone(), place.into_table(&id, &name)?)));
                Ok(Self::Dynamodb { collections: collections.collect::<Result<_, String>>()?, id, dataset })
            }
            (Kind::S3, Some(bucket)) => {
                let collections = places.map(|(name, place)| Ok((name.clone(), place.into_objects(&id, &name)?)));
                Ok(Self::S3 { collections: collections.collect::<Result<_, String>>()?, id, dataset, bucket })
            }
            (Kind::Dynamodb, Some(_)) => {
                Err(format!("system {id} is of kind dynamodb and has no bucket; leave it out"))
            }
            (Kind::S3, None) => Err(format!("system {id} is of kind s3 and needs its bucket: bucket: NAME")),
        }
    }
}

impl PlaceText {
    fn into_table(self, system: &str, name: &str) -> Result<Table, String> {
        match self {
            Self { table: Some(table), key: Some(key), indexes, objects: None } => Ok(Table { table, key, indexes }),
            _ => Err(format!("{name} of system {system} is a table: {{table: NAME, key: [FIELD], indexes: {{}}}}")),
        }
    }

    fn into_objects(self, system: &str, name: &str) -> Result<Objects, String> {
        match self {
            Self { table: None, key: None, indexes, objects: Some(objects) } if indexes.is_empty() => {
                Ok(Objects { objects })
            }
            _ => Err(format!("{name} of system {system} is objects: {{objects: \"prefix/{{user_id}}/\"}}")),
        }
    }
}
