//! The versions of objects, key by key.

use aws_sdk_s3::Client;

use crate::connectors::{ConnectorError, refused};

/// Versions and delete markers that are listed at a time.
const PAGE: i32 = 1000;

/// The versions of one key.
#[derive(Default)]
#[expect(clippy::struct_field_names, reason = "S3 calls it so")]
pub(super) struct Key {
    pub(super) key: String,
    /// Newest first.
    pub(super) versions: Vec<Listed>,
    /// Delete markers, newest first, by their version.
    pub(super) markers: Vec<String>,
}

/// A version of an object as a listing has it.
pub(super) struct Listed {
    /// None where the bucket keeps no versions.
    pub(super) id: Option<String>,
    pub(super) size: u64,
    /// Whether it is the current one. None is if the newest is a delete marker.
    pub(super) is_current: bool,
}

/// Walks the keys under a prefix.
pub(super) struct Keys<'a> {
    client: &'a Client,
    bucket: &'a str,
    prefix: &'a str,
    /// Where the listing goes on; none: it is over.
    marker: Option<(Option<String>, Option<String>)>,
    listed: std::collections::VecDeque<Key>,
}

impl<'a> Keys<'a> {
    /// The keys after this one.
    pub(super) fn after(client: &'a Client, bucket: &'a str, prefix: &'a str, key: Option<String>) -> Self {
        Self { client, bucket, prefix, marker: Some((key, None)), listed: std::collections::VecDeque::new() }
    }

    /// The next key with all its versions; none: there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Key>, ConnectorError> {
        // The last key of a listing may have more versions on the next page.
        while self.listed.len() < 2 {
            let Some((key, version)) = self.marker.take() else {
                break;
            };
            self.list(key, version).await?;
        }
        Ok(self.listed.pop_front())
    }

    async fn list(&mut self, key: Option<String>, version: Option<String>) -> Result<(), ConnectorError> {
        let list = self.client.list_object_versions().bucket(self.bucket).prefix(self.prefix).max_keys(PAGE);
        let page = list.set_key_marker(key).set_version_id_marker(version).send().await;
        let page = page.map_err(|error| refused("s3:ListObjectVersions", error))?;
        let mut versions = page.versions().iter().peekable();
        let mut markers = page.delete_markers().iter().peekable();
        loop {
            let next = match (versions.peek().and_then(|it| it.key()), markers.peek().and_then(|it| it.key())) {
                (Some(one), Some(other)) => one.min(other),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => break,
            };
            if self.listed.back().is_none_or(|last| last.key != next) {
                self.listed.push_back(Key { key: next.to_owned(), ..Key::default() });
            }
            let Some(last) = self.listed.back_mut() else {
                break;
            };
            while let Some(version) = versions.next_if(|it| it.key() == Some(&last.key)) {
                last.versions.push(Listed {
                    id: version.version_id().map(ToOwned::to_owned),
                    size: version.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    is_current: version.is_latest() == Some(true),
                });
            }
            while let Some(marker) = markers.next_if(|it| it.key() == Some(&last.key)) {
                last.markers.extend(marker.version_id().map(ToOwned::to_owned));
            }
        }
        if page.is_truncated() == Some(true) {
            let next =
                (page.next_key_marker().map(ToOwned::to_owned), page.next_version_id_marker().map(ToOwned::to_owned));
            self.marker = Some(next);
        }
        Ok(())
    }
}
