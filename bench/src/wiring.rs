//! The two functions, wired to the stores of a task.

use habeas::aws::Platform;
use habeas::connectors::{Connectors, DynamoDb, S3};
use habeas::identity::DigestKeys;

use crate::function::Task;
use crate::stores::{PACKAGES, s3_client, sdk};

fn connectors(task: &Task) -> Connectors {
    Connectors {
        dynamodb: DynamoDb::new(aws_sdk_dynamodb::Client::new(&sdk(&task.endpoints.dynamodb))),
        s3: Some(S3::new(s3_client(&task.endpoints))),
    }
}

/// export-data.
pub(crate) fn export(platform: &Platform, task: &Task, s3: aws_sdk_s3::Client) -> export_data::Function {
    export_data::Function {
        platform: platform.clone(),
        connectors: connectors(task),
        s3,
        package_bucket: PACKAGES.to_owned(),
    }
}

/// delete-or-anonymize.
pub(crate) fn erase(platform: &Platform, task: &Task, keys: DigestKeys) -> delete_or_anonymize::Function {
    delete_or_anonymize::Function { platform: platform.clone(), keys, connectors: connectors(task) }
}
