//! Multipart uploads, as far as S3 remembers them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use s3s::dto::{ChecksumAlgorithm, CompletedPart, CreateMultipartUploadInput, ETag, Part};
use s3s::{S3Result, s3_error};

use super::pieces::Pieces;
use super::stored::{Headers, tag_of_parts};

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
    headers: Headers,
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

impl Uploads {
    /// Uploads that are open, and how many parts each has.
    pub(crate) fn open(&self) -> Vec<(String, usize)> {
        self.open.iter().map(|(id, upload)| (id.clone(), upload.parts.len())).collect()
    }

    /// How many parts were uploaded again as they were, and how many with other bytes.
    pub(crate) fn repeated(&self) -> (usize, usize) {
        (self.again, self.otherwise)
    }

    pub(super) fn begin(&mut self, input: CreateMultipartUploadInput) -> S3Result<String> {
        if input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str) != Some(ChecksumAlgorithm::CRC32) {
            return Err(s3_error!(InvalidRequest, "the parts bring CRC32, and the upload was not begun for it"));
        }
        self.tags += 1;
        let id = format!("upload-{}", self.tags);
        let headers = Headers {
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            content_type: input.content_type,
            metadata: input.metadata,
        };
        self.open.insert(id.clone(), Upload { headers, parts: BTreeMap::new() });
        Ok(id)
    }

    pub(super) fn add(&mut self, upload: &str, number: i32, pieces: Pieces, crc32: &str) -> S3Result<ETag> {
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

    pub(super) fn parts(&self, upload: &str) -> S3Result<Vec<Part>> {
        let parts = &self.open.get(upload).ok_or_else(|| s3_error!(NoSuchUpload))?.parts;
        let part = |(number, part): (&i32, &UploadedPart)| Part {
            part_number: Some(*number),
            e_tag: Some(ETag::Strong(part.tag.clone())),
            checksum_crc32: Some(part.crc32.clone()),
            ..Part::default()
        };
        Ok(parts.iter().map(part).collect())
    }

    /// What the parts make together, and the tag of it: they are numbered from 1, without a gap.
    pub(super) fn together(&self, upload: &str, told: &[CompletedPart]) -> S3Result<(Pieces, Headers, String)> {
        let upload = self.open.get(upload).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut parts = Vec::with_capacity(told.len());
        for (number, told) in (1..).zip(told) {
            let part = upload.parts.get(&number).filter(|part| told.part_number == Some(number) && part.is(told));
            parts.push(part.ok_or_else(|| s3_error!(InvalidPart))?);
        }
        let tag = tag_of_parts(parts.iter().map(|part| part.tag.as_str()));
        Ok((Pieces::together(parts.iter().map(|part| &part.pieces)), upload.headers.clone(), tag))
    }

    pub(super) fn end(&mut self, upload: &str) -> S3Result<()> {
        self.open.remove(upload).map(drop).ok_or_else(|| s3_error!(NoSuchUpload))
    }
}
