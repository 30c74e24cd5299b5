//! What a bucket with versions does with the bytes of objects: ranges, conditions, uploads in parts.

use std::collections::BTreeMap;

use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyPartResult, CopySource,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput,
    GetObjectTaggingOutput, HeadObjectInput, HeadObjectOutput, Metadata, ObjectLockLegalHoldStatus, ObjectLockMode,
    PutObjectInput, PutObjectOutput, Range, StreamingBlob, Tag, UploadPartCopyInput, UploadPartCopyOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3Result, s3_error};

use super::{Bucket, Version, Versions};
use crate::objects::all_of;

/// What an object is written with beside its bytes.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<Metadata>,
    pub(super) tags: Option<String>,
}

/// An upload in parts.
pub(super) struct Open {
    settings: Settings,
    parts: BTreeMap<i32, Vec<u8>>,
}

fn tag_of(number: u64) -> String {
    format!("tag-{number}")
}

fn is_met(condition: Option<&ETagCondition>, tag: Option<&str>) -> bool {
    match condition {
        None | Some(ETagCondition::Any) => true,
        Some(ETagCondition::ETag(ETag::Strong(wanted) | ETag::Weak(wanted))) => Some(wanted.as_str()) == tag,
    }
}

impl Bucket {
    /// The version that is named, or the current one.
    fn meant(&self, key: &str, id: Option<&str>) -> S3Result<&Version> {
        let found = self.versions.iter().find(|version| version.key == key && id.is_none_or(|id| version.id == id));
        match found {
            Some(version) if version.body.is_some() => Ok(version),
            Some(_) if id.is_some() => Err(s3_error!(MethodNotAllowed)),
            _ => Err(s3_error!(NoSuchKey)),
        }
    }

    fn slice(&self, key: &str, id: Option<&str>, range: Option<&Range>) -> S3Result<(&Version, Vec<u8>)> {
        let version = self.meant(key, id)?;
        let body = version.body.as_deref().unwrap_or_default();
        let range = match range {
            None => 0..body.len() as u64,
            Some(range) => range.check(body.len() as u64).map_err(|_| s3_error!(InvalidRange))?,
        };
        let at = |place: u64| usize::try_from(place).unwrap();
        Ok((version, body[at(range.start)..at(range.end)].to_vec()))
    }

    fn write_if(
        &mut self,
        key: &str,
        condition: Option<&ETagCondition>,
        body: Vec<u8>,
        settings: Settings,
    ) -> S3Result<Option<String>> {
        if let Some(between) = self.before_next_write.take() {
            between(self);
        }
        let current = self.meant(key, None).ok().map(|version| tag_of(version.number));
        if !is_met(condition, current.as_deref()) {
            return Err(s3_error!(PreconditionFailed));
        }
        let id = self.put(key, body);
        self.version(key, Some(&id))?.settings = settings;
        Ok((self.versioning == Some("Enabled")).then_some(id))
    }
}

impl Versions {
    pub(super) fn head(&self, input: &HeadObjectInput) -> S3Result<HeadObjectOutput> {
        let bucket = self.open(&input.bucket)?;
        let version = bucket.meant(&input.key, input.version_id.as_deref())?;
        let locked = version.locked_until.map(|until| std::time::SystemTime::from(until).into());
        let on = ObjectLockLegalHoldStatus::from_static(ObjectLockLegalHoldStatus::ON);
        Ok(HeadObjectOutput {
            content_length: version.body.as_ref().map(|body| i64::try_from(body.len()).unwrap()),
            content_type: version.settings.content_type.clone(),
            metadata: version.settings.metadata.clone(),
            e_tag: Some(ETag::Strong(tag_of(version.number))),
            version_id: bucket.versioning.map(|_| version.id.clone()),
            object_lock_mode: version.locked_until.map(|_| ObjectLockMode::from_static(ObjectLockMode::COMPLIANCE)),
            object_lock_retain_until_date: locked,
            object_lock_legal_hold_status: version.has_legal_hold.then_some(on),
            ..HeadObjectOutput::default()
        })
    }

    pub(super) fn get(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        let bucket = self.open(&input.bucket)?;
        let (version, bytes) = bucket.slice(&input.key, input.version_id.as_deref(), input.range.as_ref())?;
        let tag = tag_of(version.number);
        if !is_met(input.if_match.as_ref(), Some(&tag)) {
            return Err(s3_error!(PreconditionFailed));
        }
        Ok(GetObjectOutput {
            content_length: i64::try_from(bytes.len()).ok(),
            e_tag: Some(ETag::Strong(tag)),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            ..GetObjectOutput::default()
        })
    }

