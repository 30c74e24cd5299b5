//! Recipients are told of an erasure, say what they have done, and are missed if they do not.

mod opendsr;
mod service;

use std::collections::BTreeMap;

use habeas::evidence::{Fact, NotTold, Receipt, RecipientResult};
use habeas::outbound::{Secrets, SignedHeaders, verify};
use habeas::plan::Work;
use habeas::request::Status;
use habeas_e2e::{World, yaml};
use jiff::SignedDuration;
use serde_json::{Value, json};
use service::{Mood, Received, Service};

use crate::crash::check_evidence;
use crate::people::{LI, LI_EMAIL, fresh, settle, world};
use crate::recheck::after;
use crate::stories::exercise;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Li and Ann under the small policy with these recipients in the place of its own.
pub(crate) async fn world_telling(recipients: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("datasets")).unwrap();
    for file in std::fs::read_dir(yaml::path("tests/policy/datasets")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join("datasets").join(file.file_name())).unwrap();
    }
    let policy = yaml::text("tests/policy/policy.yaml");
    let (before, rest) = policy.split_once("\nrecipients:\n").unwrap();
    let (_, after) = rest.split_once("\nrights:\n").unwrap();
    std::fs::write(folder.path().join("policy.yaml"), format!("{before}\nrecipients:\n{recipients}\nrights:\n{after}"))
        .unwrap();
    let secrets = BTreeMap::from([("habeas/recipient".to_owned(), SECRET.to_owned())]);
    let world = World::of(folder.path(), secrets).await;
    settle(&world).await;
    world
}

/// A recipient of everything that is told so.
pub(crate) fn recipient(id: &str, tell: &str) -> String {
    format!("  - {{id: {id}, name: The {id}, kind: processor, categories: [user], tell: {{{tell}}}, source: test}}\n")
}

fn webhook(id: &str, service: &Service) -> String {
    let tell = format!(
        "by: {{webhook: {{url: \"{}\", secret: habeas/recipient}}}}, identities: [email, phone_number]",
        service.url
    );
    recipient(id, &tell)
}

/// What became of each recipient, by the certificate, which says the same as the status.
pub(crate) async fn results(world: &World, id: &str) -> BTreeMap<String, RecipientResult> {
    let certificate = check_evidence(world, id).await;
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(request.recipients, certificate.recipients);
    certificate.recipients.into_iter().map(|result| (result.recipient.clone(), result)).collect()
}

/// Where a message asks for the receipt, without the API's address.
pub(crate) fn receipt_path(message: &Value) -> String {
    message["receipt_url"].as_str().unwrap().strip_prefix("https://api.example").unwrap().to_owned()
}

async fn give_receipt(world: &World, path: &str, status: &str) -> (u16, Value) {
    let answer = world.post_with(path, Vec::new(), json!({"status": status}).to_string()).await;
    (answer.status, answer.body)
}

fn message(call: &Received) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

#[tokio::test]
async fn recipients_are_told_before_anything_goes_and_the_person_sees_who_was() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let [(queue, told)] = world.told().try_into().unwrap();
    assert_eq!((queue.as_str(), &told["right"], &told["request_id"]), ("small-courier", &json!("erasure"), &json!(id)));
    assert_eq!(told["identities"], json!([{"type": "user_id", "value": LI}, {"type": "email", "value": LI_EMAIL}]));
    let [(address, mail)] = world.mails_to_recipients().try_into().unwrap();
    assert_eq!(address, "privacy@library.example");
    assert!(mail.contains(LI_EMAIL) && !mail.contains(LI), "only what it knows her by: {mail}");

    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let position = |is_it: &dyn Fn(&Fact) -> bool| events.iter().position(|event| is_it(&event.fact)).unwrap();
    let done =
        |work: &'static str| position(&|fact| matches!(fact, Fact::StepDone(report) if report.work.name() == work));
    let told_at = position(&|fact| matches!(fact, Fact::RecipientTold { .. }));
    assert!(done("suppress") < told_at && told_at < done("erase"));
    let evidence = serde_json::to_string(&events).unwrap();
    for value in [LI, LI_EMAIL, "library.example"] {
        assert!(!evidence.contains(value), "{value}");
    }

    let token = fresh(&world, LI);
    let shown = world.call("GET", &format!("/v1/requests/{id}"), Some(&token), None).await.body;
    let names: Vec<&str> =
        shown["recipients"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["The courier", "The library"]);
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&token)).await.text;
    for words in ["Who else was told", "The courier", "The library", "nothing yet"] {
        assert!(page.contains(words), "{words}");
    }
    let (status, _) = give_receipt(&world, &receipt_path(&told), "completed").await;
    assert_eq!(status, 200);
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&token)).await.text;
    assert!(page.contains("it is done"));
}

