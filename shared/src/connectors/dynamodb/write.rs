//! Deletes and updates, each on the condition that what decided about the row is still as it was read.
//!
//! The rule of this room: a row that was changed since it was read is left as it is. What decided is the fields of the
//! links that were asked for, of the policy's conditions, the start of its retention, and the fields that are changed. A
//! key never changes, so it needs no condition; that the row is there at all is always one. One call a row: a batch of
//! deletes takes no conditions, and a transaction costs twice as much and leaves twenty-five rows for the sake of one.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};

use super::DynamoDb;
use super::call::units;
use super::pace::Pace;
use super::value::{from_attribute, in_place_of, key_of, reach, to_attribute};
use crate::connectors::{Action, ConnectorError, Target, refused};
use crate::ledger::Item;
use crate::mask::Masked;
use crate::policy::{ErasureRule, Table};
use crate::record::Value;

/// What became of a row.
pub(super) enum Written {
    /// It was done.
    Done,
    /// The row is not there any more, or was changed since it was read: this is how it is now, if the answer says so.
    Not(Option<Item>),
}

impl DynamoDb {
    /// Does something to a row.
    pub(super) async fn write(
        &self,
        pace: &Pace,
        target: &Target<'_>,
        table: &Table,
        (item, link): (&Item, usize),
        action: Action,
    ) -> Result<Written, ConnectorError> {
        let mut expression = Expression::there(table);
        for field in deciding(target, table, link) {
            expression.unchanged(item, field);
        }
        match action {
            Action::Erase => self.delete(pace, table, item, expression).await,
            Action::Change(changes) => self.update(pace, table, item, expression, changes).await,
            Action::Move(_) => Err(ConnectorError::WrongKind),
        }
    }

    async fn delete(
        &self,
        pace: &Pace,
        table: &Table,
        item: &Item,
        expression: Expression,
    ) -> Result<Written, ConnectorError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&table.table)
            .set_key(Some(key_of(&table.key, item)?))
            .condition_expression(expression.conditions.join(" AND "))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let send = || delete.clone().send();
        let deleted = self.call("dynamodb:DeleteItem", pace, send, |done| units(done.consumed_capacity())).await?;
        match deleted {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(failed)) => Ok(not(failed)),
                _ => Err(refused("dynamodb:DeleteItem", error)),
            },
        }
    }

    async fn update(
        &self,
        pace: &Pace,
        table: &Table,
        item: &Item,
        mut expression: Expression,
        changes: Vec<(String, Masked)>,
    ) -> Result<Written, ConnectorError> {
        for (field, masked) in changes {
            expression.change(item, &field, &masked);
        }
        let changes = expression.changes();
        if changes.is_empty() {
            return Ok(Written::Done);
        }
        let update = self
            .client
            .update_item()
            .table_name(&table.table)
            .set_key(Some(key_of(&table.key, item)?))
            .update_expression(changes)
            .condition_expression(expression.conditions.join(" AND "))
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let send = || update.clone().send();
        let updated = self.call("dynamodb:UpdateItem", pace, send, |done| units(done.consumed_capacity())).await?;
        match updated {
            Ok(_) => Ok(Written::Done),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(not(failed)),
                _ => Err(refused("dynamodb:UpdateItem", error)),
            },
        }
    }
}

fn not(failed: &ConditionalCheckFailedException) -> Written {
    Written::Not(failed.item.clone())
}

/// DynamoDB refuses a map of values that is there and empty.
fn some(values: HashMap<String, AttributeValue>) -> Option<HashMap<String, AttributeValue>> {
    (!values.is_empty()).then_some(values)
}

/// The fields that decide whose a row is, found through a link: those of the links up to this one (an earlier one that
/// leads to it now would have it treated otherwise), and those that say that it is of the collection.
pub(super) fn owning<'a>(target: &Target<'a>, table: &'a Table, link: usize) -> BTreeSet<&'a str> {
    let links = target.links.iter().take(link + 1).flat_map(|link| &link.pairs).map(|pair| pair.field.as_str());
    links.chain(table.conditions.keys().map(String::as_str)).filter(|field| !is_key(table, field)).collect()
}

