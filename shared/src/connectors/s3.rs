//! S3: objects under a key pattern, with every version and delete marker, and rows inside objects.
//!
//! What a locked version means is in [`locks`].

mod copies;
mod keys;
mod locks;
mod object;
mod pattern;
mod preflight;
mod rows;
mod upload;
mod versions;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sdk_s3::Client;

pub use copies::Objects;

use self::rows::Rows;
use self::versions::{Version, beginning, not_deleted};
use super::walk::{Step, Stop};
use super::{
    Acted, Action, Connector, ConnectorError, Decision, Handle, Hold, Judge, Obstacle, ReadPage, Row, Target, Who,
};
use crate::clock::Clock;
use crate::plan::Counts;
use crate::policy::{CollectionRule, Place, Template};

/// Objects.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    clock: Arc<dyn Clock>,
    /// Rows that are being read, between two pages.
    kept: Arc<Mutex<Option<rows::Kept>>>,
}

impl S3 {
    /// Objects behind this client. The clock tells whether a lock has ended.
    #[must_use]
    pub fn new(client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, kept: Arc::default() }
    }

    /// The client, for copying objects into a package.
    #[must_use]
    pub fn objects(&self) -> Objects<'_> {
        Objects { client: &self.client }
    }
}

#[async_trait]
impl Connector for S3 {
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let (bucket, pattern) = match target.place {
            Place::Objects { bucket, pattern } => (bucket, pattern),
            Place::Rows { bucket, rows: place } => {
                return Rows { s3: self, bucket, place }.read(target, who, cursor).await;
            }
            Place::Table(_) | Place::Relation { .. } => return Err(ConnectorError::WrongKind),
        };
        match who {
            Who::Everyone => {
                let mut page = self.versions(bucket, before(pattern), cursor).await?;
                page.rows.retain(|row| matches!(&row.handle, Handle::Version { key, .. } if is_of(pattern, key)));
                Ok(page)
            }
            Who::Person(person) => {
                let Some(stop) = Stop::from(target, person, Step::parse(cursor)?).await? else {
                    return Ok(ReadPage::default());
                };
                let value = stop.tuple().first().map_or("", String::as_str);
                let prefix = Template::of(pattern).map(|pattern| pattern.with(value));
                let prefix = prefix.ok_or(ConnectorError::Row("a key pattern without one name in braces"))?;
                let mut page = self.versions(bucket, &prefix, stop.at.native.as_deref()).await?;
                for row in &mut page.rows {
                    row.link = stop.at.link;
                }
                Ok(ReadPage { next: stop.after(target, person, page.next).await?, ..page })
            }
        }
    }

    /// A version that is locked is left as it is: the fresh read finds it, and [`Connector::held`] says until when.
    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        let Place::Objects { bucket, .. } = target.place else {
            return Err(ConnectorError::WrongKind);
        };
        let mut versions = Vec::new();
        for (row, action) in actions {
            match action {
                Action::Erase => versions.push(version_of(&row)?),
                Action::Change(_) | Action::Move(_) => return Err(UNCHANGEABLE),
            }
        }
        let deleted = self.try_delete(bucket, &versions).await?;
        let is_done = deleted.busy.is_none() && self.are_locked(bucket, &deleted.denied).await?;
        if is_done { Ok(()) } else { Err(not_deleted(&deleted)) }
    }

    async fn act(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        let bucket = match target.place {
            Place::Rows { bucket, rows: place } => {
                return Rows { s3: self, bucket, place }.act(target, who, judge, cursor).await;
            }
            _ => bucket_of(target)?,
        };
        let page = self.read(target, who, cursor).await?;
        let read = page.rows.len() as u64;
        let mut versions = Vec::new();
        for row in page.rows {
            match judge.judge(&row)? {
                Decision::Act(Action::Erase) => versions.push(version_of(&row)?),
                Decision::Act(Action::Change(_) | Action::Move(_)) => return Err(UNCHANGEABLE),
                Decision::Retain { minimise, .. } if !minimise.is_empty() => return Err(UNCHANGEABLE),
                Decision::Retain { .. } | Decision::Leave => {}
            }
        }
        let deleted = self.try_delete(bucket, &versions).await?;
        if !self.are_locked(bucket, &deleted.denied).await? {
            return Err(not_deleted(&deleted));
        }
        let erased = deleted.gone;
        if deleted.busy.is_none() {
            return Ok(Acted { counts: Counts { read, erased, ..Counts::default() }, next: page.next });
        }
        if erased == 0 {
            return Err(not_deleted(&deleted));
        }
        // What is gone is counted; the page begins again for the rest.
        let again = match (cursor, who) {
            (Some(cursor), _) => cursor.to_owned(),
            (None, Who::Person(_)) => Step::default().to_text()?,
            (None, Who::Everyone) => beginning()?,
        };
        Ok(Acted { counts: Counts { read: erased, erased, ..Counts::default() }, next: Some(again) })
    }

    async fn held(&self, target: &Target<'_>, rows: &[Row]) -> Result<Vec<Option<Hold>>, ConnectorError> {
        let versions = rows.iter().map(version_of).collect::<Result<Vec<_>, _>>()?;
        self.locks(bucket_of(target)?, &versions).await
    }

    async fn preflight(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        self.look_ahead(target, rule).await
    }
}

const UNCHANGEABLE: ConnectorError = ConnectorError::Row("an object cannot be changed in place");

fn bucket_of<'a>(target: &Target<'a>) -> Result<&'a str, ConnectorError> {
    match target.place {
        Place::Objects { bucket, .. } | Place::Rows { bucket, .. } => Ok(bucket),
        Place::Table(_) | Place::Relation { .. } => Err(ConnectorError::WrongKind),
    }
}

fn version_of(row: &Row) -> Result<Version, ConnectorError> {
    match &row.handle {
        Handle::Version { key, version } => Ok((key.clone(), version.clone())),
        Handle::Item(_) | Handle::Key { .. } => Err(ConnectorError::WrongKind),
    }
}

/// What all keys of a pattern begin with.
fn before(pattern: &str) -> &str {
    pattern.split('{').next().unwrap_or_default()
}

/// Whether a key is of a pattern, whoever's it is: `media/{user_id}/avatars/` is not `media/{user_id}/photos/`. The value
/// is one part of the key, between slashes.
fn is_of(pattern: &str, key: &str) -> bool {
    let Some(pattern) = Template::of(pattern) else { return false };
    let Some(rest) = key.strip_prefix(pattern.before) else { return false };
    let end = if pattern.after.is_empty() { Some(rest.len()) } else { rest.find(pattern.after) };
    end.is_some_and(|end| end > 0 && !rest[..end].contains('/'))
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_key_is_of_the_pattern_that_it_was_made_by_and_of_no_other() {
        for (pattern, key, expected) in [
            ("avatars/{user_id}/", "avatars/u-1/a.png", true),
            ("avatars/{user_id}/", "avatars/a.png", false),
            ("media/{user_id}/avatars/", "media/u-1/avatars/a.png", true),
            ("media/{user_id}/avatars/", "media/u-1/photos/a.png", false),
            ("media/{user_id}/avatars/", "media/u-1/photos/avatars/a.png", false),
            ("media/{user_id}/avatars/", "media//avatars/a.png", false),
            ("logs/{user_id}.json", "logs/u-1.json", true),
            ("logs/{user_id}.json", "logs/u-1.csv", false),
        ] {
            assert_eq!(is_of(pattern, key), expected, "{pattern} {key}");
        }
    }
}
