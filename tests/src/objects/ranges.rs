//! Ranges of objects, read at once. The file system's store sends four kibibytes at a time, each read by another thread: a
//! gigabyte in ranges would measure that and nothing else.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use s3s::dto::{GetObjectInput, GetObjectOutput, HeadObjectInput, StreamingBlob};
use s3s::{S3 as _, S3Request, S3Response, S3Result, s3_error};

use super::Objects;

impl Objects {
    /// An object, or a range of it.
    pub(super) async fn get(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (Some(range), Some(root)) = (request.input.range, &self.root) else {
            return self.store.get_object(request).await;
        };
        let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
        let path = root.join(&bucket).join(&key);
        let head = HeadObjectInput { bucket, key, ..HeadObjectInput::default() };
        let head = self.store.head_object(request.map_input(|_| head)).await?.output;
        let size = u64::try_from(head.content_length.unwrap_or_default()).unwrap_or_default();
        let range = range.check(size)?;
        let (first, last) = (range.start, range.end - 1);
        let bytes = tokio::task::spawn_blocking(move || read(&path, range)).await;
        let bytes = bytes.map_err(|_| s3_error!(InternalError))?.map_err(|_| s3_error!(NoSuchKey))?;
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(bytes.len()).ok(),
            content_range: Some(format!("bytes {first}-{last}/{size}")),
            body: Some(StreamingBlob::wrap(futures::stream::iter([Ok::<_, std::io::Error>(bytes.into())]))),
            e_tag: head.e_tag,
            last_modified: head.last_modified,
            ..GetObjectOutput::default()
        }))
    }
}

fn read(path: &PathBuf, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut bytes = vec![0; usize::try_from(range.end - range.start).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
