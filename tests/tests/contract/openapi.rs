//! infra/openapi.yaml says what the template routes and what the code answers, no more and no less.

use std::collections::BTreeSet;

use habeas::connectors::Obstacle;
use habeas::dry_run::{DryRun, Outline, Rows, Split, Subject, Total, What, consequences};
use habeas::evidence::merkle::{Tree, TreeHash};
use habeas::evidence::{AnchorHead, AnchorSignature, Anchored};
use habeas::holds::{Held, PlannedHold};
use habeas::request::{Exemptions, Ground, Matter, Right};
use jiff::Timestamp;
use serde_json::Value;

use habeas_e2e::described::{assert_described, contract};
use habeas_e2e::template::Template;
use habeas_e2e::yaml;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const URN: &str = "urn:habeas:problem:";

fn template_routes() -> BTreeSet<String> {
    let template = Template::read();
    let routes = template.of_type("AWS::ApiGatewayV2::Route");
    let keys: BTreeSet<String> = routes.values().map(|route| route["RouteKey"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys.len(), routes.len(), "a route is there twice: {keys:?}");
    keys
}

fn described_routes() -> BTreeSet<String> {
    let openapi = yaml::read("infra/openapi.yaml");
    let mut routes = BTreeSet::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if METHODS.contains(&method.as_str()) {
                routes.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    routes
}

/// What stands between quotes in a piece of source.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

/// The names in `ProblemKind::parts`: the first text of each arm.
fn given_problems() -> BTreeSet<String> {
    let source = yaml::text("shared/src/api/problem.rs");
    let (_, rest) = source.split_once("fn parts(self)").unwrap();
    let (body, _) = rest.split_once("\n}\n").unwrap();
    let arms: Vec<&str> = body.split("Self::").skip(1).collect();
    let names: BTreeSet<String> = arms.iter().map(|arm| quoted(arm).next().unwrap().to_owned()).collect();
    assert_eq!(names.len(), arms.len(), "two kinds share a name: {names:?}");
    names
}

fn problem_type() -> Value {
    yaml::read("infra/openapi.yaml")["components"]["schemas"]["Problem"]["properties"]["type"].clone()
}

fn described_problems() -> BTreeSet<String> {
    let kind = problem_type();
    let names = kind["enum"].as_array().unwrap().iter();
    names.map(|urn| urn.as_str().unwrap().strip_prefix(URN).unwrap().to_owned()).collect()
}

/// Names that the contract keeps for later, and says so: "`x` is reserved".
fn reserved_problems() -> BTreeSet<String> {
    let kind = problem_type();
    let description = kind["description"].as_str().unwrap_or_default();
    let sentences = description.split_inclusive('.');
    sentences
        .filter(|sentence| sentence.contains("reserved"))
        .flat_map(|sentence| sentence.split('`').skip(1).step_by(2))
        .map(ToOwned::to_owned)
        .collect()
}

/// Every text anywhere in a document.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_routes_of_the_template_are_the_routes_of_the_contract() {
    assert_eq!(template_routes(), described_routes());
}

#[test]
fn a_commitment_may_name_exactly_the_routes() {
    let source = yaml::text("shared/src/policy/check/references.rs");
    let (_, rest) = source.split_once("const ROUTES").unwrap();
    let (list, _) = rest.split_once("];").unwrap();
    let named: Vec<String> = quoted(list).map(ToOwned::to_owned).collect();
    let routes = template_routes();
    assert_eq!(named.len(), routes.len(), "{named:?}");
    assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), routes);
}

#[test]
fn the_problems_that_the_code_gives_are_those_of_the_contract() {
    let (given, reserved) = (given_problems(), reserved_problems());
    assert!(
        given.is_disjoint(&reserved),
        "given, though the contract calls it reserved: {:?}",
        given.intersection(&reserved)
    );
    assert_eq!(&given | &reserved, described_problems());
}

#[test]
fn some_answer_of_the_contract_explains_each_problem() {
    let openapi = yaml::read("infra/openapi.yaml");
    let mut answers = Vec::new();
    texts(&openapi["components"]["responses"], &mut answers);
    texts(&openapi["paths"], &mut answers);
    for name in given_problems() {
        let word = format!("`{name}`");
        assert!(answers.iter().any(|text| text.contains(&word)), "no answer names {word}");
    }
}

