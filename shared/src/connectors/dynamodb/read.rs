//! Pages of rows: by a key of the table, by an index, or all of them.
//!
//! The rule of this room: what is handed out is the row as it is in the table. An index may lag behind its table and need
//! not hold every attribute, so it only says which rows to get; they are got, all attributes, by their keys.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity, Select};

use super::ask::{Ask, NoAsk, is_of, standing};
use super::call::units;
use super::pace::Pace;
use super::value::{bytes, decode_key, encode_key, key_of, to_record};
use super::{DynamoDb, table_of};
use crate::connectors::walk::{Step, Stop, came_earlier};
use crate::connectors::{ConnectorError, Handle, Row, Target, Who, refused};
use crate::ledger::Item;
use crate::policy::Table;
use crate::record::{Record, Value};

/// Most rows of a page that an index leads to: each is got by its key.
const INDEX_ROWS: i32 = 500;
/// Keys of one `BatchGetItem`.
const KEYS_AT_ONCE: usize = 50;
/// How many bytes of rows that an index leads to end a page. The page can be larger by what one `BatchGetItem` brings.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// How often what a `BatchGetItem` left over is asked for again.
const LEFT_OVER_TRIES: u32 = 20;

/// A page, from which one can also go on in the middle.
pub(super) struct Page {
    /// The rows.
    pub(super) rows: Vec<Row>,
    /// The key after which each row is the last to have been dealt with.
    keys: Vec<Item>,
    /// Where the walk stands; none: everybody's rows are read.
    at: Option<Step>,
    /// The key after which the page begins.
    start: Option<Item>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

impl Page {
    fn empty(at: Option<Step>, next: Option<String>) -> Self {
        Self { rows: Vec::new(), keys: Vec::new(), at, start: None, next }
    }

