//! What the functions' roles grant is what the stories have used: with IAM enforced, a role that lacks an action fails a
//! story, and an action that no story uses fails here by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::World;

const FUNCTIONS: [&str; 8] = [
    "SubmitRequest",
    "VerifyIdentity",
    "ExportData",
    "DeleteOrAnonymize",
    "CancelAccount",
    "RetentionSweep",
    "WakeDueWork",
    "Notify",
];
/// Statements that the services use on a function's behalf: encryption, logs, the queue that triggers it, its network.
const BY_SERVICES: [&str; 5] = ["UseDataKey", "WriteLogs", "TakeWork", "OpenSourceData", "AttachToVpc"];

/// What no story of this stack reaches, or the trail does not record, and what shows instead that it is used.
const SHOWN_ELSEWHERE: [(&str, &str, &str); 13] = [
    (
        "Notify",
        "ses:SendEmail",
        "not in the trail; the code mails and notices of the stories are read from the mailbox",
    ),
    ("VerifyIdentity", "ses:SendEmail", "not in the trail; the code mails of the stories are read from the mailbox"),
    ("Notify", "dynamodb:GetItem", "a_request_that_is_not_done_in_time_is_reported_once_and_goes_on"),
    ("Notify", "dynamodb:PutItem", "a_request_that_is_not_done_in_time_is_reported_once_and_goes_on"),
    ("RetentionSweep", "kms:GenerateDataKey", "seals the cursor of a table of more than a page"),
    ("RetentionSweep", "kms:Decrypt", "opens the cursor of a sweep that is taken over"),
    ("RetentionSweep", "s3:DeleteObjectVersion", "objects of the sample are younger than their retention"),
    ("VerifyIdentity", "rds-db:connect", "only RDS asks for it"),
    ("ExportData", "rds-db:connect", "only RDS asks for it"),
    ("DeleteOrAnonymize", "rds-db:connect", "only RDS asks for it"),
    ("RetentionSweep", "rds-db:connect", "only RDS asks for it"),
    ("ExportData", "secretsmanager:GetSecretValue", "for policies with a database: neither of these two has one"),
    ("RetentionSweep", "secretsmanager:GetSecretValue", "for policies with a database: neither of these two has one"),
];

/// The actions that a function's role grants, statement by statement.
fn granted(template: &str, function: &str) -> BTreeSet<String> {
    let start = template.find(&format!("\n  {function}Role:\n")).unwrap();
    let role = template[start..].split("\n\n").next().unwrap();
    let mut actions = BTreeSet::new();
    for statement in role.split("- Sid: ").skip(1) {
        let name = statement.split_whitespace().next().unwrap();
        if BY_SERVICES.contains(&name) || statement.contains("Effect: Deny") {
            continue;
        }
        let words = statement.lines().filter(|line| !line.contains("IsLocal")).flat_map(str::split_whitespace);
        let is_action = |word: &&str| {
            let services = ["dynamodb:", "ec2:", "kms:", "rds-db:", "s3:", "secretsmanager:", "ses:", "sns:", "sqs:"];
            services.iter().any(|service| word.starts_with(service))
                && !word.contains("EncryptionContext")
                && !word.contains("ViaService")
                && !word.ends_with(':')
        };
        actions.extend(words.filter(is_action).map(ToOwned::to_owned));
    }
    actions
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
async fn used(world: &World, function: &str) -> BTreeSet<String> {
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
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let (yallo, yuncan) = (World::of("yallo").await, World::of("yuncan").await);
    let mut unused: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for function in FUNCTIONS {
        let granted = granted(&template, function);
        assert!(!granted.is_empty(), "{function} has a role");
        let mut used_by_it = used(&yallo, function).await;
        used_by_it.extend(used(&yuncan, function).await);
        assert!(!used_by_it.is_empty(), "{function} has made calls");
        let elsewhere =
            |action: &&String| SHOWN_ELSEWHERE.iter().any(|(name, shown, _)| *name == function && shown == action);
        let never: Vec<String> = granted.difference(&used_by_it).filter(|action| !elsewhere(action)).cloned().collect();
        if !never.is_empty() {
            unused.insert(function, never);
        }
    }
    assert_eq!(unused, BTreeMap::new(), "granted, and used by no story");
}
