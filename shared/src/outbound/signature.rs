//! Signatures of calls as Standard Webhooks has them: HMAC-SHA-256 over id, moment and body.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use super::OutboundError;

/// How far the moment of a signature may be from ours: what was recorded cannot be played back for longer.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
/// Most keys of one secret: the one that holds and the one that is being changed, with some to spare.
const MAX_KEYS: usize = 4;

/// The keys of one secret. While one is being changed there are two; a call is signed with all, and any may sign to us.
pub struct Secrets(Vec<Vec<u8>>);

/// What goes into the headers of a signed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The moment is no number of seconds.
    #[error("the moment of the signature makes no sense")]
    MalformedMoment,
    /// It was signed too long ago, or in the future.
    #[error("the signature is not of these five minutes")]
    Stale,
    /// None of the signatures is of these keys over this body.
    #[error("the signature is not of this body")]
    Wrong,
}

impl Secrets {
    /// Reads a secret: one or more of `whsec_` and base64 of 24 to 64 bytes, with blanks between.
    pub fn parse(text: &str) -> Result<Self, OutboundError> {
        let key = |word: &str| {
            let bytes = STANDARD.decode(word.strip_prefix(PREFIX)?).ok()?;
            (24..=64).contains(&bytes.len()).then_some(bytes)
        };
        let keys: Option<Vec<_>> = text.split_whitespace().map(key).collect();
        match keys {
            Some(keys) if (1..=MAX_KEYS).contains(&keys.len()) => Ok(Self(keys)),
            _ => Err(OutboundError::MalformedSecret),
        }
    }

    /// Signs a body.
    #[must_use]
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> SignedHeaders {
        let timestamp = now.as_second().to_string();
        let signature = |key: &Vec<u8>| {
            format!("{VERSION}{}", STANDARD.encode(mac(key, id, &timestamp, body).finalize().into_bytes()))
        };
        let signature = self.0.iter().map(signature).collect::<Vec<_>>().join(" ");
        SignedHeaders { id: id.to_owned(), timestamp, signature }
    }
}

/// Whether a call that came is of somebody who has the secret, and of these minutes. Whoever gets the same id twice has to
/// know it again by themselves.
pub fn verify(secrets: &Secrets, headers: &SignedHeaders, body: &[u8], now: Timestamp) -> Result<(), SignatureError> {
    let moment = headers.timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let moment = moment.ok_or(SignatureError::MalformedMoment)?;
    if now.duration_since(moment).abs() > TOLERANCE {
        return Err(SignatureError::Stale);
    }
    let signatures = headers.signature.split(' ').take(MAX_KEYS * 2);
    let signatures = signatures.filter_map(|signature| STANDARD.decode(signature.strip_prefix(VERSION)?).ok());
    for signature in signatures {
        // `verify_slice` compares in constant time.
        if secrets.0.iter().any(|key| mac(key, &headers.id, &headers.timestamp, body).verify_slice(&signature).is_ok())
        {
            return Ok(());
        }
    }
    Err(SignatureError::Wrong)
}

fn mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}
