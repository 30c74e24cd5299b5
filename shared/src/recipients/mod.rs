//! What a recipient is told of an erasure, in the form that it takes, and what it says back. Pure.
//!
//! The rule of this room: a message holds what the recipient knows the person by, since it could do nothing without, and
//! nothing else of them. The same erasure makes the same message, however often it is sent.

mod body;
mod opendsr;

use jiff::Timestamp;

pub use body::{ReceiptBody, json};
pub use opendsr::{Callback, ProcessorKey, SignatureError, opendsr, subject_request_id};

use crate::identity::SubjectKeys;
use crate::policy::{OWN_ID, Pinned, Tell};
use crate::request::{RequestId, StepNumber};

/// Something that a recipient knows a person by.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    /// The kind of identity, or [`OWN_ID`].
    pub kind: &'static str,
    /// The value.
    pub value: String,
}

/// All that a message says.
pub struct Told<'a> {
    /// The request.
    pub request_id: &'a RequestId,
    /// The right, in the API's word.
    pub right: &'static str,
    /// When the person asked.
    pub submitted_at: Timestamp,
    /// The policy's id.
    pub controller: &'a str,
    /// What is the same when the same is sent again.
    pub idempotency_key: &'a str,
    /// What the recipient knows the person by.
    pub identities: &'a [Known],
    /// Where it says what it has done.
    pub receipt_url: &'a str,
}

/// What is the same when the same recipient is told again of the same request.
#[must_use]
pub fn idempotency_key(request: &RequestId, step: StepNumber) -> String {
    format!("{request}-{step}")
}

/// What a recipient knows the person by, of what the request knows; in the order of the policy, no value twice.
#[must_use]
pub fn known(policy: &Pinned, tell: &Tell, person: &SubjectKeys) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let mut add = |kind: &'static str, values: Option<&Vec<String>>| {
        for value in values.into_iter().flatten() {
            let one = Known { kind, value: value.clone() };
            if !known.contains(&one) {
                known.push(one);
            }
        }
    };
    for kind in &tell.identities {
        add(kind.name(), policy.identity_field(*kind).and_then(|field| person.keys.get(field)));
        if *kind == person.kind {
            add(kind.name(), Some(&vec![person.value.clone()]));
        }
    }
    add(OWN_ID, tell.own_id.as_ref().and_then(|field| person.own_ids.get(field)));
    known
}
