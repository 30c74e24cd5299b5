//! Where a package stands between two pages: a few hundred bytes, whatever its size.

use habeas::export::{AgeFile, ArchiveState, Chain, FileLink, ManifestSignature, staging};
use habeas::plan::Counts;
use habeas::request::RequestId;
use habeas::steps::{Next, Page, StepError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a making stands.
#[derive(Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) making: staging::Making,
    /// When it began: the moment that the package bears.
    pub(super) created_at: Timestamp,
    /// How many pages were done.
    pub(super) page: u32,
    /// The upload, once there is a part for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload: Option<String>,
    /// The parts that were uploaded, each by its number and tag.
    pub(super) parts: Chain,
    /// The age file that the archive goes into, if the person gave a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) age: Option<AgeFile>,
    /// The archive as far as it was written.
    pub(super) archive: ArchiveState,
    /// What was written and is no part yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rest: Option<Pin>,
    /// The notes of finished files.
    pub(super) files: Chain,
    /// The notes of collections.
    pub(super) sections: Chain,
    /// The collection that is being written, counted from 0.
    pub(super) source: usize,
    /// What is known of it so far.
    #[serde(default)]
    pub(super) so_far: SoFar,
    /// What comes next.
    pub(super) at: Position,
}

/// Something that a page left for later ones, by the page that left it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pin {
    pub(super) page: u32,
    pub(super) sha256: String,
}

/// What is known of the collection that is being written.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct SoFar {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) columns: Option<Pin>,
    pub(super) records: u64,
    /// The staged pages that went into the list of records,
    #[serde(default)]
    pub(super) pages: Chain,
    /// and those that went into the table: the same in the end.
    #[serde(default)]
    pub(super) pages_again: Chain,
    pub(super) json: FileLink,
    pub(super) csv: FileLink,
    pub(super) schema: FileLink,
    pub(super) media_files: u64,
    pub(super) media_bytes: u64,
}

/// What comes next. Names are those of staged objects, without what stands before them; empty for the first.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Position {
    /// The records of a collection as JSON, from the page after this one on.
    Json { after: String },
    /// The same as a table.
    Csv { after: String },
    /// Its media, from the file after this one on, or inside of one.
    Media { after: String, inside: Option<Inside> },
    /// What the index will show of it.
    Section,
    /// The page for people.
    Index,
    /// The manifest, from this note on.
    Manifest { read: Chain, files: u64 },
    /// Its signature.
    Sign { sha256: String },
    /// The file of the signature.
    Signature { signature: ManifestSignature },
    /// The archive's directory, from this note on.
    Directory { read: Chain },
    /// The end of the archive.
    End,
    /// The end of the upload, of an archive that is whole.
    Close,
}

/// A large media file of which a piece has been written.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Inside {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) written: u64,
    /// Its tag, so that all pieces are of the same file.
    pub(super) tag: Option<String>,
}

impl Position {
    pub(super) fn first() -> Self {
        Self::Json { after: String::new() }
    }
}

impl Cursor {
    pub(super) fn begin(making: staging::Making, created_at: Timestamp, age: Option<AgeFile>) -> Self {
        Self {
            making,
            created_at,
            page: 0,
            upload: None,
            parts: Chain::default(),
            age,
            archive: ArchiveState::default(),
            rest: None,
            files: Chain::default(),
            sections: Chain::default(),
            source: 0,
            so_far: SoFar::default(),
            at: Position::first(),
        }
    }

    /// The key of the package.
    pub(super) fn key(&self, id: &RequestId) -> String {
        staging::package(id, self.making, self.age.is_some())
    }

    pub(super) fn to_page(&self) -> Result<Page, StepError> {
        let next = serde_json::to_string(self).map_err(StepError::permanent)?;
        Ok(Page { counts: Counts::default(), retained_until: None, next: Next::Page(next) })
    }
}