#[tokio::test]
async fn a_service_is_called_again_with_the_same_key_and_words_until_it_takes_the_message() {
    let service = Service::start().await;
    service.meets(&[Mood::Refuse(500), Mood::HangUp, Mood::Refuse(429)]);
    let world = world_telling(&webhook("app", &service)).await;
    let id = exercise(&world, "erasure").await;
    let calls = service.received();
    assert_eq!(calls.len(), 4);
    for call in &calls {
        assert_eq!((&call.headers["webhook-id"], &call.body), (&calls[0].headers["webhook-id"], &calls[0].body));
        assert_eq!(call.headers["idempotency-key"], calls[0].headers["webhook-id"]);
        let header = |name: &str| call.headers[name].clone();
        let signed = SignedHeaders {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        let at = jiff::Timestamp::from_second(signed.timestamp.parse().unwrap()).unwrap();
        let secrets = Secrets::parse(SECRET).unwrap();
        assert_eq!(verify(&secrets, &signed, &call.body, at), Ok(()));
    }
    assert_eq!(message(&calls[0])["idempotency_key"], json!(calls[0].headers["webhook-id"]));
    let result = &results(&world, &id).await["app"];
    assert!(result.told_at.is_some() && result.not_told.is_none() && result.receipt_by.is_none());
}

#[tokio::test]
async fn a_recipient_that_cannot_be_told_keeps_nobody_from_being_erased_and_stays_visible() {
    let undisturbed = world().await;
    exercise(&undisturbed, "erasure").await;
    let (down, strict) = (Service::start().await, Service::start().await);
    down.always(Mood::HangUp);
    strict.always(Mood::Refuse(410));
    let queue = recipient("queue", "by: {queue: gone}, identities: [email], receipt_within: P7D");
    let world = world_telling(&[webhook("down", &down), webhook("strict", &strict), queue].concat()).await;
    world.close("gone");
    let id = exercise(&world, "erasure").await;
    assert_eq!(world.data().await, undisturbed.data().await);
    let results = results(&world, &id).await;
    let expected = [("down", NotTold::TooManyAttempts), ("queue", NotTold::Refused), ("strict", NotTold::Refused)];
    let reasons = results.iter().map(|(id, result)| (id.as_str(), result.not_told.unwrap()));
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
    assert_eq!((down.received().len(), strict.received().len()), (8, 1));
    let request = world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(request.status, Status::Completed);
    // None of them owes a receipt, so only the re-checks are still to come.
    after(&world, DAY * 31).await;
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0);
    // What was lost on the way may have been taken all the same.
    let (status, body) = give_receipt(&world, &receipt_path(&message(&down.received()[0])), "completed").await;
    assert_eq!((status, body), (200, json!({"recipient": "down", "status": "completed"})));
}

#[tokio::test]
async fn who_knows_the_person_by_nothing_on_file_is_not_told() {
    let service = Service::start().await;
    let tell =
        format!("by: {{webhook: {{url: \"{}\", secret: habeas/recipient}}}}, identities: [phone_number]", service.url);
    let world = world_telling(&recipient("caller", &tell)).await;
    let body = Some(json!({"right": "erasure"}));
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, "u-ann")), body).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run_to_end(&id).await;
    assert_eq!(results(&world, &id).await["caller"].not_told, Some(NotTold::NothingKnown));
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn a_recipient_knows_a_person_by_its_own_id() {
    let world = world_telling(&recipient("bank", "by: {queue: bank}, own_id: id_number")).await;
    exercise(&world, "erasure").await;
    let [(_, told)] = world.told().try_into().unwrap();
    assert_eq!(told["identities"], json!([{"type": "own_id", "value": "110101199003071234"}]));
}

