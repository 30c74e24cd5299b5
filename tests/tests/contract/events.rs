//! tests/events are what `cargo lambda invoke` is given: each is read here by the types that the functions read it by.

use std::collections::BTreeSet;

use aws_lambda_events::sqs::SqsEvent;
use habeas::steps::Message;
use lambda_http::request::LambdaRequest;
use serde_json::Value;

use habeas_e2e::template::Template;
use habeas_e2e::yaml;

const HTTP: [&str; 5] = ["decide-request", "get-request", "plan-request", "submit-request", "verify-identity-http"];
const QUEUE: [&str; 2] = ["poison", "step"];
const SCHEDULE: [&str; 3] = ["anchor", "sweep", "wake"];

fn event(name: &str) -> String {
    yaml::text(&format!("tests/events/{name}.json"))
}

fn json(name: &str) -> Value {
    serde_json::from_str(&event(name)).unwrap()
}

fn body(name: &str) -> String {
    let event: SqsEvent = serde_json::from_str(&event(name)).unwrap();
    let [record] = event.records.as_slice() else { unreachable!("{name}: one record") };
    assert!(record.message_id.as_ref().is_some_and(|id| !id.is_empty()), "{name}");
    assert_eq!(record.event_source.as_deref(), Some("aws:sqs"), "{name}");
    record.body.clone().unwrap()
}

#[test]
fn every_event_is_of_a_kind_that_is_tested_here() {
    let there: BTreeSet<String> = std::fs::read_dir(yaml::path("tests/events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let known = HTTP.iter().chain(&QUEUE).chain(&SCHEDULE);
    assert_eq!(there, known.map(|name| format!("{name}.json")).collect());
}

#[test]
fn calls_are_read_as_calls_of_a_route_of_the_template() {
    let template = Template::read();
    let routes = template.of_type("AWS::ApiGatewayV2::Route");
    for name in HTTP {
        let call: LambdaRequest = serde_json::from_str(&event(name)).unwrap();
        let LambdaRequest::ApiGatewayV2(gateway) = &call else { unreachable!("{name} is no call of an HTTP API") };
        assert_eq!(gateway.version.as_deref(), Some("2.0"), "{name}");
        let key = gateway.route_key.clone().unwrap();
        assert!(routes.values().any(|route| route["RouteKey"] == key.as_str()), "{name}: {key}");
        let (method, path) = key.split_once(' ').unwrap();
        let id = gateway.path_parameters.get("id").cloned().unwrap_or_default();
        assert_eq!(gateway.raw_path.as_deref(), Some(path.replace("{id}", &id).as_str()), "{name}");
        assert_eq!(gateway.request_context.http.path, gateway.raw_path, "{name}");
        let request = lambda_http::Request::from(call);
        assert_eq!(request.method().as_str(), method, "{name}");
        assert_eq!(request.uri().host(), Some("api.example.com"), "{name}");
    }
}

#[test]
fn bodies_of_calls_have_only_fields_of_the_contract() {
    let openapi = yaml::read("infra/openapi.yaml");
    let bodies = [("plan-request", "NewPlan"), ("submit-request", "NewRequest"), ("verify-identity-http", "Answer")];
    for (name, schema) in bodies {
        let text = json(name)["body"].as_str().unwrap().to_owned();
        let body: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        let schema = &openapi["components"]["schemas"][schema];
        for field in body.keys() {
            assert!(schema["properties"].get(field).is_some(), "{name}: {field}");
        }
        for field in schema["required"].as_array().unwrap() {
            assert!(body.contains_key(field.as_str().unwrap()), "{name}: {field}");
        }
    }
}

#[test]
fn a_step_is_read_as_a_message_and_poison_is_not() {
    let message = Message::parse(&body("step")).unwrap();
    assert_eq!(message.to_body(), body("step"));
    assert!(Message::parse(&body("poison")).is_err());
}

#[test]
fn schedules_send_what_the_template_sends() {
    let template = Template::read();
    let sent: Vec<Value> = template
        .of_type("AWS::Scheduler::Schedule")
        .values()
        .map(|schedule| serde_json::from_str(schedule["Target"]["Input"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(sent.len(), SCHEDULE.len());
    for name in SCHEDULE {
        assert!(sent.contains(&json(name)), "{name} is not what a schedule sends: {sent:?}");
        assert!(serde_json::from_str::<LambdaRequest>(&event(name)).is_err(), "{name} is a call");
    }
}
