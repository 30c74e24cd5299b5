//! The account, and what its user publishes, says and does to others.

use super::facts::{Facts, fresh_id, post_id};
use super::{Draft, Row};
use crate::sample::people::{below, chance, outsider, pick, timestamp};
use crate::sample::text;

const ZH_INTERESTS: [&str; 10] = ["徒步", "摄影", "烘焙", "养花", "骑行", "老电影", "民谣", "露营", "书法", "围棋"];
const EN_INTERESTS: [&str; 10] = [
    "hiking",
    "photography",
    "baking",
    "gardening",
    "cycling",
    "old films",
    "folk songs",
    "camping",
    "calligraphy",
    "go",
];
const KINDS: [&str; 6] = ["article", "question", "answer", "audio", "video", "live"];
const ACTS: [&str; 4] = ["dismiss", "like", "collect", "share"];
const REASONS: [&str; 4] = ["not_interested", "seen_before", "poor_quality", "too_many_like_it"];

/// Every row of these collections.
pub(super) fn rows(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    emit(account(facts));
    posts(facts, emit);
    comments(facts, emit);
    interactions(facts, emit);
    follows(facts, emit);
    messages(facts, emit);
    contacts(facts, emit);
}

fn account(facts: &Facts) -> Row {
    let rng = &mut facts.rng("users");
    let who = &facts.who;
    let mut interests = || {
        let list = facts.local(&ZH_INTERESTS, &EN_INTERESTS);
        let from = below(rng, list.len());
        let taken: Vec<&str> = list.iter().cycle().skip(from).take(1 + below(rng, 4)).copied().collect();
        taken
    };
    let (circles, topics, ad_interests) = (interests(), interests(), interests());
    Draft::new("yuncan_app.users")
        .with("user_id", who.user_id.as_str())
        .with_some("phone", who.phone.as_deref())
        .with_some("email", who.email.as_deref())
        .with("password_hash", facts.password_hash.as_str())
        .with("nickname", who.nickname.as_str())
        .with("user_name", who.user_name.as_str())
        .with("avatar", facts.avatar.as_str())
        .with("gender", who.gender)
        .with("birthday", who.birth.as_str())
        .with("region", who.city.as_str())
        .with("introduction", format!("{} #{}", text::sentence(rng, who.language), facts.tag))
        .with("third_party_id", facts.third_party_id.as_str())
        .with("third_party_profile", format!("{} / {}", who.job, who.school))
        .with("real_name", who.real_name.as_str())
        .with("id_number", who.id_number.as_str())
        .with("face_features", facts.face_features.as_str())
        .with("security_status", pick(rng, &["normal", "normal", "normal", "watched"]))
        .with("analysis_code", facts.analysis_code.as_str())
        .with("circles", circles)
        .with("topics", topics)
        .with("ad_interests", ad_interests)
        .with("programmatic_ads", chance(rng, 60))
        .with("push_notifications", chance(rng, 70))
        .with("recommend_to_friends", chance(rng, 50))
        .with("recommend_people", chance(rng, 50))
        .with("show_on_shares", chance(rng, 80))
        .with("language", who.language)
        .with("created_at", timestamp(rng, 608, 602))
        .with("credentials_changed_at", timestamp(rng, 600, 30))
        .row()
}

fn posts(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("posts");
    let series = facts.post_series();
    for number in 0..facts.posts() {
        emit(
            Draft::new("yuncan_app.posts")
                .with("user_id", facts.who.user_id.as_str())
                .with("post_id", post_id(&series, number))
                .with("kind", pick(rng, &KINDS))
                .with("title", text::sentence(rng, facts.who.language))
                .with("text", facts.words(rng, true))
                .with("display_location", facts.place(rng))
                .with("created_at", Facts::moment(rng))
                .row(),
        );
    }
}

fn comments(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("comments");
    for _ in 0..facts.few(rng) {
        emit(
            Draft::new("yuncan_app.comments")
                .with("post_id", facts.others_post(rng))
                .with("comment_id", fresh_id(rng, "co"))
                .with("author_id", facts.who.user_id.as_str())
                .with("author_nickname", facts.who.nickname.as_str())
                .with("author_avatar", facts.avatar.as_str())
                .with("author_code", facts.analysis_code.as_str())
                .with("text", facts.words(rng, false))
                .with("display_location", facts.place(rng))
                .with("created_at", Facts::moment(rng))
                .row(),
        );
    }
}

fn interactions(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("interactions");
    for number in 0..facts.few(rng) {
        // The first is a dismissal, so that whoever has any has a reason too.
        let kind = if number == 0 { ACTS[0] } else { pick(rng, &ACTS) };
        let reason = pick(rng, &REASONS);
        emit(
            Draft::new("yuncan_app.interactions")
                .with("user_id", facts.who.user_id.as_str())
                .with("interaction_id", fresh_id(rng, "in"))
                .with("kind", kind)
                .with("content_id", facts.others_post(rng))
                .with_some("dismissal_reason", (kind == "dismiss").then_some(reason))
                .with("created_at", Facts::moment(rng))
                .row(),
        );
    }
}

fn follows(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("follows");
    let mut followed = vec![facts.first_other(rng)];
    for _ in 1..facts.few(rng) {
        let other = facts.other(rng);
        if !followed.contains(&other) {
            followed.push(other);
        }
    }
    for other in followed {
        emit(
            Draft::new("yuncan_app.follows")
                .with("follower_id", facts.who.user_id.as_str())
                .with("followee_id", facts.user_id_of(other))
                .with("created_at", Facts::moment(rng))
                .row(),
        );
    }
}

fn messages(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("messages");
    let mut recipient = facts.first_other(rng);
    for _ in 0..facts.few(rng).max(1) {
        emit(
            Draft::new("yuncan_app.messages")
                .with("sender_id", facts.who.user_id.as_str())
                .with("message_id", fresh_id(rng, "ms"))
                .with("recipient_id", facts.user_id_of(recipient))
                .with("text", facts.words(rng, false))
                .with("sent_at", Facts::moment(rng))
                .row(),
        );
        recipient = facts.other(rng);
    }
}

fn contacts(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("contacts");
    let imported_at = Facts::moment(rng);
    for _ in 0..facts.few(rng) {
        let (name, phone) = outsider(rng);
        emit(
            Draft::new("yuncan_app.contacts")
                .with("user_id", facts.who.user_id.as_str())
                .with("contact_id", fresh_id(rng, "ct"))
                .with("name", name)
                .with("phone", phone)
                .with("imported_at", imported_at.as_str())
                .row(),
        );
    }
}
