//! Posts, comments, private messages and follows: what ties users to each other.
//!
//! Other people appear in texts as outsiders, or by the nickname of a user who is no subject; subjects appear in other
//! people's rows only by their id in a link, or by the id of a post of theirs.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;

use super::{APP, Fields, User, pictures, token};
use crate::sample::people::{self, below, chance, pick, timestamp};
use crate::sample::text;
use crate::sample::{Population, Row};

pub(super) fn rows(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    posts(user, emit);
    comments(user, emit);
    messages(user, emit);
    follows(user, emit);
}

fn posts(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("posts");
    let mut photos = pictures::photo_keys(user).into_iter();
    for number in 0..post_count(user.population, user.index) {
        let mut words = format!("{} #{}", text::paragraph(&mut rng, user.who.language), user.tag);
        if chance(&mut rng, 20) {
            words.push_str(&aside(user, &mut rng));
        }
        // The photos belong to the first posts.
        let pictures: Vec<String> = photos.next().into_iter().collect();
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("post_id", post_id(user.population, user.index, number))
                .shown("published_in", pick(&mut rng, &["news", "news", "news", "circle", "group_chat"]))
                .shown("text", words)
                .shown("pictures", pictures)
                .shown("position", coordinates(&mut rng))
                .shown("created_at", timestamp(&mut rng, 600, 0))
                .row("yallo_app.posts"),
        );
    }
}

/// Comments on other people's posts.
fn comments(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("comments");
    let count = user.volume(&mut rng, 8);
    for author in others(user, &mut rng, count) {
        let latest = post_count(user.population, author).min(20);
        let number = below(&mut rng, latest);
        emit(
            Fields::default()
                .shown("post_id", post_id(user.population, author, number))
                .shown("comment_id", format!("cmt-{}", token(&mut rng)))
                .shown("author_id", user.who.user_id.as_str())
                .shown("author_nickname", user.who.nickname.as_str())
                .shown("text", user.says(&mut rng))
                .shown("created_at", timestamp(&mut rng, 600, 0))
                .row("yallo_app.comments"),
        );
    }
}

fn messages(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("messages");
    let count = user.volume(&mut rng, 8);
    for recipient in others(user, &mut rng, count) {
        let mut words = user.says(&mut rng);
        if chance(&mut rng, 30) {
            words.push_str(&aside(user, &mut rng));
        }
        emit(
            Fields::default()
                .shown("sender_id", user.who.user_id.as_str())
                .shown("message_id", format!("msg-{}", token(&mut rng)))
                .shown("recipient_id", user_id(user.population, recipient))
                .shown("text", words)
                .shown("sent_at", timestamp(&mut rng, 600, 0))
                .row("yallo_app.messages"),
        );
    }
}

fn follows(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("follows");
    let count = user.volume(&mut rng, 8);
    // Nobody follows the same user twice.
    let followed: BTreeSet<usize> = others(user, &mut rng, count).into_iter().collect();
    for followee in followed {
        emit(
            Fields::default()
                .shown("follower_id", user.who.user_id.as_str())
                .shown("followee_id", user_id(user.population, followee))
                .shown("followed_at", timestamp(&mut rng, 600, 0))
                .row("yallo_app.follows"),
        );
    }
}

/// Indexes of other users. The first is a subject where the user is one or among the first ones after them, so that
/// every subject is written to and followed in any population.
fn others(user: &User<'_>, rng: &mut ChaCha8Rng, count: usize) -> Vec<usize> {
    let subjects = Population::SUBJECTS;
    (0..count)
        .map(|number| {
            let drawn = below(rng, user.population.users);
            match number {
                0 if user.is_subject() => (user.index + 1) % subjects,
                0 if user.index < 20 * subjects => user.index % subjects,
                _ if drawn == user.index => (drawn + 1) % user.population.users.max(subjects),
                _ => drawn,
            }
        })
        .collect()
}

/// A sentence about somebody else.
fn aside(user: &User<'_>, rng: &mut ChaCha8Rng) -> String {
    let chinese = user.who.language == "zh-Hans";
    let strangers = user.population.users.saturating_sub(Population::SUBJECTS);
    if strangers > 0 && chance(rng, 40) {
        let other = Population::SUBJECTS + below(rng, strangers);
        let nickname = people::identity(APP, user.population, other).nickname;
        return if chinese {
            format!(" 谢谢@{nickname} 推荐。")
        } else {
            format!(" Thanks @{nickname} for the tip.")
        };
    }
    let (name, phone) = people::outsider(rng);
    if chinese {
        format!(" 想报名的话找{name}，电话{phone}。")
    } else {
        format!(" Ask {name} at {phone} if you want to join.")
    }
}

fn user_id(population: &Population, index: usize) -> String {
    people::identity(APP, population, index).user_id
}

fn post_count(population: &Population, index: usize) -> usize {
    if population.is_heavy(index) {
        return population.heavy_rows.max(1);
    }
    4 + below(&mut people::rng(APP, population, index, "post-count"), 13)
}

/// Known to whoever comments, without the author's other rows.
fn post_id(population: &Population, index: usize, number: usize) -> String {
    format!("post-{}", token(&mut people::rng(APP, population, index, &format!("post {number}"))))
}

/// Somewhere in the east of China, as latitude and longitude.
pub(super) fn coordinates(rng: &mut ChaCha8Rng) -> String {
    let latitude = 22 * 10_000 + below(rng, 18 * 10_000);
    let longitude = 103 * 10_000 + below(rng, 18 * 10_000);
    let degrees = |value: usize| format!("{}.{:04}", value / 10_000, value % 10_000);
    format!("{},{}", degrees(latitude), degrees(longitude))
}
