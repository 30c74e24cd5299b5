//! Suppression entries: keyed digests that say "this identity was erased" (or cancelled), to be replayed after a restore.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;

use super::keys;
use super::{Ledger, LedgerError, failed, text};
use crate::request::{Exemptions, Matter, RequestId};

/// What is known of an identity that was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// Its digest.
    pub digest: String,
    /// By which request, the last time.
    pub erased_by: RequestId,
    /// When, the last time.
    pub erased_at: Timestamp,
    /// The collections that the last time left out.
    pub exempt: Exemptions,
}

/// An entry as it is stored. One that has only been cancelled is not erased yet.
#[derive(Deserialize)]
struct Entry {
    pk: String,
    request_id: RequestId,
    #[serde(default)]
    erased_at: Option<Timestamp>,
    #[serde(default)]
    last_erased_at: Option<Timestamp>,
    #[serde(default)]
    exempt: Exemptions,
}

#[derive(Deserialize)]
struct Tombstone {
    #[serde(default)]
    cancelled_at: Option<Timestamp>,
}

/// Most keys of one `BatchGetItem`.
const BATCH: usize = 100;

impl Ledger {
    /// Says that this identity was erased by this request, but for what it left out. Writing it again changes no more than
    /// the last time.
    pub async fn suppress(
        &self,
        digest: &str,
        request_id: &RequestId,
        matter: Matter,
        exempt: &Exemptions,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let key = keys::suppressed(digest);
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(&key))
            .key("sk", text(&key))
            .update_expression(
                "SET request_id = :request, matter = :matter, erased_at = if_not_exists(erased_at, :now), \
                 last_erased_at = :now, exempt = :exempt",
            )
            .expression_attribute_values(":exempt", serde_dynamo::to_attribute_value(exempt)?)
            .expression_attribute_values(":request", text(request_id.as_str()))
            .expression_attribute_values(":matter", text(matter.name()))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .send()
            .await
            .map_err(failed("UpdateItem"))?;
        Ok(())
    }

    /// Marks an erased identity as one that must not be taken over to reach old data.
    pub async fn tombstone(&self, digest: &str, request_id: &RequestId, now: Timestamp) -> Result<(), LedgerError> {
        let key = keys::suppressed(digest);
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(&key))
            .key("sk", text(&key))
            .update_expression("SET request_id = :request, cancelled_at = if_not_exists(cancelled_at, :now)")
            .expression_attribute_values(":request", text(request_id.as_str()))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .send()
            .await
            .map_err(failed("UpdateItem"))?;
        Ok(())
    }

    /// When the account of an identity was cancelled, which has these digests; the last time, if more than one was.
    pub async fn cancelled_at(&self, digests: &[String]) -> Result<Option<Timestamp>, LedgerError> {
        let keys = digests.iter().map(|digest| keys::suppressed(digest));
        let entries: Vec<Tombstone> = self.batch_get(keys.map(|key| keys::item(&key, &key)).collect()).await?;
        Ok(entries.into_iter().filter_map(|entry| entry.cancelled_at).max())
    }

    /// Those of some digests whose identity was erased: a call a hundred.
    pub async fn suppressed(&self, digests: &BTreeSet<String>) -> Result<Vec<Suppressed>, LedgerError> {
        let keys: Vec<String> = digests.iter().map(|digest| keys::suppressed(digest)).collect();
        let mut found = Vec::new();
        for chunk in keys.chunks(BATCH) {
            let entries: Vec<Entry> = self.batch_get(chunk.iter().map(|key| keys::item(key, key)).collect()).await?;
            found.extend(entries.into_iter().filter_map(|entry| {
                let erased_at = entry.last_erased_at.or(entry.erased_at)?;
                let digest = entry.pk.strip_prefix(&keys::suppressed(""))?.to_owned();
                Some(Suppressed { digest, erased_by: entry.request_id, erased_at, exempt: entry.exempt })
            }));
        }
        Ok(found)
    }
}
