//! Seals what must be kept of an identity while a request lives: AES-256-GCM under a KMS data key, bound to the request
//! and to what it is for.
//!
//! Layout of a sealed value, base64: version (1 byte, 1), length of the encrypted data key (2 bytes, big endian), the
//! encrypted data key, nonce (12 bytes), ciphertext with tag.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::personal::IdentityKind;
use crate::random::{self, Random};
use crate::request::RequestId;

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key service did not answer.
    #[error("the key service did not give a data key")]
    KeyService(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The bytes are no sealed value.
    #[error("a sealed value is malformed")]
    Malformed,
    /// It was sealed for something else, under another key, or was changed.
    #[error("a sealed value does not open for this request")]
    DoesNotOpen,
}

/// A fresh data key, in the clear and encrypted.
#[derive(Clone)]
pub struct DataKey {
    /// 32 bytes.
    pub clear: [u8; 32],
    /// What the key service makes the clear key of again.
    pub encrypted: Vec<u8>,
}

/// Where data keys come from: KMS, or a stand-in in tests.
#[async_trait]
pub trait DataKeys: Send + Sync {
    /// A new one.
    async fn generate(&self) -> Result<DataKey, SealError>;
    /// The clear key of an encrypted one.
    async fn decrypt(&self, encrypted: &[u8]) -> Result<[u8; 32], SealError>;
}

/// Seals and opens; keeps a data key for a bounded time and number of uses.
pub struct Sealer {
    keys: Arc<dyn DataKeys>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    current: Mutex<Option<CurrentKey>>,
    opened: Mutex<BTreeMap<Vec<u8>, [u8; 32]>>,
}

struct CurrentKey {
    key: DataKey,
    made_at: Timestamp,
    uses: u32,
}

/// How long one data key seals.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_mins(5);
/// How many values one data key seals; random nonces allow 2^32.
const KEY_USES: u32 = 10_000;
/// How many decrypted data keys are kept.
const OPENED_KEYS: usize = 64;

impl Sealer {
    /// Seals under keys of this service.
    pub fn new(keys: Arc<dyn DataKeys>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { keys, clock, random, current: Mutex::new(None), opened: Mutex::new(BTreeMap::new()) }
    }

    /// Seals a value for a request and an end.
    pub async fn seal<T: Serialize + Sync>(
        &self,
        request: &RequestId,
        end: &str,
        value: &T,
    ) -> Result<String, SealError> {
        let key = self.current_key().await?;
        let clear = serde_json::to_vec(value).map_err(|_| SealError::Malformed)?;
        let nonce: [u8; 12] = random::bytes(self.random.as_ref());
        let associated = associated(request, end);
        let ciphertext = cipher(&key.clear)
            .encrypt(&nonce.into(), Payload { msg: &clear, aad: &associated })
            .map_err(|_| SealError::Malformed)?;
        let length = u16::try_from(key.encrypted.len()).map_err(|_| SealError::Malformed)?;
        let mut sealed = vec![1];
        sealed.extend(length.to_be_bytes());
        sealed.extend(&key.encrypted);
        sealed.extend(nonce);
        sealed.extend(ciphertext);
        Ok(STANDARD.encode(sealed))
    }

    /// Opens what was sealed for this request and end.
    pub async fn open<T: for<'de> Deserialize<'de>>(
        &self,
        request: &RequestId,
        end: &str,
        sealed: &str,
    ) -> Result<T, SealError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SealError::Malformed)?;
        let [1, high, low, rest @ ..] = bytes.as_slice() else {
            return Err(SealError::Malformed);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (encrypted_key, rest) = rest.split_at_checked(length).ok_or(SealError::Malformed)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<12>().ok_or(SealError::Malformed)?;
        let key = self.opened_key(encrypted_key).await?;
        let associated = associated(request, end);
        let clear = cipher(&key)
            .decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad: &associated })
            .map_err(|_| SealError::DoesNotOpen)?;
        serde_json::from_slice(&clear).map_err(|_| SealError::Malformed)
    }

    async fn current_key(&self) -> Result<DataKey, SealError> {
        let now = self.clock.now();
        if let Some(current) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            let fresh = now.duration_since(current.made_at) < KEY_LIFETIME && current.uses < KEY_USES;
            if fresh {
                current.uses += 1;
                return Ok(current.key.clone());
            }
        }
        let key = self.keys.generate().await?;
        let fresh = CurrentKey { key: key.clone(), made_at: now, uses: 1 };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
        Ok(key)
    }

    async fn opened_key(&self, encrypted: &[u8]) -> Result<[u8; 32], SealError> {
        if let Some(key) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(encrypted) {
            return Ok(*key);
        }
        let key = self.keys.decrypt(encrypted).await?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.len() >= OPENED_KEYS {
            opened.clear();
        }
        opened.insert(encrypted.to_vec(), key);
        Ok(key)
    }
}

