//! Checks a package offline: every file against the manifest, the manifest against its signature. Reads front to back,
//! once; keeps the manifest and a line a file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::manifest::{Manifest, ManifestFile};
use super::records::Counter;
use super::signature::{MANIFEST, ManifestSignature, SIGNATURE, SignatureFault};
use super::unzip::{ArchiveFault, Unzip};
use crate::signing::PublicKey;

/// Most bytes of a manifest: that of about three million files.
const MANIFEST_BYTES: usize = 1 << 30;
/// Most bytes of a signature's file.
const SIGNATURE_BYTES: usize = 1 << 16;

/// The first thing that is wrong with a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageFault {
    /// The archive itself.
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    /// A file is there twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// One of the two files that the check needs is not there, or is larger than it can be.
    #[error("{0} is not there, or is not what it should be")]
    NoManifest(&'static str),
    /// The manifest is no manifest.
    #[error("{MANIFEST} cannot be read")]
    Manifest(#[source] serde_json::Error),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// A file of the manifest is missing.
    #[error("{0} is in the manifest and not in the package")]
    Missing(String),
    /// A file is there that the manifest does not list.
    #[error("{0} is in the package and not in the manifest")]
    Unlisted(String),
    /// A file has another size or SHA-256.
    #[error("{0} is not the file that the manifest describes: its size or SHA-256 differs")]
    Differs(String),
    /// A file has another number of records.
    #[error("{path} holds {found} records, the manifest says {listed}")]
    Records {
        /// Which.
        path: String,
        /// How many there are.
        found: u64,
        /// How many there should be.
        listed: u64,
    },
}

/// A package that is sound.
pub struct Verified {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Who signed it.
    pub key: PublicKey,
}

struct Found {
    sha256: String,
    bytes: u64,
    records: Option<u64>,
}

/// Checks a package, against a key that is known otherwise if there is one.
pub fn verify(package: impl Read, known: Option<&PublicKey>) -> Result<Verified, PackageFault> {
    let mut unzip = Unzip::new(package);
    let mut written = Vec::new();
    let mut found = BTreeMap::new();
    let mut kept: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    while let Some(path) = unzip.next_path()? {
        let keep =
            [(MANIFEST, MANIFEST_BYTES), (SIGNATURE, SIGNATURE_BYTES)].into_iter().find(|(name, _)| *name == path);
        let mut counter = Counter::of(&path);
        let mut content = Vec::new();
        let file = unzip.content(path, &mut |piece| {
            if let Some(counter) = &mut counter {
                counter.take(piece);
            }
            if keep.is_some_and(|(_, most)| content.len() + piece.len() <= most) {
                content.extend_from_slice(piece);
            }
        })?;
        if let Some((name, _)) = keep {
            kept.insert(name, content);
        }
        let records = counter.and_then(Counter::count);
        let is_new = found.insert(file.path.clone(), Found { sha256: file.sha256.clone(), bytes: file.bytes, records });
        if is_new.is_some() {
            return Err(PackageFault::Twice(file.path));
        }
        written.push(file);
    }
    unzip.finish(&written)?;
    let text = kept.remove(MANIFEST).ok_or(PackageFault::NoManifest(MANIFEST))?;
    let signature = kept.remove(SIGNATURE).ok_or(PackageFault::NoManifest(SIGNATURE))?;
    let signature: ManifestSignature =
        serde_json::from_slice(&signature).map_err(|_| PackageFault::NoManifest(SIGNATURE))?;
    let key = signature.verify(&text, known)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(PackageFault::Manifest)?;
    compare(&manifest.files, &found)?;
    Ok(Verified { manifest, key })
}

fn compare(listed: &[ManifestFile], found: &BTreeMap<String, Found>) -> Result<(), PackageFault> {
    let mut names = BTreeSet::from([MANIFEST, SIGNATURE]);
    for file in listed {
        if !names.insert(&file.path) {
            return Err(PackageFault::Twice(file.path.clone()));
        }
        let Some(there) = found.get(&file.path) else {
            return Err(PackageFault::Missing(file.path.clone()));
        };
        if (&there.sha256, there.bytes) != (&file.sha256, file.bytes) {
            return Err(PackageFault::Differs(file.path.clone()));
        }
        if let (Some(listed), found) = (file.records, there.records.unwrap_or(0))
            && listed != found
        {
            return Err(PackageFault::Records { path: file.path.clone(), found, listed });
        }
    }
    match found.keys().find(|path| !names.contains(path.as_str())) {
        Some(path) => Err(PackageFault::Unlisted(path.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
