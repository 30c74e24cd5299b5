//! Reads an archive front to back, once, in little memory, and takes none but the form that [`super::archive`] writes: what a
//! lenient reader would skip or read in two ways (gaps, a second file of the same name, a directory that says something
//! else than the files) is an error here.

use std::io::{self, BufRead, BufReader, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::archive::{
    ATTRIBUTES, DATE, DEFLATE, DESCRIPTOR, END, END64, ENTRY, FLAGS, LOCAL_HEADER, LOCATOR64, MADE_BY, VERSION,
    WrittenFile, ZIP64_EXTRA,
};
use super::sum::Sum;

/// Bytes that are unpacked at a time.
const CHUNK: usize = 1 << 16;

/// Why an archive is not sound.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),
    /// It ends in the middle.
    #[error("the archive is cut off")]
    CutOff,
    /// It does not begin as an archive, or goes on in another form.
    #[error("this is not an archive as Habeas writes it, or it was changed or packed anew (at byte {0})")]
    NotOurs(u64),
    /// The bytes of a file are not those that were written.
    #[error("{0} was changed: its bytes do not fit its checksum")]
    Damaged(String),
    /// The directory does not list what is there.
    #[error("{0} is otherwise in the directory of the archive than in the archive")]
    Directory(String),
    /// There is something behind the end.
    #[error("there is something behind the end of the archive")]
    Trailing,
}

/// An archive that is being read.
pub(super) struct Unzip<R> {
    input: BufReader<R>,
    offset: u64,
    inflate: Decompress,
    out: Vec<u8>,
}

impl<R: Read> Unzip<R> {
    /// Reads from the first byte on.
    #[must_use]
    pub(super) fn new(input: R) -> Self {
        let inflate = Decompress::new(false);
        Self { input: BufReader::with_capacity(CHUNK, input), offset: 0, inflate, out: vec![0; CHUNK] }
    }

    /// The path of the next file; none: the directory begins, to be read with [`Unzip::finish`].
    pub(super) fn next_path(&mut self) -> Result<Option<String>, ArchiveFault> {
        match self.u32()? {
            LOCAL_HEADER => {}
            ENTRY | END | END64 => return Ok(None),
            _ => return Err(self.not_ours()),
        }
        let fixed = [self.u16()?, self.u16()?, self.u16()?, self.u16()?, self.u16()?];
        let sums = [self.u32()?, self.u32()?, self.u32()?];
        let (length, extra) = (self.u16()?, self.u16()?);
        let name = self.bytes(usize::from(length))?;
        let zip64 = [self.u16()?, self.u16()?];
        let sizes = [self.u64()?, self.u64()?];
        let is_ours = fixed == [VERSION, FLAGS, DEFLATE, 0, DATE]
            && sums == [0, u32::MAX, u32::MAX]
            && (extra, zip64, sizes) == (20, [ZIP64_EXTRA, 16], [0, 0]);
        let path = String::from_utf8(name).map_err(|_| self.not_ours())?;
        if is_ours && is_safe(&path) { Ok(Some(path)) } else { Err(self.not_ours()) }
    }

    /// Reads the content of the file that [`Unzip::next_path`] named, and gives it away piece by piece.
    pub(super) fn content(&mut self, path: String, take: &mut dyn FnMut(&[u8])) -> Result<WrittenFile, ArchiveFault> {
        // Signature, sizes, sums: 30 bytes and the extra field.
        let offset = self.offset - 50 - path.len() as u64;
        let start = self.offset;
        let (mut crc, mut sum) = (crc32fast::Hasher::new(), Sum::default());
        self.inflate.reset(false);
        loop {
            let input = self.input.fill_buf().map_err(ArchiveFault::Unreadable)?;
            if input.is_empty() {
                return Err(ArchiveFault::CutOff);
            }
            let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(input, &mut self.out, FlushDecompress::None);
            let read = usize::try_from(self.inflate.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(self.inflate.total_out() - written).unwrap_or(usize::MAX);
            self.input.consume(read);
            self.offset += read as u64;
            let piece = &self.out[..written];
            crc.update(piece);
            sum.update(piece);
            take(piece);
            match status {
                Ok(Status::StreamEnd) => break,
                Ok(_) if read > 0 || written > 0 => {}
                _ => return Err(ArchiveFault::Damaged(path)),
            }
        }
        let (crc32, packed_bytes, bytes) = (crc.finalize(), self.offset - start, self.inflate.total_out());
        let fits =
            self.u32()? == DESCRIPTOR && self.u32()? == crc32 && self.u64()? == packed_bytes && self.u64()? == bytes;
        if !fits {
            return Err(ArchiveFault::Damaged(path));
        }
        Ok(WrittenFile { path, sha256: sum.hex(), bytes, packed_bytes, crc32, offset })
    }

    /// Reads the directory, whose first four bytes have been read, and sees that it lists these files and nothing follows
    /// it.
    pub(super) fn finish(mut self, files: &[WrittenFile]) -> Result<(), ArchiveFault> {
        let start = self.offset - 4;
        let mut bytes = start;
        for (number, file) in files.iter().enumerate() {
            // The first signature has told that the directory begins.
            if number > 0 && self.u32()? != ENTRY {
                return Err(ArchiveFault::Directory(file.path.clone()));
            }
            self.entry(file)?;
            bytes = self.offset;
        }
        let count = files.len() as u64;
        self.end(start, bytes - start, count, files.is_empty())?;
        match self.input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(ArchiveFault::Trailing),
            Err(error) => Err(ArchiveFault::Unreadable(error)),
        }
    }