#[tokio::test]
async fn a_receipt_that_does_not_come_is_reported_once_and_taken_when_it_does() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    world.run().await;
    let due = results(&world, &id).await["courier"].receipt_by.unwrap();
    after(&world, due.duration_since(world.now()) - SignedDuration::from_mins(1)).await;
    assert!(!results(&world, &id).await["courier"].overdue);
    after(&world, SignedDuration::from_mins(2)).await;
    after(&world, DAY).await;
    let overdue = |fact: &Fact| matches!(fact, Fact::RecipientOverdue { recipient } if recipient == "courier");
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    assert_eq!(events.iter().filter(|event| overdue(&event.fact)).count(), 1);
    assert!(!results(&world, &id).await["library"].overdue, "it owes none");
    let path = receipt_path(&world.told()[0].1);
    assert_eq!(give_receipt(&world, &path, "completed").await.0, 200);
    let result = &results(&world, &id).await["courier"];
    assert_eq!((result.receipt, result.overdue), (Some(Receipt::Completed), true));
    after(&world, DAY * 30).await;
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0, "nothing is ever to be done again");
}

#[tokio::test]
async fn receipts_count_once_in_their_order_and_only_with_the_address_of_the_message() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let path = receipt_path(&world.told()[0].1);
    let events = async || world.ledger().events(&id.parse().unwrap()).await.unwrap().len();
    let before = events().await;
    for status in ["pending", "in_progress", "pending", "in_progress", "denied", "completed", "denied", "completed"] {
        assert_eq!(give_receipt(&world, &path, status).await, (200, json!({"recipient": "courier", "status": status})));
    }
    assert_eq!(events().await, before + 4, "however often it is sent");
    assert_eq!(results(&world, &id).await["courier"].receipt, Some(Receipt::Completed));
    for rubbish in ["", "{}", r#"{"status":"gone"}"#, "[]"] {
        let answer = world.post_with(&path, Vec::new(), rubbish.to_owned()).await;
        assert_eq!(answer.status, 400, "{rubbish}: {}", answer.body);
    }
    let (stem, digest) = path.strip_suffix("/receipts").unwrap().rsplit_once('-').unwrap();
    let forged = format!("{stem}-{}/receipts", digest.replace(['0', '1'], "2"));
    let of_another_step = path.replacen("-000", "-001", 1);
    for wrong in [forged, of_another_step, "/v1/recipients/x/receipts".to_owned(), path.replace("receipts", "x")] {
        assert_eq!(give_receipt(&world, &wrong, "completed").await.0, 404, "{wrong}");
    }
    // With a final receipt the timer is gone: only re-checks are left.
    after(&world, DAY * 31).await;
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0);
    assert!(!results(&world, &id).await["courier"].overdue);
}

/// Two recipients; the process is killed at a call after the suppression, comes back, and everything goes on. None: both
/// were told before so many calls were made.
async fn killed_at(call: usize, answer_is_lost: bool) -> Option<(World, Service, String)> {
    let service = Service::start().await;
    let queue = recipient("queue", "by: {queue: partner}, identities: [email], receipt_within: P7D");
    let world = world_telling(&[webhook("app", &service), queue].concat()).await;
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    let facts = async || {
        let events = world.calls.aside(world.ledger().events(&id.parse().unwrap())).await.unwrap();
        events.into_iter().map(|event| event.fact).collect::<Vec<_>>()
    };
    let is_suppressed = |fact: &Fact| matches!(fact, Fact::StepDone(report) if report.work == Work::Suppress);
    while !facts().await.iter().any(is_suppressed) {
        assert!(world.step().await);
    }
    world.calls.die_after(call, answer_is_lost);
    let mut died = false;
    while !died && facts().await.iter().filter(|fact| matches!(fact, Fact::RecipientTold { .. })).count() < 2 {
        assert!(world.step().await);
        died = world.calls.revive();
    }
    world.calls.disarm();
    world.run_to_end(&id).await;
    died.then_some((world, service, id))
}

#[tokio::test]
async fn recipients_are_told_at_least_once_with_the_same_key_whatever_is_killed() {
    let undisturbed = world().await;
    exercise(&undisturbed, "erasure").await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, service, id)) = killed_at(call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            let results = results(&world, &id).await;
            assert!(results.values().all(|result| result.told_at.is_some() && result.not_told.is_none()));
            let calls = service.received();
            assert!(!calls.is_empty() && calls.iter().all(|one| one.body == calls[0].body));
            let told = world.told();
            assert!(!told.is_empty() && told.iter().all(|one| *one == told[0]));
            call += 1;
        }
        assert!(call > 5, "the matrix is not empty: {call}");
    }
}
