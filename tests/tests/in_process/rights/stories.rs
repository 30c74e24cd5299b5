//! Stories that together take every function to every call that it makes.

use std::pin::Pin;

use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::anchors::ledger_put_back;
use crate::decisions::refusal;
use crate::package::{replace_a_part, until_all_is_uploaded};
use crate::people::{LI, LI_EMAIL, fresh};
use crate::plans::looks;
use crate::replay::of_everything;
use crate::stories::{evidence, exercise};

/// A story about Li, in a world that Li and Ann live in.
pub(super) struct Story {
    pub(super) play: for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

pub(super) const STORIES: &[Story] = &[
    Story { play: |world| Box::pin(access(world)) },
    Story { play: |world| Box::pin(access_by_code(world)) },
    Story { play: |world| Box::pin(access_by_text_message(world)) },
    Story { play: |world| Box::pin(access_whose_upload_was_touched(world)) },
    Story { play: |world| Box::pin(erasure(world)) },
    Story { play: |world| Box::pin(erasure_by_code(world)) },
    Story { play: |world| Box::pin(overdue_erasure(world)) },
    Story { play: |world| Box::pin(async { drop(cancellation(world, false).await) }) },
    Story { play: |world| Box::pin(async { drop(cancellation(world, true).await) }) },
    Story { play: |world| Box::pin(cancellation_taken_back(world)) },
    Story { play: |world| Box::pin(cancellation_taken_back_by_a_sign_in(world)) },
    Story { play: |world| Box::pin(async { drop(refusal(world).await) }) },
    Story { play: |world| Box::pin(sweep_of_more_than_a_page(world)) },
    Story { play: |world| Box::pin(looks(world)) },
    Story { play: |world| Box::pin(erasure_of_what_is_locked(world)) },
    Story { play: |world| Box::pin(sweep_of_what_is_locked(world)) },
    Story { play: |world| Box::pin(ledger_put_back(world)) },
    Story { play: |world| Box::pin(of_everything(world)) },
];

/// Everything that can be asked of a finished request, until its package is gone.
async fn access(world: &World) {
    let id = exercise(world, "access").await;
    let token = fresh(world, LI);
    let get = async |path: String| {
        let answer = world.call("GET", &path, Some(&token), None).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.body);
        answer.body
    };
    assert_eq!(get("/v1/requests".to_owned()).await["requests"].as_array().unwrap().len(), 1);
    assert_eq!(get(format!("/v1/requests/{id}")).await["status"], "completed");
    let link = get(format!("/v1/requests/{id}/package")).await;
    assert_eq!(world.fetch(link["url"].as_str().unwrap()).await.len() as u64, link["bytes"].as_u64().unwrap());
    world.advance(SignedDuration::from_hours(7 * 24));
    world.wake().await;
    world.run().await;
    let last = evidence(world, &id).await.events.pop().unwrap();
    assert_eq!(last.fact, habeas::evidence::Fact::PackageExpired { deleted: 1 });
}

/// The message about the first code is lost, and a second code is asked for.
async fn access_by_code(world: &World) {
    let id = ask(world, None, &json!({"right": "access", "identity": {"email": LI_EMAIL}})).await;
    world.lose_messages();
    wake_after(world, SignedDuration::from_secs(61)).await;
    world.run().await;
    world.advance(SignedDuration::from_secs(61));
    let again = world.call("POST", &format!("/v1/requests/{id}/verification"), None, None).await;
    assert_eq!(again.status, 202, "{}", again.body);
    world.run().await;
    prove(world, &id, None).await;
    world.run_to_end(&id).await;
}

/// Code and notice go to somebody of whom only a number is on file.
async fn access_by_text_message(world: &World) {
    let number = "+8613812345678";
    world.put("small-users", &[("user_id", "u-kim"), ("phone", number), ("language", "en")]).await;
    let id = ask(world, None, &json!({"right": "access", "identity": {"phone_number": number}})).await;
    world.run().await;
    prove(world, &id, None).await;
    world.run_to_end(&id).await;
    world.run().await;
    let addresses: Vec<String> = world.mails().into_iter().map(|(address, _)| address).collect();
    assert_eq!(addresses, [number, number]);
}

/// A worker dies, and somebody puts another part in the place of one that it uploaded.
async fn access_whose_upload_was_touched(world: &World) {
    let (id, upload) = until_all_is_uploaded(world).await;
    replace_a_part(world, &id, upload).await;
    world.run_to_end(&id).await;
}

async fn erasure(world: &World) {
    exercise(world, "erasure").await;
    world.run().await;
    assert_eq!(world.mails().len(), 1, "the notice");
}

async fn erasure_by_code(world: &World) {
    let id = ask(world, None, &json!({"right": "erasure", "identity": {"email": LI_EMAIL}})).await;
    world.run().await;
    prove(world, &id, None).await;
    world.run_to_end(&id).await;
}

