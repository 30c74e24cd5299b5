//! What a call needs to be allowed, read off the call as it goes out.
//!
//! The services' own rules are from AWS's Service Authorization Reference and, for what a service does with a customer key
//! on the caller's behalf, from its documentation on encryption:
//! - DynamoDB asks KMS to decrypt the table's key with the caller's rights.
//! - S3 asks for a data key to write, decrypts to read, and decrypts the parts of a multipart upload.
//! - SQS asks the sender for both, and the reader to decrypt. Secrets Manager decrypts for the reader.
//! - Lambda decrypts a function's environment, polls its queue and writes its logs with the function's role.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use habeas::plan::Queue;
use serde_json::Value;

use crate::deployed::{
    REGION, SOURCE_KEY, bucket_arn, identity_arn, key_arn, log_group_arn, queue_arn, secret_arn, table_arn,
};
use crate::functions::Function;
use crate::roles::Need;

/// The stack's own key.
const DATA_KEY: &str = "DataKey";

impl Need {
    fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Vec::new() }
    }

    fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }

    /// Use of a key by a service, on the caller's behalf.
    fn key(action: &str, key: &str, service: &str) -> Self {
        Self::new(action, key_arn(key)).with("kms:ViaService", format!("{service}.{REGION}.amazonaws.com"))
    }
}

/// What a call needs. A call that is not known here fails the test that made it.
pub(crate) fn of(request: &HttpRequest) -> Vec<Need> {
    let (service, operation) = operation(request);
    match (service, operation) {
        ("dynamodb", operation) => dynamodb(operation, &json(request)),
        ("sqs", "SendMessageBatch") => send(&json(request)),
        // To a queue of a recipient, which is under a key of the controller's.
        ("sqs", "SendMessage") => {
            let url = string(&json(request)["QueueUrl"]);
            vec![
                Need::new("sqs:SendMessage", queue_arn(url.rsplit('/').next().unwrap_or_default())),
                Need::key("kms:GenerateDataKey", SOURCE_KEY, "sqs"),
                Need::key("kms:Decrypt", SOURCE_KEY, "sqs"),
            ]
        }
        ("sqs", "GetQueueUrl") => {
            vec![Need::new("sqs:GetQueueUrl", queue_arn(&string(&json(request)["QueueName"])))]
        }
        ("kms", operation) => vec![kms(operation, &json(request))],
        ("secretsmanager", "GetSecretValue") => secret(&string(&json(request)["SecretId"])),
        ("ses", "SendEmail") => {
            let from = string(&json(request)["FromEmailAddress"]);
            vec![Need::new("ses:SendEmail", identity_arn(&from)).with("ses:FromAddress", from)]
        }
        // A message to a phone number names no topic.
        ("sns", "Publish") => {
            vec![Need::new("sns:Publish", form(request, "TopicArn").unwrap_or_else(|| "*".to_owned()))]
        }
        // Under a key of S3's own, for which nobody is asked.
        ("s3", _) if bucket_and_key(request.uri()).0 == crate::World::ANCHORS => {
            s3(request).into_iter().filter(|need| !need.action.starts_with("kms:")).collect()
        }
        ("s3", _) => s3(request),
        _ => panic!("{service} {operation}: say here what it needs"),
    }
}

/// Service and operation. Those of S3 are told apart by [`s3`].
pub(crate) fn operation(request: &HttpRequest) -> (&'static str, &str) {
    const TARGETS: [(&str, &str); 4] = [
        ("DynamoDB_20120810", "dynamodb"),
        ("AmazonSQS", "sqs"),
        ("TrentService", "kms"),
        ("secretsmanager", "secretsmanager"),
    ];
    if let Some((target, operation)) = request.headers().get("x-amz-target").and_then(|target| target.split_once('.')) {
        let service = TARGETS.into_iter().find(|(name, _)| *name == target);
        return (service.unwrap_or_else(|| panic!("{target} is not known here")).1, operation);
    }
    if url_path(request.uri()) == "/v2/email/outbound-emails" {
        return ("ses", "SendEmail");
    }
    if request.headers().get("content-type") == Some("application/x-www-form-urlencoded") {
        assert_eq!(form(request, "Action").as_deref(), Some("Publish"), "no other call of SNS is known here");
        return ("sns", "Publish");
    }
    ("s3", "")
}

/// The stack's own secret is asked for by its ARN; those of databases are the controller's and may be named without one.
fn secret(id: &str) -> Vec<Need> {
    let is_ours = id.starts_with("arn:");
    let arn = if is_ours { id.to_owned() } else { format!("{}-AbCdEf", secret_arn(id)) };
    let key = if is_ours { DATA_KEY } else { SOURCE_KEY };
    vec![Need::new("secretsmanager:GetSecretValue", arn), Need::key("kms:Decrypt", key, "secretsmanager")]
}

