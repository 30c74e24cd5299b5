//! What an erasure has to keep for a time: nobody uses it meanwhile, and it goes when the time is over, whatever happens.

use std::collections::BTreeMap;

use habeas::evidence::{Event, Fact, PurgeReport, RetainedResult};
use habeas::identity::{SubjectKeys, seal};
use habeas::personal::IdentityKind;
use habeas::policy::dataset::Reference;
use habeas::policy::{S3Place, System};
use habeas_e2e::World;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::crash::{check_evidence, dies_and_comes_back};
use crate::holds::{hold, lift};
use crate::people::{LI, LI_EMAIL, fresh, settle, world};
use crate::recheck::{after, request};
use crate::stories::{evidence, exercise};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const ORDERS: &str = "small_app.orders";

/// When the last of Li's orders may go.
fn end() -> Timestamp {
    "2029-01-31T00:00:00Z".parse().unwrap()
}

async fn orders(world: &World) -> Vec<BTreeMap<String, String>> {
    let mut rows = world.data().await.remove("small-orders").unwrap();
    rows.retain(|order| order["user_id"] == LI);
    rows
}

async fn events(world: &World, id: &str) -> Vec<Event> {
    world.ledger().events(&id.parse().unwrap()).await.unwrap()
}

fn purges(events: &[Event]) -> Vec<PurgeReport> {
    let report = |event: &Event| match &event.fact {
        Fact::Purged(report) => Some(report.clone()),
        _ => None,
    };
    events.iter().filter_map(report).collect()
}

/// Li asks by e-mail, answers the code, and is erased.
async fn erased_by_code(world: &World) -> String {
    let body = json!({"right": "erasure", "identity": {"email": LI_EMAIL}});
    let id = world.call("POST", "/v1/requests", None, Some(body)).await.body["request_id"].as_str().unwrap().to_owned();
    world.run().await;
    let code = json!({"code": world.last_code()});
    let path = format!("/v1/requests/{id}/verification");
    assert_eq!(world.call("PUT", &path, None, Some(code)).await.status, 200);
    world.run_to_end(&id).await;
    id
}

/// Past the last re-check, to a moment before the orders may go.
async fn until_shortly_before(world: &World) {
    after(world, DAY * 31).await;
    let left = end().duration_since(world.now());
    after(world, left - SignedDuration::from_hours(1)).await;
}

