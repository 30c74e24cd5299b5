//! The environment, read once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::Queue;

/// What is wrong with the environment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A variable is not there.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable makes no sense.
    #[error("the environment variable {0} makes no sense")]
    Malformed(&'static str),
    /// The clock may only be shifted on a local stack.
    #[error("CLOCK_OFFSET_SECONDS is only for STAGE=local")]
    ShiftedClock,
}

/// Environment variables.
#[derive(Clone, Debug, Default)]
pub struct Settings(Arc<BTreeMap<String, String>>);

impl Settings {
    /// The process's environment.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::from_map(std::env::vars().collect()))
    }

    /// These variables: for tests.
    #[must_use]
    pub fn from_map(variables: BTreeMap<String, String>) -> Self {
        Self(Arc::new(variables))
    }

    /// A variable that must be there and not empty.
    pub fn required(&self, name: &'static str) -> Result<String, SettingError> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned().ok_or(SettingError::Missing(name))
    }

    /// A variable, or an empty text.
    #[must_use]
    pub fn optional(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// The queues that this function may send to.
    #[must_use]
    pub fn queue_urls(&self) -> BTreeMap<Queue, String> {
        let url = |queue: Queue| self.0.get(&format!("{}_QUEUE_URL", queue.name().to_uppercase())).cloned();
        Queue::ALL.into_iter().filter_map(|queue| Some((queue, url(queue)?))).collect()
    }

    /// How far the clock is shifted: for a local stack only.
    pub fn clock_offset_seconds(&self) -> Result<i64, SettingError> {
        let text = self.optional("CLOCK_OFFSET_SECONDS");
        let seconds = if text.is_empty() {
            0
        } else {
            text.parse().map_err(|_| SettingError::Malformed("CLOCK_OFFSET_SECONDS"))?
        };
        if seconds != 0 && self.optional("STAGE") != "local" {
            return Err(SettingError::ShiftedClock);
        }
        Ok(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_shifted_on_a_local_stack_only() {
        let settings = |stage: &str| {
            Settings::from_map(
                [("STAGE", stage), ("CLOCK_OFFSET_SECONDS", "60")].map(|(k, v)| (k.into(), v.into())).into(),
            )
        };
        assert_eq!(settings("local").clock_offset_seconds(), Ok(60));
        assert_eq!(settings("prod").clock_offset_seconds(), Err(SettingError::ShiftedClock));
    }
}
