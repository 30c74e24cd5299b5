//! Makes and unmakes the tables and buckets of a policy.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableStatus,
};
use aws_sdk_s3::types::VersioningConfiguration;
use aws_sdk_s3::types::{BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration};
use futures::TryStreamExt as _;
use habeas::policy::{Pinned, System, Table};

use crate::aws::{AwsError, Clients};

const POLL: Duration = Duration::from_millis(200);
/// Ten minutes for a table with indexes, which is more than AWS takes for an empty one.
const POLLS_MOST: u32 = 3_000;
const DELETIONS_AT_ONCE: usize = 16;

/// The tables of a policy.
pub fn tables(policy: &Pinned) -> impl Iterator<Item = &Table> {
    policy.policy().systems.iter().flat_map(|system| match system {
        System::Dynamodb { collections, .. } => collections.values().collect::<Vec<_>>(),
        System::S3 { .. } | System::Postgresql(_) => Vec::new(),
    })
}

/// The buckets of a policy.
pub fn buckets(policy: &Pinned) -> BTreeSet<&str> {
    policy
        .policy()
        .systems
        .iter()
        .filter_map(|system| match system {
            System::S3 { bucket, .. } => Some(bucket.as_str()),
            System::Dynamodb { .. } | System::Postgresql(_) => None,
        })
        .collect()
}

/// Makes what is missing, and waits until it can be used.
pub async fn create(policy: &Pinned, clients: &Clients) -> Result<(), AwsError> {
    for table in tables(policy) {
        create_table(table, clients).await?;
    }
    for table in tables(policy) {
        wait_until_active(&table.table, clients).await?;
    }
    for bucket in buckets(policy) {
        create_bucket(bucket, clients).await?;
    }
    Ok(())
}

/// Deletes tables and buckets with everything in them. What is not there is fine.
pub async fn delete(policy: &Pinned, clients: &Clients) -> Result<(), AwsError> {
    for table in tables(policy) {
        let deleted = clients.dynamodb.delete_table().table_name(&table.table).send().await;
        match deleted {
            Err(error) if error.code() != Some("ResourceNotFoundException") => {
                return Err(AwsError::of(format!("DeleteTable {}", table.table))(error));
            }
            _ => {}
        }
    }
    for bucket in buckets(policy) {
        delete_bucket(bucket, clients).await?;
    }
    Ok(())
}

async fn create_table(table: &Table, clients: &Clients) -> Result<(), AwsError> {
    let failed = || format!("CreateTable {}", table.table);
    let attributes: BTreeSet<&String> = table.key.iter().chain(table.indexes.keys()).collect();
    let mut create = clients.dynamodb.create_table().table_name(&table.table).billing_mode(BillingMode::PayPerRequest);
    for attribute in attributes {
        let definition =
            AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::S).build();
        create = create.attribute_definitions(definition.map_err(AwsError::of(failed()))?);
    }
    for (field, kind) in table.key.iter().zip([KeyType::Hash, KeyType::Range]) {
        create = create.key_schema(key_element(field, kind).map_err(AwsError::of(failed()))?);
    }
    for (field, index) in &table.indexes {
        let built = GlobalSecondaryIndex::builder()
            .index_name(index)
            .key_schema(key_element(field, KeyType::Hash).map_err(AwsError::of(failed()))?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build();
        create = create.global_secondary_indexes(built.map_err(AwsError::of(failed()))?);
    }
    match create.send().await {
        Err(error) if error.code() != Some("ResourceInUseException") => Err(AwsError::of(failed())(error)),
        _ => Ok(()),
    }
}

fn key_element(field: &str, kind: KeyType) -> Result<KeySchemaElement, aws_sdk_dynamodb::error::BuildError> {
    KeySchemaElement::builder().attribute_name(field).key_type(kind).build()
}

async fn wait_until_active(table: &str, clients: &Clients) -> Result<(), AwsError> {
    for _ in 0..POLLS_MOST {
        let described = clients.dynamodb.describe_table().table_name(table).send().await;
        let described = described.map_err(AwsError::of(format!("DescribeTable {table}")))?;
        if described.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(AwsError::because(format!("making the table {table}"), "it is not active after ten minutes"))
}

async fn create_bucket(bucket: &str, clients: &Clients) -> Result<(), AwsError> {
    let mut create = clients.s3.create_bucket().bucket(bucket);
    // The first region is the one that must not be named.
    if clients.region != "us-east-1" {
        let place = BucketLocationConstraint::from(clients.region.as_str());
        create =
            create.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build());
    }
    match create.send().await {
        Err(error) if error.code() != Some("BucketAlreadyOwnedByYou") => {
            return Err(AwsError::of(format!("CreateBucket {bucket}"))(error));
        }
        _ => {}
    }
    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let set = clients.s3.put_bucket_versioning().bucket(bucket).versioning_configuration(versioned).send().await;
    set.map_err(AwsError::of(format!("PutBucketVersioning {bucket}")))?;
    Ok(())
}

async fn delete_bucket(bucket: &str, clients: &Clients) -> Result<(), AwsError> {
    loop {
        let listed = clients.s3.list_object_versions().bucket(bucket).send().await;
        let listed = match listed {
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(()),
            other => other.map_err(AwsError::of(format!("ListObjectVersions {bucket}")))?,
        };
        let versions = listed.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = listed.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let all: Vec<(Option<String>, Option<String>)> = versions
            .chain(markers)
            .map(|(key, version)| (key.map(ToOwned::to_owned), version.map(ToOwned::to_owned)))
            .collect();
        if all.is_empty() {
            break;
        }
        futures::stream::iter(all.into_iter().map(Ok))
            .try_for_each_concurrent(DELETIONS_AT_ONCE, |(key, version)| async move {
                let delete = clients.s3.delete_object().bucket(bucket).set_key(key).set_version_id(version);
                let deleted = delete.send().await;
                deleted.map(drop).map_err(AwsError::of(format!("DeleteObject in {bucket}")))
            })
            .await?;
    }
    let deleted = clients.s3.delete_bucket().bucket(bucket).send().await;
    deleted.map(drop).map_err(AwsError::of(format!("DeleteBucket {bucket}")))
}
