//! A new version of an object: written in parts, of which those that are stretches of the old version are copied by S3
//! itself. It takes the old one's place only if that is still the current one.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectLockMode, ServerSideEncryption,
};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::task::JoinHandle;

use super::copies::percent_encoded;
use super::object::{ObjectPlace, Version, failed, lock};
use crate::connectors::ConnectorError;
use crate::connectors::formats::{FormatError, Sink, Source as _, SourceRef};

/// Least bytes of a part that is not the last.
const LEAST_PART: u64 = 5 << 20;
/// Bytes of a part that is written, unless the object is so large that there would be too many.
const PART: u64 = 8 << 20;
/// Parts that an upload may have, with some to spare for those that are copied.
const MOST_PARTS: u64 = 8000;
/// A stretch of less than this is not worth copying.
const LEAST_COPY: u64 = 16 << 20;
/// Bytes of a part that is copied. If it cannot be, it is read and written, so it has to fit into memory.
const COPY: u64 = 64 << 20;
/// Parts under way at the same time.
const AT_ONCE: usize = 4;

/// What an object keeps when it is written anew.
pub(super) struct Settings {
    head: HeadObjectOutput,
    tags: Option<String>,
    /// When a retention is over that it would otherwise be given again.
    now: Timestamp,
}

impl Settings {
    /// What is known of the version, and its tags.
    pub(super) async fn of(place: &ObjectPlace, head: HeadObjectOutput, now: Timestamp) -> Result<Self, FormatError> {
        let get = place.client.get_object_tagging().bucket(&place.bucket).key(&place.key);
        let tags = match get.set_version_id(head.version_id().map(ToOwned::to_owned)).send().await {
            Ok(tagging) => {
                let pair = |tag: &aws_sdk_s3::types::Tag| {
                    format!("{}={}", percent_encoded(tag.key()), percent_encoded(tag.value()))
                };
                let pairs: Vec<String> = tagging.tag_set().iter().map(pair).collect();
                (!pairs.is_empty()).then(|| pairs.join("&"))
            }
            // A store that has no tags.
            Err(error) if matches!(error.code(), Some("NotImplemented" | "NoSuchTagSet")) => None,
            Err(error) => return Err(failed("s3:GetObjectTagging", error)),
        };
        Ok(Self { head, tags, now })
    }
}

/// Gives a request what an object keeps. Two requests take the same settings, under the same names.
macro_rules! with_settings {
    ($request:expr, $settings:expr) => {{
        let settings: &Settings = $settings;
        let head = &settings.head;
        let text = |text: Option<&str>| text.map(ToOwned::to_owned);
        let is_by_kms = matches!(
            head.server_side_encryption(),
            Some(ServerSideEncryption::AwsKms | ServerSideEncryption::AwsKmsDsse)
        );
        let locked = lock(head, settings.now);
        let until = locked
            .and_then(|lock| lock.until)
            .map(|until| aws_sdk_s3::primitives::DateTime::from_secs(until.as_second()));
        $request
            .set_content_type(text(head.content_type()))
            .set_content_encoding(text(head.content_encoding()))
            .set_content_language(text(head.content_language()))
            .set_content_disposition(text(head.content_disposition()))
            .set_cache_control(text(head.cache_control()))
            .set_website_redirect_location(text(head.website_redirect_location()))
            .set_metadata(head.metadata().cloned())
            .set_storage_class(head.storage_class().cloned())
            .set_server_side_encryption(head.server_side_encryption().cloned())
            .set_ssekms_key_id(text(head.ssekms_key_id()).filter(|_| is_by_kms))
            .set_bucket_key_enabled(head.bucket_key_enabled().filter(|_| is_by_kms))
            .set_tagging(settings.tags.clone())
            .set_object_lock_mode(until.and_then(|_| head.object_lock_mode()).map(|mode| match mode {
                ObjectLockMode::Compliance => ObjectLockMode::Compliance,
                _ => ObjectLockMode::Governance,
            }))
            .set_object_lock_retain_until_date(until)
            .set_object_lock_legal_hold_status(
                head.object_lock_legal_hold_status().filter(|_| locked.is_some_and(|lock| lock.is_on_hold)).cloned(),
            )
    }};
}

/// What was written.
pub(super) struct Written {
    /// Its version, in a bucket that keeps versions.
    pub(super) version: Option<String>,
}

impl Written {
    /// While versioning is suspended, what is written takes the place of the version "null": there is no older one then.
    fn of(version: Option<String>) -> Self {
        Self { version: version.filter(|version| version != "null") }
    }
}

