//! The one place where the time comes from. Everything else is handed a [`Clock`] or a [`Timestamp`].

use std::fmt::Debug;

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock, shifted by a fixed offset that is zero everywhere but on a local stack, where it lets a story
/// reach the end of a cooling-off period without waiting for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock {
    offset: SignedDuration,
}

impl SystemClock {
    /// A clock that runs `seconds` ahead of the machine's.
    #[must_use]
    pub fn ahead_by_seconds(seconds: i64) -> Self {
        Self { offset: SignedDuration::from_secs(seconds) }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
    fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.offset).unwrap_or(Timestamp::MAX)
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock(std::sync::Mutex<Timestamp>);

impl ManualClock {
    /// Stands at this moment.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self(std::sync::Mutex::new(moment))
    }

    /// Moves forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
