//! Looks at one person's rows, as the steps of a plan would find them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::keys::MemoryKeys;
use super::outline::Outline;
use super::{DryRun, Rows, Split, Subject, Total};
use crate::clock::Clock;
use crate::connectors::{
    Action, Connector, ConnectorError, Connectors, Decision, ErasureJudge, Groups, KeyStore as _, Obstacle, Person,
    Target, Tuple, Who, erasure_judge, obstacles_of,
};
use crate::identity::SubjectKeys;
use crate::personal::Identity;
use crate::plan::{NotServed, Work};
use crate::policy::{KeySet, Link, Pinned, Place};
use crate::random::Random;
use crate::request::{Matter, RequestId};
use crate::steps::{MAX_KEYS, ResolveError, resolve, tuples};

/// Why there is no dry run.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The right has no plan.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// A sweep is about nobody.
    #[error("a retention sweep is about nobody: leave the identity out")]
    NoSubject,
    /// The policy has no such identity.
    #[error("the policy does not know people by this kind of identity")]
    UnknownKind,
    /// A system does not answer.
    #[error("a system cannot be looked at")]
    System(#[source] ConnectorError),
}

/// What a dry run looks with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Reads the systems.
    pub connectors: &'a Connectors,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// Randomness. Nothing made of it is kept.
    pub random: &'a dyn Random,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of one collection that are looked at one by one; of more, the others are only counted.
    pub rows: u64,
    /// When to stop looking, if there is an end.
    pub until: Option<Timestamp>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 10_000, until: None }
    }
}

impl DryRun {
    /// What a request would find and do if it came now. Reads, and writes nothing.
    pub async fn of(
        policy: &Pinned,
        matter: Matter,
        with_export: bool,
        identity: &Identity,
        means: Means<'_>,
        limits: Limits,
    ) -> Result<Self, DryRunError> {
        let mut outline = Outline::of(policy, matter, with_export)?;
        matter.right().ok_or(DryRunError::NoSubject)?;
        policy.identity_field(identity.kind()).ok_or(DryRunError::UnknownKind)?;
        // To the second, as the ledger has it.
        let at = means.clock.now();
        let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
        let mut obstacles = Vec::new();
        for collection in policy.collections() {
            let found = obstacles_of(policy, means.connectors, collection, outline.erases()).await;
            obstacles.extend(found.map_err(DryRunError::System)?);
        }
        let found = find(policy, identity, means, &mut obstacles).await?;
        let subject =
            Subject { collection: policy.policy().subject.collection.clone(), rows: found.as_ref().map(|f| f.0) };
        if let Some((rows, keys)) = found {
            let store = Arc::new(MemoryKeys::default());
            let request = RequestId::new(means.random);
            let person = Person::of(request.clone(), keys, store.clone());
            let mut looking =
                Looking { policy, means, limits, at, person, request, store, partial: BTreeSet::new(), obstacles };
            for step in &mut outline.steps {
                step.rows = match &step.work {
                    Work::Resolve => Some(Rows::exactly(rows)),
                    work => looking.at_rows(work).await?,
                };
            }
            obstacles = looking.obstacles;
        }
        obstacles.sort_by(|a, b| {
            let order = |obstacle: &Obstacle| (!obstacle.refuses, obstacle.collection.clone(), obstacle.field.clone());
            order(a).cmp(&order(b))
        });
        let total = Total::of(&outline);
        let begins = !obstacles.iter().any(|obstacle| obstacle.refuses);
        Ok(Self { outline, at, subject, begins, obstacles, total })
    }
}

/// The person's own rows and the keys in them; none if a request would stop here, which is an obstacle then.
async fn find(
    policy: &Pinned,
    identity: &Identity,
    means: Means<'_>,
    obstacles: &mut Vec<Obstacle>,
) -> Result<Option<(u64, SubjectKeys)>, DryRunError> {
    let collection = &policy.policy().subject.collection;
    let keys = SubjectKeys {
        kind: identity.kind(),
        value: identity.value().expose().clone(),
        keys: BTreeMap::new(),
        named: Vec::new(),
    };
    let place = policy.place(collection).ok_or(ConnectorError::WrongKind);
    let found = match place.and_then(|place| means.connectors.of(place)) {
        Ok(connector) => resolve(connector, policy, &keys, &[]).await,
        Err(error) => Err(error.into()),
    };
    match found {
        Ok(resolved) => Ok(Some((resolved.rows, resolved.keys))),
        Err(ResolveError::UnknownKind) => Err(DryRunError::UnknownKind),
        Err(error @ ResolveError::TooMany) => {
            let message = format!("{error}: a request would stop before anything is changed");
            obstacles.push(Obstacle { refuses: true, collection: collection.clone(), field: None, message });
            Ok(None)
        }
        Err(ResolveError::Connector(error)) => {
            refused(obstacles, collection, error)?;
            Ok(None)
        }
    }
}

