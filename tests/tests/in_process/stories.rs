//! Whole stories: access, erasure, cancellation, sweep.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use habeas::evidence::{Event, EvidenceFile, Fact, verify};
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::people::{LI, LI_EMAIL, LI_PHONE, PICTURE, fresh, world};

/// Makes a request as Li, signed in, and runs it to its end.
pub(crate) async fn exercise(world: &World, right: &str) -> String {
    let (token, body) = (fresh(world, LI), json!({"right": right}).to_string());
    let key = format!("{right}-{}", world.mails().len());
    let answer = world.call_raw("POST", "/v1/requests", Some(&token), Some(&key), body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run_to_end(&id).await;
    id
}

/// What is handed out for a request, which must be what the ledger says.
pub(crate) async fn handed_out(world: &World, id: &str) -> Vec<u8> {
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    let info = request.package.unwrap();
    let object = world.s3.get_object().bucket(World::BUCKET).key(&info.key).send().await.unwrap();
    let bytes = object.body.collect().await.unwrap().to_vec();
    assert_eq!(info.bytes, bytes.len() as u64);
    assert_eq!(info.sha256, hex(&sha2::Sha256::digest(&bytes)));
    bytes
}

/// Checks that an archive is sound, of this request, and signed by the stack's key.
pub(crate) fn check_archive(world: &World, id: &str, archive: &[u8]) {
    let verified = habeas::export::verify(archive, Some(&world.signing_key()));
    let head = verified.map_err(|wrong| wrong.to_string()).unwrap().manifest.head;
    assert_eq!((head.request_id, head.complete), (id.parse().unwrap(), true));
}

/// The package of a request, which must be sound.
pub(crate) async fn archive(world: &World, id: &str) -> Vec<u8> {
    let bytes = handed_out(world, id).await;
    check_archive(world, id, &bytes);
    bytes
}

/// The files of the package of a request.
pub(crate) async fn package(world: &World, id: &str) -> BTreeMap<String, Vec<u8>> {
    files(archive(world, id).await)
}

/// The files of an archive.
pub(crate) fn files(archive: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut files = BTreeMap::new();
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        files.insert(file.name().unwrap().into_owned(), content);
    }
    files
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The evidence of a request, checked.
pub(crate) async fn evidence(world: &World, id: &str) -> EvidenceFile {
    let token = fresh(world, LI);
    let answer = world.call("GET", &format!("/v1/requests/{id}/evidence"), Some(&token), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let file: EvidenceFile = serde_json::from_value(answer.body).unwrap();
    verify(&file).unwrap();
    file
}

fn json_of(files: &BTreeMap<String, Vec<u8>>, path: &str) -> Value {
    serde_json::from_slice(&files[path]).unwrap()
}

#[tokio::test]
async fn access_gives_everything_that_may_leave_and_nothing_else() {
    let world = world().await;
    let before = world.data().await;
    let id = exercise(&world, "access").await;
    let files = package(&world, &id).await;
    let users = json_of(&files, "data/small_app/users.json");
    assert_eq!(
        users,
        json!([{"user_id": LI, "email": LI_EMAIL, "phone": "+8613912345678", "id_number": "**************1234",
            "language": "zh-Hans"}])
    );
    assert_eq!(json_of(&files, "data/small_app/posts.json").as_array().unwrap().len(), 3);
    let from_ann = json!({"message_id": "m2", "recipient_id": LI, "text": "from Ann"});
    let from_li = json!({"sender_id": LI, "message_id": "m1", "recipient_id": "u-ann", "text": "from Li"});
    let messages = json_of(&files, "data/small_app/messages.json");
    assert_eq!(messages.as_array().unwrap().len(), 2);
    for message in [from_ann, from_li] {
        assert!(
            messages.as_array().unwrap().contains(&message),
            "without what the policy says is another's: {messages}"
        );
    }
    let pictures = json_of(&files, "data/small_files/pictures.json");
    assert_eq!(pictures[0]["key"], "pictures/u-li/face.png");
    assert_eq!(files[pictures[0]["file"].as_str().unwrap()], PICTURE);
    let manifest = json_of(&files, "manifest.json");
    for file in manifest["files"].as_array().unwrap() {
        let content = &files[file["path"].as_str().unwrap()];
        assert_eq!(file["sha256"], hex(&sha2::Sha256::digest(content)));
    }
    assert_eq!(manifest["files"].as_array().unwrap().len() + 2, files.len(), "but for itself and its signature");
    let page = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(page.contains("left out where it is another person&#x27;s"), "and the page says so");
    assert!(page.contains(LI_EMAIL) && !page.contains("110101199003071234") && !page.contains("argon2"));
    assert_eq!(world.data().await, before, "an access changes nothing");
    evidence(&world, &id).await;
}

#[tokio::test]
async fn a_package_is_handed_out_for_a_time_and_then_deleted_with_everything_staged() {
    let world = world().await;
    let id = exercise(&world, "access").await;
    let path = format!("/v1/requests/{id}/package");
    let stale = fresh(&world, LI);
    world.advance(SignedDuration::from_mins(11));
    assert_eq!(world.call("GET", &path, Some(&stale), None).await.body["type"], "urn:habeas:problem:sign-in-too-old");
    let answer = world.call("GET", &path, Some(&fresh(&world, LI)), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body["url"].as_str().unwrap().contains("X-Amz-Expires=300"));
    let again = world.call("GET", &path, Some(&fresh(&world, LI)), None).await;
    assert_eq!((&answer.body["links"], &again.body["links"]), (&json!(1), &json!(2)));
    for _ in 2..100 {
        assert_eq!(world.call("GET", &path, Some(&fresh(&world, LI)), None).await.status, 200);
    }
    let one_more = world.call("GET", &path, Some(&fresh(&world, LI)), None).await;
    assert_eq!(one_more.body["type"], "urn:habeas:problem:too-many", "{}", one_more.body);
    let issued = |event: &Event| matches!(event.fact, Fact::PackageLinkIssued { .. });
    assert_eq!(evidence(&world, &id).await.events.iter().filter(|event| issued(event)).count(), 100);
    let listed = async || {
        let listed = world.s3.list_objects_v2().bucket(World::BUCKET).send().await.unwrap();
        listed.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [format!("requests/{id}/package-1-1.zip")], "the copies it was made from are gone");
    world.advance(SignedDuration::from_hours(7 * 24));
    assert_eq!(world.call("GET", &path, Some(&fresh(&world, LI)), None).await.status, 410);
    world.wake().await;
    world.run().await;
    assert_eq!(listed().await, Vec::<String>::new());
    let last = evidence(&world, &id).await.events.pop().unwrap();
    assert_eq!(last.fact, Fact::PackageExpired { deleted: 1 });
}

#[tokio::test]
async fn erasure_leaves_what_the_policy_retains_and_other_people_alone() {
    let world = world().await;
    let before = world.data().await;
    let id = exercise(&world, "erasure").await;
    let after = world.data().await;
    assert!(after["small-users"].iter().all(|user| user["user_id"] != LI));
    assert!(after["small-posts"].iter().all(|post| post["user_id"] != LI));
    let comment = after["small-comments"].iter().find(|comment| comment["comment_id"] == "c1").unwrap();
    assert_eq!((comment["author_id"].as_str(), comment["text"].as_str()), ("deleted-user", "[deleted]"));
    let to_li = after["small-messages"].iter().find(|message| message["message_id"] == "m2").unwrap();
    assert_eq!((to_li["recipient_id"].as_str(), to_li["text"].as_str()), ("deleted-user", "from Ann"));
    assert_eq!(after["small-messages"].len(), 1);
    let orders: Vec<_> = after["small-orders"].iter().filter(|order| order["user_id"] == LI).collect();
    assert_eq!(orders.len(), 1, "the order of 2022 is older than what the law asks for");
    assert!(!orders[0].contains_key("address"));
    assert!(after[World::FILES].iter().all(|object| object["owner"] != LI));
    for (table, rows) in &before {
        let of_others = rows.iter().filter(|row| !row.values().any(|value| value == LI));
        for row in of_others {
            assert!(after[table].contains(row), "{table} {row:?}");
        }
    }
    let status = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await.body;
    assert_eq!(status["outcome"], "partial");
    assert_eq!(status["retained"][0]["collection"], "small_app.orders");
    assert_eq!(status["retained"][0]["until"], "2029-01-31T00:00:00Z");
    assert_eq!(status["retained"][0]["basis"], "Orders are kept for three years");
    assert_eq!(status["counts"]["left_over"], 0);
    let evidence = evidence(&world, &id).await;
    assert_eq!((evidence.certificate.total.erased, evidence.certificate.total.anonymised), (7, 2));
    assert!(!serde_json::to_string(&evidence).unwrap().contains(LI));

    let again = exercise(&world, "erasure").await;
    assert_eq!(world.data().await, after, "a second erasure changes nothing");
    let status = world.call("GET", &format!("/v1/requests/{again}"), Some(&fresh(&world, LI)), None).await.body;
    assert_eq!((&status["counts"]["erased"], &status["counts"]["anonymised"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_finished_request_holds_no_personal_data() {
    let world = world().await;
    exercise(&world, "erasure").await;
    crate::recheck::after(&world, SignedDuration::from_hours(24)).await;
    crate::recheck::after(&world, SignedDuration::from_hours(29 * 24)).await;
    // Until the last order that has to be kept is purged.
    crate::recheck::after(&world, SignedDuration::from_hours(800 * 24)).await;
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    for value in [LI, LI_EMAIL, "13912345678", "110101199003071234", "Li says hello", "sealed"] {
        assert!(!ledger.contains(value), "{value}");
    }
    assert_eq!(ledger.matches("SUPPRESSED#k1:").count(), 6, "three identities, each in two keys");
}

#[tokio::test]
async fn a_cancellation_is_confirmed_cools_off_and_then_erases() {
    let world = world().await;
    let token = fresh(&world, LI);
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "account_cancellation"}))).await;
    assert_eq!(answer.body["next"]["action"], "verify", "{}", answer.body);
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let path = |rest: &str| format!("/v1/requests/{id}{rest}");
    world.run().await;
    assert_eq!(world.mails()[0].0, LI_EMAIL);
    let confirm = json!({"phrase": "Cancel my account", "export": true});
    let early = world.call("POST", &path("/confirmation"), Some(&token), Some(confirm.clone())).await;
    assert_eq!(early.status, 409, "{}", early.body);
    let code = json!({"code": world.last_code()});
    let verified = world.call("PUT", &path("/verification"), Some(&token), Some(code)).await;
    assert_eq!(verified.body["status"], "on_hold", "{}", verified.body);
    assert_eq!(verified.body["next"]["consequences"][0], "Everything goes.");
    let wrong = json!({"phrase": "yes", "export": true});
    let wrong = world.call("POST", &path("/confirmation"), Some(&token), Some(wrong)).await;
    assert_eq!(wrong.body["type"], "urn:habeas:problem:phrase-wrong");
    let confirmed = world.call("POST", &path("/confirmation"), Some(&token), Some(confirm)).await;
    assert_eq!(confirmed.body["status"], "cooling_off", "{}", confirmed.body);
    let before = world.data().await;
    world.advance(SignedDuration::from_hours(15 * 24 - 1));
    world.wake().await;
    world.run().await;
    assert_eq!(world.data().await, before, "nothing happens before the cooling-off period is over");
    world.advance(SignedDuration::from_hours(2));
    world.wake().await;
    world.run_to_end(&id).await;
    world.run().await;
    assert!(world.data().await["small-users"].iter().all(|user| user["user_id"] != LI));
    assert_eq!(
        package(&world, &id).await.len(),
        6 * 3 + 1 + 3,
        "six collections, a picture, the index, the manifest, its signature"
    );
    let last: Vec<String> = world.mails().into_iter().rev().take(2).map(|(address, _)| address).collect();
    assert_eq!(last, [LI_PHONE, LI_EMAIL], "the notice goes to each address that was on file");
    let late = world.call("DELETE", &path(""), Some(&fresh(&world, LI)), None).await;
    assert_eq!(late.status, 410, "{}", late.body);
    evidence(&world, &id).await;
}

#[tokio::test]
async fn a_cancellation_can_be_taken_back_while_it_cools_off() {
    let world = world().await;
    let token = fresh(&world, LI);
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "account_cancellation"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    world.call("PUT", &format!("/v1/requests/{id}/verification"), Some(&token), Some(code)).await;
    let confirm = json!({"phrase": "注销我的账号"});
    world.call("POST", &format!("/v1/requests/{id}/confirmation"), Some(&token), Some(confirm)).await;
    let withdrawn = world.call("DELETE", &format!("/v1/requests/{id}"), Some(&token), None).await;
    assert_eq!(withdrawn.body["status"], "withdrawn", "{}", withdrawn.body);
    let before = world.data().await;
    world.advance(SignedDuration::from_hours(16 * 24));
    world.wake().await;
    world.run().await;
    assert_eq!(world.data().await, before);
}

#[tokio::test]
async fn a_cancellation_that_nobody_confirms_expires() {
    let world = world().await;
    let token = fresh(&world, LI);
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "account_cancellation"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    world.call("PUT", &format!("/v1/requests/{id}/verification"), Some(&token), Some(code)).await;
    world.advance(SignedDuration::from_hours(7 * 24 + 1));
    world.wake().await;
    world.run().await;
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((request.status.name(), request.contact), ("expired", None));
}

#[tokio::test]
async fn a_request_that_is_not_done_in_time_is_reported_once_and_goes_on() {
    let world = world().await;
    let token = fresh(&world, LI);
    let answer = world.call("POST", "/v1/requests", Some(&token), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        world.lose_messages();
        world.advance(SignedDuration::from_hours(32 * 24));
        world.wake().await;
        world.step().await;
        world.step().await;
    }
    world.run_to_end(&id).await;
    let events = evidence(&world, &id).await.events;
    let overdue = events.iter().filter(|event| event.fact == Fact::Overdue);
    assert_eq!(overdue.count(), 1);
}

#[tokio::test]
async fn a_sweep_takes_what_has_outlived_its_retention_and_nothing_else() {
    let world = world().await;
    let before = world.data().await;
    let id = world.sweep().await;
    world.run_to_end(&id).await;
    let after = world.data().await;
    let gone: Vec<_> = before["small-posts"].iter().filter(|post| !after["small-posts"].contains(post)).collect();
    assert_eq!(gone.iter().map(|post| post["post_id"].as_str()).collect::<Vec<_>>(), ["old"]);
    let gone: Vec<_> = before["small-orders"].iter().filter(|order| !after["small-orders"].contains(order)).collect();
    assert_eq!(gone.iter().map(|order| order["order_id"].as_str()).collect::<Vec<_>>(), ["o2"]);
    let gone = before[World::FILES].iter().filter(|object| !after[World::FILES].contains(object));
    assert_eq!(gone.map(|object| object["key"].as_str()).collect::<Vec<_>>(), ["pictures/u-ann/old.png"]);
    let changed: Vec<_> =
        after["small-comments"].iter().filter(|row| !before["small-comments"].contains(row)).collect();
    let texts = changed.iter().map(|row| (row["comment_id"].as_str(), row["text"].as_str()));
    assert_eq!(texts.collect::<Vec<_>>(), [("c3", "[deleted]")]);
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let certificate = habeas::evidence::Certificate::from_events(&events).unwrap();
    let total = certificate.total;
    assert_eq!((total.erased, total.anonymised, total.read), (3, 1, 14));
    verify(&EvidenceFile { certificate, events, anchored: None }).unwrap();
}
