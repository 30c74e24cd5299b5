//! S3 in this process: objects in memory, or in files without names where they are large; with a list of versions for a bucket
//! that keeps none, and with uploads that hold to what S3 does: a part has the tag that its uploading gave it, an upload that
//! is over is not there, and checksums are asked for at the beginning, brought with each part, and named once more at the end.
//! An object that is locked stays.
//!
//! The rule: no call waits for another thread or, unless an object is large, for a disk. The real one does its work elsewhere;
//! what this one takes would be taken from whatever is measured or tested beside it.

mod pieces;
mod stored;
mod uploads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketVersioningStatus, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource,
    CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETagCondition, Error, GetBucketVersioningInput, GetBucketVersioningOutput,
    GetObjectInput, GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetObjectOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, Object, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockRetention, ObjectLockRetentionMode, ObjectVersion, PutObjectInput, PutObjectOutput, Range, StreamingBlob,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use pieces::Pieces;
pub use stored::SharedBuckets;
use stored::{Headers, Stored};
pub use uploads::SharedUploads;

/// Objects that a list call tells of at most.
const MOST_LISTED: i32 = 1000;

pub struct Objects {
    /// Where large objects have their files.
    root: PathBuf,
    buckets: SharedBuckets,
    uploads: SharedUploads,
    locks: Locks,
}

/// Locked objects by their key: until when, or until a legal hold is lifted.
pub type Locks = Arc<Mutex<BTreeMap<String, Option<Timestamp>>>>;

/// The bytes of a body.
pub(crate) async fn all_of(body: StreamingBlob) -> S3Result<Vec<u8>> {
    let read = body.try_fold(Vec::new(), async |mut all, piece| {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    read.await.map_err(|_| s3_error!(IncompleteBody))
}

impl Objects {
    /// A store whose large objects are in a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let root = folder.to_owned();
        Self { root, buckets: SharedBuckets::default(), uploads: SharedUploads::default(), locks: Locks::default() }
    }

    /// The same, with buckets, uploads and locks that others hold as well.
    #[must_use]
    pub fn shared(self, buckets: SharedBuckets, uploads: SharedUploads, locks: Locks) -> Self {
        Self { buckets, uploads, locks, ..self }
    }

    fn lock(&self, key: &str) -> S3Result<Option<Timestamp>> {
        self.locks.lock().unwrap().get(key).copied().ok_or_else(|| s3_error!(NoSuchObjectLockConfiguration))
    }

    /// An object, if it is the one that is meant.
    fn found(&self, bucket: &str, key: &str, if_match: Option<&ETagCondition>) -> S3Result<Arc<Stored>> {
        let stored = self.buckets.lock().unwrap().get(bucket, key)?;
        if stored.meets(if_match) { Ok(stored) } else { Err(s3_error!(PreconditionFailed)) }
    }
}

/// How many objects a list call is to tell of.
fn most(asked: Option<i32>) -> usize {
    usize::try_from(asked.unwrap_or(MOST_LISTED).clamp(0, MOST_LISTED)).unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "it is what every call answers with")]
