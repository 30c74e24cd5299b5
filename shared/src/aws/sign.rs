//! Signatures by a KMS key: of manifests, of anchors.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};

use crate::signing::{PublicKey, SignError, Signer};

/// KMS. The private key never leaves it.
#[derive(Clone, Debug)]
pub struct KmsSigner {
    client: Client,
    key: String,
}

/// KMS answered without what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("KMS answered without {0}")]
struct Incomplete(&'static str);

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SignError {
    SignError(error.into())
}

impl KmsSigner {
    /// Signs with this key: an ARN, or an alias.
    #[must_use]
    pub fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }
}

#[async_trait]
impl Signer for KmsSigner {
    async fn public_key(&self) -> Result<PublicKey, SignError> {
        let output = self.client.get_public_key().key_id(&self.key).send().await.map_err(failed)?;
        let der = output.public_key.ok_or_else(|| failed(Incomplete("the public key")))?;
        PublicKey::from_der(der.as_ref()).map_err(failed)
    }

    async fn sign(&self, sha256: [u8; 32]) -> Result<Vec<u8>, SignError> {
        let output = self
            .client
            .sign()
            .key_id(&self.key)
            .message(Blob::new(sha256))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await
            .map_err(failed)?;
        Ok(output.signature.ok_or_else(|| failed(Incomplete("a signature")))?.into_inner())
    }
}
