//! S3 in this process with versions, delete markers and locks, of which the file system's store has none. It serves what
//! the connector calls, as the S3 User Guide says ("Working with delete markers", "Locking objects").

mod bodies;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use jiff::Timestamp;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketVersioningStatus, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteMarkerEntry,
    DeleteObjectsInput, DeleteObjectsOutput, Error, GetBucketVersioningInput, GetBucketVersioningOutput,
    GetObjectInput, GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetObjectOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
    GetObjectTaggingInput, GetObjectTaggingOutput, HeadObjectInput, HeadObjectOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, MFADeleteStatus, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold,
    ObjectLockLegalHoldStatus, ObjectLockRetention, ObjectLockRetentionMode, ObjectVersion, PutObjectInput,
    PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

/// One bucket.
#[derive(Clone, Default)]
pub struct Versions(Arc<Mutex<Bucket>>);

/// What the bucket is and holds.
#[derive(Default)]
pub struct Bucket {
    /// Its name; empty: it is gone.
    pub name: String,
    /// `Enabled`, `Suspended`, or never set.
    pub versioning: Option<&'static str>,
    pub has_object_lock: bool,
    pub needs_second_factor: bool,
    pub denies: Denies,
    /// So many deletes that are not the first of their call are answered with `SlowDown`.
    pub slow: usize,
    /// What happens just before the next object is written.
    pub before_next_write: Option<Between>,
    versions: Vec<Version>,
    uploads: BTreeMap<String, bodies::Open>,
    written: u64,
}

/// What the bucket's policy denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denies {
    #[default]
    Nothing,
    Deletes,
    Everything,
}

/// Something that somebody else does meanwhile.
pub type Between = Box<dyn FnOnce(&mut Bucket) + Send>;

/// A version of an object, or a delete marker.
struct Version {
    key: String,
    /// `null` in a bucket without versions.
    id: String,
    /// Its place in the order of writing.
    number: u64,
    /// None: a delete marker.
    body: Option<Vec<u8>>,
    locked_until: Option<Timestamp>,
    has_legal_hold: bool,
    settings: bodies::Settings,
}

impl Versions {
    /// An empty bucket with versions.
    pub fn new(name: &str) -> Self {
        let bucket = Bucket { name: name.to_owned(), versioning: Some("Enabled"), ..Bucket::default() };
        Self(Arc::new(Mutex::new(bucket)))
    }

    pub fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap()
    }

    /// A client of it.
    pub fn client(&self) -> aws_sdk_s3::Client {
        let mut service = s3s::service::S3ServiceBuilder::new(self.clone());
        service.set_auth(s3s::auth::SimpleAuth::from_single("test", "test"));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://s3.example")
            .force_path_style(true)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(s3s_aws::Client::from(service.build()))
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    fn open(&self, name: &str) -> S3Result<MutexGuard<'_, Bucket>> {
        let bucket = self.bucket();
        if bucket.denies == Denies::Everything {
            // As S3 does, the words repeat what was asked for.
            let keys: Vec<&str> = bucket.versions.iter().map(|version| version.key.as_str()).collect();
            return Err(s3_error!(AccessDenied, "not allowed on {keys:?}"));
        }
        if bucket.name == name { Ok(bucket) } else { Err(s3_error!(NoSuchBucket)) }
    }
}

impl Bucket {
    /// Writes an object; its version.
    pub fn put(&mut self, key: &str, body: Vec<u8>) -> String {
        self.write(key, Some(body))
    }

    /// Puts a delete marker on top of an object.
    pub fn mark_deleted(&mut self, key: &str) {
        self.write(key, None);
    }

    /// Locks a version, or takes the lock away.
    pub fn lock(&mut self, key: &str, id: &str, until: Option<Timestamp>) {
        self.version(key, Some(id)).unwrap().locked_until = until;
    }

