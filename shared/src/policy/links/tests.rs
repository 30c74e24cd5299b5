use super::*;
use crate::policy::Bundle;

/// A bundle with one PostgreSQL system `db` and one DynamoDB system `kv`, and these dataset collections.
fn graph(db: &str, kv: &str) -> Graph {
    let policy = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/policy/policy.yaml")).unwrap();
    let mut policy: serde_json::Value = serde_saphyr::from_str(&policy).unwrap();
    let names: Vec<serde_json::Value> = serde_saphyr::from_str(kv).unwrap();
    let tables: serde_json::Map<String, serde_json::Value> = names
        .iter()
        .map(|collection| {
            let name = collection["name"].as_str().unwrap().to_owned();
            (name.clone(), serde_json::json!({"table": name, "key": ["id"]}))
        })
        .collect();
    policy["systems"] = serde_json::json!([
        {"id": "db", "kind": "postgresql", "dataset": "db", "secret": "s"},
        {"id": "kv", "kind": "dynamodb", "dataset": "kv", "collections": tables},
    ]);
    policy["subject"]["collection"] = "db.users".into();
    policy["subject"]["identities"] = serde_json::json!({"email": "email", "user_id": "id"});
    let datasets = format!("[{{fides_key: db, collections: {db}}}, {{fides_key: kv, collections: {kv}}}]");
    let bundle = Bundle {
        policy: serde_json::from_value(policy).unwrap(),
        datasets: serde_saphyr::from_str(&datasets).unwrap(),
    };
    Graph::of(&bundle)
}

const USERS: &str = "{name: users, fields: [{name: id}, {name: email}, {name: address_id, fides_meta: {references: \
                     [{dataset: db, field: address.id, direction: to}]}}]}";
const ORDERS: &str = "{name: orders, fields: [{name: id}, {name: user_id, fides_meta: {references: [{dataset: db, \
                      field: users.id, direction: from}]}}, {name: address_id, fides_meta: {references: [{dataset: db, \
                      field: address.id, direction: to}]}}]}";

fn from(link: &Link) -> String {
    let pairs: Vec<String> = link.pairs.iter().map(|pair| format!("{}={}", pair.field, pair.origin_field)).collect();
    let origin = match &link.origin {
        Origin::Subject => "subject",
        Origin::Collection(name) => name,
    };
    format!("{} of {origin}{}", pairs.join("+"), if link.captured { ", captured" } else { "" })
}

fn ways(graph: &Graph, collection: &str) -> Vec<String> {
    graph.links(collection).iter().map(from).collect()
}

#[test]
fn a_collection_is_found_through_every_reference_that_leads_to_it() {
    let graph = graph(&format!("[{USERS}, {ORDERS}, {{name: address, fields: [{{name: id}}]}}]"), "[]");
    assert_eq!(ways(&graph, "db.orders"), ["user_id=id of subject"]);
    assert_eq!(ways(&graph, "db.address"), ["id=address_id of db.orders", "id=address_id of subject"]);
    assert!(graph.level("db.address") > graph.level("db.orders"));
    assert!(graph.erase_stage("db.address") < graph.erase_stage("db.orders"));
    assert!(graph.erase_stage("db.orders") < graph.erase_stage("db.users"));
    assert!(graph.captures().is_empty());
}

#[test]
fn between_systems_keys_are_captured_and_inside_one_database_they_are_not() {
    let items = "{name: items, fields: [{name: id}, {name: order_id, fides_meta: {references: [{dataset: db, field: \
                 orders.id, direction: from}]}}]}";
    let graph = graph(&format!("[{USERS}, {ORDERS}, {items}]"), &format!("[{items}]"));
    assert_eq!(ways(&graph, "db.items"), ["order_id=id of db.orders"]);
    assert_eq!(ways(&graph, "kv.items"), ["order_id=id of db.orders, captured"]);
    let set = KeySet { collection: "db.orders".into(), fields: vec!["id".into()] };
    assert_eq!(graph.captures().into_values().flatten().collect::<Vec<_>>(), [set]);
}

#[test]
fn references_that_go_round_in_a_circle_are_followed_once() {
    let graph = graph(
        &format!(
            "[{USERS}, {{name: a, fields: [{{name: id, fides_meta: {{references: [{{dataset: db, field: b.a_id}}, \
             {{dataset: db, field: users.id, direction: from}}]}}}}]}}, {{name: b, fields: [{{name: a_id}}, {{name: id, \
             fides_meta: {{references: [{{dataset: db, field: a.id, direction: to}}]}}}}]}}]"
        ),
        "[]",
    );
    assert_eq!(ways(&graph, "db.a"), ["id=id of subject"]);
    assert_eq!(ways(&graph, "db.b"), ["a_id=id of db.a"]);
    assert_eq!(graph.not_followed(), [("db.b".to_owned(), "db.a".to_owned())]);
}

#[test]
fn the_fields_of_a_composite_key_hold_together() {
    let lines = "{name: lines, fields: [{name: tenant, fides_meta: {primary_key: true}}, {name: number, fides_meta: \
                 {primary_key: true}}, {name: user_id, fides_meta: {references: [{dataset: db, field: users.id, \
                 direction: from}]}}]}";
    let parts = "{name: parts, fields: [{name: id}, {name: line_tenant, fides_meta: {references: [{dataset: db, field: \
                 lines.tenant, direction: from}]}}, {name: line_number, fides_meta: {references: [{dataset: db, field: \
                 lines.number, direction: from}]}}]}";
    let graph = graph(&format!("[{USERS}, {lines}, {parts}]"), "[]");
    assert_eq!(ways(&graph, "db.parts"), ["line_number=number+line_tenant=tenant of db.lines"]);
}

#[test]
fn erase_after_turns_the_order_round_and_has_keys_captured() {
    let address = "{name: address, fides_meta: {erase_after: [db.orders]}, fields: [{name: id}]}";
    let graph = graph(&format!("[{USERS}, {ORDERS}, {address}]"), "[]");
    assert!(graph.erase_stage("db.address") > graph.erase_stage("db.orders"));
    assert!(ways(&graph, "db.address").contains(&"id=address_id of db.orders, captured".to_owned()));
    let circle = "{name: users, fides_meta: {erase_after: [db.orders]}, fields: [{name: id}, {name: email}]}";
    let orders = ORDERS.replace("name: orders,", "name: orders, fides_meta: {erase_after: [db.users]},");
    let graph = super::tests::graph(&format!("[{circle}, {orders}, {address}]"), "[]");
    assert_eq!(graph.circular_order(), ["db.orders", "db.users"]);
}

#[test]
fn what_nothing_leads_to_has_no_way() {
    let graph = graph(&format!("[{USERS}, {{name: far, fields: [{{name: id}}]}}]"), "[]");
    assert!(graph.links("db.far").is_empty());
    assert!(graph.collections().any(|name| name == "db.far"));
}
