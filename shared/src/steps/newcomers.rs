//! Accounts that were made since an erasure and hold an identity of whoever was erased: somebody signed up again with the
//! same address, or a number was given to somebody else. They are not erased for it.
//!
//! The rule of this room: a user id is one person's for good; an address is not. A row of the subject collection with the
//! erased user id is the erased account. One that only an address leads to is another account, and what it holds is its own.
//! Where the policy knows no user id, or ids are given out again, the moment that an account was made decides. Of a key that
//! accounts cannot be asked for, nobody can say whose it is by now: it leads to nothing any more.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::connectors::{ConnectorError, Connectors, Person, Target, Who, moment};
use crate::identity::SubjectKeys;
use crate::personal::IdentityKind;
use crate::policy::Pinned;
use crate::record::Record;

/// Whose a row of the subject collection is of which neither a user id nor the moment that it was made tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubtful {
    /// Somebody new's: it is left alone.
    New,
    /// The erased person's.
    Erased,
}

/// Whether it can be found out who holds a key by now: accounts are found by it.
#[must_use]
pub fn has_holders(policy: &Pinned, field: &str) -> bool {
    let links = policy.links(&policy.policy().subject.collection);
    links.iter().any(|link| link.subject_field() == Some(field))
}

/// The keys of an erased person, without those that accounts made since `since` hold; and whether there is such an account.
pub async fn without_newcomers(
    connectors: &Connectors,
    policy: &Pinned,
    mut keys: SubjectKeys,
    since: Timestamp,
    doubtful: Doubtful,
) -> Result<(SubjectKeys, bool), ConnectorError> {
    let target = Target::of(policy, &policy.policy().subject.collection)?;
    let connector = connectors.of(target.place)?;
    let person = Person::known_by(keys.clone());
    if doubtful == Doubtful::New {
        keys.keys.retain(|field, _| has_holders(policy, field));
    }
    let (mut cursor, mut somebody_new) = (None, false);
    loop {
        let page = connector.read(&target, Who::Person(&person), cursor.as_deref()).await?;
        for row in page.rows {
            if is_new(policy, &person.keys.keys, &row.record, since, doubtful) {
                somebody_new = true;
                for (field, values) in &mut keys.keys {
                    let held: Vec<String> = row.record.keys_at(&[field]).into_iter().flatten().collect();
                    values.retain(|value| !held.contains(value));
                }
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok((keys, somebody_new)),
        }
    }
}

/// Who holds some keys in the subject collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    /// Their user ids, if the policy knows any.
    pub user_ids: Vec<String>,
    /// Whether one of their accounts was made since the moment that was asked about.
    pub made_since: bool,
}

/// Who holds some keys in the subject collection, and whether since.
pub async fn holders(
    connectors: &Connectors,
    policy: &Pinned,
    keys: SubjectKeys,
    since: Timestamp,
) -> Result<Holders, ConnectorError> {
    let target = Target::of(policy, &policy.policy().subject.collection)?;
    let connector = connectors.of(target.place)?;
    let person = Person::known_by(keys);
    let (mut held, mut cursor) = (Holders::default(), None);
    loop {
        let page = connector.read(&target, Who::Person(&person), cursor.as_deref()).await?;
        for row in page.rows {
            held.made_since |= made_at(policy, &row.record).is_some_and(|made_at| made_at > since);
            if let Some(field) = policy.identity_field(IdentityKind::UserId) {
                held.user_ids.extend(row.record.keys_at(&[field]).into_iter().flatten());
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(held),
        }
    }
}

/// When an account was made, if the policy says where that stands.
fn made_at(policy: &Pinned, record: &Record) -> Option<Timestamp> {
    moment(record.get(policy.policy().subject.created_field.as_deref()?)?)
}

/// Whether a row of the subject collection is of an account that is not the erased one.
fn is_new(
    policy: &Pinned,
    erased: &BTreeMap<String, Vec<String>>,
    record: &Record,
    since: Timestamp,
    doubtful: Doubtful,
) -> bool {
    let made_at = made_at(policy, record);
    if made_at.is_some_and(|made_at| made_at > since) {
        return true;
    }
    match policy.identity_field(IdentityKind::UserId) {
        Some(field) => {
            let known = erased.get(field).map_or(&[][..], Vec::as_slice);
            !record.keys_at(&[field]).iter().flatten().any(|id| known.contains(id))
        }
        None => made_at.is_none() && doubtful == Doubtful::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Value;

    fn small(change: impl Fn(&mut crate::policy::Bundle)) -> Pinned {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy");
        let stored = crate::policy::load::load(&folder).unwrap().to_stored().unwrap();
        let mut bundle = serde_json::from_slice(&stored).unwrap();
        change(&mut bundle);
        Pinned::new(bundle).unwrap()
    }

    fn is_new(policy: &Pinned, row: &[(&str, &str)], doubtful: Doubtful) -> bool {
        let erased = [("user_id", "u-li"), ("email", "li@mail.example")];
        let erased = erased.map(|(field, value)| (field.to_owned(), vec![value.to_owned()])).into();
        let record: Record =
            row.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned()))).collect();
        super::is_new(policy, &erased, &record, "2026-11-22T00:00:00Z".parse().unwrap(), doubtful)
    }

    #[test]
    fn an_address_may_be_somebody_elses_and_a_user_id_is_not() {
        let policy = small(|_| {});
        assert!(!is_new(&policy, &[("user_id", "u-li")], Doubtful::New));
        assert!(is_new(&policy, &[("user_id", "u-li-2"), ("email", "li@mail.example")], Doubtful::Erased));
    }

    #[test]
    fn without_a_user_id_the_moment_that_an_account_was_made_decides_if_it_is_known() {
        let without_id = small(|bundle| {
            bundle.policy.subject.identities.remove(&IdentityKind::UserId);
            bundle.policy.subject.created_field = Some("made_at".into());
        });
        let made = |at: &str, doubtful| is_new(&without_id, &[("email", "li@mail.example"), ("made_at", at)], doubtful);
        assert!(made("2026-11-23T00:00:00Z", Doubtful::Erased));
        assert!(!made("2026-11-21T00:00:00Z", Doubtful::New));
        assert!(made("once", Doubtful::New));
        assert!(!made("once", Doubtful::Erased));
    }

    #[test]
    fn only_of_keys_that_accounts_are_found_by_can_be_told_whose_they_are() {
        let policy = small(|_| ());
        for (field, is_told) in [("user_id", true), ("email", true), ("language", false), ("device_id", false)] {
            assert_eq!(has_holders(&policy, field), is_told, "{field}");
        }
    }
}
