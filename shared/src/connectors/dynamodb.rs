//! DynamoDB: queries by key or index, batch deletes, conditional updates.

use std::collections::HashMap;
use std::fmt::Write as _;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, WriteRequest};

use super::walk::{Step, Stop, came_earlier};
use super::{Action, Connector, ConnectorError, Handle, Obstacle, ReadPage, Row, Target, Who, refused};
use crate::ledger::Item;
use crate::mask::Masked;
use crate::policy::{CollectionRule, Link, Place, Table};
use crate::record::{Record, Value};

/// Tables.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
}

/// Most deletes of one `BatchWriteItem`.
const BATCH: usize = 25;
/// How often what a batch left over is sent again before the page is given up, to be tried again later.
const BATCH_TRIES: u32 = 8;

impl DynamoDb {
    /// Tables behind this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// A page of the items that have these values in the fields of a link.
    async fn query(
        &self,
        table: &Table,
        link: &Link,
        tuple: &[String],
        start: Option<Item>,
    ) -> Result<(Option<Vec<Item>>, Option<Item>), ConnectorError> {
        let ([pair], [value]) = (link.pairs.as_slice(), tuple) else {
            return Err(ConnectorError::Row("a link of several fields, which a table cannot be asked for"));
        };
        let query = self
            .client
            .query()
            .table_name(&table.table)
            .key_condition_expression("#link = :value")
            .expression_attribute_names("#link", &pair.field)
            .expression_attribute_values(":value", AttributeValue::S(value.clone()))
            .set_exclusive_start_key(start);
        let is_partition_key = table.key.first().is_some_and(|key| *key == pair.field);
        let query = if is_partition_key {
            query.consistent_read(true)
        } else {
            query.set_index_name(table.indexes.get(&pair.field).cloned())
        };
        let page = query.send().await.map_err(|error| refused("dynamodb:Query", error))?;
        Ok((page.items, page.last_evaluated_key))
    }

    async fn delete(&self, table: &str, keys: Vec<Item>) -> Result<(), ConnectorError> {
        for chunk in keys.chunks(BATCH) {
            let mut writes = Vec::with_capacity(chunk.len());
            for key in chunk {
                let delete = DeleteRequest::builder().set_key(Some(key.clone())).build();
                let delete = delete.map_err(|_| ConnectorError::Row("a row without a key"))?;
                writes.push(WriteRequest::builder().delete_request(delete).build());
            }
            self.write_batch(table, writes).await?;
        }
        Ok(())
    }

    async fn write_batch(&self, table: &str, writes: Vec<WriteRequest>) -> Result<(), ConnectorError> {
        let mut left = writes;
        for attempt in 0..BATCH_TRIES {
            let output = self
                .client
                .batch_write_item()
                .request_items(table, left)
                .send()
                .await
                .map_err(|error| refused("dynamodb:BatchWriteItem", error))?;
            left = output.unprocessed_items.unwrap_or_default().remove(table).unwrap_or_default();
            if left.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(25 << attempt)).await;
        }
        Err(ConnectorError::Transient {
            operation: "dynamodb:BatchWriteItem",
            source: "rows were left unprocessed".into(),
        })
    }

    /// Changes a row if it is still there.
    async fn change(&self, table: &str, key: Item, changes: Vec<(String, Masked)>) -> Result<(), ConnectorError> {
        let Some(partition) = key.keys().next().cloned() else {
            return Err(ConnectorError::Row("a row without a key"));
        };
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let mut update = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .expression_attribute_names("#key", partition)
            .condition_expression("attribute_exists(#key)");
        for (position, (field, masked)) in changes.into_iter().enumerate() {
            update = update.expression_attribute_names(format!("#f{position}"), field);
            match masked {
                Masked::Removed => remove.push(format!("#f{position}")),
                Masked::Kept => {}
                Masked::Replaced(value) => {
                    set.push(format!("#f{position} = :v{position}"));
                    update = update.expression_attribute_values(format!(":v{position}"), to_attribute(value));
                }
            }
        }
        let mut expression = String::new();
        if !set.is_empty() {
            let _ = write!(expression, "SET {} ", set.join(", "));
        }
        if !remove.is_empty() {
            let _ = write!(expression, "REMOVE {}", remove.join(", "));
        }
        match update.update_expression(expression).send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(refused("dynamodb:UpdateItem", error)),
        }
    }
}

