//! Signatures: ECDSA on P-256 with SHA-256, in the forms that OpenSSL reads. Pure, but for whoever holds the private key.

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// The only algorithm.
pub const ALGORITHM: &str = "ECDSA_P256_SHA256";
/// What stands before the point of a P-256 key in its DER form (RFC 5480).
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const KEY_BYTES: usize = 91;
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// This is not the public half of a key on P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a public key on P-256 (PEM, BEGIN PUBLIC KEY)")]
pub struct NotAKey;

/// The key did not sign this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit")]
pub struct DoesNotFit;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[error("nothing was signed")]
pub struct SignError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Holds the private key: KMS, or a stand-in in tests.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The public half.
    async fn public_key(&self) -> Result<PublicKey, SignError>;
    /// The signature of a SHA-256, in DER.
    async fn sign(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignError>;
}

/// The public half of a key on P-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Reads DER (`SubjectPublicKeyInfo`), as KMS gives it.
    pub fn from_der(der: &[u8]) -> Result<Self, NotAKey> {
        let bytes: [u8; KEY_BYTES] = der.try_into().map_err(|_| NotAKey)?;
        if bytes.starts_with(&P256_PREFIX) { Ok(Self(bytes)) } else { Err(NotAKey) }
    }

    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, NotAKey> {
        let body = pem.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let body: String = body.ok_or(NotAKey)?.split_whitespace().collect();
        Self::from_der(&STANDARD.decode(body).map_err(|_| NotAKey)?)
    }

    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let body = STANDARD.encode(self.0);
        let (first, second) = body.split_at(64);
        format!("{PEM_BEGIN}\n{first}\n{second}\n{PEM_END}\n")
    }

    /// SHA-256 of the DER form, hexadecimal: short enough to be read out.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(sha2::Sha256::digest(self.0))
    }

    /// Whether this key signed.
    pub fn verify(&self, sha256: [u8; 32], signature: &[u8]) -> Result<(), DoesNotFit> {
        let digest = Digest::import_less_safe(&sha256, &SHA256).map_err(|_| DoesNotFit)?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0);
        key.verify_digest(&digest, signature).map_err(|_| DoesNotFit)
    }
}

/// Has a SHA-256 signed, and sees that the signature holds.
pub async fn sign(signer: &dyn Signer, sha256: [u8; 32]) -> Result<(PublicKey, Vec<u8>), SignError> {
    let key = signer.public_key().await?;
    let signature = signer.sign(sha256).await?;
    key.verify(sha256, &signature).map_err(|fault| SignError(Box::new(fault)))?;
    Ok((key, signature))
}

/// A key of this process, for the tests of this crate.
#[cfg(test)]
pub(crate) mod local {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    pub(crate) struct LocalSigner(EcdsaKeyPair);

    impl LocalSigner {
        pub(crate) fn new() -> Self {
            Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
        }
    }

    #[async_trait]
    impl Signer for LocalSigner {
        async fn public_key(&self) -> Result<PublicKey, SignError> {
            let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
            Ok(PublicKey::from_der(der.as_ref()).unwrap())
        }

        async fn sign(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignError> {
            let digest = Digest::import_less_safe(&sha256, &SHA256).unwrap();
            Ok(self.0.sign_digest(&digest).unwrap().as_ref().to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::local::LocalSigner;
    use super::*;

    #[tokio::test]
    async fn a_key_is_read_as_it_is_written_and_nothing_else_is_one() {
        let key = LocalSigner::new().public_key().await.unwrap();
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key));
        for text in ["", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert_eq!(PublicKey::from_pem(text), Err(NotAKey), "{text}");
        }
    }
}
