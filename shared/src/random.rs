//! The one place where randomness comes from.

use std::fmt::Debug;

/// Fills buffers with unpredictable bytes.
pub trait Random: Debug + Send + Sync {
    /// Overwrites the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// If the operating system has no randomness to give: nothing that Habeas does is safe without it.
    #[expect(clippy::disallowed_methods, reason = "this is the source that everything else is handed")]
    #[expect(clippy::panic, reason = "no key, code or id may be made without randomness")]
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            panic!("the operating system gives no randomness: {error}");
        }
    }
}

/// Random bytes as an array.
pub fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut buffer = [0; N];
    random.fill(&mut buffer);
    buffer
}

/// A whole number below `bound`, every one equally likely. `bound` must not be zero.
pub fn below(random: &dyn Random, bound: u64) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let candidate = u64::from_le_bytes(bytes(random));
        if candidate < limit {
            return candidate % bound;
        }
    }
}

/// A predictable generator for tests: SHA-256 of a seed and a counter.
#[derive(Debug, Default)]
pub struct SeededRandom {
    counter: std::sync::atomic::AtomicU64,
    seed: u64,
}

impl SeededRandom {
    /// The same seed gives the same bytes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { counter: std::sync::atomic::AtomicU64::new(0), seed }
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        use sha2::Digest;
        for chunk in buffer.chunks_mut(32) {
            let count = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let block = sha2::Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(count.to_le_bytes());
            chunk.copy_from_slice(&block.finalize()[..chunk.len()]);
        }
    }
}
