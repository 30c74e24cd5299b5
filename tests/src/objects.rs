//! S3 in this process: a file system's store, with a list of versions for a bucket that keeps none, and with uploads that
//! hold to what S3 does: a part has the tag that its uploading gave it, an upload that is over is not there, and checksums
//! are asked for at the beginning, brought with each part, and named once more at the end. An object that is locked stays.

mod pieces;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures::TryStreamExt as _;
use jiff::Timestamp;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketVersioningStatus, ChecksumAlgorithm,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyObjectInput, CopyObjectOutput,
    CopyPartResult, CopySource, CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectsInput, DeleteObjectsOutput, ETag, Error, GetBucketVersioningInput,
    GetBucketVersioningOutput, GetObjectInput, GetObjectLegalHoldInput, GetObjectLegalHoldOutput,
    GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, GetObjectOutput, GetObjectRetentionInput,
    GetObjectRetentionOutput, HeadObjectInput, HeadObjectOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, Metadata, ObjectLockLegalHold,
    ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode, ObjectVersion, Part, PutObjectInput,
    PutObjectOutput, Range, StreamingBlob, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use pieces::Pieces;
use whole::Whole;

pub struct Objects {
    store: FileSystem,
    /// Where the store has its files.
    root: PathBuf,
    uploads: SharedUploads,
    /// Objects that were made of parts, by bucket and key. Of these the store knows how long they are, and no byte.
    wholes: Mutex<BTreeMap<(String, String), Arc<Whole>>>,
    locks: Locks,
}

/// Locked objects by their key: until when, or until a legal hold is lifted.
pub type Locks = Arc<Mutex<BTreeMap<String, Option<Timestamp>>>>;

pub type SharedUploads = Arc<Mutex<Uploads>>;

#[derive(Default)]
pub struct Uploads {
    /// How many tags were given: no two uploads of the same bytes have the same one, as with a customer key.
    tags: u64,
    open: BTreeMap<String, Upload>,
    /// How many parts were uploaded again as they were,
    again: usize,
    /// and how many with other bytes.
    otherwise: usize,
}

#[derive(Default)]
struct Upload {
    content_type: Option<String>,
    metadata: Option<Metadata>,
    parts: BTreeMap<i32, UploadedPart>,
}

struct UploadedPart {
    tag: String,
    crc32: String,
    pieces: Pieces,
}

impl UploadedPart {
    /// Whether it is what the caller says that it is.
    fn is(&self, told: &CompletedPart) -> bool {
        told.e_tag.as_ref().map(ETag::value) == Some(&self.tag) && told.checksum_crc32.as_ref() == Some(&self.crc32)
    }
}

