//! The API of a deployed stack, as the app's pages call it.

use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::DriveError;
use habeas::request::{Right, Status};

const TIMEOUT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(500);

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked for, without ids.
    pub action: String,
    /// The HTTP status.
    pub status: u16,
    /// The body; null if there is none.
    pub body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    pub fn expect(self, status: u16) -> Result<Value, DriveError> {
        if self.status == status {
            return Ok(self.body);
        }
        let part = |name: &str| self.body[name].as_str().unwrap_or_default().to_owned();
        let problem = format!("{} {}", part("type"), part("detail"));
        Err(DriveError::Refused { action: self.action, status: self.status, problem })
    }
}

/// A request to make.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The right.
    pub right: Right,
    /// Who, for whom is not signed in: `{"email": …}` or `{"phone_number": …}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Value>,
    /// The language to answer in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

impl Asked {
    /// By whom is signed in.
    #[must_use]
    pub fn signed_in(right: Right) -> Self {
        Self { right, identity: None, locale: None }
    }

    /// By an e-mail address.
    #[must_use]
    pub fn by_email(right: Right, address: &str) -> Self {
        Self { right, identity: Some(json!({"email": address})), locale: None }
    }

    /// By a phone number.
    #[must_use]
    pub fn by_phone(right: Right, number: &str) -> Self {
        Self { right, identity: Some(json!({"phone_number": number})), locale: None }
    }
}

/// A client of one stack's API. `token` is an id token of the sign-in or the token of a request.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
}

impl Api {
    /// For the API at an address.
    pub fn new(url: &str) -> Result<Self, DriveError> {
        Ok(Self { http: http_client()?, base: url.trim_end_matches('/').to_owned() })
    }

    /// `POST /v1/requests`.
    pub async fn submit(
        &self,
        asked: &Asked,
        idempotency_key: &str,
        token: Option<&str>,
    ) -> Result<Answer, DriveError> {
        let request = self.request(Method::POST, "", token).header("Idempotency-Key", idempotency_key).json(asked);
        self.send("POST /v1/requests", request).await
    }

    /// `GET /v1/requests`.
    pub async fn list(&self, token: &str) -> Result<Answer, DriveError> {
        self.send("GET /v1/requests", self.request(Method::GET, "", Some(token))).await
    }

    /// `GET /v1/requests/{id}`.
    pub async fn status(&self, id: &str, token: &str) -> Result<Answer, DriveError> {
        self.send("GET /v1/requests/{id}", self.request(Method::GET, &format!("/{id}"), Some(token))).await
    }

    /// `POST /v1/requests/{id}/verification`: sends another code.
    pub async fn send_code(&self, id: &str, token: Option<&str>) -> Result<Answer, DriveError> {
        let request = self.request(Method::POST, &format!("/{id}/verification"), token);
        self.send("POST /v1/requests/{id}/verification", request).await
    }

    /// `PUT /v1/requests/{id}/verification`.
    pub async fn answer_code(&self, id: &str, code: &str, token: Option<&str>) -> Result<Answer, DriveError> {
        let request = self.request(Method::PUT, &format!("/{id}/verification"), token).json(&json!({"code": code}));
        self.send("PUT /v1/requests/{id}/verification", request).await
    }

    /// `POST /v1/requests/{id}/confirmation`.
    pub async fn confirm(
        &self,
        id: &str,
        phrase: &str,
        device: Option<&str>,
        token: &str,
    ) -> Result<Answer, DriveError> {
        let mut body = json!({"phrase": phrase});
        if let Some(device) = device {
            body["device"] = json!(device);
        }
        let request = self.request(Method::POST, &format!("/{id}/confirmation"), Some(token)).json(&body);
        self.send("POST /v1/requests/{id}/confirmation", request).await
    }

    /// `DELETE /v1/requests/{id}`.
    pub async fn withdraw(&self, id: &str, token: &str) -> Result<Answer, DriveError> {
        self.send("DELETE /v1/requests/{id}", self.request(Method::DELETE, &format!("/{id}"), Some(token))).await
    }

    /// `GET /v1/requests/{id}/package`.
    pub async fn package(&self, id: &str, token: &str) -> Result<Answer, DriveError> {
        let request = self.request(Method::GET, &format!("/{id}/package"), Some(token));
        self.send("GET /v1/requests/{id}/package", request).await
    }

    /// `GET /v1/requests/{id}/evidence`.
    pub async fn evidence(&self, id: &str, token: &str) -> Result<Answer, DriveError> {
        let request = self.request(Method::GET, &format!("/{id}/evidence"), Some(token));
        self.send("GET /v1/requests/{id}/evidence", request).await
    }

