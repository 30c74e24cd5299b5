//! Errors over HTTP: problem details (RFC 9457).

use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde::Serialize;
use serde_json::json;

use crate::identity::caller::CallerError;
use crate::identity::{OperatorError, SealError};
use crate::ledger::LedgerError;
use crate::policy::{Pinned, in_language};
use crate::request::{Matter, Request, Right, Status};

/// What is wrong, in a word that a program can read. The API contract (infra/openapi.yaml) lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The body, or a part of it, is not as the contract says.
    MalformedRequest,
    /// The body is too large.
    BodyTooLarge,
    /// `Idempotency-Key` is missing or malformed.
    IdempotencyKeyMissing,
    /// The key was used with another body.
    IdempotencyKeyReused,
    /// The policy does not offer the right.
    RightNotOffered,
    /// Neither signed in nor an identity given.
    IdentityMissing,
    /// The token is of no use, or there is none where one is needed.
    Unauthorized,
    /// Only operators of the controller may do this.
    OperatorsOnly,
    /// There is no policy of that digest.
    PolicyUnknown,
    /// The sign-in is not fresh enough for this.
    SignInTooOld,
    /// There is no such request, or it is not the caller's.
    NotFound,
    /// The request's state does not allow it.
    Conflict,
    /// The code is not the one that was sent.
    CodeWrong,
    /// There is no code to be answered any more.
    CodeSpent,
    /// Wait before the next try.
    TooSoon,
    /// No more tries.
    TooMany,
    /// The phrase is not the one that was asked for.
    PhraseWrong,
    /// Something that the policy checks speaks against it.
    CheckFailed,
    /// It has been done, or is being done, and cannot be undone.
    Irreversible,
    /// The package is not finished, or there is none.
    PackageNotReady,
    /// The package has been deleted.
    PackageExpired,
    /// Try again later.
    Unavailable,
    /// It is our fault.
    Internal,
}

impl ProblemKind {
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => ("malformed-request", S::BAD_REQUEST, "The request is malformed"),
            Self::BodyTooLarge => ("body-too-large", S::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::IdempotencyKeyMissing => {
                ("idempotency-key-missing", S::BAD_REQUEST, "The Idempotency-Key header is missing or malformed")
            }
            Self::IdempotencyKeyReused => {
                ("idempotency-key-reused", S::CONFLICT, "The idempotency key was used for something else")
            }
            Self::RightNotOffered => ("right-not-offered", S::UNPROCESSABLE_ENTITY, "This right is not answered here"),
            Self::IdentityMissing => ("identity-missing", S::UNPROCESSABLE_ENTITY, "Nobody is named"),
            Self::Unauthorized => ("unauthorized", S::UNAUTHORIZED, "A valid token is needed"),
            Self::OperatorsOnly => ("operators-only", S::FORBIDDEN, "Only operators may do this"),
            Self::PolicyUnknown => ("policy-unknown", S::UNPROCESSABLE_ENTITY, "There is no such policy"),
            Self::SignInTooOld => ("sign-in-too-old", S::FORBIDDEN, "The sign-in is not fresh enough"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "There is no such request"),
            Self::Conflict => ("conflict", S::CONFLICT, "The request's state does not allow this"),
            Self::CodeWrong => ("code-wrong", S::UNPROCESSABLE_ENTITY, "The code is wrong"),
            Self::CodeSpent => ("code-spent", S::CONFLICT, "There is no code that could be answered"),
            Self::TooSoon => ("too-soon", S::TOO_MANY_REQUESTS, "Too soon"),
            Self::TooMany => ("too-many", S::TOO_MANY_REQUESTS, "Too often"),
            Self::PhraseWrong => ("phrase-wrong", S::UNPROCESSABLE_ENTITY, "The phrase is wrong"),
            Self::CheckFailed => ("check-failed", S::UNPROCESSABLE_ENTITY, "Something speaks against it at the moment"),
            Self::Irreversible => ("irreversible", S::GONE, "It cannot be undone any more"),
            Self::PackageNotReady => ("package-not-ready", S::CONFLICT, "There is no finished package"),
            Self::PackageExpired => ("package-expired", S::GONE, "The package has been deleted"),
            Self::Unavailable => ("unavailable", S::SERVICE_UNAVAILABLE, "Not available at the moment"),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "Something went wrong on our side"),
        }
    }
}

