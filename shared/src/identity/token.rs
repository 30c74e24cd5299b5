//! Request-bound tokens, JWTs (HS256) under keys made from the digest keys. What a person who proved an address by code
//! holds instead of a sign-in opens one request, for half an hour. A receipt opens what became of one request, for good:
//! there is no personal data in that, and who has cancelled an account has nothing else to ask with.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::keys::DigestKeys;
use crate::request::RequestId;

/// How long a token works. Afterwards a new code gives a new one.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(30);
/// The audience that tells these tokens from every other.
pub const AUDIENCE: &str = "habeas:request";
const KEY_LABEL: &str = "request token";
/// The audience that tells receipts from every other token.
pub const RECEIPT_AUDIENCE: &str = "habeas:receipt";
const RECEIPT_KEY_LABEL: &str = "receipt";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Of a receipt. It does not end, and is the same whenever it is asked for.
#[derive(Serialize, Deserialize)]
struct ReceiptClaims {
    sub: String,
    aud: String,
}

/// The token is not ours, was changed, or has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid, or no longer")]
pub struct InvalidToken;

/// A token for a request, with the moment it stops to work.
pub fn issue(keys: &DigestKeys, request: &RequestId, now: Timestamp) -> Result<(String, Timestamp), InvalidToken> {
    let expires_at = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let claims = Claims {
        sub: request.as_str().to_owned(),
        aud: AUDIENCE.to_owned(),
        iat: now.as_second(),
        exp: expires_at.as_second(),
    };
    let key = EncodingKey::from_secret(&keys.derived(KEY_LABEL));
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|_| InvalidToken)?;
    Ok((token, expires_at))
}

/// The request that a token opens.
pub fn verify(keys: &DigestKeys, token: &str, now: Timestamp) -> Result<RequestId, InvalidToken> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    // The library reads the machine's clock; the expiry is checked below against the clock that was passed in.
    validation.validate_exp = false;
    for key in keys.derived_from_all(KEY_LABEL) {
        let decoded = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&key), &validation);
        if let Ok(decoded) = decoded {
            let live = now.as_second() < decoded.claims.exp;
            return if live { decoded.claims.sub.parse().map_err(|_| InvalidToken) } else { Err(InvalidToken) };
        }
    }
    Err(InvalidToken)
}

/// The receipt of a request.
pub fn receipt(keys: &DigestKeys, request: &RequestId) -> Result<String, InvalidToken> {
    let claims = ReceiptClaims { sub: request.as_str().to_owned(), aud: RECEIPT_AUDIENCE.to_owned() };
    let key = EncodingKey::from_secret(&keys.derived(RECEIPT_KEY_LABEL));
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|_| InvalidToken)
}

/// The request whose receipt this is.
pub fn verify_receipt(keys: &DigestKeys, token: &str) -> Result<RequestId, InvalidToken> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[RECEIPT_AUDIENCE]);
    validation.set_required_spec_claims(&["aud", "sub"]);
    validation.validate_exp = false;
    let decode = |key: &[u8]| jsonwebtoken::decode::<ReceiptClaims>(token, &DecodingKey::from_secret(key), &validation);
    let decoded = keys.derived_from_all(RECEIPT_KEY_LABEL).into_iter().find_map(|key| decode(&key).ok());
    decoded.and_then(|decoded| decoded.claims.sub.parse().ok()).ok_or(InvalidToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_no_token_and_a_token_is_no_receipt() {
        let keys = DigestKeys::parse(&format!(r#"{{"current":"k1","k1":"{}"}}"#, "a".repeat(64))).unwrap();
        let rotated =
            DigestKeys::parse(&format!(r#"{{"current":"k2","k1":"{}","k2":"{}"}}"#, "a".repeat(64), "b".repeat(64)));
        let request: RequestId = "1".repeat(32).parse().unwrap();
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let receipt = receipt(&keys, &request).unwrap();
        assert_eq!(verify_receipt(&keys, &receipt), Ok(request.clone()));
        assert_eq!(verify_receipt(&rotated.unwrap(), &receipt), Ok(request.clone()));
        assert_eq!(verify(&keys, &receipt, now), Err(InvalidToken));
        assert_eq!(verify_receipt(&keys, &issue(&keys, &request, now).unwrap().0), Err(InvalidToken));
        let mut forged = receipt.clone();
        forged.replace_range(receipt.len() - 2.., "AA");
        assert_eq!(verify_receipt(&keys, &forged), Err(InvalidToken));
    }

    #[test]
    fn a_token_opens_its_request_until_it_expires() {
        let keys = DigestKeys::parse(&format!(r#"{{"current":"k1","k1":"{}"}}"#, "a".repeat(64))).unwrap();
        let rotated =
            DigestKeys::parse(&format!(r#"{{"current":"k2","k1":"{}","k2":"{}"}}"#, "a".repeat(64), "b".repeat(64)));
        let request: RequestId = "1".repeat(32).parse().unwrap();
        let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let (token, expires_at) = issue(&keys, &request, now).unwrap();
        assert_eq!(verify(&keys, &token, now), Ok(request.clone()));
        assert_eq!(verify(&rotated.unwrap(), &token, now), Ok(request));
        assert_eq!(verify(&keys, &token, expires_at), Err(InvalidToken));
        let mut forged = token.clone();
        forged.replace_range(token.len() - 2.., "AA");
        assert_eq!(verify(&keys, &forged, now), Err(InvalidToken));
        assert_eq!(verify(&keys, "", now), Err(InvalidToken));
    }
}
