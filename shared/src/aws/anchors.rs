//! Anchors in a bucket that lets nobody delete or replace them while they are locked.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use crate::evidence::Anchor;

/// The status of a conditional write that found something there.
const PRECONDITION_FAILED: u16 = 412;

/// Why an anchor was not kept, or not read.
#[derive(Debug, thiserror::Error)]
pub enum AnchorBucketError {
    /// S3 did not do it.
    #[error("the bucket of anchors did not do it: {0}")]
    Service(&'static str, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is there is not an anchor.
    #[error("what the bucket of anchors has under {0} is not an anchor")]
    NotAnAnchor(String),
}

/// The bucket of anchors. Its own settings lock what is put there.
#[derive(Clone, Debug)]
pub struct S3Anchors {
    client: Client,
    bucket: String,
}

/// The key of an anchor: by its number alone, so that there is never a second one of it.
#[must_use]
pub fn key(number: u64) -> String {
    format!("anchors/{number:010}.json")
}

fn failed(what: &'static str) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> AnchorBucketError {
    move |error| AnchorBucketError::Service(what, error)
}

impl S3Anchors {
    /// Anchors in this bucket.
    #[must_use]
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Keeps an anchor. False: there is one of this number.
    pub async fn put(&self, anchor: &Anchor) -> Result<bool, AnchorBucketError> {
        let bytes = serde_json::to_vec(anchor).map_err(|error| failed("PutObject")(Box::new(error)))?;
        let put = self.client.put_object().bucket(&self.bucket).key(key(anchor.anchor.number)).if_none_match("*");
        let sent = put.content_type("application/json").body(ByteStream::from(bytes)).send().await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.raw_response().is_some_and(|answer| answer.status().as_u16() == PRECONDITION_FAILED) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("PutObject")(Box::new(error))),
        }
    }

    /// The anchor of this number.
    pub async fn get(&self, number: u64) -> Result<Anchor, AnchorBucketError> {
        let object = self.client.get_object().bucket(&self.bucket).key(key(number)).send().await;
        let object = object.map_err(|error| failed("GetObject")(Box::new(error)))?;
        let bytes = object.body.collect().await.map_err(|error| failed("GetObject")(Box::new(error)))?.into_bytes();
        serde_json::from_slice(&bytes).map_err(|_| AnchorBucketError::NotAnAnchor(key(number)))
    }
}
