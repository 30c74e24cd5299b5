//! A ZIP archive that is written once, front to back, and can be put down after any page and taken up by another process.
//!
//! A file is a row of deflate segments that are compressed each by itself and end at a byte's edge, so that no state of a
//! compressor crosses a page; CRC-32, SHA-256 and sizes are carried on. Sizes are only known at a file's end: they follow
//! it in a data descriptor, in ZIP64 form. There are no times in it: the same content, cut into the same pages, gives
//! the same bytes. (PKWARE APPNOTE.TXT 6.3.10.)

use std::ops::ControlFlow;

use flate2::{Compress, Compression, FlushCompress};
use serde::{Deserialize, Serialize};

use super::piece::{DamagedPiece, Piece, deflate, most_packed};
use super::sum::Sum;

/// Bytes that are compressed together.
const SEGMENT: usize = 1 << 20;
/// An empty last block of a deflate stream: ends what the segments left open.
const LAST_BLOCK: [u8; 2] = [3, 0];

pub(super) const LOCAL_HEADER: u32 = 0x0403_4b50;
pub(super) const DESCRIPTOR: u32 = 0x0807_4b50;
pub(super) const ENTRY: u32 = 0x0201_4b50;
pub(super) const END64: u32 = 0x0606_4b50;
pub(super) const LOCATOR64: u32 = 0x0706_4b50;
pub(super) const END: u32 = 0x0605_4b50;
/// Sizes follow the file; names are UTF-8.
pub(super) const FLAGS: u16 = 0x0808;
pub(super) const DEFLATE: u16 = 8;
/// 4.5: ZIP64.
pub(super) const VERSION: u16 = 45;
/// 1980-01-01, the first day that the format knows.
pub(super) const DATE: u16 = 0x21;
/// Made on a Unix; a plain file that its owner may write and everybody read.
pub(super) const MADE_BY: u16 = (3 << 8) | VERSION;
pub(super) const ATTRIBUTES: u32 = 0o100_644 << 16;
pub(super) const ZIP64_EXTRA: u16 = 1;

/// Why the archive cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The format holds 65,535 bytes.
    #[error("a path is too long for the archive")]
    PathTooLong,
    /// A file was begun inside another, or written to when none was begun: a fault of the caller.
    #[error("the archive is written in a wrong order")]
    WrongOrder,
    /// The compressor did not take its input: a fault of it.
    #[error("the compressor failed")]
    Compressor,
    /// A piece that was packed elsewhere is not what it says.
    #[error(transparent)]
    Damaged(#[from] DamagedPiece),
}

/// Whether a file is worth compressing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packing {
    /// It is.
    Deflate,
    /// It is compressed already: wrapped into a deflate stream as it is.
    AsIs,
}

impl Packing {
    /// What suits a file of this name.
    #[must_use]
    pub fn of(path: &str) -> Self {
        const PACKED: [&str; 14] =
            ["jpg", "jpeg", "png", "gif", "webp", "heic", "avif", "mp3", "m4a", "mp4", "mov", "webm", "zip", "gz"];
        let ending = path.rsplit('.').next().unwrap_or_default();
        if PACKED.iter().any(|packed| ending.eq_ignore_ascii_case(packed)) { Self::AsIs } else { Self::Deflate }
    }

    pub(super) fn level(self) -> Compression {
        match self {
            // A row resembles the row before it: a harder look finds hardly more, and takes three times as long.
            Self::Deflate => Compression::new(2),
            Self::AsIs => Compression::none(),
        }
    }
}

/// A file that is being written.
#[derive(Clone, Serialize, Deserialize)]
struct OpenFile {
    path: String,
    packing: Packing,
    offset: u64,
    bytes: u64,
    packed_bytes: u64,
    crc32: u32,
    sum: Sum,
}

/// A file that has been written: what the directory and the manifest say of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its path.
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What it takes in the archive.
    pub packed_bytes: u64,
    /// CRC-32 of it.
    pub crc32: u32,
    /// Where its header begins.
    pub offset: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Directory {
    offset: u64,
    entries: u64,
}

/// Where an archive stands: small, whatever its size.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ArchiveState {
    bytes: u64,
    sum: Sum,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<OpenFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directory: Option<Directory>,
}

impl ArchiveState {
    /// How many bytes were written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of them, hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> String {
        self.sum.clone().hex()
    }
}

