//! What the functions' roles grant is what the stories have used: with IAM enforced, a role that lacks an action fails a
//! story, and an action that no story uses fails here by name.

use std::collections::{BTreeMap, BTreeSet};

use habeas_e2e::Function;
use habeas_e2e::roles::{OUT_OF_REACH, rules, stack};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::World;

/// Statements that the services use on a function's behalf: encryption, logs, the queue that triggers it.
const BY_SERVICES: [&str; 5] = ["UseDataKey", "WriteLogs", "TakeWork", "OpenSourceData", "UseRecipientKeys"];

/// What no story of this stack reaches, or the trail does not record. That it is used is shown without a stack, by
/// `a_role_without_any_one_of_its_lines_is_denied_what_that_line_allows` (`in_process/rights.rs`).
const NOT_IN_THE_TRAIL: [(Function, &str); 26] = [
    // The trail calls every reading of a bucket a listing, and nothing of the sample is locked.
    (Function::DeleteOrAnonymize, "s3:GetBucketObjectLockConfiguration"),
    (Function::DeleteOrAnonymize, "s3:GetBucketVersioning"),
    (Function::DeleteOrAnonymize, "s3:GetObjectLegalHold"),
    (Function::DeleteOrAnonymize, "s3:GetObjectRetention"),
    (Function::PlanRequest, "s3:GetBucketObjectLockConfiguration"),
    (Function::PlanRequest, "s3:GetBucketVersioning"),
    (Function::ReplaySuppression, "s3:GetObjectLegalHold"),
    (Function::ReplaySuppression, "s3:GetObjectRetention"),
    (Function::RetentionSweep, "s3:GetObjectLegalHold"),
    (Function::RetentionSweep, "s3:GetObjectRetention"),
    // Whoever is held by an address is looked up by an index.
    (Function::ManageHolds, "dynamodb:BatchGetItem"),
    // Only where the ledger was put back, or a run was broken off.
    (Function::AnchorEvidence, "s3:GetObject"),
    (Function::ExportData, "s3:AbortMultipartUpload"),
    (Function::ExportData, "s3:ListMultipartUploadParts"),
    // The shipped policies name no app: its address is the deployment's.
    (Function::CancelAccount, "dynamodb:BatchGetItem"),
    (Function::CancelAccount, "kms:GenerateDataKey"),
    (Function::Notify, "secretsmanager:GetSecretValue"),
    (Function::Notify, "ses:SendEmail"),
    (Function::VerifyIdentity, "ses:SendEmail"),
    (Function::TellRecipients, "ses:SendEmail"),
    // The recipients of the sample are told by mail.
    (Function::TellRecipients, "sqs:GetQueueUrl"),
    (Function::Notify, "dynamodb:GetItem"),
    (Function::Notify, "dynamodb:PutItem"),
    (Function::RetentionSweep, "kms:GenerateDataKey"),
    (Function::RetentionSweep, "kms:Decrypt"),
    (Function::RetentionSweep, "s3:DeleteObjectVersion"),
];

/// The actions that a function's role grants, statement by statement.
fn granted(function: Function) -> BTreeSet<String> {
    // Unlike the small policy, yuncan has a database.
    let elsewhere = OUT_OF_REACH.iter().map(|(name, _)| *name).filter(|name| *name != "ReadDataSecrets");
    let not_here: Vec<&str> = elsewhere.chain(BY_SERVICES).collect();
    let rules = rules(&stack().deployed, function).into_iter();
    let own = rules.filter(|rule| rule.allows && !not_here.contains(&rule.grant.statement.as_str()));
    own.map(|rule| rule.grant.action).collect()
}

/// The rights that a recorded call needs.
fn needed(source: &str, name: &str) -> Vec<String> {
    let service = source.split('.').next().unwrap_or_default();
    let service = if service == "email" { "ses" } else { service };
    let actions: &[&str] = match name {
        "TransactWriteItems" => &["PutItem", "UpdateItem"],
        "SendMessageBatch" => &["SendMessage"],
        "HeadObject" => &["GetObject"],
        "CopyObject" => &["GetObject", "PutObject"],
        "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => &["PutObject"],
        // The trail gives both listings one name, and calls that are told apart by their query none.
        "ListObjects" => &["ListBucket", "ListBucketVersions"],
        "POST.s3" => &["DeleteObjectVersion"],
        "POST.sns" => &["Publish"],
        other => return vec![format!("{service}:{other}")],
    };
    actions.iter().map(|action| format!("{service}:{action}")).collect()
}

/// What a function has called, from the emulator's trail.
async fn used(world: &World, function: Function) -> BTreeSet<String> {
    let arn =
        format!("arn:aws:lambda:us-east-1:000000000000:function:{}", world.function(&format!("{function}Function")));
    let role = world.function(&format!("{function}RoleArn"));
    let digest = Sha256::digest(format!("{arn}:{role}"));
    let key = format!("ASIA{:016X}", u64::from_be_bytes(digest[..8].try_into().unwrap()));
    let mut found = BTreeSet::new();
    let mut end: Option<f64> = None;
    for _ in 0..400 {
        let mut ask =
            json!({"LookupAttributes": [{"AttributeKey": "AccessKeyId", "AttributeValue": key}], "MaxResults": 50});
        if let Some(end) = end {
            ask["EndTime"] = json!(end);
        }
        let target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
        let page = world.cloud.json("cloudtrail", target, &ask).await.unwrap();
        let events: Vec<&Value> = page["Events"].as_array().into_iter().flatten().collect();
        for event in &events {
            let (source, name) = (event["EventSource"].as_str().unwrap(), event["EventName"].as_str().unwrap());
            found.extend(needed(source, name));
        }
        let oldest = events.iter().filter_map(|event| event["EventTime"].as_f64()).fold(f64::MAX, f64::min);
        if events.len() < 2 || end.is_some_and(|end| oldest >= end) {
            if events.len() < 50 {
                break;
            }
            // More than a page in one second: step over it.
            end = end.map(|end| end - 1.0);
            continue;
        }
        end = Some(oldest);
    }
    found
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn no_role_grants_an_action_that_its_function_does_not_use() {
    let (yallo, yuncan) = (World::of("yallo").await, World::of("yuncan").await);
    let mut unused: BTreeMap<Function, Vec<String>> = BTreeMap::new();
    for function in Function::ALL {
        let granted = granted(function);
        assert!(!granted.is_empty(), "{function} has a role");
        let mut used_by_it = used(&yallo, function).await;
        used_by_it.extend(used(&yuncan, function).await);
        assert!(!used_by_it.is_empty(), "{function} has made calls");
        let elsewhere =
            |action: &&String| NOT_IN_THE_TRAIL.iter().any(|(name, other)| *name == function && other == action);
        let never: Vec<String> = granted.difference(&used_by_it).filter(|action| !elsewhere(action)).cloned().collect();
        if !never.is_empty() {
            unused.insert(function, never);
        }
    }
    assert_eq!(unused, BTreeMap::new(), "granted, and used by no story");
}
