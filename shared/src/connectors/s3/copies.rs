//! Reads and copies objects for a package.

use std::fmt::Write as _;

use aws_sdk_s3::Client;

use crate::connectors::{ConnectorError, refused};

/// Reads and copies objects for a package.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a> {
    pub(super) client: &'a Client,
}

impl Objects<'_> {
    /// The MIME type of an object.
    pub async fn content_type(&self, bucket: &str, key: &str) -> Result<String, ConnectorError> {
        let head = self.client.head_object().bucket(bucket).key(key).send().await;
        let head = head.map_err(|error| refused("s3:HeadObject", error))?;
        Ok(head.content_type().unwrap_or("application/octet-stream").to_owned())
    }

    /// Copies an object, without its bytes passing through here.
    pub async fn copy(&self, bucket: &str, key: &str, to_bucket: &str, to_key: &str) -> Result<(), ConnectorError> {
        let source = format!("{bucket}/{}", percent_encoded(key));
        let copy = self
            .client
            .copy_object()
            .copy_source(source)
            .bucket(to_bucket)
            .key(to_key)
            // Tags are not the person's data, and copying them would need one more right.
            .tagging_directive(aws_sdk_s3::types::TaggingDirective::Replace)
            .send()
            .await;
        copy.map_err(|error| refused("s3:CopyObject", error))?;
        Ok(())
    }
}

/// A key as a copy source wants it: percent-encoded but for what a path may hold.
pub(super) fn percent_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
