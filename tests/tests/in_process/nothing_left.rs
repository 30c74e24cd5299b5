//! After an erasure everything that is stored anywhere is read, past Habeas, and searched for every value of the person:
//! in the two apps whose policies ship with Habeas, in tables, buckets and databases. A restore of yesterday's data that is
//! replayed comes to the same.

use std::collections::{BTreeMap, BTreeSet};

use habeas::evidence::Outcome;
use habeas::policy::{ErasureRule, Pinned, Strategy, System};
use habeas_cli::drive::snapshot::Snapshot;
use habeas_cli::sample::expected::canonical;
use habeas_cli::sample::{App, Person, Population, app, databases, load};
use habeas_e2e::{TestDatabase, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::check_evidence;
use crate::people::fresh;
use crate::{recheck, replay};

const POPULATION: Population = Population { seed: 7, users: 12, heavy_rows: 30 };
/// Whoever is erased.
const INDEX: usize = 1;
/// Values as short as this say nothing of whose they are.
const SHORT: usize = 3;

/// An app with its users, and one of them.
struct Peopled {
    world: World,
    app: &'static dyn App,
    person: Person,
    _database: Option<TestDatabase>,
}

impl Peopled {
    async fn by(policy: &str) -> Self {
        let app = app(policy).unwrap();
        let mut secrets = BTreeMap::new();
        let loaded = habeas::policy::load::load(&habeas_e2e::yaml::path("policies").join(policy)).unwrap();
        let mut database = None;
        for system in &loaded.policy().systems {
            if let System::Postgresql(named) = system {
                let created = TestDatabase::create().await;
                // The tool works as the owner, whose secret is beside Habeas's; here both are the same role.
                for name in [named.secret.clone(), format!("{}-owner", named.secret)] {
                    secrets.insert(name, created.secret().to_string());
                }
                database = Some(created);
            }
        }
        let world = World::under(policy, secrets).await;
        let clients = world.tool();
        databases::create(&world.policy, app, &clients).await.unwrap();
        let person = app.person(&POPULATION, INDEX);
        let peopled = Self { world, app, person, _database: database };
        peopled.restore().await;
        peopled
    }

    /// Everybody's rows and objects as they were yesterday.
    async fn restore(&self) {
        let (policy, clients) = (&self.world.policy, self.world.tool());
        load::load(policy, self.app, POPULATION, &[], &clients, |_| {}).await.unwrap();
        self.world.calls.take();
    }

    async fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.world.policy, self.app, &POPULATION, &self.world.tool()).await.unwrap()
    }

    async fn erase(&self) -> String {
        let (world, token) = (&self.world, fresh(&self.world, &self.person.user_id));
        let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "erasure"}))).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let id = answer.body["request_id"].as_str().unwrap().to_owned();
        if answer.body["status"] == "awaiting_verification" {
            world.run().await;
            let code = json!({"code": world.last_code()});
            let path = format!("/v1/requests/{id}/verification");
            assert_eq!(world.call("PUT", &path, Some(&token), Some(code)).await.status, 200);
        }
        world.run_to_end(&id).await;
        id
    }

    /// Every text that a row of the person's own holds and no row that is not theirs.
    fn own_values(&self, before: &Snapshot) -> BTreeSet<String> {
        let mut own = BTreeSet::new();
        self.app.rows(&POPULATION, INDEX, &mut |row| {
            texts("", &Value::Object(row.stored), &mut |_, text| {
                own.insert(text.to_owned());
            });
        });
        for row in before.rows.iter().filter(|row| !self.app.concerns(row, &self.person)) {
            texts("", &Value::Object(row.stored.clone()), &mut |_, text| {
                own.remove(text);
            });
        }
        own.retain(|text| text.chars().count() > SHORT);
        own
    }
}

