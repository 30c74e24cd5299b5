//! Packages that were tampered with: the check names the first thing that is wrong.

use serde_json::Value;

use super::*;
use crate::export::archive::{Archive, ArchiveState, Packing};
use crate::export::manifest::{FinishedFile, ManifestText};
use crate::export::signature::ManifestSignature;
use crate::export::sum::Sum;
use crate::signing::Signer;
use crate::signing::local::LocalSigner;

const PERSON: &str = "[\n{\"id\":1},\n{\"id\":2}\n]\n";
const TABLE: &str = "\u{feff}id\r\n1\r\n2\r\n";

fn head() -> Value {
    serde_json::json!({
        "version": 1, "request_id": "1".repeat(32), "right": "access", "controller": "Small",
        "policy": {"id": "small", "version": "1", "sha256": "a".repeat(64)},
        "plan": {"steps": 3, "sha256": "b".repeat(64)},
        "created_at": "2026-11-21T00:00:00Z", "complete": true,
        "sources": [{"dataset": "app", "collection": "users", "complete": true}], "csv": "",
    })
}

/// Archives files as they are, in this order.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = Archive::resume(ArchiveState::default(), Vec::new());
    let mut written = Vec::new();
    for (path, content) in files {
        archive.begin(path, Packing::Deflate).unwrap();
        archive.write(content.as_bytes()).unwrap();
        written.push(archive.end().unwrap());
    }
    for file in &written {
        archive.list(file).unwrap();
    }
    archive.finish().unwrap();
    archive.take()
}

fn manifest(files: &[(&str, &str, Option<u64>)]) -> String {
    let mut text = ManifestText::begin(&serde_json::from_value(head()).unwrap()).unwrap();
    for (number, (path, content, records)) in files.iter().enumerate() {
        let mut archive = Archive::resume(ArchiveState::default(), Vec::new());
        archive.begin(path, Packing::Deflate).unwrap();
        archive.write(content.as_bytes()).unwrap();
        let file = archive.end().unwrap();
        let source = records.map(|_| "app.users".to_owned());
        let file = FinishedFile { file, records: *records, source };
        text += &ManifestText::file(&file.into(), number == 0).unwrap();
    }
    text + ManifestText::end()
}

async fn signed(manifest: &str, signer: &LocalSigner) -> String {
    let signature = ManifestSignature::make(signer, Sum::of(manifest.as_bytes()).bytes()).await.unwrap();
    serde_json::to_string_pretty(&signature).unwrap()
}

fn fault(package: &[u8]) -> String {
    verify(package, None).err().expect("it is not sound").to_string()
}

#[tokio::test]
async fn a_sound_package_is_sound_and_says_what_it_is() {
    let signer = LocalSigner::new();
    let manifest = manifest(&[("data/app/users.json", PERSON, Some(2)), ("data/app/users.csv", TABLE, Some(2))]);
    let signature = signed(&manifest, &signer).await;
    let files = [
        ("data/app/users.json", PERSON),
        ("data/app/users.csv", TABLE),
        (MANIFEST, manifest.as_str()),
        (SIGNATURE, signature.as_str()),
    ];
    let package = archive(&files);
    let key = signer.public_key().await.unwrap();
    let verified = verify(package.as_slice(), Some(&key)).map_err(|wrong| wrong.to_string()).unwrap();
    assert_eq!((verified.manifest.files.len(), verified.key), (2, key));
    assert_eq!(verified.manifest.files[0].dataset.as_deref(), Some("app"));
    let other = LocalSigner::new().public_key().await.unwrap();
    let found = verify(package.as_slice(), Some(&other)).err().expect("another key").to_string();
    assert_eq!(found, "the package was signed with another key");

    let found = |at: usize, path: &'static str, content: &str| {
        let mut files = files;
        let content: &str = content;
        files[at] = (path, content);
        fault(&archive(&files))
    };
    // Packed anew with other contents: only the manifest can tell.
    assert!(found(0, files[0].0, "[\n{\"id\":1},\n{\"id\":3}\n]\n").starts_with("data/app/users.json is not the file"));
    assert_eq!(
        found(0, "data/app/people.json", PERSON),
        "data/app/users.json is in the manifest and not in the package"
    );
    assert_eq!(found(1, files[0].0, PERSON), "data/app/users.json is there twice");
    assert_eq!(found(2, files[2].0, &manifest.replace("Small", "Large")), "manifest.json is not what was signed");
    let forged = signed(&manifest.replace("Small", "Large"), &LocalSigner::new()).await;
    assert_eq!(found(3, files[3].0, &forged), "manifest.json is not what was signed");
    assert_eq!(fault(&archive(&files[1..])), "data/app/users.json is in the manifest and not in the package");
    assert_eq!(fault(&archive(&files[..3])), "manifest.sig.json is not there, or is not what it should be");
    let more = [files.as_slice(), &[("stray.txt", "x")]].concat();
    assert_eq!(fault(&archive(&more)), "stray.txt is in the package and not in the manifest");
    let mut swapped = files;
    (swapped[0].1, swapped[1].1) = (swapped[1].1, swapped[0].1);
    assert!(fault(&archive(&swapped)).starts_with("data/app/users.json is not the file"));
    assert_eq!(fault(&package[..package.len() - 1]), "the archive is cut off");
    assert_eq!(fault(&package[..200]), "the archive is cut off");
    let mut changed = package;
    changed[60 + files[0].0.len()] ^= 0x10;
    assert!(fault(&changed).starts_with("data/app/users.json"), "{}", fault(&changed));
}

#[tokio::test]
async fn a_manifest_that_counts_wrong_is_found_out() {
    let signer = LocalSigner::new();
    let manifest = manifest(&[("data/app/users.json", PERSON, Some(3))]);
    let signature = signed(&manifest, &signer).await;
    let files = [("data/app/users.json", PERSON), (MANIFEST, manifest.as_str()), (SIGNATURE, signature.as_str())];
    assert_eq!(fault(&archive(&files)), "data/app/users.json holds 2 records, the manifest says 3");
}
