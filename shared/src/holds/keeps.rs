//! Which rows holds keep: of a person whose erasure goes around them, of other people whose rows it meets, and of everybody
//! in a sweep.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;

use sha2::Digest as _;

use super::{Held, Holds, Kept, LegalHold, Scope, Whom, told};
use crate::connectors::{ConnectorError, Decision, Handle, Judge, Row, Target};
use crate::identity::DigestKeys;
use crate::policy::{Pinned, Place};
use crate::record::Record;
use crate::suppression::{claims, digests};

/// What holds keep of one collection.
pub struct Keeps<'a> {
    target: Target<'a>,
    keys: &'a DigestKeys,
    /// Every row, by these.
    everything: Vec<&'a LegalHold>,
    /// Rows of people with these digests.
    people: BTreeMap<&'a str, Vec<&'a LegalHold>>,
    /// Rows that name nobody, if it cannot be told whose they are.
    nobodys: Vec<&'a LegalHold>,
}

impl<'a> Keeps<'a> {
    /// What holds keep of a collection while the data of a person in it is erased. `around`: what the same request has gone
    /// around, hold by hold, since rows that are kept may refer to others of the same database.
    #[must_use]
    pub fn of_person(
        target: Target<'a>,
        keys: &'a DigestKeys,
        holds: &'a Holds,
        whom: &'a Whom,
        around: &[Kept],
    ) -> Self {
        let mut keeps = Self::new(target, keys, holds);
        keeps.everything.extend(holds.on(whom));
        let goes_before =
            |kept: &&Kept| kept.collections.iter().any(|earlier| refers(target.policy, earlier, target.name));
        for kept in around.iter().filter(goes_before) {
            keeps.everything.extend(holds.iter().filter(|hold| hold.id == kept.held.hold));
        }
        keeps
    }

    /// What holds keep of a collection while what is out of date in it is erased, whoever's it is.
    #[must_use]
    pub fn of_everybody(target: Target<'a>, keys: &'a DigestKeys, holds: &'a Holds) -> Self {
        let mut keeps = Self::new(target, keys, holds);
        if target.links.iter().any(|link| link.subject_field().is_none()) {
            keeps.nobodys = holds.iter().filter(|hold| matches!(hold.scope, Scope::Subject { .. })).collect();
        }
        keeps
    }

    fn new(target: Target<'a>, keys: &'a DigestKeys, holds: &'a Holds) -> Self {
        let (mut everything, mut people) = (Vec::new(), BTreeMap::<&str, Vec<&LegalHold>>::new());
        for hold in holds.iter() {
            match &hold.scope {
                Scope::Collection { collection } => {
                    if collection == target.name || refers(target.policy, collection, target.name) {
                        everything.push(hold);
                    }
                }
                Scope::Subject { digests } => {
                    for digest in digests {
                        people.entry(digest).or_default().push(hold);
                    }
                }
                Scope::Request { .. } => {}
            }
        }
        Self { target, keys, everything, people, nobodys: Vec::new() }
    }

    /// Whether nothing is kept, so that nobody has to look.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.everything.is_empty() && self.people.is_empty()
    }

    /// The holds that keep every row.
    #[must_use]
    pub fn everything(&self) -> Vec<Held> {
        told(self.everything.iter().copied())
    }

    /// The holds that keep a row.
    fn of_row(&self, record: &Record) -> Vec<&'a LegalHold> {
        let mut found = self.everything.clone();
        if self.people.is_empty() {
            return found;
        }
        let claims = claims(&self.target, record);
        for claim in &claims {
            for digest in digests(self.keys, self.target.policy, &claim.field, &claim.value) {
                found.extend(self.people.get(digest.as_str()).into_iter().flatten());
            }
        }
        if claims.is_empty() {
            found.extend(&self.nobodys);
        }
        found
    }

    /// Whether a row is kept.
    #[must_use]
    pub fn keeps(&self, record: &Record) -> bool {
        !self.is_nothing() && !self.of_row(record).is_empty()
    }
}

/// Whether rows of `one` may refer to rows of `other` in such a way that what goes there takes them along: in one database,
/// what refers to other rows goes before them.
fn refers(policy: &Pinned, one: &str, other: &str) -> bool {
    let (Some(here), Some(there)) = (policy.place(one), policy.place(other)) else { return false };
    here.is_same_database(there) && policy.graph().erase_stage(one) < policy.graph().erase_stage(other)
}

/// Leaves every row alone that a hold keeps; of all others it says what another judge says.
pub struct HeldJudge<'a> {
    keeps: Keeps<'a>,
    judge: &'a dyn Judge,
    met: Mutex<Met>,
}

#[derive(Default)]
struct Met {
    rows: u64,
    /// Rows inside objects may be judged more than once.
    seen: HashSet<[u8; 32]>,
    holds: Vec<Held>,
}

impl<'a> HeldJudge<'a> {
    /// Asks `keeps` before it does what `judge` says.
    #[must_use]
    pub fn new(keeps: Keeps<'a>, judge: &'a dyn Judge) -> Self {
        Self { keeps, judge, met: Mutex::default() }
    }

    /// How many rows were kept that would have gone or changed, and by what.
    #[must_use]
    pub fn met(self) -> (u64, Vec<Held>) {
        let met = self.met.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        (met.rows, met.holds)
    }

    /// Whether a row that would go or change is kept.
    fn is_kept(&self, row: &Row) -> bool {
        if self.keeps.is_nothing() {
            return false;
        }
        let by = self.keeps.of_row(&row.record);
        if by.is_empty() {
            return false;
        }
        let mut met = self.met.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_new = match (self.keeps.target.place, &row.handle) {
            (Place::Rows { .. }, Handle::Version { key, .. }) => met.seen.insert(digest(key, &row.record)),
            _ => true,
        };
        met.rows += u64::from(is_new);
        merge(&mut met.holds, told(by));
        true
    }
}

impl Judge for HeldJudge<'_> {
    fn judge(&self, row: &Row) -> Result<Decision, ConnectorError> {
        Ok(match self.judge.judge(row)? {
            Decision::Leave => Decision::Leave,
            Decision::Retain { until, minimise } if minimise.is_empty() => Decision::Retain { until, minimise },
            Decision::Act(_) | Decision::Retain { .. } if self.is_kept(row) => Decision::Leave,
            decision => decision,
        })
    }
}

/// Adds a hold, and where it was met, to those that are known: each once.
pub fn keep<'a>(known: &mut Vec<Kept>, held: &Held, collections: impl IntoIterator<Item = &'a str>) {
    let at = known.iter().position(|kept| kept.held.hold == held.hold).or_else(|| {
        let is_room = known.len() < super::MOST_TOLD;
        is_room.then(|| known.push(held.clone().into()))?;
        Some(known.len() - 1)
    });
    if let Some(kept) = at.and_then(|at| known.get_mut(at)) {
        kept.collections.extend(collections.into_iter().map(ToOwned::to_owned));
    }
}

/// Adds holds to those that are known: each once.
pub fn merge(known: &mut Vec<Held>, more: impl IntoIterator<Item = Held>) {
    for held in more {
        if known.len() < super::MOST_TOLD && !known.iter().any(|other| other.hold == held.hold) {
            known.push(held);
        }
    }
}

fn digest(key: &str, record: &Record) -> [u8; 32] {
    let mut digest = sha2::Sha256::new();
    digest.update(key);
    digest.update(serde_json::to_vec(record).unwrap_or_default());
    digest.finalize().into()
}