    /// Puts a version under a legal hold, or lifts it.
    pub fn hold(&mut self, key: &str, id: &str, is_held: bool) {
        self.version(key, Some(id)).unwrap().has_legal_hold = is_held;
    }

    /// What an object holds now.
    pub fn body(&self, key: &str) -> Option<&[u8]> {
        self.versions.iter().find(|version| version.key == key)?.body.as_deref()
    }

    /// Uploads that nobody has completed or given up.
    pub fn open_uploads(&self) -> usize {
        self.uploads.len()
    }

    /// Every version: key, version, and what it holds.
    pub fn dump(&self) -> Vec<String> {
        self.versions.iter().map(|version| format!("{} {} {:?}", version.key, version.id, version.body)).collect()
    }

    fn write(&mut self, key: &str, body: Option<Vec<u8>>) -> String {
        self.written += 1;
        let number = self.written;
        let id = if self.versioning == Some("Enabled") { format!("v{number}") } else { "null".to_owned() };
        if id == "null" {
            self.versions.retain(|version| version.key != key || version.id != "null");
        }
        let key = key.to_owned();
        let settings = bodies::Settings::default();
        let id_of_new = id.clone();
        self.versions.push(Version {
            key,
            id: id_of_new,
            number,
            body,
            locked_until: None,
            has_legal_hold: false,
            settings,
        });
        // By key, the newest first, as they are listed.
        self.versions.sort_by(|a, b| a.key.cmp(&b.key).then(b.number.cmp(&a.number)));
        id
    }

    fn version(&mut self, key: &str, id: Option<&str>) -> S3Result<&mut Version> {
        let found = self.versions.iter_mut().find(|version| version.key == key && Some(version.id.as_str()) == id);
        match found {
            Some(version) if version.body.is_none() => Err(s3_error!(MethodNotAllowed)),
            Some(version) => Ok(version),
            None => Err(s3_error!(NoSuchVersion)),
        }
    }

    fn is_latest(&self, version: &Version) -> bool {
        self.versions
            .iter()
            .find(|other| other.key == version.key)
            .is_some_and(|newest| newest.number == version.number)
    }
}

impl Version {
    fn written_at(&self) -> s3s::dto::Timestamp {
        (SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + self.number)).into()
    }
}