    pub(super) fn tags(&self, bucket: &str, key: &str, id: Option<&str>) -> S3Result<GetObjectTaggingOutput> {
        let bucket = self.open(bucket)?;
        let tags = bucket.meant(key, id)?.settings.tags.clone().unwrap_or_default();
        let pairs = tags.split('&').filter_map(|pair| pair.split_once('='));
        let tag = |(key, value): (&str, &str)| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        Ok(GetObjectTaggingOutput { tag_set: pairs.map(tag).collect(), ..GetObjectTaggingOutput::default() })
    }

    pub(super) async fn put_if(&self, input: PutObjectInput) -> S3Result<PutObjectOutput> {
        let settings = Settings { content_type: input.content_type, metadata: input.metadata, tags: input.tagging };
        let body = all_of(input.body.ok_or_else(|| s3_error!(IncompleteBody))?).await?;
        let version_id = self.open(&input.bucket)?.write_if(&input.key, input.if_match.as_ref(), body, settings)?;
        Ok(PutObjectOutput { version_id, ..PutObjectOutput::default() })
    }

    pub(super) fn begin(&self, input: CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
        let mut bucket = self.open(&input.bucket)?;
        bucket.written += 1;
        let id = format!("upload-{}", bucket.written);
        let settings = Settings { content_type: input.content_type, metadata: input.metadata, tags: input.tagging };
        bucket.uploads.insert(id.clone(), Open { settings, parts: BTreeMap::new() });
        Ok(CreateMultipartUploadOutput { upload_id: Some(id), ..CreateMultipartUploadOutput::default() })
    }

    fn part(&self, bucket: &str, upload: &str, number: i32, bytes: Vec<u8>) -> S3Result<ETag> {
        let mut bucket = self.open(bucket)?;
        let open = bucket.uploads.get_mut(upload).ok_or_else(|| s3_error!(NoSuchUpload))?;
        open.parts.insert(number, bytes);
        Ok(ETag::Strong(format!("part-{number}")))
    }

    pub(super) async fn put_part(&self, input: UploadPartInput) -> S3Result<UploadPartOutput> {
        let bytes = all_of(input.body.ok_or_else(|| s3_error!(IncompleteBody))?).await?;
        let e_tag = Some(self.part(&input.bucket, &input.upload_id, input.part_number, bytes)?);
        Ok(UploadPartOutput { e_tag, ..UploadPartOutput::default() })
    }

    pub(super) fn copy_part(&self, input: &UploadPartCopyInput) -> S3Result<UploadPartCopyOutput> {
        let CopySource::Bucket { key, version_id, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let range = input.copy_source_range.as_deref().map(|range| Range::parse(range).unwrap());
        let bytes = self.open(&input.bucket)?.slice(key, version_id.as_deref(), range.as_ref())?.1;
        let e_tag = Some(self.part(&input.bucket, &input.upload_id, input.part_number, bytes)?);
        let copy_part_result = Some(CopyPartResult { e_tag, ..CopyPartResult::default() });
        Ok(UploadPartCopyOutput { copy_part_result, ..UploadPartCopyOutput::default() })
    }

    pub(super) fn complete(&self, input: CompleteMultipartUploadInput) -> S3Result<CompleteMultipartUploadOutput> {
        const LEAST_PART: usize = 5 << 20;
        let mut bucket = self.open(&input.bucket)?;
        let open = bucket.uploads.remove(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        if named.iter().map(|part| part.part_number.unwrap_or(0)).ne(open.parts.keys().copied()) {
            return Err(s3_error!(InvalidPart));
        }
        let is_small = |(_, part): (&i32, &Vec<u8>)| part.len() < LEAST_PART;
        if open.parts.iter().rev().skip(1).any(is_small) {
            return Err(s3_error!(EntityTooSmall));
        }
        let body = open.parts.into_values().flatten().collect();
        let version_id = bucket.write_if(&input.key, input.if_match.as_ref(), body, open.settings)?;
        Ok(CompleteMultipartUploadOutput { version_id, ..CompleteMultipartUploadOutput::default() })
    }

    pub(super) fn give_up(&self, bucket: &str, upload: &str) -> S3Result<()> {
        self.open(bucket)?.uploads.remove(upload).map(drop).ok_or_else(|| s3_error!(NoSuchUpload))
    }
}
