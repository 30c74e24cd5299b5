//! What a policy says of the rows of a collection: how long they are kept, what an erasure does to them, and how it meets legal
//! holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{Period, Text};

/// What happens to the rows of a collection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionRule {
    /// How long rows are kept while nobody asks; null: as long as the account.
    pub retention: Option<Retention>,
    /// What an erasure does.
    pub erasure: ErasureRule,
    /// Fields that are of whoever another field names: that field to those. A copy for somebody else is without them.
    #[serde(default, skip_serializing_if = "Others::is_empty")]
    pub others: Others,
}

/// The field that names a person, to the fields that are of that person.
pub type Others = BTreeMap<String, Vec<String>>;

/// The rule of a collection as it is written: without `erasure`, it follows from the dataset and the policy's
/// `erasure_defaults`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    /// How long rows are kept while nobody asks; null: as long as the account.
    pub retention: Option<Retention>,
    /// What an erasure does.
    pub erasure: Option<ErasureRule>,
    /// Fields that are of whoever another field names: that field to those. A copy for somebody else is without them.
    #[serde(default, skip_serializing_if = "Others::is_empty")]
    pub others: Others,
}

/// What an erasure does to the fields of some categories, in collections that have no rule of their own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultStrategy {
    /// The categories, with all below them; the longest match wins.
    pub categories: Vec<String>,
    /// What is done, unless the dataset has a `masking_strategy_override`.
    pub strategy: Strategy,
}

/// A time after which rows go.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The field with the moment it counts from.
    pub start_field: String,
    /// How long.
    #[serde(rename = "for")]
    pub period: Period,
    /// Section, or law.
    pub source: String,
}

/// What an erasure does to a row.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum ErasureRule {
    /// The row goes.
    Erase {
        /// Rows found through these links are treated otherwise.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        via: BTreeMap<String, ViaRule>,
    },
    /// The row stays and identifies nobody.
    Anonymise {
        /// Field to strategy.
        fields: BTreeMap<String, Strategy>,
        /// A row that would be in too small a group goes instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        k_anonymity: Option<KAnonymity>,
        /// Rows found through these links are treated otherwise.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        via: BTreeMap<String, ViaRule>,
    },
    /// The row is kept for a time.
    Retain {
        /// The field with the moment it counts from.
        start_field: String,
        /// How long.
        #[serde(rename = "for")]
        period: Period,
        /// Why it may not go.
        basis: Text,
        /// What goes at once.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, Strategy>,
        /// What is done so that nobody uses it meanwhile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restrict: Option<Restrict>,
    },
    /// The row is not the person's own and says nothing of them: a product that an order names. It stays as it is.
    Keep {
        /// Why it is no personal data.
        reason: Text,
    },
}

impl ErasureRule {
    /// Every strategy that it names, with its field: of rows in general, and of those found through a link.
    pub fn strategies(&self) -> impl Iterator<Item = (&String, &Strategy)> {
        let (fields, via) = match self {
            Self::Erase { via } => (None, Some(via)),
            Self::Anonymise { fields, via, .. } => (Some(fields), Some(via)),
            Self::Retain { fields, .. } => (Some(fields), None),
            Self::Keep { .. } => (None, None),
        };
        let inner = via.into_iter().flat_map(BTreeMap::values).filter_map(|rule| match rule {
            ViaRule::Anonymise { fields } => Some(fields),
            ViaRule::Erase => None,
        });
        fields.into_iter().chain(inner).flatten()
    }

    /// Everything that it writes into a field: its strategies, but those that keep, and its marks as strategies.
    pub fn writes(&self) -> impl Iterator<Item = (&String, Cow<'_, Strategy>)> {
        let strategies = self.strategies().filter(|(_, strategy)| **strategy != Strategy::Keep);
        let marks = self.marks().map(|(field, mark)| (field, Cow::Owned(mark.as_strategy())));
        strategies.map(|(field, strategy)| (field, Cow::Borrowed(strategy))).chain(marks)
    }

    /// In what groups rows may stay, if it demands any.
    #[must_use]
    pub fn k_anonymity(&self) -> Option<&KAnonymity> {
        match self {
            Self::Anonymise { k_anonymity, .. } => k_anonymity.as_ref(),
            Self::Erase { .. } | Self::Retain { .. } | Self::Keep { .. } => None,
        }
    }

    /// How rows that are kept for a time are restricted meanwhile, if they are.
    #[must_use]
    pub fn restrict(&self) -> Option<&Restrict> {
        match self {
            Self::Retain { restrict, .. } => restrict.as_ref(),
            Self::Erase { .. } | Self::Anonymise { .. } | Self::Keep { .. } => None,
        }
    }

