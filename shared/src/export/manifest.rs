//! `manifest.json`: every file of the package, with what it takes to check it. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::archive::WrittenFile;
use super::sum::Sum;
use crate::plan::Work;
use crate::policy::PolicyDigest;
use crate::request::{RequestId, Right, StepNumber};

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// All but the files.
    #[serde(flatten)]
    pub head: ManifestHead,
    /// The files, without this one and its signature.
    pub files: Vec<ManifestFile>,
}

/// What the manifest says of the package as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHead {
    /// Version of this form: 1.
    pub version: u8,
    /// The request that it answers.
    pub request_id: RequestId,
    /// The right.
    pub right: Right,
    /// Who answers.
    pub controller: String,
    /// The policy's id and label.
    pub policy: ManifestPolicy,
    /// The plan that was carried out.
    pub plan: ManifestPlan,
    /// When its making began.
    pub created_at: Timestamp,
    /// Whether every source was read to its end.
    pub complete: bool,
    /// The sources one by one.
    pub sources: Vec<ManifestSource>,
    /// How the tables (`.csv`) are written.
    pub csv: String,
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

/// The plan of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPlan {
    /// How many steps it has.
    pub steps: usize,
    /// SHA-256 of the list of steps as canonical JSON (RFC 8785): `[{"step":1,"work":"resolve"}, …]`.
    pub sha256: String,
}

impl ManifestPlan {
    /// Of the steps of a plan, in order.
    pub fn of<'a>(steps: impl Iterator<Item = (StepNumber, &'a Work)>) -> Result<Self, serde_json::Error> {
        #[derive(Serialize)]
        struct Step<'a> {
            step: StepNumber,
            #[serde(flatten)]
            work: &'a Work,
        }
        let steps: Vec<Step<'_>> = steps.map(|(step, work)| Step { step, work }).collect();
        // Through a Value, so that the canonicaliser sees plain JSON and no serde feature of the types.
        let canonical = serde_json_canonicalizer::to_vec(&serde_json::to_value(&steps)?)?;
        Ok(Self { steps: steps.len(), sha256: Sum::of(&canonical).hex() })
    }
}

/// One source: a collection of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSource {
    /// The dataset.
    pub dataset: String,
    /// The collection.
    pub collection: String,
    /// Whether it was read to its end.
    pub complete: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
}

/// A finished file with what the manifest adds to what the archive knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedFile {
    /// What the archive knows.
    #[serde(flatten)]
    pub file: WrittenFile,
    /// How many records it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// `<dataset>.<collection>` that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl From<FinishedFile> for ManifestFile {
    fn from(finished: FinishedFile) -> Self {
        let FinishedFile { file, records, source } = finished;
        let (dataset, collection) = source.as_deref().map(split).unzip();
        let (dataset, collection) = (dataset.map(str::to_owned), collection.map(str::to_owned));
        Self { path: file.path, sha256: file.sha256, bytes: file.bytes, records, dataset, collection }
    }
}

/// Dataset and collection of a full name.
#[must_use]
pub fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

/// The pieces of a manifest, since it is written file by file.
pub struct ManifestText;

impl ManifestText {
    /// What stands before the files.
    pub fn begin(head: &ManifestHead) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(head)?;
        text.truncate(text.trim_end_matches(['\n', '}']).len());
        text.push_str(",\n  \"files\": [");
        Ok(text)
    }

    /// One file.
    pub fn file(file: &ManifestFile, is_first: bool) -> Result<String, serde_json::Error> {
        let comma = if is_first { "" } else { "," };
        Ok(format!("{comma}\n    {}", serde_json::to_string(file)?))
    }

    /// What stands behind them.
    #[must_use]
    pub fn end() -> &'static str {
        "\n  ]\n}\n"
    }
}
