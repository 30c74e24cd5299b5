//! When a hold has ended: who is told then, what goes, and what is left since it may be somebody else's by now.

use habeas::evidence::NotTold;
use habeas::plan::Queue;
use habeas::request::EffectItem;
use habeas::steps::Message;
use habeas_e2e::World;
use jiff::SignedDuration;
use serde_json::json;

use super::{DAY, ask, hold, lift, of, of_li, request, seen, told, world_of, world_that_goes_around};
use crate::crash::check_evidence;
use crate::people::{LI, fresh, world};
use crate::recheck::{after, rechecks};

#[tokio::test]
async fn a_recipient_of_what_is_held_is_told_when_the_hold_has_ended_and_not_before() {
    let world = world_that_goes_around().await;
    let held = hold(&world, json!({"subject": {"user_id": LI}}), DAY * 300).await;
    let id = ask(&world, "erasure").await;
    let results = async || check_evidence(&world, &id).await.recipients;
    assert!(results().await.iter().all(|one| one.not_told == Some(NotTold::Held)), "{:?}", results().await);
    assert!(world.told().is_empty() && world.mails_to_recipients().is_empty());
    lift(&world, &held).await;
    after(&world, DAY).await;
    let told = results().await;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|one| one.not_told.is_none() && one.told_at.is_some()), "{told:?}");
    assert_eq!((world.told().len(), world.mails_to_recipients().len()), (1, 1));
    after(&world, DAY * 8).await;
    assert!(results().await.iter().any(|one| one.overdue), "its receipt is waited for as ever");
    after(&world, DAY * 30).await;
    assert!(request(&world, &id).await.sealed.is_none());
}

#[tokio::test]
async fn a_recipient_is_told_after_a_hold_that_kept_nothing_here() {
    let world = world_of(|bundle| {
        let courier = bundle.policy.recipients.iter_mut().find(|one| one.id == "courier").unwrap();
        courier.categories = vec!["user.content.private".into()];
    })
    .await;
    world.put("small-users", &[("user_id", "u-new"), ("email", "new@mail.example"), ("language", "en")]).await;
    let held = hold(&world, json!({"collection": "small_app.messages"}), DAY * 300).await;
    let body = json!({"right": "erasure"});
    let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, "u-new")), Some(body)).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run_to_end(&id).await;
    let courier = async || {
        let recipients = check_evidence(&world, &id).await.recipients;
        recipients.into_iter().find(|one| one.recipient == "courier").unwrap()
    };
    assert_eq!(courier().await.not_told, Some(NotTold::Held));
    after(&world, DAY * 60).await;
    assert!(request(&world, &id).await.sealed.is_some() && world.told().is_empty(), "the hold goes on");
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert!(courier().await.told_at.is_some());
    assert_eq!((world.told().len(), told(&world, &id).await), (1, vec!["lifted"]));
    assert!(request(&world, &id).await.sealed.is_none());
}

#[tokio::test]
async fn what_was_held_is_not_said_to_be_gone_if_nobody_can_tell_any_more_whose_it_is() {
    let world = world_of(|bundle| bundle.policy.subject.created_field = Some("password_changed_at".into())).await;
    let held = hold(&world, json!({"collection": "small_app.posts"}), DAY * 300).await;
    let id = ask(&world, "erasure").await;
    let posts = of_li(&world, "small-posts", "user_id").await;
    let somebody_new =
        [("user_id", LI), ("email", "new@mail.example"), ("password_changed_at", "2027-01-01T00:00:00Z")];
    world.put("small-users", &somebody_new).await;
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!((posts, of_li(&world, "small-posts", "user_id").await), (3, 3), "by now the id is somebody else's");
    let retained = check_evidence(&world, &id).await.retained;
    let posts = retained.iter().find(|kept| kept.collection == "small_app.posts").unwrap();
    assert!(posts.out_of_reach && posts.purged_at.is_none(), "{retained:?}");
    let shown = seen(&world, &id).await;
    let posts =
        shown["retained"].as_array().unwrap().iter().find(|kept| kept["collection"] == "small_app.posts").unwrap();
    assert_eq!(posts["out_of_reach"], json!(true), "{shown}");
}

#[tokio::test]
async fn what_a_hold_did_not_keep_is_somebody_news_when_it_ends() {
    // By a language comments are found here, and by no account: of such a key nobody can say whose it is later.
    let world = world_of(|bundle| {
        let app = bundle.datasets.iter_mut().find(|dataset| dataset.fides_key == "small_app").unwrap();
        let comments = app.collections.iter_mut().find(|collection| collection.name == "comments").unwrap();
        let author = comments.fields.iter_mut().find(|field| field.name == "author_id").unwrap();
        author.fides_meta.references[0].field = "users.language".into();
    })
    .await;
    let held = hold(&world, json!({"collection": "small_app.posts"}), DAY * 300).await;
    ask(&world, "erasure").await;
    world
        .put("small-comments", &[("post_id", "p"), ("comment_id", "c"), ("author_id", "zh-Hans"), ("text", "new")])
        .await;
    after(&world, DAY * 40).await;
    assert_eq!(of(&world, "small-comments", "author_id", "zh-Hans").await, 1);
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!(of_li(&world, "small-posts", "user_id").await, 0);
    assert_eq!(of(&world, "small-comments", "author_id", "zh-Hans").await, 1, "no hold kept a comment");
}

