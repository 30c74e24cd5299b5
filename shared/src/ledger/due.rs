//! The `due` index: items that need attention, by when.

use jiff::{SignedDuration, Timestamp};

use super::keys;
use super::{Ledger, LedgerError, failed, if_it_holds, number, text};
use crate::plan::Queue;
use crate::request::{EffectItem, RequestId};

/// An item that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueItem {
    /// The request.
    pub request_id: RequestId,
    /// Which item of it.
    pub item: EffectItem,
    /// Whose attention.
    pub queue: Queue,
    /// Since when.
    wake_at: String,
}

/// How long until an item that was sent to its queue is sent again, if nobody has dealt with it.
const RESEND_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

impl Ledger {
    /// What is due in one shard, the longest first; at most `limit`.
    pub async fn due(&self, shard: u8, now: Timestamp, limit: i32) -> Result<Vec<DueItem>, LedgerError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::DUE_INDEX)
            .key_condition_expression("due_shard = :shard AND wake_at <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .limit(limit)
            .send()
            .await
            .map_err(failed("Query"))?;
        let read = |item: &super::Item| {
            let attribute = |name: &str| item.get(name)?.as_s().ok().cloned();
            let queue = attribute("queue")?;
            Some(DueItem {
                request_id: attribute("pk")?.strip_prefix("REQUEST#")?.parse().ok()?,
                item: keys::parse_effect(&attribute("sk")?)?,
                queue: Queue::ALL.into_iter().find(|candidate| candidate.name() == queue)?,
                wake_at: attribute("wake_at")?,
            })
        };
        Ok(page.items().iter().filter_map(read).collect())
    }

    /// Moves the timer on, so that the item is not sent every minute while it waits in its queue. False: it was dealt
    /// with meanwhile.
    pub async fn postpone(&self, due: &DueItem, now: Timestamp) -> Result<bool, LedgerError> {
        let next = now.saturating_add(RESEND_INTERVAL).unwrap_or(Timestamp::MAX);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(&due.request_id)))
            .key("sk", text(keys::effect(due.item)))
            .update_expression("SET wake_at = :next")
            .condition_expression("wake_at = :seen")
            .expression_attribute_values(":next", text(keys::moment(next)))
            .expression_attribute_values(":seen", text(&due.wake_at))
            .send()
            .await;
        Ok(if_it_holds(sent)?.is_some())
    }
}
