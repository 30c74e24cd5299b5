//! Legal holds: reasons why data may not be erased now, each with its basis and its end, placed and lifted by operators. Pure.
//!
//! The rules of this room: whom a hold is on is known by keyed digests only; a hold ends by itself, at the moment that was said
//! when it was placed; and what a hold does is never silent: it is written into the history of every request that it stops
//! or that goes around it.

mod keeps;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use keeps::{HeldJudge, Keeps, keep, merge};

use crate::identity::{DigestKeys, SubjectKeys};
use crate::personal::Identity;
use crate::policy::{HoldMode, Pinned};
use crate::random::{self, Random};
use crate::request::RequestId;
use crate::suppression::digests;

/// Most characters of a basis.
pub const MAX_BASIS: usize = 500;
/// Longest time that a hold may be placed for; whoever needs more places another one before it ends.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// Most holds that may be in force at once: whatever erases reads all of them before each step.
pub const MOST_IN_FORCE: usize = 500;
/// Most holds that one event, or one request, names. All others count all the same.
pub const MOST_TOLD: usize = 20;
/// How long what a hold stops waits at most before it looks again: so much later it notices that the hold was lifted.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Not the id of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a hold is 32 lower-case hexadecimal digits")]
pub struct NotAHoldId;

/// The id of a hold: 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HoldId(String);