    /// The marks of rows that are kept for a time: field to value. None where rows get no mark.
    pub fn marks(&self) -> impl Iterator<Item = (&String, &Mark)> {
        let marks = match self.restrict() {
            Some(Restrict::Mark(marks)) => Some(marks),
            Some(Restrict::MoveTo(_)) | None => None,
        };
        marks.into_iter().flatten()
    }

    /// The collection that rows which are kept for a time are moved to, if they are.
    #[must_use]
    pub fn move_to(&self) -> Option<&str> {
        match self.restrict() {
            Some(Restrict::MoveTo(collection)) => Some(collection),
            Some(Restrict::Mark(_)) | None => None,
        }
    }
}

/// How rows that may not go yet are kept from being used: stored and secured, and nothing else (Network Data Security
/// Management Regulations of the PRC, 2025, Articles 23 to 25; GDPR Art. 18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Restrict {
    /// Each row gets these values, by which the app passes it over: field to value.
    Mark(BTreeMap<String, Mark>),
    /// Each row goes to this collection of the same system, `<dataset>.<collection>`, which the app cannot read.
    MoveTo(String),
}

/// A value that marks a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Mark {
    /// A truth value.
    Truth(bool),
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Mark {
    /// The strategy that writes the same, as a text: what a field takes of it, it takes of the mark.
    #[must_use]
    pub fn as_strategy(&self) -> Strategy {
        Strategy::Fixed(match self {
            Self::Truth(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        })
    }
}

/// What an erasure does to a row found through one link.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum ViaRule {
    /// The row goes.
    Erase,
    /// The link is cut; the row stays.
    Anonymise {
        /// Field to strategy.
        fields: BTreeMap<String, Strategy>,
    },
}

/// How many rows of a collection must be alike for a row to stay (k-anonymity, WP216 section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KAnonymity {
    /// Fewest rows that have the same values in all these fields, the person's own counted once.
    pub k: u32,
    /// The fields that somebody could tell a person by, taken together.
    pub quasi_identifiers: Vec<String>,
}

/// What is done to a field's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The attribute goes.
    Erase,
    /// A null is written.
    Null,
    /// This text is written.
    Fixed(String),
    /// The reference to a person becomes one to nobody: `deleted-user`.
    Detach,
    /// A random token is written that nothing maps back.
    Random,
    /// A random token of a certain form is written.
    RandomText(RandomText),
    /// A random value of the same form is written: a digit for a digit, a letter for a letter.
    RandomFormat,
    /// The value becomes coarser.
    Generalise(Generalisation),
    /// Hash under a salt that is thrown away.
    SaltedHash,
    /// What is known of the person is taken out of a text; the rest stays.
    Scan,
    /// Hash without a salt: whoever guesses the value recognises it. The check refuses it.
    Hash,
    /// Keyed digest: whoever has the key can recognise the value. The check refuses it.
    Hmac,
    /// Encryption: whoever has the key can read the value. The check refuses it.
    Encrypt,
    /// A value is written that another row of the collection has, drawn at random; nobody else's row changes.
    Shuffle,
    /// The value stays.
    Keep,
}

/// The form of a random token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomText {
    /// How many characters, without the suffix: 13 to 37.
    pub length: usize,
    /// What stands behind it, for fields that have a form: `@masked.example`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suffix: String,
}

/// How a value becomes coarser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Generalisation {
    /// A date to its year.
    Year,
    /// A date to its month.
    Month,
    /// A date to its decade.
    Decade,
    /// An address to province and city.
    City,
    /// Coordinates to one decimal, about ten kilometres.
    CoarseLocation,
    /// Coordinates, or one of the two, to so many decimals: 0 to 2.
    Coordinates(u8),
    /// A date of birth, or an age, to a band of so many years: 2 to 50.
    AgeBand(u8),
}

/// What an erasure does that meets a legal hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRules {
    /// If the hold is on the person or the request; and where `collections` says nothing else, if it is on a collection.
    #[serde(default)]
    pub erasure: HoldMode,
    /// If the hold is on one of these collections.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collections: BTreeMap<String, HoldMode>,
}

/// How an erasure meets a legal hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldMode {
    /// It begins when the hold has ended.
    #[default]
    Wait,
    /// It erases all but what is held, and that when the hold has ended.
    Around,
}

impl HoldRules {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is done where a hold is on this collection.
    #[must_use]
    pub fn mode_of(&self, collection: &str) -> HoldMode {
        self.collections.get(collection).copied().unwrap_or(self.erasure)
    }
}
