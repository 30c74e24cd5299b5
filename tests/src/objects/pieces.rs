//! What an object is made of here: stretches of files that nobody changes any more. A part that is uploaded is a file without
//! a name, a part that is copied is a stretch of what it was copied from, and an object made of parts is all of them one
//! after the other: no byte is written twice, as little as in a real S3, whose copying costs its callers nothing.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, TryStreamExt as _};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};

/// Bytes that are read from a file at a time.
const CHUNK: u64 = 256 << 10;

/// A stretch of a file.
#[derive(Clone)]
struct Piece {
    file: Arc<File>,
    stretch: Range<u64>,
}

/// Stretches of files, one after the other.
#[derive(Clone, Default)]
pub(super) struct Pieces(Vec<Piece>);

impl Pieces {
    /// A file as it is now. If another takes its name, this one stays.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let stretch = 0..file.metadata()?.len();
        Ok(Self(vec![Piece { file: Arc::new(file), stretch }]))
    }

    /// The bytes of a body, in a file without a name in this folder; also their CRC32 as S3 writes it.
    pub(super) async fn of_body(body: StreamingBlob, folder: &Path) -> S3Result<(Self, String)> {
        let mut file = tempfile::tempfile_in(folder).map_err(|_| s3_error!(InternalError))?;
        let (mut body, mut crc32, mut size) =
            (body.map_err(|_| s3_error!(IncompleteBody)), crc32fast::Hasher::new(), 0);
        while let Some(bytes) = body.next().await.transpose()? {
            crc32.update(&bytes);
            size += bytes.len() as u64;
            file.write_all(&bytes).map_err(|_| s3_error!(InternalError))?;
        }
        Ok((Self(vec![Piece { file: Arc::new(file), stretch: 0..size }]), written(crc32)))
    }

    /// These, one after the other.
    pub(super) fn together<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        Self(all.into_iter().flat_map(|pieces| pieces.0.iter().cloned()).collect())
    }

    pub(super) fn size(&self) -> u64 {
        self.0.iter().map(|piece| piece.stretch.end - piece.stretch.start).sum()
    }

    /// A range of them.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        let mut slice = Vec::new();
        let mut at = 0;
        for Piece { file, stretch } in &self.0 {
            let end = at + stretch.end - stretch.start;
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                let stretch = stretch.start + from - at..stretch.start + to - at;
                slice.push(Piece { file: file.clone(), stretch });
            }
            at = end;
        }
        Self(slice)
    }

    /// Their bytes, chunk by chunk.
    fn chunks(self) -> impl Iterator<Item = io::Result<Vec<u8>>> + Send + Sync + 'static {
        self.0.into_iter().flat_map(|Piece { file, stretch }| {
            let starts = stretch.clone().step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX));
            starts.map(move |start| {
                let mut bytes = vec![0; usize::try_from(CHUNK.min(stretch.end - start)).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, start)?;
                Ok(bytes)
            })
        })
    }

    /// A body of them.
    pub(super) fn into_body(self) -> StreamingBlob {
        StreamingBlob::wrap(futures::stream::iter(self.chunks().map(|chunk| chunk.map(Into::into))))
    }

    /// Their CRC32 as S3 writes it.
    pub(super) fn crc32(self) -> io::Result<String> {
        let mut crc32 = crc32fast::Hasher::new();
        for chunk in self.chunks() {
            crc32.update(&chunk?);
        }
        Ok(written(crc32))
    }

    /// Makes them a file of their own.
    pub(super) fn write(self, file: &mut File) -> io::Result<()> {
        self.chunks().try_for_each(|chunk| file.write_all(&chunk?))
    }
}

fn written(crc32: crc32fast::Hasher) -> String {
    STANDARD.encode(crc32.finalize().to_be_bytes())
}