/// The fields that decide what becomes of a row: whose it is, and from when its retention counts.
fn deciding<'a>(target: &Target<'a>, table: &'a Table, link: usize) -> BTreeSet<&'a str> {
    let mut fields = owning(target, table, link);
    if let Some(rule) = target.policy.rule(target.name) {
        let swept = rule.retention.as_ref().map(|retention| retention.start_field.as_str());
        let retained = match &rule.erasure {
            ErasureRule::Retain { start_field, .. } => Some(start_field.as_str()),
            ErasureRule::Erase { .. } | ErasureRule::Anonymise { .. } | ErasureRule::Keep { .. } => None,
        };
        fields.extend(swept.into_iter().chain(retained).filter(|field| !is_key(table, field)));
    }
    fields
}

fn is_key(table: &Table, field: &str) -> bool {
    table.key.iter().any(|key| key == field)
}

/// Conditions and changes, with the names and values in them.
#[derive(Default)]
struct Expression {
    conditions: Vec<String>,
    set: Vec<String>,
    remove: Vec<String>,
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Expression {
    /// That the row is there.
    fn there(table: &Table) -> Self {
        let mut expression = Self::default();
        for key in table.key.iter().take(1) {
            let name = expression.name(key);
            expression.conditions.push(format!("attribute_exists({name})"));
        }
        expression
    }

    /// That a field is as it was read.
    fn unchanged(&mut self, item: &Item, field: &str) {
        let (names, value) = reach(item, field);
        self.still(&names, value);
    }

    /// That what stands at some names is still this; its path.
    fn still(&mut self, names: &[&str], value: Option<&AttributeValue>) -> String {
        let path = names.iter().map(|name| self.name(name)).collect::<Vec<_>>().join(".");
        let condition = match value {
            Some(value) => format!("{path} = {}", self.value(value.clone())),
            None => format!("attribute_not_exists({path})"),
        };
        self.conditions.push(condition);
        path
    }

    /// What becomes of a field that was read.
    fn change(&mut self, item: &Item, field: &str, masked: &Masked) {
        match (item.get(field), masked) {
            (_, Masked::Kept) | (None, Masked::Removed) => {}
            (Some(before), Masked::Removed) => {
                let path = self.still(&[field], Some(before));
                self.remove.push(path);
            }
            (Some(before), Masked::Replaced(value)) => self.replace(&[field], before, value),
            (None, Masked::Replaced(value)) => {
                let path = self.still(&[field], None);
                let value = self.value(to_attribute(value));
                self.set.push(format!("{path} = {value}"));
            }
        }
    }

    /// Of a map, only what is another in it is written: whatever else is in it may change meanwhile.
    fn replace(&mut self, names: &[&str], before: &AttributeValue, after: &Value) {
        let (AttributeValue::M(inner), Value::Map(record)) = (before, after) else {
            let path = self.still(names, Some(before));
            let value = self.value(in_place_of(before, after));
            self.set.push(format!("{path} = {value}"));
            return;
        };
        for (name, before) in inner {
            let names = [names, &[name.as_str()]].concat();
            match record.get(name) {
                Some(after) if from_attribute(before) == *after => {}
                Some(after) => self.replace(&names, before, after),
                None => {
                    let path = self.still(&names, Some(before));
                    self.remove.push(path);
                }
            }
        }
    }

    /// The changes as DynamoDB reads them; empty: there are none.
    fn changes(&self) -> String {
        let clauses = [("SET", &self.set), ("REMOVE", &self.remove)].into_iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(clause, parts)| format!("{clause} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    /// A stand-in for a name, the same each time: DynamoDB refuses one that is not used.
    fn name(&mut self, name: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}
