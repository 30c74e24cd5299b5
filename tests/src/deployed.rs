//! The template as an account gets it: parameters given, conditions decided, every reference worked out to a name, a URL
//! or an ARN. Only what roles and environments use is understood; anything else fails the test that asks for it.

use std::collections::BTreeMap;

use habeas::policy::Pinned;
use habeas::policy::permissions::parameters;
use serde_json::Value;

use crate::sign_in::SignIns;
use crate::template::{Template, alternatives};

const PARTITION: &str = "aws";
pub(crate) const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";
const STACK: &str = "habeas";

/// The controller's key for its own tables and buckets, which no resource of the template is.
pub(crate) const SOURCE_KEY: &str = "source";

/// A stack.
pub struct Deployed {
    pub template: Template,
    parameters: BTreeMap<String, String>,
}

impl Deployed {
    /// A stack for a policy at a stage, with text messages switched on, a customer key for the policy's tables and buckets,
    /// and what databases need: so that every statement of every role is there.
    pub fn new(policy: &Pinned, stage: &str) -> Self {
        let mut given = parameters(policy, PARTITION, REGION, ACCOUNT);
        given.extend(
            [
                ("Stage", stage.to_owned()),
                ("OidcIssuer", SignIns::ISSUER.to_owned()),
                ("OidcAudience", SignIns::AUDIENCE.to_owned()),
                ("OperatorClaim", "groups".to_owned()),
                ("OperatorValue", "operators".to_owned()),
                ("EmailFrom", "privacy@small.example".to_owned()),
                ("EmailIdentityArn", identity_arn("privacy@small.example")),
                ("SmsEnabled", "true".to_owned()),
                ("DataKeyArns", key_arn(SOURCE_KEY)),
                ("SubjectDatabaseUserArns", database_user_arn("subjects")),
                ("DataDatabaseUserArns", database_user_arn("data")),
                ("CheckDatabaseUserArns", database_user_arn("checks")),
                ("VpcSubnetIds", "subnet-0".to_owned()),
                ("VpcSecurityGroupIds", "sg-0".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let secrets = [
            ("SubjectSecretArns", "subjects"),
            ("DataSecretArns", "data"),
            ("RecipientSecretArns", "recipients"),
            ("CheckSecretArns", "checks"),
            ("AppSecretArns", "app"),
        ];
        for (name, secret) in secrets {
            if let Some(arns) = given.get_mut(name).filter(|arns| arns.is_empty()) {
                *arns = secret_arn(secret);
            }
        }
        let template = Template::read();
        for name in given.keys() {
            assert!(template.parameters().contains(name.as_str()), "the template has no parameter {name}");
        }
        let value = |name: &str| given.get(name).cloned().unwrap_or_else(|| text(&template.parameter(name)["Default"]));
        let parameters = template.parameters().into_iter().map(|name| (name.to_owned(), value(name))).collect();
        Self { template, parameters }
    }

    /// What a function finds in its environment.
    pub fn environment(&self, function: &str) -> BTreeMap<String, String> {
        let variables = self.template.environment(function);
        variables.into_iter().map(|(name, value)| (name, self.texts(&value).concat())).collect()
    }

    /// Whether all these conditions hold; each is a name of the template, or `not` and a name.
    pub(crate) fn hold(&self, conditions: &[String]) -> bool {
        conditions.iter().all(|condition| match condition.strip_prefix("not ") {
            Some(name) => !self.is_true(self.template.condition(name)),
            None => self.is_true(self.template.condition(condition)),
        })
    }

    fn is_true(&self, expression: &Value) -> bool {
        let (function, argument) = only_entry(expression);
        match function {
            "!Equals" => self.texts(&argument[0]) == self.texts(&argument[1]),
            "!Not" => !self.is_true(&argument[0]),
            "!And" => argument.as_array().unwrap().iter().all(|part| self.is_true(part)),
            "!Or" => argument.as_array().unwrap().iter().any(|part| self.is_true(part)),
            "!Condition" => self.is_true(self.template.condition(&text(argument))),
            other => panic!("{other} in a condition is not understood: {expression}"),
        }
    }

    /// The arm of an `!If` that counts, or the value itself; none if that is `AWS::NoValue`.
    pub(crate) fn chosen(&self, value: &Value) -> Option<Value> {
        let mut arms = alternatives(value).into_iter().filter(|(conditions, _)| self.hold(conditions));
        let chosen = arms.next().map(|(_, value)| value);
        assert!(arms.next().is_none(), "one arm counts: {value}");
        chosen
    }

    /// A value as texts: several only if a list is referred to.
    pub(crate) fn texts(&self, value: &Value) -> Vec<String> {
        if !value.is_object() {
            return vec![text(value)];
        }
        let (function, argument) = only_entry(value);
        match function {
            "!Ref" => self.reference(&text(argument)),
            "!GetAtt" => vec![self.attribute(&text(argument))],
            "!Sub" => vec![self.substituted(&text(argument))],
            "!If" => self.chosen(value).map_or_else(Vec::new, |value| self.texts(&value)),
            "!Select" => {
                let position: usize = text(&argument[0]).parse().unwrap();
                vec![self.texts(&argument[1]).get(position).cloned().unwrap_or_default()]
            }
            other => panic!("{other} is not understood: {value}"),
        }
    }

    fn reference(&self, name: &str) -> Vec<String> {
        if let Some(value) = self.parameters.get(name) {
            let is_list = self.template.parameter(name)["Type"] == "CommaDelimitedList";
            return if is_list { value.split(',').map(ToOwned::to_owned).collect() } else { vec![value.clone()] };
        }
        vec![match (name, self.template.type_of(name)) {
            ("AWS::Partition", _) => PARTITION.to_owned(),
            ("AWS::Region", _) => REGION.to_owned(),
            ("AWS::AccountId", _) => ACCOUNT.to_owned(),
            ("AWS::StackName", _) => STACK.to_owned(),
            (_, Some("AWS::DynamoDB::Table" | "AWS::S3::Bucket")) => physical(name),
            (_, Some("AWS::SQS::Queue")) => format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"),
            (_, kind) => panic!("!Ref {name}, of type {kind:?}, is not understood"),
        }]
    }

    fn attribute(&self, path: &str) -> String {
        let (id, attribute) = path.rsplit_once('.').unwrap();
        match (self.template.type_of(id), attribute) {
            (Some("AWS::DynamoDB::Table"), "Arn") => table_arn(&physical(id)),
            (Some("AWS::S3::Bucket"), "Arn") => bucket_arn(&physical(id)),
            (Some("AWS::SQS::Queue"), "Arn") => queue_arn(id),
            (Some("AWS::KMS::Key"), "Arn") => key_arn(id),
            (Some("AWS::SecretsManager::Secret"), "Id") => secret_arn(id),
            (Some("AWS::ApiGatewayV2::Api"), "ApiEndpoint") => "https://api.example".to_owned(),
            (Some("AWS::Logs::LogGroup"), "Arn") => format!("{}:*", log_group_arn(id)),
            (kind, _) => panic!("!GetAtt {path}, of type {kind:?}, is not understood"),
        }
    }

    fn substituted(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let is_attribute = name.contains('.');
            whole.push_str(&if is_attribute { self.attribute(name) } else { self.reference(name).concat() });
            whole.push_str(rest);
        }
        whole
    }
}

fn only_entry(value: &Value) -> (&str, &Value) {
    let entries: Vec<_> = value.as_object().into_iter().flatten().collect();
    let [(function, argument)] = entries.as_slice() else { panic!("one function is expected: {value}") };
    (function, argument)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => panic!("a text is expected: {other}"),
    }
}

/// The name that a table or bucket of the template gets.
fn physical(id: &str) -> String {
    id.to_lowercase()
}

pub(crate) fn table_arn(name: &str) -> String {
    format!("arn:{PARTITION}:dynamodb:{REGION}:{ACCOUNT}:table/{name}")
}

pub(crate) fn bucket_arn(name: &str) -> String {
    format!("arn:{PARTITION}:s3:::{name}")
}

pub(crate) fn queue_arn(id: &str) -> String {
    format!("arn:{PARTITION}:sqs:{REGION}:{ACCOUNT}:{id}")
}

pub(crate) fn key_arn(id: &str) -> String {
    format!("arn:{PARTITION}:kms:{REGION}:{ACCOUNT}:key/{id}")
}

pub(crate) fn secret_arn(name: &str) -> String {
    format!("arn:{PARTITION}:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}")
}

fn database_user_arn(name: &str) -> String {
    format!("arn:{PARTITION}:rds-db:{REGION}:{ACCOUNT}:dbuser:*/{name}")
}

pub(crate) fn log_group_arn(id: &str) -> String {
    format!("arn:{PARTITION}:logs:{REGION}:{ACCOUNT}:log-group:{id}")
}

pub(crate) fn identity_arn(address: &str) -> String {
    format!("arn:{PARTITION}:ses:{REGION}:{ACCOUNT}:identity/{address}")
}
