//! Suppression entries: keyed digests that say "this identity was erased" (or cancelled), to be replayed after a restore.

use jiff::Timestamp;

use super::keys;
use super::{Ledger, LedgerError, failed, text};
use crate::request::{Matter, RequestId};

impl Ledger {
    /// Says that this identity was erased by this request. Writing it again changes nothing.
    pub async fn suppress(
        &self,
        digest: &str,
        request_id: &RequestId,
        matter: Matter,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let key = keys::suppressed(digest);
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(&key))
            .key("sk", text(&key))
            .update_expression(
                "SET request_id = :request, matter = :matter, erased_at = if_not_exists(erased_at, :now)",
            )
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

    /// Whether this identity was erased.
    pub async fn is_suppressed(&self, digest: &str) -> Result<bool, LedgerError> {
        let key = keys::suppressed(digest);
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(&key))
            .key("sk", text(&key))
            .send()
            .await
            .map_err(failed("GetItem"))?;
        Ok(output.item.is_some())
    }
}