/// A new version that is being written. Nothing is sent before there is enough for a part.
#[expect(clippy::struct_field_names, reason = "S3 calls it so")]
pub(super) struct Upload {
    old: Arc<Version>,
    settings: Option<Settings>,
    upload: Option<String>,
    part: u64,
    buffer: BytesMut,
    sent: Vec<CompletedPart>,
    number: i32,
    under_way: VecDeque<JoinHandle<Result<CompletedPart, FormatError>>>,
    /// Whether the store copies parts.
    copies: Arc<AtomicBool>,
    head: HeadObjectOutput,
    now: Timestamp,
}

impl Upload {
    pub(super) fn new(old: Arc<Version>, head: HeadObjectOutput, now: Timestamp) -> Self {
        let part = PART.max(old.size() / MOST_PARTS);
        Self {
            old,
            settings: None,
            upload: None,
            part,
            buffer: BytesMut::new(),
            sent: Vec::new(),
            number: 0,
            under_way: VecDeque::new(),
            copies: Arc::new(AtomicBool::new(true)),
            head,
            now,
        }
    }

    async fn settings(&mut self) -> Result<&Settings, FormatError> {
        let settings = match self.settings.take() {
            Some(settings) => settings,
            None => Settings::of(&self.old.place, self.head.clone(), self.now).await?,
        };
        Ok(self.settings.insert(settings))
    }

    /// The upload's id, and the number of its next part.
    async fn next(&mut self) -> Result<(String, i32), FormatError> {
        while self.under_way.len() >= AT_ONCE {
            self.arrived().await?;
        }
        self.number += 1;
        if let Some(id) = &self.upload {
            return Ok((id.clone(), self.number));
        }
        let place = self.old.place.clone();
        let create = place.client.create_multipart_upload().bucket(&place.bucket).key(&place.key);
        // S3 wants to be told beforehand which checksum the parts will bring.
        let create = with_settings!(create, self.settings().await?).checksum_algorithm(ChecksumAlgorithm::Crc32);
        let begun = create.send().await.map_err(|error| failed("s3:CreateMultipartUpload", error))?;
        let id = begun.upload_id.unwrap_or_default();
        self.upload = Some(id.clone());
        Ok((id, self.number))
    }

    async fn arrived(&mut self) -> Result<(), FormatError> {
        if let Some(part) = self.under_way.pop_front() {
            let part = part
                .await
                .map_err(|error| ConnectorError::Transient { operation: "s3:UploadPart", source: Box::new(error) })?;
            self.sent.push(part?);
        }
        Ok(())
    }

    async fn send(&mut self, bytes: Bytes) -> Result<(), FormatError> {
        let (id, number) = self.next().await?;
        let place = self.old.place.clone();
        self.under_way.push_back(tokio::spawn(async move { put(&place, &id, number, bytes).await }));
        Ok(())
    }

    async fn send_copy(&mut self, range: Range<u64>) -> Result<(), FormatError> {
        let (id, number) = self.next().await?;
        let (old, copies) = (self.old.clone(), self.copies.clone());
        self.under_way.push_back(tokio::spawn(async move { copy(&old, &copies, &id, number, range).await }));
        Ok(())
    }

    /// Puts the new version in the old one's place. [`FormatError::Changed`] if that is not the current one any more.
    pub(super) async fn complete(&mut self) -> Result<Written, FormatError> {
        let rest = self.buffer.split().freeze();
        if self.upload.is_none() {
            return self.put_whole(rest).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        while !self.under_way.is_empty() {
            self.arrived().await?;
        }
        let place = &self.old.place;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.sent.clone())).build();
        let complete = place.client.complete_multipart_upload().bucket(&place.bucket).key(&place.key);
        let complete = complete.set_upload_id(self.upload.clone()).multipart_upload(parts);
        let completed = match complete.clone().set_if_match(self.old.etag.clone()).send().await {
            Err(error) if is_unknown(&error) => {
                self.look_again().await?;
                complete.send().await
            }
            completed => completed,
        };
        let completed = completed.map_err(|error| failed("s3:CompleteMultipartUpload", error))?;
        self.upload = None;
        Ok(Written::of(completed.version_id))
    }

    async fn put_whole(&mut self, bytes: Bytes) -> Result<Written, FormatError> {
        let place = self.old.place.clone();
        let etag = self.old.etag.clone();
        let settings = self.settings().await?;
        let put = || {
            let put = place.client.put_object().bucket(&place.bucket).key(&place.key);
            with_settings!(put, settings).body(ByteStream::from(bytes.clone()))
        };
        let written = match put().set_if_match(etag).send().await {
            Err(error) if is_unknown(&error) => {
                let unconditional = put();
                self.look_again().await?;
                unconditional.send().await
            }
            written => written,
        };
        let written = written.map_err(|error| failed("s3:PutObject", error))?;
        Ok(Written::of(written.version_id))
    }

    /// For a store that does not know conditions: whether the old version is the current one, looked at just before.
    async fn look_again(&self) -> Result<(), FormatError> {
        let head = self.old.place.head(None).await?;
        let is_same = head.is_some_and(|head| head.e_tag() == self.old.etag.as_deref());
        if is_same { Ok(()) } else { Err(FormatError::Changed) }
    }

    /// Gives up what was written.
    pub(super) async fn abort(&mut self) {
        for part in self.under_way.drain(..) {
            part.abort();
        }
        if let Some(id) = self.upload.take() {
            let place = &self.old.place;
            let abort = place.client.abort_multipart_upload().bucket(&place.bucket).key(&place.key).upload_id(id);
            if abort.send().await.is_err() {
                tracing::warn!("an upload that was given up could not be aborted; a lifecycle rule should end it");
            }
        }
    }
}

