//! A cancellation is checked, told to the app, reminded of, taken back by a sign-in, and cannot be undone once it has begun.

mod killed;
mod review;

use habeas::evidence::Fact;
use habeas::ledger::Extra;
use habeas::request::{Matter, NewRequest, Request, Right, Status};
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::crash::check_evidence;
use crate::decisions::decide;
use crate::people::{LI, LI_EMAIL, LI_PHONE, fresh, settle, world};
use crate::recheck::after;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const PHRASE: &str = "Cancel my account";

/// A cancellation as Li that waits to be confirmed; its id.
pub(crate) async fn asked(world: &World) -> String {
    let token = fresh(world, LI);
    let body = Some(json!({"right": "account_cancellation", "locale": "en"}));
    let answer = world.call("POST", "/v1/requests", Some(&token), body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    let verified = world.call("PUT", &format!("/v1/requests/{id}/verification"), Some(&token), Some(code)).await;
    assert_eq!(verified.body["status"], "on_hold", "{}", verified.body);
    id
}

pub(crate) async fn confirm(world: &World, id: &str) -> habeas_e2e::Answered {
    let body = Some(json!({"phrase": PHRASE}));
    world.call("POST", &format!("/v1/requests/{id}/confirmation"), Some(&fresh(world, LI)), body).await
}

pub(crate) async fn confirmed(world: &World) -> String {
    let id = asked(world).await;
    let answer = confirm(world, &id).await;
    assert_eq!(answer.body["status"], "cooling_off", "{}", answer.body);
    id
}

async fn request(world: &World, id: &str) -> Request {
    world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap()
}

async fn facts(world: &World, id: &str) -> Vec<Fact> {
    check_evidence(world, id).await;
    world.ledger().events(&id.parse().unwrap()).await.unwrap().into_iter().map(|event| event.fact).collect()
}

/// Sets a field of Li's row.
async fn set(world: &World, field: &str, value: &str) {
    let row = [("user_id", LI), ("email", LI_EMAIL), ("phone", LI_PHONE), ("language", "en"), (field, value)];
    world.put("small-users", &row).await;
}

/// What the app was told, without what it was asked.
fn told(world: &World) -> Vec<String> {
    world.app_told().into_iter().map(|told| told.kind).filter(|kind| kind != "account.check").collect()
}

#[tokio::test]
async fn what_speaks_against_a_cancellation_is_named_with_what_to_do_and_changes_nothing() {
    let world = world().await;
    let id = asked(&world).await;
    set(&world, "password_changed_at", "2026-11-20T00:00:00Z").await;
    let disputed = [("post_id", "disputed"), ("comment_id", "c9"), ("author_id", LI), ("text", "no")];
    world.put("small-comments", &disputed).await;
    world.app_answers(200, false);
    let refused = confirm(&world, &id).await;
    assert_eq!((refused.status, &refused.body["type"]), (422, &json!("urn:habeas:problem:check-failed")));
    let expected = json!([
        {"id": "credentials", "what_to_do": "Wait a week after a change of your password."},
        {"id": "disputes", "what_to_do": "Wait until we have looked at your comment."},
        {"id": "balance", "what_to_do": "Spend your balance first."},
    ]);
    assert_eq!(refused.body["checks"], expected, "{}", refused.body);
    assert!(!refused.body.to_string().contains(LI));
    assert_eq!(request(&world, &id).await.status, Status::OnHold);
    assert_eq!(told(&world), Vec::<String>::new());

    // A system that does not answer is no pass.
    world.app_answers(500, true);
    assert_eq!(confirm(&world, &id).await.status, 503);
    world.app_answers(200, true);
    set(&world, "password_changed_at", "2026-11-01T00:00:00Z").await;
    let disputed = world.dynamodb.delete_item().table_name("small-comments");
    let key = |value: &str| aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned());
    disputed.key("post_id", key("disputed")).key("comment_id", key("c9")).send().await.unwrap();
    assert_eq!(confirm(&world, &id).await.body["status"], "cooling_off");
    let asked = world.app_told().into_iter().find(|told| told.kind == "account.check").unwrap();
    let expected =
        json!({"request_id": id, "check": "balance", "question": "May the account be cancelled?", "user_ids": [LI]});
    assert_eq!(asked.data, expected);
    let checks = ["credentials", "status", "disputes", "balance"].map(ToOwned::to_owned);
    let Some(Fact::Confirmed { checks: passed, .. }) = facts(&world, &id).await.pop() else { panic!() };
    assert_eq!(passed, checks);
}