fn dynamodb(operation: &str, body: &Value) -> Vec<Need> {
    let tables = |list: &Value| list.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut needs = Vec::new();
    let mut need = |action: &str, table: &str, index: Option<&str>| {
        let arn = table_arn(table);
        let arn = index.map_or(arn.clone(), |index| format!("{arn}/index/{index}"));
        needs.push(Need::new(format!("dynamodb:{action}"), arn));
        let key = if table == "ledger" { DATA_KEY } else { SOURCE_KEY };
        needs.push(Need::key("kms:Decrypt", key, "dynamodb"));
    };
    match operation {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "Scan" => {
            need(operation, &string(&body["TableName"]), body["IndexName"].as_str());
        }
        "BatchGetItem" | "BatchWriteItem" => {
            for table in tables(&body["RequestItems"]) {
                need(operation, &table, None);
            }
        }
        "TransactWriteItems" => {
            for item in body["TransactItems"].as_array().unwrap() {
                let (kind, write) = item.as_object().unwrap().iter().next().unwrap();
                let action = if kind == "ConditionCheck" { "ConditionCheckItem" } else { &format!("{kind}Item") };
                need(action, &string(&write["TableName"]), None);
            }
        }
        "DescribeContinuousBackups" | "DescribeTable" => {
            // Of the table itself, which tells nothing that is encrypted.
            needs.push(Need::new(format!("dynamodb:{operation}"), table_arn(&string(&body["TableName"]))));
        }
        other => panic!("dynamodb {other}: say here what it needs"),
    }
    needs
}

fn send(body: &Value) -> Vec<Need> {
    let url = string(&body["QueueUrl"]);
    let queue = url.rsplit('/').next().unwrap_or_default();
    vec![
        Need::new("sqs:SendMessage", queue_arn(queue)),
        Need::key("kms:GenerateDataKey", DATA_KEY, "sqs"),
        Need::key("kms:Decrypt", DATA_KEY, "sqs"),
    ]
}

fn kms(operation: &str, body: &Value) -> Need {
    let context = body["EncryptionContext"].as_object().into_iter().flatten();
    context.fold(Need::new(format!("kms:{operation}"), string(&body["KeyId"])), |need, (key, value)| {
        need.with(format!("kms:EncryptionContext:{key}"), string(value))
    })
}

fn s3(request: &HttpRequest) -> Vec<Need> {
    let (bucket, key) = bucket_and_key(request.uri());
    let object = |bucket: &str, key: &str| format!("{}/{key}", bucket_arn(bucket));
    let read = |bucket: &str, key: &str| {
        [Need::new("s3:GetObject", object(bucket, key)), Need::key("kms:Decrypt", key_of(bucket), "s3")]
    };
    let put = || Need::new("s3:PutObject", object(&bucket, &key));
    let data_key = || Need::key("kms:GenerateDataKey", key_of(&bucket), "s3");
    let decrypt = || Need::key("kms:Decrypt", key_of(&bucket), "s3");
    let query = request.uri().split_once('?').map_or("", |(_, query)| query);
    let asks = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    let get = if asks("versionId") { "s3:GetObjectVersion" } else { "s3:GetObject" };
    // What is written with tags, or under a lock, asks for more than the right to write.
    let settings = || {
        let of = [
            ("x-amz-tagging", "s3:PutObjectTagging"),
            ("x-amz-object-lock-mode", "s3:PutObjectRetention"),
            ("x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold"),
        ];
        let given = of.into_iter().filter(|(header, _)| request.headers().get(*header).is_some());
        given.map(|(_, action)| Need::new(action, object(&bucket, &key))).collect::<Vec<_>>()
    };
    match (request.method(), key.is_empty()) {
        ("GET", true) if asks("versions") => vec![Need::new("s3:ListBucketVersions", bucket_arn(&bucket))],
        ("GET", true) if asks("versioning") => vec![Need::new("s3:GetBucketVersioning", bucket_arn(&bucket))],
        ("GET", true) if asks("object-lock") => {
            vec![Need::new("s3:GetBucketObjectLockConfiguration", bucket_arn(&bucket))]
        }
        ("GET", false) if asks("legal-hold") => vec![Need::new("s3:GetObjectLegalHold", object(&bucket, &key))],
        ("GET", false) if asks("retention") => vec![Need::new("s3:GetObjectRetention", object(&bucket, &key))],
        ("GET", true) if asks("list-type") => vec![Need::new("s3:ListBucket", bucket_arn(&bucket))],
        ("POST", true) if asks("delete") => {
            deletions(request).map(|deletion| Need::new(deletion.action(), object(&bucket, &deletion.key))).collect()
        }
        ("GET", false) if asks("tagging") => {
            let action = if asks("versionId") { "s3:GetObjectVersionTagging" } else { "s3:GetObjectTagging" };
            vec![Need::new(action, object(&bucket, &key))]
        }
        ("HEAD", false) => vec![Need::new(get, object(&bucket, &key))],
        ("PUT", false) if asks("partNumber") => {
            let mut needs = vec![put(), decrypt()];
            if let Some(source) = request.headers().get("x-amz-copy-source") {
                let (source, is_version) = match source.split_once("?versionId=") {
                    Some((source, _)) => (source, true),
                    None => (source, false),
                };
                let source = percent_decoded(source);
                let (from, from_key) = source.trim_start_matches('/').split_once('/').unwrap();
                let action = if is_version { "s3:GetObjectVersion" } else { "s3:GetObject" };
                needs.extend([Need::new(action, object(from, from_key)), Need::key("kms:Decrypt", key_of(from), "s3")]);
            }
            needs
        }
        ("PUT", false) => match request.headers().get("x-amz-copy-source") {
            None => [vec![put(), data_key()], settings()].concat(),
            Some(source) => {
                let source = percent_decoded(source);
                let (from, from_key) = source.trim_start_matches('/').split_once('/').unwrap();
                let mut needs = Vec::from(read(from, from_key));
                needs.extend([put(), data_key()]);
                if request.headers().get("x-amz-tagging-directive") != Some("REPLACE") {
                    needs.push(Need::new("s3:GetObjectTagging", object(from, from_key)));
                    needs.push(Need::new("s3:PutObjectTagging", object(&bucket, &key)));
                }
                needs
            }
        },
        ("GET", false) if asks("uploadId") => vec![Need::new("s3:ListMultipartUploadParts", object(&bucket, &key))],
        ("DELETE", false) if asks("uploadId") => vec![Need::new("s3:AbortMultipartUpload", object(&bucket, &key))],
        ("GET", false) => vec![Need::new(get, object(&bucket, &key)), decrypt()],
        ("POST", false) if asks("uploads") => [vec![put(), data_key()], settings()].concat(),
        ("POST", false) if asks("uploadId") => vec![put(), decrypt()],
        (method, _) => panic!("s3 {method} {}: say here what it needs", request.uri()),
    }
}

