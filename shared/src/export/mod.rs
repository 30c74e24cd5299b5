//! The package that a person gets: records in, a ZIP archive out, streaming.
//!
//! The rule of this room: memory is bounded by one part of the upload and one staged page, whatever the size of the
//! package; every file in it is named in the manifest with its SHA-256.

mod archive;
mod index;
mod manifest;
pub mod words;

pub mod staging;

pub use archive::{Archive, ArchiveError, FileDigest};
pub use index::{IndexContext, PREVIEW_ROWS, Preview, Section, context, render};
pub use manifest::{Manifest, ManifestFile, ManifestPolicy};
