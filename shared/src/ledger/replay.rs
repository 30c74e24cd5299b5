//! What a replay of the suppression list keeps beside its request until it has used it: identities that turned up again,
//! sealed, by the request that erased them; and the requests that it opened for them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Item, Ledger, LedgerError, failed, number, text};
use crate::request::{Exemptions, RequestId};

/// An identity of somebody who was erased, and that a replay has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundAgain {
    /// The request that erased it.
    pub erased_by: RequestId,
    /// Its digest.
    pub digest: String,
    /// What it is, sealed.
    pub sealed: String,
    /// What that request left out.
    #[serde(default)]
    pub exempt: Exemptions,
}

impl Ledger {
    /// Keeps an identity that was found, until that moment at most: a replay that is never ended does not know it for ever.
    /// Doing it again changes nothing that counts.
    pub async fn keep_found(
        &self,
        replay: &RequestId,
        found: &FoundAgain,
        until: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut item = keys::item(&keys::request(replay), &keys::found(&found.erased_by, &found.digest));
        item.extend(serde_dynamo::to_item::<_, Item>(found)?);
        item.insert("expires_at".to_owned(), number(until.as_second()));
        self.put_plainly(item).await
    }

    /// Those of the first `limit` that are left, in an order in which each person's stand together; and whether there are
    /// more.
    pub async fn found_again(&self, replay: &RequestId, limit: i32) -> Result<(Vec<FoundAgain>, bool), LedgerError> {
        let (items, more) = self.first_of(replay, keys::FOUND, keys::FOUND, limit).await?;
        let found: Result<Vec<FoundAgain>, _> = items.into_iter().map(serde_dynamo::from_item).collect();
        Ok((found?, more))
    }

    /// Forgets an identity that was found.
    pub async fn forget_found(&self, replay: &RequestId, found: &FoundAgain) -> Result<(), LedgerError> {
        let delete = self.client.delete_item().table_name(&self.table).key("pk", text(keys::request(replay)));
        let delete = delete.key("sk", text(keys::found(&found.erased_by, &found.digest)));
        delete.send().await.map(drop).map_err(failed("DeleteItem"))
    }

    /// Keeps that a replay is about to open this request.
    pub async fn keep_again(&self, replay: &RequestId, again: &RequestId) -> Result<(), LedgerError> {
        self.put_plainly(keys::item(&keys::request(replay), &keys::again(again))).await
    }

    /// The requests that a replay opened, after one of them; at most `limit`.
    pub async fn opened_again(
        &self,
        replay: &RequestId,
        after: Option<&RequestId>,
        limit: i32,
    ) -> Result<Vec<RequestId>, LedgerError> {
        let from = after.map_or_else(|| keys::AGAIN.to_owned(), |after| format!("{}$", keys::again(after)));
        let (items, _) = self.first_of(replay, &from, keys::AGAIN, limit).await?;
        let id = |item: &Item| item.get("sk")?.as_s().ok()?.strip_prefix(keys::AGAIN)?.parse().ok();
        Ok(items.iter().filter_map(id).collect())
    }

    async fn put_plainly(&self, item: Item) -> Result<(), LedgerError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(failed("PutItem"))
    }

    /// Items of a replay whose sort keys have a prefix, from one on.
    async fn first_of(
        &self,
        replay: &RequestId,
        from: &str,
        prefix: &str,
        limit: i32,
    ) -> Result<(Vec<Item>, bool), LedgerError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", text(keys::request(replay)))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(format!("{prefix}~")))
            .consistent_read(true)
            .limit(limit)
            .send()
            .await
            .map_err(failed("Query"))?;
        let more = page.last_evaluated_key.is_some();
        Ok((page.items.unwrap_or_default(), more))
    }
}
