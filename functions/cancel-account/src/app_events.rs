//! `POST /v1/app/events`: what the app tells and asks, by signed calls. A sign-in while a cancellation cools off takes it
//! back, if the policy says so. Whether an identity is that of a cancelled account, so that nobody gets at old data by
//! taking it over, the tombstones say.

use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::app::{FromApp, NotTheApp, is_of_app};
use habeas::ledger::{LedgerError, keys};
use habeas::outbound::SignedHeaders;
use habeas::personal::{Identity, IdentityKind};
use habeas::policy::AppWebhook;
use habeas::request::{Matter, Request, Right, Status};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde_json::{Value, json};

use crate::Function;

/// How often a withdrawal is tried to be written while the request changes under it.
const TRIES: usize = 5;
/// How long before a call has to be over no more of an account's requests are looked through.
const TIME_RESERVE: SignedDuration = SignedDuration::from_secs(5);

/// There may be a cancellation that was not looked at.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an account has more requests than can be looked through in one call")]
struct TooManyRequests;

impl Function {
    pub(crate) async fn app_event(&self, call: &Call, deadline: Timestamp) -> Result<Response<Body>, Problem> {
        let policy = self.platform.policies.policy(&self.current).await?;
        let app = policy.policy().app.as_ref().ok_or_else(Problem::not_found)?;
        self.check_signature(call, &app.webhook).await?;
        let answer = match call.json()? {
            FromApp::SignedIn { user_id, at } => {
                json!({"withdrawn": self.signed_in(&user_id, at, deadline).await?})
            }
            FromApp::Identity { kind, value } => self.was_cancelled(kind, &value).await?,
        };
        Ok(json_response(StatusCode::OK, &answer))
    }

    /// Whether there is a tombstone of an identity, and since when.
    async fn was_cancelled(&self, kind: IdentityKind, value: &str) -> Result<Value, Problem> {
        let identity = Identity::parse(kind, value);
        let identity = identity.map_err(|error| Problem::new(ProblemKind::MalformedRequest, error.to_string()))?;
        let digests = self.keys.identity_under_all(&identity);
        let since = self.platform.driver.ledger.cancelled_at(&digests).await?;
        Ok(json!({"cancelled": since.is_some(), "cancelled_at": since.map(keys::moment)}))
    }

    async fn check_signature(&self, call: &Call, webhook: &AppWebhook) -> Result<(), Problem> {
        let header = |name| call.header(name).unwrap_or_default().to_owned();
        let headers = SignedHeaders {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
        };
        let now = self.platform.driver.clock.now();
        match is_of_app(webhook, self.secrets.as_ref(), &headers, call.body()?, now).await {
            Ok(()) => Ok(()),
            Err(NotTheApp::Signature(_)) => {
                let detail =
                    "Sign the body as Standard Webhooks says, with the secret of app.webhook, and send it at once.";
                Err(Problem::new(ProblemKind::Unauthorized, detail))
            }
            Err(error @ NotTheApp::Secret(_)) => Err(Problem::unavailable(&error)),
        }
    }

    /// Takes back what cools off of an account; how many requests that were. All of the account's requests are looked at:
    /// whoever has stolen a session could otherwise hide a cancellation behind newer ones.
    async fn signed_in(&self, user_id: &str, at: Timestamp, deadline: Timestamp) -> Result<usize, Problem> {
        let mut withdrawn = 0;
        for digest in self.keys.user_id_under_all(user_id) {
            withdrawn += self.withdraw_all(&digest, at, deadline).await?;
        }
        Ok(withdrawn)
    }

    async fn withdraw_all(&self, digest: &str, at: Timestamp, deadline: Timestamp) -> Result<usize, Problem> {
        let (mut withdrawn, mut from) = (0, None);
        loop {
            let page = self.platform.driver.ledger.requests_page(digest, from).await?;
            for request in page.requests {
                withdrawn += usize::from(self.withdraw(request, at).await?);
            }
            if page.next.is_none() {
                return Ok(withdrawn);
            }
            from = page.next;
            if deadline.duration_since(self.platform.driver.clock.now()) < TIME_RESERVE {
                habeas::telemetry::error_chain(
                    "sign_in_not_heard",
                    "a sign-in may not have taken a cancellation back",
                    &TooManyRequests,
                );
                return Err(Problem::unavailable(&TooManyRequests));
            }
        }
    }

    /// Takes one request back, if it is a cancellation that was confirmed before the sign-in and cools off.
    async fn withdraw(&self, request: Request, at: Timestamp) -> Result<bool, Problem> {
        let driver = &self.platform.driver;
        let mut request = request;
        for _ in 0..TRIES {
            let cools_off = request.matter == Matter::Right(Right::AccountCancellation)
                && request.status == Status::CoolingOff
                && request.confirmed_at().is_some_and(|confirmed| at > confirmed);
            if !cools_off {
                return Ok(false);
            }
            let policy = self.platform.policies.policy(&request.policy).await?;
            if !policy.right(Right::AccountCancellation).is_some_and(|rule| rule.sign_in_withdraws) {
                return Ok(false);
            }
            let change =
                request.withdrawn_by_sign_in(at, driver.clock.now()).map_err(|error| Problem::internal(&error))?;
            match driver.ledger.commit(&change, Vec::new(), None).await {
                Ok(()) => {
                    driver.send_effects(&change).await;
                    return Ok(true);
                }
                Err(LedgerError::Conflict) => {
                    request = driver.ledger.request(&request.id).await?.ok_or_else(Problem::not_found)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::Conflict.into())
    }
}