fn cipher(key: &[u8; 32]) -> Aes256Gcm {
    Aes256Gcm::new(key.into())
}

fn associated(request: &RequestId, end: &str) -> Vec<u8> {
    format!("habeas/1/{request}/{end}").into_bytes()
}

/// What is sealed into a request: who it is about, and what later steps need to find their rows.
#[derive(Clone, Serialize, Deserialize)]
pub struct SubjectKeys {
    /// The identity that the request was made with.
    pub kind: IdentityKind,
    /// Its normal form.
    pub value: String,
    /// Field of the subject collection to its values, once the subject's row has been read.
    #[serde(default)]
    pub keys: BTreeMap<String, Vec<String>>,
    /// What else others would name them by in a text: names and numbers of the subject's row. Nothing is found by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
    /// Field of the subject collection to the ids in it by which recipients know them. Nothing is found by it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own_ids: BTreeMap<String, Vec<String>>,
}

/// Where a person can be reached, as it is on file.
#[derive(Clone, Serialize, Deserialize)]
pub struct Contact {
    /// E-mail or phone.
    pub kind: IdentityKind,
    /// The address.
    pub address: String,
}

/// An account as the app knows it.
#[derive(Clone, Serialize, Deserialize)]
pub struct AppUser {
    /// Its ids: one, unless an address leads to several accounts.
    pub user_ids: Vec<String>,
}

/// The ends that values are sealed for.
pub mod end {
    /// [`super::SubjectKeys`] of a request.
    pub const SUBJECT: &str = "subject";
    /// [`super::super::Submission`] of a request.
    pub const SUBMISSION: &str = "submission";
    /// [`super::Contact`] of a request or notice.
    pub const CONTACT: &str = "contact";
    /// [`super::AppUser`] of a cancellation or of a message to the app.
    pub const APP_USER: &str = "app user";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::random::SeededRandom;

    struct LocalKeys;

    #[async_trait]
    impl DataKeys for LocalKeys {
        async fn generate(&self) -> Result<DataKey, SealError> {
            Ok(DataKey { clear: [7; 32], encrypted: vec![9; 40] })
        }

        async fn decrypt(&self, encrypted: &[u8]) -> Result<[u8; 32], SealError> {
            if encrypted == [9; 40] { Ok([7; 32]) } else { Err(SealError::DoesNotOpen) }
        }
    }

    #[tokio::test]
    async fn a_sealed_value_opens_for_its_request_and_end_only() {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let sealer = Sealer::new(Arc::new(LocalKeys), clock, Arc::new(SeededRandom::new(1)));
        let (mine, other): (RequestId, RequestId) = ("1".repeat(32).parse().unwrap(), "2".repeat(32).parse().unwrap());
        let sealed = sealer.seal(&mine, end::SUBJECT, &"+8613912345678").await.unwrap();
        assert_eq!(sealer.open::<String>(&mine, end::SUBJECT, &sealed).await.unwrap(), "+8613912345678");
        assert!(matches!(sealer.open::<String>(&other, end::SUBJECT, &sealed).await, Err(SealError::DoesNotOpen)));
        assert!(matches!(sealer.open::<String>(&mine, end::CONTACT, &sealed).await, Err(SealError::DoesNotOpen)));
        assert!(matches!(sealer.open::<String>(&mine, end::SUBJECT, "AQ==").await, Err(SealError::Malformed)));
        assert!(!STANDARD.decode(sealed).unwrap().windows(5).any(|window| window == b"+8613"));
    }
}
