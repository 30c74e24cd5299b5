//! Codes that prove who holds an address on file (NIST SP 800-63B-4 3.1.3: at least 20 bits, at most ten minutes, used
//! once, throttled).

use std::fmt;

use jiff::SignedDuration;
use subtle::ConstantTimeEq as _;

use super::keys::DigestKeys;
use crate::personal::Personal;
use crate::random::{self, Random};
use crate::request::RequestId;

/// Digits of a code: 26.5 bits.
pub const DIGITS: usize = 8;
/// How long a code works.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Wrong answers until a code is used up.
pub const MAX_ATTEMPTS: u8 = 5;
/// Codes that one request may have sent in all.
pub const MAX_SENDS: u8 = 10;
/// The shortest time between two codes.
pub const RESEND_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// Not a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code has {DIGITS} digits")]
pub struct NotACode;

/// A one-time code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(Personal<String>);

impl Code {
    /// A new one.
    pub fn new(random: &dyn Random) -> Self {
        let number = random::below(random, 10_u64.pow(8));
        Self(Personal::new(format!("{number:0DIGITS$}")))
    }

    /// Reads what a person typed; spaces and hyphens between digits do not count.
    pub fn parse(typed: &str) -> Result<Self, NotACode> {
        if typed.len() > 4 * DIGITS {
            return Err(NotACode);
        }
        let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let well_formed = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
        if well_formed { Ok(Self(Personal::new(digits))) } else { Err(NotACode) }
    }

    /// The digits, in two groups.
    pub fn expose_grouped(&self) -> String {
        let (first, second) = self.0.expose().split_at(DIGITS / 2);
        format!("{first} {second}")
    }

    /// What is stored instead of the code: a keyed digest, bound to the request and to which sending it was.
    pub fn digest(&self, keys: &DigestKeys, request: &RequestId, sending: u8) -> CodeDigest {
        CodeDigest(keys.labelled("code", &[request.as_str(), &sending.to_string(), self.0.expose()]))
    }
}

/// The stored form of a code.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct CodeDigest(String);

impl CodeDigest {
    /// A digest that no code has: compared with where there is none, so that it takes the same time.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self("0".repeat(67))
    }

    /// Whether it is the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CodeDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn a_code_matches_its_own_sending_only() {
        let keys = DigestKeys::parse(&format!(r#"{{"current":"k1","k1":"{}"}}"#, "a".repeat(64))).unwrap();
        let request: RequestId = "1".repeat(32).parse().unwrap();
        let code = Code::new(&SeededRandom::new(5));
        let typed = Code::parse(&code.expose_grouped()).unwrap();
        let digest = code.digest(&keys, &request, 1);
        assert!(digest.matches(&typed.digest(&keys, &request, 1)));
        assert!(!digest.matches(&typed.digest(&keys, &request, 2)));
        assert!(!digest.matches(&CodeDigest::of_nothing()));
        assert!(!format!("{code:?} {digest:?}").contains(&code.expose_grouped()[..4]));
    }

    #[test]
    fn what_is_not_eight_digits_is_no_code() {
        for typed in ["", "1234567", "123456789", "1234567a", "１２３４５６７８"] {
            assert_eq!(Code::parse(typed), Err(NotACode), "{typed}");
        }
    }
}
