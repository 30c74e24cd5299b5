//! What a person gave with a request besides who they are. Kept sealed, and dropped when the request ends.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AgeKey;

/// What a person gave with a request.
#[derive(Default, Serialize, Deserialize)]
pub struct Submission {
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the right needs to be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Map<String, Value>>,
    /// Whom the package is encrypted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypt_to: Option<AgeKey>,
}

impl Submission {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reason.is_none() && self.details.is_none() && self.encrypt_to.is_none()
    }
}
