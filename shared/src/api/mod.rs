//! What the functions behind the API share: problem details, answers, bodies.
//!
//! The rule of this room: an error text says what to do and never repeats what was sent.

mod entry;
mod problem;
mod request;
mod view;

pub use entry::{Answer, Trigger, serve};
pub use problem::{FailedCheck, Problem, ProblemKind};
pub use request::{Call, CallError};
pub use view::{html_response, json_response, next_of, request_json, summary_json};
