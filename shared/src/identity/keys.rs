//! Keyed digests: HMAC-SHA-256 under keys from Secrets Manager, each with the id of its key, so that keys can rotate.
//!
//! The secret is a JSON object: `{"current": "k1", "k1": "<64 random characters>"}`. To rotate, add `k2` and point
//! `current` to it; digests under `k1` stay recognisable as long as `k1` is there.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::personal::{Identity, IdentityKind};

/// Why the secret is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a JSON object of strings.
    #[error("the digest-keys secret is not a JSON object of strings")]
    NotAnObject(#[source] serde_json::Error),
    /// `current` is missing or names no key.
    #[error("the digest-keys secret must have \"current\" naming one of its keys")]
    NoCurrent,
    /// A key is too short to be one.
    #[error("key {0} of the digest-keys secret is shorter than 32 characters")]
    Short(String),
}

/// The keys, each of which serves several ends under different labels.
#[derive(Clone)]
pub struct DigestKeys {
    current: String,
    keys: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for DigestKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DigestKeys({})", self.keys.keys().cloned().collect::<Vec<_>>().join(", "))
    }
}

impl DigestKeys {
    /// Reads the secret.
    pub fn parse(secret: &str) -> Result<Self, KeyError> {
        let mut fields: BTreeMap<String, String> = serde_json::from_str(secret).map_err(KeyError::NotAnObject)?;
        let current = fields.remove("current").ok_or(KeyError::NoCurrent)?;
        if !fields.contains_key(&current) {
            return Err(KeyError::NoCurrent);
        }
        if let Some(short) = fields.iter().find(|(_, key)| key.len() < 32) {
            return Err(KeyError::Short(short.0.clone()));
        }
        let keys = fields.into_iter().map(|(id, key)| (id, key.into_bytes())).collect();
        Ok(Self { current, keys })
    }

    /// The digest of an identity under the current key: `k1:<64 hex>`.
    pub fn identity(&self, identity: &Identity) -> String {
        self.labelled("identity", &[identity.kind().name(), identity.value().expose()])
    }

    /// The digests of a user id under every key, the current one first: to find what an older key digested.
    pub fn user_id_under_all(&self, user_id: &str) -> Vec<String> {
        let parts = [IdentityKind::UserId.name(), user_id];
        self.ids().map(|id| format!("{id}:{}", hex::encode(self.mac(id, "identity", &parts)))).collect()
    }

    /// The digests of an identity under every key, the current one first.
    pub fn identity_under_all(&self, identity: &Identity) -> Vec<String> {
        self.labelled_under_all("identity", &[identity.kind().name(), identity.value().expose()])
    }

    /// Digests of `parts` under every key, the current one first.
    pub fn labelled_under_all(&self, label: &str, parts: &[&str]) -> Vec<String> {
        self.ids().map(|id| format!("{id}:{}", hex::encode(self.mac(id, label, parts)))).collect()
    }

    /// A digest of `parts` under the current key, with the key's id. Digests of different labels have nothing in common.
    pub fn labelled(&self, label: &str, parts: &[&str]) -> String {
        format!("{}:{}", self.current, hex::encode(self.mac(&self.current, label, parts)))
    }

    /// A key for one end, made from the current key.
    pub fn derived(&self, label: &str) -> [u8; 32] {
        self.mac(&self.current, label, &["derived"])
    }

    /// A key for one end, made from every key, the current one first: to recognise what an older key signed.
    pub fn derived_from_all(&self, label: &str) -> Vec<[u8; 32]> {
        self.ids().map(|id| self.mac(id, label, &["derived"])).collect()
    }

    /// The ids of the keys, the current one first.
    fn ids(&self) -> impl Iterator<Item = &str> {
        let older = self.keys.keys().filter(|id| **id != self.current);
        std::iter::once(&self.current).chain(older).map(String::as_str)
    }

    fn mac(&self, id: &str, label: &str, parts: &[&str]) -> [u8; 32] {
        let key = self.keys.get(id).map_or(&[][..], Vec::as_slice);
        // HMAC takes keys of any length; the branch cannot be reached.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return [0; 32];
        };
        for part in std::iter::once(&label).chain(parts) {
            // The length first, so that no two lists of parts are the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: &str) -> DigestKeys {
        let secret = serde_json::json!({"current": current, "k1": "a".repeat(64), "k2": "b".repeat(64)});
        DigestKeys::parse(&secret.to_string()).unwrap()
    }

    #[test]
    fn digests_name_their_key_and_differ_by_kind_label_and_key() {
        let email = Identity::parse(IdentityKind::Email, "li@mail.example").unwrap();
        let digest = keys("k1").identity(&email);
        assert!(digest.starts_with("k1:") && digest.len() == 67);
        assert_eq!(digest, keys("k1").identity(&email));
        assert_ne!(digest[3..], keys("k2").identity(&email)[3..]);
        assert_ne!(keys("k1").labelled("a", &["bc"]), keys("k1").labelled("ab", &["c"]));
        assert_ne!(keys("k1").labelled("a", &["b", "c"]), keys("k1").labelled("a", &["bc"]));
    }

    #[test]
    fn a_secret_without_a_usable_current_key_is_refused() {
        assert!(matches!(DigestKeys::parse("[]"), Err(KeyError::NotAnObject(_))));
        assert!(matches!(DigestKeys::parse(r#"{"current":"k9","k1":"x"}"#), Err(KeyError::NoCurrent)));
        assert!(matches!(DigestKeys::parse(r#"{"current":"k1","k1":"short"}"#), Err(KeyError::Short(_))));
    }
}
