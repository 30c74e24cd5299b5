//! A world in one process: every function with its real handler, clients and role, DynamoDB and S3 in-process, queues and
//! mail by hand, a clock that is moved, and a fault that strikes at any chosen call. PostgreSQL is a real server beside it.
//! And the files of the repository, as tests ask about them.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests' helpers: what fails, fails the test"
)]
#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "named to be read in tests, where every panic is a failure"
)]

mod app;
mod calls;
mod cloud;
mod deployed;
pub mod described;
mod faults;
mod functions;
mod gate;
mod needs;
pub mod objects;
mod obstructed;
mod postgres;
pub mod roles;
mod services;
mod sign_in;
pub mod signing_key;
pub mod stores;
pub mod suite;
pub mod template;
mod versions;
mod world;
pub mod yaml;

pub use app::ToldApp;
pub use calls::{Calls, Hold};
pub use deployed::Deployed;
pub use faults::Faults;
pub use functions::Function;
pub use postgres::TestDatabase;
pub use sign_in::SignIns;
pub use stores::{create_tables, dump};
pub use versions::{Between, Bucket, Denies, Versions};
pub use world::{Answered, Page, World};