/// Nobody takes the work until it is overdue.
async fn overdue_erasure(world: &World) {
    let id = ask(world, Some(&fresh(world, LI)), &json!({"right": "erasure"})).await;
    world.lose_messages();
    wake_after(world, SignedDuration::from_hours(32 * 24)).await;
    world.run().await;
    world.run_to_end(&id).await;
    let events = evidence(world, &id).await.events;
    assert!(events.iter().any(|event| event.fact == habeas::evidence::Fact::Overdue));
}

/// S3 keeps a picture whatever it is asked, and the person is told until when.
async fn erasure_of_what_is_locked(world: &World) {
    world.lock("pictures/u-li/face.png", Some("2027-03-01T00:00:00Z".parse().unwrap()));
    let id = exercise(world, "erasure").await;
    let told = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(world, LI)), None).await.body;
    let retained = told["retained"].as_array().unwrap();
    let pictures = retained.iter().find(|kept| kept["collection"] == "small_files.pictures").unwrap();
    assert_eq!((&pictures["rows"], &pictures["until"]), (&json!(1), &json!("2027-03-01T00:00:00Z")));
    assert_eq!(
        pictures["basis"],
        "The storage system keeps it under a lock, and lets nobody delete it before that ends"
    );
}

/// A picture whose time is over is locked; it stays, and the sweep ends as every other.
async fn sweep_of_what_is_locked(world: &World) {
    world.lock("pictures/u-ann/old.png", Some("2027-03-01T00:00:00Z".parse().unwrap()));
    let id = world.sweep().await;
    world.run_to_end(&id).await;
    assert!(world.data().await["small-files"].iter().any(|object| object["key"] == "pictures/u-ann/old.png"));
}

/// From the confirmation over the cooling-off period to the end.
pub(crate) async fn cancellation(world: &World, export: bool) -> String {
    let id = confirmed(world, export).await;
    wake_after(world, SignedDuration::from_hours(15 * 24 + 1)).await;
    world.run_to_end(&id).await;
    world.run().await;
    assert!(world.data().await["small-users"].iter().all(|user| user["user_id"] != LI));
    id
}

async fn cancellation_taken_back(world: &World) {
    let id = confirmed(world, false).await;
    let withdrawn = world.call("DELETE", &format!("/v1/requests/{id}"), Some(&fresh(world, LI)), None).await;
    assert_eq!(withdrawn.body["status"], "withdrawn", "{}", withdrawn.body);
    world.run().await;
}

async fn cancellation_taken_back_by_a_sign_in(world: &World) {
    confirmed(world, false).await;
    world.run().await;
    world.advance(SignedDuration::from_mins(1));
    let signed_in = json!({"type": "account.signed_in", "data": {"user_id": LI, "at": world.now()}}).to_string();
    let answer = world.call_as_app(&signed_in, world.now()).await;
    assert_eq!(answer.body["withdrawn"], 1, "{}", answer.body);
    world.run().await;
}

/// A table of more than a page, and time for one page only: the sweep gives itself back, and the next worker goes on where
/// it stopped. Its first message is lost.
async fn sweep_of_more_than_a_page(world: &World) {
    let long = "x".repeat(300_000);
    for id in ["a", "b", "c", "d"] {
        let post = [("user_id", "u-ann"), ("post_id", id), ("text", &long), ("created_at", "2026-11-20T00:00:00Z")];
        world.put("small-posts", &post).await;
    }
    world.give_time(SignedDuration::from_secs(15));
    let id = world.sweep().await;
    world.lose_messages();
    wake_after(world, SignedDuration::from_secs(61)).await;
    world.run_to_end(&id).await;
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let total = habeas::evidence::Certificate::from_events(&events).unwrap().total;
    assert_eq!((total.erased, total.anonymised, total.read), (3, 1, 18));
}

/// Makes a request; its id.
async fn ask(world: &World, token: Option<&str>, body: &Value) -> String {
    let answer = world.call("POST", "/v1/requests", token, Some(body.clone())).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["request_id"].as_str().unwrap().to_owned()
}

/// Answers with the last code.
async fn prove(world: &World, id: &str, token: Option<&str>) {
    let code = json!({"code": world.last_code()});
    let answer = world.call("PUT", &format!("/v1/requests/{id}/verification"), token, Some(code)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A cancellation as Li, up to its confirmation; its id.
pub(crate) async fn confirmed(world: &World, export: bool) -> String {
    let token = fresh(world, LI);
    let id = ask(world, Some(&token), &json!({"right": "account_cancellation"})).await;
    world.run().await;
    prove(world, &id, Some(&token)).await;
    let phrase = json!({"phrase": "Cancel my account", "export": export});
    let answer = world.call("POST", &format!("/v1/requests/{id}/confirmation"), Some(&token), Some(phrase)).await;
    assert_eq!(answer.body["status"], "cooling_off", "{}", answer.body);
    id
}

async fn wake_after(world: &World, time: SignedDuration) {
    world.advance(time);
    assert!(world.wake().await > 0, "something is due");
}
