//! `habeas policy check | schema | parameters | publish`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use habeas::policy::load::{LoadError, Loaded, load_with_warnings};
use habeas::policy::{CommitmentStatus, Pinned, WrittenPolicy, permissions};

use super::{CommandError, Outcome, Verdict, pinned, progress};
use crate::aws::{AwsError, Clients};

/// Prints findings, or what the sound policy amounts to. Warnings are findings that do not make it unsound, unless they
/// are denied.
pub fn check(folder: &Path, deny_warnings: bool, out: &mut dyn Write) -> Outcome {
    match load_with_warnings(folder) {
        Ok(Loaded { policy, warnings }) => {
            for warning in &warnings {
                writeln!(out, "{warning}")?;
            }
            if deny_warnings && !warnings.is_empty() {
                return Ok(Verdict::Bad);
            }
            summary(&policy, out)?;
            Ok(Verdict::Good)
        }
        Err(LoadError::Findings(findings)) => {
            for finding in &findings {
                writeln!(out, "{finding}")?;
            }
            Ok(Verdict::Bad)
        }
        Err(error) => Err(error.into()),
    }
}

fn summary(pinned: &Pinned, out: &mut dyn Write) -> Result<(), CommandError> {
    let policy = pinned.policy();
    writeln!(out, "sound: {} {}, sha256 {}", policy.id, policy.version, pinned.digest())?;
    let rights: Vec<&str> = policy.rights.keys().map(|right| right.name()).collect();
    writeln!(
        out,
        "{} collections, {} items, {} recipients, {} rights ({})",
        pinned.collections().count(),
        policy.items.len(),
        policy.recipients.len(),
        rights.len(),
        rights.join(", ")
    )?;
    writeln!(out, "\ncommitments")?;
    let statuses = [
        (CommitmentStatus::Kept, "kept"),
        (CommitmentStatus::Partly, "partly"),
        (CommitmentStatus::NotYet, "not yet"),
        (CommitmentStatus::NotPromised, "not promised"),
    ];
    for (status, name) in statuses {
        let of_status = policy.commitments.iter().filter(|commitment| commitment.status == status);
        let numbers: Vec<String> = of_status.map(|commitment| commitment.number.to_string()).collect();
        writeln!(out, "  {name:<13} {:>3}  {}", numbers.len(), numbers.join(", "))?;
    }
    Ok(())
}

/// Prints the JSON Schema of `policy.yaml`.
pub fn schema(out: &mut dyn Write) -> Outcome {
    writeln!(out, "{}", serde_json::to_string_pretty(&schemars::schema_for!(WrittenPolicy))?)?;
    Ok(Verdict::Good)
}

/// Prints the template's parameters that follow from the policy.
pub fn parameters(folder: &Path, account: &str, region: &str, partition: &str, out: &mut dyn Write) -> Outcome {
    let parameters: BTreeMap<String, String> = permissions::parameters(&pinned(folder)?, partition, region, account);
    writeln!(out, "{}", serde_json::to_string_pretty(&parameters)?)?;
    Ok(Verdict::Good)
}

/// Uploads the policy under its digest. It is fine if it is there already: a digest names one content. Warnings are
/// progress, unless they are denied.
pub async fn publish(folder: &Path, bucket: &str, deny_warnings: bool, out: &mut dyn Write) -> Outcome {
    let Loaded { policy, warnings } = load_with_warnings(folder)?;
    for warning in &warnings {
        progress(&warning.to_string());
    }
    if deny_warnings && !warnings.is_empty() {
        return Err(CommandError::Warnings(warnings.len()));
    }
    let bytes = policy.to_stored()?;
    let key = format!("policies/{}.json", policy.digest());
    let s3 = Clients::from_env().await.s3;
    let put = s3
        .put_object()
        .bucket(bucket)
        .key(&key)
        .if_none_match("*")
        .content_type("application/json")
        .body(ByteStream::from(bytes.clone()))
        .send()
        .await;
    match put {
        Ok(_) => {}
        Err(error) if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict")) => {
            let failed = || format!("GetObject {key} in {bucket}");
            let there = s3.get_object().bucket(bucket).key(&key).send().await.map_err(AwsError::of(failed()))?;
            let there = there.body.collect().await.map_err(AwsError::of(failed()))?.to_vec();
            if there != bytes {
                return Err(CommandError::Occupied { bucket: bucket.to_owned(), key });
            }
        }
        Err(error) => return Err(AwsError::of(format!("PutObject {key} in {bucket}"))(error).into()),
    }
    writeln!(out, "{}", policy.digest())?;
    Ok(Verdict::Good)
}