/// The archive. Write; at the end of a page [`Archive::pause`], then take what is ready and keep the state.
pub struct Archive {
    state: ArchiveState,
    /// Not compressed yet.
    raw: Vec<u8>,
    /// Written and counted in the state, not taken yet.
    ready: Vec<u8>,
    compressor: Option<(Packing, Compress)>,
}

impl Archive {
    /// Bytes that [`Archive::write`] makes room for at most before it gives something to take. Whoever gives a buffer with
    /// this much room beyond what they take at once never has it moved to a larger one.
    pub const MOST_AT_ONCE: usize = most_packed(SEGMENT);

    /// Goes on from a state; `ready` is what was written and not taken.
    #[must_use]
    pub fn resume(state: ArchiveState, ready: Vec<u8>) -> Self {
        Self { state, raw: Vec::new(), ready, compressor: None }
    }

    /// Whether a file is being written.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.file.is_some()
    }

    /// How much is ready to be taken.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.ready.len()
    }

    /// Takes what is ready.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// Begins a file.
    pub fn begin(&mut self, path: &str, packing: Packing) -> Result<(), ArchiveError> {
        if self.state.file.is_some() || self.state.directory.is_some() {
            return Err(ArchiveError::WrongOrder);
        }
        let length = u16::try_from(path.len()).map_err(|_| ArchiveError::PathTooLong)?;
        let offset = self.state.bytes;
        let mut header = Fields::default();
        header.u32(LOCAL_HEADER).u16(VERSION).u16(FLAGS).u16(DEFLATE).u16(0).u16(DATE);
        // Sum and sizes are in the descriptor. The extra field announces that its sizes have eight bytes.
        header.u32(0).u32(u32::MAX).u32(u32::MAX).u16(length).u16(20);
        header.bytes(path.as_bytes()).u16(ZIP64_EXTRA).u16(16).u64(0).u64(0);
        self.put(&header.0);
        let (path, sum) = (path.to_owned(), Sum::default());
        self.state.file = Some(OpenFile { path, packing, offset, bytes: 0, packed_bytes: 0, crc32: 0, sum });
        Ok(())
    }

    /// Writes to the file that was begun.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT - self.raw.len()));
            self.raw.extend_from_slice(now);
            bytes = later;
            if self.raw.len() == SEGMENT {
                self.pack()?;
            }
        }
        Ok(())
    }

    /// Writes a piece that was packed elsewhere to the file that was begun. Where it was not packed to stand just here it is
    /// unpacked once, for the sum. A piece that is not whole leaves an archive that nobody may go on with.
    ///
    /// Gives how many bytes were unpacked.
    pub fn copy(&mut self, piece: &Piece) -> Result<u64, ArchiveError> {
        self.pack()?;
        let file = self.state.file.as_mut().ok_or(ArchiveError::WrongOrder)?;
        let sums = piece.sums();
        let unpacked = if let Some(sum) = piece.sum_behind(&file.sum)? {
            file.sum = sum;
            0
        } else {
            piece.unpack(&mut |content| {
                file.sum.update(content);
                ControlFlow::Continue(())
            })?;
            sums.bytes
        };
        let mut crc = crc32fast::Hasher::new_with_initial_len(file.crc32, file.bytes);
        crc.combine(&crc32fast::Hasher::new_with_initial_len(sums.crc32, sums.bytes));
        file.crc32 = crc.finalize();
        file.bytes += sums.bytes;
        file.packed_bytes += sums.packed_bytes;
        self.put(piece.packed());
        Ok(unpacked)
    }

    /// Ends the file that was begun.
    pub fn end(&mut self) -> Result<WrittenFile, ArchiveError> {
        self.pack()?;
        let mut file = self.state.file.take().ok_or(ArchiveError::WrongOrder)?;
        file.packed_bytes += LAST_BLOCK.len() as u64;
        let mut end = Fields::default();
        end.bytes(&LAST_BLOCK).u32(DESCRIPTOR).u32(file.crc32).u64(file.packed_bytes).u64(file.bytes);
        self.put(&end.0);
        Ok(WrittenFile {
            path: file.path,
            sha256: file.sum.hex(),
            bytes: file.bytes,
            packed_bytes: file.packed_bytes,
            crc32: file.crc32,
            offset: file.offset,
        })
    }

    /// Ends a segment, so that everything written is ready and in the state.
    pub fn pause(&mut self) -> Result<&ArchiveState, ArchiveError> {
        if !self.raw.is_empty() {
            self.pack()?;
        }
        Ok(&self.state)
    }

    /// Writes a file's entry of the directory. After the first one there are no more files.
    pub fn list(&mut self, file: &WrittenFile) -> Result<(), ArchiveError> {
        if self.state.file.is_some() {
            return Err(ArchiveError::WrongOrder);
        }
        let length = u16::try_from(file.path.len()).map_err(|_| ArchiveError::PathTooLong)?;
        let offset = self.state.bytes;
        self.state.directory.get_or_insert(Directory { offset, entries: 0 }).entries += 1;
        // What does not fit is all ones, and then in the extra field, in this order.
        let mut extra = Fields::default();
        let [bytes, packed_bytes, offset] = [file.bytes, file.packed_bytes, file.offset].map(|value| {
            u32::try_from(value).ok().filter(|short| *short != u32::MAX).unwrap_or_else(|| {
                extra.u64(value);
                u32::MAX
            })
        });
        if !extra.0.is_empty() {
            let mut field = Fields::default();
            field.u16(ZIP64_EXTRA).u16(u16::try_from(extra.0.len()).unwrap_or(0)).bytes(&extra.0);
            extra = field;
        }
        let mut entry = Fields::default();
        entry.u32(ENTRY).u16(MADE_BY).u16(VERSION).u16(FLAGS).u16(DEFLATE).u16(0).u16(DATE);
        entry.u32(file.crc32).u32(packed_bytes).u32(bytes).u16(length);
        entry.u16(u16::try_from(extra.0.len()).unwrap_or(0)).u16(0).u16(0).u16(0).u32(ATTRIBUTES).u32(offset);
        entry.bytes(file.path.as_bytes()).bytes(&extra.0);
        self.put(&entry.0);
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(&mut self) -> Result<(), ArchiveError> {
        if self.state.file.is_some() {
            return Err(ArchiveError::WrongOrder);
        }
        let end = self.state.bytes;
        let directory = self.state.directory.unwrap_or(Directory { offset: end, entries: 0 });
        let bytes = end - directory.offset;
        let short = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let entries = u16::try_from(directory.entries).unwrap_or(u16::MAX);
        let mut fields = Fields::default();
        if entries == u16::MAX || short(bytes) == u32::MAX || short(directory.offset) == u32::MAX {
            fields.u32(END64).u64(44).u16(MADE_BY).u16(VERSION).u32(0).u32(0);
            fields.u64(directory.entries).u64(directory.entries).u64(bytes).u64(directory.offset);
            fields.u32(LOCATOR64).u32(0).u64(end).u32(1);
        }
        fields.u32(END).u16(0).u16(0).u16(entries).u16(entries).u32(short(bytes)).u32(short(directory.offset)).u16(0);
        self.put(&fields.0);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) {
        self.state.sum.update(bytes);
        self.state.bytes += bytes.len() as u64;
        self.ready.extend_from_slice(bytes);
    }

    /// Compresses what was written since the last time as a segment of its own.
    fn pack(&mut self) -> Result<(), ArchiveError> {
        let file = self.state.file.as_mut().ok_or(ArchiveError::WrongOrder)?;
        if self.raw.is_empty() {
            return Ok(());
        }
        file.bytes += self.raw.len() as u64;
        file.sum.update(&self.raw);
        let mut crc = crc32fast::Hasher::new_with_initial(file.crc32);
        crc.update(&self.raw);
        file.crc32 = crc.finalize();
        if self.compressor.as_ref().is_none_or(|(packing, _)| *packing != file.packing) {
            self.compressor = Some((file.packing, Compress::new(file.packing.level(), false)));
        }
        let (_, compressor) = self.compressor.as_mut().ok_or(ArchiveError::Compressor)?;
        compressor.reset();
        let start = self.ready.len();
        deflate(compressor, &self.raw, &mut self.ready, FlushCompress::Sync)?;
        let packed = &self.ready[start..];
        file.packed_bytes += packed.len() as u64;
        self.state.bytes += packed.len() as u64;
        self.state.sum.update(packed);
        self.raw.clear();
        Ok(())
    }
}

/// Little-endian fields one after the other.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }
}

#[cfg(test)]
mod tests;
