//! A piece of a file, deflated by itself: it begins with no state and ends at a byte's edge without ending the stream, so
//! that it can stand in a deflate stream between any two others, whoever made them. Pure.

use std::ops::ControlFlow;

use bytes::Bytes;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use serde::{Deserialize, Serialize};

use super::archive::{ArchiveError, Packing};
use super::sum::Sum;

/// Bytes that are packed, or unpacked, at a time.
const CHUNK: usize = 1 << 16;
/// How a flushed deflate stream ends: a stored block of no bytes.
const EDGE: [u8; 4] = [0, 0, 0xff, 0xff];

/// More than deflate makes of so many bytes, so that one call is most likely enough.
pub(super) const fn most_packed(bytes: usize) -> usize {
    bytes + bytes / 8 + 1024
}

/// Deflates all of these bytes behind what there is.
pub(super) fn deflate(
    compressor: &mut Compress,
    mut raw: &[u8],
    packed: &mut Vec<u8>,
    flush: FlushCompress,
) -> Result<(), ArchiveError> {
    loop {
        packed.reserve(most_packed(raw.len()));
        let (read, written) = (compressor.total_in(), packed.len());
        compressor.compress_vec(raw, packed, flush).map_err(|_| ArchiveError::Compressor)?;
        let read = usize::try_from(compressor.total_in() - read).unwrap_or(usize::MAX);
        raw = raw.get(read..).ok_or(ArchiveError::Compressor)?;
        if raw.is_empty() && packed.len() < packed.capacity() {
            return Ok(());
        }
        if read == 0 && packed.len() == written {
            return Err(ArchiveError::Compressor);
        }
    }
}

/// What a piece is not: what it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packed piece is not what was written")]
pub struct DamagedPiece;

/// What is said of a piece beside it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceSums {
    /// Its size unpacked.
    pub bytes: u64,
    /// Its size.
    pub packed_bytes: u64,
    /// CRC-32 of it unpacked.
    pub crc32: u32,
    /// Where it was packed to stand, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passage: Option<Passage>,
}

/// What a piece does to the sum of the file that it was packed for: where it does stand so, nobody has to unpack it for that.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// SHA-256 of the file up to the piece,
    before: Sum,
    /// and up to its end.
    behind: Sum,
    /// CRC-32 of the piece as it is packed, and of what is said of it: that all of it is as it was written.
    whole_crc32: u32,
}

impl Passage {
    fn new(before: Sum, behind: Sum, bytes: u64, crc32: u32, packed: &[u8]) -> Self {
        let mut whole = crc32fast::Hasher::new();
        whole.update(packed);
        whole.update(&bytes.to_le_bytes());
        whole.update(&crc32.to_le_bytes());
        whole.update(&behind.clone().bytes());
        Self { before, behind, whole_crc32: whole.finalize() }
    }
}

/// A piece of a file.
pub struct Piece {
    sums: PieceSums,
    packed: Bytes,
}

impl Piece {
    /// A piece with what was said of it.
    #[must_use]
    pub fn new(sums: PieceSums, packed: Bytes) -> Self {
        Self { sums, packed }
    }

    /// What is said of it.
    #[must_use]
    pub fn sums(&self) -> &PieceSums {
        &self.sums
    }

    /// The sum of a file up to this piece's end, if the piece was packed to stand behind what has this sum.
    pub fn sum_behind(&self, sum: &Sum) -> Result<Option<Sum>, DamagedPiece> {
        let Some(passage) = self.sums.passage.as_ref().filter(|passage| passage.before == *sum) else {
            return Ok(None);
        };
        let Passage { before, behind, .. } = passage.clone();
        let is_whole = Passage::new(before, behind, self.sums.bytes, self.sums.crc32, &self.packed) == *passage;
        if is_whole && self.packed.ends_with(&EDGE) { Ok(Some(passage.behind.clone())) } else { Err(DamagedPiece) }
    }

    /// The sum of the file up to its end, if it was packed to stand in one.
    pub(super) fn passed(&self) -> Option<&Sum> {
        self.sums.passage.as_ref().map(|passage| &passage.behind)
    }

    /// It, as it goes into the stream.
    #[must_use]
    pub fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Unpacks it, and gives it away little by little until there is no more or no more is wanted. Whoever took all of it
    /// knows by the answer that it is what was written, and ends where another one may follow.
    pub fn unpack(&self, take: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), DamagedPiece> {
        let (mut inflate, mut out, mut crc) = (Decompress::new(false), vec![0; CHUNK], crc32fast::Hasher::new());
        let mut left = self.packed.as_ref();
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            match inflate.decompress(left, &mut out, FlushDecompress::None) {
                Ok(Status::StreamEnd) | Err(_) => return Err(DamagedPiece),
                Ok(_) => {}
            }
            let read = usize::try_from(inflate.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(inflate.total_out() - written).unwrap_or(usize::MAX);
            left = left.get(read..).ok_or(DamagedPiece)?;
            let content = out.get(..written).ok_or(DamagedPiece)?;
            if inflate.total_out() > self.sums.bytes {
                return Err(DamagedPiece);
            }
            crc.update(content);
            if !content.is_empty() && take(content).is_break() {
                return Ok(());
            }
            if read == 0 && written == 0 {
                break;
            }
        }
        let is_whole = left.is_empty() && inflate.total_out() == self.sums.bytes && crc.finalize() == self.sums.crc32;
        if is_whole && self.packed.ends_with(&EDGE) { Ok(()) } else { Err(DamagedPiece) }
    }
}

