//! What `habeas` does: one file a command. Results are written to `out`, progress goes to stderr.

pub mod decide;
pub mod demo;
pub mod evidence;
pub mod hold;
pub mod package;
pub mod plan;
pub mod policy;
pub mod sample;
pub mod show;
pub mod suppress;

use std::path::{Path, PathBuf};

use habeas::certificate;
use habeas::policy::{Pinned, load};

/// Whether a command found what it should find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Good,
    /// It did not, and what it printed says why.
    Bad,
    /// A request would be stopped before anything is changed, and what it printed says why.
    Refused,
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The policy is not there or not sound.
    #[error(
        "the policy cannot be used: name a folder with policy.yaml and datasets/ that `habeas policy check` finds sound"
    )]
    Policy(#[from] load::LoadError),
    /// The policy has warnings, and they are denied.
    #[error(
        "the policy has {0} warning(s), and --deny-warnings does not let them pass: `habeas policy check` names them"
    )]
    Warnings(usize),
    /// AWS said no.
    #[error(transparent)]
    Aws(#[from] crate::aws::AwsError),
    /// The stack did not do what it should.
    #[error(transparent)]
    Drive(#[from] crate::drive::DriveError),
    /// The right has no plan.
    #[error(transparent)]
    NotServed(#[from] habeas::plan::NotServed),
    /// Nobody is named.
    #[error("name the person as email=ADDRESS, phone_number=NUMBER or user_id=ID")]
    NotAnIdentity,
    /// The person is named by something that cannot be.
    #[error(transparent)]
    Identity(#[from] habeas::personal::IdentityError),
    /// A person is named twice by the same kind of identity.
    #[error("name one identity of each kind; place a second hold for the other {0}")]
    IdentityTwice(&'static str),
    /// The systems cannot be looked at.
    #[error("there is no dry run. Check AWS_ENDPOINT_URL (unset: the real AWS), the credentials and what they allow")]
    DryRun(#[from] habeas::dry_run::DryRunError),
    /// A file cannot be read.
    #[error("{path} cannot be read: name a file that is there, or - for standard input")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what the command takes.
    #[error("{path} is not evidence: it must be the body of GET /v1/requests/{{id}}/evidence, unchanged")]
    NotEvidence {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file is not what the command takes.
    #[error("{path} is not an anchor: copy the objects of the bucket of anchors as they are")]
    NotAnAnchor {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The evidence is of a request under another policy.
    #[error("that is another policy: the request was answered under the one with SHA-256 {wanted}")]
    OtherPolicy {
        /// Which it was.
        wanted: String,
    },
    /// The certificate cannot be written as a page.
    #[error(transparent)]
    Page(#[from] certificate::PageError),
    /// A file is no public key.
    #[error("{path} is no key: it must be what `habeas package key` or `habeas evidence key` prints")]
    NotAKey {
        /// Which.
        path: PathBuf,
        /// Why.
        source: habeas::signing::NotAKey,
    },
    /// What a stack calls evidence is none.
    #[error("the stack's evidence is not sound: believe nothing of what it says")]
    Evidence(#[from] habeas::evidence::EvidenceError),
    /// No generator makes people for this policy.
    #[error("there are no sample people for the policy {0}: only for yallo and yuncan")]
    NoSample(String),
    /// The population is too small, or has nobody of that number.
    #[error("user {index} is not among {users} users: give an index below --users")]
    NoUser {
        /// Who was asked for.
        index: usize,
        /// How many there are.
        users: usize,
    },
    /// Fewer users than stories need.
    #[error("--users must be at least {least}: the first {least} are the ones that stories act for")]
    TooFewUsers {
        /// The least.
        least: usize,
    },
    /// Something else is stored where the policy belongs.
    #[error(
        "{bucket} already holds other bytes as {key}: someone wrote to it by hand; delete that object and publish again"
    )]
    Occupied {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// It cannot be written as JSON.
    #[error("the result cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// Standard output is closed.
    #[error("the result cannot be written to standard output")]
    Output(#[from] std::io::Error),
}

/// What a command comes to.
pub type Outcome = Result<Verdict, CommandError>;

fn pinned(folder: &Path) -> Result<Pinned, CommandError> {
    Ok(load::load(folder)?)
}

#[expect(clippy::print_stderr, reason = "progress of a command line tool goes there")]
fn progress(line: &str) {
    eprintln!("habeas: {line}");
}
