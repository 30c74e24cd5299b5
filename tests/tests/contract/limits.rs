//! Limits of the template that follow from limits elsewhere.

use std::collections::BTreeSet;

use habeas::holds::LONGEST;
use habeas_e2e::template::Template;
use habeas_e2e::yaml;

/// The latest re-check that the policy's check allows, in days after the end.
const LAST_RECHECK_DAYS: i64 = 90;

#[test]
fn captured_keys_outlive_the_longest_hold_and_the_last_re_check_after_it() {
    let template = Template::read();
    let bucket = template.of_type("AWS::S3::Bucket")["PackageBucket"];
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let keys = rules.iter().find(|rule| rule["Prefix"] == "keys/").unwrap();
    let days = keys["ExpirationInDays"].as_i64().unwrap();
    assert!(days > LONGEST.as_hours() / 24 + LAST_RECHECK_DAYS, "{days}");
}

#[test]
fn every_route_of_operators_has_limits_of_its_own() {
    let openapi = yaml::read("infra/openapi.yaml");
    let mut expected = BTreeSet::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        let of_operators = |operation: &serde_json::Value| {
            operation["tags"].as_array().is_some_and(|tags| tags.contains(&"operators".into()))
        };
        let methods = item.as_object().unwrap().iter().filter(|(_, operation)| of_operators(operation));
        expected.extend(methods.map(|(method, _)| format!("{} {path}", method.to_uppercase())));
    }
    assert!(expected.len() > 5, "{expected:?}");
    let template = Template::read();
    let stage = template.of_type("AWS::ApiGatewayV2::Stage")["ApiStage"];
    let settings = stage["RouteSettings"].as_object().unwrap();
    assert_eq!(settings.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (route, limits) in settings {
        let within = |name: &str, most: u64| limits[name].as_u64().is_some_and(|limit| (1..=most).contains(&limit));
        assert!(within("ThrottlingBurstLimit", 10) && within("ThrottlingRateLimit", 5), "{route}: {limits}");
    }
    // A stage that comes before its route cannot name it.
    let routes = template.of_type("AWS::ApiGatewayV2::Route");
    let is_limited = |route: &serde_json::Value| expected.contains(route["RouteKey"].as_str().unwrap());
    let limited: BTreeSet<&str> = routes.iter().filter(|(_, route)| is_limited(route)).map(|(id, _)| *id).collect();
    let awaited = &yaml::read("template.yaml")["Resources"]["ApiStage"]["DependsOn"];
    let awaited: BTreeSet<&str> = awaited.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(awaited, limited);
}
