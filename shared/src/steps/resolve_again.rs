//! Finds the row of somebody who was erased and came back with what was restored, by the keys that a replay has found.

use jiff::Timestamp;

use super::newcomers::{Doubtful, without_newcomers};
use super::page::{Job, Next, Page, StepError};
use super::resolve::{key_fields, named_in};
use crate::connectors::{ConnectorError, Connectors, Person, Target, Who};
use crate::identity::{Sealer, seal};
use crate::plan::Counts;
use crate::request::Captured;

/// The page of a [`Work::ResolveAgain`](crate::plan::Work::ResolveAgain) step. What an account holds that is not the erased
/// one is left out; without a user id to tell, one that was made before the moment whose state was restored is theirs.
pub async fn resolve_again_page(
    job: &Job,
    connectors: &Connectors,
    sealer: &Sealer,
    state_of: Timestamp,
) -> Result<Page, StepError> {
    let step = ConnectorError::into_step;
    let policy = &job.policy;
    let found = job.person()?.keys.clone();
    let (mut keys, _) = without_newcomers(connectors, policy, found, state_of, Doubtful::Erased).await.map_err(step)?;
    let target = Target::of(policy, &policy.policy().subject.collection).map_err(step)?;
    let connector = connectors.of(target.place).map_err(step)?;
    let person = Person::known_by(keys.clone());
    let (mut rows, mut cursor, mut named) = (0, None, Vec::new());
    loop {
        let page = connector.read(&target, Who::Person(&person), cursor.as_deref()).await.map_err(step)?;
        named.extend(page.rows.iter().flat_map(|row| named_in(policy, std::slice::from_ref(&row.record))));
        for row in &page.rows {
            rows += 1;
            for field in key_fields(policy) {
                let known = keys.keys.entry(field.to_owned()).or_default();
                for value in row.record.keys_at(&[field]).into_iter().flatten() {
                    if !known.contains(&value) {
                        known.push(value);
                    }
                }
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    keys.named.extend(named);
    // Their own row may hold an address that has been given to somebody else since.
    let (keys, _) = without_newcomers(connectors, policy, keys, state_of, Doubtful::Erased).await.map_err(step)?;
    let sealed = sealer.seal(&job.request.id, seal::end::SUBJECT, &keys).await.map_err(StepError::transient)?;
    let captured = Captured { sealed, contact: None };
    let counts = Counts { read: rows, ..Counts::default() };
    Ok(Page { counts, retained_until: None, next: Next::Done { package: None, captured: Some(captured) } })
}
