//! A link after its time, a message that is none, bad calls over the wire.

use std::path::Path;
use std::time::Duration;

use habeas::personal::Personal;
use habeas::request::{Matter, Right};
use habeas_cli::commands::Verdict;
use habeas_cli::commands::plan::{Wanted, plan};
use habeas_cli::drive::{create_operator, sign_in};
use serde_json::{Value, json};

use crate::world::{BOUND, World};

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn a_package_link_does_not_work_after_its_time_and_the_package_goes_with_all_versions() {
    let world = World::of("yuncan").await;
    let person = world.person(7);
    let (id, token) = world.open(Right::Access, &person).await;
    world.wait(&id, &token).await;
    // A function whose clock is ten minutes behind signs links that ended five minutes ago.
    world.set_clock(-600).await;
    let link = world.api.package(&id, &world.token(&person).await).await.unwrap();
    world.set_clock(0).await;
    // The sign-in lies in the future of that clock, which is refused too; a link is only there if it was given out.
    if link.status == 200 {
        assert!(world.api.download(link.body["url"].as_str().unwrap()).await.is_err());
    }
    let link = world.api.package(&id, &token).await.unwrap().expect(200).unwrap();
    let url = link["url"].as_str().unwrap();
    assert!(world.api.download(url).await.is_ok());
    let expired = url.replace("X-Amz-Expires=300", "X-Amz-Expires=1");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.api.download(&expired).await.is_err(), "neither after its time nor with another time");

    world.set_clock(7 * 24 * 3600 + 60).await;
    let bucket = world.stack().package_bucket.clone();
    let gone = async {
        loop {
            world.wake().await;
            let listed =
                world.clients.s3.list_object_versions().bucket(&bucket).prefix(format!("requests/{id}/")).send().await;
            let listed = listed.unwrap();
            if listed.versions().is_empty() && listed.delete_markers().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let ended = tokio::time::timeout(BOUND, gone).await;
    world.set_clock(0).await;
    ended.expect("the package is deleted with everything that was staged for it");
    assert_eq!(world.api.package(&id, &world.token(&person).await).await.unwrap().status, 410);
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn a_poison_message_ends_in_the_dead_letter_queue_and_is_named_in_the_log() {
    let world = World::of("yallo").await;
    let queue = world.function("NotifyQueueUrl");
    let dead_letters = world.function("NotifyDeadLettersUrl");
    world.sqs("SetQueueAttributes", json!({"QueueUrl": queue, "Attributes": {"VisibilityTimeout": "1"}})).await;
    world.sqs("SendMessage", json!({"QueueUrl": queue, "MessageBody": "poison"})).await;
    let found = async {
        loop {
            let received = world.sqs("ReceiveMessage", json!({"QueueUrl": dead_letters, "WaitTimeSeconds": 1})).await;
            if received["Messages"][0]["Body"] == "poison" {
                break;
            }
        }
    };
    let ended = tokio::time::timeout(BOUND, found).await;
    world.sqs("SetQueueAttributes", json!({"QueueUrl": queue, "Attributes": {"VisibilityTimeout": "360"}})).await;
    ended.expect("the message is in the dead-letter queue");
    let logs = habeas_cli::drive::operate::logs(&world.cloud).await.unwrap();
    assert!(logs.iter().any(|line| line.contains("poison_message")));
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn the_command_line_and_the_api_tell_the_same_plan() {
    let world = World::of("yuncan").await;
    let person = world.person(11);
    create_operator(&world.endpoints, "the-other-operator", "a long enough password").await.unwrap();
    let token = sign_in(&world.endpoints, "the-other-operator", "a long enough password").await.unwrap();
    let identity = json!({"user_id": person.user_id});
    let mut by_api = world.api.plan(Right::Access, &identity, &token).await.unwrap().expect(200).unwrap();
    assert!(by_api["total"]["exported"].as_u64().unwrap() > 10, "{by_api}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/yuncan");
    let endpoints = std::env::var("HABEAS_ENDPOINTS").unwrap();
    let wanted = Wanted {
        folder: &folder,
        matter: Matter::Right(Right::Access),
        with_export: false,
        identity: Some(Personal::new(format!("user_id={}", person.user_id))),
        json: true,
        endpoints: Some(Path::new(&endpoints)),
    };
    let mut told = Vec::new();
    assert_eq!(plan(&wanted, 120, &mut told).await.unwrap(), Verdict::Good);
    let mut by_command: Value = serde_json::from_slice(&told).unwrap();
    (by_api["at"], by_command["at"]) = (Value::Null, Value::Null);
    assert_eq!(by_api, by_command);
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn strangers_and_rubbish_get_clear_answers() {
    let world = World::of("yallo").await;
    let nobody = world.api.status(&"0".repeat(32), &world.token(&world.person(8)).await).await.unwrap();
    assert_eq!((nobody.status, &nobody.body["type"]), (404, &json!("urn:habeas:problem:not-found")));
    let rubbish = world.api.list("rubbish").await.unwrap();
    assert_eq!((rubbish.status, &rubbish.body["type"]), (401, &json!("urn:habeas:problem:unauthorized")));
}
