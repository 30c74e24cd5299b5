//! A table's keys as DynamoDB describes them, against what the policy says of them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{
    IndexStatus, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription, TableStatus,
};

use super::preflight::paths;
use crate::connectors::{Obstacle, Target};
use crate::policy::{CollectionRule, KeyKind, Strategy, Table};

/// The keys of a table and of its indexes.
pub(super) struct Schema {
    is_ready: bool,
    key: Vec<String>,
    indexes: BTreeMap<String, Index>,
    kinds: BTreeMap<String, ScalarAttributeType>,
}

struct Index {
    key: Vec<String>,
    is_ready: bool,
}

impl Schema {
    pub(super) fn of(description: &TableDescription) -> Self {
        let is_ready = matches!(description.table_status(), Some(TableStatus::Active | TableStatus::Updating));
        let mut indexes = BTreeMap::new();
        for index in description.global_secondary_indexes() {
            let built = matches!(index.index_status(), Some(IndexStatus::Active | IndexStatus::Updating));
            let is_ready = built && index.backfilling() != Some(true);
            let key = names(index.key_schema());
            indexes.insert(index.index_name().unwrap_or_default().to_owned(), Index { key, is_ready });
        }
        for index in description.local_secondary_indexes() {
            let key = names(index.key_schema());
            indexes.insert(index.index_name().unwrap_or_default().to_owned(), Index { key, is_ready: true });
        }
        let definitions = description.attribute_definitions().iter();
        let kinds = definitions.map(|one| (one.attribute_name().to_owned(), one.attribute_type().clone())).collect();
        Self { is_ready, key: names(description.key_schema()), indexes, kinds }
    }

    /// The type of a key attribute; text for one that is none.
    pub(super) fn kind(&self, field: &str) -> &ScalarAttributeType {
        self.kinds.get(field).unwrap_or(&ScalarAttributeType::S)
    }

    /// The indexes that an attribute is a key of.
    fn indexes_by(&self, field: &str) -> Vec<&str> {
        let by = self.indexes.iter().filter(|(_, index)| index.key.iter().any(|key| key == field));
        by.map(|(name, _)| name.as_str()).collect()
    }
}

/// The fields of a key, partition key first.
fn names(schema: &[KeySchemaElement]) -> Vec<String> {
    let of = |kind: &KeyType| {
        let found: Vec<String> = schema
            .iter()
            .filter(|element| element.key_type() == kind)
            .map(|element| element.attribute_name().to_owned())
            .collect();
        found
    };
    [of(&KeyType::Hash), of(&KeyType::Range)].concat()
}

/// What stands in the way, as far as the keys tell.
pub(super) fn obstacles(
    target: &Target<'_>,
    table: &Table,
    rule: Option<&CollectionRule>,
    schema: &Schema,
) -> Vec<Obstacle> {
    let mut found = Found { collection: target.name, obstacles: Vec::new() };
    if !schema.is_ready {
        found.refuse(None, format!("table {:?} is not active: wait until it is, or restore its key", table.table));
    }
    if schema.key != table.key {
        let message = format!(
            "the key of table {:?} is [{}], and the policy says [{}]: correct it under systems",
            table.table,
            schema.key.join(", "),
            table.key.join(", ")
        );
        found.refuse(None, message);
    }
    indexes(target, table, schema, &mut found);
    kinds(target, table, schema, &mut found);
    if let Some(rule) = rule {
        for (field, strategy) in rule.erasure.writes() {
            broken_key(table, schema, field, &strategy, &mut found);
        }
    }
    found.obstacles
}

fn indexes(target: &Target<'_>, table: &Table, schema: &Schema, found: &mut Found<'_>) {
    let used: BTreeSet<&str> = paths(target, table).into_iter().filter_map(|path| path.index).collect();
    for (field, name) in &table.indexes {
        let is_used = used.contains(name.as_str());
        let Some(index) = schema.indexes.get(name) else {
            let message = format!("table {:?} has no index {name:?}: add it, or correct its name", table.table);
            found.add(is_used, Some(field), message);
            continue;
        };
        let said = table.index_key(field, name);
        // What is said by one field alone says nothing of a sort key.
        let fits = index.key == said || (said.len() == 1 && index.key.first().is_some_and(|key| *key == said[0]));
        if !fits {
            let message = format!(
                "the key of index {name:?} is [{}], and the policy says [{}]: correct it under index_keys",
                index.key.join(", "),
                said.join(", ")
            );
            found.add(is_used, Some(field), message);
        } else if !index.is_ready {
            found.add(is_used, Some(field), format!("index {name:?} is still being built: wait until it is active"));
        }
    }
}

/// Keys that are asked for must be asked for as what they are.
fn kinds(target: &Target<'_>, table: &Table, schema: &Schema, found: &mut Found<'_>) {
    let fields: BTreeSet<&str> = paths(target, table)
        .into_iter()
        .flat_map(|path| std::iter::once(path.partition).chain(path.sort))
        .filter(|field| {
            let is_linked = target.links.iter().flat_map(|link| &link.pairs).any(|pair| pair.field == *field);
            is_linked || table.conditions.contains_key(*field)
        })
        .collect();
    for field in fields {
        let Some(kind) = schema.kinds.get(field) else { continue };
        let said = KeyKind::of(target.fields, field);
        if kind.as_str() != said.letter() {
            let data_type = match kind {
                ScalarAttributeType::N => "integer",
                ScalarAttributeType::B => "bytes",
                _ => "string",
            };
            let message = format!(
                "{field} is of type {} in table {:?}, and would be asked for as {}: give the field fides_meta.data_type: \
                 {data_type}",
                kind.as_str(),
                table.table,
                said.letter()
            );
            found.refuse(Some(field), message);
        }
    }
}

/// A strategy that DynamoDB would refuse half-way, for an index that the policy need not name.
fn broken_key(table: &Table, schema: &Schema, field: &str, strategy: &Strategy, found: &mut Found<'_>) {
    if schema.key.iter().any(|key| key == field) {
        let message = format!("{field} is part of the key of table {:?} and cannot be changed in place", table.table);
        found.refuse(Some(field), message);
        return;
    }
    let indexes = schema.indexes_by(field);
    let Some(index) = indexes.first() else { return };
    let message = match strategy {
        Strategy::Erase => {
            let message =
                format!("{field} is a key of index {index:?}: without it the row is not in that index any more");
            found.add(false, Some(field), message);
            return;
        }
        Strategy::Null => format!("{field} is a key of index {index:?}, which cannot hold null: erase it"),
        Strategy::Fixed(text) if text.is_empty() => {
            format!("{field} is a key of index {index:?}, which cannot hold an empty text: erase it")
        }
        _ if *schema.kind(field) != ScalarAttributeType::S => format!(
            "{field} is a key of index {index:?} and of type {}, which can hold no text: erase it",
            schema.kind(field).as_str()
        ),
        _ => return,
    };
    found.refuse(Some(field), message);
}

struct Found<'a> {
    collection: &'a str,
    obstacles: Vec<Obstacle>,
}

impl Found<'_> {
    fn refuse(&mut self, field: Option<&str>, message: String) {
        self.add(true, field, message);
    }

    fn add(&mut self, refuses: bool, field: Option<&str>, message: String) {
        let field = field.map(ToOwned::to_owned);
        self.obstacles.push(Obstacle { refuses, collection: self.collection.to_owned(), field, message });
    }
}
