//! Finds the subject's own row and captures the keys that lead to all others.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Job, Next, Page, StepError};
use crate::connectors::{Connector, ConnectorError, Connectors, Person, Target, Who};
use crate::identity::{Contact, Sealer, SubjectKeys, seal};
use crate::personal::{Identity, IdentityKind};
use crate::plan::Counts;
use crate::policy::dataset::visit;
use crate::policy::{Link, Pinned, Strategy, categories};
use crate::record::Record;
use crate::request::Captured;

/// Why the subject was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The subject's system did not answer.
    #[error("the subject's row cannot be read")]
    Connector(#[from] ConnectorError),
    /// The policy has no such identity.
    #[error("the policy does not know this kind of identity")]
    UnknownKind,
    /// More rows than one person has.
    #[error("one identity leads to more than {MAX_ROWS} subjects")]
    TooMany,
}

/// Categories of what a person is named by.
const NAMING: [&str; 6] = [
    "user.name",
    "user.account.username",
    "user.contact.email",
    "user.contact.phone_number",
    "user.government_id",
    "user.unique_id",
];

/// Most rows of the subject collection that one identity may lead to.
const MAX_ROWS: usize = 20;

/// What is known of a subject.
pub struct Resolved {
    /// The identity with every key that leads to a collection.
    pub keys: SubjectKeys,
    /// How many rows the subject has in the subject collection.
    pub rows: u64,
    /// Where notices go.
    pub contact: Option<Contact>,
    /// Every address on file that messages can be sent to, of each kind one.
    pub contacts: Vec<Contact>,
    /// The language on file.
    pub language: Option<String>,
}

/// Reads the subject's rows by the identity that the request was made with.
pub async fn resolve(
    connector: &dyn Connector,
    policy: &Pinned,
    subject: &SubjectKeys,
    channels: &[IdentityKind],
) -> Result<Resolved, ResolveError> {
    let records = read_subject(connector, policy, subject.kind, &subject.value).await?;
    let given = policy.identity_field(subject.kind).ok_or(ResolveError::UnknownKind)?;
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    keys.entry(given.to_owned()).or_default().insert(subject.value.clone());
    for field in key_fields(policy) {
        let values = records.iter().flat_map(|record| record.keys_at(&[field])).flatten();
        keys.entry(field.to_owned()).or_default().extend(values);
    }
    let keys = keys.into_iter().map(|(field, values)| (field, values.into_iter().collect())).collect();
    Ok(Resolved {
        keys: SubjectKeys {
            kind: subject.kind,
            value: subject.value.clone(),
            keys,
            named: named_in(policy, &records),
            own_ids: own_ids(policy, &records),
        },
        rows: records.len() as u64,
        contact: contact(policy, &records, None, channels),
        contacts: contacts(policy, &records, channels),
        language: language(policy, &records),
    })
}

/// The address on file to which a code goes: the one that the person named, if it is on file, else the first that is.
pub async fn find_contact(
    connector: &dyn Connector,
    policy: &Pinned,
    identity: &Identity,
    channels: &[IdentityKind],
) -> Result<Option<(Contact, Option<String>)>, ResolveError> {
    let records = read_subject(connector, policy, identity.kind(), identity.value().expose()).await?;
    Ok(contact(policy, &records, Some(identity.kind()), channels).map(|contact| (contact, language(policy, &records))))
}

async fn read_subject(
    connector: &dyn Connector,
    policy: &Pinned,
    kind: IdentityKind,
    value: &str,
) -> Result<Vec<Record>, ResolveError> {
    let target = Target::of(policy, &policy.policy().subject.collection)?;
    let field = policy.identity_field(kind).ok_or(ResolveError::UnknownKind)?;
    let keys = BTreeMap::from([(field.to_owned(), vec![value.to_owned()])]);
    let person = Person::known_by(SubjectKeys {
        kind,
        value: value.to_owned(),
        keys,
        named: Vec::new(),
        own_ids: BTreeMap::new(),
    });
    let (mut records, mut cursor) = (Vec::new(), None);
    // A page may hold less than it could, and may be empty.
    loop {
        let page = connector.read(&target, Who::Person(&person), cursor.as_deref()).await?;
        records.extend(page.rows.into_iter().map(|row| row.record));
        if records.len() > MAX_ROWS {
            return Err(ResolveError::TooMany);
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(records),
        }
    }
}

/// The fields of the subject collection that any link, or an identity, holds.
pub(super) fn key_fields(policy: &Pinned) -> BTreeSet<&str> {
    let links = policy.collections().flat_map(|name| policy.links(name)).filter_map(Link::subject_field);
    links.chain(policy.policy().subject.identities.values().map(String::as_str)).collect()
}

