//! Captures the keys by which rows elsewhere refer to a person's rows, before the first of them goes.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::page::{Job, Next, Page, StepError};
use crate::connectors::{ConnectorError, Connectors, KeyStore, Person, Target, Tuple, Who};
use crate::plan::Counts;
use crate::policy::KeySet;
use crate::record::Record;

/// Most keys of one set: what an erasure of one person may have to keep aside.
pub(crate) const MAX_KEYS: usize = 200_000;

/// A person has more keys than can be kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_KEYS} keys lead on from one collection; tie the rows to the person by a field of their own")]
struct TooManyKeys;

/// Where a capture stands.
#[derive(Default, Serialize, Deserialize)]
struct Cursor {
    /// The next chunk to write.
    chunk: usize,
    at: Option<String>,
}

/// The page of a [`Work::Capture`](crate::plan::Work::Capture) step.
pub async fn capture_page(
    job: &Job,
    connectors: &Connectors,
    store: &dyn KeyStore,
    set: &KeySet,
    cursor: Option<&str>,
) -> Result<Page, StepError> {
    let cursor: Cursor = match cursor {
        None => Cursor::default(),
        Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
    };
    let person = job.person()?;
    let target = Target::of(&job.policy, &set.collection).map_err(ConnectorError::into_step)?;
    let connector = connectors.of(target.place).map_err(ConnectorError::into_step)?;
    let page = connector.read(&target, Who::Person(person), cursor.at.as_deref()).await;
    let page = page.map_err(ConnectorError::into_step)?;
    let mut seen = earlier(job, store, set, cursor.chunk).await?;
    let tuples = page.rows.iter().filter(|row| row.is_current).flat_map(|row| tuples(&row.record, &set.fields));
    let fresh: Vec<Tuple> = tuples.filter(|tuple| seen.insert(digest(tuple))).collect();
    if seen.len() > MAX_KEYS {
        return Err(StepError::permanent(TooManyKeys));
    }
    let mut chunk = cursor.chunk;
    let more = page.next.is_some();
    if !fresh.is_empty() || !more {
        store.put(&job.request.id, set, chunk, fresh, more).await.map_err(ConnectorError::into_step)?;
        chunk += 1;
    }
    let next = match page.next {
        None => Next::Done { package: None, captured: None },
        Some(at) => {
            let next = Cursor { chunk, at: Some(at) };
            Next::Page(serde_json::to_string(&next).map_err(StepError::permanent)?)
        }
    };
    let counts = Counts { read: page.rows.len() as u64, ..Counts::default() };
    Ok(Page { counts, retained_until: None, next })
}

/// The page of a [`Work::Forget`](crate::plan::Work::Forget) step.
pub async fn forget_page(job: &Job, store: &dyn KeyStore) -> Result<Page, StepError> {
    store.forget(&job.request.id).await.map_err(ConnectorError::into_step)?;
    Ok(Page::last(Counts::default()))
}

/// Captures, into a chunk that follows those that are there, the keys of a set that have come since: what was captured
/// before the erasure stays, since rows elsewhere may still refer to it. Doing it again writes the same chunk again. Where none
/// are there, since none were captured or they are gone, the first chunk is written: without it nothing could be looked for.
pub async fn recapture_page(
    job: &Job,
    connectors: &Connectors,
    store: &dyn KeyStore,
    set: &KeySet,
    person: &Person,
) -> Result<(), StepError> {
    let request = &job.request.id;
    let step = ConnectorError::into_step;
    let (mut seen, mut last) = (HashSet::new(), None);
    let mut chunk = 0;
    loop {
        match store.get(request, set, chunk).await {
            Ok(Some(keys)) => {
                seen.extend(keys.iter().map(digest));
                last = Some(keys);
                chunk += 1;
            }
            Ok(None) => break,
            Err(ConnectorError::Keys(_)) if chunk == 0 && !store.has(request, set).await.map_err(step)? => {
                tracing::warn!(request_id = %request, "no captured keys are there; those of the rows that are left are captured");
                break;
            }
            Err(error) => return Err(step(error)),
        }
    }
    let target = Target::of(&job.policy, &set.collection).map_err(step)?;
    let connector = connectors.of(target.place).map_err(step)?;
    let (mut fresh, mut cursor) = (Vec::new(), None);
    loop {
        let page = connector.read(&target, Who::Person(person), cursor.as_deref()).await.map_err(step)?;
        let tuples = page.rows.iter().filter(|row| row.is_current).flat_map(|row| tuples(&row.record, &set.fields));
        fresh.extend(tuples.filter(|tuple| seen.insert(digest(tuple))));
        if seen.len() > MAX_KEYS {
            return Err(StepError::permanent(TooManyKeys));
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    match last {
        None => store.put(request, set, 0, fresh, false).await.map_err(step)?,
        Some(_) if fresh.is_empty() => {}
        Some(last) => {
            // The chunk before it says that it follows only once it is there.
            store.put(request, set, chunk, fresh, false).await.map_err(step)?;
            store.put(request, set, chunk - 1, last.to_vec(), true).await.map_err(step)?;
        }
    }
    Ok(())
}

/// Digests of the keys in the chunks that are there already.
async fn earlier(job: &Job, store: &dyn KeyStore, set: &KeySet, chunks: usize) -> Result<HashSet<[u8; 16]>, StepError> {
    let mut seen = HashSet::new();
    for chunk in 0..chunks {
        let keys = store.get(&job.request.id, set, chunk).await.map_err(ConnectorError::into_step)?;
        seen.extend(keys.iter().flat_map(|keys| keys.iter()).map(digest));
    }
    Ok(seen)
}

/// The values of some fields, of lists each element; none if one is missing, since nothing refers to what is not there.
pub(crate) fn tuples(record: &Record, fields: &[String]) -> Vec<Tuple> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    record.keys_at(&fields)
}

fn digest(tuple: &Tuple) -> [u8; 16] {
    let mut digest = sha2::Sha256::new();
    for value in tuple {
        digest.update((value.len() as u64).to_be_bytes());
        digest.update(value);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&digest.finalize()[..16]);
    first
}
