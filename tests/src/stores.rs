//! DynamoDB and S3 in this process.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType,
};
use habeas::policy::{Field, KeyKind, Pinned, Place, Table};

/// Every item of a table as one sorted line each.
pub async fn dump(client: &Client, table: &str) -> Vec<BTreeMap<String, String>> {
    let page = client.scan().table_name(table).send().await.unwrap();
    assert!(page.last_evaluated_key.is_none(), "small tables only");
    let show = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let mut items: Vec<BTreeMap<String, String>> = page
        .items
        .unwrap_or_default()
        .iter()
        .map(|item| item.iter().map(|(name, value)| (name.clone(), show(value))).collect())
        .collect();
    items.sort();
    items
}

/// Every object of a bucket: its key and whose it is, by the second part of the key.
pub(crate) async fn objects(client: &aws_sdk_s3::Client, bucket: &str) -> Vec<BTreeMap<String, String>> {
    let listed = client.list_objects_v2().bucket(bucket).send().await.unwrap();
    assert_ne!(listed.is_truncated(), Some(true), "few objects only");
    let keys = listed.contents().iter().filter_map(|object| object.key());
    let row = |key: &str| {
        let owner = key.split('/').nth(1).unwrap_or_default();
        [("key", key), ("owner", owner)].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    keys.map(row).collect()
}

pub async fn create_ledger(client: &Client) {
    let due = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("due_shard", KeyType::Hash))
        .key_schema(key("wake_at", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::Include).non_key_attributes("queue").build())
        .build()
        .unwrap();
    let unanchored = GlobalSecondaryIndex::builder()
        .index_name("unanchored")
        .key_schema(key("unanchored_shard", KeyType::Hash))
        .key_schema(key("unanchored_since", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("ledger")
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_shard", ScalarAttributeType::N))
        .attribute_definitions(attribute("wake_at", ScalarAttributeType::S))
        .attribute_definitions(attribute("unanchored_shard", ScalarAttributeType::N))
        .attribute_definitions(attribute("unanchored_since", ScalarAttributeType::S))
        .global_secondary_indexes(due)
        .global_secondary_indexes(unanchored)
        .send()
        .await
        .unwrap();
}

/// The tables of a policy, empty. Indexes hold keys only: whatever else a test sees of a row comes from its table.
pub async fn create_tables(client: &Client, policy: &Pinned) {
    for (name, collections) in tables(policy) {
        let mut create = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
        let mut attributes = BTreeMap::new();
        let mut indexes = BTreeMap::new();
        let mut table_key = Vec::new();
        for (table, fields) in collections {
            let kinds = |field: &str| match KeyKind::of(fields, field) {
                KeyKind::Text => ScalarAttributeType::S,
                KeyKind::Number => ScalarAttributeType::N,
                KeyKind::Bytes => ScalarAttributeType::B,
            };
            attributes.extend(table.key_fields().map(|field| (field.to_owned(), kinds(field))));
            for (field, index) in &table.indexes {
                let key: Vec<String> = table.index_key(field, index).into_iter().map(str::to_owned).collect();
                indexes.insert(index.clone(), key);
            }
            table_key.clone_from(&table.key);
        }
        for element in schema(&table_key) {
            create = create.key_schema(element);
        }
        for (name, kind) in attributes {
            create = create.attribute_definitions(attribute(&name, kind));
        }
        for (index, index_key) in indexes {
            let projection = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
            let elements = Some(schema(&index_key));
            create = if index_key[0] == table_key[0] {
                let index = LocalSecondaryIndex::builder().index_name(index).set_key_schema(elements);
                create.local_secondary_indexes(index.projection(projection).build().unwrap())
            } else {
                let index = GlobalSecondaryIndex::builder().index_name(index).set_key_schema(elements);
                create.global_secondary_indexes(index.projection(projection).build().unwrap())
            };
        }
        create.send().await.unwrap();
    }
}

/// Each table with the collections that are in it.
fn tables(policy: &Pinned) -> BTreeMap<&str, Vec<(&Table, &[Field])>> {
    let mut tables: BTreeMap<&str, Vec<(&Table, &[Field])>> = BTreeMap::new();
    for name in policy.collections() {
        if let (Some(Place::Table(table)), Some(collection)) = (policy.place(name), policy.collection(name)) {
            tables.entry(&table.table).or_default().push((table, &collection.fields));
        }
    }
    tables
}

fn schema(fields: &[String]) -> Vec<KeySchemaElement> {
    fields.iter().zip([KeyType::Hash, KeyType::Range]).map(|(name, kind)| key(name, kind)).collect()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}