#[test]
fn answers_refer_only_to_what_the_contract_has() {
    let openapi = yaml::read("infra/openapi.yaml");
    let mut found = Vec::new();
    texts(&openapi, &mut found);
    let references: Vec<&String> = found.iter().filter(|text| text.starts_with("#/")).collect();
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        assert!(openapi.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn anchors_are_as_the_contract_describes_them() {
    let openapi = contract();
    let (hash, tree) = (TreeHash::leaf(b"a"), Tree::new(vec![TreeHash::leaf(b"a"), TreeHash::leaf(b"b")]));
    let signature = AnchorSignature {
        algorithm: "ECDSA_P256_SHA256".to_owned(),
        signature: "MEUCIQ==".to_owned(),
        key_sha256: hash.to_string(),
        public_key: "-----BEGIN PUBLIC KEY-----".to_owned(),
    };
    let anchored = Anchored {
        request_id: "4f1c0a9be27d4a6c8f35d20b7e91c648".parse().unwrap(),
        events: 7,
        index: 1,
        path: tree.path(1).unwrap(),
        anchor: AnchorHead::after(11, hash, &tree, Timestamp::UNIX_EPOCH),
        signature,
    };
    let described = &openapi["components"]["schemas"]["Anchored"];
    assert_described(described, &serde_json::to_value(anchored).unwrap(), "anchored");
}

#[test]
fn consequences_are_as_the_contract_describes_them_and_say_why_something_is_kept() {
    let openapi = contract();
    let schema = &openapi["components"]["schemas"]["Consequence"];
    for name in ["yallo", "yuncan"] {
        let policy = habeas::policy::load::load(&yaml::path("policies").join(name)).unwrap();
        for language in ["en", "zh-Hans"] {
            let first = policy.collections().next().unwrap().to_owned();
            let ground = Ground { ground: "no longer listed".to_owned(), source: "5(7)".to_owned() };
            let left_out = Exemptions::from([(first, ground)]);
            let matter = Matter::Right(Right::AccountCancellation);
            let shown = consequences(&policy, matter, &left_out, language).unwrap();
            assert!(shown.len() > 20, "{name}: {}", shown.len());
            for consequence in &shown {
                let kept = consequence.outcomes.iter().filter(|fate| fate.what == What::Retained);
                assert!(kept.clone().all(|fate| fate.basis.is_some() && !fate.irreversible), "{consequence:?}");
                assert_described(schema, &serde_json::to_value(consequence).unwrap(), "consequence");
            }
            assert!(shown.iter().any(|it| it.outcomes.iter().any(|fate| fate.what == What::Retained)), "{name}");
        }
    }
}

#[test]
fn plans_are_as_the_contract_describes_them() {
    let openapi = contract();
    let policy = habeas::policy::load::load(&yaml::path("policies/yallo")).unwrap();
    let schema = &openapi["components"]["schemas"]["Plan"];
    for right in [Right::Access, Right::Erasure, Right::AccountCancellation] {
        let mut outline = Outline::of(&policy, Matter::Right(right), true).unwrap();
        for step in &mut outline.steps {
            let split = Split { retained_until: Some(Timestamp::UNIX_EPOCH), ..Split::default() };
            step.rows = Some(Rows { split: Some(split), ..Rows::exactly(1) });
        }
        let field = Some("user_id".to_owned());
        let obstacle =
            Obstacle { refuses: true, collection: "yallo_app.posts".to_owned(), field, message: "a key".to_owned() };
        let subject = Subject { collection: "yallo_app.users".to_owned(), rows: Some(1) };
        let total = Total { exported: 1, erased: 1, anonymised: 1, retained: 1, moved: 1, left: 1, is_exact: true };
        let at = Timestamp::UNIX_EPOCH;
        let held = Held { hold: "ab".repeat(16).parse().unwrap(), basis: "a case".to_owned(), until: at };
        let holds = vec![PlannedHold { held, collection: Some("yallo_app.posts".to_owned()), waits: true }];
        let plan = DryRun { outline, at, subject, begins: false, holds, obstacles: vec![obstacle], total };
        assert_described(schema, &serde_json::to_value(plan).unwrap(), "plan");
    }
    let example = &openapi["paths"]["/v1/plans"]["post"]["responses"]["200"]["content"]["application/json"]["example"];
    assert_described(schema, example, "example");
}
