//! Sign-in tokens of the app: JWTs of an `OpenID` Connect issuer, checked against its published keys.
//!
//! The functions check tokens themselves, and not the API's authorizer, because the same routes also serve people who
//! are not signed in (docs/decisions/0004-tokens.md).

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::operator::OperatorClaim;
use crate::personal::Personal;

/// Why a sign-in token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// Malformed, of another issuer or audience, expired, or not signed by the issuer.
    #[error("the sign-in token is not valid, or no longer")]
    Invalid,
    /// The issuer's keys cannot be read.
    #[error("the sign-in issuer's keys cannot be read")]
    Keys(#[source] reqwest::Error),
}

/// Who a token says is signed in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The app's id of the user.
    pub user_id: Personal<String>,
    /// When they last gave their password or the like (`auth_time`), or else when the token was made.
    pub at: Timestamp,
    /// Whether the token says that they are an operator of the controller.
    pub is_operator: bool,
}

/// What the controller's issuer is.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// Where its keys are; empty: `<issuer>/.well-known/jwks.json`.
    pub keys_url: String,
    /// The claim with the app's id of the user; usually `sub`.
    pub subject_claim: String,
    /// The claim of operators; none where nobody acts as one.
    pub operator: Option<OperatorClaim>,
}

/// Checks tokens of one issuer; keeps its keys for a bounded time.
pub struct SignInVerifier {
    issuer: Issuer,
    http: reqwest::Client,
    keys: Mutex<Option<(Timestamp, JwkSet)>>,
}

/// How long keys are kept.
const KEYS_LIFETIME: SignedDuration = SignedDuration::from_mins(60);
/// How soon an unknown key id may cause the keys to be read again.
const REFRESH_INTERVAL: SignedDuration = SignedDuration::from_mins(1);
/// Largest clock difference to the issuer that is forgiven.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::PS256];

impl SignInVerifier {
    /// Checks tokens of this issuer.
    pub fn new(issuer: Issuer) -> Result<Self, OidcError> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(3))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(OidcError::Keys)?;
        Ok(Self { issuer, http, keys: Mutex::new(None) })
    }

    /// Whether any sign-in can be an operator's.
    #[must_use]
    pub fn has_operators(&self) -> bool {
        self.issuer.operator.is_some()
    }

    /// Who is signed in by this token.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<SignIn, OidcError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| OidcError::Invalid)?;
        let id = header.kid.ok_or(OidcError::Invalid)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(OidcError::Invalid);
        }
        let key = self.key(&id, now).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&self.issuer.issuer]);
        validation.set_audience(&[&self.issuer.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // The library reads the machine's clock; the expiry is checked below against the clock that was passed in.
        validation.validate_exp = false;
        let claims =
            jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).map_err(|_| OidcError::Invalid)?.claims;
        let moment = |claim: &str| claims[claim].as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let expires_at = moment("exp").ok_or(OidcError::Invalid)?;
        let at = moment("auth_time").or_else(|| moment("iat")).ok_or(OidcError::Invalid)?;
        if now.duration_since(expires_at) > LEEWAY || at.duration_since(now) > LEEWAY {
            return Err(OidcError::Invalid);
        }
        let user_id = claims[self.issuer.subject_claim.as_str()].as_str().unwrap_or_default();
        if user_id.is_empty() || user_id.len() > 256 {
            return Err(OidcError::Invalid);
        }
        let is_operator = self.issuer.operator.as_ref().is_some_and(|operator| operator.is_in(&claims));
        Ok(SignIn { user_id: Personal::new(user_id.to_owned()), at, is_operator })
    }

    async fn key(&self, id: &str, now: Timestamp) -> Result<DecodingKey, OidcError> {
        let (kept, age) = {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = keys.as_ref().and_then(|(_, set)| set.find(id).cloned());
            (kept, keys.as_ref().map(|(at, _)| now.duration_since(*at)))
        };
        let usable = kept.filter(|_| age.is_some_and(|age| age < KEYS_LIFETIME));
        let jwk = match usable {
            Some(jwk) => jwk,
            None if age.is_some_and(|age| age < REFRESH_INTERVAL) => return Err(OidcError::Invalid),
            None => {
                let set = self.fetch().await?;
                let jwk = set.find(id).cloned();
                *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, set));
                jwk.ok_or(OidcError::Invalid)?
            }
        };
        DecodingKey::from_jwk(&jwk).map_err(|_| OidcError::Invalid)
    }

    async fn fetch(&self) -> Result<JwkSet, OidcError> {
        let url = if self.issuer.keys_url.is_empty() {
            format!("{}/.well-known/jwks.json", self.issuer.issuer.trim_end_matches('/'))
        } else {
            self.issuer.keys_url.clone()
        };
        let response = self.http.get(url).send().await.and_then(reqwest::Response::error_for_status);
        response.map_err(OidcError::Keys)?.json().await.map_err(OidcError::Keys)
    }
}
