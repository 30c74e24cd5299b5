//! Sample people are the same on every machine, leave no field untried, and expect of an export what the policy says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use habeas::policy::categories::is_within;
use habeas::policy::load::load;
use habeas::policy::{Field, MaskRule, Pinned, Place};
use habeas_cli::sample::{App, Population, Row, app, expected};
use serde_json::{Map, Value};

use habeas_e2e::yaml;

const POLICIES: [&str; 2] = ["yallo", "yuncan"];

const POPULATION: Population = Population { seed: 7, users: 40, heavy_rows: 50 };

fn policy(id: &str) -> Pinned {
    load(&yaml::path("policies").join(id)).unwrap_or_else(|error| unreachable!("{id}: {error}"))
}

fn generator(id: &str) -> &'static dyn App {
    app(id).unwrap()
}

fn each_row(app: &dyn App, mut see: impl FnMut(Row)) {
    for user in 0..POPULATION.users {
        app.rows(&POPULATION, user, &mut see);
    }
}

/// Everything that a generator makes, as bytes.
fn everything(app: &dyn App, population: &Population) -> Vec<u8> {
    let mut written = String::new();
    let mut contents = Vec::new();
    for user in 0..population.users {
        writeln!(written, "{:?}", app.person(population, user)).unwrap();
        app.rows(population, user, &mut |row| {
            let (stored, exported) = (Value::Object(row.stored), Value::Object(row.exported));
            writeln!(written, "{} {stored} {exported}", row.collection).unwrap();
        });
        app.objects(population, user, &mut |object| {
            writeln!(written, "{} {} {}", object.collection, object.key, object.content_type).unwrap();
            contents.extend(object.content);
        });
    }
    assert!(written.len() > 100_000 && contents.len() > 1_000, "hardly anything is made");
    let mut bytes = written.into_bytes();
    bytes.append(&mut contents);
    bytes
}

/// `a`, `b.c`: every field and what is inside it.
fn names(fields: &[Field], above: &str, found: &mut BTreeSet<String>) {
    for field in fields {
        let name = format!("{above}{}", field.name);
        names(&field.fields, &format!("{name}."), found);
        found.insert(name);
    }
}

fn stored_names(row: &Map<String, Value>, above: &str, found: &mut BTreeSet<String>) {
    for (field, value) in row {
        let name = format!("{above}{field}");
        if let Value::Object(inside) = value {
            stored_names(inside, &format!("{name}."), found);
        }
        found.insert(name);
    }
}

/// What an export shows of a value, by the policy alone; nothing if it never leaves.
fn shown(policy: &Pinned, field: &Field, value: &Value) -> Option<Value> {
    let rules = &policy.policy().export;
    let below = |rule: &str| field.data_categories.iter().any(|category| is_within(category, rule));
    if rules.omit.iter().any(|omitted| below(omitted)) {
        return None;
    }
    let mask = rules.mask.iter().filter(|rule| below(&rule.category)).max_by_key(|rule| rule.category.len());
    match (mask, value) {
        (Some(MaskRule { keep_last, .. }), Value::String(text)) => {
            let length = text.chars().count();
            let open = usize::from(*keep_last);
            assert!(length > open, "{} is too short to tell that it is masked", field.name);
            let last: String = text.chars().skip(length - open).collect();
            Some(format!("{}{last}", "*".repeat(length - open)).into())
        }
        _ => Some(value.clone()),
    }
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_seed_others() {
    for id in POLICIES {
        let app = generator(id);
        let (first, second) = (everything(app, &POPULATION), everything(app, &POPULATION));
        assert!(first == second, "{id} is different the second time");
        let other = Population { seed: 8, ..POPULATION };
        assert!(first != everything(app, &other), "{id} is the same under another seed");
    }
}

#[test]
fn every_field_of_every_table_is_in_some_row_and_no_row_has_another() {
    for id in POLICIES {
        let policy = policy(id);
        let mut declared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in policy.collections() {
            if matches!(policy.place(name), Some(Place::Table(_) | Place::Relation { .. })) {
                let fields = declared.entry(name.to_owned()).or_default();
                names(&policy.collection(name).unwrap().fields, "", fields);
            }
        }
        assert!(declared.len() > 10, "{id}");
        let mut stored: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        each_row(generator(id), |row| {
            let fields = stored.entry(row.collection.to_owned()).or_default();
            stored_names(&row.stored, "", fields);
        });
        for (name, fields) in &declared {
            let there = stored.remove(name).unwrap_or_default();
            assert_eq!(*fields, there, "{id} {name}; left: dataset; right: rows");
        }
        assert!(stored.is_empty(), "{id}: rows of no table: {:?}", stored.keys());
    }
}

#[test]
fn every_kind_of_object_is_there_under_its_pattern() {
    for id in POLICIES {
        let policy = policy(id);
        let app = generator(id);
        let mut seen = BTreeSet::new();
        for user in 0..POPULATION.users {
            let user_id = app.person(&POPULATION, user).user_id;
            app.objects(&POPULATION, user, &mut |object| {
                let Some(Place::Objects { pattern, .. }) = policy.place(object.collection) else {
                    unreachable!("{} holds no objects", object.collection)
                };
                let prefix = pattern.replace("{user_id}", &user_id);
                assert!(object.key.starts_with(&prefix), "{} is not under {prefix}", object.key);
                assert!(!object.content.is_empty(), "{}", object.key);
                seen.insert(object.collection.to_owned());
            });
        }
        let objects = policy.collections().filter(|name| matches!(policy.place(name), Some(Place::Objects { .. })));
        assert_eq!(seen, objects.map(ToOwned::to_owned).collect(), "{id}");
    }
}

#[test]
fn an_export_is_expected_to_omit_and_mask_what_the_policy_says() {
    for id in POLICIES {
        let policy = policy(id);
        let (mut omitted, mut masked) = (0, 0);
        each_row(generator(id), |row| {
            let collection = policy.collection(row.collection).unwrap();
            let mut by_policy = Map::new();
            for (name, value) in &row.stored {
                let field = collection.field(name).unwrap();
                match shown(&policy, field, value) {
                    None => omitted += 1,
                    Some(shown) => {
                        masked += usize::from(shown != *value);
                        by_policy.insert(name.clone(), shown);
                    }
                }
            }
            assert_eq!(row.exported, by_policy, "{}", row.collection);
        });
        assert!(omitted > 0 && masked > 0, "{id}: {omitted} omitted, {masked} masked");
    }
}

#[test]
fn the_content_of_an_object_is_expected_unless_its_category_never_leaves() {
    for id in POLICIES {
        let policy = policy(id);
        let export = expected(generator(id), &POPULATION, 1);
        let mut kinds = 0;
        for name in policy.collections() {
            if matches!(policy.place(name), Some(Place::Objects { .. })) {
                let content = policy.collection(name).unwrap().field("content").unwrap();
                let leaves = shown(&policy, content, &Value::Null).is_some();
                for record in &export[name] {
                    assert_eq!(record.get("sha256").is_some(), leaves, "{name}");
                }
                kinds += 1;
            }
        }
        assert!(kinds > 0, "{id}");
    }
}
