//! What a request still knows of a person while rows of theirs are kept for a time, and the end of a purge.
//!
//! The rule of this room: what stays sealed is what stands in the kept rows anyway, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::driver::{Driver, Ran};
use super::forget_page;
use super::page::{Job, Next, Page, StepError};
use crate::evidence::{PurgeReport, Purged};
use crate::holds::Kept;
use crate::identity::{Sealer, SubjectKeys, seal};
use crate::ledger::{Extra, LedgerError};
use crate::plan::{Counts, Work};
use crate::policy::{Origin, Pinned};
use crate::request::{Captured, Request};

/// The page of a [`Work::Narrow`](crate::plan::Work::Narrow) step: forgets the captured keys, and seals the values anew that
/// lead to kept rows, without the others.
pub async fn narrow_page(
    job: &Job,
    store: &dyn crate::connectors::KeyStore,
    sealer: &Sealer,
) -> Result<Page, StepError> {
    if !job.policy.graph().captures().is_empty() {
        forget_page(job, store).await?;
    }
    let kept = job.request.to_purge();
    let keys = leading(&job.policy, kept.keys().map(String::as_str), &job.person()?.keys);
    let sealed = sealer.seal(&job.request.id, seal::end::SUBJECT, &keys).await.map_err(StepError::transient)?;
    let captured = Some(Captured { sealed, contact: None });
    Ok(Page { next: Next::Done { package: None, captured }, ..Page::last(Counts::default()) })
}

/// The fields of the subject's row whose values lead to rows of some collections, by themselves or through others of the same
/// database.
fn fields_to<'a>(policy: &'a Pinned, collections: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let (mut ahead, mut seen, mut fields) = (collections.collect::<Vec<_>>(), BTreeSet::new(), BTreeSet::new());
    while let Some(collection) = ahead.pop() {
        if !seen.insert(collection) {
            continue;
        }
        for link in policy.links(collection).iter().filter(|link| !link.captured) {
            fields.extend(link.subject_field());
            if let Origin::Collection(origin) = &link.origin {
                ahead.push(origin);
            }
        }
    }
    fields
}

/// The values that lead to rows of some collections.
fn leading<'a>(policy: &'a Pinned, collections: impl Iterator<Item = &'a str>, keys: &SubjectKeys) -> SubjectKeys {
    let fields = fields_to(policy, collections);
    let keys_left: BTreeMap<String, Vec<String>> = keys
        .keys
        .iter()
        .filter(|(field, _)| fields.contains(field.as_str()))
        .map(|(field, values)| (field.clone(), values.clone()))
        .collect();
    let is_there = keys_left.values().flatten().any(|value| *value == keys.value);
    let value = if is_there { keys.value.clone() } else { String::new() };
    SubjectKeys { kind: keys.kind, value, keys: keys_left, named: Vec::new(), own_ids: BTreeMap::new() }
}

/// Whether some rows of a collection may not be found any more: of what is known of the person, a value that leads there is
/// not among those that are still surely theirs.
#[must_use]
pub fn is_out_of_reach(policy: &Pinned, known: &SubjectKeys, theirs: &SubjectKeys, collection: &str) -> bool {
    let values = |keys: &SubjectKeys, field: &str| keys.keys.get(field).map_or(0, Vec::len);
    let fields = fields_to(policy, std::iter::once(collection));
    fields.into_iter().any(|field| values(theirs, field) < values(known, field))
}

impl Driver {
    /// Writes the end of a purge.
    pub(super) async fn purged(
        &self,
        job: Job,
        collections: Vec<Purged>,
        somebody_new: bool,
        holds: Vec<Kept>,
    ) -> Result<Ran, LedgerError> {
        let step = &job.claim.step;
        let Work::Purge { at } = step.work else {
            return Err(LedgerError::Missing("purge"));
        };
        let report = PurgeReport { step: step.number, at, collections, counts: step.counts, somebody_new, holds };
        let decide = |request: &Request, now| request.purged(report.clone(), now);
        let ended = self.commit_step(&job.claim, Some(job.request), &decide, &Extra::StepDone).await?;
        Ok(if ended { Ran::Done } else { Ran::NotMine })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::IdentityKind;

    #[test]
    fn only_what_leads_to_kept_rows_stays_known() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy");
        let policy = crate::policy::load::load(&folder).unwrap();
        let held = [("user_id", "u-li"), ("email", "li@mail.example"), ("phone", "+8613912345678")];
        let keys = SubjectKeys {
            kind: IdentityKind::Email,
            value: "li@mail.example".into(),
            keys: held.map(|(field, value)| (field.to_owned(), vec![value.to_owned()])).into(),
            named: vec!["Li".into()],
            own_ids: BTreeMap::from([("ad_id".to_owned(), vec!["a-1".to_owned()])]),
        };
        let left = leading(&policy, ["small_app.orders"].into_iter(), &keys);
        assert_eq!(left.keys, BTreeMap::from([("user_id".to_owned(), vec!["u-li".to_owned()])]));
        assert!(
            left.value.is_empty() && left.named.is_empty() && left.own_ids.is_empty(),
            "the address leads to no order"
        );
        let of_users = leading(&policy, ["small_app.users"].into_iter(), &keys);
        assert_eq!((of_users.keys.len(), of_users.value.as_str()), (3, "li@mail.example"));
    }
}
