//! Puts the staged pages and objects together to one ZIP archive, streamed through a multipart upload.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use habeas::export::{
    Archive, FileDigest, Manifest, ManifestFile, ManifestPolicy, Preview, Section, context, render, staging,
};
use habeas::plan::{Counts, Work};
use habeas::policy::{Period, deadline};
use habeas::request::{Matter, PackageInfo, Right, StepNumber};
use habeas::steps::{Job, Next, Page, StepError};
use jiff::ToSpan as _;

use crate::Function;

/// The least that S3 takes as a part that is not the last.
const PART: usize = 8 * 1024 * 1024;

/// A multipart upload under way.
struct Upload<'a> {
    function: &'a Function,
    key: String,
    id: String,
    parts: Vec<CompletedPart>,
}

impl Function {
    pub(crate) async fn make_package(&self, job: &Job) -> Result<Page, StepError> {
        let steps = self.export_steps(job).await?;
        let key = staging::package(&job.request.id, job.claim.step.attempt);
        let mut upload = Upload::begin(self, key).await?;
        // An upload that does not come to its end is removed by the bucket's lifecycle rule a day later.
        let package = Box::pin(self.fill(job, &steps, &mut upload)).await?;
        let next = Next::Done { package: Some(package), captured: None };
        Ok(Page { counts: Counts::default(), retained_until: None, next })
    }

    async fn export_steps(&self, job: &Job) -> Result<Vec<(StepNumber, String)>, StepError> {
        let view = self.platform.driver.ledger.view(&job.request.id).await.map_err(StepError::transient)?;
        let steps = view.map_or_else(Vec::new, |view| view.steps);
        Ok(steps
            .into_iter()
            .filter_map(|step| match step.work {
                Work::Export { collection } => Some((step.number, collection)),
                _ => None,
            })
            .collect())
    }

    async fn fill(
        &self,
        job: &Job,
        steps: &[(StepNumber, String)],
        upload: &mut Upload<'_>,
    ) -> Result<PackageInfo, StepError> {
        let mut archive = Archive::default();
        let mut files = Vec::new();
        let mut sections = Vec::new();
        for (step, collection) in steps {
            let (data, preview) = self.add_data(job, *step, collection, &mut archive, upload).await?;
            let media = self.add_media(job, *step, collection, &mut archive, upload).await?;
            let (path, records, bytes) = (data.path.clone(), data.records.unwrap_or(0), data.bytes);
            let listed = media.iter().map(|file| (file.path.clone(), file.bytes)).collect();
            let language = job.policy.language(Some(&job.request.language));
            sections.push(Section::new(&job.policy, collection, language, (path, records, bytes), preview, listed));
            files.push(data);
            files.extend(media);
        }
        let created_at = self.platform.driver.clock.now();
        if job.request.matter != Matter::Right(Right::Portability) {
            let page =
                render(&context(&job.policy, &job.request, created_at, sections)).map_err(StepError::permanent)?;
            files.push(add_file(&mut archive, "index.html", page.as_bytes())?);
        }
        let manifest = manifest(job, created_at, files);
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(StepError::permanent)?;
        add_file(&mut archive, "manifest.json", &manifest)?;
        let (rest, sha256, bytes) = archive.finish().map_err(StepError::permanent)?;
        upload.put(rest).await?;
        let key = upload.complete().await?;
        let expires_at = expires_at(job, created_at)?;
        Ok(PackageInfo { key, bytes, sha256, expires_at, deleted: false })
    }

