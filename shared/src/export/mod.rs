//! The package that a person gets: records in, a ZIP archive out, streaming.
//!
//! The rules of this room: memory is bounded by one part of the upload and one batch of staged pages, whatever the size of
//! the package; what is written is a function of what was staged and of a small state, so that a making that was broken
//! off can be gone on with anywhere; every file is named in the manifest with its SHA-256, and the manifest is signed.

mod archive;
pub(crate) mod category_words;
mod encryption;
mod index;
mod kinds;
mod manifest;
mod piece;
mod records;
mod schema;
mod section;
mod signature;
mod staged;
pub mod staging;
mod sum;
mod table;
mod unzip;
mod verify;
pub mod words;

pub use crate::signing::{PublicKey, SignError, Signer};
pub use archive::{Archive, ArchiveError, ArchiveState, Packing, WrittenFile};
pub use encryption::{AgeFile, CHUNK as ENCRYPTED_CHUNK, EncryptionError};
pub use index::{IndexContext, context, render};
pub use manifest::{
    FinishedFile, Manifest, ManifestFile, ManifestHead, ManifestPlan, ManifestPolicy, ManifestSource, ManifestText,
    split,
};
pub use piece::{DamagedPiece, Packer, Piece, PieceSums};
pub use schema::schema;
pub use section::{FileLink, LISTED_MEDIA, PREVIEW_ROWS, Preview, Section};
pub use signature::{MANIFEST, ManifestSignature, SIGNATURE, SignatureFault};
pub use staged::{BETWEEN, FIRST, FileSums, LIST, StagedError, StagedPage, pack_records, pack_table, pack_table_again};
pub use sum::{Chain, Sum, digest_of_hex};
pub use table::{BYTE_ORDER_MARK, CSV_NOTE, Columns, Fields, Rows, TableError, fields};
pub use unzip::ArchiveFault;
pub use verify::{PackageFault, Verified, verify};
