use std::path::Path;

use super::*;
use crate::policy::load::{Loaded, load_with_warnings};
use crate::policy::{Pinned, Place};

/// The policy over Fides datasets: each kind of thing that they say is there once.
fn fides() -> Loaded {
    load_with_warnings(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fides"))).unwrap()
}

fn anonymised(policy: &Pinned, name: &str) -> Vec<(String, String)> {
    let Some(ErasureRule::Anonymise { fields, .. }) = policy.rule(name).map(|rule| &rule.erasure) else {
        panic!("{name} is not anonymised");
    };
    let text = |strategy: &Strategy| serde_json::to_string(strategy).unwrap();
    fields.iter().map(|(field, strategy)| (field.clone(), text(strategy))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(field, strategy)| ((*field).to_owned(), (*strategy).to_owned())).collect()
}

#[test]
fn everything_that_fideslang_has_loads_without_a_finding() {
    assert_eq!(fides().warnings, []);
}

#[test]
fn rules_follow_from_a_dataset_and_the_defaults() {
    let policy = fides().policy;
    assert!(matches!(policy.rule("shop.sessions").unwrap().erasure, ErasureRule::Erase { .. }));
    assert!(matches!(policy.rule("shop.products").unwrap().erasure, ErasureRule::Keep { .. }));
    assert!(matches!(policy.rule("shop.lines").unwrap().erasure, ErasureRule::Keep { .. }));
    assert!(policy.rule("shop.archive").is_none());
    let addresses = [("city", "\"null\""), ("street", r#"{"fixed":"MASK"}"#)];
    assert_eq!(anonymised(&policy, "shop.addresses"), pairs(&addresses));
    let orders = [("customer_id", "\"null\""), ("note", r#"{"random_text":{"length":20}}"#)];
    assert_eq!(anonymised(&policy, "shop.orders"), pairs(&orders));
    assert!(policy.rule("shop.orders").unwrap().retention.is_some());
    let cards = [("kind", "\"null\""), ("loyalty", "\"null\""), ("number", "\"null\"")];
    assert_eq!(anonymised(&policy, "shop.cards"), pairs(&cards));
    let profiles = [
        ("emails", "\"null\""),
        ("threads.author", "\"null\""),
        ("work.title", r#"{"random_text":{"length":20,"suffix":"@masked.example"}}"#),
    ];
    assert_eq!(anonymised(&policy, "crm.profiles"), pairs(&profiles));
    assert_eq!(anonymised(&policy, "crm.comments"), pairs(&[("ids", "\"null\""), ("text", "\"random\"")]));
    assert!(policy.policy().erasure_defaults.is_empty());
}

#[test]
fn the_schema_of_a_namespace_is_that_of_the_tables() {
    let policy = fides().policy;
    let table = |name| match policy.place(name) {
        Some(Place::Relation { database, name }) => database.table(name),
        _ => panic!("{name} is no relation"),
    };
    assert_eq!(table("shop.orders"), ("sales", "orders"));
    assert_eq!(table("crm.comments"), ("public", "comments"));
}

#[test]
fn an_identity_that_only_the_subjects_row_holds_leads_on() {
    let policy = fides().policy;
    let links: Vec<_> = policy.links("shop.cards").iter().map(|link| (link.field(), link.subject_field())).collect();
    assert_eq!(links, [("loyalty", Some("loyalty"))]);
}

#[test]
fn each_category_that_no_item_names_becomes_one() {
    let policy = fides().policy;
    let items: Vec<(&str, &[String])> =
        policy.policy().items.iter().map(|item| (item.name.as_str(), item.fields.as_slice())).collect();
    assert!(items.contains(&("user.financial", &["shop.cards.kind".to_owned()])), "{items:?}");
    assert!(items.contains(&("user.job_title", &["crm.profiles.work".to_owned()])), "{items:?}");
    assert_eq!(items.iter().filter(|(_, fields)| fields.contains(&"shop.cards.number".to_owned())).count(), 1);
    assert!(policy.policy().items.iter().any(|item| item.category == "user.financial" && item.sensitive));
}

#[test]
fn what_is_pinned_is_read_back_as_it_was() {
    let policy = fides().policy;
    let again = Pinned::from_stored(&policy.to_stored().unwrap(), policy.digest()).unwrap();
    assert_eq!(again.to_stored().unwrap(), policy.to_stored().unwrap());
    assert_eq!(again.links("crm.comments"), policy.links("crm.comments"));
}
