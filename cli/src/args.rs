//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use habeas::personal::Personal;
use habeas::request::Matter;
use habeas_cli::drive::endpoints::{DEFAULT_FILE, FILE_VARIABLE};
use habeas_cli::sample::Population;

/// People that are there if nobody says otherwise, as `make up` loads them.
pub(crate) const DEFAULT_USERS: usize = 40;
pub(crate) const DEFAULT_SEED: u64 = 1;
pub(crate) const DEFAULT_HEAVY_ROWS: usize = 100_000;

const IDENTITIES: &str = "Who: email=ADDRESS, phone_number=NUMBER or user_id=ID";
const RIGHTS: &str = "access, portability, erasure, account_cancellation or retention_sweep";

/// Checks privacy policies, prints plans, verifies evidence, and drives a local stack of Habeas.
#[derive(Debug, Parser)]
#[command(name = "habeas", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check, show and publish a policy
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Fill the systems of a policy with invented people
    #[command(subcommand)]
    Sample(SampleCommand),
    /// Check evidence offline, print certificates
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Print what a right comes to, without touching anything
    ///
    /// Without a person: the steps, and what they do to each field. With one it is a dry run: the policy's systems are
    /// read, and the rows that each step would find are counted. Exit codes: 0 a request would begin, 2 the preflight
    /// refuses it, 1 an error.
    Plan(PlanArgs),
    /// Check packages offline
    #[command(subcommand)]
    Package(PackageCommand),
    /// Erase again what a restore brought back, before it serves anybody
    #[command(subcommand)]
    Suppress(SuppressCommand),
    /// Decide about a request, as an operator: let it go on, refuse it, or leave a part of it out
    #[command(subcommand)]
    Request(RequestCommand),
    /// Keep data from being erased for a legal reason, and let go of it again
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Play a whole story against a local stack and check it from outside
    Demo(Demo),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// The policy's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) policy: PathBuf,
    // Not as a docstring: names in backticks would be printed with them.
    #[arg(long, value_name = "RIGHT", value_parser = matter, help = RIGHTS)]
    pub(crate) right: Matter,
    /// With a copy before a cancelled account is erased
    #[arg(long)]
    pub(crate) export: bool,
    #[arg(long, value_name = "KIND=VALUE", value_parser = personal, help = IDENTITIES)]
    pub(crate) identity: Option<Personal<String>>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// A local stack's endpoints.json [default: the environment's AWS account]
    #[arg(long, value_name = "FILE")]
    pub(crate) endpoints: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print findings, each with file and line, or what the sound policy amounts to
    Check {
        /// The policy's folder
        dir: PathBuf,
        /// Take warnings for errors
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Print every data item with where it is and what happens to it
    Show {
        /// The policy's folder
        dir: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of policy.yaml
    Schema,
    /// Print the template's parameters that follow from the policy
    Parameters {
        /// The policy's folder
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
        /// The account with the controller's tables
        #[arg(long)]
        account: String,
        /// The region with the controller's tables
        #[arg(long)]
        region: String,
        /// aws, or aws-cn in China
        #[arg(long, default_value = "aws")]
        partition: String,
    },
    /// Upload the policy under its digest and print the digest
    Publish {
        /// The policy's folder
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
        /// The stack's policy bucket
        #[arg(long)]
        bucket: String,
        /// Take warnings for errors
        #[arg(long)]
        deny_warnings: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SampleCommand {
    /// Make tables and buckets where they are missing, and fill them
    Load {
        /// The policy's folder
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
        #[command(flatten)]
        people: People,
        /// Only these users
        #[arg(long, value_name = "INDEX", num_args = 1..)]
        only: Vec<usize>,
    },
    /// Delete the tables and buckets with everything in them
    Drop {
        /// The policy's folder
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
    },
    /// Print one person
    Person {
        /// The policy's folder
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
        #[command(flatten)]
        people: People,
        /// Which, from 0
        #[arg(long)]
        index: usize,
        /// What an export must show of them instead
        #[arg(long)]
        expected: bool,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct People {
    /// How many users
    #[arg(long, default_value_t = DEFAULT_USERS)]
    pub(crate) users: usize,
    /// Every value derives from it
    #[arg(long, default_value_t = DEFAULT_SEED)]
    pub(crate) seed: u64,
    /// Posts of user 0 and every 500th
    #[arg(long, default_value_t = DEFAULT_HEAVY_ROWS)]
    pub(crate) heavy_rows: usize,
}

impl From<People> for Population {
    fn from(people: People) -> Self {
        Self { seed: people.seed, users: people.users, heavy_rows: people.heavy_rows }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// Print that it is sound, or the first thing that is wrong
    Verify {
        /// The body of GET /v1/requests/{id}/evidence; - for standard input
        file: PathBuf,
        /// The controller's public key for anchors [default: the one that the anchor brings, which proves less]
        #[arg(long, value_name = "PEM")]
        key: Option<PathBuf>,
    },
    /// Print the certificate as a page (HTML)
    Show {
        /// The body of GET /v1/requests/{id}/evidence; - for standard input
        file: PathBuf,
        /// The folder of the policy that the request was answered under
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
        /// en or zh-Hans
        #[arg(long, default_value = "en")]
        language: String,
    },
    /// Print that a copy of the bucket of anchors is one unbroken chain, or the first thing that is wrong
    Anchors {
        /// A folder with the objects under anchors/
        folder: PathBuf,
        /// The controller's public key for anchors [default: those that the anchors bring, which prove less]
        #[arg(long, value_name = "PEM")]
        key: Option<PathBuf>,
    },
    /// The same, and that every head in it is of a history in the ledger (reads all events; needs dynamodb:Scan)
    Audit {
        /// A folder with the objects under anchors/
        folder: PathBuf,
        /// The stack's ledger
        #[arg(long, value_name = "TABLE")]
        ledger: String,
        /// The controller's public key for anchors [default: those that the anchors bring, which prove less]
        #[arg(long, value_name = "PEM")]
        key: Option<PathBuf>,
    },
    /// Print the public half of the key that a stack signs anchors with, to be published
    Key {
        /// The key's ARN, which is among the stack's outputs, or its alias
        #[arg(long, value_name = "KEY")]
        key_id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PackageCommand {
    /// Print that it is sound and who signed it, or the first thing that is wrong
    Verify {
        /// The package as it was downloaded; - for standard input
        file: PathBuf,
        /// The controller's public key [default: the one that the package brings, which proves less]
        #[arg(long, value_name = "PEM")]
        key: Option<PathBuf>,
    },
    /// Print the public half of a stack's signing key, to be published
    Key {
        /// The key's ARN, which is among the stack's outputs, or its alias
        #[arg(long, value_name = "KEY")]
        key_id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SuppressCommand {
    /// Find everybody in it who was erased, erase them again, look afresh
    ///
    /// Exit codes: 0 the look afresh found nothing that had to go, 1 it did, or there was no end. With --dry-run: whether
    /// there is anything to erase.
    Replay {
        /// The policy's folder; it must be published, and name what was restored
        #[arg(long, value_name = "DIR")]
        policy: PathBuf,
        /// The moment whose state was restored, such as 2026-11-20T00:00:00Z
        #[arg(long, value_name = "TIME")]
        state_of: jiff::Timestamp,
        /// A system that was restored [default: all]
        #[arg(long = "system", value_name = "NAME")]
        systems: Vec<String>,
        /// A collection that was restored [default: all]
        #[arg(long = "collection", value_name = "DATASET.COLLECTION")]
        collections: Vec<String>,
        /// Count, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// How long to wait for the end
        #[arg(long, value_name = "MINUTES", default_value_t = 25)]
        wait_minutes: u64,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Print how a replay stands
    Status {
        /// Its id
        id: String,
        #[command(flatten)]
        operator: OperatorArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Let a request go on that waits for a decision
    Accept {
        /// The request's id
        id: String,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Have steps tried again that failed for good, once what made them fail is mended
    Retry {
        /// The request's id
        id: String,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Refuse it: it ends, and the person is told why
    Deny {
        /// The request's id
        id: String,
        /// The ground's id, under refusals of its policy
        #[arg(long)]
        ground: String,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Leave a part out of it: kept by an erasure, not in a copy
    Exempt {
        /// The request's id
        id: String,
        /// A collection
        #[arg(long = "collection", value_name = "DATASET.COLLECTION", required_unless_present = "categories")]
        collections: Vec<String>,
        /// A category, with all below it: its fields in a copy, every collection that has one in an erasure
        #[arg(long = "category", value_name = "CATEGORY")]
        categories: Vec<String>,
        /// The ground's id, under refusals of its policy
        #[arg(long)]
        ground: String,
        #[command(flatten)]
        operator: OperatorArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Place a hold on a person, a collection or a request
    ///
    /// Whoever is held reads the basis in their request and their evidence: name the case or the law, and nobody.
    Place {
        #[command(flatten)]
        on: HeldArgs,
        /// Why: the case, or the law
        #[arg(long, value_name = "TEXT")]
        basis: String,
        /// When it ends by itself, such as 2028-12-31T00:00:00Z
        #[arg(long, value_name = "TIME")]
        until: jiff::Timestamp,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Print the holds in force
    List {
        /// With those that have ended or were lifted
        #[arg(long)]
        ended: bool,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Lift a hold; what waited for it goes on within a day
    Lift {
        /// Its id
        id: String,
        #[command(flatten)]
        operator: OperatorArgs,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct HeldArgs {
    /// A person: every identity that is known, one of each kind, each as KIND=VALUE
    #[arg(long = "identity", value_name = "KIND=VALUE", value_parser = personal, conflicts_with_all = ["collection", "request"])]
    pub(crate) identities: Vec<Personal<String>>,
    /// A collection, whoever's rows are in it
    #[arg(long, value_name = "DATASET.COLLECTION", conflicts_with = "request")]
    pub(crate) collection: Option<String>,
    /// What this request would erase; other requests and the sweep go on
    #[arg(long, value_name = "ID")]
    pub(crate) request: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    /// The API's address
    #[arg(long, value_name = "URL", env = "HABEAS_API_URL")]
    pub(crate) api: String,
    /// An operator's id token, from a sign-in of the last half hour
    #[arg(long, value_name = "TOKEN", env = "HABEAS_OPERATOR_TOKEN", hide_env_values = true, value_parser = personal)]
    pub(crate) token: Personal<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The policy's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) policy: PathBuf,
    /// Where the stack is
    #[arg(long, value_name = "FILE", env = FILE_VARIABLE, default_value = DEFAULT_FILE)]
    pub(crate) endpoints: PathBuf,
    /// How many users were loaded [default: what endpoints.json says]
    #[arg(long)]
    pub(crate) users: Option<usize>,
    /// From which seed [default: what endpoints.json says]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Posts of user 0 and every 500th [default: as `sample load`]
    #[arg(long)]
    pub(crate) heavy_rows: Option<usize>,
    /// Where packages and evidence are written
    #[arg(long, value_name = "DIR", default_value = ".local/demo")]
    pub(crate) out: PathBuf,
    /// Search all logs for the people of the story too
    #[arg(long)]
    pub(crate) scan_logs: bool,
}

/// Whatever is there: a complaint of the parser would repeat it.
#[expect(clippy::unnecessary_wraps, reason = "a parser may fail")]
fn personal(value: &str) -> Result<Personal<String>, std::convert::Infallible> {
    Ok(Personal::new(value.to_owned()))
}

fn matter(name: &str) -> Result<Matter, String> {
    serde_json::from_value(name.into()).map_err(|_| format!("not a right: try {RIGHTS}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
