//! The multipart upload. What S3 holds is trusted only as far as the cursor pins it.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use habeas::export::{Chain, ENCRYPTED_CHUNK};
use habeas::steps::StepError;

use super::limits::MOST_PARTS;
use super::{Halt, Making};
use crate::Function;

/// The package has no room in an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the package is larger than {MOST_PARTS} parts")]
struct TooLarge;

/// S3 took a part and did not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("S3 answered without {0}")]
struct Incomplete(&'static str);

/// The upload was completed, aborted, or removed by the bucket's lifecycle rule.
pub(super) const NO_UPLOAD: &str = "the upload is not there any more";

impl Function {
    /// Gives up an upload that nobody goes on with. If that fails the bucket's lifecycle rule removes it a day later.
    pub(super) async fn abort_upload(&self, key: String, upload: Option<&str>) {
        let Some(upload) = upload else { return };
        let abort = self.s3.abort_multipart_upload().bucket(&self.package_bucket).key(key).upload_id(upload);
        if let Err(error) = abort.send().await {
            habeas::telemetry::warn_chain("an upload was not aborted", &error);
        }
    }
}

impl Making<'_> {
    pub(super) fn key(&self) -> String {
        self.cursor.key(&self.job.request.id)
    }

    /// How large the next part is. To be encrypted it takes at least a chunk, and the byte that stays.
    pub(super) fn part_bytes(&self) -> usize {
        let least = if self.cursor.age.is_some() { ENCRYPTED_CHUNK + 1 } else { 0 };
        self.function.limits.part_bytes(self.cursor.parts.count).max(least)
    }

    /// The upload; begun if there is none. S3 wants to be told beforehand which checksum the parts will bring, and at the
    /// end each of them once more.
    async fn upload(&mut self) -> Result<String, Halt> {
        if let Some(upload) = &self.cursor.upload {
            return Ok(upload.clone());
        }
        let create = self.function.s3.create_multipart_upload().bucket(&self.function.package_bucket).key(self.key());
        let create = create.content_type(self.content_type()).checksum_algorithm(ChecksumAlgorithm::Crc32);
        let begun = create.send().await.map_err(StepError::transient)?;
        let upload = begun.upload_id.ok_or_else(|| StepError::transient(Incomplete("an upload")))?;
        self.cursor.upload = Some(upload.clone());
        Ok(upload)
    }

    fn content_type(&self) -> &'static str {
        if self.cursor.age.is_some() { "application/octet-stream" } else { "application/zip" }
    }

    /// The package in one piece, where nothing of it has been uploaded and nobody else knows of its name.
    pub(super) async fn put_whole(&mut self, package: Vec<u8>) -> Result<(), Halt> {
        let put = self.function.s3.put_object().bucket(&self.function.package_bucket).key(self.key());
        let put = put.content_type(self.content_type()).checksum_algorithm(ChecksumAlgorithm::Crc32);
        put.body(ByteStream::from(package)).send().await.map_err(StepError::transient)?;
        Ok(())
    }

    /// Uploads the next part. One that was uploaded before under its number, and not committed, is replaced.
    pub(super) async fn upload_part(&mut self, part: Vec<u8>) -> Result<(), Halt> {
        let number = self.cursor.parts.count + 1;
        if number > MOST_PARTS {
            return Err(StepError::permanent(TooLarge).into());
        }
        let upload = self.upload().await?;
        let put = self
            .function
            .s3
            .upload_part()
            .bucket(&self.function.package_bucket)
            .key(self.key())
            .upload_id(upload)
            .part_number(number.cast_signed())
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .body(ByteStream::from(part))
            .send()
            .await
            .map_err(lost_or_transient)?;
        let tag = put.e_tag.ok_or_else(|| StepError::transient(Incomplete("a tag")))?;
        add_part(&mut self.cursor.parts, number, &tag);
        Ok(())
    }

    /// Makes an object of the parts, if they are those that were uploaded.
    pub(super) async fn complete_upload(&mut self) -> Result<(), Halt> {
        let upload = self.upload().await?;
        let parts = self.listed_parts(&upload).await?;
        let complete = self
            .function
            .s3
            .complete_multipart_upload()
            .bucket(&self.function.package_bucket)
            .key(self.key())
            .upload_id(upload)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        complete.send().await.map_err(lost_or_transient)?;
        Ok(())
    }

    /// The parts as S3 has them, which must be those of the cursor: a worker that lost its lease may have put another one
    /// in the place of one.
    async fn listed_parts(&self, upload: &str) -> Result<Vec<CompletedPart>, Halt> {
        let mut pages = self
            .function
            .s3
            .list_parts()
            .bucket(&self.function.package_bucket)
            .key(self.key())
            .upload_id(upload)
            .into_paginator()
            .send();
        let (mut parts, mut chain) = (Vec::new(), Chain::default());
        while let Some(page) = pages.next().await {
            for part in page.map_err(lost_or_transient)?.parts.unwrap_or_default() {
                let (number, tag) = (part.part_number.unwrap_or(0), part.e_tag.unwrap_or_default());
                // What came after the last committed part is nobody's.
                if number.cast_unsigned() <= self.cursor.parts.count {
                    add_part(&mut chain, number.cast_unsigned(), &tag);
                    let part = CompletedPart::builder().set_checksum_crc32(part.checksum_crc32);
                    parts.push(part.part_number(number).e_tag(tag).build());
                }
            }
        }
        if chain == self.cursor.parts {
            Ok(parts)
        } else {
            Err(Halt::Anew("the parts are not those that were uploaded"))
        }
    }

    /// Whether the package is there with this size: then an earlier worker has completed the upload and died.
    pub(super) async fn is_there(&self, bytes: u64) -> Result<bool, Halt> {
        let head = self.function.s3.head_object().bucket(&self.function.package_bucket).key(self.key()).send().await;
        match head {
            Ok(head) => Ok(head.content_length.is_some_and(|length| length.cast_unsigned() == bytes)),
            // An answer to HEAD has no body, and so no code.
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 404) => Ok(false),
            Err(error) => Err(StepError::transient(error).into()),
        }
    }
}

fn add_part(chain: &mut Chain, number: u32, tag: &str) {
    chain.add(format!("{number}:{}", tag.trim_matches('"')).as_bytes());
}

fn lost_or_transient<E>(error: E) -> Halt
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some("NoSuchUpload") => Halt::Anew(NO_UPLOAD),
        Some("InvalidPart") => Halt::Anew("a part is not the one that was uploaded"),
        _ => StepError::transient(error).into(),
    }
}
