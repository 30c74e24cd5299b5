//! What each strategy amounts to in law, and where that is written.

use crate::policy::Strategy;

/// What a strategy amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The value is gone.
    Erasure,
    /// What is left identifies nobody and cannot be undone.
    Anonymisation,
    /// What is known of the person is taken out. What is left may still tell who they are.
    Redaction,
    /// A value of somebody else's takes the place of the person's, by chance, or nothing, where too few others have one. By
    /// itself it makes no row anonymous.
    Randomisation,
    /// Whoever holds a key, or guesses, can undo or recognise it: still personal data.
    Pseudonymisation,
    /// Nothing is done to the value.
    Unchanged,
}

impl Class {
    /// What this strategy amounts to.
    #[must_use]
    pub fn of(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::Erase | Strategy::Null => Self::Erasure,
            Strategy::Fixed(_)
            | Strategy::Detach
            | Strategy::Random
            | Strategy::RandomText(_)
            | Strategy::RandomFormat
            | Strategy::Generalise(_)
            | Strategy::SaltedHash => Self::Anonymisation,
            Strategy::Scan => Self::Redaction,
            Strategy::Hash | Strategy::Hmac | Strategy::Encrypt => Self::Pseudonymisation,
            Strategy::Shuffle => Self::Randomisation,
            Strategy::Keep => Self::Unchanged,
        }
    }

    /// Where it is written that it amounts to this. WP216 is Opinion 05/2014 of the Article 29 Working Party on
    /// anonymisation techniques.
    #[must_use]
    pub fn source(self) -> Option<&'static str> {
        match self {
            Self::Erasure => Some("PIPL Art. 47, GDPR Art. 17"),
            Self::Anonymisation => Some("PIPL Art. 73(4), GDPR Recital 26, WP216"),
            Self::Redaction => Some("WP216: taking identifiers out is not enough to be anonymous"),
            Self::Randomisation => {
                Some("WP216 3.1.2: permutation alone is no anonymisation; all else that tells must go too")
            }
            Self::Pseudonymisation => Some("PIPL Art. 73(3), GDPR Art. 4(5), WP216"),
            Self::Unchanged => None,
        }
    }
}
