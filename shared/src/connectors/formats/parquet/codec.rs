//! Compression of one page. The `parquet` crate compresses columns as a whole only.

use std::io::{Read as _, Write as _};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use parquet::basic::Compression;

/// A codec that pages are taken apart and put together with.
#[derive(Clone, Copy)]
pub(super) enum Codec {
    Plain,
    Snappy,
    /// With its level.
    Gzip(u32),
    /// With its level.
    Zstd(i32),
}

impl Codec {
    /// The codec of a column; none for those that few writers use. Levels are not in a file: these are the `parquet` crate's.
    pub(super) fn of(compression: Compression) -> Option<Self> {
        match compression {
            Compression::UNCOMPRESSED => Some(Self::Plain),
            Compression::SNAPPY => Some(Self::Snappy),
            Compression::GZIP(level) => Some(Self::Gzip(level.compression_level())),
            Compression::ZSTD(level) => Some(Self::Zstd(level.compression_level())),
            _ => None,
        }
    }

    /// Bytes that were compressed, so many; none if they are not.
    pub(super) fn decompress(self, bytes: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut decompressed = Vec::new();
        self.decompress_into(bytes, size, &mut decompressed)?;
        Some(decompressed)
    }

    /// The same, in the place of what a buffer holds.
    pub(super) fn decompress_into(self, bytes: &[u8], size: usize, into: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Plain => {
                into.clear();
                into.extend_from_slice(bytes);
            }
            Self::Snappy if snap::raw::decompress_len(bytes).ok()? == size => {
                into.resize(size, 0);
                snap::raw::Decoder::new().decompress(bytes, into).ok()?;
            }
            Self::Snappy => return None,
            Self::Gzip(_) => {
                into.clear();
                let most = u64::try_from(size).ok()?.checked_add(1)?;
                MultiGzDecoder::new(bytes).take(most).read_to_end(into).ok()?;
            }
            Self::Zstd(_) => {
                into.resize(size, 0);
                zstd::bulk::decompress_to_buffer(bytes, into.as_mut_slice()).ok().filter(|length| *length == size)?;
            }
        }
        (into.len() == size).then_some(())
    }

    pub(super) fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Plain => Some(bytes.to_vec()),
            Self::Snappy => snap::raw::Encoder::new().compress_vec(bytes).ok(),
            Self::Gzip(level) => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(level));
                encoder.write_all(bytes).ok()?;
                encoder.finish().ok()
            }
            Self::Zstd(level) => zstd::bulk::compress(bytes, level).ok(),
        }
    }
}