/// A system that refuses to be read is an obstacle, if the preflight has not found one already.
fn refused(obstacles: &mut Vec<Obstacle>, collection: &str, error: ConnectorError) -> Result<(), DryRunError> {
    let obstacle = Obstacle::from_error(collection, error).map_err(DryRunError::System)?;
    if !obstacles.iter().any(|known| known.refuses && known.collection == collection) {
        obstacles.push(obstacle);
    }
    Ok(())
}

struct Looking<'a> {
    policy: &'a Pinned,
    means: Means<'a>,
    limits: Limits,
    at: Timestamp,
    person: Person,
    request: RequestId,
    store: Arc<MemoryKeys>,
    /// Sets of keys that were not captured to the end.
    partial: BTreeSet<KeySet>,
    obstacles: Vec<Obstacle>,
}

impl Looking<'_> {
    /// The rows that a step would touch; none if it touches none, they cannot be read, or time is up.
    async fn at_rows(&mut self, work: &Work) -> Result<Option<Rows>, DryRunError> {
        let Some(collection) = work.collection() else { return Ok(None) };
        let looked = if self.is_late() { Ok(None) } else { self.look(work, collection).await.map(Some) };
        let mut rows = match looked {
            Ok(rows) => rows,
            Err(error) => {
                refused(&mut self.obstacles, collection, error)?;
                None
            }
        };
        let by_part = self.policy.links(collection).iter().filter_map(Link::key_set);
        let is_partial = by_part.into_iter().any(|set| self.partial.contains(&set));
        if let Some(rows) = rows.as_mut().filter(|_| is_partial) {
            rows.is_exact = false;
        }
        if let Work::Capture { collection, fields } = work
            && rows.as_ref().is_none_or(|rows| !rows.is_exact)
        {
            let set = KeySet { collection: collection.clone(), fields: fields.clone() };
            if rows.is_none() {
                self.store.put(&self.request, &set, 0, Vec::new(), false).await.map_err(DryRunError::System)?;
            }
            self.partial.insert(set);
        }
        Ok(rows)
    }

    async fn look(&self, work: &Work, collection: &str) -> Result<Rows, ConnectorError> {
        let target = Target::of(self.policy, collection)?;
        let connector = self.means.connectors.of(target.place)?;
        match work {
            Work::Capture { fields, .. } => self.capture(connector, &target, fields).await,
            Work::Erase { .. } => self.judge(connector, &target).await,
            _ if matches!(target.place, Place::Objects { .. } | Place::Rows { .. }) => {
                self.current(connector, &target).await
            }
            _ => Ok(match self.count(connector, &target).await? {
                Some(found) => Rows::exactly(found),
                None => Rows::default(),
            }),
        }
    }

    /// Keeps the different keys of the person's rows, as the step of the plan would.
    async fn capture(
        &self,
        connector: &dyn Connector,
        target: &Target<'_>,
        fields: &[String],
    ) -> Result<Rows, ConnectorError> {
        let mut keys: HashSet<Tuple> = HashSet::new();
        let mut cursor = None;
        let is_exact = loop {
            let page = connector.read(target, Who::Person(&self.person), cursor.as_deref()).await?;
            let current = page.rows.iter().filter(|row| row.is_current);
            keys.extend(current.flat_map(|row| tuples(&row.record, fields)));
            match page.next {
                None => break true,
                Some(_) if keys.len() >= MAX_KEYS || self.is_late() => break false,
                next => cursor = next,
            }
        };
        let set = KeySet { collection: target.name.to_owned(), fields: fields.to_vec() };
        let found = keys.len() as u64;
        self.store.put(&self.request, &set, 0, keys.into_iter().collect(), false).await?;
        Ok(Rows { found, is_exact, split: None })
    }

    /// Says of each row what the erasure would make of it; of very many, of the first.
    async fn judge(&self, connector: &dyn Connector, target: &Target<'_>) -> Result<Rows, ConnectorError> {
        let judge = erasure_judge(target, self.at, self.means.random)?.about(&self.person);
        let mut split = Split::default();
        let mut groups = Groups::default();
        let mut cursor = None;
        loop {
            let page = connector.read(target, Who::Person(&self.person), cursor.as_deref()).await?;
            for row in &page.rows {
                judge.measure(row, &mut groups)?;
                split.add(&judge.by_rule(row)?);
            }
            match page.next {
                None => {
                    split.regroup(&judge, groups, connector, target).await?;
                    return Ok(Rows { found: split.looked_at, is_exact: true, split: Some(split) });
                }
                Some(_) if split.looked_at >= self.limits.rows || self.is_late() => break,
                next => cursor = next,
            }
        }
        split.regroup(&judge, groups, connector, target).await?;
        let counted = self.count(connector, target).await?;
        let found = counted.unwrap_or_default().max(split.looked_at);
        Ok(Rows { found, is_exact: counted.is_some(), split: Some(split) })
    }

    /// How many objects a copy would hold: not their old versions, which a count has in it.
    async fn current(&self, connector: &dyn Connector, target: &Target<'_>) -> Result<Rows, ConnectorError> {
        let (mut rows, mut cursor) = (Rows::default(), None);
        loop {
            let page = connector.read(target, Who::Person(&self.person), cursor.as_deref()).await?;
            rows.found += page.rows.iter().filter(|row| row.is_current).count() as u64;
            match page.next {
                None => return Ok(Rows { is_exact: true, ..rows }),
                Some(_) if rows.found >= self.limits.rows || self.is_late() => return Ok(rows),
                next => cursor = next,
            }
        }
    }

    /// How many rows there are; none if time was up first.
    async fn count(&self, connector: &dyn Connector, target: &Target<'_>) -> Result<Option<u64>, ConnectorError> {
        let counting = connector.count(target, Who::Person(&self.person));
        let Some(until) = self.limits.until else { return counting.await.map(Some) };
        let left = until.duration_since(self.means.clock.now());
        let left = std::time::Duration::try_from(left).unwrap_or_default();
        match tokio::time::timeout(left, counting).await {
            Ok(counted) => counted.map(Some),
            Err(_) => Ok(None),
        }
    }

    fn is_late(&self) -> bool {
        self.limits.until.is_some_and(|until| self.means.clock.now() >= until)
    }
}

