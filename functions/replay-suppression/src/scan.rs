//! One page of a look at a restored collection: every row's keys are digested, and those that were erased recognised.
//!
//! The rule of this file: a row counts only if the erasure would do something to it, so that what is retained, or was left
//! out of the erasure, does not; and only if it is surely the erased person's. A user id is, unless the policy says when accounts are made and this one was made
//! since. Any other key may have been given out again: it counts if the restored state is from before the erasure, and if
//! no account that was not erased holds it.

use std::collections::{BTreeMap, BTreeSet};

use habeas::connectors::{Connector, ConnectorError, Decision, Judge as _, Person, Row, Target, Who, erasure_judge};
use habeas::holds::{Keeps, Whom};
use habeas::identity::SubjectKeys;
use habeas::ledger::{FoundAgain, Suppressed};
use habeas::personal::IdentityKind;
use habeas::plan::Counts;
use habeas::steps::{Job, Next, Page, StepError, has_holders, holders};
use habeas::suppression::{Claim, claims, digests};
use jiff::{SignedDuration, Timestamp};

use crate::Function;

/// A backup that was begun so long after an erasure may still hold what the erasure took later.
const ERASURE_TAKES: SignedDuration = SignedDuration::from_hours(24);
/// How long what was found outlives the day by which a replay should be done, if nobody ends it.
const KEPT_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the keys that a replay has found are sealed for.
pub(crate) const END: &str = "found";

/// A claim of a row to be an erased person's.
#[derive(Clone)]
struct Known {
    claim: Claim,
    entry: Suppressed,
}

impl Function {
    /// Looks at a page. `keeps_found`: keeps the identities that it finds, for the people to be erased again.
    pub(crate) async fn scan(
        &self,
        job: &Job,
        collection: &str,
        state_of: Timestamp,
        cursor: Option<&str>,
        keeps_found: bool,
    ) -> Result<Page, StepError> {
        let step = ConnectorError::into_step;
        let target = Target::of(&job.policy, collection).map_err(step)?;
        let connector = self.connectors.of(target.place).map_err(step)?;
        let page = connector.read(&target, Who::Everyone, cursor).await.map_err(step)?;
        let mut counts = Counts { read: page.rows.len() as u64, ..Counts::default() };
        if page.unread > 0 {
            tracing::warn!(request_id = %job.request.id, collection, unread = page.unread, "not all of it can be read");
        }
        let nobody = Whom::default();
        let keeps = Keeps::of_person(target, &self.operators.keys, &job.holds, &nobody, &[]);
        let (left, held) =
            self.left_in(job, &target, connector, page.rows, state_of, (!keeps_found).then_some(&keeps)).await?;
        (counts.retained, counts.held) = (held, held);
        // Nobody can say of what cannot be read that it is nobody's who was erased.
        counts.left_over = left.len() as u64 + page.unread;
        if keeps_found {
            self.keep(job, left.into_iter().flatten()).await?;
        } else if counts.left_over > 0 && job.request.stages.len() > 1 {
            tracing::error!(
                alarm = "left_after_replay",
                request_id = %job.request.id,
                collection,
                left = counts.left_over,
                "rows of people who were erased are left: nothing may be served from here"
            );
        }
        let next = page.next.map_or(Next::Done { package: None, captured: None }, Next::Page);
        Ok(Page { counts, retained_until: None, next })
    }

    /// Of each row that would have to go or to change: by what it is known. And how many such rows legal holds keep, if those
    /// are asked for: whoever is held is found all the same, and erased again when the hold has ended.
    async fn left_in(
        &self,
        job: &Job,
        target: &Target<'_>,
        connector: &dyn Connector,
        rows: Vec<Row>,
        state_of: Timestamp,
        keeps: Option<&Keeps<'_>>,
    ) -> Result<(Vec<Vec<Known>>, u64), StepError> {
        let step = ConnectorError::into_step;
        let judge = erasure_judge(target, job.request.received_at, self.platform.driver.random.as_ref());
        // What others would name them by in a text is not known here; the erasure that follows finds it out.
        let judge = judge.map_err(step)?.about(&Person::known_by(SubjectKeys {
            kind: IdentityKind::UserId,
            value: String::new(),
            keys: BTreeMap::new(),
            named: Vec::new(),
            own_ids: BTreeMap::new(),
        }));
        let mut known = self.known(job, target, &rows).await?;
        let mut asked = BTreeMap::new();
        let (mut left, mut by, mut held) = (Vec::new(), Vec::new(), 0);
        for (position, mut row) in rows.into_iter().enumerate() {
            let mut theirs = Vec::new();
            for known in known.remove(&position).into_iter().flatten() {
                if let Some(accounts) = self.theirs(job, &known, state_of, &mut asked).await? {
                    theirs.push(known);
                    // By their user ids too, so that whoever erases them finds whose the address is.
                    theirs.extend(accounts);
                }
            }
            let Some(first) = theirs.first() else { continue };
            row.link = first.claim.link;
            match judge.judge(&row).map_err(step)? {
                Decision::Leave => {}
                Decision::Retain { minimise, .. } if minimise.is_empty() => {}
                Decision::Act(_) | Decision::Retain { .. } if keeps.is_some_and(|keeps| keeps.keeps(&row.record)) => {
                    held += 1;
                }
                Decision::Act(_) | Decision::Retain { .. } => {
                    left.push(row);
                    by.push(theirs);
                }
            }
        }
        if left.is_empty() {
            return Ok((Vec::new(), held));
        }
        // What its system lets nobody delete is not left over.
        let locked = connector.held(target, &left).await.map_err(step)?;
        let left = by.into_iter().zip(locked).filter(|(_, lock)| lock.is_none()).map(|(by, _)| by);
        Ok((left.collect(), held))
    }

