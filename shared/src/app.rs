//! The controller's own app: what it is told of accounts that are cancelled, what it is asked before, what it tells us.
//!
//! The rules of this room: the app gets the ids that it knows an account by, the request's number and moments, and nothing
//! else; every call is signed, in both directions, by the same secret.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::identity::AppUser;
use crate::ledger::{AppItem, keys};
use crate::outbound::{Answered, CallSecrets, Outbound, OutboundCall, OutboundError};
use crate::outbound::{Secrets, SignatureError, SignedHeaders, verify};
use crate::personal::IdentityKind;
use crate::policy::AppWebhook;
use crate::request::RequestId;

/// What the type of a question is.
const QUESTION: &str = "account.check";

/// Makes calls to the app: [`Outbound`], or a stand-in in tests.
#[async_trait]
pub trait AppCalls: Send + Sync {
    /// Sends a body and reads the answer, once.
    async fn post(&self, call: &OutboundCall<'_>) -> Result<Answered, OutboundError>;
}

#[async_trait]
impl AppCalls for Outbound {
    async fn post(&self, call: &OutboundCall<'_>) -> Result<Answered, OutboundError> {
        Self::post(self, call).await
    }
}

/// Why the app was not told or asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The policy does not say where it is.
    #[error("the policy says of no app where it is")]
    NoApp,
    /// The call did not succeed.
    #[error("the app did not take a call")]
    Call(#[from] OutboundError),
    /// The answer is not `{"ok": true}` or `{"ok": false}`.
    #[error("the app's answer to a question is not {{\"ok\": true}} or {{\"ok\": false}}")]
    Answer,
}

/// The app of a policy.
#[derive(Clone, Copy)]
pub struct App<'a> {
    /// Makes calls.
    pub calls: &'a dyn AppCalls,
    /// Where to.
    pub webhook: &'a AppWebhook,
}

/// What the app is asked.
pub struct Question<'a> {
    /// The request.
    pub request: &'a RequestId,
    /// The check that asks.
    pub check: &'a str,
    /// The question, as the policy has it.
    pub question: &'a str,
    /// About whom.
    pub user: &'a AppUser,
    /// Now.
    pub now: Timestamp,
}

#[derive(Deserialize)]
struct YesOrNo {
    ok: bool,
}

impl App<'_> {
    /// Tells the app what became of an account. Told twice it knows it by the id of the call.
    pub async fn tell(&self, request: &RequestId, message: &AppItem, user: &AppUser) -> Result<(), AppError> {
        let mut data = json!({"request_id": request, "user_ids": user.user_ids});
        if let Some(until) = message.until {
            data["until"] = json!(keys::moment(until));
        }
        let body = json!({"type": message.event.name(), "timestamp": keys::moment(message.at), "data": data});
        self.post(&format!("{request}-{}", message.number), &body, false).await?;
        Ok(())
    }

    /// Whether the app says yes.
    pub async fn ask(&self, asked: &Question<'_>) -> Result<bool, AppError> {
        let data = json!({
            "request_id": asked.request,
            "check": asked.check,
            "question": asked.question,
            "user_ids": asked.user.user_ids,
        });
        let body = json!({"type": QUESTION, "timestamp": keys::moment(asked.now), "data": data});
        // Asked again later, it is another question: what was true may not be any more.
        let id = format!("{}-{}-{}", asked.request, asked.check, asked.now.as_second());
        let answered = self.post(&id, &body, true).await?;
        let answer: YesOrNo = serde_json::from_slice(&answered.body).map_err(|_| AppError::Answer)?;
        Ok(answer.ok)
    }

    async fn post(&self, id: &str, body: &serde_json::Value, reads_answer: bool) -> Result<Answered, OutboundError> {
        let call = OutboundCall {
            url: &self.webhook.url,
            secret: Some(&self.webhook.secret),
            bearer: None,
            id,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            reads_answer,
        };
        self.calls.post(&call).await
    }
}

/// What the app tells or asks us. Ids of people do not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum FromApp {
    /// Somebody signed in.
    #[serde(rename = "account.signed_in")]
    SignedIn {
        /// Who.
        user_id: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody wants to sign up: is this the identity of an account that was cancelled?
    #[serde(rename = "identity.check")]
    Identity {
        /// Which kind of identity.
        kind: IdentityKind,
        /// The identity.
        value: String,
    },
}

/// Why a call is not of the app.
#[derive(Debug, thiserror::Error)]
pub enum NotTheApp {
    /// The secret cannot be read.
    #[error("the secret that the app signs with cannot be read")]
    Secret(#[from] OutboundError),
    /// The signature does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// Whether a call that came is of the app of a policy.
pub async fn is_of_app(
    webhook: &AppWebhook,
    secrets: &dyn CallSecrets,
    headers: &SignedHeaders,
    body: &[u8],
    now: Timestamp,
) -> Result<(), NotTheApp> {
    let secret = Secrets::parse(&secrets.secret(&webhook.secret).await?)?;
    Ok(verify(&secret, headers, body, now)?)
}