    fn entry(&mut self, file: &WrittenFile) -> Result<(), ArchiveFault> {
        let wrong = || ArchiveFault::Directory(file.path.clone());
        let fixed = [self.u16()?, self.u16()?, self.u16()?, self.u16()?, self.u16()?, self.u16()?];
        let (crc32, packed_bytes, bytes) = (self.u32()?, self.u32()?, self.u32()?);
        let (length, extra, rest) = (self.u16()?, self.u16()?, [self.u16()?, self.u16()?, self.u16()?]);
        let (attributes, offset) = (self.u32()?, self.u32()?);
        let name = self.bytes(usize::from(length))?;
        let long = self.bytes(usize::from(extra))?;
        let (head, mut long) = long.split_at_checked(4).unwrap_or_default();
        let announced = [ZIP64_EXTRA.to_le_bytes(), extra.saturating_sub(4).to_le_bytes()].concat();
        let extra_is_ours = extra == 0 || head == announced;
        let mut value = |short: u32| {
            if short != u32::MAX {
                return Some(u64::from(short));
            }
            let (first, rest) = long.split_first_chunk::<8>()?;
            long = rest;
            Some(u64::from_le_bytes(*first))
        };
        let sizes = [value(bytes), value(packed_bytes), value(offset)];
        let fits = fixed == [MADE_BY, VERSION, FLAGS, DEFLATE, 0, DATE]
            && (rest, attributes, crc32) == ([0; 3], ATTRIBUTES, file.crc32)
            && name == file.path.as_bytes()
            && sizes == [Some(file.bytes), Some(file.packed_bytes), Some(file.offset)]
            && extra_is_ours
            && long.is_empty();
        if fits { Ok(()) } else { Err(wrong()) }
    }

    fn end(&mut self, start: u64, bytes: u64, count: u64, signature_is_read: bool) -> Result<(), ArchiveFault> {
        let at = if signature_is_read { start } else { self.offset };
        // With no file at all the signature that was read is that of the end itself, of which there is only one form.
        let mut signature = if signature_is_read { END } else { self.u32()? };
        if signature == END64 {
            let head = (self.u64()?, self.u16()?, self.u16()?);
            let disks = [self.u32()?, self.u32()?];
            let says = [self.u64()?, self.u64()?, self.u64()?, self.u64()?];
            let locator = (self.u32()?, self.u32()?, self.u64()?, self.u32()?);
            if (head, disks) != ((44, MADE_BY, VERSION), [0, 0])
                || says != [count, count, bytes, start]
                || locator != (LOCATOR64, 0, at, 1)
            {
                return Err(self.not_ours());
            }
            signature = self.u32()?;
        }
        let disks = [self.u16()?, self.u16()?];
        let counts = [self.u16()?, self.u16()?];
        let (says_bytes, says_start, comment) = (self.u32()?, self.u32()?, self.u16()?);
        let short = u16::try_from(count).unwrap_or(u16::MAX);
        let long = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let fits = signature == END
            && (disks, counts, comment) == ([0, 0], [short, short], 0)
            && (says_bytes, says_start) == (long(bytes), long(start));
        if fits { Ok(()) } else { Err(self.not_ours()) }
    }

    fn not_ours(&self) -> ArchiveFault {
        ArchiveFault::NotOurs(self.offset)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, ArchiveFault> {
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveFault::CutOff,
            _ => ArchiveFault::Unreadable(error),
        })?;
        self.offset += length as u64;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArchiveFault> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| ArchiveFault::CutOff)
    }

    fn u16(&mut self) -> Result<u16, ArchiveFault> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ArchiveFault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ArchiveFault> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Whether a path stays inside the folder that it is unpacked to, on every system.
fn is_safe(path: &str) -> bool {
    let part_is_safe = |part: &str| !matches!(part, "" | "." | "..");
    !path.contains(['\\', ':', '\0']) && path.split('/').all(part_is_safe)
}
