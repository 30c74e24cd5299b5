//! What a new object's bytes go to.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::source::CHUNK;
use super::{FormatError, SourceRef};

/// An object that is being written, front to back. It is nothing yet: whoever made the sink completes it, or gives it up.
#[async_trait]
pub trait Sink: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), FormatError>;

    /// Appends a stretch of the source. A store that can copy it by itself need not have it read.
    async fn copy(&mut self, source: &SourceRef, range: Range<u64>) -> Result<(), FormatError> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + CHUNK);
            self.write(source.read(at..end).await?).await?;
            at = end;
        }
        Ok(())
    }
}

/// An object that is written into memory.
#[derive(Default)]
pub struct MemorySink {
    bytes: Vec<u8>,
}

impl MemorySink {
    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FormatError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
}
