//! A ZIP archive that is written once, front to back, into parts of an upload.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

/// Why the archive cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("the archive cannot be written")]
pub struct ArchiveError(#[from] zip::result::ZipError);

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        Self(error.into())
    }
}

/// What a file in the archive turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// Its path.
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// The archive. Write, then take what is ready to be uploaded.
pub struct Archive {
    zip: ZipWriter<StreamWriter<Pipe>>,
    pipe: Pipe,
    digest: Sha256,
    bytes: u64,
    file: Option<(String, Sha256, u64)>,
}

impl Default for Archive {
    fn default() -> Self {
        let pipe = Pipe::default();
        Self { zip: ZipWriter::new_stream(pipe.clone()), pipe, digest: Sha256::new(), bytes: 0, file: None }
    }
}

impl Archive {
    /// Begins a file. The one before must have ended. Compressed unless it is of a kind that already is.
    pub fn begin(&mut self, path: &str) -> Result<(), ArchiveError> {
        let stored = [".jpg", ".jpeg", ".png", ".gif", ".webp", ".mp4", ".zip", ".gz"];
        let is_packed = stored.iter().any(|ending| path.ends_with(ending));
        let method = if is_packed { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        // No modification time: the same content gives the same bytes. ZIP64 from the start, since the size of a streamed
        // file is only known at its end.
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        self.zip.start_file(path, options)?;
        self.file = Some((path.to_owned(), Sha256::new(), 0));
        Ok(())
    }

    /// Writes to the file that was begun.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        if let Some((_, digest, size)) = &mut self.file {
            digest.update(bytes);
            *size += bytes.len() as u64;
        }
        self.zip.write_all(bytes)?;
        Ok(())
    }

    /// Ends the file that was begun.
    pub fn end(&mut self) -> FileDigest {
        let (path, digest, bytes) = self.file.take().unwrap_or_default();
        FileDigest { path, sha256: hex::encode(digest.finalize()), bytes }
    }

    /// Takes what is ready, if it is at least this much.
    pub fn take(&mut self, at_least: usize) -> Option<Vec<u8>> {
        let ready = self.pipe.take(at_least)?;
        self.digest.update(&ready);
        self.bytes += ready.len() as u64;
        Some(ready)
    }

    /// Ends the archive: what is left of it, its SHA-256 and its size.
    pub fn finish(mut self) -> Result<(Vec<u8>, String, u64), ArchiveError> {
        self.zip.finish()?;
        let rest = self.pipe.take(0).unwrap_or_default();
        self.digest.update(&rest);
        let bytes = self.bytes + rest.len() as u64;
        Ok((rest, hex::encode(self.digest.finalize()), bytes))
    }
}

/// What the archive writes into and the upload takes from.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    fn take(&self, at_least: usize) -> Option<Vec<u8>> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (buffer.len() >= at_least).then(|| std::mem::take(&mut *buffer))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_streamed_archive_reads_back_and_is_the_same_every_time() {
        let make = || {
            let mut archive = Archive::default();
            let mut uploaded = Vec::new();
            archive.begin("data/a.json").unwrap();
            for number in 0..2000 {
                archive.write(format!("{{\"n\":{number}}}\n").as_bytes()).unwrap();
                uploaded.extend(archive.take(1024).unwrap_or_default());
            }
            let digest = archive.end();
            let (rest, sha256, bytes) = archive.finish().unwrap();
            uploaded.extend(rest);
            assert_eq!(bytes, uploaded.len() as u64);
            assert_eq!(sha256, hex::encode(Sha256::digest(&uploaded)));
            (uploaded, digest)
        };
        let ((bytes, digest), (again, _)) = (make(), make());
        assert_eq!(bytes, again);
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        zip.by_name("data/a.json").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(digest.bytes, text.len() as u64);
        assert_eq!(digest.sha256, hex::encode(Sha256::digest(&text)));
        assert_eq!(text.lines().count(), 2000);
    }
}
