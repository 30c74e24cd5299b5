//! What a deployment must allow its functions in the controller's systems, worked out from the policy: the template's
//! parameters, so that no role has a wildcard where a name is known.

use std::collections::BTreeMap;

use super::{Pinned, Place, System};

/// Parameter name to value; lists are joined by commas.
///
/// `partition` is `aws` or `aws-cn`, `region` and `account` are where the controller's tables are.
#[must_use]
pub fn parameters(policy: &Pinned, partition: &str, region: &str, account: &str) -> BTreeMap<String, String> {
    let table_arn = |table: &str| format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
    let mut tables = Vec::new();
    let mut indexes = Vec::new();
    let mut buckets = Vec::new();
    let mut objects = Vec::new();
    for system in &policy.policy().systems {
        match system {
            System::Dynamodb { collections, .. } => {
                for table in collections.values() {
                    let arn = table_arn(&table.table);
                    indexes.extend(table.indexes.values().map(|index| format!("{arn}/index/{index}")));
                    tables.push(arn);
                }
            }
            System::S3 { bucket, collections, .. } => {
                let arn = format!("arn:{partition}:s3:::{bucket}");
                for pattern in collections.values() {
                    let prefix = pattern.objects.split('{').next().unwrap_or_default();
                    objects.push(format!("{arn}/{prefix}*"));
                }
                buckets.push(arn);
            }
            System::Postgresql(_) => {}
        }
    }
    let (subject_table, subject_indexes) = match policy.place(&policy.policy().subject.collection) {
        Some(Place::Table(table)) => {
            let arn = table_arn(&table.table);
            let indexes = table.indexes.values().map(|index| format!("{arn}/index/{index}")).collect();
            (arn, indexes)
        }
        _ => (String::new(), Vec::new()),
    };
    [
        ("PolicyDigest", policy.digest().as_str().to_owned()),
        ("SubjectTableArn", subject_table),
        ("SubjectIndexArns", joined(subject_indexes)),
        ("DataTableArns", joined(tables)),
        ("DataIndexArns", joined(indexes)),
        ("DataBucketArns", joined(buckets)),
        ("DataObjectArns", joined(objects)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

fn joined(mut values: Vec<String>) -> String {
    values.sort();
    values.dedup();
    values.join(",")
}
