//! `manifest.json`: every file of the package, with what it takes to check it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policy::PolicyDigest;
use crate::request::{RequestId, Right};

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form: 1.
    pub version: u8,
    /// The request that it answers.
    pub request_id: RequestId,
    /// The right.
    pub right: Right,
    /// The policy's id and label.
    pub policy: ManifestPolicy,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether every source was read to its end.
    pub complete: bool,
    /// The files, without this one.
    pub files: Vec<ManifestFile>,
}

/// The policy that the package was made under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPolicy {
    /// Its id.
    pub id: String,
    /// The controller's label of the version.
    pub version: String,
    /// SHA-256 of its canonical bytes.
    pub sha256: PolicyDigest,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its path in the package.
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// How many records it holds, if it holds records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// The dataset that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The collection that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Whether its source was read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
}
