//! Operators of the controller: people whose sign-in carries the claim that the deployment names.
//!
//! The rule of this file: who may act as an operator is decided here, for every function that lets operators do something.

use jiff::{SignedDuration, Timestamp};

use super::caller::{Caller, CallerError};
use super::keys::DigestKeys;
use super::oidc::SignInVerifier;

/// How long after a sign-in an operator may act by it.
pub const OPERATOR_SIGN_IN_MAX_AGE: SignedDuration = SignedDuration::from_mins(30);

/// Which claim makes a sign-in an operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorClaim {
    /// Its name, such as `cognito:groups`. People must not be able to set it themselves.
    pub claim: String,
    /// What it says, or what is in the list that it is.
    pub value: String,
}

impl OperatorClaim {
    /// The claim; none if either part is empty, so that nobody is an operator.
    #[must_use]
    pub fn new(claim: String, value: String) -> Option<Self> {
        (!claim.is_empty() && !value.is_empty()).then_some(Self { claim, value })
    }

    /// Whether a token's claims have it.
    #[must_use]
    pub fn is_in(&self, claims: &serde_json::Value) -> bool {
        match &claims[self.claim.as_str()] {
            serde_json::Value::String(text) => *text == self.value,
            serde_json::Value::Array(values) => values.iter().any(|value| value.as_str() == Some(&self.value)),
            _ => false,
        }
    }
}

/// An operator who has just signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Keyed digest of their user id.
    pub digest: String,
}

/// Why somebody may not act as an operator.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The deployment has no operators.
    #[error("no claim says who is an operator")]
    NotSetUp,
    /// Not signed in, or by a token that is of no use here.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// Signed in as somebody else.
    #[error("the sign-in is not an operator's")]
    NotAnOperator {
        /// Keyed digest of their user id; none for the holder of a request's token.
        digest: Option<String>,
    },
    /// Signed in too long ago.
    #[error("the operator signed in more than {} minutes ago", OPERATOR_SIGN_IN_MAX_AGE.as_mins())]
    TooOld,
}

/// Tells operators from everybody else.
pub struct Operators {
    /// The digest keys.
    pub keys: DigestKeys,
    /// Checks sign-ins.
    pub sign_ins: SignInVerifier,
}

impl Operators {
    /// The operator who makes a call, by its `Authorization` header. Whoever has signed in and is none is a line of the log,
    /// by a digest, with what they did in words (`asked for a replay`).
    pub async fn of(&self, header: Option<&str>, now: Timestamp, what: &str) -> Result<Operator, OperatorError> {
        let operator = Operator::from_header(header, &self.keys, &self.sign_ins, now).await;
        if let Err(OperatorError::NotAnOperator { digest }) = &operator {
            tracing::warn!(caller = digest, "somebody who is no operator {what}");
        }
        operator
    }
}

impl Operator {
    /// Reads the `Authorization` header.
    pub async fn from_header(
        header: Option<&str>,
        keys: &DigestKeys,
        verifier: &SignInVerifier,
        now: Timestamp,
    ) -> Result<Self, OperatorError> {
        if !verifier.has_operators() {
            return Err(OperatorError::NotSetUp);
        }
        let (digests, sign_in) = match Caller::from_header(header, keys, verifier, now).await? {
            Caller::SignedIn { digests, sign_in } => (digests, sign_in),
            Caller::TokenHolder(_) | Caller::ReceiptHolder(_) => {
                return Err(OperatorError::NotAnOperator { digest: None });
            }
            Caller::Anonymous => return Err(CallerError::Invalid.into()),
        };
        let digest = digests.into_iter().next().unwrap_or_default();
        if !sign_in.is_operator {
            return Err(OperatorError::NotAnOperator { digest: Some(digest) });
        }
        if now.duration_since(sign_in.at) > OPERATOR_SIGN_IN_MAX_AGE {
            return Err(OperatorError::TooOld);
        }
        Ok(Self { digest })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::oidc::Issuer;

    #[tokio::test]
    async fn where_no_claim_is_named_nobody_is_an_operator() {
        let keys = DigestKeys::parse(&json!({"current": "k1", "k1": "a".repeat(64)}).to_string()).unwrap();
        let named = |name: &str| name.to_owned();
        let issuer = Issuer {
            issuer: named("https://sign-in.example"),
            audience: named("the-app"),
            keys_url: String::new(),
            subject_claim: named("sub"),
            operator: OperatorClaim::new(named("groups"), String::new()),
        };
        let verifier = SignInVerifier::new(issuer).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        for header in [None, Some("Bearer whatever")] {
            let refused = Operator::from_header(header, &keys, &verifier, now).await.unwrap_err();
            assert!(matches!(refused, OperatorError::NotSetUp), "{refused}");
        }
    }

    #[test]
    fn only_the_named_value_of_the_named_claim_makes_an_operator() {
        let claim = OperatorClaim::new("groups".to_owned(), "operators".to_owned()).unwrap();
        assert!(claim.is_in(&json!({"groups": "operators"})));
        assert!(claim.is_in(&json!({"groups": ["people", "operators"]})));
        for claims in [
            json!({}),
            json!({"groups": "people operators"}),
            json!({"groups": ["operators2", ["operators"], {"operators": true}]}),
            json!({"groups": {"operators": true}}),
            json!({"roles": ["operators"]}),
            json!({"groups": null}),
        ] {
            assert!(!claim.is_in(&claims), "{claims}");
        }
        assert_eq!(OperatorClaim::new("groups".to_owned(), String::new()), None);
        assert_eq!(OperatorClaim::new(String::new(), "operators".to_owned()), None);
    }
}
