//! Rows that stay with values of others in them: the person's are gone, and nobody else's row is touched.

use std::collections::BTreeSet;

use habeas::connectors::{Connector as _, Obstacle};
use habeas::dry_run::{Does, Outline, consequences};
use habeas::mask::Samples;
use habeas::policy::CollectionRule;
use habeas::random::{Random, SeededRandom};
use habeas::request::{Exemptions, Matter, Right, Status};
use habeas_e2e::{TestDatabase, World, yaml};
use jiff::SignedDuration;
use serde_json::json;
use tokio_postgres::Client;

use super::shop::{self, person};
use crate::crash::{check_evidence, dies_at};
use crate::people::fresh;
use crate::recheck::{after, rechecks};

/// Customer 7 is Li, who alone has been to Lhasa; the second survey is hers by the visit only. Twelve others have a city, of
/// whom nine a plan.
const TABLES: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, email text);
    CREATE TABLE visits (id text PRIMARY KEY, customer_id int);
    CREATE TABLE surveys (id int PRIMARY KEY, customer text, visit text, city varchar(20), plan text, words text, stars int);
    INSERT INTO customers VALUES (7, 'li@mail.example'), (8, 'ann@mail.example');
    INSERT INTO visits VALUES ('v1', 7), ('v2', 8);
    INSERT INTO surveys VALUES (1, '7', NULL, 'Lhasa', 'gold', 'by Li', 5), (2, NULL, 'v1', 'Lhasa', 'gold', NULL, 4),
        (3, '7', 'v1', NULL, NULL, 'more', 3);
    INSERT INTO surveys SELECT n, '8', 'v2', (ARRAY['Hangzhou', 'Xiamen'])[1 + n % 2],
        CASE WHEN n < 109 THEN (ARRAY['free', 'paid'])[1 + n % 2] END, 'by Ann', n FROM generate_series(100, 111) n";

struct Surveys {
    _database: TestDatabase,
    sql: Client,
    world: World,
}

async fn surveys() -> Surveys {
    let database = TestDatabase::create().await;
    let sql = database.client().await;
    sql.batch_execute(TABLES).await.unwrap();
    let secrets = [("habeas/shop".to_owned(), database.secret().to_string())].into();
    let world = World::of(&yaml::path("tests/policy-shuffled"), secrets).await;
    Surveys { _database: database, sql, world }
}

impl Surveys {
    async fn ask(&self, key: &str) -> String {
        let (token, body) = (fresh(&self.world, "7"), json!({"right": "erasure"}).to_string());
        let answer = self.world.call_raw("POST", "/v1/requests", Some(&token), Some(key), body).await;
        answer.body["request_id"].as_str().unwrap().to_owned()
    }

