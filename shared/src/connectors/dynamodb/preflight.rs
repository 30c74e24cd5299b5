//! What would stand in the way, found by reading alone: the table as it is described, and rows that nobody has.
//!
//! The rule of this room: nothing is written, not even on a condition that cannot hold, since whoever plans has no right
//! to. A read asks for a key that is made up and that no row has. Whether a role may write shows when it writes.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PointInTimeRecoveryStatus, ScalarAttributeType};

use super::pace::Pace;
use super::schema::{Schema, obstacles};
use super::{DynamoDb, table_of};
use crate::connectors::{ConnectorError, Obstacle, Target, refused};
use crate::ledger::Item;
use crate::policy::{CollectionRule, KeyPath, Table};
use crate::random;

impl DynamoDb {
    /// What would stand in the way of reading a collection, and with a rule of erasing in it.
    pub(super) async fn look_ahead(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        let table = table_of(target)?;
        let pace = self.pace(target);
        let obstacle =
            |refuses, message| Obstacle { refuses, collection: target.name.to_owned(), field: None, message };
        let describe = self.client.describe_table().table_name(&table.table);
        let described = self.call("dynamodb:DescribeTable", &pace, || describe.clone().send(), |_| 1.0).await?;
        let description = match described {
            Ok(output) => output.table.ok_or(ConnectorError::Row("a table without a description"))?,
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                let message =
                    format!("there is no table {:?}; create it, or correct its name in the policy", table.table);
                return Ok(vec![obstacle(true, message)]);
            }
            Err(error) => {
                let message = not_allowed("dynamodb:DescribeTable", &table.table, error)?;
                return Ok(vec![obstacle(true, message)]);
            }
        };
        let schema = Schema::of(&description);
        let mut found = obstacles(target, table, rule, &schema);
        if found.iter().any(|obstacle| obstacle.refuses) {
            return Ok(found);
        }
        found.extend(
            self.may_read(&pace, target, table, &schema).await?.into_iter().map(|message| obstacle(true, message)),
        );
        if rule.is_some() {
            found.extend(self.backups(&pace, table).await?.map(|message| obstacle(false, message)));
        }
        Ok(found)
    }

    async fn may_read(
        &self,
        pace: &Pace,
        target: &Target<'_>,
        table: &Table,
        schema: &Schema,
    ) -> Result<Vec<String>, ConnectorError> {
        let mut messages = Vec::new();
        let paths = paths(target, table);
        for path in &paths {
            let place = path.index.map_or(table.table.clone(), |index| format!("{}/index/{index}", table.table));
            let query = self
                .client
                .query()
                .table_name(&table.table)
                .set_index_name(path.index.map(str::to_owned))
                .key_condition_expression("#p = :p")
                .expression_attribute_names("#p", path.partition)
                .expression_attribute_values(":p", self.made_up(schema.kind(path.partition)))
                .limit(1);
            let answer = self.call("dynamodb:Query", pace, || query.clone().send(), |_| 1.0).await?;
            messages.extend(asked("dynamodb:Query", &place, answer)?);
        }
        if paths.iter().any(|path| path.index.is_some()) {
            let wanted = KeysAndAttributes::builder().keys(self.made_up_key(table, schema)).build();
            let wanted = wanted.map_err(|_| ConnectorError::Row("a table without a key"))?;
            let batch = self.client.batch_get_item().request_items(&table.table, wanted);
            let answer = self.call("dynamodb:BatchGetItem", pace, || batch.clone().send(), |_| 1.0).await?;
            messages.extend(asked("dynamodb:BatchGetItem", &table.table, answer)?);
        }
        Ok(messages)
    }

    /// What is worth knowing of a table's backups. An answer that says nothing is no obstacle.
    async fn backups(&self, pace: &Pace, table: &Table) -> Result<Option<String>, ConnectorError> {
        const OPERATION: &str = "dynamodb:DescribeContinuousBackups";
        let describe = self.client.describe_continuous_backups().table_name(&table.table);
        let answer = self.call(OPERATION, pace, || describe.clone().send(), |_| 1.0).await?;
        let Ok(output) = answer else {
            return Ok(answer.err().and_then(|error| not_allowed(OPERATION, &table.table, error).ok()));
        };
        let backups =
            output.continuous_backups_description.and_then(|backups| backups.point_in_time_recovery_description);
        let is_off = backups.and_then(|backups| backups.point_in_time_recovery_status)
            == Some(PointInTimeRecoveryStatus::Disabled);
        Ok(is_off.then(|| {
            format!(
                "point-in-time recovery of table {:?} is off: what a mistaken policy erases cannot be had back",
                table.table
            )
        }))
    }

    /// A key that no row has: it is of 128 random bits.
    fn made_up_key(&self, table: &Table, schema: &Schema) -> Item {
        table.key.iter().map(|field| (field.clone(), self.made_up(schema.kind(field)))).collect()
    }

    fn made_up(&self, kind: &ScalarAttributeType) -> AttributeValue {
        let bytes = random::bytes::<16>(self.random.as_ref());
        match kind {
            ScalarAttributeType::N => {
                // Eight of its 38 digits behind the point, so that it is none that anybody counts with.
                let number = u128::from_le_bytes(bytes) % 10_u128.pow(30);
                AttributeValue::N(format!("-{number}.00000001"))
            }
            ScalarAttributeType::B => AttributeValue::B(Blob::new(bytes)),
            _ => AttributeValue::S(format!("habeas-preflight-{}", hex::encode(bytes))),
        }
    }
}

/// The keys by which a person's rows are asked for, each once.
pub(super) fn paths<'a>(target: &Target<'_>, table: &'a Table) -> Vec<KeyPath<'a>> {
    let mut paths: Vec<KeyPath<'_>> = Vec::new();
    for link in target.links {
        let fields: Vec<&str> = link.pairs.iter().map(|pair| pair.field.as_str()).collect();
        paths.extend(table.path(&fields).filter(|path| !paths.contains(path)));
    }
    paths
}

/// What an answer to a read says: why it is refused, if it is.
fn asked<O, E>(
    operation: &'static str,
    place: &str,
    answer: Result<O, SdkError<E>>,
) -> Result<Option<String>, ConnectorError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Ok(None),
        Err(error) => not_allowed(operation, place, error).map(Some),
    }
}

/// That a call is refused for good; an error that may pass stays one.
fn not_allowed<E>(operation: &'static str, place: &str, error: SdkError<E>) -> Result<String, ConnectorError>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    match refused(operation, error) {
        ConnectorError::Permanent { .. } => Ok(format!(
            "{operation} on {place:?} is refused ({code}); allow it to this function: deploy it with the parameters of \
             this policy"
        )),
        other => Err(other),
    }
}