/// The ids of the subject's rows by which recipients know them.
fn own_ids(policy: &Pinned, records: &[Record]) -> BTreeMap<String, Vec<String>> {
    let fields = policy.told().into_iter().filter_map(|recipient| recipient.tell.as_ref()?.own_id.as_deref());
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for field in fields {
        let values: BTreeSet<String> = records.iter().flat_map(|record| record.keys_at(&[field])).flatten().collect();
        ids.insert(field.to_owned(), values.into_iter().collect());
    }
    ids
}

/// What others would name the person by in a text, of the subject's rows. Nothing unless a rule scans texts.
pub(super) fn named_in(policy: &Pinned, records: &[Record]) -> Vec<String> {
    let mut named: BTreeSet<String> = BTreeSet::new();
    for field in naming_fields(policy) {
        named.extend(records.iter().flat_map(|record| record.keys_at(&[&field])).flatten());
    }
    named.into_iter().collect()
}

fn naming_fields(policy: &Pinned) -> Vec<String> {
    let mut rules = policy.collections().filter_map(|name| policy.rule(name));
    let scans = rules.any(|rule| rule.erasure.strategies().any(|(_, strategy)| *strategy == Strategy::Scan));
    let mut found = Vec::new();
    if let Some(subject) = policy.collection(&policy.policy().subject.collection).filter(|_| scans) {
        visit(&subject.fields, "", &mut |path, field| {
            let names = |category: &String| NAMING.iter().any(|naming| categories::is_within(category, naming));
            if field.data_categories.iter().any(names) {
                found.push(path.to_owned());
            }
        });
    }
    found
}

/// The preferred address if it is on file, else the first that is, of those that messages can be sent to.
fn contact(
    policy: &Pinned,
    records: &[Record],
    preferred: Option<IdentityKind>,
    channels: &[IdentityKind],
) -> Option<Contact> {
    let kinds = &policy.policy().subject.contact;
    let mut wanted = preferred.into_iter().filter(|kind| kinds.contains(kind)).chain(kinds.iter().copied());
    wanted.find_map(|kind| on_file(policy, records, channels, kind))
}

/// All that are on file, of each kind one.
fn contacts(policy: &Pinned, records: &[Record], channels: &[IdentityKind]) -> Vec<Contact> {
    let kinds = policy.policy().subject.contact.iter();
    kinds.filter_map(|kind| on_file(policy, records, channels, *kind)).collect()
}

fn on_file(policy: &Pinned, records: &[Record], channels: &[IdentityKind], kind: IdentityKind) -> Option<Contact> {
    if !channels.contains(&kind) {
        return None;
    }
    let field = policy.identity_field(kind)?;
    let address = records.iter().find_map(|record| record.get(field)?.as_text())?;
    Some(Contact { kind, address: address.to_owned() })
}

fn language(policy: &Pinned, records: &[Record]) -> Option<String> {
    let field = policy.policy().subject.locale_field.as_deref()?;
    records.iter().find_map(|record| record.get(field)?.as_text()).map(ToOwned::to_owned)
}

/// The page of a [`Work::Resolve`](crate::plan::Work::Resolve) step: captures the keys, sealed.
pub async fn resolve_page(
    job: &Job,
    connectors: &Connectors,
    sealer: &Sealer,
    channels: &[IdentityKind],
) -> Result<Page, StepError> {
    let subject = &job.person()?.keys;
    let place = job.policy.place(&job.policy.policy().subject.collection);
    let place = place.ok_or_else(|| StepError::permanent(ResolveError::UnknownKind))?;
    let connector = connectors.of(place).map_err(ConnectorError::into_step)?;
    let found = resolve(connector, &job.policy, subject, channels).await.map_err(|error| match error {
        ResolveError::Connector(error) => error.into_step(),
        error => StepError::permanent(error),
    })?;
    let id = &job.request.id;
    let sealed = sealer.seal(id, seal::end::SUBJECT, &found.keys).await.map_err(StepError::transient)?;
    let contact = match (&job.request.contact, &found.contact) {
        (None, Some(contact)) => {
            Some(sealer.seal(id, seal::end::CONTACT, contact).await.map_err(StepError::transient)?)
        }
        _ => None,
    };
    let captured = Captured { sealed, contact };
    let counts = Counts { read: found.rows, ..Counts::default() };
    Ok(Page { counts, retained_until: None, next: Next::Done { package: None, captured: Some(captured) } })
}
