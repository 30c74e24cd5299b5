//! Compressed text: which compression, and its streams.
//!
//! Whatever an object expands to, it is taken in steps of bounded size. A stream that is cut off or damaged is an error: its
//! rows cannot be known.

use std::io::{self, BufRead, Read, Write};

use bytes::{Buf as _, Bytes};
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{GzBuilder, GzHeader};

use super::FormatError;

/// How an object's text is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, of one member or several.
    Gzip,
    /// Zstandard, of one frame or several.
    Zstd,
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The levels that the tools use unless they are told: an object does not say with which level it was made.
const ZSTD_LEVEL: i32 = 3;

impl Compression {
    /// What an object is compressed with, by its first bytes. Neither text format can begin like a compressed one, whereas
    /// names and content types are often wrong, so they are not asked.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        // A Zstandard stream may begin with a skippable frame.
        let is_skippable = head.len() >= 4 && (0x50..=0x5f).contains(&head[0]) && head[1..4] == [0x2a, 0x4d, 0x18];
        if head.starts_with(&GZIP_MAGIC) {
            Self::Gzip
        } else if head.starts_with(&ZSTD_MAGIC) || is_skippable {
            Self::Zstd
        } else {
            Self::Plain
        }
    }
}

/// Bytes that have been fetched and not been read. Asks for more with [`io::ErrorKind::WouldBlock`], which both decoders
/// pass on and take up again from.
#[derive(Default)]
struct Fed {
    bytes: Bytes,
    ended: bool,
}

impl Read for Fed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Fed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.bytes)
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.advance(amount);
    }
}

/// Expands a stream that is fed to it.
pub(super) struct Decoder(Inner);

enum Inner {
    Gzip(Box<MultiGzDecoder<Fed>>, Option<GzHeader>),
    Zstd(zstd::stream::read::Decoder<'static, Fed>),
}

/// What a decoder has to give.
pub(super) enum Decoded {
    /// This many bytes.
    Some(usize),
    /// Nothing before it is fed.
    Hungry,
    /// Nothing: the stream is over.
    End,
}

impl Decoder {
    /// None if there is nothing to expand.
    pub(super) fn new(compression: Compression) -> Result<Option<Self>, FormatError> {
        Ok(match compression {
            Compression::Plain => None,
            Compression::Gzip => Some(Self(Inner::Gzip(Box::new(MultiGzDecoder::new(Fed::default())), None))),
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(Fed::default()).map_err(damaged)?;
                Some(Self(Inner::Zstd(decoder)))
            }
        })
    }

    /// Gives it the next of the stream; nothing more: the stream has ended.
    pub(super) fn feed(&mut self, bytes: Option<Bytes>) {
        let fed = match &mut self.0 {
            Inner::Gzip(decoder, _) => decoder.get_mut(),
            Inner::Zstd(decoder) => decoder.get_mut(),
        };
        match bytes {
            Some(bytes) => fed.bytes = bytes,
            None => fed.ended = true,
        }
    }

    /// Expands as much as there is room for.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<Decoded, FormatError> {
        let read = match &mut self.0 {
            Inner::Gzip(decoder, header) => {
                let read = decoder.read(into);
                if header.is_none() {
                    *header = decoder.header().cloned();
                }
                read
            }
            Inner::Zstd(decoder) => decoder.read(into),
        };
        match read {
            Ok(0) => Ok(Decoded::End),
            Ok(length) => Ok(Decoded::Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Decoded::Hungry),
            Err(error) => Err(damaged(error)),
        }
    }

    /// What makes a stream of the same kind, with the name and time that the old one has in its header.
    pub(super) fn encoder(&self) -> Result<Encoder, FormatError> {
        Ok(match &self.0 {
            Inner::Gzip(_, header) => {
                let mut builder = GzBuilder::new();
                if let Some(header) = header {
                    builder = builder.mtime(header.mtime()).operating_system(header.operating_system());
                    if let Some(name) = header.filename() {
                        builder = builder.filename(name);
                    }
                    if let Some(comment) = header.comment() {
                        builder = builder.comment(comment);
                    }
                    if let Some(extra) = header.extra() {
                        builder = builder.extra(extra);
                    }
                }
                Encoder::Gzip(builder.write(Vec::new(), flate2::Compression::default()))
            }
            Inner::Zstd(_) => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).map_err(damaged)?;
                encoder.include_checksum(true).map_err(damaged)?;
                Encoder::Zstd(encoder)
            }
        })
    }
}

/// Compresses what is written to it.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes).map_err(damaged),
            Self::Zstd(encoder) => encoder.write_all(bytes).map_err(damaged),
        }
    }

    /// What is ready, if it is at least this much.
    pub(super) fn take(&mut self, at_least: usize) -> Option<Vec<u8>> {
        let ready = match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        };
        (ready.len() >= at_least).then(|| std::mem::take(ready))
    }

    /// What is left when the stream ends.
    pub(super) fn finish(self) -> Result<Vec<u8>, FormatError> {
        match self {
            Self::Gzip(encoder) => encoder.finish().map_err(damaged),
            Self::Zstd(encoder) => encoder.finish().map_err(damaged),
        }
    }
}

/// The messages of the libraries may quote what they read; they are not passed on.
fn damaged(_: io::Error) -> FormatError {
    FormatError::Malformed("its compression cannot be undone")
}
