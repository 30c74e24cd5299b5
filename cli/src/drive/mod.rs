//! Acts as a user, and as the operator of a local stack, against what is deployed.
//!
//! The rule of this room: it knows the API and the AWS APIs of the stack, never the code of the functions, so that what
//! it finds is what anybody would find.

pub mod api;
pub mod cloud;
pub mod endpoints;
pub mod mailbox;
pub mod operate;
pub mod package;
pub mod sign_in;
pub mod snapshot;
pub mod story;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

pub use api::{Answer, Api, Asked, wait_for};
pub use cloud::Cloud;
pub use endpoints::{Endpoints, Stack};
pub use mailbox::Mailbox;
pub use sign_in::{create_operator, create_user, sign_in};

/// Why a stack could not be driven.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used: give --endpoints a file that `make up` wrote, and --out a folder to write to")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The stack of a policy is not there.
    #[error("no stack for the policy {0} in endpoints.json: deploy it with `make up`")]
    NoStack(String),
    /// A stack does not say something about itself.
    #[error("the stack has no output {0}: deploy it again with `make up`")]
    NoOutput(String),
    /// A call got no answer.
    #[error("{action} got no usable answer: is the stack up (`make up`)?")]
    Call {
        /// What was called.
        action: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A call got another answer than the one expected.
    #[error("{action} answered {status}: {problem}")]
    Refused {
        /// What was called.
        action: String,
        /// The HTTP status.
        status: u16,
        /// The problem that the answer names.
        problem: String,
    },
    /// An answer lacks something.
    #[error("{action} answered without {missing}")]
    Incomplete {
        /// What was called.
        action: String,
        /// What is not there.
        missing: &'static str,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s; `make logs` says what did", .bound.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        bound: Duration,
    },
    /// The package is not what it says it is.
    #[error("the package cannot be opened")]
    Package(#[from] zip::result::ZipError),
    /// An AWS call failed.
    #[error(transparent)]
    Aws(#[from] crate::aws::AwsError),
}

impl DriveError {
    pub(crate) fn call<E: Error + Send + Sync + 'static>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        move |source| Self::Call { action, source: Box::new(source) }
    }

    pub(crate) fn file<E: Error + Send + Sync + 'static>(path: impl Into<PathBuf>) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::File { path, source: Box::new(source) }
    }
}
