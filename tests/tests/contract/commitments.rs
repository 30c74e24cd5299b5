//! The commitments of the two shipped policies: each accounted for once, and none called kept without a reason.

use std::collections::BTreeSet;

use habeas::policy::load::load;
use habeas::policy::{Commitment, CommitmentStatus, Pinned};

use habeas_e2e::yaml;

const POLICIES: [&str; 2] = ["yallo", "yuncan"];

fn policy(id: &str) -> Pinned {
    load(&yaml::path("policies").join(id)).unwrap_or_else(|error| unreachable!("{id}: {error}"))
}

fn with_status(policy: &Pinned, status: CommitmentStatus) -> Vec<u8> {
    let commitments = policy.policy().commitments.iter();
    let mut numbers: Vec<u8> =
        commitments.filter(|commitment| commitment.status == status).map(|commitment| commitment.number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn every_number_of_the_list_is_there_once() {
    // 21 is no promise: the list of commitments leaves it out.
    let expected: Vec<u8> = (1..=20).chain(22..=31).collect();
    for id in POLICIES {
        let policy = policy(id);
        let mut numbers: Vec<u8> = policy.policy().commitments.iter().map(|each| each.number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, expected, "{id}");
    }
}

#[test]
fn what_is_kept_names_what_keeps_it_and_what_is_not_says_why() {
    for id in POLICIES {
        for commitment in &policy(id).policy().commitments {
            let Commitment { number, status, by, note } = commitment;
            if matches!(status, CommitmentStatus::Kept | CommitmentStatus::Partly) {
                assert!(!by.is_empty(), "{id} {number} is {status:?} by nothing");
            }
            if *status != CommitmentStatus::Kept {
                assert!(!note.trim().is_empty(), "{id} {number} is {status:?} without a note");
            }
        }
    }
}

/// A change here is a change of what the controller may say of itself: look at it, then write it down.
#[test]
fn the_commitments_that_are_kept_are_these() {
    let kept = |id| with_status(&policy(id), CommitmentStatus::Kept);
    assert_eq!(kept("yallo"), [2, 3, 4, 5, 8, 9, 11, 22]);
    assert_eq!(kept("yuncan"), [2, 3, 4, 5, 8, 9, 11]);
    let partly = |id| with_status(&policy(id), CommitmentStatus::Partly);
    assert_eq!(partly("yallo"), [1, 7, 12, 17, 29, 31]);
    assert_eq!(partly("yuncan"), [1, 10, 17, 22, 31]);
}

#[test]
fn every_item_right_and_recipient_names_its_section() {
    for id in POLICIES {
        let pinned = policy(id);
        let policy = pinned.policy();
        let items = policy.items.iter().map(|item| (item.name.as_str(), &item.source));
        let recipients = policy.recipients.iter().map(|each| (each.id.as_str(), &each.source));
        let rights = policy.rights.iter().map(|(right, rule)| (right.name(), &rule.source));
        let refusals = policy.refusals.iter().map(|each| (each.id.as_str(), &each.source));
        for (name, source) in items.chain(recipients).chain(rights).chain(refusals) {
            assert!(!source.trim().is_empty(), "{id}: {name} has no section");
        }
        assert!(!policy.items.is_empty() && !policy.recipients.is_empty(), "{id}");
    }
}

#[test]
fn no_two_rules_share_a_name() {
    for id in POLICIES {
        let pinned = policy(id);
        let policy = pinned.policy();
        let lists: [Vec<&str>; 3] = [
            policy.items.iter().map(|item| item.name.as_str()).collect(),
            policy.recipients.iter().map(|each| each.id.as_str()).collect(),
            policy.refusals.iter().map(|each| each.id.as_str()).collect(),
        ];
        for list in lists {
            let unique: BTreeSet<&str> = list.iter().copied().collect();
            assert_eq!(unique.len(), list.len(), "{id}: {list:?}");
        }
    }
}