#[tokio::test]
async fn what_turns_up_again_under_a_hold_is_left_by_the_re_check_and_erased_after_it() {
    let world = world().await;
    let id = ask(&world, "erasure").await;
    world.put("small-posts", &[("user_id", LI), ("post_id", "late"), ("text", "late")]).await;
    let held = hold(&world, json!({"subject": {"user_id": LI}}), DAY * 300).await;
    after(&world, DAY).await;
    assert_eq!(of_li(&world, "small-posts", "user_id").await, 1);
    let certificate = check_evidence(&world, &id).await;
    assert_eq!((certificate.rechecks[0].found, certificate.rechecks[0].counts.held), (0, 1));
    lift(&world, &held).await;
    after(&world, DAY).await;
    assert_eq!(of_li(&world, "small-posts", "user_id").await, 0);
    check_evidence(&world, &id).await;
}

#[tokio::test]
async fn what_is_written_late_beside_what_is_held_for_somebody_else_is_found_by_the_re_check() {
    let world = world().await;
    hold(&world, json!({"subject": {"email": "ann@mail.example"}}), DAY * 300).await;
    let id = ask(&world, "erasure").await;
    let late = [("sender_id", LI), ("message_id", "late"), ("recipient_id", "u-bob"), ("text", "late")];
    world.put("small-messages", &late).await;
    after(&world, DAY).await;
    assert_eq!(of(&world, "small-messages", "message_id", "late").await, 0);
    let [report] = rechecks(&world, &id).await.try_into().unwrap();
    assert_eq!((report.found, report.found_in, report.counts.held), (1, vec!["small_app.messages".to_owned()], 2));
    assert_eq!(of_li(&world, "small-messages", "sender_id").await, 1, "what is held is left");
}

/// Whoever comes back for what is held looks whether it still is, and erases what is not.
async fn come_back(world: &World, id: &str) {
    let step = request(world, id).await.held_step.unwrap();
    let message = Message { request_id: id.parse().unwrap(), item: EffectItem::Step(step) };
    assert!(world.deliver(Queue::Erase, &message).await);
}

/// A day after an erasure that a hold kept comments of, with a late post: the re-check is given back after so many pages, and
/// the hold is lifted. None: it has no more pages than that.
async fn given_back_after(pages: usize) -> Option<(World, String)> {
    let world = world_that_goes_around().await;
    let held = hold(&world, json!({"collection": "small_app.comments"}), DAY * 300).await;
    let id = ask(&world, "erasure").await;
    world.put("small-posts", &[("user_id", LI), ("post_id", "late"), ("text", "late")]).await;
    world.advance(DAY);
    world.wake().await;
    // It is held for another day, so whoever comes back for it does not come before the re-check.
    come_back(&world, &id).await;
    // Too little time for a second page.
    world.give_time(SignedDuration::from_secs(10));
    for _ in 0..pages {
        world.step().await;
    }
    world.give_time(SignedDuration::from_mins(15));
    world.lose_messages();
    if !rechecks(&world, &id).await.is_empty() {
        return None;
    }
    lift(&world, &held).await;
    Some((world, id))
}

#[tokio::test]
async fn a_re_check_goes_on_where_it_was_whatever_becomes_of_a_hold_meanwhile() {
    for is_come_back_for in [false, true] {
        let mut pages = 0;
        while let Some((world, id)) = given_back_after(pages).await {
            if is_come_back_for {
                come_back(&world, &id).await;
                assert_eq!(of_li(&world, "small-comments", "author_id").await, 0);
            }
            after(&world, SignedDuration::from_mins(6)).await;
            let [report] = rechecks(&world, &id).await.try_into().unwrap();
            // Whoever comes back for what was held erases late rows too that the re-check has not come to.
            let is_sound = report.found == 1 || is_come_back_for && report.found == 0;
            assert!(is_sound, "after {pages} pages, {is_come_back_for}: {report:?}");
            assert!(report.found_in.iter().all(|place| place == "small_app.posts"), "after {pages} pages: {report:?}");
            assert_eq!(of_li(&world, "small-posts", "user_id").await, 0, "after {pages} pages");
            after(&world, DAY).await;
            assert_eq!(of_li(&world, "small-comments", "author_id").await, 0, "after {pages} pages");
            pages += 1;
        }
        assert!(pages > 6, "the matrix is not empty: {pages}");
    }
}
