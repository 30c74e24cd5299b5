//! What is in the buckets: objects by key, what is known of each, and the pieces that it is made of.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use habeas::clock::{Clock as _, SystemClock};
use s3s::dto::{ETag, ETagCondition, Metadata};
use s3s::{S3Result, s3_error};
use sha2::{Digest as _, Sha256};

use super::pieces::Pieces;

/// The buckets, for whoever wants to look at them or to turn back time.
pub type SharedBuckets = Arc<Mutex<Buckets>>;

/// Objects by bucket and key.
#[derive(Default)]
pub struct Buckets {
    buckets: BTreeMap<String, BTreeMap<String, Arc<Stored>>>,
    /// How many tags were given that come of no content.
    tags: u64,
}

/// What somebody says of an object when they put it.
#[derive(Clone, Default)]
pub(super) struct Headers {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

/// An object.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) pieces: Pieces,
    pub(super) headers: Headers,
    tag: String,
    modified: SystemTime,
}

impl Stored {
    pub(super) fn tag(&self) -> ETag {
        ETag::Strong(self.tag.clone())
    }

    pub(super) fn size(&self) -> i64 {
        i64::try_from(self.pieces.size()).unwrap_or(i64::MAX)
    }

    pub(super) fn modified(&self) -> s3s::dto::Timestamp {
        self.modified.into()
    }

    /// Whether it is the one that is meant.
    pub(super) fn meets(&self, condition: Option<&ETagCondition>) -> bool {
        match condition {
            Some(ETagCondition::ETag(meant)) => self.tag().strong_cmp(meant),
            Some(ETagCondition::Any) | None => true,
        }
    }
}

/// The tag of an object made of parts: it comes of the parts' tags and says how many there are, as S3's does. No bytes are
/// in it, as theirs are not in those of an object under a customer key.
pub(super) fn tag_of_parts<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let (number, mut digest) = (parts.len(), Sha256::new());
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    format!("{}-{number}", hex::encode(&digest.finalize()[..16]))
}

/// Some objects, and whether there are more.
pub(super) type Listed = (Vec<(String, Arc<Stored>)>, bool);

impl Buckets {
    pub(super) fn create(&mut self, bucket: &str) -> S3Result<()> {
        if self.buckets.contains_key(bucket) {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        self.buckets.insert(bucket.to_owned(), BTreeMap::new());
        Ok(())
    }

    fn bucket(&mut self, bucket: &str) -> S3Result<&mut BTreeMap<String, Arc<Stored>>> {
        self.buckets.get_mut(bucket).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    pub(super) fn get(&mut self, bucket: &str, key: &str) -> S3Result<Arc<Stored>> {
        self.bucket(bucket)?.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Puts an object, if what stands there now meets the conditions: is the one that is meant, or is not there.
    pub(super) fn put(
        &mut self,
        (bucket, key): (&str, &str),
        pieces: Pieces,
        headers: Headers,
        tag: Option<String>,
        (if_match, if_none): (Option<&ETagCondition>, Option<&ETagCondition>),
    ) -> S3Result<ETag> {
        self.tags += 1;
        // The same content has the same tag; where it is too much to be looked at, each has its own.
        let of_content = || pieces.in_memory().map(|content| hex::encode(&Sha256::digest(content)[..16]));
        let tag = tag.or_else(of_content).unwrap_or_else(|| format!("tag-{}", self.tags));
        let objects = self.bucket(bucket)?;
        let there = objects.get(key);
        if if_match.is_some() && !there.ok_or_else(|| s3_error!(NoSuchKey))?.meets(if_match) {
            return Err(s3_error!(PreconditionFailed));
        }
        if if_none.is_some() && there.is_some_and(|there| there.meets(if_none)) {
            return Err(s3_error!(PreconditionFailed));
        }
        let stored = Stored { pieces, headers, tag, modified: SystemClock::default().now().into() };
        let tag = stored.tag();
        objects.insert(key.to_owned(), Arc::new(stored));
        Ok(tag)
    }

    pub(super) fn delete(&mut self, bucket: &str, key: &str) -> S3Result<()> {
        self.bucket(bucket)?.remove(key);
        Ok(())
    }

    /// The objects below a prefix and behind a key, so many at most, and whether there are more.
    pub(super) fn list(&mut self, bucket: &str, prefix: &str, after: &str, most: usize) -> S3Result<Listed> {
        let from = if after < prefix { Included(prefix) } else { Excluded(after) };
        let objects = self.bucket(bucket)?.range::<str, _>((from, Unbounded));
        let mut below = objects.take_while(|(key, _)| key.starts_with(prefix));
        let listed = below.by_ref().take(most).map(|(key, stored)| (key.clone(), stored.clone())).collect();
        Ok((listed, below.next().is_some()))
    }

    /// Has an object be last modified then.
    ///
    /// # Panics
    /// If there is none.
    pub fn set_modified(&mut self, bucket: &str, key: &str, at: SystemTime) {
        let object = self.buckets.get_mut(bucket).and_then(|objects| objects.get_mut(key)).expect("an object");
        Arc::make_mut(object).modified = at;
    }
}
