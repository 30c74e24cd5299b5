//! `habeas package`: checks a package offline, prints the key that packages are signed with.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use habeas::aws::KmsSigner;
use habeas::export::{PublicKey, Signer as _, verify as verify_package};

use super::{CommandError, Outcome, Verdict};
use crate::aws::AwsError;

/// Prints that a package is sound and who signed it, or the first thing that is wrong. `-` is standard input. Without a
/// key the signature is checked against the one that the package brings.
pub fn verify(path: &Path, key: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let known = key.map(read_key).transpose()?;
    let package: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|source| CommandError::File { path: path.to_owned(), source })?)
    };
    let verified = match verify_package(package, known.as_ref()) {
        Ok(verified) => verified,
        Err(wrong) => {
            writeln!(out, "not sound: {wrong}")?;
            return Ok(Verdict::Bad);
        }
    };
    let (head, files) = (&verified.manifest.head, &verified.manifest.files);
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    // Each record is in a list and in a table.
    let lists = files.iter().filter(|file| matches!(file.path.rsplit_once('.'), Some((_, "json"))));
    let records: u64 = lists.filter_map(|file| file.records).sum();
    writeln!(out, "sound: {} files, {bytes} bytes, {records} records, each file as the manifest says", files.len())?;
    writeln!(out, "request {}, {}, made at {}", head.request_id, head.right.name(), head.created_at)?;
    writeln!(
        out,
        "by {} under policy {} {} ({})",
        head.controller, head.policy.id, head.policy.version, head.policy.sha256
    )?;
    for source in head.sources.iter().filter(|source| !source.complete) {
        let reason = source.reason.as_deref().unwrap_or("no reason is given");
        writeln!(out, "not complete: {}.{}: {reason}", source.dataset, source.collection)?;
    }
    writeln!(out, "signed by the key with SHA-256 {}", verified.key.fingerprint())?;
    if known.is_some() {
        writeln!(out, "that is the key that you named")?;
    } else {
        writeln!(
            out,
            "the package brings that key itself, so this proves that nothing was changed since it was signed, and not who \
             signed it: compare the SHA-256 with the one that the controller publishes, or name its key with --key"
        )?;
    }
    Ok(Verdict::Good)
}

/// Prints the public half of a signing key as PEM, for the controller to publish.
pub async fn key(key_id: &str, out: &mut dyn Write) -> Outcome {
    let config = crate::aws::config().await;
    let signer = KmsSigner::new(aws_sdk_kms::Client::new(&config), key_id.to_owned());
    let key = signer.public_key().await.map_err(AwsError::of("reading the public half of the signing key"))?;
    write!(out, "{}", key.to_pem())?;
    super::progress(&format!("SHA-256 {}", key.fingerprint()));
    Ok(Verdict::Good)
}

pub(super) fn read_key(path: &Path) -> Result<PublicKey, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|source| CommandError::File { path: path.to_owned(), source })?;
    PublicKey::from_pem(&text).map_err(|source| CommandError::NotAKey { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(package: &[u8], key: Option<&str>) -> (Option<Verdict>, String) {
        let folder = std::env::temp_dir().join(format!("habeas-package-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, pem) = (folder.join("package.zip"), folder.join("key.pem"));
        std::fs::write(&file, package).unwrap();
        if let Some(key) = key {
            std::fs::write(&pem, key).unwrap();
        }
        let mut out = Vec::new();
        let verdict = verify(&file, key.map(|_| pem.as_path()), &mut out).ok();
        (verdict, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_no_package_is_bad_and_what_is_no_key_is_an_error() {
        let (verdict, told) = run(b"PK", None);
        assert_eq!((verdict, told.as_str()), (Some(Verdict::Bad), "not sound: the archive is cut off\n"));
        assert_eq!(run(b"PK", Some("a key")).0, None);
    }
}