#[tokio::test]
async fn what_is_kept_is_marked_and_goes_when_its_time_is_over() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let kept = orders(&world).await;
    assert_eq!((kept.len(), kept[0]["state"].as_str()), (1, "restricted"));
    let anns = |rows: &BTreeMap<String, Vec<BTreeMap<String, String>>>| {
        rows["small-orders"].iter().filter(|order| order["user_id"] == "u-ann").cloned().collect::<Vec<_>>()
    };
    let of_others = anns(&world.data().await);
    assert!(!of_others[0].contains_key("state"), "an order of somebody else is not marked");
    let status = async || world.call("GET", &format!("/v1/requests/{id}"), Some(&fresh(&world, LI)), None).await.body;
    let shown = status().await;
    assert_eq!((&shown["retained"][0]["restricted"], &shown["counts"]["marked"]), (&"marked".into(), &1.into()));
    assert_eq!(shown["known_until"], "2029-01-31T00:00:00Z");

    until_shortly_before(&world).await;
    assert_eq!(orders(&world).await, kept, "not an hour too early");
    after(&world, SignedDuration::from_hours(2)).await;
    assert!(orders(&world).await.is_empty());
    assert_eq!(anns(&world.data().await), of_others);

    let file = evidence(&world, &id).await;
    let report = &purges(&file.events)[..];
    let [PurgeReport { at, collections, counts, somebody_new: false, .. }] = report else { panic!("{report:?}") };
    assert_eq!((*at, counts.erased, collections.len()), (end(), 1, 1));
    assert_eq!((collections[0].collection.as_str(), collections[0].erased, collections[0].retained), (ORDERS, 1, 0));
    let [RetainedResult { collection, rows: 1, marked: 1, until, purged: 1, purged_at, out_of_reach: false }] =
        &file.certificate.retained[..]
    else {
        panic!("{:?}", file.certificate.retained)
    };
    assert!(collection == ORDERS && *until == Some(end()) && purged_at.is_some());
    assert_eq!(status().await["retained"][0]["purged_at"], habeas::ledger::keys::moment(purged_at.unwrap()));
    let text = serde_json::to_string(&file).unwrap();
    assert!([LI, LI_EMAIL, "1 Long Street"].iter().all(|value| !text.contains(value)));
    let page = world.page(&format!("/v1/requests/{id}/certificate"), Some(&fresh(&world, LI))).await;
    assert!(
        page.text.contains("marked as restricted") && page.text.contains("Deleted: 1, still kept: 0"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_purge_leaves_what_is_held_by_then_and_it_goes_after_the_lift() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    until_shortly_before(&world).await;
    let kept = orders(&world).await;
    let held = hold(&world, json!({"collection": ORDERS}), DAY * 300).await;
    after(&world, DAY * 2).await;
    assert_eq!(orders(&world).await, kept, "its time is over, and it is held");
    let certificate = check_evidence(&world, &id).await;
    assert_eq!(certificate.holds.len(), 1);
    assert!(certificate.retained[0].purged_at.is_none());
    lift(&world, &held).await;
    after(&world, DAY * 2).await;
    assert!(orders(&world).await.is_empty());
    assert!(request(&world, &id).await.sealed.is_none());
    let certificate = check_evidence(&world, &id).await;
    assert!(certificate.holds[0].ended_at.is_some() && certificate.retained[0].purged_at.is_some());
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0, "nothing is ever to be done again");
}

#[tokio::test]
async fn a_purge_that_cannot_tell_whose_rows_are_leaves_them_and_does_not_say_that_they_are_gone() {
    let world = World::under_small(|bundle| {
        bundle.policy.subject.created_field = Some("password_changed_at".into());
    })
    .await;
    settle(&world).await;
    let id = exercise(&world, "erasure").await;
    until_shortly_before(&world).await;
    let kept = orders(&world).await;
    assert_eq!(kept.len(), 1);
    let somebody_new =
        [("user_id", LI), ("email", "new@mail.example"), ("password_changed_at", "2028-01-01T00:00:00Z")];
    world.put("small-users", &somebody_new).await;
    after(&world, DAY).await;
    assert_eq!(orders(&world).await, kept, "by now the id is somebody else's");
    let file = evidence(&world, &id).await;
    let report = purges(&file.events).pop().unwrap();
    assert!(report.somebody_new && report.collections[0].out_of_reach, "{report:?}");
    let retained = &file.certificate.retained[0];
    assert!(retained.out_of_reach && retained.purged_at.is_none() && retained.purged == 0, "{retained:?}");
    let known = request(&world, &id).await;
    assert!(known.purged.is_empty() && known.out_of_reach.contains("small_app.orders"));
}

/// A world that knows people by their addresses alone, and in which comments are found through posts.
async fn world_of_addresses() -> World {
    let world = World::under_small(|bundle| {
        bundle.policy.subject.identities.remove(&IdentityKind::UserId);
        bundle.policy.recipients.clear();
        for system in &mut bundle.policy.systems {
            let System::S3 { collections, .. } = system else { continue };
            for place in collections.values_mut() {
                if let S3Place::Objects(pictures) = place {
                    pictures.objects = "pictures/{email}/".into();
                }
            }
        }
        let app = bundle.datasets.iter_mut().find(|dataset| dataset.fides_key == "small_app").unwrap();
        let comments = app.collections.iter().find(|collection| collection.name == "comments").unwrap();
        let to_users = comments.fields.iter().find_map(|field| field.fides_meta.references.first()).unwrap().clone();
        for collection in &mut app.collections {
            for field in &mut collection.fields {
                let was_of_user = field.fides_meta.identity.as_deref() == Some("user_id");
                let to = match (collection.name.as_str(), field.name.as_str()) {
                    ("comments", "post_id") => Some("posts.post_id"),
                    ("users", _) => None,
                    _ => was_of_user.then_some("users.user_id"),
                };
                field.fides_meta.identity.take_if(|_| was_of_user);
                let refer = |to: &str| Reference { field: to.to_owned(), ..to_users.clone() };
                field.fides_meta.references.extend(to.map(refer));
            }
        }
    })
    .await;
    settle(&world).await;
    world
}

