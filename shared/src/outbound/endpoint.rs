//! Addresses that calls go to.

use std::fmt;

use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest address, in bytes.
const MAX_BYTES: usize = 2_048;

/// An address that calls go to: `https`, or `http` on this machine only. Without a user, a password or a fragment.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(Url);

/// Why an address cannot be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL, or too long.
    #[error("write an absolute URL of at most {MAX_BYTES} bytes")]
    Malformed,
    /// It is not encrypted.
    #[error("write an https URL (http is for this machine only)")]
    NotEncrypted,
    /// It holds what does not belong there.
    #[error("a URL to call has no user, password or fragment; a secret belongs into Secrets Manager")]
    HoldsMore,
}

impl Endpoint {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn to_url(&self) -> Url {
        self.0.clone()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        if text.len() > MAX_BYTES {
            return Err(EndpointError::Malformed);
        }
        let url = Url::parse(&text).map_err(|_| EndpointError::Malformed)?;
        let is_here = match url.host_str() {
            Some(host) => host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(is_loopback),
            None => return Err(EndpointError::Malformed),
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
            return Err(EndpointError::NotEncrypted);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(EndpointError::HoldsMore);
        }
        Ok(Self(url))
    }
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.is_loopback()
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0.into()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": MAX_BYTES})
    }
}
