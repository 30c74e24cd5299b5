//! What each function may do and what it is told fit each other. Read from template.yaml alone; whether a right is also
//! enough, and used, is seen on the running stack.

use std::collections::{BTreeMap, BTreeSet};

use habeas_e2e::template::{FUNCTION, Granted, Statement, Template, attribute_of};
use serde_json::{Value, json};

fn functions(template: &Template) -> BTreeSet<String> {
    template.of_type(FUNCTION).into_keys().map(ToOwned::to_owned).collect()
}

/// What Lambda does in a role's name to put a function into a VPC.
const INTERFACES: [&str; 6] = [
    "AssignPrivateIpAddresses",
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "UnassignPrivateIpAddresses",
];

/// Functions with a variable must be exactly those whose role reaches what it names.
fn told_and_allowed(variable: &str, resource: &str) {
    let template = Template::read();
    let mut told = BTreeSet::new();
    let mut allowed = BTreeSet::new();
    for function in functions(&template) {
        if template.environment(&function).contains_key(variable) {
            told.insert(function.clone());
        }
        let statements = template.allowed(&template.role_of(&function));
        if statements.iter().any(|statement| statement.reaches(resource)) {
            allowed.insert(function);
        }
    }
    assert!(!told.is_empty(), "nobody has {variable}");
    assert_eq!(told, allowed, "left: has {variable}; right: may use {resource}");
}

#[test]
fn no_role_allows_an_action_by_pattern() {
    let template = Template::read();
    for role in template.of_type("AWS::IAM::Role").into_keys() {
        for statement in template.allowed(role) {
            assert!(statement.body.get("NotAction").is_none(), "{role}: {}", statement.body);
            assert!(statement.body.get("NotResource").is_none(), "{role}: {}", statement.body);
            let actions = statement.actions();
            assert!(!actions.is_empty(), "{role}: {}", statement.body);
            for action in actions {
                assert!(!action.contains(['*', '?']), "{role} allows {action}");
                assert!(action.contains(':'), "{role} allows {action}");
            }
        }
    }
}

/// What the emulator asks for beyond AWS is allowed to it alone; on AWS a role allows what it says.
#[test]
fn an_action_under_a_condition_is_for_the_emulator() {
    let template = Template::read();
    let mut seen = 0;
    for role in template.of_type("AWS::IAM::Role").into_keys() {
        for (only_if, action) in template.allowed(role).iter().flat_map(Statement::actions_with_conditions) {
            if !only_if.is_empty() {
                assert_eq!(only_if, ["IsLocal"], "{role}: {action}");
                seen += 1;
            }
        }
    }
    assert!(seen > 0, "nothing is conditional any more: this test can go");
}

#[test]
fn only_messages_to_people_and_the_way_into_the_vpc_are_allowed_on_every_resource() {
    let template = Template::read();
    let mut everywhere = BTreeSet::new();
    for role in template.of_type("AWS::IAM::Role").into_keys() {
        for statement in template.allowed(role) {
            assert!(!statement.resources().is_empty(), "{role}: {}", statement.body);
            for granted in statement.resources() {
                if granted.resource == "*" {
                    let conditions = granted.only_if.join(", ");
                    for action in statement.actions() {
                        everywhere.insert(format!("{role}: {action} if {conditions}"));
                    }
                }
            }
        }
    }
    let messages = [
        "NotifyRole: ses:SendEmail if IsLocal",
        "NotifyRole: sns:Publish if SendsSms",
        "TellRecipientsRole: ses:SendEmail if IsLocal",
        "VerifyIdentityRole: ses:SendEmail if IsLocal",
        "VerifyIdentityRole: sns:Publish if SendsSms",
    ];
    let mut expected: BTreeSet<String> = messages.map(ToOwned::to_owned).into();
    for function in functions(&template) {
        if let Some(conditions) = template.in_vpc_if(&function) {
            let allowed = |action| format!("{function}Role: ec2:{action} if {}", conditions.join(", "));
            expected.extend(INTERFACES.map(allowed));
        }
    }
    assert_eq!(everywhere, expected);
}

#[test]
fn a_pattern_of_resources_stays_inside_a_resource_of_the_stack() {
    let template = Template::read();
    let mut patterns = BTreeSet::new();
    for role in template.of_type("AWS::IAM::Role").into_keys() {
        for granted in template.allowed(role).iter().flat_map(Statement::resources) {
            let text = granted.resource.to_string();
            if granted.resource != "*" && text.contains('*') {
                patterns.insert(granted.resource["!Sub"].as_str().unwrap_or(&text).to_owned());
            }
        }
    }
    let expected = [
        "${AnchorBucket.Arn}/anchors/*",
        "${PackageBucket.Arn}/requests/*",
        "${PackageBucket.Arn}/keys/*",
        "${PolicyBucket.Arn}/policies/*",
    ];
    assert_eq!(patterns, expected.map(ToOwned::to_owned).into());
}

