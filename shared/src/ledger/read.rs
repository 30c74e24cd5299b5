//! Reads requests, steps and events.

use serde::de::DeserializeOwned;

use super::keys;
use super::step::Step;
use super::{Idempotency, Item, Ledger, LedgerError, Replay, failed, text};
use crate::evidence::{Anchored, Event};
use crate::request::{Request, RequestId, StepNumber};

/// A request with its steps.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// The request.
    pub request: Request,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// Most requests of a subject that are read at once.
const MAX_LISTED: i32 = 100;

/// Some requests of a subject, the newest first.
pub struct RequestPage {
    /// They themselves.
    pub requests: Vec<Request>,
    /// From where older ones are read; none if there are none.
    pub next: Option<OlderThan>,
}

/// A place in a subject's list of requests.
pub struct OlderThan(Item);

impl Ledger {
    /// The request with this id.
    pub async fn request(&self, id: &RequestId) -> Result<Option<Request>, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(id)))
            .key("sk", text(keys::REQUEST))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        output.item.map(read_request).transpose()
    }

    /// What was answered when an idempotency key was used before, if it was.
    pub async fn answered(&self, record: &Idempotency) -> Result<Option<Replay>, LedgerError> {
        let key = keys::idempotency(&record.caller, &record.key);
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(&key))
            .key("sk", text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        Ok(output.item.map(serde_dynamo::from_item).transpose()?)
    }

    /// A step of a request.
    pub async fn step(&self, id: &RequestId, number: StepNumber) -> Result<Option<Step>, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(id)))
            .key("sk", text(keys::step(number)))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        Ok(output.item.map(serde_dynamo::from_item).transpose()?)
    }

    /// The request with its steps: one query, since they stand next to each other.
    pub async fn view(&self, id: &RequestId) -> Result<Option<RequestView>, LedgerError> {
        let items = self.query(&keys::request(id), "sk >= :from", &[(":from", keys::REQUEST)]).await?;
        let mut request = None;
        let mut steps = Vec::new();
        for item in items {
            match item.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some(keys::REQUEST) => request = Some(read_request(item)?),
                Some(sk) if sk.starts_with("STEP#") => steps.push(serde_dynamo::from_item(item)?),
                _ => {}
            }
        }
        Ok(request.map(|request| RequestView { request, steps }))
    }

    /// The events of a request, in order.
    pub async fn events(&self, id: &RequestId) -> Result<Vec<Event>, LedgerError> {
        let items = self.query(&keys::request(id), "begins_with(sk, :prefix)", &[(":prefix", "EVENT#")]).await?;
        items.into_iter().map(|item| Ok(serde_dynamo::from_item(item)?)).collect()
    }

    /// The events of a request, in order, and the latest anchor that they are in: one query, so that there are at least as
    /// many events as the anchor proves.
    pub async fn evidence(&self, id: &RequestId) -> Result<(Vec<Event>, Option<Anchored>), LedgerError> {
        let (from, to) = (keys::ANCHOR, keys::event(u32::MAX));
        let items =
            self.query(&keys::request(id), "sk BETWEEN :from AND :to", &[(":from", from), (":to", &to)]).await?;
        let (mut events, mut anchored) = (Vec::new(), None);
        for item in items {
            match item.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some(keys::ANCHOR) => anchored = Some(serde_dynamo::from_item(without_keys(item))?),
                Some(sk) if sk.starts_with("EVENT#") => events.push(serde_dynamo::from_item(item)?),
                _ => {}
            }
        }
        Ok((events, anchored))
    }

    /// The latest requests of a subject, the newest first; at most a hundred.
    pub async fn requests_of(&self, digest: &str) -> Result<Vec<Request>, LedgerError> {
        Ok(self.requests_page(digest, None).await?.requests)
    }

    /// A hundred requests of a subject at most, from the newest on or from where an earlier page ended.
    pub async fn requests_page(&self, digest: &str, from: Option<OlderThan>) -> Result<RequestPage, LedgerError> {
        let listed = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::subject(digest)))
            .scan_index_forward(false)
            .limit(MAX_LISTED)
            .set_exclusive_start_key(from.map(|OlderThan(key)| key))
            .send()
            .await
            .map_err(failed("Query"))?;
        let ids = listed.items().iter().filter_map(|item| item.get("request_id")?.as_s().ok()?.parse().ok());
        let keys: Vec<Item> = ids.map(|id: RequestId| keys::item(&keys::request(&id), keys::REQUEST)).collect();
        let mut requests: Vec<Request> = if keys.is_empty() { Vec::new() } else { self.batch_get(keys).await? };
        requests.sort_by(|a, b| b.received_at.cmp(&a.received_at).then_with(|| a.id.cmp(&b.id)));
        Ok(RequestPage { requests, next: listed.last_evaluated_key.map(OlderThan) })
    }

    pub(super) async fn batch_get<T: DeserializeOwned>(&self, keys: Vec<Item>) -> Result<Vec<T>, LedgerError> {
        let mut found = Vec::new();
        let mut wanted = keys;
        // DynamoDB may leave keys over when it is busy; what it left over is asked for again, a bounded number of times.
        for _ in 0..10 {
            let keys = aws_sdk_dynamodb::types::KeysAndAttributes::builder().set_keys(Some(wanted)).build();
            let keys = keys.map_err(|_| LedgerError::Missing("keys"))?;
            let output = self
                .client
                .batch_get_item()
                .request_items(&self.table, keys)
                .send()
                .await
                .map_err(failed("BatchGetItem"))?;
            let items = output.responses.unwrap_or_default().remove(&self.table).unwrap_or_default();
            for item in items {
                found.push(serde_dynamo::from_item(item)?);
            }
            wanted = match output.unprocessed_keys.unwrap_or_default().remove(&self.table) {
                Some(rest) => rest.keys,
                None => return Ok(found),
            };
        }
        Err(LedgerError::Conflict)
    }

    pub(super) async fn query(
        &self,
        pk: &str,
        condition: &str,
        values: &[(&str, &str)],
    ) -> Result<Vec<Item>, LedgerError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let mut query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression(format!("pk = :pk AND {condition}"))
                .expression_attribute_values(":pk", text(pk))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            for (name, value) in values {
                query = query.expression_attribute_values(*name, text(*value));
            }
            let page = query.send().await.map_err(failed("Query"))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

/// What is read strictly has no place for them.
fn without_keys(mut item: Item) -> Item {
    item.remove("pk");
    item.remove("sk");
    item
}

fn read_request(item: Item) -> Result<Request, LedgerError> {
    Ok(serde_dynamo::from_item(item)?)
}
