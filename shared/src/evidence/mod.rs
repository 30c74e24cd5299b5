//! What happened, in a form that anyone can check: a chain of events, a certificate worked out from it alone, and a signed
//! anchor that the chain's head is in.
//!
//! The rule of this room: an event holds counts, times, names of collections and reasons, never personal data; its hash
//! covers everything in it and the hash before it.

mod anchor;
mod certificate;
mod event;
pub mod merkle;
mod recipients;
mod verify;

pub use anchor::{Anchor, AnchorFault, AnchorHead, AnchorSignature, Anchored, Leaf};
pub use certificate::{Certificate, CollectionResult, HoldResult, KeptRows, RetainedResult};
pub use event::{
    Actor, Event, EventHash, Fact, FailureReason, Obstructed, Outcome, PurgeReport, Purged, RecheckReport,
    RetainedRows, StepReport,
};
pub use recipients::{Means, NotTold, Receipt, RecipientResult};
pub use verify::{EvidenceError, EvidenceFile, verify, verify_with};
