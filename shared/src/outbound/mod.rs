//! Calls to services of the controller and of third parties: signed, bounded in time and size, never followed elsewhere.
//!
//! The rule of this room: an error says which kind of thing went wrong and whether to try again, never what was sent or what
//! came back. What is sent carries an id by which whoever gets it twice knows that it is the same.

mod endpoint;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

pub use endpoint::{Endpoint, EndpointError};
pub use signature::{Secrets, SignatureError, SignedHeaders, verify};

use crate::clock::Clock;

/// How long a call may take, from the first byte to the last.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to get a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Where the secrets of calls come from: Secrets Manager, or a stand-in in tests.
#[async_trait]
pub trait CallSecrets: Send + Sync {
    /// The text of a secret, by name or ARN. It may be some minutes old.
    async fn secret(&self, id: &str) -> Result<String, OutboundError>;
}

/// What goes wrong with a call.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// The secret cannot be read.
    #[error("the secret of a call cannot be read")]
    Secret(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The secret is not one: `whsec_` and base64 of 24 to 64 bytes, or a bearer token of visible ASCII.
    #[error("the secret of a call makes no sense")]
    MalformedSecret,
    /// The id of the call cannot stand in a header.
    #[error("the id of a call makes no sense")]
    MalformedId,
    /// Nobody answered, or not in time, or not to the end.
    #[error("there was no answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The answer is larger than is read.
    #[error("the answer has more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    /// The answer is no success.
    #[error("the answer was {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
    },
}

impl OutboundError {
    /// Whether the same call may succeed later: the other side was not there, had no time, or a secret is being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Secret(_) | Self::NoAnswer(_) => true,
            // 401 and 403 may be a secret that one side has changed and the other has not yet.
            Self::Refused { status } => matches!(status, 401 | 403 | 408 | 409 | 425 | 429 | 500..),
            Self::Client(_) | Self::MalformedSecret | Self::MalformedId | Self::TooLarge => false,
        }
    }
}

/// One call. The body is not printed: it may hold personal data.
#[derive(Clone)]
pub struct OutboundCall<'a> {
    /// Where to.
    pub url: &'a Endpoint,
    /// Id of the secret that the call is signed with, if it is.
    pub secret: Option<&'a str>,
    /// Id of the secret that is sent as a bearer token, if one is.
    pub bearer: Option<&'a str>,
    /// What is the same when the same is sent again: `webhook-id` and `Idempotency-Key`. Visible ASCII without a dot.
    pub id: &'a str,
    /// What the body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Whether what comes back is looked at. If it is not, its status and headers are the whole answer.
    pub reads_answer: bool,
}

/// A successful answer (2xx).
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most [`MAX_ANSWER_BYTES`]; as far as it came, if nobody looks at it.
    pub body: Vec<u8>,
}

/// Makes calls.
#[derive(Clone)]
pub struct Outbound {
    http: reqwest::Client,
    secrets: Arc<dyn CallSecrets>,
    clock: Arc<dyn Clock>,
}

impl Outbound {
    /// With these secrets. The clock dates signatures.
    pub fn new(secrets: Arc<dyn CallSecrets>, clock: Arc<dyn Clock>) -> Result<Self, OutboundError> {
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // Whoever is redirected would be told what was meant for somebody else.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("habeas/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| OutboundError::Client(error.without_url()))?;
        Ok(Self { http, secrets, clock })
    }

    /// Sends a body and reads the answer, once.
    ///
    /// # Errors
    /// Whatever is not a 2xx within ten seconds; where the answer is looked at, one of more than [`MAX_ANSWER_BYTES`] too.
    pub async fn post(&self, call: &OutboundCall<'_>) -> Result<Answered, OutboundError> {
        let headers = self.headers(call).await?;
        let request = self.http.post(call.url.to_url()).headers(headers).body(call.body.clone());
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        if !status.is_success() {
            return Err(OutboundError::Refused { status: status.as_u16() });
        }
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        let read = read(&mut response, &mut body).await;
        // Whoever has said that it took the call has taken it, however its answer goes on.
        if call.reads_answer {
            read?;
        }
        Ok(Answered { status: status.as_u16(), headers, body })
    }

    async fn headers(&self, call: &OutboundCall<'_>) -> Result<HeaderMap, OutboundError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        let id = HeaderValue::from_str(call.id).map_err(|_| OutboundError::MalformedId)?;
        if call.id.is_empty() || call.id.contains('.') {
            return Err(OutboundError::MalformedId);
        }
        headers.insert(HeaderName::from_static("idempotency-key"), id);
        if let Some(secret) = call.secret {
            let secrets = Secrets::parse(&self.secrets.secret(secret).await?)?;
            let signed = secrets.sign(call.id, self.clock.now(), &call.body);
            for (name, value) in [
                ("webhook-id", signed.id),
                ("webhook-timestamp", signed.timestamp),
                ("webhook-signature", signed.signature),
            ] {
                let value = HeaderValue::from_str(&value).map_err(|_| OutboundError::MalformedId)?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(bearer) = call.bearer {
            let token = self.secrets.secret(bearer).await?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                .map_err(|_| OutboundError::MalformedSecret)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

/// Reads a body, and no more than [`MAX_ANSWER_BYTES`] of it.
async fn read(response: &mut reqwest::Response, body: &mut Vec<u8>) -> Result<(), OutboundError> {
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(OutboundError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

fn no_answer(error: reqwest::Error) -> OutboundError {
    OutboundError::NoAnswer(error.without_url())
}

#[cfg(test)]
mod tests;