#[async_trait]
impl Connector for DynamoDb {
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let Place::Table(table) = target.place else {
            return Err(ConnectorError::WrongKind);
        };
        match who {
            Who::Everyone => {
                let start = cursor.map(decode_key).transpose()?;
                let scan = self.client.scan().table_name(&table.table).set_exclusive_start_key(start);
                let page = scan.send().await.map_err(|error| refused("dynamodb:Scan", error))?;
                let rows = rows(table, page.items, 0)?;
                Ok(ReadPage { rows, next: page.last_evaluated_key.map(encode_key).transpose()? })
            }
            Who::Person(person) => {
                let Some(stop) = Stop::from(target, person, Step::parse(cursor)?).await? else {
                    return Ok(ReadPage { rows: Vec::new(), next: None });
                };
                let start = stop.at.native.as_deref().map(decode_key).transpose()?;
                let (items, native) = self.query(table, stop.link, stop.tuple(), start).await?;
                let mut kept = Vec::new();
                for row in rows(table, items, stop.at.link)? {
                    if !came_earlier(target.links, stop.at.link, &row.record, person).await? {
                        kept.push(row);
                    }
                }
                let native = native.map(encode_key).transpose()?;
                Ok(ReadPage { rows: kept, next: stop.after(target, person, native).await? })
            }
        }
    }

    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        let Place::Table(table) = target.place else {
            return Err(ConnectorError::WrongKind);
        };
        let mut erased = Vec::new();
        for (row, action) in actions {
            let Handle::Item(key) = row.handle else {
                return Err(ConnectorError::WrongKind);
            };
            match action {
                Action::Erase => erased.push(key),
                Action::Change(changes) => self.change(&table.table, key, changes).await?,
            }
        }
        self.delete(&table.table, erased).await
    }

    async fn preflight(&self, _: &Target<'_>, _: Option<&CollectionRule>) -> Result<Vec<Obstacle>, ConnectorError> {
        Ok(Vec::new())
    }
}

fn rows(table: &Table, items: Option<Vec<Item>>, link: usize) -> Result<Vec<Row>, ConnectorError> {
    items.unwrap_or_default().into_iter().map(|item| row(table, item, link)).collect()
}

fn row(table: &Table, item: Item, link: usize) -> Result<Row, ConnectorError> {
    let mut key = Item::new();
    for name in &table.key {
        let value = item.get(name).ok_or(ConnectorError::Row("a row lacks a key that the policy names"))?;
        key.insert(name.clone(), value.clone());
    }
    let record = item.into_iter().map(|(name, value)| (name, from_attribute(value))).collect();
    Ok(Row { handle: Handle::Item(key), record, is_current: true, link })
}

fn from_attribute(attribute: AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::N(digits) => Value::Number(digits),
        AttributeValue::Bool(value) => Value::Bool(value),
        AttributeValue::B(bytes) => Value::Bytes(bytes.into_inner()),
        AttributeValue::L(values) => Value::List(values.into_iter().map(from_attribute).collect()),
        AttributeValue::M(fields) => {
            Value::Map(fields.into_iter().map(|(name, value)| (name, from_attribute(value))).collect::<Record>())
        }
        AttributeValue::Ss(texts) => Value::List(texts.into_iter().map(Value::Text).collect()),
        AttributeValue::Ns(numbers) => Value::List(numbers.into_iter().map(Value::Number).collect()),
        AttributeValue::Bs(blobs) => {
            Value::List(blobs.into_iter().map(|blob| Value::Bytes(blob.into_inner())).collect())
        }
        _ => Value::Null,
    }
}

fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(value),
        Value::Number(digits) => AttributeValue::N(digits),
        Value::Text(text) => AttributeValue::S(text),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
        Value::List(values) => AttributeValue::L(values.into_iter().map(to_attribute).collect()),
        Value::Map(record) => {
            let fields: HashMap<String, AttributeValue> =
                record.iter().map(|(name, value)| (name.to_owned(), to_attribute(value.clone()))).collect();
            AttributeValue::M(fields)
        }
    }
}

/// A key as a cursor. Keys can be personal data (a user id), so cursors are stored in the ledger only while a step runs.
fn encode_key(key: Item) -> Result<String, ConnectorError> {
    let fields: std::collections::BTreeMap<String, (char, String)> = key
        .into_iter()
        .map(|(name, value)| match value {
            AttributeValue::S(text) => Ok((name, ('S', text))),
            AttributeValue::N(digits) => Ok((name, ('N', digits))),
            AttributeValue::B(bytes) => Ok((name, ('B', hex::encode(bytes.into_inner())))),
            _ => Err(ConnectorError::Cursor),
        })
        .collect::<Result<_, _>>()?;
    serde_json::to_string(&fields).map_err(|_| ConnectorError::Cursor)
}

fn decode_key(cursor: &str) -> Result<Item, ConnectorError> {
    let fields: std::collections::BTreeMap<String, (char, String)> =
        serde_json::from_str(cursor).map_err(|_| ConnectorError::Cursor)?;
    fields
        .into_iter()
        .map(|(name, (kind, text))| {
            let value = match kind {
                'S' => AttributeValue::S(text),
                'N' => AttributeValue::N(text),
                'B' => AttributeValue::B(Blob::new(hex::decode(text).map_err(|_| ConnectorError::Cursor)?)),
                _ => return Err(ConnectorError::Cursor),
            };
            Ok((name, value))
        })
        .collect()
}