    /// A cursor that goes on after so many of the rows.
    pub(super) fn after(&self, rows: usize) -> Result<String, ConnectorError> {
        let last = rows.checked_sub(1).and_then(|last| self.keys.get(last));
        let native = match last.or(self.start.as_ref()) {
            Some(key) => encode_key(key)?,
            None => encode_key(&Item::new())?,
        };
        match &self.at {
            Some(at) => Step { native: Some(native), ..at.clone() }.to_text(),
            None => Ok(native),
        }
    }
}

/// Items, each with the key to go on after it, and the key to go on after all of them.
struct Found {
    items: Vec<(Item, Item)>,
    next: Option<Item>,
}

impl DynamoDb {
    /// A page of rows.
    pub(super) async fn page(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Page, ConnectorError> {
        let table = table_of(target)?;
        let pace = self.pace(target);
        let Who::Person(person) = who else {
            let start = cursor.map(decode_key).transpose()?.flatten();
            let found = self.scan(&pace, table, start.clone()).await?;
            let next = found.next.as_ref().map(encode_key).transpose()?;
            let (rows, keys) = rows(target, table, found.items, 0, |_| true);
            return Ok(Page { rows, keys, at: None, start, next });
        };
        let Some(stop) = Stop::from(target, person, Step::parse(cursor)?).await? else {
            return Ok(Page::empty(None, None));
        };
        let at = stop.at.clone();
        let ask = match Ask::of_link(table, target.fields, stop.link, stop.tuple()) {
            Ok(ask) => ask,
            Err(NoAsk::NoPath) => return Err(ConnectorError::Row("a link that no key of the table leads to")),
            Err(NoAsk::NoSuchKey) => {
                let next = stop.after(target, person, None).await?;
                return Ok(Page::empty(Some(at), next));
            }
        };
        let start = at.native.as_deref().map(decode_key).transpose()?.flatten();
        let found = self.query(&pace, table, &ask, start.clone()).await?;
        let (rows, keys) = rows(target, table, found.items, at.link, |record| ask.wants(record));
        let stands = |field: &str, value: &str| standing(table, target.fields, field, value);
        let records: Vec<&Record> = rows.iter().map(|row| &row.record).collect();
        let came = came_earlier(target.links, at.link, &records, person, &stands).await?;
        let (rows, keys) = rows.into_iter().zip(keys).zip(came).filter(|(_, came)| !came).map(|(row, _)| row).unzip();
        let native = found.next.as_ref().map(encode_key).transpose()?;
        let next = stop.after(target, person, native).await?;
        Ok(Page { rows, keys, at: Some(at), start, next })
    }

    async fn scan(&self, pace: &Pace, table: &Table, start: Option<Item>) -> Result<Found, ConnectorError> {
        let scan = self
            .client
            .scan()
            .table_name(&table.table)
            .set_exclusive_start_key(start)
            .set_limit(pace.rows())
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let send = || scan.clone().send();
        let page = self.call("dynamodb:Scan", pace, send, |page| units(page.consumed_capacity())).await?;
        let page = page.map_err(|error| refused("dynamodb:Scan", error))?;
        Ok(Found { items: with_keys(table, page.items.unwrap_or_default())?, next: page.last_evaluated_key })
    }

    async fn query(
        &self,
        pace: &Pace,
        table: &Table,
        ask: &Ask<'_>,
        start: Option<Item>,
    ) -> Result<Found, ConnectorError> {
        let mut expression = ask.expression();
        let query = self
            .client
            .query()
            .table_name(&table.table)
            .key_condition_expression(std::mem::take(&mut expression.text))
            .set_expression_attribute_values(Some(std::mem::take(&mut expression.values)))
            .set_exclusive_start_key(start)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let query = match ask.index {
            None => query.consistent_read(true).set_limit(pace.rows()),
            Some(index) => {
                let mut shown = Vec::new();
                for (at, field) in keys_through(table, index).into_iter().enumerate() {
                    expression.names.insert(format!("#k{at}"), field.to_owned());
                    shown.push(format!("#k{at}"));
                }
                let limit = pace.rows().map_or(INDEX_ROWS, |rows| rows.min(INDEX_ROWS));
                query.index_name(index).projection_expression(shown.join(", ")).limit(limit)
            }
        };
        let query = query.set_expression_attribute_names(Some(expression.names));
        let send = || query.clone().send();
        let page = self.call("dynamodb:Query", pace, send, |page| units(page.consumed_capacity())).await?;
        let page = page.map_err(|error| refused("dynamodb:Query", error))?;
        let (items, next) = (page.items.unwrap_or_default(), page.last_evaluated_key);
        match ask.index {
            None => Ok(Found { items: with_keys(table, items)?, next }),
            Some(_) => self.complete(pace, table, ask, items, next).await,
        }
    }

    /// Gets the rows that an index leads to. Those that are gone, or have other values in the index's key by now, are not
    /// there: the index lags behind.
    async fn complete(
        &self,
        pace: &Pace,
        table: &Table,
        ask: &Ask<'_>,
        hits: Vec<Item>,
        next: Option<Item>,
    ) -> Result<Found, ConnectorError> {
        let mut found = Found { items: Vec::new(), next };
        let mut total = 0;
        let chunks = hits.len().div_ceil(KEYS_AT_ONCE);
        for (number, chunk) in hits.chunks(KEYS_AT_ONCE).enumerate() {
            let keys = chunk.iter().map(|hit| key_of(&table.key, hit)).collect::<Result<Vec<_>, _>>()?;
            let mut got = self.get(pace, table, keys).await?;
            for hit in chunk {
                let Some(item) = got.remove(&encode_key(&key_of(&table.key, hit)?)?) else { continue };
                if ask.key_fields().into_iter().all(|field| item.get(field) == hit.get(field)) {
                    total += bytes(&item);
                    found.items.push((item, hit.clone()));
                }
            }
            if total > PAGE_BYTES && number + 1 < chunks {
                found.next = chunk.last().cloned();
                break;
            }
        }
        Ok(found)
    }

    /// The items with these keys that are there, by their keys as cursors.
    async fn get(&self, pace: &Pace, table: &Table, keys: Vec<Item>) -> Result<BTreeMap<String, Item>, ConnectorError> {
        const OPERATION: &str = "dynamodb:BatchGetItem";
        let mut got = BTreeMap::new();
        let mut left = Some(keys);
        for _ in 0..LEFT_OVER_TRIES {
            let Some(keys) = left.take().filter(|keys| !keys.is_empty()) else { return Ok(got) };
            let asked = keys.len();
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let wanted = wanted.map_err(|_| ConnectorError::Row("a row without a key"))?;
            let batch = self
                .client
                .batch_get_item()
                .request_items(&table.table, wanted)
                .return_consumed_capacity(ReturnConsumedCapacity::Total);
            let cost = |output: &aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput| {
                output.consumed_capacity().iter().map(|consumed| units(Some(consumed))).sum()
            };
            let output = self.call(OPERATION, pace, || batch.clone().send(), cost).await?;
            let output = output.map_err(|error| refused(OPERATION, error))?;
            for item in output.responses.unwrap_or_default().remove(&table.table).unwrap_or_default() {
                got.insert(encode_key(&key_of(&table.key, &item)?)?, item);
            }
            let unprocessed = output.unprocessed_keys.unwrap_or_default().remove(&table.table);
            left = unprocessed.map(|keys| keys.keys);
            if left.as_ref().is_some_and(|left| left.len() == asked) {
                pace.refused();
            }
        }
        match left.filter(|keys| !keys.is_empty()) {
            None => Ok(got),
            Some(_) => {
                Err(ConnectorError::Transient { operation: OPERATION, source: "keys were left unprocessed".into() })
            }
        }
    }

    /// How many rows a key condition finds, without reading them.
    pub(super) async fn count_of(&self, pace: &Pace, table: &Table, ask: &Ask<'_>) -> Result<u64, ConnectorError> {
        let expression = ask.expression();
        let query = self
            .client
            .query()
            .table_name(&table.table)
            .set_index_name(ask.index.map(str::to_owned))
            .consistent_read(ask.index.is_none())
            .key_condition_expression(expression.text)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .select(Select::Count)
            .set_limit(pace.rows())
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let (mut count, mut start) = (0, None);
        loop {
            let query = query.clone().set_exclusive_start_key(start);
            let send = || query.clone().send();
            let page = self.call("dynamodb:Query", pace, send, |page| units(page.consumed_capacity())).await?;
            let page = page.map_err(|error| refused("dynamodb:Query", error))?;
            count += u64::try_from(page.count).unwrap_or(0);
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    /// How many rows a table has, without reading them.
    pub(super) async fn count_all(&self, pace: &Pace, table: &Table) -> Result<u64, ConnectorError> {
        let scan = self
            .client
            .scan()
            .table_name(&table.table)
            .select(Select::Count)
            .set_limit(pace.rows())
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let (mut count, mut start) = (0, None);
        loop {
            let scan = scan.clone().set_exclusive_start_key(start);
            let send = || scan.clone().send();
            let page = self.call("dynamodb:Scan", pace, send, |page| units(page.consumed_capacity())).await?;
            let page = page.map_err(|error| refused("dynamodb:Scan", error))?;
            count += u64::try_from(page.count).unwrap_or(0);
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }
}

/// The fields of the keys of a table and of one of its indexes, each once.
fn keys_through<'a>(table: &'a Table, index: &str) -> Vec<&'a str> {
    let mut fields: Vec<&str> = table.key.iter().map(String::as_str).collect();
    for (field, name) in table.indexes.iter().filter(|(_, name)| *name == index) {
        fields.extend(table.index_key(field, name));
    }
    fields.sort_unstable();
    fields.dedup();
    fields
}

fn with_keys(table: &Table, items: Vec<Item>) -> Result<Vec<(Item, Item)>, ConnectorError> {
    items
        .into_iter()
        .map(|item| {
            let key = key_of(&table.key, &item)?;
            Ok((item, key))
        })
        .collect()
}

/// The items that are of the collection and wanted, as rows.
fn rows(
    target: &Target<'_>,
    table: &Table,
    items: Vec<(Item, Item)>,
    link: usize,
    wants: impl Fn(&Record) -> bool,
) -> (Vec<Row>, Vec<Item>) {
    let of_collection = items.into_iter().filter(|(item, _)| is_of(table, item));
    let rows = of_collection.map(|(item, key)| (row(target, table, item, link), key));
    rows.filter(|(row, _)| wants(&row.record)).unzip()
}

/// An item as a row. Where an identity of the subject stands only in a key of its row, it is read out of it.
pub(super) fn row(target: &Target<'_>, table: &Table, item: Item, link: usize) -> Row {
    let mut record = to_record(&item);
    if target.name == target.policy.policy().subject.collection {
        for pair in target.links.iter().flat_map(|link| &link.pairs) {
            let Some(form) = table.template(&pair.field) else { continue };
            let held = item.get(&pair.field).and_then(|value| value.as_s().ok());
            let value = held.and_then(|text| form.value_in(text));
            if let Some(value) = value.filter(|_| record.get(&pair.origin_field).is_none()) {
                record.set(pair.origin_field.clone(), Value::Text(value.to_owned()));
            }
        }
    }
    Row { handle: Handle::Item(item), record, is_current: true, link }
}
