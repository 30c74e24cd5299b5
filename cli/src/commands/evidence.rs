//! `habeas evidence`: checks evidence and anchors offline, prints the certificate, prints the key that anchors are signed
//! with.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read as _, Write};
use std::path::Path;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use habeas::evidence::merkle::TreeHash;
use habeas::evidence::{Anchor, Event, EvidenceFile, Leaf, Outcome as End, verify as verify_evidence, verify_with};
use habeas::signing::PublicKey;
use habeas::{certificate, policy};
use serde_json::Value;

use super::{CommandError, Outcome, Verdict};
use crate::aws::AwsError;
use crate::drive::snapshot::fields;

/// Prints that a file of evidence is sound, or the first thing that is wrong. `-` is standard input. Without a key an
/// anchor is checked against the one that it brings; with one there must be an anchor.
pub fn verify(path: &Path, key: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let known = key.map(super::package::read_key).transpose()?;
    let file = read(path)?;
    let verified = match &known {
        Some(key) => verify_with(&file, key),
        None => verify_evidence(&file),
    };
    if let Err(wrong) = verified {
        writeln!(out, "not sound: {wrong}")?;
        return Ok(Verdict::Bad);
    }
    let outcome = match file.certificate.outcome {
        Some(End::Full) => "full",
        Some(End::Partial) => "partial",
        Some(End::NothingFound) => "nothing found",
        None => "none yet",
    };
    let events = file.certificate.events;
    writeln!(out, "sound: {events} events, outcome {outcome}, head {}", file.certificate.head.as_str())?;
    let Some(anchored) = &file.anchored else {
        writeln!(
            out,
            "not anchored yet, so this does not prove that no event was cut off the end: fetch it again in an hour"
        )?;
        return Ok(Verdict::Good);
    };
    let anchor = &anchored.anchor;
    writeln!(out, "anchored: events 1 to {}, by anchor {} of {}", anchored.events, anchor.number, anchor.at)?;
    if anchored.events < events {
        writeln!(out, "events {} to {events} came later: the next anchor proves them", anchored.events + 1)?;
    }
    writeln!(out, "signed by the key with SHA-256 {}", anchored.signature.key_sha256)?;
    told_of_key(known.as_ref(), "the anchor brings", out)?;
    Ok(Verdict::Good)
}

/// Prints the certificate of a file of evidence, which must be sound, as a page. The policy is the one that the request
/// was answered under.
pub fn show(path: &Path, folder: &Path, language: &str, out: &mut dyn Write) -> Outcome {
    let file = read(path)?;
    if let Err(wrong) = verify_evidence(&file) {
        writeln!(out, "not sound: {wrong}")?;
        return Ok(Verdict::Bad);
    }
    let policy = policy::load::load(folder)?;
    if *policy.digest() != file.certificate.policy {
        return Err(CommandError::OtherPolicy { wanted: file.certificate.policy.as_str().to_owned() });
    }
    let page = certificate::render(&certificate::page(&file, &policy, language));
    write!(out, "{}", page?)?;
    Ok(Verdict::Good)
}

/// Prints that the anchors in a folder, as they were copied from the bucket, are one unbroken chain, or the first thing
/// that is wrong.
pub fn anchors(folder: &Path, key: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let known = key.map(super::package::read_key).transpose()?;
    let anchors = read_anchors(folder)?;
    let (mut previous, mut signers) = (TreeHash::ZERO, BTreeMap::new());
    for (expected, (number, anchor)) in (1..).zip(&anchors) {
        if *number != expected {
            writeln!(out, "not sound: anchor {expected} is missing")?;
            return Ok(Verdict::Bad);
        }
        match anchor.verify(previous, known.as_ref()) {
            Ok(key) => *signers.entry(key.fingerprint()).or_insert(0_u64) += 1,
            Err(wrong) => {
                writeln!(out, "not sound: anchor {number}: {wrong}")?;
                return Ok(Verdict::Bad);
            }
        }
        previous = anchor.anchor.digest();
    }
    let Some((number, last)) = anchors.last_key_value() else {
        writeln!(out, "not sound: there are no anchors")?;
        return Ok(Verdict::Bad);
    };
    let leaves: usize = anchors.values().map(|anchor| anchor.leaves.len()).sum();
    writeln!(out, "sound: {number} anchors over {leaves} heads, the last of {}, digest {previous}", last.anchor.at)?;
    for (fingerprint, count) in &signers {
        writeln!(out, "{count} signed by the key with SHA-256 {fingerprint}")?;
    }
    told_of_key(known.as_ref(), "anchors bring", out)?;
    Ok(Verdict::Good)
}

