//! What a controller promised, machine readable: parsed, checked, pinned.
//!
//! The rule of this room: a [`Pinned`] policy has passed [`check`], its digest is the SHA-256 of its canonical bytes, and
//! it never changes. Requests name the digest, so that what was promised when a request was made is what is kept.

pub mod cancellation;
pub mod categories;
pub mod check;
pub mod dataset;
pub mod deadline;
pub mod expand;
pub mod links;
pub mod load;
pub mod locate;
pub mod model;
pub mod permissions;
pub mod recipients;
pub mod rights;
pub mod rules;
pub mod systems;
pub mod tables;
pub mod words;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::personal::IdentityKind;
pub use cancellation::{App, AppWebhook, AskApp, ChangedRecently, FieldCheck, KnownDevice, SecurityCheck};
pub use dataset::{Collection, Dataset, Field};
pub use links::{Graph, KeySet, Link, Origin, Pair};
pub use model::*;
pub use recipients::*;
pub use rights::*;
pub use rules::*;
pub use systems::*;
pub use tables::{Condition, KeyKind, KeyPath, Table, Template};

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The stored bytes are not those that the digest names.
    #[error("policy {expected} has other bytes than its digest says (they hash to {actual})")]
    Altered {
        /// The digest asked for.
        expected: PolicyDigest,
        /// The digest of what is there.
        actual: PolicyDigest,
    },
    /// The stored bytes are not a policy of this version.
    #[error("policy {digest} cannot be read")]
    Unreadable {
        /// The digest asked for.
        digest: PolicyDigest,
        /// Why.
        source: serde_json::Error,
    },
    /// Not 64 lower-case hexadecimal digits.
    #[error("a policy digest is 64 lower-case hexadecimal digits")]
    NotADigest,
}

/// SHA-256 of a policy's canonical bytes, as lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PolicyDigest(String);

impl PolicyDigest {
    fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(sha2::Sha256::digest(bytes)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PolicyDigest {
    type Error = PolicyError;

    fn try_from(digits: String) -> Result<Self, PolicyError> {
        let well_formed = digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed { Ok(Self(digits)) } else { Err(PolicyError::NotADigest) }
    }
}

impl From<PolicyDigest> for String {
    fn from(digest: PolicyDigest) -> Self {
        digest.0
    }
}

impl fmt::Display for PolicyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for PolicyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A policy with its datasets: what is stored, hashed and pinned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// `policy.yaml`.
    pub policy: Policy,
    /// The datasets, by key.
    pub datasets: Vec<Dataset>,
}

impl Bundle {
    /// The field of the subject collection that holds a kind of identity: as the policy says, or else as its dataset does,
    /// so that rows are found by kinds of identity that nobody can make a request with.
    #[must_use]
    pub fn identity_field(&self, kind: &str) -> Option<&str> {
        let subject = &self.policy.subject;
        let named = subject.identities.iter().find(|(known, _)| known.name() == kind).map(|(_, field)| field.as_str());
        named.or_else(|| {
            let (dataset, collection) = subject.collection.split_once('.')?;
            let dataset = self.datasets.iter().find(|candidate| candidate.fides_key == dataset)?;
            let collection = dataset.collections.iter().find(|candidate| candidate.name == collection)?;
            let holds = |field: &&Field| field.fides_meta.identity.as_deref() == Some(kind);
            collection.fields.iter().find(holds).map(|field| field.name.as_str())
        })
    }
}

/// A bundle under its digest.
#[derive(Clone, Debug)]
pub struct Pinned {
    bundle: Bundle,
    digest: PolicyDigest,
    graph: Graph,
}

/// The collection of a system behind a full name.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A table.
    Table(&'a Table),
    /// Objects in a bucket.
    Objects {
        /// The bucket's name.
        bucket: &'a str,
        /// The key pattern.
        pattern: &'a str,
    },
    /// Rows inside the objects of a bucket.
    Rows {
        /// The bucket's name.
        bucket: &'a str,
        /// Which objects, and how they are stored.
        rows: &'a RowObjects,
    },
    /// A table, partitioned table or view of a database.
    Relation {
        /// The database.
        database: &'a Database,
        /// The collection's name in its dataset.
        name: &'a str,
    },
}

impl<'a> Place<'a> {
    /// The key pattern, if it is objects.
    #[must_use]
    pub fn pattern(self) -> Option<&'a str> {
        match self {
            Self::Objects { pattern, .. } => Some(pattern),
            Self::Table(_) | Self::Rows { .. } | Self::Relation { .. } => None,
        }
    }

