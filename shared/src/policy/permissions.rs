//! What a deployment must allow its functions in the controller's systems, worked out from the policy: the template's
//! parameters, so that no role has a wildcard where a name is known.

use std::collections::BTreeMap;

use super::{Channel, Database, Pinned, Place, S3Place, SecurityCheck, System};
use crate::request::Right;

/// Parameter name to value; lists are joined by commas.
///
/// `partition` is `aws` or `aws-cn`, `region` and `account` are where the controller's tables are, and those secrets that
/// the policy names without an ARN.
#[must_use]
pub fn parameters(policy: &Pinned, partition: &str, region: &str, account: &str) -> BTreeMap<String, String> {
    let table_arn = |table: &str| format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
    let mut tables = Vec::new();
    let mut indexes = Vec::new();
    let mut buckets = Vec::new();
    let mut objects = Vec::new();
    let mut row_objects = Vec::new();
    let mut secrets = Vec::new();
    let named_secret_arn = |secret: &str| secret_of(secret, partition, region, account);
    let secret_arn = |database: &Database| named_secret_arn(&database.secret);
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
                for place in collections.values() {
                    let arn = format!("{arn}/{}*", place.prefix());
                    if matches!(place, S3Place::Rows(_)) {
                        row_objects.push(arn.clone());
                    }
                    objects.push(arn);
                }
                buckets.push(arn);
            }
            System::Postgresql(database) => secrets.push(secret_arn(database)),
        }
    }
    let (mut recipient_queues, mut recipient_secrets) = (Vec::new(), Vec::new());
    for tell in policy.told().into_iter().filter_map(|recipient| recipient.tell.as_ref()) {
        if let Channel::Queue(queue) = &tell.by {
            let is_arn = queue.starts_with("arn:");
            let arn = || format!("arn:{partition}:sqs:{region}:{account}:{queue}");
            recipient_queues.push(if is_arn { queue.clone() } else { arn() });
        }
        recipient_secrets.extend(tell.secrets().map(named_secret_arn));
    }
    let (mut subject_table, mut subject_indexes, mut subject_secrets) = (String::new(), Vec::new(), Vec::new());
    match policy.place(&policy.policy().subject.collection) {
        Some(Place::Table(table)) => {
            subject_table = table_arn(&table.table);
            subject_indexes = table.indexes.values().map(|index| format!("{subject_table}/index/{index}")).collect();
        }
        Some(Place::Relation { database, .. }) => subject_secrets.push(secret_arn(database)),
        Some(Place::Objects { .. } | Place::Rows { .. }) | None => {}
    }
    let checks = Checked::by(policy, partition, region, account);
    let app =
        policy.policy().app.iter().map(|app| secret_of(&app.webhook.secret, partition, region, account)).collect();
    [
        ("CheckTableArns", joined(checks.tables)),
        ("CheckIndexArns", joined(checks.indexes)),
        ("CheckSecretArns", joined(checks.secrets)),
        ("AppSecretArns", joined(app)),
        ("PolicyDigest", policy.digest().as_str().to_owned()),
        ("SubjectTableArn", subject_table),
        ("SubjectIndexArns", joined(subject_indexes)),
        ("SubjectSecretArns", joined(subject_secrets)),
        ("DataTableArns", joined(tables)),
        ("DataIndexArns", joined(indexes)),
        ("DataBucketArns", joined(buckets)),
        ("DataObjectArns", joined(objects)),
        ("DataRowObjectArns", joined(row_objects)),
        ("DataSecretArns", joined(secrets)),
        ("RecipientQueueArns", joined(recipient_queues)),
        ("RecipientSecretArns", joined(recipient_secrets)),
        ("CapturesKeys", (!policy.graph().captures().is_empty()).to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What is read when a cancellation is confirmed: the subject's own row, and what the policy's checks name.
#[derive(Default)]
struct Checked {
    tables: Vec<String>,
    indexes: Vec<String>,
    secrets: Vec<String>,
}

impl Checked {
    fn by(policy: &Pinned, partition: &str, region: &str, account: &str) -> Self {
        let mut checked = Self::default();
        if policy.right(Right::AccountCancellation).is_none() {
            return checked;
        }
        let named = policy.checks().iter().filter_map(SecurityCheck::collection);
        for collection in std::iter::once(policy.policy().subject.collection.as_str()).chain(named) {
            match policy.place(collection) {
                Some(Place::Table(table)) => {
                    let arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{}", table.table);
                    checked.indexes.extend(table.indexes.values().map(|index| format!("{arn}/index/{index}")));
                    checked.tables.push(arn);
                }
                Some(Place::Relation { database, .. }) => {
                    checked.secrets.push(secret_of(&database.secret, partition, region, account));
                }
                Some(Place::Objects { .. } | Place::Rows { .. }) | None => {}
            }
        }
        checked
    }
}

/// A secret's ARN ends with a hyphen and six characters that its name does not tell.
fn secret_of(secret: &str, partition: &str, region: &str, account: &str) -> String {
    if secret.starts_with("arn:") {
        return secret.to_owned();
    }
    format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}-??????")
}

fn joined(mut values: Vec<String>) -> String {
    values.sort();
    values.dedup();
    values.join(",")
}
