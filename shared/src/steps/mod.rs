//! What makes a step run once: messages, claims, checkpoints, fences, timers.
//!
//! The rules of this room: a message names an item and nothing else; who claims a step has it until its lease ends; every
//! later write is fenced by the attempt number of the claim; sending straight after a commit is only the fast path, since
//! the timer finds whatever a lost send leaves behind.

mod capture;
mod driver;
mod holds;
mod message;
mod newcomers;
mod page;
mod preflight;
mod purge;
mod queue;
mod recheck;
mod resolve;
mod resolve_again;
mod sqs;
mod told;

pub(crate) use capture::{MAX_KEYS, tuples};
pub use capture::{capture_page, forget_page, recapture_page};
pub use driver::{Driver, Ran};
pub use message::{Message, NotAMessage};
pub use newcomers::{Doubtful, Holders, has_holders, holders, without_newcomers};
pub use page::{Found, Job, Next, Page, StepError, Worker};
pub use preflight::preflight_page;
pub use purge::{is_out_of_reach, narrow_page};
pub use queue::{QueueError, Queues, SqsQueues};
pub use resolve::{ResolveError, Resolved, find_contact, resolve, resolve_page};
pub use resolve_again::resolve_again_page;
pub use sqs::{Handled, handle_batch};
