//! Request ids: 128 random bits, so that knowing one is having been told it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::{self, Random};

/// Not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 32 lower-case hexadecimal digits")]
pub struct NotARequestId;

/// The id of a request: 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

impl RequestId {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        Self(hex::encode(random::bytes::<16>(random)))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(digits: &str) -> Result<Self, NotARequestId> {
        let well_formed = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if well_formed { Ok(Self(digits.to_owned())) } else { Err(NotARequestId) }
    }
}

impl TryFrom<String> for RequestId {
    type Error = NotARequestId;

    fn try_from(digits: String) -> Result<Self, NotARequestId> {
        digits.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