impl HoldId {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        Self(hex::encode(random::bytes::<16>(random)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HoldId {
    type Err = NotAHoldId;

    fn from_str(digits: &str) -> Result<Self, NotAHoldId> {
        let well_formed = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed { Ok(Self(digits.to_owned())) } else { Err(NotAHoldId) }
    }
}

impl TryFrom<String> for HoldId {
    type Error = NotAHoldId;

    fn try_from(digits: String) -> Result<Self, NotAHoldId> {
        digits.parse()
    }
}

impl From<HoldId> for String {
    fn from(id: HoldId) -> Self {
        id.0
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a hold is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Scope {
    /// A person, whatever holds their data.
    Subject {
        /// Keyed digests of everything that they are known by, under every key that there was.
        digests: BTreeSet<String>,
    },
    /// A collection, whoever's rows are in it.
    Collection {
        /// `<dataset>.<collection>`.
        collection: String,
    },
    /// What one request would erase.
    Request {
        /// The request.
        request_id: RequestId,
    },
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// Its id.
    pub id: HoldId,
    /// What it is on.
    pub scope: Scope,
    /// Why, in words that everybody whose data is held may read. No personal data: whoever places it says so.
    pub basis: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it ends, in whole seconds.
    pub ends_at: Timestamp,
    /// Keyed digest of the operator who placed it.
    pub placed_by: String,
    /// When it was lifted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<Timestamp>,
    /// Keyed digest of the operator who lifted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_by: Option<String>,
}

impl LegalHold {
    /// Whether it counts at a moment.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.lifted_at.is_none() && self.ends_at > now
    }

    /// What a request says of it.
    #[must_use]
    pub fn told(&self) -> Held {
        Held { hold: self.id.clone(), basis: self.basis.clone(), until: self.ends_at }
    }
}

/// A hold as requests and their evidence name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which hold.
    pub hold: HoldId,
    /// Its basis.
    pub basis: String,
    /// When it ends at the latest.
    pub until: Timestamp,
}

/// A legal hold that keeps something, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The hold.
    #[serde(flatten)]
    pub held: Held,
    /// Where it was met: names of collections.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub collections: BTreeSet<String>,
}

impl From<Held> for Kept {
    fn from(held: Held) -> Self {
        Self { held, collections: BTreeSet::new() }
    }
}

/// The holds in force at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds(Vec<LegalHold>);

impl Holds {
    /// Those of some holds that are in force.
    #[must_use]
    pub fn in_force(holds: Vec<LegalHold>, now: Timestamp) -> Self {
        Self(holds.into_iter().filter(|hold| hold.is_in_force(now)).collect())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, id: &HoldId) -> bool {
        self.0.iter().any(|hold| hold.id == *id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &LegalHold> {
        self.0.iter()
    }

    /// Those on a person, or on a request of theirs.
    pub fn on<'a>(&'a self, whom: &'a Whom) -> impl Iterator<Item = &'a LegalHold> {
        self.0.iter().filter(|hold| match &hold.scope {
            Scope::Subject { digests } => !digests.is_disjoint(&whom.digests),
            Scope::Request { request_id } => whom.request.as_ref() == Some(request_id),
            Scope::Collection { .. } => false,
        })
    }

    /// Those on a collection.
    pub fn on_collection(&self, collection: &str) -> impl Iterator<Item = &LegalHold> {
        let is_on = move |hold: &&LegalHold| match &hold.scope {
            Scope::Collection { collection: held } => held == collection,
            Scope::Subject { .. } | Scope::Request { .. } => false,
        };
        self.0.iter().filter(is_on)
    }

    /// What an erasure of a person in some collections has to wait for, as the policy says.
    #[must_use]
    pub fn to_wait_for<'a>(
        &self,
        policy: &Pinned,
        whom: &Whom,
        collections: impl Iterator<Item = &'a str>,
    ) -> Vec<Held> {
        let rules = &policy.policy().holds;
        let mut waited: Vec<&LegalHold> = Vec::new();
        if rules.erasure == HoldMode::Wait {
            waited.extend(self.on(whom));
        }
        for collection in collections.filter(|name| rules.mode_of(name) == HoldMode::Wait) {
            waited.extend(self.on_collection(collection));
        }
        told(waited)
    }
}

/// A hold as a dry run names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedHold {
    /// The hold.
    #[serde(flatten)]
    pub held: Held,
    /// The collection that it is on; none if it is on the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Whether a request would wait for its end; otherwise it would go around.
    pub waits: bool,
}

impl Holds {
    /// Those that an erasure of a person would meet, as far as can be told beforehand.
    #[must_use]
    pub fn met_by(&self, policy: &Pinned, whom: &Whom) -> Vec<PlannedHold> {
        let rules = &policy.policy().holds;
        let on_person = self.on(whom).map(|hold| PlannedHold {
            held: hold.told(),
            collection: None,
            waits: rules.erasure == HoldMode::Wait,
        });
        let on_collections = policy.collections().flat_map(|name| {
            self.on_collection(name).map(|hold| PlannedHold {
                held: hold.told(),
                collection: Some(name.to_owned()),
                waits: rules.mode_of(name) == HoldMode::Wait,
            })
        });
        on_person.chain(on_collections).take(MOST_TOLD).collect()
    }
}

/// What is said of some holds: each once, of very many those that end last.
#[must_use]
pub fn told<'a>(holds: impl IntoIterator<Item = &'a LegalHold>) -> Vec<Held> {
    let mut told: Vec<Held> = holds.into_iter().map(LegalHold::told).collect();
    told.sort_by(|a, b| b.until.cmp(&a.until).then_with(|| a.hold.cmp(&b.hold)));
    told.dedup_by(|a, b| a.hold == b.hold);
    told.truncate(MOST_TOLD);
    told
}

/// When what waits for some holds looks again: when the first of them ends, and within a day in any case.
#[must_use]
pub fn next_look<'a>(held: impl IntoIterator<Item = &'a Held>, now: Timestamp) -> Timestamp {
    let again = now.saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
    held.into_iter().map(|held| held.until).filter(|until| *until > now).fold(again, Timestamp::min)
}

/// Whom a request is about, as holds know people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// Keyed digests of everything that they are known by.
    pub digests: BTreeSet<String>,
    /// The request.
    pub request: Option<RequestId>,
}

impl Whom {
    /// A person, in a request about them.
    #[must_use]
    pub fn of(keys: &DigestKeys, policy: &Pinned, person: &SubjectKeys, request: &RequestId) -> Self {
        Self { digests: digests_of(keys, policy, person), request: Some(request.clone()) }
    }
}

/// The digests of a person: of the identity that they are named by, and of every value of their own row that leads anywhere.
#[must_use]
pub fn digests_of(keys: &DigestKeys, policy: &Pinned, person: &SubjectKeys) -> BTreeSet<String> {
    let row = person.keys.iter().flat_map(|(field, values)| values.iter().map(move |value| (field, value)));
    let mut found: BTreeSet<String> = row.flat_map(|(field, value)| digests(keys, policy, field, value)).collect();
    if let Ok(identity) = Identity::parse(person.kind, &person.value) {
        found.extend(keys.identity_under_all(&identity));
    }
    found
}

#[cfg(test)]
mod tests;
