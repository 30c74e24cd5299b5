//! Datasets in fideslang (3.x) YAML: where fields are and which category each has.
//!
//! The rule of this room: every key that fideslang has stands here as a field with a type, whether Habeas acts on it or
//! carries it along; [`keys`] names every other key of a file, and the check says what is carried but not acted on.

pub(crate) mod keys;
pub mod masking;
pub mod meta;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use masking::{MaskingOverride, Understood};
pub use meta::{CollectionMeta, DatasetMeta, Direction, FieldMeta, Reference};

/// A dataset file: `dataset:` and a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DatasetFile {
    /// The datasets of the file.
    #[serde(default, deserialize_with = "or_default")]
    pub dataset: Vec<Dataset>,
}

/// A named set of collections in one system.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Dataset {
    /// The dataset's key, unique in the policy.
    pub fides_key: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whose it is in Fides. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_fides_key: Option<String>,
    /// Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whatever its authors note. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
    /// fideslang category keys of every field that has none of its own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<String>,
    /// What it is used for. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_uses: Vec<String>,
    /// The older name of `data_uses`. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_purposes: Vec<String>,
    /// What kinds of people it is about. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_subjects: Vec<String>,
    /// How identifiable it is, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_qualifier: Option<String>,
    /// How long it is kept, in words, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// Who else is responsible, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint_controller: Option<Value>,
    /// Where it is sent, in fideslang 1 and 2. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub third_country_transfers: Vec<String>,
    /// What fideslang adds for the application. `fidesops_meta` is its older name.
    #[serde(
        default,
        alias = "fidesops_meta",
        deserialize_with = "or_default",
        skip_serializing_if = "DatasetMeta::is_empty"
    )]
    pub fides_meta: DatasetMeta,
    /// Tables, or kinds of object.
    pub collections: Vec<Collection>,
}

/// A table, or the objects under one key pattern.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Collection {
    /// Unique in its dataset.
    pub name: String,
    /// What a row is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// fideslang category keys of every field that has none of its own.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<String>,
    /// What it is used for. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_uses: Vec<String>,
    /// The older name of `data_uses`. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_purposes: Vec<String>,
    /// What kinds of people it is about. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_subjects: Vec<String>,
    /// How identifiable it is, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_qualifier: Option<String>,
    /// How long it is kept, in words, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// The fields that are known.
    #[serde(deserialize_with = "or_default")]
    pub fields: Vec<Field>,
    /// What fideslang adds for traversal. `fidesops_meta` is its older name.
    #[serde(
        default,
        alias = "fidesops_meta",
        deserialize_with = "or_default",
        skip_serializing_if = "CollectionMeta::is_empty"
    )]
    pub fides_meta: CollectionMeta,
}

/// A field, perhaps with fields inside.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// Unique in its collection.
    pub name: String,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// fideslang category keys.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<String>,
    /// What it is used for. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_uses: Vec<String>,
    /// The older name of `data_uses`. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_purposes: Vec<String>,
    /// What kinds of people it is about. Carried.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub data_subjects: Vec<String>,
    /// How identifiable it is, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_qualifier: Option<String>,
    /// How long it is kept, in words, in fideslang 1 and 2. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    /// What fideslang adds for traversal. `fidesops_meta` is its older name.
    #[serde(
        default,
        alias = "fidesops_meta",
        deserialize_with = "or_default",
        skip_serializing_if = "FieldMeta::is_empty"
    )]
    pub fides_meta: FieldMeta,
    /// Fields of an object, or of each object of a list.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// `<dataset>.<collection>`, or with a field `<dataset>.<collection>.<field>`: collections of a policy by their full name.
pub type CollectionName = String;

/// What is written as null is what is not written: Fides writes out datasets so.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

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

/// Calls `each` for every field and every field inside one, with its path: names with dots between them, after a prefix.
pub fn visit<'a>(fields: &'a [Field], prefix: &str, each: &mut impl FnMut(&str, &'a Field)) {
    for field in fields {
        let path = if prefix.is_empty() { field.name.clone() } else { format!("{prefix}.{}", field.name) };
        each(&path, field);
        visit(&field.fields, &path, each);
    }
}

/// The positions, level by level, of the field at a path.
#[must_use]
pub fn positions(fields: &[Field], path: &str) -> Option<Vec<usize>> {
    fields.iter().enumerate().find_map(|(position, field)| {
        let rest = path.strip_prefix(field.name.as_str())?;
        if rest.is_empty() {
            return Some(vec![position]);
        }
        let inner = positions(&field.fields, rest.strip_prefix('.')?)?;
        Some([vec![position], inner].concat())
    })
}

impl Dataset {
    /// The schema that its namespace names.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.fides_meta.namespace.get("schema")?.as_str()
    }
}

impl Collection {
    /// The field with this name at the top level.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The field at a path: a name, or names with dots between them for a field inside another.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Field> {
        let mut fields = &self.fields;
        let mut found = None;
        for position in positions(fields, path)? {
            let field = fields.get(position)?;
            fields = &field.fields;
            found = Some(field);
        }
        found
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
    /// Whether any category of its own, or of a field inside it, says that this is about a person.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.categories().any(|category| super::categories::is_within(category, "user"))
    }

    /// Whether a category of its own says that this is about a person.
    #[must_use]
    pub fn is_itself_personal(&self) -> bool {
        self.data_categories.iter().any(|category| super::categories::is_within(category, "user"))
    }

    /// Its categories and those of the fields inside it.
    pub fn categories(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let own = self.data_categories.iter().map(String::as_str);
        Box::new(own.chain(self.fields.iter().flat_map(Self::categories)))
    }

    /// Whether an erasure may not write it, or a field inside it.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.fides_meta.read_only == Some(true) || self.fields.iter().any(Self::is_read_only)
    }

    /// Whether it is what other rows refer to and no more: a key of the row that says nothing of a person and holds no value
    /// of another field. A link over it is cut in the rows that refer to it.
    #[must_use]
    pub fn is_own_key(&self) -> bool {
        let meta = &self.fides_meta;
        let refers = |reference: &Reference| reference.direction != Some(Direction::To);
        meta.primary_key == Some(true)
            && !self.is_personal()
            && meta.identity.is_none()
            && !meta.references.iter().any(refers)
    }
}