#[async_trait]
impl Sink for Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), FormatError> {
        self.buffer.extend_from_slice(&bytes);
        let part = usize::try_from(self.part).unwrap_or(usize::MAX);
        while self.buffer.len() >= part {
            let full = self.buffer.split_to(part).freeze();
            self.send(full).await?;
        }
        Ok(())
    }

    async fn copy(&mut self, source: &SourceRef, range: Range<u64>) -> Result<(), FormatError> {
        let mut at = range.start;
        let buffered = self.buffer.len() as u64;
        if range.end - at >= LEAST_COPY && self.copies.load(Ordering::Relaxed) {
            if buffered > 0 {
                // What stands before the copy becomes a part of its own, and must be large enough for one.
                let fill = LEAST_PART.saturating_sub(buffered);
                let bytes = source.read(at..at + fill).await?;
                at += fill;
                self.buffer.extend_from_slice(&bytes);
                let before = self.buffer.split().freeze();
                self.send(before).await?;
            }
            let pieces = (range.end - at).div_ceil(COPY.max(self.old.size() / MOST_PARTS));
            for piece in 0..pieces {
                let length = range.end - at;
                let end = at + length / (pieces - piece);
                self.send_copy(at..end).await?;
                at = end;
            }
        }
        while at < range.end {
            let end = range.end.min(at + self.part);
            self.write(source.read(at..end).await?).await?;
            at = end;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        for part in &self.under_way {
            part.abort();
        }
    }
}

/// Whether a store does not know what it was asked for.
fn is_unknown<E: ProvideErrorMetadata>(error: &E) -> bool {
    matches!(error.code(), Some("NotImplemented" | "MethodNotAllowed"))
}

async fn put(place: &ObjectPlace, id: &str, number: i32, bytes: Bytes) -> Result<CompletedPart, FormatError> {
    let put = place.client.upload_part().bucket(&place.bucket).key(&place.key).upload_id(id).part_number(number);
    let put = put
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .body(ByteStream::from(bytes))
        .send()
        .await
        .map_err(|error| failed("s3:UploadPart", error))?;
    // An upload that is checked part by part wants each part's checksum again in the end.
    Ok(CompletedPart::builder()
        .part_number(number)
        .set_e_tag(put.e_tag)
        .set_checksum_crc32(put.checksum_crc32)
        .set_checksum_crc32_c(put.checksum_crc32_c)
        .set_checksum_crc64_nvme(put.checksum_crc64_nvme)
        .set_checksum_sha1(put.checksum_sha1)
        .set_checksum_sha256(put.checksum_sha256)
        .build())
}

async fn copy(
    old: &Version,
    copies: &AtomicBool,
    id: &str,
    number: i32,
    range: Range<u64>,
) -> Result<CompletedPart, FormatError> {
    let place = &old.place;
    if copies.load(Ordering::Relaxed) {
        let version = old.id.as_deref().map(|id| format!("?versionId={}", percent_encoded(id))).unwrap_or_default();
        let copy = place.client.upload_part_copy().bucket(&place.bucket).key(&place.key).upload_id(id);
        let copy = copy
            .part_number(number)
            .copy_source(format!("{}/{}{version}", place.bucket, percent_encoded(&place.key)))
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .set_copy_source_if_match(old.etag.clone());
        match copy.send().await {
            Ok(copied) => {
                let part =
                    copied.copy_part_result.unwrap_or_else(|| aws_sdk_s3::types::CopyPartResult::builder().build());
                return Ok(CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(part.e_tag)
                    .set_checksum_crc32(part.checksum_crc32)
                    .set_checksum_crc32_c(part.checksum_crc32_c)
                    .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
                    .set_checksum_sha1(part.checksum_sha1)
                    .set_checksum_sha256(part.checksum_sha256)
                    .build());
            }
            Err(error) if is_unknown(&error) => copies.store(false, Ordering::Relaxed),
            Err(error) => return Err(failed("s3:UploadPartCopy", error)),
        }
    }
    put(place, id, number, old.read(range).await?).await
}
