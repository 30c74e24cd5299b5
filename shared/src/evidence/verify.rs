//! Checks evidence offline and names the first thing that is wrong.

use serde::{Deserialize, Serialize};

use super::anchor::{AnchorFault, Anchored};
use super::certificate::Certificate;
use super::event::{Event, EventHash};
use crate::signing::PublicKey;

/// What `GET /v1/requests/{id}/evidence` answers and `habeas evidence verify` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// What the events amount to.
    pub certificate: Certificate,
    /// The chain, from the first.
    pub events: Vec<Event>,
    /// The latest anchor that the chain is in; none until there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored: Option<Anchored>,
}

/// What is wrong with evidence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// No events.
    #[error("there are no events")]
    Empty,
    /// The chain does not begin with the request's arrival.
    #[error("event 1 is not the arrival of a request")]
    NoBeginning,
    /// An event is missing, doubled or moved.
    #[error("event {expected} is missing: event {found} stands in its place")]
    Order {
        /// The number that should stand here.
        expected: u32,
        /// The number that does.
        found: u32,
    },
    /// An event belongs to another request.
    #[error("event {0} belongs to another request")]
    OtherRequest(u32),
    /// An event does not follow the one before it.
    #[error("event {0} does not follow the event before it")]
    Chain(u32),
    /// An event was changed.
    #[error("event {0} was changed: its hash is of other content")]
    Content(u32),
    /// An event is earlier than the one before it.
    #[error("event {0} is earlier than the event before it")]
    Time(u32),
    /// The certificate says other things than the events.
    #[error("the certificate does not say what the events say: events were cut off the end, or it was changed")]
    Certificate,
    /// The anchor is not one of these events, or not a sound one.
    #[error(transparent)]
    Anchor(#[from] AnchorFault),
}

/// Checks the chain, that the certificate says what it says, and the anchor if there is one, under the key that it brings.
///
/// Without an anchor, a file whose tail was cut off *and* whose certificate was worked out anew passes; with one, so does
/// what was cut off behind it. Compare `certificate.head` with the one you were given at the end.
pub fn verify(file: &EvidenceFile) -> Result<(), EvidenceError> {
    chain(file)?;
    if let Some(anchored) = &file.anchored {
        anchored.verify(&file.events, None)?;
    }
    Ok(())
}

/// The same with a key that is known otherwise: then there must be an anchor, and that key must have signed it.
pub fn verify_with(file: &EvidenceFile, known: &PublicKey) -> Result<(), EvidenceError> {
    chain(file)?;
    let anchored = file.anchored.as_ref().ok_or(AnchorFault::Missing)?;
    anchored.verify(&file.events, Some(known))?;
    Ok(())
}

fn chain(file: &EvidenceFile) -> Result<(), EvidenceError> {
    let first = file.events.first().ok_or(EvidenceError::Empty)?;
    let mut previous = EventHash::origin();
    let mut moment = first.at;
    for (expected, event) in (1..).zip(&file.events) {
        if event.number != expected {
            return Err(EvidenceError::Order { expected, found: event.number });
        }
        if event.request_id != first.request_id {
            return Err(EvidenceError::OtherRequest(event.number));
        }
        if event.previous != previous {
            return Err(EvidenceError::Chain(event.number));
        }
        if event.hash != event.computed_hash() {
            return Err(EvidenceError::Content(event.number));
        }
        if event.at < moment {
            return Err(EvidenceError::Time(event.number));
        }
        previous = event.hash.clone();
        moment = event.at;
    }
    let certificate = Certificate::from_events(&file.events).ok_or(EvidenceError::NoBeginning)?;
    if certificate == file.certificate { Ok(()) } else { Err(EvidenceError::Certificate) }
}

#[cfg(test)]
mod tests;
