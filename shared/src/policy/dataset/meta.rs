//! What fideslang says of datasets, collections and fields for whoever walks them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MaskingOverride, or_default};

/// What fideslang says of a dataset for the application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetMeta {
    /// Its id in a catalog. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Datasets that Fides reads before this one. Carried: in which order Habeas reads makes no difference.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Where its tables are. `schema` is the schema of a PostgreSQL system that names none.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub namespace: BTreeMap<String, Value>,
    /// `name`: Fides leaves its name out of reports. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<String>,
}

/// What fideslang says of a collection for traversal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollectionMeta {
    /// Collections, as `<dataset>.<collection>`, that Fides reads before this one. Carried: in which order Habeas reads makes
    /// no difference.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Collections, as `<dataset>.<collection>`, that are erased before this one.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub erase_after: Vec<String>,
    /// The collection is neither read nor erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_processing: Option<bool>,
    /// `{strategy: delete}`: an erasure removes the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking_strategy_override: Option<MaskingOverride>,
    /// Which partitions Fides asks for. Carried: Habeas asks for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitioning: Option<Value>,
    /// `name`: Fides leaves its name out of reports. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<String>,
}

/// What fideslang says of a field for traversal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldMeta {
    /// Part of the row's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<bool>,
    /// The field holds this kind of identity of the person that the row belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// `string`, `integer`, `float`, `boolean`, `object_id` or `object`; with `[]` a list of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<String>,
    /// Fields elsewhere that hold the same values.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Most characters that the field takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// A list that leads to the row is shown and erased whole, which Habeas always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_all_elements: Option<bool>,
    /// The field cannot be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// The field of a Fides request whose value the rows are found by. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_request_field: Option<String>,
    /// What an erasure does to the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking_strategy_override: Option<MaskingOverride>,
    /// `name`: Fides leaves its name out of reports. Carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<String>,
}

/// "This field holds values of that field."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl DatasetMeta {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl CollectionMeta {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FieldMeta {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the field holds a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.data_type.as_deref().is_some_and(|name| name.ends_with("[]"))
    }
}
