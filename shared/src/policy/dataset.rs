//! Datasets in fideslang (3.x) YAML: where fields are and which category each has.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::personal::IdentityKind;

/// A dataset file: `dataset:` and a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetFile {
    /// The datasets of the file.
    pub dataset: Vec<Dataset>,
}

/// A named set of collections in one system.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The dataset's key, unique in the policy.
    pub fides_key: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tables, or kinds of object.
    pub collections: Vec<Collection>,
}

/// A table, or the objects under one key pattern.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// Unique in its dataset.
    pub name: String,
    /// What a row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fields that are known.
    pub fields: Vec<Field>,
    /// What fideslang adds for traversal. `fidesops_meta` is its older name.
    #[serde(default, alias = "fidesops_meta", skip_serializing_if = "CollectionMeta::is_empty")]
    pub fides_meta: CollectionMeta,
}

/// The part of fideslang's collection metadata that Habeas understands; anything else is refused, not ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionMeta {
    /// Collections, as `<dataset>.<collection>`, that are erased before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erase_after: Vec<String>,
    /// The collection is neither read nor erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_processing: Option<bool>,
}

impl CollectionMeta {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A field, perhaps with fields inside.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Unique in its collection.
    pub name: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// fideslang category keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<String>,
    /// What fideslang adds for traversal. `fidesops_meta` is its older name.
    #[serde(default, alias = "fidesops_meta", skip_serializing_if = "FieldMeta::is_empty")]
    pub fides_meta: FieldMeta,
    /// Fields of an object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// The part of fideslang's field metadata that Habeas understands; anything else is refused, not ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMeta {
    /// Part of the row's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<bool>,
    /// The field holds this kind of identity of the person that the row belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityKind>,
    /// `string`, `integer`, `object`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    /// Fields elsewhere that hold the same values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

impl FieldMeta {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// "This field holds values of that field."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The other dataset.
    pub dataset: String,
    /// `<collection>.<field>` there.
    pub field: String,
    /// `from`: the other field leads here; `to`: this field leads there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// Which way a reference may be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The other field leads here.
    From,
    /// This field leads there.
    To,
}

/// `<dataset>.<collection>`, or with a field `<dataset>.<collection>.<field>`: collections of a policy by their full name.
pub type CollectionName = String;

/// All collections of some datasets by their full name.
pub fn by_name(datasets: &[Dataset]) -> BTreeMap<CollectionName, &Collection> {
    datasets
        .iter()
        .flat_map(|dataset| {
            dataset
                .collections
                .iter()
                .map(|collection| (format!("{}.{}", dataset.fides_key, collection.name), collection))
        })
        .collect()
}

impl Collection {
    /// The field with this name at the top level.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields of the primary key, at the top level.
    pub fn primary_key(&self) -> impl Iterator<Item = &str> {
        let is_key = |field: &&Field| field.fides_meta.primary_key == Some(true);
        self.fields.iter().filter(is_key).map(|field| field.name.as_str())
    }

    /// Full names of the collections that are erased before this one.
    pub fn erase_after(&self) -> impl Iterator<Item = String> {
        self.fides_meta.erase_after.iter().cloned()
    }

    /// Whether the collection is neither read nor erased.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.fides_meta.skip_processing == Some(true)
    }
}

impl Field {
    /// Whether any category says that this is about a person.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.data_categories.iter().any(|category| category == "user" || category.starts_with("user."))
            || self.fields.iter().any(Self::is_personal)
    }
}