#[async_trait::async_trait]
impl S3 for Versions {
    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.head(&request.input).map(S3Response::new)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.get(&request.input).map(S3Response::new)
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let GetObjectTaggingInput { bucket, key, version_id, .. } = request.input;
        self.tags(&bucket, &key, version_id.as_deref()).map(S3Response::new)
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.put_if(request.input).await.map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begin(request.input).map(S3Response::new)
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.put_part(request.input).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.copy_part(&request.input).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete(request.input).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let AbortMultipartUploadInput { bucket, upload_id, .. } = request.input;
        self.give_up(&bucket, &upload_id).map(|()| S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let bucket = self.open(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let most = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap();
        let key_marker = input.key_marker.unwrap_or_default();
        // A version that a listing goes on after may be gone by then; its number says where it stood.
        let id_marker = input.version_id_marker.map(|id| id.trim_start_matches('v').parse().unwrap_or(0));
        let is_after = |version: &&Version| match id_marker {
            Some(number) if version.key == key_marker => version.number < number,
            _ => version.key > key_marker,
        };
        let mut listed: Vec<&Version> =
            bucket.versions.iter().filter(|version| version.key.starts_with(&prefix)).filter(is_after).collect();
        let is_truncated = listed.len() > most;
        listed.truncate(most);
        let last = listed.last().filter(|_| is_truncated);
        let mut output = ListObjectVersionsOutput {
            is_truncated: Some(is_truncated),
            next_key_marker: last.map(|version| version.key.clone()),
            next_version_id_marker: last.map(|version| version.id.clone()),
            ..ListObjectVersionsOutput::default()
        };
        for version in listed {
            let (key, id) = (Some(version.key.clone()), Some(version.id.clone()));
            let (is_latest, last_modified) = (Some(bucket.is_latest(version)), Some(version.written_at()));
            match &version.body {
                Some(body) => output.versions.get_or_insert_default().push(ObjectVersion {
                    key,
                    version_id: id,
                    is_latest,
                    last_modified,
                    size: Some(i64::try_from(body.len()).unwrap()),
                    ..ObjectVersion::default()
                }),
                None => output.delete_markers.get_or_insert_default().push(DeleteMarkerEntry {
                    key,
                    version_id: id,
                    is_latest,
                    last_modified,
                    ..DeleteMarkerEntry::default()
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let mut bucket = self.open(&input.bucket)?;
        let mut errors = Vec::new();
        for (position, object) in input.delete.objects.into_iter().enumerate() {
            let Some(id) = object.version_id.clone() else {
                bucket.mark_deleted(&object.key);
                continue;
            };
            let is_target = |version: &Version| version.key == object.key && version.id == id;
            let is_locked =
                |version: &Version| is_target(version) && (version.locked_until.is_some() || version.has_legal_hold);
            let code = if bucket.denies == Denies::Deletes || bucket.versions.iter().any(is_locked) {
                "AccessDenied"
            } else if position > 0 && bucket.slow > 0 {
                bucket.slow -= 1;
                "SlowDown"
            } else {
                bucket.versions.retain(|version| !is_target(version));
                continue;
            };
            errors.push(Error {
                key: Some(object.key.clone()),
                version_id: Some(id.clone()),
                code: Some(code.to_owned()),
                message: Some(format!("{code}: {}", object.key)),
            });
        }
        Ok(S3Response::new(DeleteObjectsOutput { errors: Some(errors), ..DeleteObjectsOutput::default() }))
    }

    async fn get_object_retention(
        &self,
        request: S3Request<GetObjectRetentionInput>,
    ) -> S3Result<S3Response<GetObjectRetentionOutput>> {
        let mut bucket = self.open(&request.input.bucket)?;
        let version = bucket.version(&request.input.key, request.input.version_id.as_deref())?;
        let Some(until) = version.locked_until else { return Err(s3_error!(NoSuchObjectLockConfiguration)) };
        let retention = ObjectLockRetention {
            mode: Some(ObjectLockRetentionMode::from_static(ObjectLockRetentionMode::COMPLIANCE)),
            retain_until_date: Some(SystemTime::from(until).into()),
        };
        Ok(S3Response::new(GetObjectRetentionOutput { retention: Some(retention) }))
    }

    async fn get_object_legal_hold(
        &self,
        request: S3Request<GetObjectLegalHoldInput>,
    ) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
        let mut bucket = self.open(&request.input.bucket)?;
        let version = bucket.version(&request.input.key, request.input.version_id.as_deref())?;
        if !version.has_legal_hold {
            return Err(s3_error!(NoSuchObjectLockConfiguration));
        }
        let status = Some(ObjectLockLegalHoldStatus::from_static(ObjectLockLegalHoldStatus::ON));
        let legal_hold = Some(ObjectLockLegalHold { status });
        Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold }))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let bucket = self.open(&request.input.bucket)?;
        let enabled = MFADeleteStatus::from_static(MFADeleteStatus::ENABLED);
        Ok(S3Response::new(GetBucketVersioningOutput {
            mfa_delete: bucket.needs_second_factor.then_some(enabled),
            status: bucket.versioning.map(BucketVersioningStatus::from_static),
        }))
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let bucket = self.open(&request.input.bucket)?;
        if !bucket.has_object_lock {
            return Err(s3_error!(ObjectLockConfigurationNotFoundError));
        }
        let enabled = ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED);
        let configuration = ObjectLockConfiguration { object_lock_enabled: Some(enabled), rule: None };
        let object_lock_configuration = Some(configuration);
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
    }
}