    /// The records of one collection as one JSON array.
    async fn add_data(
        &self,
        job: &Job,
        step: StepNumber,
        collection: &str,
        archive: &mut Archive,
        upload: &mut Upload<'_>,
    ) -> Result<(ManifestFile, Preview), StepError> {
        let path = format!("data/{}.json", collection.replacen('.', "/", 1));
        let mut preview = Preview::default();
        let mut records = 0;
        archive.begin(&path).map_err(StepError::permanent)?;
        archive.write(b"[").map_err(StepError::permanent)?;
        for key in self.staged(&staging::pages(&job.request.id, step)).await? {
            let object = self.s3.get_object().bucket(&self.package_bucket).key(key).send().await;
            let bytes = object.map_err(StepError::transient)?.body.collect().await.map_err(StepError::transient)?;
            for line in bytes.into_bytes().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                archive.write(if records == 0 { b"\n" } else { b",\n" }).map_err(StepError::permanent)?;
                archive.write(line).map_err(StepError::permanent)?;
                if records < habeas::export::PREVIEW_ROWS as u64 {
                    preview.add(&serde_json::from_slice(line).map_err(StepError::permanent)?);
                }
                records += 1;
            }
            upload.put_full(archive).await?;
        }
        archive.write(b"\n]\n").map_err(StepError::permanent)?;
        Ok((file_of(archive.end(), collection, Some(records)), preview))
    }

    /// The copied objects of one collection.
    async fn add_media(
        &self,
        job: &Job,
        step: StepNumber,
        collection: &str,
        archive: &mut Archive,
        upload: &mut Upload<'_>,
    ) -> Result<Vec<ManifestFile>, StepError> {
        let prefix = staging::media(&job.request.id, step);
        let mut files = Vec::new();
        for key in self.staged(&prefix).await? {
            let name = key.strip_prefix(&prefix).unwrap_or(&key);
            archive
                .begin(&format!("media/{}/{name}", collection.replacen('.', "/", 1)))
                .map_err(StepError::permanent)?;
            let object = self.s3.get_object().bucket(&self.package_bucket).key(&key).send().await;
            let mut body = object.map_err(StepError::transient)?.body;
            while let Some(chunk) = body.next().await {
                archive.write(&chunk.map_err(StepError::transient)?).map_err(StepError::permanent)?;
                upload.put_full(archive).await?;
            }
            files.push(file_of(archive.end(), collection, None));
        }
        Ok(files)
    }

    /// The keys under a prefix of the staging area, in order.
    async fn staged(&self, prefix: &str) -> Result<Vec<String>, StepError> {
        let mut keys = Vec::new();
        let mut pages = self.s3.list_objects_v2().bucket(&self.package_bucket).prefix(prefix).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StepError::transient)?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
        }
        keys.sort();
        Ok(keys)
    }
}

fn expires_at(job: &Job, now: jiff::Timestamp) -> Result<jiff::Timestamp, StepError> {
    let right = job.request.matter.right();
    let kept = right.and_then(|right| job.policy.right(right)?.package_expires).unwrap_or(Period(7.days()));
    let time_zone = &job.policy.policy().controller.time_zone;
    deadline::later(now, kept, time_zone).map_err(StepError::permanent)
}

fn add_file(archive: &mut Archive, path: &str, bytes: &[u8]) -> Result<ManifestFile, StepError> {
    archive.begin(path).map_err(StepError::permanent)?;
    archive.write(bytes).map_err(StepError::permanent)?;
    let FileDigest { path, sha256, bytes } = archive.end();
    Ok(ManifestFile { path, sha256, bytes, records: None, dataset: None, collection: None, complete: None })
}

fn file_of(file: FileDigest, collection: &str, records: Option<u64>) -> ManifestFile {
    let (dataset, name) = collection.split_once('.').unwrap_or((collection, ""));
    ManifestFile {
        path: file.path,
        sha256: file.sha256,
        bytes: file.bytes,
        records,
        dataset: Some(dataset.to_owned()),
        collection: Some(name.to_owned()),
        // The stage before this one is done only when every source was read to its end.
        complete: Some(true),
    }
}

fn manifest(job: &Job, created_at: jiff::Timestamp, files: Vec<ManifestFile>) -> Manifest {
    let policy = job.policy.policy();
    Manifest {
        version: 1,
        request_id: job.request.id.clone(),
        right: job.request.matter.right().unwrap_or(Right::Access),
        policy: ManifestPolicy {
            id: policy.id.clone(),
            version: policy.version.clone(),
            sha256: job.policy.digest().clone(),
        },
        created_at,
        complete: true,
        files,
    }
}

impl<'a> Upload<'a> {
    async fn begin(function: &'a Function, key: String) -> Result<Self, StepError> {
        let begun = function
            .s3
            .create_multipart_upload()
            .bucket(&function.package_bucket)
            .key(&key)
            .content_type("application/zip")
            .send()
            .await
            .map_err(StepError::transient)?;
        let id = begun.upload_id.unwrap_or_default();
        Ok(Self { function, key, id, parts: Vec::new() })
    }

    /// Uploads what the archive has ready, if it is enough for a part.
    async fn put_full(&mut self, archive: &mut Archive) -> Result<(), StepError> {
        match archive.take(PART) {
            Some(part) => self.put(part).await,
            None => Ok(()),
        }
    }

    async fn put(&mut self, part: Vec<u8>) -> Result<(), StepError> {
        let number = i32::try_from(self.parts.len() + 1).map_err(StepError::permanent)?;
        let put = self
            .function
            .s3
            .upload_part()
            .bucket(&self.function.package_bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(part))
            .send()
            .await
            .map_err(StepError::transient)?;
        self.parts.push(CompletedPart::builder().part_number(number).set_e_tag(put.e_tag).build());
        Ok(())
    }

    async fn complete(&mut self) -> Result<String, StepError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        self.function
            .s3
            .complete_multipart_upload()
            .bucket(&self.function.package_bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(StepError::transient)?;
        Ok(self.key.clone())
    }
}
