//! What a request would do, found out beforehand: by operators, without writing anything, and truly.

use std::collections::BTreeSet;

use habeas::connectors::Obstacle;
use habeas::dry_run::{DryRun, Limits, Means, Outline};
use habeas::evidence::{Certificate, EvidenceFile, Fact, FailureReason, Obstructed, verify};
use habeas::personal::{Identity, IdentityKind};
use habeas::random::SeededRandom;
use habeas::request::{Matter, Right, Status};
use habeas_cli::commands::plan::{print_dry_run, print_outline};
use habeas_e2e::roles::{Grant, stack};
use habeas_e2e::{Answered, Function, SignIns, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::people::{LI, LI_EMAIL, LI_PHONE, fresh, settle, world};
use crate::stories::exercise;

/// An operator looks at an erasure and at an access of Li.
pub(crate) async fn looks(world: &World) {
    for right in ["erasure", "access"] {
        assert_eq!(plan_of_li(world, right).await["begins"], true);
    }
}

/// A token of somebody who signed in at that moment and is in these groups.
pub(crate) fn token(world: &World, at: Timestamp, groups: &Value) -> String {
    SignIns::token_with(&json!({
        "iss": SignIns::ISSUER, "aud": SignIns::AUDIENCE, "sub": "u-op", "groups": groups,
        "auth_time": at.as_second(), "iat": at.as_second(), "exp": world.now().as_second() + 3600,
    }))
}

async fn plan(world: &World, body: Value) -> Answered {
    let operator = token(world, world.now(), &json!(["operators"]));
    world.call("POST", "/v1/plans", Some(&operator), Some(body)).await
}

async fn plan_of_li(world: &World, right: &str) -> Value {
    let answer = plan(world, json!({"right": right, "identity": {"email": LI_EMAIL}})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Calls that change nothing.
const READING: [&str; 7] = [
    "BatchGetItem",
    "DescribeContinuousBackups",
    "DescribeTable",
    "GetBucketVersioning",
    "GetObjectLockConfiguration",
    "ListObjectVersions",
    "Query",
];

/// Everything that is stored anywhere.
async fn everything(world: &World) -> String {
    let listed = world.s3.list_objects_v2().bucket(World::BUCKET).send().await.unwrap();
    let ledger = habeas_e2e::dump(&world.dynamodb, "ledger").await;
    format!("{:?} {ledger:?} {} objects", world.data().await, listed.contents().len())
}

fn step<'a>(plan: &'a Value, work: &str, collection: &str) -> &'a Value {
    let steps = plan["steps"].as_array().unwrap();
    steps.iter().find(|step| step["work"] == work && step["collection"] == collection).unwrap()
}

/// Work, and the collection or recipient that it is about, in order.
fn order(steps: &Value) -> Vec<String> {
    let of = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let about = |step: &Value| of(step, "collection") + &of(step, "recipient");
    let steps = steps.as_array().unwrap().iter();
    steps.map(|step| format!("{} {}", of(step, "work"), about(step)).trim().to_owned()).collect()
}

#[tokio::test]
async fn a_dry_run_only_reads_and_tells_what_the_erasure_then_does() {
    let world = world().await;
    let before = everything(&world).await;
    world.calls.take();
    let plan = plan_of_li(&world, "erasure").await;
    let called: BTreeSet<String> = world.calls.take().into_keys().collect();
    let others: Vec<&String> = called.iter().filter(|call| !READING.contains(&call.as_str())).collect();
    assert!(called.contains("Query") && others.is_empty(), "{others:?}");
    assert_eq!(everything(&world).await, before, "nothing is written anywhere");
    assert_eq!(world.waiting(), 0, "and nothing is sent");

    let text = plan.to_string();
    for value in [LI, LI_EMAIL, LI_PHONE, "u-ann", "Li's post", "p0", "o1", "1 Long Street"] {
        assert!(!text.contains(&format!("\"{value}")), "{value} is in {text}");
    }
    assert_eq!((&plan["begins"], &plan["obstacles"]), (&json!(true), &json!([])));
    assert_eq!(plan["subject"], json!({"collection": "small_app.users", "rows": 1}));
    let orders = step(&plan, "erase", "small_app.orders");
    assert_eq!(orders["rows"]["retained_until"], "2029-01-31T00:00:00Z");
    assert_eq!(orders["kept"]["basis"], "Orders are kept for three years");
    let messages = step(&plan, "erase", "small_app.messages");
    let cut = json!({"field": "recipient_id", "action": "anonymise", "how": "fixed text \"deleted-user\"",
        "source": "PIPL Art. 73(4), GDPR Recital 26, WP216", "found_by": "recipient_id"});
    assert!(messages["actions"].as_array().unwrap().contains(&cut), "{messages}");

    let id = exercise(&world, "erasure").await;
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let certificate = Certificate::from_events(&events).unwrap();
    let total = certificate.total;
    let done = json!({"exported": total.exported, "erased": total.erased, "anonymised": total.anonymised,
        "retained": total.retained, "left": 0, "exact": true});
    assert_eq!(plan["total"], done);
    let done: Vec<Value> = events
        .iter()
        .filter_map(|event| match &event.fact {
            Fact::StepDone(report) => Some(serde_json::to_value(&report.work).unwrap()),
            Fact::RecipientTold { recipient, .. } => Some(json!({"work": "tell", "recipient": recipient})),
            _ => None,
        })
        .collect();
    let (mut told, mut done) = (order(&plan["steps"]), order(&Value::Array(done)));
    // Steps of one stage end in any order.
    told.sort();
    done.sort();
    assert_eq!(told, done);
}

#[tokio::test]
async fn a_plan_of_access_counts_the_rows_and_names_what_does_not_leave() {
    let world = world().await;
    let plan = plan_of_li(&world, "access").await;
    assert_eq!(plan["total"]["exported"], 1 + 3 + 1 + 2 + 2 + 1);
    assert_eq!(step(&plan, "export", "small_app.posts")["rows"], json!({"found": 3, "exact": true}));
    let users = step(&plan, "export", "small_app.users");
    let done = |field: &str| users["actions"].as_array().unwrap().iter().find(|a| a["field"] == field).unwrap().clone();
    assert_eq!(done("password_hash")["action"], "omit");
    assert_eq!(
        (&done("id_number")["action"], &done("id_number")["how"]),
        (&json!("mask"), &json!("the last 4 characters"))
    );
    assert_eq!(done("email")["action"], "export");
    assert_eq!(order(&plan["steps"])[0], "resolve");
    assert!(!order(&plan["steps"]).contains(&"preflight".to_owned()), "an access harms nothing");
}

#[tokio::test]
async fn only_an_operator_who_has_just_signed_in_may_look() {
    let world = world().await;
    let body = json!({"right": "erasure", "identity": {"email": LI_EMAIL}});
    let now = world.now();
    world.calls.take();
    let stale = now.checked_sub(SignedDuration::from_mins(31)).unwrap();
    for (token, status, kind) in [
        (None, 401, "unauthorized"),
        (Some("rubbish".to_owned()), 401, "unauthorized"),
        (Some(fresh(&world, LI)), 403, "operators-only"),
        (Some(token(&world, now, &json!(["people"]))), 403, "operators-only"),
        (Some(token(&world, now, &json!("people operators"))), 403, "operators-only"),
        (Some(token(&world, stale, &json!(["operators"]))), 403, "sign-in-too-old"),
    ] {
        let answer = world.call("POST", "/v1/plans", token.as_deref(), Some(body.clone())).await;
        assert_eq!((answer.status, &answer.body["type"]), (status, &json!(format!("urn:habeas:problem:{kind}"))));
    }
    assert!(world.calls.take().is_empty(), "nobody is looked up for them");
}

#[tokio::test]
async fn bad_plans_are_refused_and_somebody_unknown_is_told() {
    let world = world().await;
    let digest = "0".repeat(64);
    for (body, status, kind) in [
        (json!({"right": "erasure"}), 400, "malformed-request"),
        (json!({"right": "erasure", "identity": {}}), 400, "malformed-request"),
        (json!({"right": "erasure", "identity": {"email": "li.wei"}}), 400, "malformed-request"),
        (json!({"right": "erasure", "identity": {"email": LI_EMAIL, "user_id": LI}}), 400, "malformed-request"),
        (json!({"right": "erasure", "identity": {"user_id": LI}, "policy": "new"}), 400, "malformed-request"),
        (json!({"right": "erasure", "identity": {"user_id": LI}, "policy": digest}), 422, "policy-unknown"),
        (json!({"right": "objection", "identity": {"user_id": LI}}), 422, "right-not-offered"),
        (json!({"right": "erasure", "identity": {"user_id": "x".repeat(20_000)}}), 413, "body-too-large"),
    ] {
        let answer = plan(&world, body).await;
        assert_eq!((answer.status, &answer.body["type"]), (status, &json!(format!("urn:habeas:problem:{kind}"))));
        assert!(!answer.body.to_string().contains("li.wei"), "{}", answer.body);
    }
    let nobody = plan(&world, json!({"right": "erasure", "identity": {"email": "nobody@mail.example"}})).await;
    assert_eq!((nobody.status, &nobody.body["subject"]["rows"]), (200, &json!(0)));
    assert_eq!(nobody.body["total"]["erased"], 0);
}

fn obstacle(collection: &str, field: Option<&str>, refuses: bool) -> Obstacle {
    let message = "the index does not project it".to_owned();
    Obstacle { refuses, collection: collection.to_owned(), field: field.map(ToOwned::to_owned), message }
}

#[tokio::test]
async fn an_obstacle_stops_an_erasure_before_anything_is_changed() {
    let world = world().await;
    let before = world.data().await;
    world.obstruct(vec![
        obstacle("small_app.comments", Some("author_id"), true),
        obstacle("small_app.comments", Some("author_id"), true),
        obstacle("small_app.orders", None, true),
        obstacle("small_app.users", None, false),
    ]);
    let plan = plan_of_li(&world, "erasure").await;
    assert_eq!(plan["begins"], false);
    let refuse: Vec<&Value> = plan["obstacles"].as_array().unwrap().iter().map(|found| &found["refuses"]).collect();
    assert_eq!(refuse, [true, true, true, false], "what refuses comes first");

    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().parse().unwrap();
    world.run().await;
    let request = world.ledger().request(&id).await.unwrap().unwrap();
    assert_eq!(request.status, Status::NeedsAttention);
    assert_eq!(world.data().await, before, "nothing is changed");
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!(!ledger.contains("SUPPRESSED"), "nor is anybody marked as erased");
    let events = world.ledger().events(&id).await.unwrap();
    let place = |collection: &str, field: Option<&str>| Obstructed {
        collection: collection.to_owned(),
        field: field.map(ToOwned::to_owned),
    };
    let Fact::StepFailed { reason, obstructed, .. } = &events.last().unwrap().fact else { panic!("{events:?}") };
    assert_eq!(*reason, FailureReason::PreflightRefused);
    assert_eq!(*obstructed, [place("small_app.comments", Some("author_id")), place("small_app.orders", None)]);
    let certificate = Certificate::from_events(&events).unwrap();
    let evidence = EvidenceFile { certificate, events, anchored: None };
    verify(&evidence).unwrap();
    assert!(!serde_json::to_string(&evidence).unwrap().contains("project"), "how systems are built is not told");
}

#[tokio::test]
async fn a_right_that_the_dry_run_lacks_is_an_obstacle_too() {
    let of_tables = |line: &&Grant| {
        line.function == Function::PlanRequest && line.action == "dynamodb:Query" && line.resource == "DataTableArns"
    };
    let line = stack().grants().find(of_tables).unwrap().clone();
    let world = World::that_goes_on_without(line).await;
    settle(&world).await;
    let plan = plan(&world, json!({"right": "erasure", "identity": {"user_id": LI}})).await;
    assert_eq!((plan.status, &plan.body["begins"], &plan.body["subject"]["rows"]), (200, &json!(false), &Value::Null));
    let found = plan.body["obstacles"].as_array().unwrap();
    let found = found.iter().find(|found| found["collection"] == "small_app.users").unwrap();
    assert_eq!(found["refuses"], true);
    assert!(found["message"].as_str().unwrap().contains("dynamodb:Query on \"small-users\" is refused"), "{found}");
}

#[tokio::test]
async fn a_system_that_cannot_be_read_is_an_obstacle_and_the_rest_is_looked_at() {
    let world = world().await;
    world.dynamodb.delete_table().table_name("small-posts").send().await.unwrap();
    let plan = plan_of_li(&world, "access").await;
    assert_eq!(plan["begins"], false);
    assert_eq!(plan["obstacles"][0]["collection"], "small_app.posts");
    assert_eq!(step(&plan, "export", "small_app.posts").get("rows"), None);
    assert_eq!((&plan["total"]["exported"], &plan["total"]["exact"]), (&json!(7), &json!(false)));
}

/// A dry run of an erasure of Li.
async fn look(world: &World, limits: Limits) -> DryRun {
    let identity = Identity::parse(IdentityKind::PhoneNumber, LI_PHONE).unwrap();
    let (connectors, random) = (world.connectors(), SeededRandom::new(1));
    let means = Means { connectors: &connectors, clock: world.clock.as_ref(), random: &random };
    DryRun::of(&world.policy, Matter::Right(Right::Erasure), false, &identity, means, limits).await.unwrap()
}

#[tokio::test]
async fn where_there_is_too_much_the_first_rows_stand_for_the_others_and_are_marked() {
    let world = world().await;
    // Two pages of posts: a page is 1 MiB.
    let long = "x".repeat(300_000);
    for number in 0..5 {
        let id = format!("q{number}");
        let post = [("user_id", LI), ("post_id", &id), ("text", &long), ("created_at", "2026-10-01T00:00:00Z")];
        world.put("small-posts", &post).await;
    }
    let posts = |dry_run: &DryRun| {
        let is_posts = |step: &&habeas::dry_run::PlannedStep| step.work.collection() == Some("small_app.posts");
        dry_run.outline.steps.iter().find(is_posts).unwrap().rows.clone()
    };
    let all = look(&world, Limits::default()).await;
    assert_eq!(posts(&all).unwrap().split.unwrap().erased, 8);
    assert!(all.total.is_exact && !posts(&all).unwrap().is_sample());
    let some = look(&world, Limits { rows: 2, until: None }).await;
    let rows = posts(&some).unwrap();
    assert!(rows.is_exact && rows.is_sample() && !some.total.is_exact);
    assert_eq!(rows.found, 8, "all are counted");
    assert!((2..8).contains(&rows.split.unwrap().looked_at), "{rows:?}");
    let late = look(&world, Limits { until: Some(world.now()), ..Limits::default() }).await;
    assert_eq!(posts(&late), None, "time was up");
    assert!(!late.total.is_exact);

    let mut told = Vec::new();
    print_dry_run(&some, 120, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("of the first rows only"), "{told}");
}

#[tokio::test]
async fn people_read_a_plan_as_tables_that_fit_their_terminal() {
    let world = world().await;
    world.obstruct(vec![obstacle("small_app.comments", Some("author_id"), true)]);
    let dry_run = look(&world, Limits::default()).await;
    for width in [90, 160] {
        let mut told = Vec::new();
        print_dry_run(&dry_run, width, &mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        let widest = told.lines().skip(3).map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= usize::from(width), "{widest} columns:\n{told}");
        assert!(told.contains("the person is there: 1 row of small_app.users"), "{told}");
        assert!(told.contains("a request would be stopped before anything is changed"), "{told}");
        assert!(!told.contains(LI_PHONE) && !told.contains(LI_EMAIL), "{told}");
    }
    let mut told = Vec::new();
    print_dry_run(&dry_run, 160, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    for line in [
        "stops small_app.comments author_id the index does not project it",
        "4 4 tell courier",
        "6 5 erase small_app.comments 1 0 1 0 0",
        "in all 7 2 1 0",
        "small_app.comments author_id ← small_app.users.user_id",
        "small_app.comments anonymised: fixed text \"deleted-user\" author_id",
        "small_app.posts erased all 4",
        "small_app.orders until completed_at + P3Y; the last until 2029-01-31T00:00:00Z; marked state = \"restricted\" Orders are kept for three years 1",
    ] {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.lines().any(|told| words(told) == line), "{line}\n{told}");
    }
    let outline = Outline::of(&world.policy, Matter::Right(Right::Erasure), false).unwrap();
    let mut told = Vec::new();
    print_outline(&outline, 160, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    let heads = told.lines().find(|line| line.trim_start().starts_with("step")).unwrap();
    assert!(!heads.contains("rows") && !heads.contains("erased"), "nobody was looked at: {heads}");
}