    /// The claims of rows, by the position of the row, that the suppression list knows.
    async fn known(
        &self,
        job: &Job,
        target: &Target<'_>,
        rows: &[Row],
    ) -> Result<BTreeMap<usize, Vec<Known>>, StepError> {
        let mut by_digest: BTreeMap<String, Vec<(usize, Claim)>> = BTreeMap::new();
        for (position, row) in rows.iter().enumerate() {
            for claim in claims(target, &row.record) {
                for digest in digests(&self.operators.keys, &job.policy, &claim.field, &claim.value) {
                    by_digest.entry(digest).or_default().push((position, claim.clone()));
                }
            }
        }
        let asked: BTreeSet<String> = by_digest.keys().cloned().collect();
        let mut known: BTreeMap<usize, Vec<Known>> = BTreeMap::new();
        let entries = self.platform.driver.ledger.suppressed(&asked).await.map_err(StepError::transient)?;
        for entry in entries.into_iter().filter(|entry| !entry.exempt.contains_key(target.name)) {
            for (position, claim) in by_digest.remove(&entry.digest).into_iter().flatten() {
                known.entry(position).or_default().push(Known { claim, entry: entry.clone() });
            }
        }
        for known in known.values_mut() {
            known.sort_by(|a, b| a.claim.cmp(&b.claim));
        }
        Ok(known)
    }

    /// If what a row is known by is the erased person's and nobody else's: the erased accounts that hold it, by their user
    /// ids. `asked`: what was found out before.
    async fn theirs(
        &self,
        job: &Job,
        known: &Known,
        state_of: Timestamp,
        asked: &mut BTreeMap<(String, String), Option<Vec<Known>>>,
    ) -> Result<Option<Vec<Known>>, StepError> {
        let Claim { field, value, .. } = &known.claim;
        let is_user_id = job.policy.identity_field(IdentityKind::UserId) == Some(field);
        if is_user_id && job.policy.policy().subject.created_field.is_none() {
            return Ok(Some(Vec::new()));
        }
        let is_older = known.entry.erased_at.saturating_add(ERASURE_TAKES).unwrap_or(Timestamp::MAX) < state_of;
        if !is_user_id && (is_older || !has_holders(&job.policy, field)) {
            return Ok(None);
        }
        let key = (field.clone(), value.clone());
        if let Some(theirs) = asked.get(&key) {
            return Ok(theirs.clone());
        }
        let theirs = self.accounts_of(job, known).await?;
        asked.insert(key, theirs.clone());
        Ok(theirs)
    }

    /// The erased accounts that hold a value, by their user ids; none if one holds it that was not erased, or was made since.
    async fn accounts_of(&self, job: &Job, known: &Known) -> Result<Option<Vec<Known>>, StepError> {
        let Claim { field, value, link } = &known.claim;
        let keys = SubjectKeys {
            kind: IdentityKind::UserId,
            value: String::new(),
            keys: BTreeMap::from([(field.to_owned(), vec![value.to_owned()])]),
            named: Vec::new(),
            own_ids: BTreeMap::new(),
        };
        let held = holders(&self.connectors, &job.policy, keys, known.entry.erased_at).await;
        let held = held.map_err(ConnectorError::into_step)?;
        if held.made_since {
            return Ok(None);
        }
        let Some(field) = job.policy.identity_field(IdentityKind::UserId) else {
            return Ok(Some(Vec::new()));
        };
        let digest = |id: &String| digests(&self.operators.keys, &job.policy, field, id);
        let asked: BTreeSet<String> = held.user_ids.iter().flat_map(digest).collect();
        let erased = self.platform.driver.ledger.suppressed(&asked).await.map_err(StepError::transient)?;
        let account = |id: &String| {
            let digests = digest(id);
            let entry = erased.iter().find(|entry| digests.contains(&entry.digest))?;
            // Together with what it was found by, whichever request erased the account last.
            let Suppressed { erased_by, exempt, .. } = known.entry.clone();
            let entry = Suppressed { erased_by, exempt, ..entry.clone() };
            Some(Known { claim: Claim { field: field.to_owned(), value: id.clone(), link: *link }, entry })
        };
        Ok(held.user_ids.iter().map(account).collect())
    }

    /// Keeps identities, sealed, each once.
    async fn keep(&self, job: &Job, known: impl Iterator<Item = Known>) -> Result<(), StepError> {
        let driver = &self.platform.driver;
        let key = |known: &Known| (known.entry.erased_by.clone(), known.entry.digest.clone());
        let each: BTreeMap<_, Known> = known.map(|known| (key(&known), known)).collect();
        let until = job.request.due_at.saturating_add(KEPT_AFTER).unwrap_or(Timestamp::MAX);
        for ((_, digest), Known { claim, entry }) in each {
            let sealed = driver.sealer.seal(&job.request.id, END, &(claim.field, claim.value)).await;
            let sealed = sealed.map_err(StepError::transient)?;
            let found = FoundAgain { erased_by: entry.erased_by, digest, sealed, exempt: entry.exempt };
            driver.ledger.keep_found(&job.request.id, &found, until).await.map_err(StepError::transient)?;
        }
        Ok(())
    }
}
