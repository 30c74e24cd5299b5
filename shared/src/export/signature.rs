//! The signature of a manifest, over the exact bytes of `manifest.json`: in the forms that OpenSSL reads, so that a package
//! can be checked without Habeas. Pure, but for whoever holds the private key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::sum::Sum;
use crate::signing::{ALGORITHM, DoesNotFit, NotAKey, PublicKey, SignError, Signer, sign};

/// The file that the signature is of.
pub const MANIFEST: &str = "manifest.json";
/// The file that the signature is in.
pub const SIGNATURE: &str = "manifest.sig.json";

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// Not the public half of a P-256 key.
    #[error(transparent)]
    NotAKey(#[from] NotAKey),
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
        let (key, signature) = sign(signer, sha256).await?;
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
        let fits = key.verify(Sum::of(manifest).bytes(), &signature);
        fits.map(|()| key).map_err(|DoesNotFit| SignatureFault::DoesNotFit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::local::LocalSigner;

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
    }
}