#[tokio::test]
async fn what_a_hold_kept_from_a_purge_was_the_persons_whoever_has_the_address_by_now() {
    const PICTURE: &str = "pictures/li.wei@mail.example/face.png";
    let world = world_of_addresses().await;
    world.put_object(World::FILES, PICTURE, b"a picture", "2026-10-01T00:00:00Z").await;
    let until: Timestamp = "2027-03-01T00:00:00Z".parse().unwrap();
    world.lock(PICTURE, Some(until));
    let id = erased_by_code(&world).await;
    after(&world, DAY * 31).await;
    let is_there = async || world.data().await[World::FILES].iter().any(|object| object["key"] == PICTURE);
    let held = hold(&world, json!({"collection": "small_files.pictures"}), DAY * 300).await;
    world.unlock(PICTURE);
    after(&world, until.duration_since(world.now())).await;
    assert!(is_there().await && request(&world, &id).await.kept.len() == 1, "its time is over, and it is held");
    world.put("small-users", &[("user_id", "u-new"), ("email", LI_EMAIL), ("language", "en")]).await;
    lift(&world, &held).await;
    after(&world, DAY * 2).await;
    assert!(!is_there().await, "of what was held nobody asks any more whose it is");
    assert!(!request(&world, &id).await.out_of_reach.contains("small_files.pictures"));
    assert_eq!(world.data().await["small-users"].len(), 2, "the account is somebody else's");
}

#[tokio::test]
async fn until_a_purge_only_what_leads_to_kept_rows_stays_known_and_then_nothing() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let parsed = id.parse().unwrap();
    let known = async || {
        let sealed = request(&world, &id).await.sealed?;
        Some(world.sealer().open::<SubjectKeys>(&parsed, seal::end::SUBJECT, &sealed).await.unwrap())
    };
    let all = known().await.unwrap();
    assert!(all.keys.contains_key("email"));
    let mails = world.mails().len();
    until_shortly_before(&world).await;
    let left = known().await.unwrap();
    assert_eq!(left.keys, BTreeMap::from([("user_id".to_owned(), vec![LI.to_owned()])]));
    assert!(left.named.is_empty() && request(&world, &id).await.contact.is_none());
    after(&world, SignedDuration::from_hours(2)).await;
    assert!(known().await.is_none() && request(&world, &id).await.aftercare.is_none());
    assert_eq!(events(&world, &id).await.pop().unwrap().fact, Fact::SubjectDropped);
    assert_eq!(world.mails().len(), mails, "no address is known any more, so nobody is told");
    world.advance(DAY * 400);
    assert_eq!(world.wake().await, 0, "nothing is ever to be done again");
}

#[tokio::test]
async fn who_asks_for_a_code_while_only_kept_rows_are_known_gets_none_and_nothing_fails() {
    let world = world().await;
    let id = erased_by_code(&world).await;
    let path = format!("/v1/requests/{id}/verification");
    until_shortly_before(&world).await;
    let mails = world.mails().len();
    let asked = world.call("POST", &path, None, None).await;
    assert_eq!(asked.status, 202, "{}", asked.body);
    world.run().await;
    world.advance(SignedDuration::from_mins(2));
    assert_eq!((world.wake().await, world.mails().len()), (0, mails), "the code was attended to, and sent nowhere");
}

