//! The signature of a manifest: ECDSA on P-256 with SHA-256 over the exact bytes of `manifest.json`. Pure, but for whoever
//! holds the private key.
//!
//! Everything is in the forms that OpenSSL reads, so that a package can be checked without Habeas.

use async_trait::async_trait;
use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::sum::Sum;

/// The file that the signature is of.
pub const MANIFEST: &str = "manifest.json";
/// The file that the signature is in.
pub const SIGNATURE: &str = "manifest.sig.json";
const ALGORITHM: &str = "ECDSA_P256_SHA256";
/// What stands before the point of a P-256 key in its DER form (RFC 5480).
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const KEY_BYTES: usize = 91;
const PEM_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// Not the public half of a P-256 key.
    #[error("this is not a public key on P-256 (PEM, BEGIN PUBLIC KEY)")]
    NotAKey,
    /// Not what Habeas writes.
    #[error("{SIGNATURE} is not a signature as Habeas writes it")]
    Malformed,
    /// The key is another one.
    #[error("the package was signed with another key")]
    OtherKey,
    /// The bytes are not those that were signed.
    #[error("{MANIFEST} is not what was signed")]
    DoesNotFit,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[error("the manifest was not signed")]
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
    pub fn from_der(der: &[u8]) -> Result<Self, SignatureFault> {
        let bytes: [u8; KEY_BYTES] = der.try_into().map_err(|_| SignatureFault::NotAKey)?;
        if bytes.starts_with(&P256_PREFIX) { Ok(Self(bytes)) } else { Err(SignatureFault::NotAKey) }
    }

    /// Reads PEM.
    pub fn from_pem(pem: &str) -> Result<Self, SignatureFault> {
        let body = pem.trim().strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(PEM_END));
        let body: String = body.ok_or(SignatureFault::NotAKey)?.split_whitespace().collect();
        Self::from_der(&STANDARD.decode(body).map_err(|_| SignatureFault::NotAKey)?)
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
        Sum::of(&self.0).hex()
    }

    /// Whether this key signed.
    pub fn verify(&self, sha256: [u8; 32], signature: &[u8]) -> Result<(), SignatureFault> {
        let digest = Digest::import_less_safe(&sha256, &SHA256).map_err(|_| SignatureFault::Malformed)?;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0);
        key.verify_digest(&digest, signature).map_err(|_| SignatureFault::DoesNotFit)
    }
}

/// `manifest.sig.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSignature {
    /// Version of this form: 1.
    pub version: u8,
    /// What is signed: the bytes of this file.
    pub signed: String,
    /// `ECDSA_P256_SHA256`.
    pub algorithm: String,
    /// The signature in DER, base64.
    pub signature: String,
    /// SHA-256 of the key's DER form: which key it was.
    pub key_sha256: String,
    /// The key as PEM. That it is here says nothing of whose it is.
    pub public_key: String,
}

impl ManifestSignature {
    /// Has a manifest signed, and sees that the signature holds.
    pub async fn make(signer: &dyn Signer, sha256: [u8; 32]) -> Result<Self, SignError> {
        let key = signer.public_key().await?;
        let signature = signer.sign(sha256).await?;
        key.verify(sha256, &signature).map_err(|fault| SignError(Box::new(fault)))?;
        Ok(Self {
            version: 1,
            signed: MANIFEST.to_owned(),
            algorithm: ALGORITHM.to_owned(),
            signature: STANDARD.encode(signature),
            key_sha256: key.fingerprint(),
            public_key: key.to_pem(),
        })
    }

    /// Checks it against a key that is known otherwise, or else against the one that it brings. Gives the key.
    pub fn verify(&self, manifest: &[u8], known: Option<&PublicKey>) -> Result<PublicKey, SignatureFault> {
        if (self.version, self.signed.as_str(), self.algorithm.as_str()) != (1, MANIFEST, ALGORITHM) {
            return Err(SignatureFault::Malformed);
        }
        let key = PublicKey::from_pem(&self.public_key)?;
        if key.fingerprint() != self.key_sha256 {
            return Err(SignatureFault::Malformed);
        }
        if known.is_some_and(|known| *known != key) {
            return Err(SignatureFault::OtherKey);
        }
        let signature = STANDARD.decode(&self.signature).map_err(|_| SignatureFault::Malformed)?;
        key.verify(Sum::of(manifest).bytes(), &signature)?;
        Ok(key)
    }
}

/// A key of this process, for the tests of this room.
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
    async fn a_signature_holds_for_its_manifest_and_its_key_only() {
        let (signer, other) = (LocalSigner::new(), LocalSigner::new());
        let manifest = br#"{"files": []}"#;
        let made = ManifestSignature::make(&signer, Sum::of(manifest).bytes()).await.unwrap();
        let (key, other) = (signer.public_key().await.unwrap(), other.public_key().await.unwrap());
        assert_eq!(made.verify(manifest, None), Ok(key.clone()));
        assert_eq!(made.verify(manifest, Some(&key)), Ok(key.clone()));
        assert_eq!(made.verify(manifest, Some(&other)), Err(SignatureFault::OtherKey));
        assert_eq!(made.verify(br#"{"files":[]}"#, None), Err(SignatureFault::DoesNotFit));
        let replaced =
            ManifestSignature { public_key: other.to_pem(), key_sha256: other.fingerprint(), ..made.clone() };
        assert_eq!(replaced.verify(manifest, None), Err(SignatureFault::DoesNotFit));
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key));
        for text in ["", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert_eq!(PublicKey::from_pem(text), Err(SignatureFault::NotAKey), "{text}");
        }
    }
}