    /// `POST /v1/plans`, as an operator. `identity` is `{"user_id": …}`, `{"email": …}` or `{"phone_number": …}`.
    pub async fn plan(&self, right: Right, identity: &Value, token: &str) -> Result<Answer, DriveError> {
        let body = json!({"right": right, "identity": identity});
        let request = self.http.post(format!("{}/v1/plans", self.base)).bearer_auth(token).json(&body);
        self.send("POST /v1/plans", request).await
    }

    /// `POST /v1/replays`, as an operator.
    pub async fn begin_replay(&self, body: &Value, token: &str) -> Result<Answer, DriveError> {
        let request = self.http.post(format!("{}/v1/replays", self.base)).bearer_auth(token).json(body);
        self.send("POST /v1/replays", request).await
    }

    /// `POST /v1/requests/{id}/decision`, as an operator.
    pub async fn decide(&self, id: &str, body: &Value, token: &str) -> Result<Answer, DriveError> {
        let url = format!("{}/v1/requests/{id}/decision", self.base);
        let request = self.http.post(url).bearer_auth(token).json(body);
        self.send("POST /v1/requests/{id}/decision", request).await
    }

    /// `GET /v1/replays/{id}`, as an operator.
    pub async fn replay(&self, id: &str, token: &str) -> Result<Answer, DriveError> {
        let request = self.http.get(format!("{}/v1/replays/{id}", self.base)).bearer_auth(token);
        self.send("GET /v1/replays/{id}", request).await
    }

    /// What a link to a package leads to.
    pub async fn download(&self, url: &str) -> Result<Vec<u8>, DriveError> {
        const ACTION: &str = "downloading the package";
        // The link carries a signature: errors must not repeat it.
        let failed = |error: reqwest::Error| DriveError::call(ACTION)(error.without_url());
        let response = self.http.get(url).send().await.map_err(failed)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(DriveError::Refused { action: ACTION.to_owned(), status, problem: String::new() });
        }
        Ok(response.bytes().await.map_err(failed)?.to_vec())
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}/v1/requests{path}", self.base));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, action: &str, request: reqwest::RequestBuilder) -> Result<Answer, DriveError> {
        let failed = |error: reqwest::Error| DriveError::call(action)(error.without_url());
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let text = response.text().await.map_err(failed)?;
        let body = match serde_json::from_str(&text) {
            Ok(body) => body,
            Err(_) if text.is_empty() => Value::Null,
            Err(error) => return Err(DriveError::call(action)(error)),
        };
        Ok(Answer { action: action.to_owned(), status, body })
    }
}

/// Asks for a request's status until it is the wanted one, and gives what `GET /v1/requests/{id}` answered then.
///
/// # Errors
/// Also where the request has come to another end or needs attention, which no waiting changes.
pub async fn wait_for(api: &Api, id: &str, token: &str, wanted: Status, bound: Duration) -> Result<Value, DriveError> {
    let late = || DriveError::Late { what: format!("the status {} of request {id}", wanted.name()), bound };
    let asking = async {
        loop {
            let body = api.status(id, token).await?.expect(200)?;
            let status = body["status"].as_str().unwrap_or_default();
            if status == wanted.name() {
                return Ok(body);
            }
            if is_stuck(status) {
                let problem = format!("the request {id} is {status}, not {}", wanted.name());
                return Err(DriveError::Refused { action: "GET /v1/requests/{id}".to_owned(), status: 200, problem });
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(bound, asking).await.unwrap_or_else(|_| Err(late()))
}

/// Whether no waiting changes this status.
#[must_use]
pub fn is_stuck(status: &str) -> bool {
    let status = serde_json::from_value::<Status>(status.into());
    status.is_ok_and(|status| status.is_end() || status == Status::NeedsAttention)
}

/// An HTTP client that talks to the stack and nothing in between.
pub(super) fn http_client() -> Result<reqwest::Client, DriveError> {
    reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(DriveError::call("setting up HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_problem() {
        let body = json!({"type": "urn:habeas:problem:not-found", "status": 404, "detail": "There is none."});
        let answer = Answer { action: "GET /v1/requests/{id}".to_owned(), status: 404, body };
        let error = answer.expect(200).unwrap_err().to_string();
        assert_eq!(error, "GET /v1/requests/{id} answered 404: urn:habeas:problem:not-found There is none.");
        assert!(is_stuck("needs_attention") && is_stuck("expired"));
        assert!(!is_stuck("cooling_off") && !is_stuck("no such status"));
    }
}
