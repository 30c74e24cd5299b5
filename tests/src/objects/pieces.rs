//! What an object is made of here: stretches of what nobody changes any more. What is uploaded stays in memory or, if it is
//! large, is a file without a name; a part that is copied is a stretch of what it was copied from, and an object made of parts
//! is all of them one after the other: no byte is written twice, as little as in a real S3, whose copying costs its callers
//! nothing.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};

/// Bytes that are read from a file at a time.
const CHUNK: u64 = 256 << 10;

/// What has more bytes is a file.
const LARGE: usize = 1 << 20;

/// A stretch of what was uploaded.
#[derive(Clone)]
struct Piece {
    content: Content,
    stretch: Range<u64>,
}

/// What was uploaded.
#[derive(Clone)]
enum Content {
    Memory(Bytes),
    File(Arc<File>),
}

impl Content {
    /// Some of its bytes.
    fn read(&self, stretch: Range<u64>) -> io::Result<Bytes> {
        let size = usize::try_from(stretch.end - stretch.start).map_err(io::Error::other)?;
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(stretch.start).map_err(io::Error::other)?;
                Ok(bytes.slice(start..start + size))
            }
            Self::File(file) => {
                let mut bytes = vec![0; size];
                file.read_exact_at(&mut bytes, stretch.start)?;
                Ok(bytes.into())
            }
        }
    }
}

/// Stretches, one after the other.
#[derive(Clone, Default)]
pub(super) struct Pieces(Vec<Piece>);

impl Pieces {
    /// The bytes of a body, in a file in this folder if they are many; also their CRC32 as S3 writes it.
    pub(super) async fn of_body(body: StreamingBlob, folder: &Path) -> S3Result<(Self, String)> {
        let failed = |_| s3_error!(InternalError);
        let (mut memory, mut file) = (Vec::new(), None);
        let (mut body, mut crc32, mut size) =
            (body.map_err(|_| s3_error!(IncompleteBody)), crc32fast::Hasher::new(), 0);
        while let Some(bytes) = body.next().await.transpose()? {
            crc32.update(&bytes);
            size += bytes.len() as u64;
            memory.extend_from_slice(&bytes);
            if memory.len() > LARGE {
                if file.is_none() {
                    file = Some(tempfile::tempfile_in(folder).map_err(failed)?);
                }
                if let Some(file) = &mut file {
                    file.write_all(&memory).map_err(failed)?;
                }
                memory.clear();
            }
        }
        let content = match file {
            None => Content::Memory(memory.into()),
            Some(mut file) => {
                file.write_all(&memory).map_err(failed)?;
                Content::File(Arc::new(file))
            }
        };
        Ok((Self(vec![Piece { content, stretch: 0..size }]), written(crc32)))
    }

    /// All bytes, if they are at hand.
    pub(super) fn in_memory(&self) -> Option<&[u8]> {
        match self.0.as_slice() {
            [Piece { content: Content::Memory(bytes), stretch }]
                if stretch.end - stretch.start == bytes.len() as u64 =>
            {
                Some(bytes)
            }
            _ => None,
        }
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
        for Piece { content, stretch } in &self.0 {
            let end = at + stretch.end - stretch.start;
            let (from, to) = (range.start.max(at), range.end.min(end));
            if from < to {
                let stretch = stretch.start + from - at..stretch.start + to - at;
                slice.push(Piece { content: content.clone(), stretch });
            }
            at = end;
        }
        Self(slice)
    }

    /// Their bytes, chunk by chunk.
    fn chunks(self) -> impl Iterator<Item = io::Result<Bytes>> + Send + Sync + 'static {
        self.0.into_iter().flat_map(|Piece { content, stretch }| {
            let starts = stretch.clone().step_by(usize::try_from(CHUNK).unwrap_or(usize::MAX));
            starts.map(move |start| content.read(start..stretch.end.min(start + CHUNK)))
        })
    }

    /// A body of them.
    pub(super) fn into_body(self) -> StreamingBlob {
        StreamingBlob::wrap(futures::stream::iter(self.chunks()))
    }

    /// Their CRC32 as S3 writes it.
    pub(super) fn crc32(self) -> io::Result<String> {
        let mut crc32 = crc32fast::Hasher::new();
        for chunk in self.chunks() {
            crc32.update(&chunk?);
        }
        Ok(written(crc32))
    }
}

fn written(crc32: crc32fast::Hasher) -> String {
    STANDARD.encode(crc32.finalize().to_be_bytes())
}
