//! How a package is made: in many pages and parts, under workers that come back too late, with an upload that somebody
//! touched; and what is in it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use export_data::Limits;
use habeas::export::{Columns, StagedPage, pack_records, pack_table, staging};
use habeas::ledger::StepStatus;
use habeas::plan::Work;
use habeas_cli::commands::Verdict;
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::{SMALL, check_evidence, records, whole};
use crate::people::{LI, fresh, world};
use crate::stories::{archive, exercise, package};

/// A request for access whose package is to be made next, little by little.
async fn before_the_package() -> (World, String) {
    let world = world().await;
    let id = until_the_package(&world, SMALL, json!({"right": "access"})).await;
    (world, id)
}

/// Makes a request, and runs it until its package is to be made next.
pub(crate) async fn until_the_package(world: &World, limits: Limits, body: Value) -> String {
    world.limit_packages(limits);
    let answer = world.call("POST", "/v1/requests", Some(&fresh(world, LI)), Some(body)).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let is_next = async || {
        let view = world.ledger().view(&id.parse().unwrap()).await.unwrap().unwrap();
        view.steps.iter().any(|step| step.work == Work::Package && step.status == StepStatus::Ready)
    };
    while !is_next().await {
        assert!(world.step().await, "the package is never to be made");
    }
    id
}

/// The lease of whoever works lapses, and the message comes again.
async fn lapse(world: &World) {
    world.lose_messages();
    world.advance(SignedDuration::from_mins(16));
    world.wake().await;
}

