//! Every key format of the table, and nothing else. No key carries personal data: ids are random, digests are keyed.

use jiff::Timestamp;

use super::{Item, number, text};
use crate::request::{EffectItem, RequestId, StepNumber, Wake};

/// Shards of the `due` index.
pub const DUE_SHARDS: u8 = 16;
/// The sparse index of items that need attention.
pub const DUE_INDEX: &str = "due";
/// The sparse index of requests that have changed since they were anchored.
pub const UNANCHORED_INDEX: &str = "unanchored";
/// Both keys of how far the chain of anchors is.
pub const ANCHORS: &str = "ANCHORS";
/// The sort key of the latest anchor that a request is in.
pub const ANCHOR: &str = "ANCHOR";
/// The sort key of a request.
pub const REQUEST: &str = "REQUEST";
/// The sort key of a challenge.
pub const CHALLENGE: &str = "CHALLENGE";

/// Partition key of a request and all its items.
#[must_use]
pub fn request(id: &RequestId) -> String {
    format!("REQUEST#{id}")
}

/// Sort key of a step.
#[must_use]
pub fn step(number: StepNumber) -> String {
    format!("STEP#{number}")
}

/// Sort key of an event.
#[must_use]
pub fn event(number: u32) -> String {
    format!("EVENT#{number:08}")
}

/// Sort key of a notice.
#[must_use]
pub fn notice(number: u32) -> String {
    format!("NOTICE#{number:08}")
}

/// Sort key of a message to the app.
#[must_use]
pub fn app_message(number: u32) -> String {
    format!("APP#{number:08}")
}

/// Partition key of a subject's requests.
#[must_use]
pub fn subject(digest: &str) -> String {
    format!("SUBJECT#{digest}")
}

/// Sort key of one of a subject's requests: by time.
#[must_use]
pub fn subject_request(received_at: Timestamp, id: &RequestId) -> String {
    format!("REQUEST#{}#{id}", moment(received_at))
}

/// Both keys of an idempotency record.
#[must_use]
pub fn idempotency(caller: &str, key: &str) -> String {
    format!("IDEMPOTENCY#{caller}#{key}")
}

/// Both keys of a suppression entry.
#[must_use]
pub fn suppressed(digest: &str) -> String {
    format!("SUPPRESSED#{digest}")
}

/// Partition key of all legal holds: there are few, and whatever erases reads all that are in force.
pub const HOLDS: &str = "HOLDS";

/// Sort key of a hold: by when it ends, so that those in force stand together.
#[must_use]
pub fn hold(ends_at: Timestamp, id: &crate::holds::HoldId) -> String {
    format!("HOLD#{}#{id}", moment(ends_at))
}

/// What the sort keys of all holds come after that have not ended at a moment.
#[must_use]
pub fn holds_after(now: Timestamp) -> String {
    format!("HOLD#{}", moment(now))
}

/// What the sort keys of all identities begin with that a replay has found.
pub const FOUND: &str = "FOUND#";
/// What the sort keys of all requests begin with that a replay has opened.
pub const AGAIN: &str = "AGAIN#";

/// Sort key of an identity that a replay has found, of somebody whom this request erased.
#[must_use]
pub fn found(erased_by: &RequestId, digest: &str) -> String {
    format!("{FOUND}{erased_by}#{digest}")
}

/// Sort key of a request that a replay has opened.
#[must_use]
pub fn again(id: &RequestId) -> String {
    format!("{AGAIN}{id}")
}

/// The sort key of an item that needs attention.
#[must_use]
pub fn effect(item: EffectItem) -> String {
    match item {
        EffectItem::Request => REQUEST.to_owned(),
        EffectItem::Challenge => CHALLENGE.to_owned(),
        EffectItem::Step(number) => step(number),
        EffectItem::Notice(number) => notice(number),
        EffectItem::App(number) => app_message(number),
    }
}

/// The item that a sort key names, if it is one that can need attention.
#[must_use]
pub fn parse_effect(sk: &str) -> Option<EffectItem> {
    match sk {
        REQUEST => return Some(EffectItem::Request),
        CHALLENGE => return Some(EffectItem::Challenge),
        _ => {}
    }
    let (kind, digits) = sk.split_once('#')?;
    match kind {
        "STEP" if digits.len() == 4 => digits.parse().ok().map(|number| EffectItem::Step(StepNumber(number))),
        "NOTICE" if digits.len() == 8 => digits.parse().ok().map(EffectItem::Notice),
        "APP" if digits.len() == 8 => digits.parse().ok().map(EffectItem::App),
        _ => None,
    }
}

/// A moment that sorts as text: UTC, to the second.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The two keys as an item begins.
pub(super) fn item(pk: &str, sk: &str) -> Item {
    Item::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

/// Puts an item into the `due` index.
pub(super) fn set_wake(item: &mut Item, wake: Option<Wake>) {
    let Some(wake) = wake else { return };
    let pk = item.get("pk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    item.insert("due_shard".to_owned(), number(due_shard(&pk)));
    item.insert("wake_at".to_owned(), text(moment(wake.at)));
    item.insert("queue".to_owned(), text(wake.queue.name()));
}

/// Puts a request into the index of those to be anchored, by the hour of its last event: a request that changes often
/// changes its place there once an hour.
pub(super) fn set_unanchored(item: &mut Item, changed_at: Timestamp) {
    let pk = item.get("pk").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    item.insert("unanchored_shard".to_owned(), number(due_shard(&pk)));
    item.insert("unanchored_since".to_owned(), text(changed_at.strftime("%Y-%m-%dT%H").to_string()));
}

/// The shard of everything under a partition key.
pub(super) fn due_shard(pk: &str) -> u8 {
    u8::try_from(crc32fast::hash(pk.as_bytes()) % u32::from(DUE_SHARDS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_keys_lead_back_to_their_items() {
        for item in [
            EffectItem::Request,
            EffectItem::Challenge,
            EffectItem::Step(StepNumber(7)),
            EffectItem::Notice(12),
            EffectItem::App(3),
        ] {
            assert_eq!(parse_effect(&effect(item)), Some(item));
        }
        for not_one in ["", "EVENT#00000001", "STEP#1", "STEP#-001", "STEP#00001", "NOTICE#x"] {
            assert_eq!(parse_effect(not_one), None, "{not_one}");
        }
    }
}
