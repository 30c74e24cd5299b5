//! Who is asking: keyed digests, sealed identities, codes and tokens.
//!
//! The rule of this room: what is stored about an identity is either a digest under a key that the ledger does not hold,
//! or encrypted and bound to its request; comparisons of secrets take the same time whatever they compare.

mod age_key;
pub mod caller;
pub mod code;
pub mod keys;
pub mod oidc;
pub mod operator;
pub mod reply;
pub mod seal;
mod submission;
pub mod token;

pub use age_key::{AgeKey, NotAnAgeKey};
pub use caller::Caller;
pub use code::{Code, CodeDigest};
pub use keys::{DigestKeys, KeyError};
pub use operator::{Operator, OperatorClaim, OperatorError, Operators};
pub use seal::{AppUser, Contact, DataKeys, SealError, Sealer, SubjectKeys};
pub use submission::Submission;