/// Puts the worker at the package to sleep before a call, until its lease has lapsed and another one is at work; then the
/// request runs to its end. None: the worker makes fewer calls than that.
pub(crate) async fn with_a_late_worker(world: World, id: &str, call: usize) -> Option<Arc<World>> {
    let world = Arc::new(world);
    let bound = Duration::from_mins(2);
    let work = |world: &Arc<World>| {
        let world = world.clone();
        tokio::spawn(async move { world.step().await })
    };
    let mut sleeper = world.calls.hold_after(call);
    let mut late = work(&world);
    let slept = tokio::select! {
        told = &mut sleeper.asleep => told.is_ok(),
        _ = &mut late => false,
    };
    if !slept {
        return None;
    }
    lapse(&world).await;
    // The one who takes over is somewhere else when the late one wakes up.
    let mut pause = world.calls.hold_after(call * 7 % 40);
    let mut successor = work(&world);
    let is_done = tokio::select! {
        _ = &mut pause.asleep => false,
        _ = &mut successor => true,
    };
    if is_done {
        // Nobody else is to sleep in its place.
        pause.release();
    }
    sleeper.release();
    tokio::time::timeout(bound, late).await.unwrap().unwrap();
    pause.release();
    if !is_done {
        tokio::time::timeout(bound, successor).await.unwrap().unwrap();
    }
    world.run_to_end(id).await;
    Some(world)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_that_lost_its_lease_and_wakes_up_at_any_call_spoils_nothing() {
    let (undisturbed, id) = whole("access").await;
    let expected = records(&undisturbed, &id).await;
    let mut repeated = 0;
    for call in (0..).step_by(2) {
        let (world, id) = before_the_package().await;
        let Some(world) = with_a_late_worker(world, &id, call).await else {
            assert!(call > 60, "the matrix has many pages and parts: {call}");
            break;
        };
        assert_eq!(records(&world, &id).await, expected, "asleep at call {call}");
        check_evidence(&world, &id).await;
        let (again, otherwise) = world.repeated_parts();
        assert_eq!(otherwise, 0, "both write the same: asleep at call {call}");
        repeated += again;
    }
    assert!(repeated > 0, "both wrote the same part at least once");
}

/// Asks for access and kills the worker when all parts of the package are uploaded. Gives the request and the upload.
pub(crate) async fn until_all_is_uploaded(world: &World) -> (String, String) {
    let id = until_the_package(world, SMALL, json!({"right": "access"})).await;
    world.calls.die_at("CompleteMultipartUpload");
    while !world.calls.revive() {
        assert!(world.step().await, "it dies");
    }
    let (upload, parts) = world.open_uploads().pop().unwrap();
    assert!(parts > 2, "{parts}");
    (id, upload)
}

/// Puts something else in the place of a part.
pub(crate) async fn replace_a_part(world: &World, id: &str, upload: String) {
    let part = world.s3.upload_part().bucket(World::BUCKET).key(format!("requests/{id}/package-1-1.zip"));
    let part = part.upload_id(upload).part_number(1).body(ByteStream::from_static(b"PK"));
    part.send().await.unwrap();
}

#[tokio::test]
async fn a_package_whose_upload_or_parts_were_touched_is_made_anew() {
    let (undisturbed, id) = whole("access").await;
    let expected = records(&undisturbed, &id).await;
    for touched in ["upload", "part", "note", "notes gone"] {
        let world = world().await;
        let (id, upload) = until_all_is_uploaded(&world).await;
        let key = format!("requests/{id}/package-1-1.zip");
        let (bucket, s3) = (World::BUCKET, &world.s3);
        let listed = s3.list_objects_v2().bucket(bucket).prefix(format!("requests/{id}/notes/1-1/files-")).send().await;
        let note = listed.unwrap().contents().last().unwrap().key().unwrap().to_owned();
        match touched {
            "upload" => {
                s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(upload).send().await.map(drop).unwrap();
            }
            "part" => replace_a_part(&world, &id, upload).await,
            "note" => {
                let put = s3.put_object().bucket(bucket).key(note).body(ByteStream::from_static(b"\n"));
                put.send().await.map(drop).unwrap();
            }
            _ => world.delete(&note).await,
        }
        world.run_to_end(&id).await;
        assert_eq!(records(&world, &id).await, expected, "{touched}");
        let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(request.package.unwrap().key, format!("requests/{id}/package-2-2.zip"), "{touched}");
        assert_eq!(world.open_uploads(), [], "what was begun and given up is aborted");
    }
}

#[tokio::test]
async fn a_completed_upload_whose_worker_died_is_the_package() {
    let (world, id) = before_the_package().await;
    world.calls.die_at("TransactWriteItems");
    while !world.calls.revive() {
        assert!(world.step().await, "it dies");
    }
    assert_eq!(world.open_uploads(), [], "the upload is complete, and nobody knows");
    world.run_to_end(&id).await;
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(request.package.unwrap().key, format!("requests/{id}/package-1-1.zip"));
    archive(&world, &id).await;
}

#[tokio::test]
async fn a_package_in_one_piece_is_made_anew_by_whoever_comes_after_a_death_at_any_call() {
    let (undisturbed, id) = whole("access").await;
    let expected = records(&undisturbed, &id).await;
    let mut taken_over = 0;
    for call in 0.. {
        let world = world().await;
        let id = until_the_package(&world, Limits::default(), json!({"right": "access"})).await;
        world.calls.die_after(call, call % 2 == 0);
        assert!(world.step().await, "there is a package to make");
        if !world.calls.revive() {
            assert!(call > 8, "it takes more calls than that: {call}");
            break;
        }
        lapse(&world).await;
        world.run_to_end(&id).await;
        assert_eq!(records(&world, &id).await, expected, "dead at call {call}");
        check_evidence(&world, &id).await;
        assert_eq!(world.open_uploads(), [], "it takes no upload");
        let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
        taken_over += u32::from(request.package.unwrap().key == format!("requests/{id}/package-2-1.zip"));
    }
    assert!(taken_over > 0, "another worker gives its package another name");
}

#[tokio::test]
async fn media_of_any_size_are_files_of_the_package() {
    let (world, id) = before_the_package().await;
    let view = world.ledger().view(&id.parse().unwrap()).await.unwrap().unwrap();
    let is_posts = |work: &Work| work.collection() == Some("small_app.posts");
    let step = view.steps.iter().find(|step| is_posts(&step.work)).unwrap().number;
    let noise = |length: usize| (0..length).map(|at| u8::try_from(at * at % 251).unwrap()).collect::<Vec<u8>>();
    let media =
        [("empty.bin", noise(0)), ("small.png", noise(10)), ("large.bin", noise(5321)), ("whole.mp4", noise(1000))];
    for (name, content) in &media {
        let key = format!("requests/{id}/media/{step}/0000-{name}");
        let put = world.s3.put_object().bucket(World::BUCKET).key(key).body(ByteStream::from(content.clone()));
        put.send().await.unwrap();
    }
    world.run_to_end(&id).await;
    let files = package(&world, &id).await;
    for (name, content) in &media {
        assert_eq!(&files[&format!("media/small_app/posts/0000-{name}")], content, "{name}");
    }
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(page.contains("href=\"media&#x2f;small_app&#x2f;posts&#x2f;0000-small.png\""));
}

/// Stages a page of Li's posts, which have one.
async fn stage_posts(world: &World, id: &str, page: u32, lines: &[Value]) {
    let view = world.ledger().view(&id.parse().unwrap()).await.unwrap().unwrap();
    let is_posts = |work: &Work| work.collection() == Some("small_app.posts");
    let step = view.steps.iter().find(|step| is_posts(&step.work)).unwrap().number;
    let lines = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let (records, json) = pack_records(lines.as_bytes(), None).unwrap();
    let (columns, table) = pack_table(lines.as_bytes(), Columns::default(), None).unwrap();
    let page_bytes = StagedPage::write(records, &json, columns, &table).unwrap();
    let key = staging::page(&id.parse().unwrap(), step, page);
    let put = world.s3.put_object().bucket(World::BUCKET).key(key).body(ByteStream::from(page_bytes));
    put.send().await.unwrap();
}

#[tokio::test]
async fn pages_whose_records_have_other_fields_are_one_table() {
    let (world, id) = before_the_package().await;
    for (page, likes) in [(1, json!({"post_id": "p8", "likes": 3})), (2, json!({"zone": "x", "post_id": "p9"}))] {
        stage_posts(&world, &id, page, &[likes]).await;
    }
    world.run_to_end(&id).await;
    let files = package(&world, &id).await;
    let table = String::from_utf8(files["data/small_app/posts.csv"].clone()).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "\u{feff}user_id,post_id,text,created_at,likes,zone");
    assert!(lines[1].ends_with("Li's post 0,2026-10-01T00:00:00Z,,"), "{table}");
    assert_eq!(lines[4..], [",p8,,,3,", ",p9,,,,x"]);
    let list: Vec<Value> = serde_json::from_slice(&files["data/small_app/posts.json"]).unwrap();
    assert_eq!(list[3..], [json!({"post_id": "p8", "likes": 3}), json!({"zone": "x", "post_id": "p9"})]);
    let schema: Value = serde_json::from_slice(&files["schemas/small_app/posts.schema.json"]).unwrap();
    assert!(is_valid(&schema, &json!(list)));
    assert_eq!(schema["items"]["properties"]["likes"], json!({"type": "integer"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_that_is_staged_again_while_the_package_is_made_is_the_same_in_list_and_table() {
    // Of texts that do not pack well, so that a part is full, and a page of the making over, between list and table.
    let text = |mut seed: u64| {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            format!("{seed:016x}")
        };
        (0..20).map(|_| next()).collect::<String>()
    };
    let post = |number: u64| json!({"user_id": LI, "post_id": format!("n{number}"), "text": text(number + 1)});
    let posts = |numbers: std::ops::Range<u64>| numbers.map(post).collect::<Vec<_>>();
    let (mut old, mut anew) = (0, 0);
    for call in (0..).step_by(2) {
        let (world, id) = before_the_package().await;
        stage_posts(&world, &id, 0, &posts(0..40)).await;
        let world = Arc::new(world);
        let mut sleeper = world.calls.hold_after(call);
        let working = world.clone();
        let mut work = tokio::spawn(async move { working.step().await });
        let slept = tokio::select! {
            told = &mut sleeper.asleep => told.is_ok(),
            _ = &mut work => false,
        };
        if !slept {
            assert!(call > 20, "it takes more calls than that: {call}");
            break;
        }
        stage_posts(&world, &id, 0, &posts(0..30)).await;
        sleeper.release();
        work.await.unwrap();
        world.run_to_end(&id).await;
        let records = records(&world, &id).await;
        let [list, table] = ["json", "csv"].map(|ending| records[&format!("data/small_app/posts.{ending}")].len());
        assert_eq!(list, table, "staged again before call {call}");
        let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
        old += u32::from(list == 40);
        anew += u32::from(request.package.unwrap().key.ends_with("-2.zip"));
    }
    assert!(old > 0 && anew > 0, "some packages have the old page whole, and some were begun anew: {old}, {anew}");
}

#[tokio::test]
async fn what_is_taken_along_is_for_machines_and_keeps_to_its_schemas() {
    let world = world().await;
    let (attribute, number) = (aws_sdk_dynamodb::types::AttributeValue::S, aws_sdk_dynamodb::types::AttributeValue::N);
    let post = world.dynamodb.put_item().table_name("small-posts").item("user_id", attribute(LI.to_owned()));
    let post =
        post.item("post_id", attribute("p9".to_owned())).item("text", attribute("=cmd()|' /C calc'!A0".to_owned()));
    let post = post.item("created_at", attribute("2026-11-01T00:00:00Z".to_owned()));
    post.item("likes", number("12345678901234567890.5".to_owned())).send().await.unwrap();
    let id = exercise(&world, "portability").await;
    let files = package(&world, &id).await;
    assert!(!files.contains_key("index.html"));
    let mut schemas = 0;
    for (path, content) in files.iter().filter(|(path, _)| path.ends_with(".schema.json")) {
        let schema: Value = serde_json::from_slice(content).unwrap();
        let data = path.replace("schemas/", "data/").replace(".schema.json", ".json");
        let mut data: Value = serde_json::from_slice(&files[&data]).unwrap();
        assert!(is_valid(&schema, &data), "{path}");
        if let Some(record) = data[0].as_object_mut() {
            let name = record.keys().next().unwrap().clone();
            record.insert(name, json!({"not": "what it was"}));
            assert!(!is_valid(&schema, &data), "{path} allows anything");
        }
        schemas += 1;
    }
    assert_eq!(schemas, 6);
    let posts: Value = serde_json::from_slice(&files["schemas/small_app/posts.schema.json"]).unwrap();
    assert_eq!(posts["items"]["properties"]["likes"], json!({"type": "number"}), "found, though not declared");
    let users: Value = serde_json::from_slice(&files["schemas/small_app/users.schema.json"]).unwrap();
    assert_eq!(users["items"]["properties"]["id_number"]["x-masked"], json!({"kept_at_the_end": 4}));
    assert_eq!(users["x-left-out"][0]["field"], "password_hash");
    let table = String::from_utf8(files["data/small_app/posts.csv"].clone()).unwrap();
    assert!(table.starts_with("\u{feff}user_id,post_id,text,created_at,likes\r\n"), "{table}");
    assert!(table.contains(",'=cmd()|' /C calc'!A0,2026-11-01T00:00:00Z,12345678901234567890.5\r\n"), "{table}");
}

#[tokio::test]
async fn the_command_line_checks_a_package_and_says_what_its_key_proves() {
    let world = world().await;
    let id = exercise(&world, "access").await;
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("my-data.zip"), folder.path().join("key.pem"));
    let mut bytes = archive(&world, &id).await;
    std::fs::write(&file, &bytes).unwrap();
    std::fs::write(&key, world.signing_key().to_pem()).unwrap();
    let verify = |key: Option<&Path>| {
        let mut out = Vec::new();
        let verdict = habeas_cli::commands::package::verify(&file, key, &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    };
    let (verdict, told) = verify(Some(&key));
    assert_eq!(verdict, Verdict::Good, "{told}");
    assert!(told.contains("that is the key that you named") && told.contains(&id), "{told}");
    let (verdict, told) = verify(None);
    assert_eq!(verdict, Verdict::Good, "{told}");
    assert!(told.contains(&world.signing_key().fingerprint()) && told.contains("and not who signed it"), "{told}");
    *bytes.last_mut().unwrap() = 1;
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(verify(None).0, Verdict::Bad);
}

fn is_valid(schema: &Value, data: &Value) -> bool {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("urn:test:schema", schema.clone()).unwrap();
    let compiled = compiler.compile("urn:test:schema", &mut schemas).unwrap();
    schemas.validate(data, compiled).is_ok()
}
