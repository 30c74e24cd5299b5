//! Legal holds: all under one key, by when they end.

use jiff::Timestamp;

use super::commit::refusal;
use super::keys;
use super::{Idempotency, Item, Ledger, LedgerError, failed, if_it_holds, text};
use crate::holds::{HoldId, Holds, LegalHold};

/// Most holds that a listing of all of them gives.
const MOST_LISTED: usize = 1_000;

impl Ledger {
    /// The holds in force.
    pub async fn holds(&self, now: Timestamp) -> Result<Holds, LedgerError> {
        Ok(Holds::in_force(self.holds_to_come(now).await?, now))
    }

    /// Those whose end is still to come, lifted or not.
    async fn holds_to_come(&self, now: Timestamp) -> Result<Vec<LegalHold>, LedgerError> {
        let from = keys::holds_after(now);
        let found = self.query(keys::HOLDS, "sk >= :from", &[(":from", &from)]).await?;
        found.into_iter().map(|item| Ok(serde_dynamo::from_item(item)?)).collect()
    }

    /// The thousand holds that end last, those that have ended or were lifted among them.
    pub async fn all_holds(&self) -> Result<Vec<LegalHold>, LedgerError> {
        let (mut found, mut start) = (Vec::new(), None);
        while found.len() < MOST_LISTED {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(keys::HOLDS))
                .scan_index_forward(false)
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed("Query"))?;
            for item in page.items.unwrap_or_default() {
                found.push(serde_dynamo::from_item(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        found.truncate(MOST_LISTED);
        Ok(found)
    }

    /// Places a hold, under an idempotency key that must be new.
    pub async fn place_hold(&self, hold: &LegalHold, record: Idempotency, response: &str) -> Result<(), LedgerError> {
        let mut item = keys::item(keys::HOLDS, &keys::hold(hold.ends_at, &hold.id));
        item.extend(serde_dynamo::to_item::<_, Item>(hold)?);
        let writes = vec![self.put_idempotency(record, response, hold.placed_at)?, self.put_new(item)];
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        sent.map(drop).map_err(|error| refusal(error, Some(0)))
    }

    /// Lifts a hold, if it was not lifted before. False: it was.
    pub async fn lift_hold(&self, hold: &LegalHold, by: &str, now: Timestamp) -> Result<bool, LedgerError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::HOLDS))
            .key("sk", text(keys::hold(hold.ends_at, &hold.id)))
            .update_expression("SET lifted_at = :now, lifted_by = :by")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(lifted_at)")
            .expression_attribute_values(":now", serde_dynamo::to_attribute_value(now)?)
            .expression_attribute_values(":by", text(by))
            .send()
            .await;
        Ok(if_it_holds(sent)?.is_some())
    }

    /// The hold with this id, whether it has ended or not.
    pub async fn hold(&self, id: &HoldId, now: Timestamp) -> Result<Option<LegalHold>, LedgerError> {
        let is_it = |hold: &LegalHold| hold.id == *id;
        match self.holds_to_come(now).await?.into_iter().find(is_it) {
            Some(hold) => Ok(Some(hold)),
            None => Ok(self.all_holds().await?.into_iter().find(is_it)),
        }
    }
}
