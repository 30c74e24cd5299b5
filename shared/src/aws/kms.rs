//! Data keys from KMS.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;

use crate::identity::SealError;
use crate::identity::seal::{DataKey, DataKeys};

/// The encryption context that the key's policy asks for.
const PURPOSE: (&str, &str) = ("purpose", "habeas-identity");

/// KMS.
#[derive(Clone, Debug)]
pub struct KmsDataKeys {
    client: Client,
    key: String,
}

impl KmsDataKeys {
    /// Data keys under this KMS key.
    #[must_use]
    pub fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }
}

#[async_trait]
impl DataKeys for KmsDataKeys {
    async fn generate(&self) -> Result<DataKey, SealError> {
        let output = self
            .client
            .generate_data_key()
            .key_id(&self.key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(PURPOSE.0, PURPOSE.1)
            .send()
            .await
            .map_err(|error| SealError::KeyService(Box::new(error)))?;
        let clear = output.plaintext.ok_or(SealError::Malformed)?.into_inner();
        let encrypted = output.ciphertext_blob.ok_or(SealError::Malformed)?.into_inner();
        Ok(DataKey { clear: clear.try_into().map_err(|_| SealError::Malformed)?, encrypted })
    }

    async fn decrypt(&self, encrypted: &[u8]) -> Result<[u8; 32], SealError> {
        let output = self
            .client
            .decrypt()
            .key_id(&self.key)
            .ciphertext_blob(Blob::new(encrypted))
            .encryption_context(PURPOSE.0, PURPOSE.1)
            .send()
            .await
            .map_err(|error| SealError::KeyService(Box::new(error)))?;
        output.plaintext.ok_or(SealError::Malformed)?.into_inner().try_into().map_err(|_| SealError::Malformed)
    }
}
