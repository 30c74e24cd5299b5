//! What is put into the bucket of anchors stays there as it is: the template's part of that.

use std::collections::BTreeSet;

use habeas_e2e::template::{FUNCTION, Template};
use serde_json::json;

#[test]
fn what_is_in_the_bucket_of_anchors_is_locked_for_everybody() {
    let template = Template::read();
    let buckets = template.of_type("AWS::S3::Bucket");
    let bucket = buckets["AnchorBucket"];
    assert_eq!(bucket["ObjectLockEnabled"], json!(true));
    assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled");
    let retention = &bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"];
    assert_eq!(retention, &json!({"Mode": "COMPLIANCE", "Days": {"!Ref": "AnchorRetentionDays"}}));
    assert!(bucket.get("LifecycleConfiguration").is_none(), "nothing of it goes by itself");
    let encryption = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"];
    let by_default = json!([{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]);
    assert_eq!(encryption, &by_default, "a key that somebody may disable would make it unreadable");
}

#[test]
fn a_name_in_the_bucket_of_anchors_is_written_once() {
    let template = Template::read();
    let policies = template.of_type("AWS::S3::BucketPolicy");
    let statements = policies["AnchorBucketPolicy"]["PolicyDocument"]["Statement"].as_array().unwrap();
    let once = statements.iter().find(|statement| statement["Sid"] == "EachNameOnce").unwrap();
    assert_eq!(
        (&once["Effect"], &once["Principal"], &once["Action"]),
        (&json!("Deny"), &json!("*"), &json!("s3:PutObject"))
    );
    assert_eq!(once["Resource"], json!({"!Sub": "${AnchorBucket.Arn}/*"}));
    assert_eq!(once["Condition"], json!({"Null": {"s3:if-none-match": "true"}}));
}

#[test]
fn nothing_in_the_bucket_of_anchors_is_hidden_behind_a_delete_marker() {
    let template = Template::read();
    let policies = template.of_type("AWS::S3::BucketPolicy");
    let statements = policies["AnchorBucketPolicy"]["PolicyDocument"]["Statement"].as_array().unwrap();
    let hidden = statements.iter().find(|statement| statement["Sid"] == "NoneHidden").unwrap();
    let expected = json!({
        "Sid": "NoneHidden", "Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject",
        "Resource": {"!Sub": "${AnchorBucket.Arn}/*"},
    });
    assert_eq!(hidden, &expected);
}

#[test]
fn whoever_anchors_may_put_and_read_anchors_and_nobody_may_do_more() {
    let template = Template::read();
    let mut allowed = BTreeSet::new();
    for function in template.of_type(FUNCTION).into_keys() {
        for statement in template.allowed(&template.role_of(function)) {
            if statement.reaches("AnchorBucket") || statement.reaches("AnchorSigningKey") {
                allowed.extend(statement.actions().into_iter().map(|action| format!("{function} {action}")));
            }
        }
    }
    let expected = ["kms:GetPublicKey", "kms:Sign", "s3:GetObject", "s3:PutObject"];
    assert_eq!(allowed, expected.map(|action| format!("AnchorEvidence {action}")).into());
}