    /// The table, if it is one.
    #[must_use]
    pub fn table(self) -> Option<&'a Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::Objects { .. } | Self::Rows { .. } | Self::Relation { .. } => None,
        }
    }

    /// Whether one query can reach both: two relations of one database.
    #[must_use]
    pub fn is_same_database(self, other: Self) -> bool {
        match (self, other) {
            (Self::Relation { database: one, .. }, Self::Relation { database: other, .. }) => {
                one.secret == other.secret
            }
            _ => false,
        }
    }
}

impl Pinned {
    /// Pins a bundle that has been checked.
    pub fn new(mut bundle: Bundle) -> Result<Self, serde_json::Error> {
        bundle.datasets.sort_by(|a, b| a.fides_key.cmp(&b.fides_key));
        let digest = PolicyDigest::of(&canonical(&bundle)?);
        let graph = Graph::of(&bundle);
        Ok(Self { bundle, digest, graph })
    }

    /// Reads stored bytes and checks that they are the ones that the digest names.
    pub fn from_stored(bytes: &[u8], expected: &PolicyDigest) -> Result<Self, PolicyError> {
        let actual = PolicyDigest::of(bytes);
        if actual != *expected {
            return Err(PolicyError::Altered { expected: expected.clone(), actual });
        }
        let unreadable = |source| PolicyError::Unreadable { digest: expected.clone(), source };
        let bundle: Bundle = serde_json::from_slice(bytes).map_err(unreadable)?;
        let graph = Graph::of(&bundle);
        Ok(Self { bundle, digest: actual, graph })
    }