/// Makes a piece.
pub struct Packer {
    compressor: Compress,
    raw: Vec<u8>,
    packed: Vec<u8>,
    crc: crc32fast::Hasher,
    bytes: u64,
    /// The sum of the file before the piece, and up to what is packed.
    sums: Option<(Sum, Sum)>,
}

impl Packer {
    /// A piece that will stand behind what has this sum; none if that is not known.
    #[must_use]
    pub fn new(behind: Option<Sum>) -> Self {
        let compressor = Compress::new(Packing::Deflate.level(), false);
        let sums = behind.map(|sum| (sum.clone(), sum));
        Self { compressor, raw: Vec::new(), packed: Vec::new(), crc: crc32fast::Hasher::new(), bytes: 0, sums }
    }

    /// Adds content.
    pub fn write(&mut self, content: &[u8]) -> Result<(), ArchiveError> {
        self.raw.extend_from_slice(content);
        if self.raw.len() >= CHUNK { self.pack(FlushCompress::None) } else { Ok(()) }
    }

    /// The piece.
    pub fn finish(mut self) -> Result<Piece, ArchiveError> {
        self.pack(FlushCompress::Sync)?;
        let (bytes, packed_bytes, crc32) = (self.bytes, self.packed.len() as u64, self.crc.finalize());
        let passage = self.sums.map(|(before, behind)| Passage::new(before, behind, bytes, crc32, &self.packed));
        let sums = PieceSums { bytes, packed_bytes, crc32, passage };
        Ok(Piece::new(sums, self.packed.into()))
    }

    fn pack(&mut self, flush: FlushCompress) -> Result<(), ArchiveError> {
        self.bytes += self.raw.len() as u64;
        self.crc.update(&self.raw);
        if let Some((_, behind)) = &mut self.sums {
            behind.update(&self.raw);
        }
        deflate(&mut self.compressor, &self.raw, &mut self.packed, flush)?;
        self.raw.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &[u8] = b"[\n";

    fn packed(content: &[u8], at_once: usize) -> Piece {
        let mut packer = Packer::new(Some(Sum::of(BEFORE)));
        content.chunks(at_once).for_each(|some| packer.write(some).unwrap());
        packer.finish().unwrap()
    }

    fn unpacked(piece: &Piece) -> Result<Vec<u8>, DamagedPiece> {
        let mut content = Vec::new();
        piece.unpack(&mut |some| {
            content.extend_from_slice(some);
            ControlFlow::Continue(())
        })?;
        Ok(content)
    }

    fn contents() -> [Vec<u8>; 4] {
        let noise: Vec<u8> = (0..200_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        [Vec::new(), b"x".to_vec(), b"{\"a\":1},\n".repeat(30_000), noise]
    }

    #[test]
    fn a_piece_is_the_same_every_time_and_gives_back_what_was_packed() {
        for content in contents() {
            for at_once in [100, 70_000, 1 << 20] {
                let piece = packed(&content, at_once);
                assert!(unpacked(&piece).as_ref() == Ok(&content));
                assert!(piece.packed() == packed(&content, at_once).packed());
            }
        }
    }

    #[test]
    fn a_piece_that_is_cut_off_changed_or_ended_is_damaged() {
        let content = b"{\"a\":1},\n".repeat(30_000);
        let piece = packed(&content, 1000);
        let (sums, whole) = (piece.sums().clone(), piece.packed().to_vec());
        let is_damaged =
            |sums: &PieceSums, packed: Vec<u8>| unpacked(&Piece::new(sums.clone(), packed.into())) == Err(DamagedPiece);
        let summed = |packed: &[u8]| {
            Piece::new(sums.clone(), packed.to_vec().into()).sum_behind(&Sum::of(BEFORE)).map(|sum| sum.map(Sum::hex))
        };
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            assert!(is_damaged(&sums, whole[..length].to_vec()), "{length}");
            assert!(summed(&whole[..length]) == Err(DamagedPiece), "{length}");
        }
        assert_eq!(summed(&whole), Ok(Some(Sum::of(&[BEFORE, &content].concat()).hex())));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            // A bit that only fills a byte up says nothing.
            assert!(summed(&changed) == Err(DamagedPiece), "{at}");
            let found = unpacked(&Piece::new(sums.clone(), changed.into()));
            assert!(found == Err(DamagedPiece) || found.as_ref() == Ok(&content), "{at}");
        }
        assert!(is_damaged(&sums, [whole.as_slice(), &[3, 0]].concat()), "a stream that ends");
        for wrong in
            [PieceSums { bytes: sums.bytes - 1, ..sums.clone() }, PieceSums { crc32: !sums.crc32, ..sums.clone() }]
        {
            assert!(is_damaged(&wrong, whole.clone()));
            assert!(Piece::new(wrong, whole.clone().into()).sum_behind(&Sum::of(BEFORE)) == Err(DamagedPiece));
        }
    }

    #[test]
    fn no_more_is_unpacked_than_is_wanted() {
        let (piece, mut taken) = (packed(&b"line\n".repeat(1 << 20), 1 << 20), 0);
        piece
            .unpack(&mut |some| {
                taken += some.len();
                ControlFlow::Break(())
            })
            .unwrap();
        assert_eq!(taken, CHUNK);
    }
}
