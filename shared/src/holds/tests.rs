use jiff::ToSpan as _;

use super::*;
use crate::random::SeededRandom;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hold(number: u64, scope: Scope, ends_at: &str) -> LegalHold {
    LegalHold {
        id: HoldId::new(&SeededRandom::new(number)),
        scope,
        basis: format!("case {number}"),
        placed_at: at("2026-11-21T00:00:00Z"),
        ends_at: at(ends_at),
        placed_by: "k1:op".into(),
        lifted_at: None,
        lifted_by: None,
    }
}

fn small(mode: &str, collections: &[(&str, &str)]) -> Pinned {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy");
    let stored = crate::policy::load::load(&folder).unwrap().to_stored().unwrap();
    let mut bundle: crate::policy::Bundle = serde_json::from_slice(&stored).unwrap();
    let collections: std::collections::BTreeMap<_, _> = collections.iter().copied().collect();
    let rules = serde_json::json!({"erasure": mode, "collections": collections});
    bundle.policy.holds = serde_json::from_value(rules).unwrap();
    Pinned::new(bundle).unwrap()
}

#[test]
fn a_hold_counts_until_its_end_or_until_it_is_lifted() {
    let mut one = hold(1, Scope::Collection { collection: "a.b".into() }, "2026-12-01T00:00:00Z");
    assert!(one.is_in_force(at("2026-11-30T23:59:59Z")) && !one.is_in_force(at("2026-12-01T00:00:00Z")));
    one.lifted_at = Some(at("2026-11-22T00:00:00Z"));
    assert!(!one.is_in_force(at("2026-11-23T00:00:00Z")));
}

#[test]
fn an_erasure_waits_for_what_the_policy_says_and_is_told_of_each_hold_once() {
    let request: RequestId = "1".repeat(32).parse().unwrap();
    let whom = Whom { digests: BTreeSet::from(["k1:li".to_owned()]), request: Some(request.clone()) };
    let on = |digest: &str| Scope::Subject { digests: BTreeSet::from([digest.to_owned()]) };
    let collection = |name: &str| Scope::Collection { collection: name.into() };
    let all = vec![
        hold(1, on("k1:li"), "2026-12-01T00:00:00Z"),
        hold(2, on("k1:ann"), "2026-12-01T00:00:00Z"),
        hold(3, collection("small_app.orders"), "2026-12-02T00:00:00Z"),
        hold(4, Scope::Request { request_id: request }, "2026-12-03T00:00:00Z"),
    ];
    let holds = Holds::in_force(all, at("2026-11-22T00:00:00Z"));
    let waited = |policy: &Pinned, collections: &[&str]| -> Vec<String> {
        let held = holds.to_wait_for(policy, &whom, collections.iter().copied());
        held.into_iter().map(|held| held.basis).collect()
    };
    let both = ["small_app.posts", "small_app.orders"];
    assert_eq!(waited(&small("wait", &[]), &both), ["case 4", "case 3", "case 1"]);
    assert_eq!(waited(&small("wait", &[]), &both[..1]), ["case 4", "case 1"]);
    assert_eq!(waited(&small("wait", &[("small_app.orders", "around")]), &both), ["case 4", "case 1"]);
    assert_eq!(waited(&small("around", &[("small_app.orders", "wait")]), &both), ["case 3"]);
    assert!(waited(&small("around", &[]), &both).is_empty());
}

#[test]
fn what_waits_looks_again_within_a_day_and_when_the_first_hold_ends() {
    let now = at("2026-11-22T00:00:00Z");
    let until = |hours: i64| {
        hold(1, Scope::Collection { collection: String::new() }, "2026-11-22T00:00:00Z")
            .told()
            .ending(now.checked_add(hours.hours()).unwrap())
    };
    assert_eq!(next_look(&[until(3), until(400)], now), at("2026-11-22T03:00:00Z"));
    assert_eq!(next_look(&[until(400)], now), at("2026-11-23T00:00:00Z"));
    assert_eq!(next_look(&[until(-1)], now), at("2026-11-23T00:00:00Z"), "what has ended is no reason to look at once");
}

#[test]
fn what_held_rows_may_refer_to_in_their_database_is_kept_with_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/yuncan");
    let policy = crate::policy::load::load(&folder).unwrap();
    let secret = serde_json::json!({"current": "k1", "k1": "a".repeat(64)}).to_string();
    let keys = DigestKeys::parse(&secret).unwrap();
    let on = Scope::Collection { collection: "yuncan_records.order_items".into() };
    let holds = Holds::in_force(vec![hold(1, on, "2027-01-01T00:00:00Z")], at("2026-11-22T00:00:00Z"));
    let is_kept = |collection: &str| {
        let target = crate::connectors::Target::of(&policy, collection).unwrap();
        !Keeps::of_everybody(target, &keys, &holds).everything().is_empty()
    };
    assert!(is_kept("yuncan_records.order_items"));
    assert!(is_kept("yuncan_records.orders"), "a foreign key would take its items along");
    assert!(!is_kept("yuncan_app.posts"), "another system");
}

impl Held {
    fn ending(self, until: Timestamp) -> Self {
        Self { until, ..self }
    }
}