/// Each text and number in a value, with the path to it.
fn texts(path: &str, value: &Value, see: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(path, text),
        Value::Number(number) => see(path, &number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| texts(path, value, see)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                texts(&inner, value, see);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether the policy lets a row that stays keep a field: a retained one what does not go at once, an anonymised one what is
/// of nobody, or is no more than the policy makes of it (a city is what a city comes to).
fn may_stay(policy: &Pinned, collection: &str, path: &str) -> bool {
    let is_named = |fields: &BTreeMap<String, Strategy>| {
        let goes = |strategy: &Strategy| !matches!(strategy, Strategy::Keep | Strategy::Generalise(_));
        let mut named = fields.iter().filter(|(_, strategy)| goes(strategy)).map(|(field, _)| field);
        named.any(|field| path == field || path.starts_with(&format!("{field}.")))
    };
    match &policy.rule(collection).unwrap().erasure {
        ErasureRule::Retain { fields, .. } | ErasureRule::Anonymise { fields, .. } => !is_named(fields),
        ErasureRule::Erase { .. } => false,
        ErasureRule::Keep { .. } => true,
    }
}

async fn nothing_is_left_in(policy: &str) {
    let peopled = Peopled::by(policy).await;
    let before = peopled.snapshot().await;
    let own = peopled.own_values(&before);
    assert!(own.len() > 30, "the person has much to lose: {}", own.len());
    let id = peopled.erase().await;
    let certificate = check_evidence(&peopled.world, &id).await;
    assert!(certificate.total.erased > 20 && certificate.total.left_over == 0, "{:?}", certificate.total);

    let after = peopled.snapshot().await;
    let pinned = &peopled.world.policy;
    assert_eq!(
        after.left_of(pinned, peopled.app, &peopled.person),
        [],
        "what identifies them is in no row but retained ones"
    );
    let mut kept = BTreeSet::new();
    for row in &after.rows {
        texts("", &Value::Object(row.stored.clone()), &mut |path, text| {
            if own.contains(text) {
                assert!(may_stay(pinned, row.collection, path), "a value of theirs is in {}.{path}", row.collection);
                kept.insert(format!("{}.{path}", row.collection));
            }
        });
    }
    assert!(!kept.is_empty(), "what the law keeps is kept");
    for version in &after.versions {
        let content = String::from_utf8_lossy(&version.content);
        let found = own.iter().find(|text| version.key.contains(*text) || content.contains(*text));
        assert_eq!(found, None, "in an object of {}", version.bucket);
    }
    let still: BTreeSet<String> = after.of_others(peopled.app, &peopled.person).into_iter().collect();
    let lost = before.of_others(peopled.app, &peopled.person).into_iter().filter(|line| !still.contains(line)).count();
    assert_eq!(lost, 0, "other people's rows and objects are as they were, byte for byte");

    recheck::after(&peopled.world, SignedDuration::from_hours(24)).await;
    let reports = recheck::rechecks(&peopled.world, &id).await;
    assert_eq!((reports.len(), reports[0].found), (1, 0), "{reports:?}");
    let erased = everything(pinned, &after);
    assert!(everything(pinned, &peopled.snapshot().await) == erased, "to do it again changes nothing");

    peopled.restore().await;
    assert!(everything(pinned, &peopled.snapshot().await) != erased);
    let replayed = replay::replay(&peopled.world, json!({"state_of": replay::YESTERDAY})).await;
    assert_eq!((replayed.outcome, replayed.total.left_over), (Some(Outcome::Full), 0), "{replayed:?}");
    let again = everything(pinned, &peopled.snapshot().await);
    let changed: Vec<&String> = erased.symmetric_difference(&again).collect();
    assert!(changed.is_empty(), "a restore and a replay come to what was there before: {changed:?}");
}

#[tokio::test]
async fn whoever_cancels_in_yuncan_confirms_from_a_device_of_theirs() {
    let peopled = Peopled::by("yuncan").await;
    let (world, token) = (&peopled.world, fresh(&peopled.world, &peopled.person.user_id));
    let body = Some(json!({"right": "account_cancellation"}));
    let answer = world.call("POST", "/v1/requests", Some(&token), body).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    let verified = world.call("PUT", &format!("/v1/requests/{id}/verification"), Some(&token), Some(code)).await;
    assert_eq!(verified.status, 200, "{}", verified.body);
    let phrase = verified.body["next"]["phrase"].as_str().unwrap().to_owned();
    let mut devices = Vec::new();
    for index in [INDEX, INDEX + 1] {
        peopled.app.rows(&POPULATION, index, &mut |row| {
            if row.collection == "yuncan_app.devices" {
                devices.push((index, row.stored["device_id"].as_str().unwrap().to_owned()));
            }
        });
    }
    let of = |who: usize| devices.iter().find(|(index, _)| *index == who).map(|(_, device)| device.clone());
    let path = format!("/v1/requests/{id}/confirmation");
    for device in [None, of(INDEX + 1)] {
        let mut body = json!({"phrase": phrase});
        if let Some(device) = device {
            body["device"] = json!(device);
        }
        let refused = world.call("POST", &path, Some(&token), Some(body)).await;
        assert_eq!((refused.status, &refused.body["checks"][0]["id"]), (422, &json!("device")), "{}", refused.body);
    }
    let body = json!({"phrase": phrase, "device": of(INDEX).unwrap()});
    let confirmed = world.call("POST", &path, Some(&token), Some(body)).await;
    assert_eq!(confirmed.body["status"], "cooling_off", "{}", confirmed.body);
    world.advance(SignedDuration::from_hours(7 * 24 + 1));
    world.wake().await;
    world.run_to_end(&id).await;
    let certificate = check_evidence(world, &id).await;
    assert!(certificate.total.erased > 20 && certificate.total.left_over == 0, "{:?}", certificate.total);
}

/// Every row and object, but for what is random by the policy.
fn everything(policy: &Pinned, snapshot: &Snapshot) -> BTreeSet<String> {
    let is_random = |collection: &str, field: &str| match &policy.rule(collection).unwrap().erasure {
        ErasureRule::Anonymise { fields, .. } | ErasureRule::Retain { fields, .. } => {
            matches!(fields.get(field), Some(Strategy::Random | Strategy::RandomText(_) | Strategy::SaltedHash))
        }
        ErasureRule::Erase { .. } | ErasureRule::Keep { .. } => false,
    };
    let rows = snapshot.rows.iter().map(|row| {
        let mut stored = row.stored.clone();
        stored.retain(|field, _| !is_random(row.collection, field));
        format!("{} {}", row.collection, canonical(&Value::Object(stored)))
    });
    let versions = snapshot.versions.iter().map(|it| format!("{} {} {:?}", it.bucket, it.key, it.content));
    rows.chain(versions).collect()
}

#[tokio::test]
async fn nothing_of_a_person_who_was_erased_is_left_in_yallo() {
    nothing_is_left_in("yallo").await;
}

#[tokio::test]
async fn nothing_of_a_person_who_was_erased_is_left_in_yuncan() {
    nothing_is_left_in("yuncan").await;
}