/// The bytes of a body.
pub(crate) async fn all_of(body: StreamingBlob) -> S3Result<Vec<u8>> {
    let read = body.try_fold(Vec::new(), async |mut all, piece| {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    read.await.map_err(|_| s3_error!(IncompleteBody))
}

impl Objects {
    /// A store over a folder.
    pub fn new(folder: &Path, uploads: SharedUploads) -> Result<Self, s3s_fs::Error> {
        let store = FileSystem::new(folder)?;
        Ok(Self { store, root: folder.to_owned(), uploads, wholes: Mutex::default(), locks: Locks::default() })
    }

    /// The same, with locks that others can set.
    #[must_use]
    pub fn with_locks(self, locks: Locks) -> Self {
        Self { locks, ..self }
    }

    fn lock(&self, key: &str) -> S3Result<Option<Timestamp>> {
        self.locks.lock().unwrap().get(key).copied().ok_or_else(|| s3_error!(NoSuchObjectLockConfiguration))
    }
}

impl Uploads {
    /// Uploads that are open, and how many parts each has.
    pub(crate) fn open(&self) -> Vec<(String, usize)> {
        self.open.iter().map(|(id, upload)| (id.clone(), upload.parts.len())).collect()
    }

    /// How many parts were uploaded again as they were, and how many with other bytes.
    pub(crate) fn repeated(&self) -> (usize, usize) {
        (self.again, self.otherwise)
    }

    fn add(&mut self, upload: &str, number: i32, pieces: Pieces, crc32: &str) -> S3Result<ETag> {
        self.tags += 1;
        let tag = format!("tag-{}", self.tags);
        let parts = &mut self.open.get_mut(upload).ok_or_else(|| s3_error!(NoSuchUpload))?.parts;
        if let Some(earlier) = parts.get(&number) {
            let is_same = earlier.pieces.size() == pieces.size() && earlier.crc32 == crc32;
            *(if is_same { &mut self.again } else { &mut self.otherwise }) += 1;
        }
        parts.insert(number, UploadedPart { tag: tag.clone(), crc32: crc32.to_owned(), pieces });
        Ok(ETag::Strong(tag))
    }

    /// What the parts make together: they are numbered from 1, without a gap.
    fn together(&self, upload: &str, told: &[CompletedPart]) -> S3Result<Whole> {
        let upload = self.open.get(upload).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut parts = Vec::with_capacity(told.len());
        for (number, told) in (1..).zip(told) {
            let part = upload.parts.get(&number).filter(|part| told.part_number == Some(number) && part.is(told));
            parts.push(part.ok_or_else(|| s3_error!(InvalidPart))?);
        }
        Ok(Whole {
            tag: whole::tag(parts.iter().map(|part| part.tag.as_str())),
            pieces: Pieces::together(parts.iter().map(|part| &part.pieces)),
            content_type: upload.content_type.clone(),
            metadata: upload.metadata.clone(),
        })
    }
}

macro_rules! pass_on {
    ($($method:ident: $input:ty => $output:ty;)*) => {
        #[async_trait::async_trait]
        impl S3 for Objects {
            $(async fn $method(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.store.$method(request).await
            })*

            async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
                let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
                let put = self.store.put_object(request).await?;
                self.forget(&bucket, &key);
                Ok(put)
            }

            async fn copy_object(
                &self,
                request: S3Request<CopyObjectInput>,
            ) -> S3Result<S3Response<CopyObjectOutput>> {
                self.copy(request).await
            }

            async fn head_object(
                &self,
                request: S3Request<HeadObjectInput>,
            ) -> S3Result<S3Response<HeadObjectOutput>> {
                self.head(request).await
            }

            async fn get_object(
                &self,
                request: S3Request<GetObjectInput>,
            ) -> S3Result<S3Response<GetObjectOutput>> {
                self.get(request).await
            }

            async fn get_bucket_versioning(
                &self,
                _: S3Request<GetBucketVersioningInput>,
            ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
                let status = Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
                Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
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
                Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold: Some(hold) }))
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
                Ok(S3Response::new(GetObjectRetentionOutput { retention: Some(retention) }))
            }

            async fn delete_objects(
                &self,
                mut request: S3Request<DeleteObjectsInput>,
            ) -> S3Result<S3Response<DeleteObjectsOutput>> {
                let objects = std::mem::take(&mut request.input.delete.objects);
                let (locked, free) = objects.into_iter().partition::<Vec<_>, _>(|object| self.lock(&object.key).is_ok());
                let bucket = request.input.bucket.clone();
                let keys: Vec<String> = free.iter().map(|object| object.key.clone()).collect();
                request.input.delete.objects = free;
                let mut response = self.store.delete_objects(request).await?;
                for key in &keys {
                    self.forget(&bucket, key);
                }
                let denied = locked.into_iter().map(|object| Error {
                    code: Some("AccessDenied".to_owned()),
                    key: Some(object.key),
                    version_id: object.version_id,
                    ..Error::default()
                });
                response.output.errors.get_or_insert_default().extend(denied);
                Ok(response)
            }

            async fn list_object_versions(
                &self,
                request: S3Request<ListObjectVersionsInput>,
            ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
                let input = ListObjectsV2Input {
                    bucket: request.input.bucket.clone(),
                    prefix: request.input.prefix.clone(),
                    start_after: request.input.key_marker.clone(),
                    ..ListObjectsV2Input::default()
                };
                let listed = self.store.list_objects_v2(request.map_input(|_| input)).await?.output;
                let versions = listed.contents.unwrap_or_default().into_iter().map(|object| ObjectVersion {
                    key: object.key,
                    last_modified: object.last_modified,
                    size: object.size,
                    is_latest: Some(true),
                    version_id: Some("null".to_owned()),
                    ..ObjectVersion::default()
                });
                let output = ListObjectVersionsOutput {
                    versions: Some(versions.collect()),
                    is_truncated: Some(false),
                    ..ListObjectVersionsOutput::default()
                };
                Ok(S3Response::new(output))
            }

            async fn create_multipart_upload(
                &self,
                request: S3Request<CreateMultipartUploadInput>,
            ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
                let asked = &request.input.checksum_algorithm;
                if asked.as_ref().map(ChecksumAlgorithm::as_str) != Some(ChecksumAlgorithm::CRC32) {
                    return Err(s3_error!(InvalidRequest, "the parts bring CRC32, and the upload was not begun for it"));
                }
                let mut uploads = self.uploads.lock().unwrap();
                uploads.tags += 1;
                let id = format!("upload-{}", uploads.tags);
                let CreateMultipartUploadInput { content_type, metadata, .. } = request.input;
                uploads.open.insert(id.clone(), Upload { content_type, metadata, parts: BTreeMap::new() });
                let output = CreateMultipartUploadOutput { upload_id: Some(id), ..Default::default() };
                Ok(S3Response::new(output))
            }

            async fn upload_part(
                &self,
                request: S3Request<UploadPartInput>,
            ) -> S3Result<S3Response<UploadPartOutput>> {
                let UploadPartInput { body, upload_id, part_number, checksum_crc32, .. } = request.input;
                let body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
                let (pieces, crc32) = Pieces::of_body(body, &self.root).await?;
                if checksum_crc32.as_ref() != Some(&crc32) {
                    return Err(s3_error!(BadDigest));
                }
                let tag = self.uploads.lock().unwrap().add(&upload_id, part_number, pieces, &crc32)?;
                Ok(S3Response::new(UploadPartOutput { e_tag: Some(tag), checksum_crc32, ..Default::default() }))
            }

            async fn upload_part_copy(
                &self,
                request: S3Request<UploadPartCopyInput>,
            ) -> S3Result<S3Response<UploadPartCopyOutput>> {
                let UploadPartCopyInput { copy_source, copy_source_range, upload_id, part_number, .. } =
                    request.input.clone();
                let CopySource::Bucket { bucket, key, .. } = copy_source else {
                    return Err(s3_error!(NotImplemented));
                };
                let range = copy_source_range.map(|range| Range::parse(&range)).transpose();
                let range = range.map_err(|_| s3_error!(InvalidRange))?;
                let if_match = request.input.copy_source_if_match.clone();
                let (_, pieces) = self.found(request.map_input(|_| (bucket.into(), key.into())), if_match).await?;
                let pieces = match range {
                    Some(range) => pieces.slice(range.check(pieces.size())?),
                    None => pieces,
                };
                let crc32 = pieces.clone().crc32().map_err(|_| s3_error!(InternalError))?;
                let e_tag = Some(self.uploads.lock().unwrap().add(&upload_id, part_number, pieces, &crc32)?);
                let copy_part_result = Some(CopyPartResult { e_tag, checksum_crc32: Some(crc32), ..Default::default() });
                Ok(S3Response::new(UploadPartCopyOutput { copy_part_result, ..Default::default() }))
            }

            async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
                let uploads = self.uploads.lock().unwrap();
                let parts = &uploads.open.get(&request.input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?.parts;
                let part = |(number, part): (&i32, &UploadedPart)| Part {
                    part_number: Some(*number),
                    e_tag: Some(ETag::Strong(part.tag.clone())),
                    checksum_crc32: Some(part.crc32.clone()),
                    ..Part::default()
                };
                let parts = Some(parts.iter().map(part).collect());
                Ok(S3Response::new(ListPartsOutput { parts, is_truncated: Some(false), ..Default::default() }))
            }

            async fn complete_multipart_upload(
                &self,
                request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                self.complete(request).await
            }

            async fn abort_multipart_upload(
                &self,
                request: S3Request<AbortMultipartUploadInput>,
            ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                let gone = self.uploads.lock().unwrap().open.remove(&request.input.upload_id);
                gone.map(|_| S3Response::new(AbortMultipartUploadOutput::default())).ok_or_else(|| s3_error!(NoSuchUpload))
            }
        }
    };
}

pass_on! {
    create_bucket: CreateBucketInput => CreateBucketOutput;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output;
}