/// The same, and that each head in an anchor is of a history that is in the ledger. One that is of none was written anew
/// since, or cut off.
pub async fn audit(folder: &Path, key: Option<&Path>, table: &str, out: &mut dyn Write) -> Outcome {
    let client = Client::new(&crate::aws::config().await);
    audit_with(&client, folder, key, table, out).await
}

/// The same with this client.
pub async fn audit_with(
    client: &Client,
    folder: &Path,
    key: Option<&Path>,
    table: &str,
    out: &mut dyn Write,
) -> Outcome {
    if anchors(folder, key, out)? == Verdict::Bad {
        return Ok(Verdict::Bad);
    }
    let known = heads(client, table).await?;
    let mut verdict = Verdict::Good;
    for (number, anchor) in read_anchors(folder)? {
        let lost = anchor.leaves.iter().filter(|leaf| !known.contains(leaf)).count();
        if lost > 0 {
            let (size, at) = (anchor.anchor.size, anchor.anchor.at);
            writeln!(
                out,
                "not sound: {lost} of {size} heads in anchor {number} of {at} are of no history in the ledger: it was \
                 written anew since, or cut off"
            )?;
            verdict = Verdict::Bad;
        }
    }
    if verdict == Verdict::Good {
        writeln!(out, "every head is of a history in the ledger, which has {} events", known.len())?;
    }
    Ok(verdict)
}

/// The leaf that each event of the ledger makes, or made, as the head of its chain.
async fn heads(client: &Client, table: &str) -> Result<HashSet<TreeHash>, AwsError> {
    const ACTION: &str = "Scan of the ledger";
    let mut found = HashSet::new();
    let mut from = None;
    loop {
        let scan = client.scan().table_name(table).filter_expression("begins_with(sk, :event)");
        let scan = scan.expression_attribute_values(":event", AttributeValue::S("EVENT#".to_owned()));
        let page = scan.set_exclusive_start_key(from).send().await.map_err(AwsError::of(ACTION))?;
        for item in page.items.unwrap_or_default() {
            let event = serde_json::from_value(Value::Object(fields(item)));
            let event: Event = event.map_err(AwsError::of(ACTION))?;
            let leaf = Leaf { request_id: event.request_id, events: event.number, head: event.hash };
            found.insert(leaf.hash());
        }
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(found);
        }
    }
}

fn told_of_key(known: Option<&PublicKey>, brings: &str, out: &mut dyn Write) -> Result<(), CommandError> {
    if known.is_some() {
        writeln!(out, "that is the key that you named")?;
    } else {
        writeln!(
            out,
            "{brings} that key along, so this does not prove who signed: compare the SHA-256 with the one that the \
             controller publishes, or name its key with --key"
        )?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<EvidenceFile, CommandError> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    read.map_err(|source| CommandError::File { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| CommandError::NotEvidence { path: path.to_owned(), source })
}

/// By the number that each says of itself. What is not called `*.json` is passed over.
fn read_anchors(folder: &Path) -> Result<BTreeMap<u64, Anchor>, CommandError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        |source| CommandError::File { path, source }
    };
    let mut anchors = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(file(folder))? {
        let path = entry.map_err(file(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).map_err(file(&path))?;
            let anchor: Anchor = serde_json::from_str(&text)
                .map_err(|source| CommandError::NotAnAnchor { path: path.clone(), source })?;
            anchors.insert(anchor.anchor.number, anchor);
        }
    }
    Ok(anchors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_that_are_missing_or_none_are_named() {
        let folder = std::env::temp_dir().join(format!("habeas-anchors-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let run = || {
            let mut out = Vec::new();
            let verdict = anchors(&folder, None, &mut out);
            (verdict.ok(), String::from_utf8(out).unwrap())
        };
        assert_eq!(run(), (Some(Verdict::Bad), "not sound: there are no anchors\n".to_owned()));
        let second = serde_json::json!({
            "anchor": {"version": 1, "number": 2, "at": "2026-11-21T00:00:00Z", "previous": "0".repeat(64), "size": 0,
                "root": "0".repeat(64)},
            "signature": {"algorithm": "", "signature": "", "key_sha256": "", "public_key": ""},
            "leaves": [],
        });
        std::fs::write(folder.join("0000000002.json"), second.to_string()).unwrap();
        assert_eq!(run(), (Some(Verdict::Bad), "not sound: anchor 1 is missing\n".to_owned()));
        std::fs::write(folder.join("0000000001.json"), "{}").unwrap();
        assert_eq!(run().0, None, "that is not an anchor");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
