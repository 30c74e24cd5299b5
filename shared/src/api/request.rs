//! A call of the API, taken apart: method, route, id, headers, body.

use lambda_http::http::Method;
use lambda_http::{Body, Request};
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemKind};
use crate::request::RequestId;

/// Largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

/// What is wrong with a call before it reaches a handler.
pub type CallError = Problem;

/// A call.
pub struct Call {
    /// The method.
    pub method: Method,
    /// The parts of the path after `/v1/requests`, or after the place that was named.
    pub path: Vec<String>,
    request: Request,
}

impl Call {
    /// Takes a request apart. A stage's name in front of the path is passed over.
    pub fn parse(request: Request) -> Result<Self, CallError> {
        Self::parse_at("/v1/requests", request)
    }

    /// The same for another place than the requests.
    pub fn parse_at(place: &str, request: Request) -> Result<Self, CallError> {
        let path = request.uri().path();
        let after = path.split_once(place).map(|(_, after)| after).ok_or_else(Problem::not_found)?;
        let path = after.split('/').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
        Ok(Self { method: request.method().clone(), path, request })
    }

    /// The request id in the path.
    pub fn request_id(&self) -> Result<RequestId, CallError> {
        self.path.first().and_then(|id| id.parse().ok()).ok_or_else(Problem::not_found)
    }

    /// The `Idempotency-Key`: 1 to 255 visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<String, CallError> {
        let key = self.header("idempotency-key").unwrap_or_default();
        let well_formed = (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        if well_formed {
            return Ok(key.to_owned());
        }
        let detail = "Send 1 to 255 visible ASCII characters, a fresh UUID for example, and the same again if you repeat the call.";
        Err(Problem::new(ProblemKind::IdempotencyKeyMissing, detail))
    }

    /// A parameter of the query, as it stands there; none if it is not there.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        let pairs = self.request.uri().query()?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// A header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The body's bytes.
    pub fn body(&self) -> Result<&[u8], CallError> {
        let bytes = match self.request.body() {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(bytes) => bytes,
            _ => &[],
        };
        if bytes.len() > MAX_BODY {
            let detail = format!("Send at most {MAX_BODY} bytes.");
            return Err(Problem::new(ProblemKind::BodyTooLarge, detail));
        }
        Ok(bytes)
    }

    /// The body as JSON of this form. Says where it is wrong, never what is there.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        let body = self.body()?;
        serde_json::from_slice(body).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Data => "a field is missing, unknown, or of the wrong type",
                _ => "it is not JSON",
            };
            let detail = format!("The body cannot be read: {what} (line {}, column {}).", error.line(), error.column());
            Problem::new(ProblemKind::MalformedRequest, detail)
        })
    }
}
