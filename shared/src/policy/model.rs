//! `policy.yaml` as types. docs/policy-format.md explains each part; unknown keys are refused everywhere.

use std::collections::BTreeMap;

use jiff::Span;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cancellation::App;
use super::recipients::Tell;
use super::rights::RightRule;
use super::rules::{CollectionRule, DefaultStrategy, HoldRules, WrittenRule};
use super::systems::System;
use crate::personal::IdentityKind;
use crate::request::Right;

/// Text for people: language tag (`en`, `zh-Hans`) to text.
pub type Text = BTreeMap<String, String>;

/// A length of time, ISO 8601 (`P30D`, `PT10M`).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Period(pub Span);

impl Period {
    /// Whether it is the same as another or longer, whether the months that it begins with are the longest or the shortest.
    pub fn is_no_shorter_than(self, other: Self) -> bool {
        let days = [jiff::civil::date(2025, 2, 1), jiff::civil::date(2025, 7, 1)];
        days.into_iter().all(|day| self.0.compare((other.0, day)).is_ok_and(std::cmp::Ordering::is_ge))
    }
}

impl Eq for Period {}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^P", "description": "ISO 8601 duration, such as P30D, P3Y or PT10M"})
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.0.fieldwise() == other.0.fieldwise()
    }
}

/// `policy.yaml` as it is written. [`super::expand`] makes of it, with its datasets, one that says everything.
pub type WrittenPolicy = Policy<WrittenRule>;

/// A policy without its datasets.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Policy")]
#[serde(deny_unknown_fields)]
pub struct Policy<R = CollectionRule> {
    /// Version of the format: 1.
    pub habeas: u8,
    /// The policy's id.
    pub id: String,
    /// The controller's label of this version.
    pub version: String,
    /// A name for people.
    pub title: String,
    /// The document that it was written from.
    pub source: Source,
    /// The jurisdiction profile, such as `cn`.
    pub jurisdiction: String,
    /// Who answers.
    pub controller: Controller,
    /// Where the people are.
    pub subject: Subject,
    /// Where the data is.
    pub systems: Vec<System>,
    /// What data is used for.
    pub purposes: BTreeMap<String, Text>,
    /// Who else gets data.
    #[serde(default)]
    pub recipients: Vec<Recipient>,
    /// What a person can ask for.
    pub rights: BTreeMap<Right, RightRule>,
    /// Grounds to refuse.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    /// What asking costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Fee>,
    /// Every data item that the document names.
    #[serde(default)]
    pub items: Vec<Item>,
    /// Personal fields that no item names become one for each category. None in a policy that says everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_from_datasets: Option<DatasetItems>,
    /// A rule for every collection, by `<dataset>.<collection>`.
    #[serde(default = "none::<R>")]
    pub collections: BTreeMap<String, R>,
    /// What an erasure does where there is no rule. Empty in a policy that says everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasure_defaults: Vec<DefaultStrategy>,
    /// What never leaves, and what leaves masked.
    #[serde(default)]
    pub export: ExportRules,
    /// The controller's own app, if it is told and asked when accounts are cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// What an erasure does that meets a legal hold.
    #[serde(default, skip_serializing_if = "HoldRules::is_default")]
    pub holds: HoldRules,
    /// The promises one by one, with what keeps each.
    #[serde(default)]
    pub commitments: Vec<Commitment>,
}

fn none<R>() -> BTreeMap<String, R> {
    BTreeMap::new()
}

/// What is true of every item that is made of a dataset's fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetItems {
    /// Why they are there.
    pub purposes: Vec<String>,
    /// Section of the document.
    pub source: String,
}

/// The document that a policy was written from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its file name or title.
    pub document: String,
    /// Since when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub effective: Option<Date>,
}

/// The company that answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Its name.
    pub name: String,
    /// Languages of every text; the first is the default.
    pub languages: Vec<String>,
    /// IANA time zone in which due dates are counted.
    pub time_zone: String,
    /// Where a person writes.
    pub contact: Text,
    /// Where a person complains of an answer.
    pub complaint: Text,
}

/// The collection with one row a person.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// `<dataset>.<collection>`.
    pub collection: String,
    /// Kind of identity to field.
    pub identities: BTreeMap<IdentityKind, String>,
    /// Where codes and notices go: the first that is on file.
    pub contact: Vec<IdentityKind>,
    /// The field with the person's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale_field: Option<String>,
    /// The field with the moment when the account was made: a later one than an erasure is of an account made since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_field: Option<String>,
}

/// Someone else who gets data.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Unique in the policy.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// What kind.
    pub kind: RecipientKind,
    /// What they get.
    pub categories: Vec<String>,
    /// Only statistics that identify nobody.
    #[serde(default)]
    pub aggregated: bool,
    /// How it is told of an erasure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tell: Option<Tell>,
    /// Why it is not told, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<String>,
    /// Section of the document.
    pub source: String,
}

/// Kinds of recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecipientKind {
    /// A company of the same group.
    Affiliate,
    /// Works on the controller's behalf.
    Processor,
    /// Works beside it.
    Partner,
    /// Advertising and analytics.
    Advertising,
    /// An authority.
    Authority,
    /// Everybody.
    Public,
}

/// A ground to refuse.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Unique in the policy.
    pub id: String,
    /// The controller may not answer at all; otherwise it may choose.
    pub absolute: bool,
    /// Section of the document.
    pub source: String,
    /// The ground in words.
    pub text: Text,
}

/// What asking costs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// Nothing at first.
    pub first_is_free: bool,
    /// What repeats beyond reason cost.
    pub repeats: RepeatFee,
    /// Section of the document.
    pub source: String,
}

/// What repeats cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatFee {
    /// Nothing either.
    Free,
    /// What they cost to answer.
    ReasonableCost,
}

/// A data item that the document names.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Unique in the policy.
    pub name: String,
    /// fideslang key.
    pub category: String,
    /// Where it is: `<dataset>.<collection>.<field>`.
    pub fields: Vec<String>,
    /// Why it is there.
    pub purposes: Vec<String>,
    /// Sensitive personal information (PIPL 28).
    #[serde(default)]
    pub sensitive: bool,
    /// False: refusing it does no harm.
    #[serde(default)]
    pub required: bool,
    /// Who else gets it.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Section of the document.
    pub source: String,
}

/// What never leaves, and what leaves masked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportRules {
    /// Categories that never leave, with all below them.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Categories that leave masked.
    #[serde(default)]
    pub mask: Vec<MaskRule>,
}

impl ExportRules {
    /// Whether a category never leaves.
    #[must_use]
    pub fn omits(&self, category: &str) -> bool {
        self.omit.iter().any(|omitted| super::categories::is_within(category, omitted))
    }
}

/// Masking in an export.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaskRule {
    /// The category, with all below it; the longest match wins.
    pub category: String,
    /// How many characters at the end stay.
    pub keep_last: u8,
}

/// One promise and what keeps it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// Its number in the list of commitments.
    pub number: u8,
    /// Whether it is kept.
    pub status: CommitmentStatus,
    /// What keeps it.
    #[serde(default)]
    pub by: Vec<String>,
    /// What is missing, or why.
    #[serde(default)]
    pub note: String,
}

/// Whether a promise is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommitmentStatus {
    /// In full.
    Kept,
    /// In part; the note says what is missing.
    Partly,
    /// Not yet.
    NotYet,
    /// The document does not make it.
    NotPromised,
}
