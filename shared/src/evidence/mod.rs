//! What happened, in a form that anyone can check: a chain of events and a certificate worked out from it alone.
//!
//! The rule of this room: an event holds counts, times, names of collections and reasons, never personal data; its hash
//! covers everything in it and the hash before it.

mod certificate;
mod event;
mod verify;

pub use certificate::{Certificate, CollectionResult};
pub use event::{Actor, Event, EventHash, Fact, FailureReason, Obstructed, Outcome, RecheckReport, StepReport};
pub use verify::{EvidenceError, EvidenceFile, verify};
