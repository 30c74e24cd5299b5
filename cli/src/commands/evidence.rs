//! `habeas evidence verify`: checks evidence offline.

use std::io::{Read as _, Write};
use std::path::Path;

use habeas::evidence::{EvidenceFile, Outcome as End, verify as verify_evidence};

use super::{CommandError, Outcome, Verdict};

/// Prints that a file of evidence is sound, or the first thing that is wrong. `-` is standard input.
pub fn verify(path: &Path, out: &mut dyn Write) -> Outcome {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|source| CommandError::File { path: path.to_owned(), source })?;
    let file: EvidenceFile =
        serde_json::from_str(&text).map_err(|source| CommandError::NotEvidence { path: path.to_owned(), source })?;
    if let Err(wrong) = verify_evidence(&file) {
        writeln!(out, "not sound: {wrong}")?;
        return Ok(Verdict::Bad);
    }
    let outcome = match file.certificate.outcome {
        Some(End::Full) => "full",
        Some(End::Partial) => "partial",
        Some(End::NothingFound) => "nothing found",
        None => "none yet",
    };
    writeln!(out, "sound: {} events, outcome {outcome}, head {}", file.events.len(), file.certificate.head.as_str())?;
    Ok(Verdict::Good)
}