fn done<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.buckets.lock().unwrap().create(&request.input.bucket)?;
        done(CreateBucketOutput::default())
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let (pieces, crc32) = Pieces::of_body(body, &self.root).await?;
        if input.checksum_crc32.as_ref().is_some_and(|told| *told != crc32) {
            return Err(s3_error!(BadDigest));
        }
        let headers = Headers {
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            content_type: input.content_type,
            metadata: input.metadata,
        };
        let conditions = (input.if_match.as_ref(), input.if_none_match.as_ref());
        let mut buckets = self.buckets.lock().unwrap();
        let e_tag = Some(buckets.put((&input.bucket, &input.key), pieces, headers, None, conditions)?);
        done(PutObjectOutput { e_tag, checksum_crc32: input.checksum_crc32, ..Default::default() })
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let from = self.found(bucket, key, input.copy_source_if_match.as_ref())?;
        let to = (input.bucket.as_str(), input.key.as_str());
        let mut buckets = self.buckets.lock().unwrap();
        let e_tag = Some(buckets.put(to, from.pieces.clone(), from.headers.clone(), None, (None, None))?);
        let copy_object_result = Some(CopyObjectResult { e_tag, ..Default::default() });
        done(CopyObjectOutput { copy_object_result, ..Default::default() })
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let HeadObjectInput { bucket, key, if_match, .. } = request.input;
        let stored = self.found(&bucket, &key, if_match.as_ref())?;
        let headers = stored.headers.clone();
        done(HeadObjectOutput {
            content_length: Some(stored.size()),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            metadata: headers.metadata,
            e_tag: Some(stored.tag()),
            last_modified: Some(stored.modified()),
            ..Default::default()
        })
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, if_match, .. } = request.input;
        let stored = self.found(&bucket, &key, if_match.as_ref())?;
        let size = stored.pieces.size();
        let range = range.map(|range| range.check(size)).transpose()?;
        let content_range = range.as_ref().map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1));
        let pieces = match range {
            Some(range) => stored.pieces.slice(range),
            None => stored.pieces.clone(),
        };
        let headers = stored.headers.clone();
        done(GetObjectOutput {
            content_length: i64::try_from(pieces.size()).ok(),
            content_range,
            body: Some(pieces.into_body()),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            metadata: headers.metadata,
            e_tag: Some(stored.tag()),
            last_modified: Some(stored.modified()),
            ..Default::default()
        })
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in request.input.delete.objects {
            let (key, version_id) = (Some(object.key.clone()), object.version_id);
            if self.lock(&object.key).is_ok() {
                errors.push(Error { code: Some("AccessDenied".to_owned()), key, version_id, ..Default::default() });
            } else {
                self.buckets.lock().unwrap().delete(&request.input.bucket, &object.key)?;
                deleted.push(DeletedObject { key, version_id, ..Default::default() });
            }
        }
        done(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() })
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, start_after, continuation_token, max_keys, delimiter, .. } =
            request.input;
        if delimiter.is_some() {
            return Err(s3_error!(NotImplemented));
        }
        let (prefix, after) = (prefix.unwrap_or_default(), continuation_token.or(start_after).unwrap_or_default());
        let (listed, is_truncated) = self.buckets.lock().unwrap().list(&bucket, &prefix, &after, most(max_keys))?;
        let next_continuation_token = listed.last().filter(|_| is_truncated).map(|(key, _)| key.clone());
        let contents = listed.into_iter().map(|(key, stored)| Object {
            key: Some(key),
            size: Some(stored.size()),
            e_tag: Some(stored.tag()),
            last_modified: Some(stored.modified()),
            ..Default::default()
        });
        let contents: Vec<Object> = contents.collect();
        done(ListObjectsV2Output {
            key_count: i32::try_from(contents.len()).ok(),
            contents: Some(contents),
            is_truncated: Some(is_truncated),
            next_continuation_token,
            ..Default::default()
        })
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let ListObjectVersionsInput { bucket, prefix, key_marker, max_keys, .. } = request.input;
        let (prefix, after) = (prefix.unwrap_or_default(), key_marker.unwrap_or_default());
        let (listed, is_truncated) = self.buckets.lock().unwrap().list(&bucket, &prefix, &after, most(max_keys))?;
        let next_key_marker = listed.last().filter(|_| is_truncated).map(|(key, _)| key.clone());
        let versions = listed.into_iter().map(|(key, stored)| ObjectVersion {
            key: Some(key),
            last_modified: Some(stored.modified()),
            size: Some(stored.size()),
            e_tag: Some(stored.tag()),
            is_latest: Some(true),
            version_id: Some("null".to_owned()),
            ..Default::default()
        });
        done(ListObjectVersionsOutput {
            versions: Some(versions.collect()),
            is_truncated: Some(is_truncated),
            next_version_id_marker: next_key_marker.as_ref().map(|_| "null".to_owned()),
            next_key_marker,
            ..Default::default()
        })
    }

    async fn get_bucket_versioning(
        &self,
        _: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        done(GetBucketVersioningOutput { status, ..Default::default() })
    }

    async fn get_object_lock_configuration(
        &self,
        _: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        Err(s3_error!(ObjectLockConfigurationNotFoundError))
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
        let is_held = self.lock(&request.input.key)?.is_none();
        let status = if is_held { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
        let hold = ObjectLockLegalHold { status: Some(ObjectLockLegalHoldStatus::from_static(status)) };
        done(GetObjectLegalHoldOutput { legal_hold: Some(hold) })
    }

    async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let until = self.lock(&request.input.key)?.ok_or_else(|| s3_error!(NoSuchObjectLockConfiguration))?;
        let retention = ObjectLockRetention {
            mode: Some(ObjectLockRetentionMode::from_static(ObjectLockRetentionMode::COMPLIANCE)),
            retain_until_date: Some(SystemTime::from(until).into()),
        };
        done(GetObjectRetentionOutput { retention: Some(retention) })
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let upload_id = Some(self.uploads.lock().unwrap().begin(request.input)?);
        done(CreateMultipartUploadOutput { upload_id, ..Default::default() })
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let UploadPartInput { body, upload_id, part_number, checksum_crc32, .. } = request.input;
        let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let (pieces, crc32) = Pieces::of_body(body, &self.root).await?;
        if checksum_crc32.as_ref() != Some(&crc32) {
            return Err(s3_error!(BadDigest));
        }
        let tag = self.uploads.lock().unwrap().add(&upload_id, part_number, pieces, &crc32)?;
        done(UploadPartOutput { e_tag: Some(tag), checksum_crc32, ..Default::default() })
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let range = input.copy_source_range.as_deref().map(Range::parse).transpose();
        let range = range.map_err(|_| s3_error!(InvalidRange))?;
        let pieces = self.found(bucket, key, input.copy_source_if_match.as_ref())?.pieces.clone();
        let pieces = match range {
            Some(range) => pieces.slice(range.check(pieces.size())?),
            None => pieces,
        };
        let crc32 = pieces.clone().crc32().map_err(|_| s3_error!(InternalError))?;
        let added = self.uploads.lock().unwrap().add(&input.upload_id, input.part_number, pieces, &crc32)?;
        let result = CopyPartResult { e_tag: Some(added), checksum_crc32: Some(crc32), ..Default::default() };
        done(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() })
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let parts = Some(self.uploads.lock().unwrap().parts(&request.input.upload_id)?);
        done(ListPartsOutput { parts, is_truncated: Some(false), ..Default::default() })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, if_match, .. } = request.input;
        let listed = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let mut uploads = self.uploads.lock().unwrap();
        let (pieces, headers, tag) = uploads.together(&upload_id, &listed)?;
        let conditions = (if_match.as_ref(), None);
        let put = self.buckets.lock().unwrap().put((&bucket, &key), pieces, headers, Some(tag), conditions);
        let e_tag = Some(put?);
        uploads.end(&upload_id)?;
        done(CompleteMultipartUploadOutput { e_tag, ..Default::default() })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.uploads.lock().unwrap().end(&request.input.upload_id)?;
        done(AbortMultipartUploadOutput::default())
    }
}