#[tokio::test]
async fn a_check_that_fails_when_the_time_is_over_holds_the_cancellation_before_anything_is_erased() {
    let world = world().await;
    let id = confirmed(&world).await;
    world.run().await;
    set(&world, "status", "frozen").await;
    let before = world.data().await;
    after(&world, DAY * 15 + SignedDuration::from_mins(1)).await;
    assert_eq!(world.data().await, before);
    let held = request(&world, &id).await;
    assert_eq!((held.status, held.cooling_off_until), (Status::OnHold, None));
    assert!(facts(&world, &id).await.contains(&Fact::ChecksFailed { checks: vec!["status".into()] }));
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
    let shown = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await.body;
    let failed = json!([{"id": "status", "what_to_do": "Ask us why your account is frozen."}]);
    assert_eq!((&shown["next"]["action"], &shown["next"]["failed_checks"]), (&json!("confirm"), &failed));
    assert!(world.mails().iter().any(|(_, text)| text.contains("Something did, so nothing has been deleted")));

    // It is mended and confirmed again; this time nothing speaks against it.
    set(&world, "status", "active").await;
    assert_eq!(confirm(&world, &id).await.body["status"], "cooling_off");
    after(&world, DAY * 15 + SignedDuration::from_mins(1)).await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
    assert!(world.data().await["small-users"].iter().all(|user| user["user_id"] != LI));
    let expected = ["account.freeze", "account.unfreeze", "account.freeze", "account.close", "account.cancelled"];
    assert_eq!(told(&world), expected);
}

#[tokio::test]
async fn a_cancellation_that_is_held_and_not_confirmed_again_lapses() {
    let world = world().await;
    let id = confirmed(&world).await;
    set(&world, "status", "frozen").await;
    after(&world, DAY * 15 + SignedDuration::from_mins(1)).await;
    after(&world, DAY * 7).await;
    let lapsed = request(&world, &id).await;
    assert_eq!((lapsed.status, lapsed.sealed, lapsed.contact), (Status::Expired, None, None));
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
}

#[tokio::test]
async fn an_account_whose_cancellation_an_operator_refuses_is_free_again() {
    let world = world().await;
    let id = confirmed(&world).await;
    let denied = decide(&world, &id, json!({"deny": {"ground": "criminal_process"}})).await;
    assert_eq!((denied.status, request(&world, &id).await.status), (200, Status::Denied), "{}", denied.body);
    world.run().await;
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
    check_evidence(&world, &id).await;
}

#[tokio::test]
async fn each_address_on_file_is_told_and_reminded_once() {
    let world = world().await;
    let id = confirmed(&world).await;
    let codes = world.mails().len();
    world.run().await;
    let since = |from: usize| world.mails().into_iter().skip(from).collect::<Vec<_>>();
    let addresses = |mails: &[(String, String)]| mails.iter().map(|(address, _)| address.clone()).collect::<Vec<_>>();
    assert_eq!(addresses(&since(codes)), [LI_EMAIL, LI_PHONE]);
    for (days, reminders) in [(11, 0), (1, 2), (1, 2), (1, 4), (0, 4)] {
        after(&world, DAY * days).await;
        let mails = since(codes + 2);
        assert_eq!(mails.len(), reminders, "{mails:?}");
        assert!(mails.iter().all(|(_, text)| text.contains("cancelled")), "{mails:?}");
    }
    let is_reminder = |fact: &Fact| matches!(fact, Fact::CancellationReminded { .. });
    assert_eq!(facts(&world, &id).await.into_iter().filter(is_reminder).count(), 2);
    after(&world, DAY).await;
    assert_eq!(request(&world, &id).await.status, Status::Completed);
    let last = since(codes + 6);
    assert_eq!(addresses(&last), [LI_EMAIL, LI_PHONE, LI_EMAIL, LI_PHONE], "it begins, and it is done: {last:?}");
    let request = request(&world, &id).await;
    assert_eq!(request.cancelling.unwrap().others.len(), 0, "but for the one that the policy keeps for a purge");
    assert!(request.contact.is_some());
}

