//! `habeas suppress`: erases again what a restore brought back, through the API of a stack, and says whether anything is left.
//!
//! The rule of this file: what it says comes from evidence that it has checked, and it ends well only if the look afresh found
//! nothing.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use habeas::evidence::{Certificate, EvidenceFile, Outcome as Ended, verify};
use habeas::personal::Personal;
use habeas::plan::Work;
use habeas::request::Status;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Outcome, Verdict, pinned, progress};
use crate::drive::DriveError;
use crate::drive::api::{Api, is_stuck};

const POLL: Duration = Duration::from_secs(2);

/// Where the stack is, and who asks.
pub struct Operator<'a> {
    /// The API's address.
    pub api: &'a str,
    /// The id token of an operator who has just signed in.
    pub token: &'a Personal<String>,
}

/// What was restored.
pub struct Wanted<'a> {
    /// The policy's folder. It must be published.
    pub folder: &'a Path,
    /// The moment whose state was restored.
    pub state_of: Timestamp,
    /// Systems that were restored as a whole.
    pub systems: &'a [String],
    /// Single collections. Without either: all.
    pub collections: &'a [String],
    /// Only look.
    pub dry_run: bool,
    /// How long to wait for the end.
    pub bound: Duration,
}

/// Begins a replay, waits for its end, and prints what it came to.
pub async fn replay(operator: &Operator<'_>, wanted: &Wanted<'_>, out: &mut dyn Write) -> Outcome {
    let policy = pinned(wanted.folder)?;
    let api = Api::new(operator.api)?;
    let body = json!({
        "state_of": wanted.state_of.to_string(), "systems": wanted.systems, "collections": wanted.collections,
        "policy": policy.digest(), "dry_run": wanted.dry_run,
    });
    let begun = api.begin_replay(&body, operator.token.expose()).await?.expect(202)?;
    let id = begun["replay_id"].as_str().unwrap_or_default().to_owned();
    progress(&format!("replay {id} has begun; `habeas suppress status {id}` shows it later"));
    let late = DriveError::Late { what: format!("the end of replay {id}"), bound: wanted.bound };
    let end = tokio::time::timeout(wanted.bound, ended(&api, &id, operator.token)).await;
    print(&end.map_err(|_| late)??, out)
}

/// Prints how a replay stands.
pub async fn status(operator: &Operator<'_>, id: &str, out: &mut dyn Write) -> Outcome {
    let api = Api::new(operator.api)?;
    print(&api.replay(id, operator.token.expose()).await?.expect(200)?, out)
}

async fn ended(api: &Api, id: &str, token: &Personal<String>) -> Result<Value, DriveError> {
    loop {
        let shown = api.replay(id, token.expose()).await?.expect(200)?;
        if is_stuck(shown["status"].as_str().unwrap_or_default()) {
            return Ok(shown);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Prints what a stack says of a replay, once its evidence has been checked.
pub fn print(shown: &Value, out: &mut dyn Write) -> Outcome {
    let evidence: EvidenceFile = serde_json::from_value(shown["evidence"].clone())?;
    verify(&evidence)?;
    let certificate = &evidence.certificate;
    let status: Status = serde_json::from_value(shown["status"].clone())?;
    for result in &certificate.results {
        let (word, collection) = match &result.work {
            Work::Scan { collection, .. } => ("to erase again", collection),
            Work::Prove { collection, .. } => ("left", collection),
            _ => continue,
        };
        writeln!(out, "{collection}: {} rows read, {} {word}", result.counts.read, result.counts.left_over)?;
    }
    let total = &certificate.total;
    writeln!(out, "{} erased, {} anonymised, {} retained", total.erased, total.anonymised, total.retained)?;
    writeln!(out, "events {}, head {}", certificate.events, certificate.head.as_str())?;
    let verdict = verdict(status, certificate);
    match verdict {
        Verdict::Good => writeln!(out, "nothing of anybody who was erased is left")?,
        Verdict::Bad | Verdict::Refused => {
            writeln!(
                out,
                "NOT PROVED: status {}, {} rows left. Serve nothing from here",
                status.name(),
                total.left_over
            )?;
        }
    }
    Ok(verdict)
}

fn verdict(status: Status, certificate: &Certificate) -> Verdict {
    let is_proved = status == Status::Completed && certificate.outcome == Some(Ended::Full);
    if is_proved && certificate.total.left_over == 0 { Verdict::Good } else { Verdict::Bad }
}