    /// The same policy, under the same digest, where rows of some collections stay as they are and fields of some categories
    /// leave with no export: what an operator leaves out of one request.
    #[must_use]
    pub fn without<'a>(
        &self,
        collections: impl Iterator<Item = &'a String>,
        categories: impl Iterator<Item = &'a String>,
    ) -> Self {
        let mut without = self.clone();
        for name in collections {
            if let Some(rule) = without.bundle.policy.collections.get_mut(name) {
                rule.erasure = ErasureRule::Keep { reason: Text::default() };
            }
        }
        without.bundle.policy.export.omit.extend(categories.cloned());
        without
    }

    /// The collections that have a field of a category, or of one below it.
    #[must_use]
    pub fn collections_with(&self, category: &str) -> Vec<&str> {
        let has_one = |name: &&str| {
            let mut found = false;
            let fields = self.collection(name).map_or(&[][..], |collection| collection.fields.as_slice());
            dataset::visit(fields, "", &mut |_, field| {
                found |= field.data_categories.iter().any(|of| categories::is_within(of, category));
            });
            found
        };
        self.collections().filter(has_one).collect()
    }

    /// Whether a copy shows anything personal of a collection: a field with a category that leaves.
    #[must_use]
    pub fn leaves_with_a_copy(&self, collection: &str) -> bool {
        let export = &self.bundle.policy.export;
        let leaves = |field: &Field| {
            let is_personal = |of: &String| categories::is_within(of, "user");
            field.data_categories.iter().any(is_personal) && !field.data_categories.iter().any(|of| export.omits(of))
        };
        let fields = self.collection(collection).map_or(&[][..], |collection| collection.fields.as_slice());
        let mut found = false;
        dataset::visit(fields, "", &mut |_, field| found |= leaves(field));
        found
    }

    /// The canonical bytes that the digest is of (RFC 8785).
    pub fn to_stored(&self) -> Result<Vec<u8>, serde_json::Error> {
        canonical(&self.bundle)
    }

    /// The digest that requests pin.
    #[must_use]
    pub fn digest(&self) -> &PolicyDigest {
        &self.digest
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.bundle.policy
    }

    /// The datasets.
    #[must_use]
    pub fn datasets(&self) -> &[Dataset] {
        &self.bundle.datasets
    }

    /// Full names of all collections that a system holds, in order.
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.graph.collections()
    }

    /// The links of a collection.
    #[must_use]
    pub fn links(&self, collection: &str) -> &[Link] {
        self.graph.links(collection)
    }

    /// The ways to all collections.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The rule of a collection.
    #[must_use]
    pub fn rule(&self, collection: &str) -> Option<&CollectionRule> {
        self.bundle.policy.collections.get(collection)
    }

    /// A collection's fields.
    #[must_use]
    pub fn collection(&self, name: &str) -> Option<&Collection> {
        let (dataset, collection) = name.split_once('.')?;
        let dataset = self.bundle.datasets.iter().find(|candidate| candidate.fides_key == dataset)?;
        dataset.collections.iter().find(|candidate| candidate.name == collection)
    }

    /// Where a collection is.
    #[must_use]
    pub fn place<'a>(&'a self, collection: &'a str) -> Option<Place<'a>> {
        place(&self.bundle.policy, collection)
    }

    /// The rule for a right, if the policy offers it.
    #[must_use]
    pub fn right(&self, right: crate::request::Right) -> Option<&RightRule> {
        self.bundle.policy.rights.get(&right)
    }

    /// The field of the subject collection that holds this kind of identity.
    #[must_use]
    pub fn identity_field(&self, kind: IdentityKind) -> Option<&str> {
        self.bundle.policy.subject.identities.get(&kind).map(String::as_str)
    }

    /// The language to speak: the wanted one if the policy has it, else the first.
    #[must_use]
    pub fn language<'a>(&'a self, wanted: Option<&str>) -> &'a str {
        let languages = &self.bundle.policy.controller.languages;
        let same = |language: &&String| {
            wanted.is_some_and(|wanted| {
                language.eq_ignore_ascii_case(wanted)
                    || wanted.split('-').next().is_some_and(|base| language.split('-').next() == Some(base))
            })
        };
        languages.iter().find(same).or_else(|| languages.first()).map_or("en", String::as_str)
    }
}

/// The text in a language, or in any that is there.
#[must_use]
pub fn in_language<'a>(text: &'a Text, language: &str) -> &'a str {
    text.get(language).or_else(|| text.values().next()).map_or("", String::as_str)
}

/// A ground to refuse in words, as the policy has them; its id, if the policy does not know it.
#[must_use]
pub fn refusal_text<'a>(policy: &'a Pinned, ground: &'a crate::request::Ground, language: &str) -> &'a str {
    let named = policy.policy().refusals.iter().find(|refusal| refusal.id == ground.ground);
    named.map_or(ground.ground.as_str(), |refusal| in_language(&refusal.text, language))
}

fn canonical(bundle: &Bundle) -> Result<Vec<u8>, serde_json::Error> {
    // Through a Value, so that the canonicaliser sees plain JSON and no serde feature of the types.
    serde_json_canonicalizer::to_vec(&serde_json::to_value(bundle)?)
}

fn place<'a>(policy: &'a Policy, collection: &'a str) -> Option<Place<'a>> {
    let (dataset, name) = collection.split_once('.')?;
    policy.systems.iter().find_map(|system| match system {
        System::Dynamodb { dataset: of, collections, .. } if of == dataset => collections.get(name).map(Place::Table),
        System::S3 { dataset: of, collections, bucket, .. } if of == dataset => {
            collections.get(name).map(|place| match place {
                S3Place::Objects(objects) => Place::Objects { bucket, pattern: &objects.objects },
                S3Place::Rows(rows) => Place::Rows { bucket, rows },
            })
        }
        System::Postgresql(database) if database.dataset == dataset => Some(Place::Relation { database, name }),
        _ => None,
    })
}