#[tokio::test]
async fn the_app_is_told_in_order_however_long_it_does_not_answer() {
    let world = world().await;
    world.app_answers(200, true);
    let id = confirmed(&world).await;
    world.app_answers(503, true);
    world.run().await;
    let withdrawn = world.call("DELETE", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await;
    assert_eq!(withdrawn.body["status"], "withdrawn");
    for _ in 0..20 {
        after(&world, SignedDuration::from_mins(5)).await;
    }
    assert_eq!(told(&world), Vec::<String>::new());
    world.app_answers(200, true);
    for _ in 0..20 {
        after(&world, SignedDuration::from_mins(5)).await;
    }
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
    let messages = world.app_told().into_iter().filter(|told| told.kind != "account.check").collect::<Vec<_>>();
    assert_eq!(messages[1].data, json!({"request_id": id, "user_ids": [LI]}));
    assert!(messages[0].data["until"].is_string() && messages[0].id != messages[1].id);
    let arrived = |fact: &Fact| matches!(fact, Fact::AppTold { delivered: true, .. });
    assert_eq!(facts(&world, &id).await.into_iter().filter(arrived).count(), 2);
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!(!ledger.contains(LI));
}

#[tokio::test]
async fn a_message_that_the_app_never_takes_is_given_up_and_an_operator_is_told() {
    let world = world().await;
    let id = confirmed(&world).await;
    world.app_answers(503, true);
    for _ in 0..50 {
        after(&world, SignedDuration::from_mins(70)).await;
    }
    let facts = facts(&world, &id).await;
    let given_up = |fact: &Fact| matches!(fact, Fact::AppTold { delivered: false, .. });
    assert_eq!(facts.iter().filter(|fact| given_up(fact)).count(), 1);
    assert_eq!(request(&world, &id).await.status, Status::CoolingOff, "the person's request goes on");
}

#[tokio::test]
async fn a_sign_in_to_the_app_takes_a_cancellation_back_that_cools_off() {
    let world = world().await;
    let id = confirmed(&world).await;
    world.run().await;
    world.advance(DAY);
    let body = |user: &str, at: jiff::Timestamp| {
        json!({"type": "account.signed_in", "timestamp": "ignored", "data": {"user_id": user, "at": at}}).to_string()
    };
    let now = world.now();
    let stale = world.call_as_app(&body(LI, now), now - SignedDuration::from_mins(6)).await;
    assert_eq!(stale.status, 401, "{}", stale.body);
    for (user, at) in [("u-ann", now), (LI, now - DAY - DAY)] {
        let ignored = world.call_as_app(&body(user, at), now).await;
        assert_eq!((ignored.status, &ignored.body["withdrawn"]), (200, &json!(0)), "{user} {at}");
    }
    assert_eq!(world.call_as_app("{}", now).await.status, 400);
    let taken_back = world.call_as_app(&body(LI, now), now).await;
    assert_eq!((taken_back.status, &taken_back.body["withdrawn"]), (200, &json!(1)));
    let again = world.call_as_app(&body(LI, now), now).await;
    assert_eq!(again.body["withdrawn"], 0, "once");
    world.run().await;
    let facts = facts(&world, &id).await;
    assert!(facts.contains(&Fact::SignedInAgain { at: now }) && facts.contains(&Fact::Withdrawn));
    assert_eq!(told(&world), ["account.freeze", "account.unfreeze"]);
    let before = world.data().await;
    after(&world, DAY * 20).await;
    assert_eq!(world.data().await, before);
}

#[tokio::test]
async fn a_cancellation_cannot_be_hidden_from_a_sign_in_behind_newer_requests() {
    let world = world().await;
    let id = confirmed(&world).await;
    let digest = request(&world, &id).await.subject.unwrap();
    world.advance(DAY);
    let now = world.now();
    for number in 0..205 {
        let newer = Request::open(NewRequest {
            id: format!("{number:032x}").parse().unwrap(),
            matter: Matter::Right(Right::Access),
            policy: world.policy.digest().clone(),
            received_at: now,
            due_at: now + DAY,
            subject: Some(digest.clone()),
            language: "en".into(),
            sealed: None,
            submission: None,
            factors: Vec::new(),
        });
        let listed = Extra::SubjectIndex { digest: digest.clone() };
        world.ledger().commit(&newer, vec![listed], None).await.unwrap();
    }
    let body = json!({"type": "account.signed_in", "data": {"user_id": LI, "at": now}}).to_string();
    world.give_time(SignedDuration::from_secs(1));
    assert_eq!(world.call_as_app(&body, now).await.status, 503, "there is no time to look at all of them");
    world.give_time(SignedDuration::from_secs(30));
    let taken_back = world.call_as_app(&body, now).await;
    assert_eq!((taken_back.status, &taken_back.body["withdrawn"]), (200, &json!(1)), "{}", taken_back.body);
    assert_eq!(request(&world, &id).await.status, Status::Withdrawn);
}

#[tokio::test]
async fn the_plan_is_shown_by_category_before_the_person_confirms() {
    let world = world().await;
    let id = asked(&world).await;
    let shown = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await.body;
    let next = &shown["next"];
    assert_eq!(next["consequences"], json!(["Everything goes."]));
    assert_eq!(next["irreversible_after"], "P15D");
    let of = |category: &str| -> Value {
        let plan = next["plan"].as_array().unwrap();
        plan.iter().find(|entry| entry["category"] == category).unwrap_or_else(|| panic!("{category}: {next}"))["outcomes"].clone()
    };
    let email = of("user.contact.email");
    assert_eq!((&email[0]["what"], &email[0]["irreversible"]), (&json!("deleted"), &json!(true)));
    let orders = of("user.behavior.purchase_history");
    assert_eq!(orders[0]["what"], "retained");
    assert_eq!((&orders[0]["for"], &orders[0]["counted_from"]), (&json!("P3Y"), &json!("completed_at")));
    assert_eq!(
        (&orders[0]["basis"], &orders[0]["irreversible"]),
        (&json!("Orders are kept for three years"), &json!(false))
    );
    let content: Vec<Value> = of("user.content.public").as_array().unwrap().iter().map(|o| o["what"].clone()).collect();
    assert_eq!(content, ["deleted", "anonymised"]);
    let ids: Vec<&str> = next["checks"].as_array().unwrap().iter().map(|check| check["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["credentials", "status", "disputes", "balance"]);
}

#[tokio::test]
async fn what_an_operator_leaves_out_is_not_shown_as_deleted_to_whoever_is_to_confirm() {
    let world = world().await;
    let id = asked(&world).await;
    let exempt = json!([{"collection": "small_app.posts", "ground": "criminal_process"}]);
    let decided = decide(&world, &id, json!({"exempt": exempt})).await;
    assert_eq!(decided.body["status"], "on_hold", "{}", decided.body);
    let shown = world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await.body;
    let plan = shown["next"]["plan"].as_array().unwrap();
    let outcomes: Vec<&Value> = plan.iter().flat_map(|entry| entry["outcomes"].as_array().unwrap()).collect();
    let of_posts = |outcome: &&Value| outcome["collections"].as_array().unwrap().contains(&json!("small_app.posts"));
    let posts: Vec<&Value> = outcomes.iter().copied().filter(of_posts).collect();
    assert!(!posts.is_empty(), "{plan:?}");
    for outcome in posts {
        assert_eq!((&outcome["what"], &outcome["irreversible"]), (&json!("left_out"), &json!(false)));
        assert_eq!(outcome["basis"], "A crime is being looked into (5(7)3)");
    }
    assert!(outcomes.iter().any(|outcome| outcome["what"] == "deleted"), "all else goes: {plan:?}");
}

#[tokio::test]
async fn what_is_done_cannot_be_undone_and_every_later_call_says_so() {
    let world = world().await;
    let id = confirmed(&world).await;
    after(&world, DAY * 15 + SignedDuration::from_mins(1)).await;
    // Until nothing is kept any more, and nobody's address for it.
    for days in [1, 29, 800] {
        after(&world, DAY * days).await;
    }
    let token = fresh(&world, LI);
    let path = |rest: &str| format!("/v1/requests/{id}{rest}");
    let taken_back = world.call("DELETE", &path(""), Some(&token), None).await;
    let phrase = json!({"phrase": PHRASE});
    let confirmed = world.call("POST", &path("/confirmation"), Some(&token), Some(phrase)).await;
    let code = world.call("POST", &path("/verification"), None, None).await;
    for answer in [taken_back, confirmed, code] {
        assert_eq!((answer.status, &answer.body["type"]), (410, &json!("urn:habeas:problem:irreversible")));
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("cannot be undone") && detail.contains("Complain to us"), "{detail}");
    }
    // The app can ask, before it gives a number to somebody else.
    for (kind, value, cancelled) in [
        ("user_id", LI, true),
        ("email", LI_EMAIL, true),
        ("phone_number", LI_PHONE, true),
        ("user_id", "u-ann", false),
    ] {
        let question = json!({"type": "identity.check", "data": {"kind": kind, "value": value}}).to_string();
        let answer = world.call_as_app(&question, world.now()).await;
        assert_eq!((answer.status, &answer.body["cancelled"]), (200, &json!(cancelled)), "{kind} {value}");
        assert_eq!(answer.body["cancelled_at"].is_string(), cancelled);
    }
    // Whoever asks as that person from now on is treated as anybody unknown.
    let mails = world.mails().len();
    for email in [LI_EMAIL, "nobody@mail.example"] {
        let body = json!({"right": "access", "identity": {"email": email}}).to_string();
        let answer = world.call_raw("POST", "/v1/requests", None, Some(email), body).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("awaiting_verification")));
    }
    world.run().await;
    assert_eq!(world.mails().len(), mails, "nobody is told anything");
}