impl Split {
    fn add(&mut self, decision: &Decision) {
        self.looked_at += 1;
        match decision {
            Decision::Act(Action::Erase) => self.erased += 1,
            Decision::Act(Action::Change(_)) => self.anonymised += 1,
            Decision::Act(Action::Move(_)) => self.moved += 1,
            Decision::Retain { until, .. } => {
                self.retained += 1;
                self.retained_until = self.retained_until.max(Some(*until));
            }
            Decision::Leave => self.left += 1,
        }
    }

    /// Rows in groups that are too small go instead of staying.
    async fn regroup(
        &mut self,
        judge: &ErasureJudge<'_>,
        mut groups: Groups,
        connector: &dyn Connector,
        target: &Target<'_>,
    ) -> Result<(), ConnectorError> {
        let Some(demand) = judge.demand() else { return Ok(()) };
        groups.count(connector, target, demand).await?;
        let go = groups.rows_that_go(demand).min(self.anonymised);
        self.anonymised -= go;
        self.erased += go;
        Ok(())
    }
}

impl Total {
    fn of(outline: &Outline) -> Self {
        let mut total = Self { exported: 0, erased: 0, anonymised: 0, retained: 0, moved: 0, left: 0, is_exact: true };
        for step in &outline.steps {
            let touches_rows = step.work.collection().is_some();
            match (&step.rows, touches_rows) {
                (None, true) => total.is_exact = false,
                (Some(rows), true) => {
                    total.is_exact &= rows.is_exact && !rows.is_sample();
                    if matches!(step.work, Work::Export { .. }) {
                        total.exported += rows.found;
                    }
                    let split = rows.split.unwrap_or_default();
                    total.erased += split.erased;
                    total.anonymised += split.anonymised;
                    total.retained += split.retained;
                    total.moved += split.moved;
                    total.left += split.left;
                }
                (_, false) => {}
            }
        }
        total
    }
}