/// An error as the API answers it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}: {detail}")]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// What to do. Never what was sent.
    pub detail: String,
    /// The checks that failed, where it is about those.
    pub checks: Vec<FailedCheck>,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedCheck {
    /// Its id in the policy.
    pub id: String,
    /// What the person can do, in their language.
    pub what_to_do: String,
}

impl Problem {
    /// A problem with what to do about it.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), checks: Vec::new() }
    }

    /// With the checks that failed.
    #[must_use]
    pub fn with_checks(self, checks: Vec<FailedCheck>) -> Self {
        Self { checks, ..self }
    }

    /// What a call is answered that comes when a cancellation has begun or is done; any other request gets `otherwise`.
    #[must_use]
    pub fn after_the_end(request: &Request, policy: &Pinned, otherwise: &str) -> Self {
        let done = match request.status {
            _ if request.matter != Matter::Right(Right::AccountCancellation) => None,
            Status::Completed => Some("The account has been cancelled, which cannot be undone."),
            Status::Accepted | Status::InProgress | Status::NeedsAttention => {
                Some("The account is being cancelled, which cannot be undone any more.")
            }
            _ => None,
        };
        let Some(done) = done else { return Self::new(ProblemKind::Conflict, otherwise) };
        let language = policy.language(Some(&request.language));
        let complaint = in_language(&policy.policy().controller.complaint, language);
        Self::new(ProblemKind::Irreversible, format!("{done} {complaint}"))
    }

    /// An error of ours: logged with its chain here, told without it.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        crate::telemetry::error_chain("api_error", "a call failed", error);
        Self::new(ProblemKind::Internal, "Try again later. If it stays, tell the controller the time of this answer.")
    }

    /// An error that passes.
    pub fn unavailable(error: &dyn std::error::Error) -> Self {
        crate::telemetry::warn_chain("a call cannot be answered now", error);
        Self::new(ProblemKind::Unavailable, "Try again in a minute.")
    }

    /// "There is no such request", whether there is or not.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, "Check the id, and that the token is of the one who made the request.")
    }

    /// The answer.
    #[must_use]
    pub fn to_response(&self) -> Response<Body> {
        let (name, status, title) = self.kind.parts();
        let mut body = json!({
            "type": format!("urn:habeas:problem:{name}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
        });
        if !self.checks.is_empty() {
            body["checks"] = json!(self.checks);
        }
        let mut response = Response::new(Body::Text(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert("content-type", lambda_http::http::HeaderValue::from_static("application/problem+json"));
        headers.insert("cache-control", lambda_http::http::HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", lambda_http::http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Conflict => {
                Self::new(ProblemKind::Conflict, "The request was changed meanwhile; read it again.")
            }
            LedgerError::Service { .. } => Self::unavailable(&error),
            LedgerError::Replayed(_) | LedgerError::Malformed(_) | LedgerError::Missing(_) => Self::internal(&error),
        }
    }
}

impl From<CallerError> for Problem {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Invalid => Self::new(ProblemKind::Unauthorized, "Sign in again, or ask for a new code."),
            CallerError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::NotSetUp => Self::new(
                ProblemKind::OperatorsOnly,
                "Nobody is an operator yet: deploy the stack with OperatorClaim and OperatorValue.",
            ),
            OperatorError::NotAnOperator { .. } => {
                Self::new(ProblemKind::OperatorsOnly, "Sign in as an operator of the controller.")
            }
            OperatorError::TooOld => Self::new(ProblemKind::SignInTooOld, "Sign in again, then repeat the call."),
            OperatorError::Caller(CallerError::Invalid) => {
                Self::new(ProblemKind::Unauthorized, "Sign in as an operator of the controller.")
            }
            OperatorError::Caller(error) => error.into(),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        match error {
            SealError::KeyService(_) => Self::unavailable(&error),
            SealError::Malformed | SealError::DoesNotOpen => Self::internal(&error),
        }
    }
}

impl From<crate::aws::PolicySourceError> for Problem {
    fn from(error: crate::aws::PolicySourceError) -> Self {
        Self::unavailable(&error)
    }
}
