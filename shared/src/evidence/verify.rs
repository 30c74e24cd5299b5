//! Checks evidence offline and names the first thing that is wrong.

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::event::{Event, EventHash};

/// What `GET /v1/requests/{id}/evidence` answers and `habeas evidence verify` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// What the events amount to.
    pub certificate: Certificate,
    /// The chain, from the first.
    pub events: Vec<Event>,
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
}

/// Checks the chain and that the certificate says what it says.
///
/// A file whose tail was cut off *and* whose certificate was worked out anew passes: only a head kept elsewhere shows
/// that. Compare `certificate.head` with the one you were given at the end.
pub fn verify(file: &EvidenceFile) -> Result<(), EvidenceError> {
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
mod tests {
    use super::*;
    use crate::evidence::{Actor, Fact, Outcome};
    use crate::request::{Matter, RequestId, Right};

    fn chain(id: &str) -> Vec<Event> {
        let id: RequestId = id.parse().unwrap();
        let at = "2026-11-21T00:00:00Z".parse().unwrap();
        let policy = "ab".repeat(32).try_into().unwrap();
        let facts = [
            Fact::Received { matter: Matter::Right(Right::Access), policy, due_at: at },
            Fact::Accepted { factors: vec![], steps: 2 },
            Fact::Begun,
            Fact::Completed { outcome: Outcome::Full },
        ];
        let mut events: Vec<Event> = Vec::new();
        for (number, fact) in (1..).zip(facts) {
            let previous = events.last().map_or_else(EventHash::origin, |event| event.hash.clone());
            events.push(Event::new(id.clone(), number, at, Actor::System, fact, previous));
        }
        events
    }

    fn file(events: Vec<Event>) -> EvidenceFile {
        let certificate = Certificate::from_events(&chain(&"1".repeat(32))).unwrap();
        EvidenceFile { certificate, events }
    }

    #[test]
    fn an_untouched_chain_is_sound_also_after_a_round_trip() {
        let json = serde_json::to_string(&file(chain(&"1".repeat(32)))).unwrap();
        assert_eq!(verify(&serde_json::from_str(&json).unwrap()), Ok(()));
    }

    #[test]
    fn tampering_is_found_and_named() {
        let sound = chain(&"1".repeat(32));
        let mut changed = sound.clone();
        changed[1].fact = Fact::Accepted { factors: vec![], steps: 3 };
        assert_eq!(verify(&file(changed)), Err(EvidenceError::Content(2)));
        let mut dropped = sound.clone();
        dropped.remove(1);
        assert_eq!(verify(&file(dropped)), Err(EvidenceError::Order { expected: 2, found: 3 }));
        let mut reordered = sound.clone();
        reordered.swap(1, 2);
        assert_eq!(verify(&file(reordered)), Err(EvidenceError::Order { expected: 2, found: 3 }));
        let mut truncated = sound.clone();
        truncated.pop();
        assert_eq!(verify(&file(truncated)), Err(EvidenceError::Certificate));
        let mut swapped = sound;
        swapped[2] = chain(&"2".repeat(32))[2].clone();
        assert_eq!(verify(&file(swapped)), Err(EvidenceError::OtherRequest(3)));
        assert_eq!(verify(&file(Vec::new())), Err(EvidenceError::Empty));
    }
}
