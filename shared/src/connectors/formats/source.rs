//! What an object's bytes come from.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{ConnectorError, FormatError};

/// Bytes of one read of a stream. Few in unit tests, so that every boundary is met there.
pub(super) const CHUNK: u64 = if cfg!(test) { 997 } else { 2 << 20 };
/// Reads under way while a chunk is being worked on.
const AHEAD: usize = 2;

/// One version of an object.
#[async_trait]
pub trait Source: Send + Sync {
    /// Bytes of it.
    fn size(&self) -> u64;

    /// The bytes of a range, all of them.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, FormatError>;
}

/// A source that reads ahead of its reader.
pub type SourceRef = Arc<dyn Source>;

/// An object that is in memory.
pub struct MemorySource(Bytes);

impl MemorySource {
    /// These bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

#[async_trait]
impl Source for MemorySource {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, FormatError> {
        let outside = FormatError::Malformed("a range is outside the object");
        let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else {
            return Err(outside);
        };
        if start > end || end > self.0.len() {
            return Err(outside);
        }
        Ok(self.0.slice(start..end))
    }
}

/// Something that goes on while something else is done, and stops when nobody wants it any more.
pub(super) struct Ahead<T>(JoinHandle<Result<T, FormatError>>);

impl<T: Send + 'static> Ahead<T> {
    pub(super) fn start(work: impl Future<Output = Result<T, FormatError>> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    pub(super) async fn done(mut self) -> Result<T, FormatError> {
        (&mut self.0).await.map_err(|error| {
            let operation = "reading an object";
            FormatError::Connector(ConnectorError::Transient { operation, source: Box::new(error) })
        })?
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A source from its beginning to its end.
pub(super) struct Stream {
    source: SourceRef,
    next: u64,
    ahead: VecDeque<Ahead<Bytes>>,
}

impl Stream {
    pub(super) fn new(source: &SourceRef) -> Self {
        Self { source: source.clone(), next: 0, ahead: VecDeque::new() }
    }

    /// The next chunk; none at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, FormatError> {
        while self.ahead.len() <= AHEAD && self.next < self.source.size() {
            let end = self.source.size().min(self.next + CHUNK);
            let (source, range) = (self.source.clone(), self.next..end);
            self.ahead.push_back(Ahead::start(async move { source.read(range).await }));
            self.next = end;
        }
        match self.ahead.pop_front() {
            Some(read) => read.done().await.map(Some),
            None => Ok(None),
        }
    }
}
