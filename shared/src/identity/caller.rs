//! Who calls the API, from the `Authorization` header.

use jiff::Timestamp;

use super::keys::DigestKeys;
use super::oidc::{OidcError, SignIn, SignInVerifier};
use super::token;
use crate::request::{Request, RequestId};

/// Who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Somebody signed in to the app.
    SignedIn {
        /// Keyed digests of their user id, under every key.
        digests: Vec<String>,
        /// Who, and since when.
        sign_in: SignIn,
    },
    /// Somebody who proved an address by code for one request.
    TokenHolder(RequestId),
    /// Somebody with the receipt of one request, who may see what became of it and nothing else.
    ReceiptHolder(RequestId),
    /// Nobody that is known.
    Anonymous,
}

/// Why a caller is turned away.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// The header is there but is of no use.
    #[error("the Authorization header does not hold a valid bearer token")]
    Invalid,
    /// The issuer cannot be asked.
    #[error("the sign-in cannot be checked at the moment")]
    Unavailable(#[source] OidcError),
}

impl Caller {
    /// Reads the header. No header is an anonymous caller; a useless one is an error, never anonymous.
    pub async fn from_header(
        header: Option<&str>,
        keys: &DigestKeys,
        verifier: &SignInVerifier,
        now: Timestamp,
    ) -> Result<Self, CallerError> {
        let Some(header) = header else {
            return Ok(Self::Anonymous);
        };
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(CallerError::Invalid)?;
        let algorithm = jsonwebtoken::decode_header(token).map_err(|_| CallerError::Invalid)?.alg;
        if algorithm == jsonwebtoken::Algorithm::HS256 {
            let receipt = || token::verify_receipt(keys, token).map(Self::ReceiptHolder);
            let opened = token::verify(keys, token, now).map(Self::TokenHolder).or_else(|_| receipt());
            return opened.map_err(|_| CallerError::Invalid);
        }
        match verifier.verify(token, now).await {
            Ok(sign_in) => Ok(Self::SignedIn { digests: keys.user_id_under_all(sign_in.user_id.expose()), sign_in }),
            Err(OidcError::Invalid) => Err(CallerError::Invalid),
            Err(unavailable @ OidcError::Keys(_)) => Err(CallerError::Unavailable(unavailable)),
        }
    }

    /// Whether this request is theirs.
    #[must_use]
    pub fn may_see(&self, request: &Request) -> bool {
        match self {
            Self::SignedIn { digests, .. } => request.subject.as_ref().is_some_and(|subject| digests.contains(subject)),
            Self::TokenHolder(id) => *id == request.id,
            Self::ReceiptHolder(_) | Self::Anonymous => false,
        }
    }

    /// Whether they may see what became of this request.
    #[must_use]
    pub fn may_see_outcome(&self, request: &Request) -> bool {
        self.may_see(request) || matches!(self, Self::ReceiptHolder(id) if *id == request.id)
    }
}