#[tokio::test]
async fn whoever_the_policy_keeps_the_address_of_is_told_of_the_last_purge() {
    let world = world().await;
    let id = crate::rights::cancel(&world, false).await;
    let mails = world.mails().len();
    until_shortly_before(&world).await;
    assert!(request(&world, &id).await.contact.is_some());
    assert_eq!(world.mails().len(), mails);
    after(&world, SignedDuration::from_hours(2)).await;
    let told = world.mails();
    assert_eq!((told.len(), told[mails].0.as_str()), (mails + 1, LI_EMAIL));
    assert!(told[mails].1.contains("That time is over"), "{}", told[mails].1);
    let ended = request(&world, &id).await;
    assert!(ended.contact.is_none() && ended.sealed.is_none());
    let ledger = format!("{:?}", habeas_e2e::dump(&world.dynamodb, "ledger").await);
    assert!([LI_EMAIL, LI].iter().all(|value| !ledger.contains(value)));
}

#[tokio::test]
async fn what_is_written_late_and_has_to_be_kept_is_purged_in_its_turn() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    let late = [("user_id", LI), ("order_id", "o9"), ("goods", "a pen"), ("completed_at", "2026-10-31T00:00:00Z")];
    world.put("small-orders", &late).await;
    after(&world, DAY).await;
    assert!(orders(&world).await.iter().all(|order| order["state"] == "restricted"));
    until_shortly_before(&world).await;
    let later: Timestamp = "2029-10-31T01:00:00Z".parse().unwrap();
    after(&world, later.duration_since(world.now())).await;
    assert!(orders(&world).await.is_empty());
    let purged: u64 = purges(&events(&world, &id).await).iter().map(|report| report.counts.erased).sum();
    assert_eq!(purged, 2);
    assert!(request(&world, &id).await.sealed.is_none());
}

#[tokio::test]
async fn what_a_sweep_took_first_is_purged_of_nothing_and_the_person_is_forgotten_all_the_same() {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    until_shortly_before(&world).await;
    world.advance(SignedDuration::from_hours(2));
    let sweep = world.sweep().await;
    world.run_to_end(&sweep).await;
    assert!(orders(&world).await.is_empty());
    after(&world, SignedDuration::from_mins(1)).await;
    let reports = purges(&events(&world, &id).await);
    assert_eq!((reports.len(), reports[0].counts.erased), (1, 0));
    assert!(request(&world, &id).await.sealed.is_none());
}

/// The purge is killed at a call, comes back, and is done. None: it has fewer calls than that.
async fn killed_at(call: usize, answer_is_lost: bool) -> Option<(World, String)> {
    let world = world().await;
    let id = exercise(&world, "erasure").await;
    until_shortly_before(&world).await;
    world.advance(SignedDuration::from_hours(2));
    world.wake().await;
    let is_done = async || request(&world, &id).await.aftercare.is_none();
    dies_and_comes_back(&world, call, answer_is_lost, is_done).await.then_some((world, id))
}

#[tokio::test]
async fn a_purge_that_is_killed_at_any_call_ends_the_same() {
    let undisturbed = world().await;
    exercise(&undisturbed, "erasure").await;
    until_shortly_before(&undisturbed).await;
    after(&undisturbed, SignedDuration::from_hours(2)).await;
    let expected = undisturbed.data().await;
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id)) = killed_at(call, answer_is_lost).await {
            assert_eq!(world.data().await, expected, "killed at call {call}, answer lost: {answer_is_lost}");
            let kept = check_evidence(&world, &id).await.retained;
            assert!(kept.len() == 1 && kept[0].purged_at.is_some(), "killed at call {call}: {kept:?}");
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
        }
        assert!(call >= 8, "the matrix is not empty: {call}");
    }
}
