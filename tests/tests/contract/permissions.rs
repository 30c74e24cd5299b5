//! What a policy asks a deployment to allow.

use std::collections::BTreeMap;

use habeas::policy::Pinned;
use habeas::policy::load::load;
use habeas::policy::permissions::parameters;

use habeas_e2e::template::Template;
use habeas_e2e::yaml;

/// The small policy without its pictures, all of it in one database.
fn in_a_database(secret: &str) -> Pinned {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("datasets")).unwrap();
    std::fs::copy(yaml::path("tests/policy/datasets/app.yaml"), folder.path().join("datasets/app.yaml")).unwrap();
    let policy = yaml::text("tests/policy/policy.yaml").replace(", small_files.pictures.key", "");
    let lines = policy.lines().filter(|line| !line.contains("small_files.pictures"));
    let policy: String = lines.flat_map(|line| [line, "\n"]).collect();
    let (before, rest) = policy.split_once("\nsystems:\n").unwrap();
    let (_, after) = rest.split_once("\npurposes:\n").unwrap();
    let system = format!("{{id: app, kind: postgresql, dataset: small_app, secret: \"{secret}\"}}");
    let policy = format!("{before}\nsystems: [{system}]\npurposes:\n{after}");
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    load(folder.path()).unwrap_or_else(|error| unreachable!("{error}"))
}

fn asked(policy: &Pinned) -> BTreeMap<String, String> {
    parameters(policy, "aws-cn", "cn-north-1", "123456789012")
}

#[test]
fn what_a_policy_asks_for_is_a_parameter_of_the_template() {
    let template = Template::read();
    let mut policies: Vec<Pinned> = ["policies/yallo", "policies/yuncan", "tests/policy", "tests/policy-database"]
        .map(|folder| load(&yaml::path(folder)).unwrap())
        .into();
    policies.push(in_a_database("habeas/small"));
    for policy in policies {
        for parameter in asked(&policy).keys() {
            assert!(template.parameters().contains(parameter.as_str()), "{parameter}");
        }
    }
}

#[test]
fn a_database_is_reached_by_its_secret_and_by_nothing_else() {
    // As Secrets Manager names it: after the name come a hyphen and six characters.
    let by_name = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:habeas/small-??????";
    let elsewhere = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:habeas/small-a1B2c3";
    for (secret, arn) in [("habeas/small", by_name), (elsewhere, elsewhere)] {
        let mut asked = asked(&in_a_database(secret));
        assert_eq!(asked.remove("PolicyDigest").map(|digest| digest.len()), Some(64));
        assert_eq!(asked.remove("CapturesKeys").as_deref(), Some("false"));
        let queue = "arn:aws-cn:sqs:cn-north-1:123456789012:small-courier";
        assert_eq!(asked.remove("RecipientQueueArns").as_deref(), Some(queue));
        let granted: BTreeMap<String, String> = asked.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let app = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:small/app-??????";
        let expected =
            [("AppSecretArns", app), ("CheckSecretArns", arn), ("DataSecretArns", arn), ("SubjectSecretArns", arn)];
        assert_eq!(granted, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}

#[test]
fn keys_are_kept_where_a_policy_leads_from_one_system_to_another() {
    for (folder, captures) in [("policies/yallo", "false"), ("tests/policy-database", "true")] {
        assert_eq!(asked(&load(&yaml::path(folder)).unwrap())["CapturesKeys"], captures, "{folder}");
    }
}

#[test]
fn a_policy_in_tables_and_objects_asks_for_no_secret() {
    let asked = asked(&load(&yaml::path("policies/yallo")).unwrap());
    assert_eq!((asked["DataSecretArns"].as_str(), asked["SubjectSecretArns"].as_str()), ("", ""));
    assert!(!asked["SubjectTableArn"].is_empty() && !asked["DataTableArns"].is_empty());
}