fn key_of(bucket: &str) -> &'static str {
    if ["packagebucket", "policybucket"].contains(&bucket) { DATA_KEY } else { SOURCE_KEY }
}

/// An object that a `DeleteObjects` names.
pub(crate) struct Deletion {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
}

impl Deletion {
    fn action(&self) -> &'static str {
        if self.version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" }
    }
}

/// What a `DeleteObjects` names; none for any other call.
pub(crate) fn deletions(request: &HttpRequest) -> impl Iterator<Item = Deletion> {
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let element = |object: &str, name: &str| {
        let (_, rest) = object.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0.to_owned())
    };
    let objects: Vec<Deletion> = body
        .split("<Object>")
        .skip(1)
        .map(|object| Deletion { key: element(object, "Key").unwrap(), version: element(object, "VersionId") })
        .collect();
    objects.into_iter()
}

/// What Lambda needs to start a function: its variables are encrypted, and its log stream is new.
pub(crate) fn start(function: Function) -> [Need; 2] {
    [Need::key("kms:Decrypt", DATA_KEY, "lambda"), Need::new("logs:CreateLogStream", log_stream(function))]
}

/// What Lambda needs to write down what a function logged.
pub(crate) fn log(function: Function) -> Need {
    Need::new("logs:PutLogEvents", log_stream(function))
}

fn log_stream(function: Function) -> String {
    format!("{}:log-stream:1", log_group_arn(&format!("{function}Logs")))
}

/// What Lambda needs to take a message off a function's queue.
pub(crate) fn receive(queue: Queue) -> [Need; 3] {
    [
        Need::new("sqs:GetQueueAttributes", queue_arn(&queue_id(queue))),
        Need::new("sqs:ReceiveMessage", queue_arn(&queue_id(queue))),
        Need::key("kms:Decrypt", DATA_KEY, "sqs"),
    ]
}

/// What Lambda needs to delete a message that its function is done with.
pub(crate) fn delete(queue: Queue) -> Need {
    Need::new("sqs:DeleteMessage", queue_arn(&queue_id(queue)))
}

/// A queue's name in the template.
fn queue_id(queue: Queue) -> String {
    format!("{queue:?}Queue")
}

/// Bucket and key of a URL with the bucket in its path; the key is empty if the bucket itself is meant.
pub(crate) fn bucket_and_key(url: &str) -> (String, String) {
    let path = percent_decoded(url_path(url));
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    (bucket.to_owned(), key.to_owned())
}

fn url_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.find('/').map_or("", |start| &rest[start..]);
    rest.split('?').next().unwrap_or_default()
}

/// A field of a form.
pub(crate) fn form(request: &HttpRequest, name: &str) -> Option<String> {
    let body = std::str::from_utf8(request.body().bytes()?).ok()?;
    let (_, value) = body.split('&').filter_map(|field| field.split_once('=')).find(|(field, _)| *field == name)?;
    Some(percent_decoded(&value.replace('+', " ")))
}

pub(crate) fn json(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body().bytes().unwrap()).unwrap()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).unwrap()
}
