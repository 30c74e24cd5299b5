//! Whole objects: found, read, put together of parts.
//!
//! An object that was put is a file of the store. Of one that was made of parts the store has a file of its length, so that
//! it is listed; what it holds and how it was made is kept here.

use std::fs::File;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopySource, ETag,
    ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Metadata,
};
use s3s::{S3 as _, S3Request, S3Response, S3Result, s3_error};
use sha2::{Digest as _, Sha256};

use super::Objects;
use super::pieces::Pieces;

/// An object that was made of parts.
pub(super) struct Whole {
    pub(super) tag: String,
    pub(super) pieces: Pieces,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// The tag of an object made of parts: it comes of the parts' tags and says how many there are, as S3's does. No bytes are
/// in it, as theirs are not in those of an object under a customer key.
pub(super) fn tag<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let (number, mut digest) = (parts.len(), Sha256::new());
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    format!("{}-{number}", hex::encode(&digest.finalize()[..16]))
}

/// What is known of an object, and what it holds.
pub(super) type Found = (HeadObjectOutput, Pieces);

impl Objects {
    fn path(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let relative = Path::new(bucket).join(key);
        let is_inside = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if is_inside { Ok(self.root.join(relative)) } else { Err(s3_error!(InvalidArgument)) }
    }

    fn whole(&self, bucket: &str, key: &str) -> Option<Arc<Whole>> {
        self.wholes.lock().unwrap().get(&(bucket.to_owned(), key.to_owned())).cloned()
    }

    /// An object is gone, or is a file of the store again.
    pub(super) fn forget(&self, bucket: &str, key: &str) {
        self.wholes.lock().unwrap().remove(&(bucket.to_owned(), key.to_owned()));
    }

    pub(super) async fn head(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let (bucket, key) = (&request.input.bucket, &request.input.key);
        let Some(whole) = self.whole(bucket, key) else {
            return self.store.head_object(request).await;
        };
        let file = std::fs::metadata(self.path(bucket, key)?).and_then(|file| file.modified());
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(whole.pieces.size()).ok(),
            content_type: whole.content_type.clone(),
            metadata: whole.metadata.clone(),
            e_tag: Some(ETag::Strong(whole.tag.clone())),
            last_modified: file.ok().map(Into::into),
            ..HeadObjectOutput::default()
        }))
    }

    /// Finds an object by bucket and key, if it is the one that is meant.
    pub(super) async fn found(
        &self,
        request: S3Request<(String, String)>,
        if_match: Option<ETagCondition>,
    ) -> S3Result<Found> {
        let (bucket, key) = request.input.clone();
        let whole = self.whole(&bucket, &key);
        let input = HeadObjectInput { bucket: bucket.clone(), key: key.clone(), ..HeadObjectInput::default() };
        let head = self.head(request.map_input(|_| input)).await?.output;
        if let Some(ETagCondition::ETag(meant)) = if_match
            && !head.e_tag.as_ref().is_some_and(|tag| tag.strong_cmp(&meant))
        {
            return Err(s3_error!(PreconditionFailed));
        }
        let pieces = match whole {
            Some(whole) => whole.pieces.clone(),
            None => Pieces::of_file(&self.path(&bucket, &key)?).map_err(|_| s3_error!(NoSuchKey))?,
        };
        Ok((head, pieces))
    }

    /// An object, or a range of it.
    pub(super) async fn get(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, if_match, .. } = request.input.clone();
        let (head, pieces) = self.found(request.map_input(|_| (bucket, key)), if_match).await?;
        let size = pieces.size();
        let range = range.map(|range| range.check(size)).transpose()?;
        let content_range = range.as_ref().map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1));
        let pieces = match range {
            Some(range) => pieces.slice(range),
            None => pieces,
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(pieces.size()).ok(),
            content_range,
            body: Some(pieces.into_body()),
            cache_control: head.cache_control,
            content_disposition: head.content_disposition,
            content_encoding: head.content_encoding,
            content_language: head.content_language,
            content_type: head.content_type,
            e_tag: head.e_tag,
            last_modified: head.last_modified,
            metadata: head.metadata,
            ..GetObjectOutput::default()
        }))
    }

    /// Copies an object. The store does, so it is given what it does not have.
    pub(super) async fn copy(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        if let CopySource::Bucket { bucket, key, .. } = &request.input.copy_source
            && let Some(whole) = self.whole(bucket, key)
        {
            let path = self.path(bucket, key)?;
            self.replace(&path, |file| whole.pieces.clone().write(file))?;
        }
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let copied = self.store.copy_object(request).await?;
        self.forget(&bucket, &key);
        Ok(copied)
    }

    pub(super) async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, multipart_upload, if_match, .. } =
            request.input.clone();
        if if_match.is_some() {
            self.found(request.map_input(|_| (bucket.clone(), key.clone())), if_match).await?;
        }
        let listed = multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let mut uploads = self.uploads.lock().unwrap();
        let whole = uploads.together(&upload_id, &listed)?;
        let (size, e_tag) = (whole.pieces.size(), Some(ETag::Strong(whole.tag.clone())));
        self.replace(&self.path(&bucket, &key)?, |file| file.set_len(size))?;
        self.wholes.lock().unwrap().insert((bucket, key), Arc::new(whole));
        uploads.open.remove(&upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput { e_tag, ..CompleteMultipartUploadOutput::default() }))
    }

    /// Puts a file in the place of an object's.
    fn replace(&self, path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> S3Result<()> {
        let replaced = || {
            std::fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
            fill(file.as_file_mut())?;
            file.persist(path).map_err(|error| error.error)
        };
        replaced().map(drop).map_err(|_| s3_error!(InternalError))
    }
}
