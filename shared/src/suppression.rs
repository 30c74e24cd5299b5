//! How people who were erased are recognised in what was restored: by keyed digests of every value that leads from their
//! own row to others. Pure.
//!
//! The rule of this room: whoever writes an entry and whoever looks for one make its digest here, in the same way. A value
//! that is an identity counts in its normal form under its kind; any other as it stands, under its field.

use crate::connectors::Target;
use crate::identity::DigestKeys;
use crate::personal::{Identity, IdentityKind};
use crate::policy::{Link, Pinned, Place, Template};
use crate::record::Record;

/// A value in a row that leads to a person: to whoever has it in this field of their own row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The position of the link among those of the collection.
    pub link: usize,
    /// The field of the subject collection.
    pub field: String,
    /// The value.
    pub value: String,
}

/// The digests of a value of a field of the subject's row: under every key, the current one first.
#[must_use]
pub fn digests(keys: &DigestKeys, policy: &Pinned, field: &str, value: &str) -> Vec<String> {
    let kinds = [IdentityKind::UserId, IdentityKind::Email, IdentityKind::PhoneNumber];
    let kind = kinds.into_iter().find(|kind| policy.identity_field(*kind) == Some(field));
    match kind.and_then(|kind| Identity::parse(kind, value).ok()) {
        Some(identity) => keys.identity_under_all(&identity),
        None => keys.labelled_under_all("subject-key", &[field, value]),
    }
}

/// Every value of a row that leads to a person's own row.
#[must_use]
pub fn claims(target: &Target<'_>, record: &Record) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (position, link) in target.links.iter().enumerate() {
        let Some(field) = link.subject_field() else { continue };
        for value in values(target.place, link, record) {
            claims.push(Claim { link: position, field: field.to_owned(), value });
        }
    }
    claims
}

/// What stands in the field of a link, out of the form that it stands in.
fn values(place: Place<'_>, link: &Link, record: &Record) -> Vec<String> {
    let texts = record.keys_at(&[link.field()]).into_iter().flatten();
    match place {
        Place::Table(table) => match table.template(link.field()) {
            Some(form) => texts.filter_map(|text| form.value_in(&text).map(ToOwned::to_owned)).collect(),
            None => texts.collect(),
        },
        Place::Objects { pattern, .. } => {
            let Some(form) = Template::of(pattern) else { return Vec::new() };
            texts.filter_map(|key| value_at_the_start(form, &key).map(ToOwned::to_owned)).collect()
        }
        Place::Rows { .. } | Place::Relation { .. } => texts.collect(),
    }
}

/// The value in a key that begins as a pattern says: up to where the pattern goes on, or to the end of the name.
fn value_at_the_start<'k>(form: Template<'_>, key: &'k str) -> Option<&'k str> {
    let rest = key.strip_prefix(form.before)?;
    let end = if form.after.is_empty() { rest.find('/').unwrap_or(rest.len()) } else { rest.find(form.after)? };
    Some(&rest[..end]).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::Value;

    fn small() -> Pinned {
        crate::policy::load::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy")).unwrap()
    }

    fn found(policy: &Pinned, collection: &str, row: &[(&str, &str)]) -> Vec<(String, String)> {
        let record: Record =
            row.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned()))).collect();
        let claims = claims(&Target::of(policy, collection).unwrap(), &record);
        claims.into_iter().map(|claim| (claim.field, claim.value)).collect()
    }

    #[test]
    fn each_link_of_a_row_says_whose_it_may_be() {
        let policy = small();
        let to = |value: &str| ("user_id".to_owned(), value.to_owned());
        let message = [("sender_id", "u-li"), ("recipient_id", "u-ann"), ("text", "u-kim")];
        let mut both = found(&policy, "small_app.messages", &message);
        both.sort();
        assert_eq!(both, [to("u-ann"), to("u-li")]);
        assert_eq!(found(&policy, "small_files.pictures", &[("key", "pictures/u-li/2026/face.png")]), [to("u-li")]);
        assert_eq!(found(&policy, "small_files.pictures", &[("key", "other/u-li/face.png")]), []);
    }

    #[test]
    fn an_identity_has_one_digest_however_it_is_written_and_other_keys_have_their_own() {
        let policy = small();
        let secret = serde_json::json!({"current": "k2", "k1": "a".repeat(64), "k2": "b".repeat(64)}).to_string();
        let keys = DigestKeys::parse(&secret).unwrap();
        let digests = |field: &str, value: &str| digests(&keys, &policy, field, value);
        assert_eq!(digests("email", "Li@MAIL.example"), digests("email", "li@mail.example"));
        assert_eq!(digests("email", "li@mail.example").len(), 2, "under every key");
        assert!(digests("email", "li@mail.example")[0].starts_with("k2:"));
        assert_ne!(digests("language", "en"), digests("email", "en"));
    }
}
