//! S3 in this process: a file system's store, with a list of versions for a bucket that keeps none.

use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectVersionsInput,
    ListObjectVersionsOutput, ListObjectsV2Input, ListObjectsV2Output, ObjectVersion, PutObjectInput, PutObjectOutput,
    UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;

pub struct Objects(pub FileSystem);

macro_rules! pass_on {
    ($($method:ident: $input:ty => $output:ty;)*) => {
        #[async_trait::async_trait]
        impl S3 for Objects {
            $(async fn $method(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.0.$method(request).await
            })*

            async fn list_object_versions(
                &self,
                request: S3Request<ListObjectVersionsInput>,
            ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
                let input = ListObjectsV2Input {
                    bucket: request.input.bucket.clone(),
                    prefix: request.input.prefix.clone(),
                    ..ListObjectsV2Input::default()
                };
                let listed = self.0.list_objects_v2(request.map_input(|_| input)).await?.output;
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
        }
    };
}

pass_on! {
    create_bucket: CreateBucketInput => CreateBucketOutput;
    put_object: PutObjectInput => PutObjectOutput;
    copy_object: CopyObjectInput => CopyObjectOutput;
    get_object: GetObjectInput => GetObjectOutput;
    head_object: HeadObjectInput => HeadObjectOutput;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput;
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput;
    upload_part: UploadPartInput => UploadPartOutput;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput;
}
