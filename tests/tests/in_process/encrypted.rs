//! Packages for people who gave a key: age opens them, nobody else does, and no crash or late worker spoils them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use age::x25519::Identity;
use export_data::Limits;
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::{check_evidence, records, records_in, whole};
use crate::package::{until_the_package, with_a_late_worker};
use crate::people::{LI, fresh, world};
use crate::stories::{check_archive, files, handed_out};

/// So little at once that some hundred kilobytes are several pages, and parts of a chunk or two.
const LITTLE: Limits =
    Limits { part_bytes: 1, batch_objects: 8, batch_bytes: 50_000, page_objects: 4, page_bytes: 1 << 20 };

fn film() -> Vec<u8> {
    (0..250_000_usize).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
}

fn body(right: &str, identity: &Identity) -> Value {
    json!({"right": right, "encrypt_to": identity.to_public().to_string()})
}

/// A request whose package is to be made next.
async fn before_the_package(identity: &Identity) -> (World, String) {
    let world = world().await;
    world.put_object(World::FILES, "pictures/u-li/film.mp4", &film(), "2026-10-01T00:00:00Z").await;
    let id = until_the_package(&world, LITTLE, body("access", identity)).await;
    (world, id)
}

fn opened(file: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let decryptor = age::Decryptor::new(file).unwrap();
    let mut content = Vec::new();
    decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)).ok()?.read_to_end(&mut content).ok()?;
    Some(content)
}

/// The files of an encrypted package, whose archive must be sound and signed.
async fn opened_files(world: &World, id: &str, identity: &Identity) -> BTreeMap<String, Vec<u8>> {
    let archive = opened(&handed_out(world, id).await, identity).unwrap();
    check_archive(world, id, &archive);
    let files = files(archive);
    let is_film = |(path, content): (&String, &Vec<u8>)| path.ends_with("film.mp4") && *content == film();
    assert_eq!(files.iter().filter(|file| is_film(*file)).count(), 1);
    files
}

/// The records of Li, but for the list of pictures, which has the film in it.
async fn expected() -> BTreeMap<String, BTreeSet<String>> {
    let (undisturbed, id) = whole("access").await;
    without_pictures(records(&undisturbed, &id).await)
}

fn without_pictures(mut records: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    records.retain(|path, _| !path.contains("pictures"));
    records
}

#[tokio::test]
async fn only_the_persons_key_opens_the_package_to_the_same_signed_archive() {
    let identity = Identity::generate();
    let (world, id) = before_the_package(&identity).await;
    world.run_to_end(&id).await;
    let files = opened_files(&world, &id, &identity).await;
    assert_eq!(without_pictures(records_in(files)), expected().await);
    let file = handed_out(&world, &id).await;
    assert_eq!(opened(&file, &Identity::generate()), None);
    check_evidence(&world, &id).await;

    let link = world.call("GET", &format!("/v1/requests/{id}/package"), Some(&fresh(&world, LI)), None).await;
    assert_eq!((link.status, &link.body["encrypted"]), (200, &json!(true)), "{}", link.body);
    let url = link.body["url"].as_str().unwrap();
    assert!(url.contains("my-data.zip.age"), "{url}");
    assert!(world.fetch(url).await == file);
    let shown = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await;
    assert_eq!(shown.body["package"]["encrypted"], json!(true));

    let left = world.s3.list_objects_v2().bucket(World::BUCKET).prefix(format!("requests/{id}/")).send().await.unwrap();
    let left: Vec<&str> = left.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(left, [format!("requests/{id}/package-1-1.zip.age")], "nothing of it is left in the clear");
}

#[tokio::test]
async fn the_key_is_kept_sealed_and_only_while_the_request_lives() {
    let identity = Identity::generate();
    let (world, id) = before_the_package(&identity).await;
    let request = async || world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    let ledger = async || format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!(request().await.submission.is_some());
    assert!(!ledger().await.contains(&identity.to_public().to_string()));
    world.run_to_end(&id).await;
    assert_eq!(request().await.submission, None);
    assert!(!ledger().await.contains(&identity.to_public().to_string()));
}

#[tokio::test]
async fn the_copy_before_a_cancelled_account_is_erased_is_encrypted_too() {
    let identity = Identity::generate();
    let world = world().await;
    let token = fresh(&world, LI);
    let asked = world.call("POST", "/v1/requests", Some(&token), Some(body("account_cancellation", &identity))).await;
    let id = asked.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    world.call("PUT", &format!("/v1/requests/{id}/verification"), Some(&token), Some(code)).await;
    let confirm = json!({"phrase": "Cancel my account", "export": true});
    world.call("POST", &format!("/v1/requests/{id}/confirmation"), Some(&token), Some(confirm)).await;
    world.advance(SignedDuration::from_hours(15 * 24 + 1));
    world.wake().await;
    world.run_to_end(&id).await;
    let archive = opened(&handed_out(&world, &id).await, &identity).unwrap();
    check_archive(&world, &id, &archive);
}

#[tokio::test]
async fn an_encrypted_package_whose_worker_is_killed_at_any_call_is_whole_all_the_same() {
    let (identity, expected) = (Identity::generate(), expected().await);
    let mut repeated = 0;
    // To die with the answer to a call is to die before the next one too.
    for call in (0..).step_by(2) {
        let (world, id) = before_the_package(&identity).await;
        world.calls.die_after(call, true);
        let mut died = false;
        while !died && world.step().await {
            died = world.calls.revive();
        }
        if !died {
            assert!(call > 60, "the matrix has many pages and parts: {call}");
            break;
        }
        world.run_to_end(&id).await;
        let files = opened_files(&world, &id, &identity).await;
        assert_eq!(without_pictures(records_in(files)), expected, "killed at call {call}");
        let (again, otherwise) = world.repeated_parts();
        assert_eq!(otherwise, 0, "a key encrypts one content at a place: killed at call {call}");
        repeated += again;
    }
    assert!(repeated > 0, "a part was uploaded twice at least once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_late_worker_at_an_encrypted_package_encrypts_nothing_else() {
    let (identity, expected) = (Identity::generate(), expected().await);
    for call in (0..).step_by(3) {
        let (world, id) = before_the_package(&identity).await;
        let Some(world) = with_a_late_worker(world, &id, call).await else {
            assert!(call > 60, "the matrix has many pages and parts: {call}");
            return;
        };
        let files = opened_files(&world, &id, &identity).await;
        assert_eq!(without_pictures(records_in(files)), expected, "asleep at call {call}");
        assert_eq!(world.repeated_parts().1, 0, "both encrypt the same: asleep at call {call}");
    }
}
