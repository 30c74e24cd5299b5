//! Signed calls to services that are called too seldom for an SDK crate each: Cognito, Lambda, CloudWatch Logs.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use habeas::clock::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::Value;

use super::DriveError;
use super::api::http_client;
use super::endpoints::Endpoints;

/// A client for them.
#[derive(Clone, Debug)]
pub struct Cloud {
    http: reqwest::Client,
    endpoint: String,
    region: String,
    credentials: Credentials,
}

impl Cloud {
    /// For the emulator that endpoints.json names.
    pub fn new(endpoints: &Endpoints) -> Result<Self, DriveError> {
        Ok(Self {
            http: http_client()?,
            endpoint: endpoints.endpoint.trim_end_matches('/').to_owned(),
            region: endpoints.region.clone(),
            credentials: Credentials::new(
                &endpoints.access_key_id,
                &endpoints.secret_access_key,
                None,
                None,
                "endpoints.json",
            ),
        })
    }

    /// A call in the JSON protocol: `target` is `AWSCognitoIdentityProviderService.AdminCreateUser` and the like.
    pub async fn json(&self, service: &str, target: &str, body: &Value) -> Result<Value, DriveError> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.send(target, service, Method::POST, "/", &headers, body.to_string()).await
    }

    /// A call in the REST protocol.
    pub async fn rest(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, DriveError> {
        let action = format!("{method} {path}");
        let headers = [("content-type", "application/json")];
        self.send(&action, service, method, path, &headers, body.map_or_else(String::new, Value::to_string)).await
    }

    /// What the emulator itself tells of what was sent.
    pub(super) async fn inspect(&self, path: &str) -> Result<Value, DriveError> {
        let failed = |error: reqwest::Error| DriveError::call("reading the emulator's mail")(error.without_url());
        let response = self.http.get(format!("{}{path}", self.endpoint)).send().await.map_err(failed)?;
        response.json().await.map_err(failed)
    }

    async fn send(
        &self,
        action: &str,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Value, DriveError> {
        let url = format!("{}{path}", self.endpoint);
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemClock::default().now().into())
            .settings(SigningSettings::default())
            .build()
            .map_err(DriveError::call(action))?
            .into();
        let signable = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method.as_str(), url.as_str(), headers.iter().copied(), signable)
            .map_err(DriveError::call(action))?;
        let (instructions, _) = sign(signable, &params).map_err(DriveError::call(action))?.into_parts();
        let mut request = self.http.request(method, url.as_str());
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        let failed = |error: reqwest::Error| DriveError::call(action)(error.without_url());
        let response = request.body(body).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(failed)?;
        let answer: Value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).map_err(DriveError::call(action))?
        };
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        // The name of the error only: its message may repeat what was sent.
        let problem = answer["__type"].as_str().unwrap_or("(no error name)").to_owned();
        Err(DriveError::Refused { action: action.to_owned(), status, problem })
    }
}
