//! DynamoDB and S3 in this process.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use habeas::policy::{Pinned, System};

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
        .global_secondary_indexes(due)
        .send()
        .await
        .unwrap();
}

pub(crate) async fn create_tables(client: &Client, policy: &Pinned) {
    for system in &policy.policy().systems {
        let System::Dynamodb { collections, .. } = system else {
            continue;
        };
        for table in collections.values() {
            let kinds = [KeyType::Hash, KeyType::Range];
            let mut create = client.create_table().table_name(&table.table).billing_mode(BillingMode::PayPerRequest);
            for (name, kind) in table.key.iter().zip(kinds) {
                create =
                    create.key_schema(key(name, kind)).attribute_definitions(attribute(name, ScalarAttributeType::S));
            }
            for (field, index) in &table.indexes {
                create =
                    create.attribute_definitions(attribute(field, ScalarAttributeType::S)).global_secondary_indexes(
                        GlobalSecondaryIndex::builder()
                            .index_name(index)
                            .key_schema(key(field, KeyType::Hash))
                            .projection(Projection::builder().projection_type(ProjectionType::All).build())
                            .build()
                            .unwrap(),
                    );
            }
            create.send().await.unwrap();
        }
    }
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
}