#[test]
fn whoever_may_send_text_messages_may_publish_to_no_topic() {
    let template = Template::read();
    for function in functions(&template) {
        let statements = template.statements(&template.role_of(&function));
        let publishes = |effect: &'static str| {
            let about = statements.iter().filter(move |statement| statement.body["Effect"] == effect);
            about.filter(|statement| statement.actions().contains("sns:Publish")).collect::<Vec<_>>()
        };
        let (allowed, denied) = (publishes("Allow"), publishes("Deny"));
        assert_eq!(allowed.len(), denied.len(), "{function}");
        for (allowed, denied) in allowed.iter().zip(denied) {
            assert_eq!(allowed.only_if, denied.only_if, "{function}");
            let topics = denied.body["Resource"]["!Sub"].as_str().unwrap_or_default();
            assert!(topics.ends_with(":sns:*:*:*"), "{function}: {topics}");
        }
    }
}

/// A statement whose resource is an empty text is refused by AWS.
#[test]
fn a_parameter_that_may_be_empty_is_a_resource_only_where_it_is_not() {
    let template = Template::read();
    let mut seen = 0;
    for role in template.of_type("AWS::IAM::Role").into_keys() {
        for granted in template.allowed(role).iter().flat_map(Statement::resources) {
            let parameter = &granted.resource;
            if parameter["!Ref"].as_str().is_some_and(|name| template.may_be_empty(name)) {
                let is_not_empty = |value: Value| json!({"!Not": [{"!Equals": [value, ""]}]});
                let guards = [is_not_empty(parameter.clone()), is_not_empty(json!({"!Select": [0, parameter]}))];
                let guarded = granted.only_if.iter().any(|name| guards.contains(template.condition(name)));
                assert!(guarded, "{role}: {parameter} if {:?}", granted.only_if);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_data_system_is_for_those_who_work_on_it() {
    let template = Template::read();
    let lookup = ["ManageHolds", "VerifyIdentity"].as_slice();
    let (confirm, tell) = (["CancelAccount"].as_slice(), ["CancelAccount", "Notify"].as_slice());
    let work = ["DeleteOrAnonymize", "ExportData", "PlanRequest", "ReplaySuppression", "RetentionSweep"].as_slice();
    let read_secret = ["secretsmanager:GetSecretValue"].as_slice();
    let sign_in = ["rds-db:connect"].as_slice();
    let expected = [
        ("SubjectTableArn", lookup, ["dynamodb:BatchGetItem", "dynamodb:Query"].as_slice()),
        ("SubjectSecretArns", lookup, read_secret),
        ("SubjectDatabaseUserArns", lookup, sign_in),
        ("CheckTableArns", confirm, ["dynamodb:BatchGetItem", "dynamodb:Query"].as_slice()),
        ("CheckSecretArns", confirm, read_secret),
        ("CheckDatabaseUserArns", confirm, sign_in),
        ("AppSecretArns", tell, read_secret),
        ("DataSecretArns", work, read_secret),
        ("DataDatabaseUserArns", work, sign_in),
        ("RecipientQueueArns", ["TellRecipients"].as_slice(), ["sqs:GetQueueUrl", "sqs:SendMessage"].as_slice()),
        ("RecipientSecretArns", ["TellRecipients"].as_slice(), read_secret),
    ];
    for (parameter, who, what) in expected {
        let (mut reached_by, mut actions) = (BTreeSet::new(), BTreeSet::new());
        for function in functions(&template) {
            for statement in template.allowed(&template.role_of(&function)) {
                if statement.reaches(parameter) {
                    actions.extend(statement.actions());
                    reached_by.insert(function.clone());
                }
            }
        }
        assert_eq!(reached_by, who.iter().map(ToString::to_string).collect(), "{parameter}");
        assert_eq!(actions, what.iter().map(ToString::to_string).collect(), "{parameter}");
    }
}

#[test]
fn whoever_reaches_databases_goes_into_the_vpc_and_its_code_may_not_touch_it() {
    let template = Template::read();
    let mut inside = 0;
    for (function, properties) in template.of_type(FUNCTION) {
        let statements = template.statements(&template.role_of(function));
        let reaches = |parameter| statements.iter().any(|statement| statement.reaches(parameter));
        let conditions = [
            ("DataSecretArns", "IsInVpc"),
            ("SubjectSecretArns", "LooksSubjectsUpInVpc"),
            ("CheckSecretArns", "ChecksInVpc"),
        ];
        let condition = conditions.into_iter().find(|(parameter, _)| reaches(parameter));
        let condition = condition.map(|(_, condition)| vec![condition.to_owned()]);
        assert_eq!(template.in_vpc_if(function), condition, "{function}");
        let about = |statement: &&Statement| statement.actions().iter().any(|action| action.starts_with("ec2:"));
        let found: Vec<&Statement> = statements.iter().filter(about).collect();
        let Some(condition) = condition else {
            assert!(found.is_empty(), "{function}");
            continue;
        };
        let [allowed, denied] = found.as_slice() else { unreachable!("{function} has {found:?}") };
        assert_eq!((&allowed.only_if, &denied.only_if), (&condition, &condition), "{function}");
        assert_eq!((&denied.body["Effect"], &denied.body["Action"]), (&json!("Deny"), &json!("ec2:*")), "{function}");
        let name = properties["FunctionName"]["!Sub"].as_str().unwrap_or_default();
        let source = &denied.body["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"]["!Sub"];
        assert!(source.as_str().is_some_and(|arn| arn.ends_with(&format!(":function:{name}"))), "{function}: {source}");
        inside += 1;
    }
    assert_eq!(inside, 8);
}

#[test]
fn every_function_has_its_own_role_and_nothing_beside_it() {
    let template = Template::read();
    let mut roles = BTreeSet::new();
    for (function, properties) in template.of_type(FUNCTION) {
        let role = template.role_of(function);
        assert_eq!(role, format!("{function}Role"));
        assert!(roles.insert(role), "{function} shares its role");
        assert!(properties.get("Policies").is_none(), "{function} has policies beside its role");
    }
    for (role, properties) in template.of_type("AWS::IAM::Role") {
        assert!(properties.get("ManagedPolicyArns").is_none(), "{role}");
    }
    // The other three are the schedules'.
    assert_eq!(template.of_type("AWS::IAM::Role").len(), roles.len() + 3);
}

#[test]
fn every_function_writes_to_its_own_log_group() {
    let template = Template::read();
    let groups = template.of_type("AWS::Logs::LogGroup");
    let mut taken = BTreeSet::new();
    for (function, properties) in template.of_type(FUNCTION) {
        let group = properties["LoggingConfig"]["LogGroup"]["!Ref"].as_str().unwrap_or_default();
        assert!(groups.contains_key(group), "{function} logs to {group:?}");
        assert!(taken.insert(group.to_owned()), "{function} shares {group}");
        for statement in template.allowed(&template.role_of(function)) {
            if statement.actions().iter().any(|action| action.starts_with("logs:")) {
                let resources: Vec<Option<String>> =
                    statement.resources().iter().map(|granted| attribute_of(&granted.resource, "Arn")).collect();
                assert_eq!(resources, [Some(group.to_owned())], "{function}");
                taken.insert(format!("{function} writes"));
            }
        }
        assert!(taken.contains(&format!("{function} writes")), "{function} may not log");
    }
}

#[test]
fn a_function_may_send_to_exactly_the_queues_it_is_told_of() {
    let template = Template::read();
    let queues = template.of_type("AWS::SQS::Queue");
    let mut senders = 0;
    for function in functions(&template) {
        let mut told = BTreeSet::new();
        for (variable, value) in template.environment(&function) {
            if let Some(kind) = variable.strip_suffix("_QUEUE_URL") {
                let queue = value["!Ref"].as_str().unwrap_or_default().to_owned();
                assert!(queues.contains_key(queue.as_str()), "{function} {variable}: {queue:?}");
                assert_eq!(queue.to_uppercase(), format!("{kind}QUEUE"), "{function} {variable}");
                told.insert(queue);
            }
        }
        let mut allowed = BTreeSet::new();
        for statement in template.allowed(&template.role_of(&function)) {
            let sends = |action: &String| action.starts_with("sqs:SendMessage");
            if statement.actions().iter().any(sends) {
                // Those of recipients are named by the policy.
                let ours = |granted: &Granted| granted.resource["!Ref"] != "RecipientQueueArns";
                for granted in statement.resources().into_iter().filter(ours) {
                    allowed.insert(attribute_of(&granted.resource, "Arn").unwrap());
                }
            }
        }
        assert_eq!(told, allowed, "{function}; left: environment; right: role");
        senders += usize::from(!told.is_empty());
    }
    assert!(senders > 0);
}

#[test]
fn a_function_may_take_from_exactly_the_queue_that_feeds_it() {
    let template = Template::read();
    let mut fed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values() {
        let function = mapping["FunctionName"]["!Ref"].as_str().unwrap().to_owned();
        let queue = attribute_of(&mapping["EventSourceArn"], "Arn").unwrap();
        fed.entry(function).or_default().insert(queue);
    }
    for function in functions(&template) {
        let mut allowed = BTreeSet::new();
        for statement in template.allowed(&template.role_of(&function)) {
            if statement.actions().contains("sqs:ReceiveMessage") {
                for granted in statement.resources() {
                    allowed.insert(attribute_of(&granted.resource, "Arn").unwrap());
                }
            }
        }
        assert_eq!(fed.remove(&function).unwrap_or_default(), allowed, "{function}");
    }
    assert!(fed.is_empty(), "no such function: {fed:?}");
}

/// A dry run writes nothing because it cannot.
#[test]
fn whoever_looks_for_erased_people_in_what_was_restored_changes_nothing_in_it() {
    const READS: [&str; 6] = ["BatchGet", "Decrypt", "Get", "List", "Query", "Scan"];
    let template = Template::read();
    let mut seen = 0;
    for statement in template.allowed(&template.role_of("ReplaySuppression")) {
        let of_data =
            |granted: &Granted| granted.resource["!Ref"].as_str().is_some_and(|name| name.starts_with("Data"));
        if statement.body["Sid"] == "SignInToDataDatabases" || !statement.resources().iter().any(of_data) {
            continue;
        }
        for action in statement.actions() {
            let (_, name) = action.split_once(':').unwrap();
            assert!(READS.iter().any(|verb| name.starts_with(verb)), "it may {action}");
            seen += 1;
        }
    }
    assert!(seen > 6, "{seen}");
}

#[test]
fn whoever_plans_for_operators_may_only_read() {
    const READS: [&str; 6] = ["BatchGet", "Decrypt", "Describe", "Get", "List", "Query"];
    // Its own log group, and the way into the VPC, which is Lambda's alone: other tests say so. What it may do in a
    // database, the database's own user says.
    const BESIDES: [&str; 3] = ["WriteLogs", "AttachToVpc", "SignInToDataDatabases"];
    let template = Template::read();
    let mut seen = 0;
    for statement in template.allowed(&template.role_of("PlanRequest")) {
        if BESIDES.contains(&statement.body["Sid"].as_str().unwrap()) {
            continue;
        }
        for action in statement.actions() {
            let (_, name) = action.split_once(':').unwrap();
            assert!(READS.iter().any(|verb| name.starts_with(verb)), "it may {action}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen}");
}

#[test]
fn the_identity_key_is_for_those_who_are_told_of_it() {
    told_and_allowed("IDENTITY_KEY", "IdentityKey");
}

#[test]
fn the_signing_key_is_for_those_who_are_told_of_it() {
    told_and_allowed("PACKAGE_SIGNING_KEY", "PackageSigningKey");
}

#[test]
fn the_key_of_anchors_is_for_those_who_are_told_of_it() {
    told_and_allowed("ANCHOR_SIGNING_KEY", "AnchorSigningKey");
}

#[test]
fn the_anchors_are_for_those_who_are_told_of_them() {
    told_and_allowed("ANCHOR_BUCKET", "AnchorBucket");
}

#[test]
fn the_digest_keys_are_for_those_who_are_told_of_them() {
    told_and_allowed("DIGEST_KEYS_SECRET", "DigestKeys");
}

#[test]
fn the_policies_are_for_those_who_are_told_of_them() {
    told_and_allowed("POLICY_BUCKET", "PolicyBucket");
}

#[test]
fn the_packages_are_for_those_who_are_told_of_them() {
    told_and_allowed("PACKAGE_BUCKET", "PackageBucket");
}

#[test]
fn the_ledger_is_for_those_who_are_told_of_it() {
    told_and_allowed("LEDGER_TABLE", "Ledger");
}

#[test]
fn a_variable_names_what_its_name_says() {
    let template = Template::read();
    let expected = [
        ("LEDGER_TABLE", serde_json::json!({"!Ref": "Ledger"})),
        ("POLICY_BUCKET", serde_json::json!({"!Ref": "PolicyBucket"})),
        ("PACKAGE_BUCKET", serde_json::json!({"!Ref": "PackageBucket"})),
        ("IDENTITY_KEY", serde_json::json!({"!GetAtt": "IdentityKey.Arn"})),
        ("ANCHOR_BUCKET", serde_json::json!({"!Ref": "AnchorBucket"})),
        ("ANCHOR_SIGNING_KEY", serde_json::json!({"!GetAtt": "AnchorSigningKey.Arn"})),
        ("PACKAGE_SIGNING_KEY", serde_json::json!({"!GetAtt": "PackageSigningKey.Arn"})),
        ("DIGEST_KEYS_SECRET", serde_json::json!({"!GetAtt": "DigestKeys.Id"})),
    ];
    for function in functions(&template) {
        let environment = template.environment(&function);
        for (variable, value) in &expected {
            if let Some(told) = environment.get(*variable) {
                assert_eq!(told, value, "{function} {variable}");
            }
        }
    }
}