    async fn lines(&self, query: &str) -> Vec<String> {
        let rows = self.sql.query(query, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// Li's surveys.
    async fn hers(&self) -> Vec<String> {
        self.lines("SELECT s::text FROM surveys s WHERE id < 100 ORDER BY id").await
    }

    /// All others', with the transaction that wrote each.
    async fn others(&self) -> Vec<String> {
        self.lines("SELECT s.xmin::text || s.ctid::text || s::text FROM surveys s WHERE id >= 100 ORDER BY id").await
    }

    /// That of Li's values nothing is left but what was never hers alone.
    async fn check(&self) {
        let left = self
            .lines(
                "SELECT concat_ws('|', id, customer ~ '^anon-[0-9a-f]{32}$', visit ~ '^anon-[0-9a-f]{32}$',
                city IN ('Hangzhou', 'Xiamen'), coalesce(plan, '-'), coalesce(words, '-'), stars)
                FROM surveys WHERE id < 100 ORDER BY id",
            )
            .await;
        assert_eq!(
            left,
            ["1|t|t|-|-|5", "2|t|t|-|-|4", "3|t|t|-|-|3"],
            "a city of others'; of nine plans none is drawn"
        );
        assert_eq!(self.lines("SELECT city FROM surveys WHERE id = 3").await, [""], "what was empty stays so");
    }
}

#[tokio::test]
async fn a_persons_values_are_gone_and_others_rows_are_as_they_were_to_the_byte() {
    let surveys = surveys().await;
    let others = surveys.others().await;
    let id = surveys.ask("first").await;
    surveys.world.run_to_end(&id).await;
    surveys.check().await;
    assert_eq!(surveys.others().await, others);
    let certificate = check_evidence(&surveys.world, &id).await;
    assert_eq!((certificate.total.anonymised, certificate.total.left_over), (3, 0));
    let events = surveys.world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let told = serde_json::to_string(&events).unwrap();
    assert!(!told.contains("Lhasa") && !told.contains("Hangzhou") && !told.contains("Xiamen"), "{told}");

    // Once more, by a re-check and by another request, finds nothing to do.
    let hers = surveys.hers().await;
    after(&surveys.world, SignedDuration::from_hours(24)).await;
    assert_eq!(rechecks(&surveys.world, &id).await[0].found, 0);
    surveys.sql.batch_execute("INSERT INTO customers VALUES (7, 'li@mail.example')").await.unwrap();
    let again = surveys.ask("second").await;
    surveys.world.run_to_end(&again).await;
    assert_eq!((surveys.hers().await, surveys.others().await), (hers, others));
}

#[tokio::test]
async fn operators_and_people_are_told_what_takes_the_place_of_a_value_and_what_that_amounts_to() {
    let policy = surveys().await.world.policy.clone();
    let erasure = Matter::Right(Right::Erasure);
    let outline = Outline::of(&policy, erasure, false).unwrap();
    let step = outline.steps.iter().find(|step| step.work.collection() == Some("shop_db.surveys")).unwrap();
    let city = step.actions.iter().find(|action| action.field == "city").unwrap();
    assert_eq!(
        (city.action, city.how.as_deref()),
        (
            Does::Randomise,
            Some("a value of somebody else's, drawn at random, or nothing, where too few others have one")
        )
    );
    assert!(city.source.unwrap().starts_with("WP216 3.1.2"));
    for (language, says) in [("en", "or nothing, where too few others"), ("zh-Hans", "他人数据过少时不作代替")]
    {
        let told = consequences(&policy, erasure, &Exemptions::new(), language).unwrap();
        let city = told.iter().find(|told| told.category == "user.contact.address.city").unwrap();
        assert!(city.outcomes[0].text.contains(says) && city.outcomes[0].irreversible, "{}", city.outcomes[0].text);
    }
}

#[tokio::test]
async fn a_drawing_that_is_killed_at_any_call_ends_the_same() {
    for answer_is_lost in [false, true] {
        // To die after a call is to die before the next: both ways together stop at each place once.
        let mut call = 0;
        loop {
            let surveys = surveys().await;
            let others = surveys.others().await;
            let id = surveys.ask("first").await;
            if !dies_at(&surveys.world, call, answer_is_lost).await {
                break;
            }
            surveys.world.run_to_end(&id).await;
            surveys.world.run().await;
            surveys.check().await;
            assert_eq!(surveys.others().await, others, "killed at call {call}, answer lost: {answer_is_lost}");
            let certificate = check_evidence(&surveys.world, &id).await;
            assert_eq!(certificate.total.left_over, 0);
            call += 2;
        }
        assert!(call > 20, "the matrix is not empty: {call}");
    }
}

#[tokio::test]
async fn a_column_that_takes_no_null_stops_the_plan_before_the_first_write() {
    let surveys = surveys().await;
    surveys.sql.batch_execute("UPDATE surveys SET plan = 'free' WHERE plan IS NULL").await.unwrap();
    surveys.sql.batch_execute("ALTER TABLE surveys ALTER plan SET NOT NULL").await.unwrap();
    let before = (surveys.hers().await, surveys.others().await);
    let id = surveys.ask("first").await;
    surveys.world.run().await;
    let request = surveys.world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(request.status, Status::NeedsAttention);
    assert_eq!((surveys.hers().await, surveys.others().await), before);
    assert_eq!(surveys.lines("SELECT count(*)::text FROM customers").await, ["2"]);
}

const PEOPLE: &[&str] = &["id!", "email@email", "born", "height", "mood", "rare", "known"];

/// 200 people of many shapes, of whom the first five are one.
const MANY: &str = "CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE people (id int PRIMARY KEY, email text, born date, height numeric(5,2), mood mood, rare text, known boolean);
    INSERT INTO people SELECT n, CASE WHEN n > 5 THEN n || '@mail.example' ELSE 'li@mail.example' END,
        date '1990-01-01' + n, n + 0.50, (ARRAY['good', 'bad'])[1 + (n % 4 = 0)::int]::mood,
        CASE WHEN n < 15 THEN repeat('x', n) END, true FROM generate_series(1, 200) n";

async fn sample(shop: &shop::Shop, fields: &[&str], random: &dyn Random) -> Samples {
    let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
    let person = person("1", "li@mail.example");
    shop.connector().sample(&shop.target("db.people"), &person, &fields, random).await.unwrap()
}

/// What is drawn of a field in many goes.
fn drawn(samples: &Samples, field: &str, goes: usize) -> Vec<String> {
    let random = SeededRandom::new(3);
    let text = |value: habeas::record::Value| value.as_text().unwrap().to_owned();
    (0..goes).map(|_| text(samples.draw(field, &random).unwrap())).collect()
}

#[tokio::test]
async fn what_is_drawn_is_of_others_in_their_shares_and_follows_from_the_randomness_that_is_given() {
    let shop = shop::Shop::new(MANY, &[("people", PEOPLE)]).await;
    let fields = ["born", "height", "mood", "rare", "known"];
    let samples = sample(&shop, &fields, &SeededRandom::new(1)).await;
    let heights: BTreeSet<String> = drawn(&samples, "height", 5_000).into_iter().collect();
    let others: BTreeSet<String> = (6..=200).map(|n| format!("{n}.50")).collect();
    assert_eq!(heights, others, "each of the others', and none of the person's five rows");
    let bad = drawn(&samples, "mood", 4_000).iter().filter(|mood| *mood == "bad").count();
    assert!((880..1180).contains(&bad), "{bad} of 4000; a quarter of the others are");
    assert!(!samples.has("rare"), "nine others have one");
    assert!(!samples.has("known"), "all others are alike");
    shop.sql.batch_execute("UPDATE people SET rare = 'y' WHERE id = 100").await.unwrap();
    assert!(sample(&shop, &["rare"], &SeededRandom::new(1)).await.has("rare"), "ten are enough");
}

#[tokio::test]
async fn of_a_table_in_parts_all_parts_are_drawn_from() {
    let parts = "CREATE TABLE people (id int, email text, born date, height numeric, mood text, rare text, known boolean)
            PARTITION BY RANGE (id);
        CREATE TABLE people_1 PARTITION OF people FOR VALUES FROM (0) TO (100);
        CREATE TABLE people_2 PARTITION OF people FOR VALUES FROM (100) TO (200);
        INSERT INTO people (id, email, mood) SELECT n, CASE WHEN n % 10 > 0 THEN n || '@mail.example' ELSE 'li@mail.example' END,
            CASE WHEN n % 10 > 0 THEN 'part ' || n / 100 ELSE 'hers' END FROM generate_series(0, 199) n";
    let shop = shop::Shop::new(parts, &[("people", PEOPLE)]).await;
    let samples = sample(&shop, &["mood"], &SeededRandom::new(1)).await;
    let moods: BTreeSet<String> = drawn(&samples, "mood", 500).into_iter().collect();
    assert_eq!(moods.into_iter().collect::<Vec<_>>(), ["part 0", "part 1"]);
}

#[tokio::test]
async fn of_a_large_table_some_pages_are_read_whatever_is_known_of_its_size() {
    let shop = shop::Shop::new(MANY, &[("people", PEOPLE)]).await;
    let more = "INSERT INTO people SELECT n, n || '@mail.example', date '1990-01-01' + n % 10000, n % 400, 'bad', NULL, \
        n % 2 = 0 FROM generate_series(201, 150000) n";
    shop.sql.batch_execute(more).await.unwrap();
    let addresses = async |seed| {
        let samples = sample(&shop, &["email"], &SeededRandom::new(seed)).await;
        drawn(&samples, "email", 6_000)
    };
    let (one, same, other) = (addresses(1).await, addresses(1).await, addresses(2).await);
    assert!(one == same && one != other, "which rows it is, the given randomness says");
    let blocks = "SELECT count(DISTINCT (ctid::text::point)[0]) FROM people";
    let all: i64 = shop.sql.query_one(blocks, &[]).await.unwrap().get(0);
    let read: i64 = shop.sql.query_one(&format!("{blocks} WHERE email = ANY ($1)"), &[&one]).await.unwrap().get(0);
    assert!(all > 1_000 && (300..560).contains(&read), "{read} of {all}: a thousand rows out of about 500 blocks");
}

#[tokio::test]
async fn what_keeps_values_of_others_out_of_a_column_is_found_before_anything_is_changed() {
    let tables =
        "CREATE TABLE people (id int PRIMARY KEY, email text, born date CHECK (born > '1900-01-01'), height numeric,
        mood text UNIQUE, rare int REFERENCES people, known boolean, CHECK (height > 0 OR known))";
    let shop = shop::Shop::new(tables, &[("people", PEOPLE)]).await;
    let found = async || -> Vec<Obstacle> {
        let fields = json!({"born": "shuffle", "height": "shuffle", "mood": "shuffle", "rare": "shuffle"});
        let rule = json!({"retention": null, "erasure": {"action": "anonymise", "fields": fields}});
        let rule: CollectionRule = serde_json::from_value(rule).unwrap();
        let mut found = shop.connector().preflight(&shop.target("db.people"), Some(&rule)).await.unwrap();
        found.retain(|obstacle| obstacle.refuses);
        found
    };
    let says = |found: &[Obstacle], field: &str, words: &str| {
        found.iter().any(|o| o.field.as_deref() == Some(field) && o.message.contains(words))
    };
    let refused = found().await;
    assert_eq!(refused.len(), 3, "a constraint of one column takes what stands in it: {refused:#?}");
    assert!(says(&refused, "mood", "people_mood_key binds the column"), "{refused:#?}");
    assert!(says(&refused, "rare", "refers to other rows"), "{refused:#?}");
    assert!(says(&refused, "height", "binds the column"), "{refused:#?}");
    let change = "ALTER TABLE people DROP CONSTRAINT people_mood_key, ALTER mood TYPE text[] USING ARRAY[mood], \
        ALTER born SET NOT NULL; CREATE UNIQUE INDEX by_height ON people ((height + 1)) WHERE known";
    shop.sql.batch_execute(change).await.unwrap();
    let refused = found().await;
    assert!(says(&refused, "mood", "not for a column of type text[]"), "{refused:#?}");
    assert!(says(&refused, "born", "NOT NULL"), "{refused:#?}");
    assert!(says(&refused, "height", "by_height binds the column"), "{refused:#?}");
}
