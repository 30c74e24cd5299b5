//! Rows taken out of objects, or changed in them, by writing the objects anew.

use super::{BYTES, Cursor, KEYS, OBJECTS, Rows, Unread, format, whose};
use crate::connectors::formats::{FormatError, Mode, SourceRef, Tally, Verdict, Whose, walk};
use crate::connectors::s3::keys::{Key, Keys, Listed};
use crate::connectors::s3::object::ObjectPlace;
use crate::connectors::s3::pattern::Pattern;
use crate::connectors::s3::upload::Upload;
use crate::connectors::{Acted, Action, ConnectorError, Decision, Handle, Judge, Row, Target, Who};
use crate::plan::Counts;
use crate::policy::{CollectionRule, ErasureRule};
use crate::record::Record;

/// How often an object is begun again that changes while it is written anew.
const ATTEMPTS: u8 = 5;

impl Rows<'_> {
    /// Rewrites the objects of a page. If one fails after others were done, those are told, and it is the first of the next
    /// page.
    pub(in crate::connectors::s3) async fn act(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        let mut cursor = Cursor::parse(cursor)?;
        let mut acted = Acted::default();
        let Some((whose, links)) = whose(target, who).await? else {
            return Ok(acted);
        };
        let whose = match target.policy.rule(target.name) {
            Some(rule) => whose.with_only(judged(rule)),
            None => whose,
        };
        let mut done = cursor.after.clone();
        let pattern = Pattern(&self.place.rows);
        let mut keys = Keys::after(&self.s3.client, self.bucket, pattern.prefix(), cursor.after.take());
        let (mut seen, mut objects, mut bytes) = (0, 0, 0);
        loop {
            let Some(key) = keys.next().await? else {
                // What cannot be read of everybody's rows is nobody's in particular.
                if matches!(who, Who::Person(_)) {
                    cursor.unread.told()?;
                }
                return Ok(acted);
            };
            seen += 1;
            if pattern.matches(&key.key) {
                objects += 1;
                bytes += key.versions.iter().map(|version| version.size).sum::<u64>();
                let unread = &mut cursor.unread;
                let mut walk = Walk { rows: self, whose: &whose, links: &links, judge, acted: &mut acted, unread };
                if let Err(error) = walk.key(&key).await {
                    if acted.counts == Counts::default() {
                        return Err(error);
                    }
                    crate::telemetry::warn_chain("an object was not done, and comes first on the next page", &error);
                    acted.next = Cursor { after: done, ..cursor }.next()?;
                    return Ok(acted);
                }
            }
            done = Some(key.key.clone());
            if objects >= OBJECTS || bytes >= BYTES || seen >= KEYS {
                acted.next = Cursor { after: done, ..cursor }.next()?;
                return Ok(acted);
            }
        }
    }
}

/// The fields that say what becomes of a row, and those that change: no others need to be read.
fn judged(rule: &CollectionRule) -> Vec<String> {
    let mut fields: Vec<String> = rule.erasure.writes().map(|(field, _)| field.clone()).collect();
    fields.extend(rule.retention.iter().map(|retention| retention.start_field.clone()));
    if let ErasureRule::Retain { start_field, .. } = &rule.erasure {
        fields.push(start_field.clone());
    }
    fields
}

/// A page of objects that are written anew.
struct Walk<'a, 'p> {
    rows: &'a Rows<'a>,
    whose: &'p Whose,
    links: &'p [usize],
    judge: &'a dyn Judge,
    acted: &'p mut Acted,
    unread: &'p mut Unread,
}

/// The version that was written anew; none where the bucket keeps no versions.
struct Replaced(Option<String>);

impl Walk<'_, '_> {
    /// Rewrites an object, and deletes those of its old versions that hold rows which must go.
    async fn key(&mut self, key: &Key) -> Result<(), ConnectorError> {
        let place = self.rows.at(&key.key);
        let replaced = if key.versions.iter().any(|version| version.is_current) {
            match self.rewrite(&place).await {
                Ok(replaced) => replaced,
                Err(error) if error.is_of_object() => {
                    self.unread.object(&error);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        } else {
            None
        };
        let listed;
        let key = if replaced.is_some() {
            listed = self.listed(&place).await?;
            &listed
        } else {
            key
        };
        let mut going = Vec::new();
        let mut staying = 0;
        for version in key.versions.iter().filter(|version| !version.is_current) {
            match self.must_go(&place, version).await {
                Ok(true) => going.push(version.id.clone()),
                Ok(false) => staying += 1,
                Err(error) if error.is_of_object() => {
                    self.unread.object(&error);
                    staying += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if going.is_empty() {
            return Ok(());
        }
        // The rows of the one that was replaced are counted.
        let older =
            going.iter().filter(|version| replaced.as_ref().is_none_or(|replaced| replaced.0 != **version)).count()
                as u64;
        let kept = self.rows.delete(&place, going).await?;
        self.acted.counts.erased += older.saturating_sub(kept);
        let is_bare = kept == 0 && staying == 0 && !key.versions.iter().any(|version| version.is_current);
        if is_bare && !key.markers.is_empty() {
            // Markers of an object of which there is nothing else.
            self.rows.delete(&place, key.markers.iter().cloned().map(Some).collect()).await?;
        }
        Ok(())
    }

    async fn listed(&self, place: &ObjectPlace) -> Result<Key, ConnectorError> {
        let mut keys = Keys::after(&place.client, &place.bucket, &place.key, None);
        Ok(keys.next().await?.filter(|key| key.key == place.key).unwrap_or_default())
    }

    /// Whether an old version holds a row that would go, or change, if it were the current one.
    async fn must_go(&self, place: &ObjectPlace, version: &Listed) -> Result<bool, FormatError> {
        let Some(head) = place.head(version.id.as_deref()).await? else {
            return Ok(false);
        };
        let source: SourceRef = place.version(&head)?;
        let mut decide = |record: &Record, way: usize| self.decide(place, version.id.as_ref(), false, record, way);
        let tally = walk(format(self.rows.place), &source, self.whose, &mut decide, Mode::Glance).await?;
        Ok(tally.has_work())
    }

    fn decide(
        &self,
        place: &ObjectPlace,
        version: Option<&String>,
        is_current: bool,
        record: &Record,
        way: usize,
    ) -> Result<Verdict, ConnectorError> {
        let handle = Handle::Version { key: place.key.clone(), version: version.cloned() };
        let link = self.links.get(way).copied().unwrap_or(0);
        let row = Row { handle, record: record.clone(), is_current, link };
        Ok(match self.judge.judge(&row)? {
            Decision::Act(Action::Erase) => Verdict::Drop,
            Decision::Act(Action::Change(changes)) => Verdict::Change(changes),
            Decision::Act(Action::Move(_)) => return Err(super::super::UNCHANGEABLE),
            Decision::Retain { minimise, .. } if !minimise.is_empty() => Verdict::Minimise(minimise),
            Decision::Retain { .. } | Decision::Leave => Verdict::Keep,
        })
    }

    /// Writes the current version anew if it holds rows that go or change: which one that was.
    async fn rewrite(&mut self, place: &ObjectPlace) -> Result<Option<Replaced>, FormatError> {
        for _ in 0..ATTEMPTS {
            match self.attempt(place).await {
                Ok((tally, old)) => {
                    self.unread.rows(&tally);
                    let counts = &mut self.acted.counts;
                    counts.read += tally.matched;
                    counts.erased += tally.dropped;
                    counts.anonymised += tally.changed;
                    return Ok(tally.has_work().then_some(Replaced(old)));
                }
                Err(FormatError::Changed) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FormatError::Changed)
    }

    async fn attempt(&self, place: &ObjectPlace) -> Result<(Tally, Option<String>), FormatError> {
        let Some(head) = place.head(None).await? else {
            return Ok(Default::default());
        };
        let old = place.version(&head)?;
        let source: SourceRef = old.clone();
        let format = format(self.rows.place);
        let mut upload = Upload::new(old.clone(), head, self.rows.now());
        let mut decide = |record: &Record, way: usize| self.decide(place, old.id.as_ref(), true, record, way);
        let walked = walk(format, &source, self.whose, &mut decide, Mode::Rewrite(&mut upload)).await;
        let tally = match walked {
            Ok(tally) if tally.has_work() => tally,
            other => {
                upload.abort().await;
                return other.map(|tally| (tally, old.id.clone()));
            }
        };
        let written = match upload.complete().await {
            Ok(written) => written,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let head = place.head(written.version.as_deref()).await?.ok_or(FormatError::Changed)?;
        let new: SourceRef = place.version(&head)?;
        let fresh = walk(format, &new, self.whose, &mut decide, Mode::Look).await;
        let is_as_written = fresh.as_ref().is_ok_and(|fresh| tally.is_confirmed_by(fresh));
        let is_next = is_as_written && self.follows(place, written.version.as_deref(), old.id.as_deref()).await?;
        if is_as_written && is_next {
            return Ok((tally, old.id.clone()));
        }
        // The old version is still there where versions are kept, and becomes the current one again.
        if let Some(version) = written.version {
            self.rows.delete(place, vec![Some(version)]).await?;
        }
        if is_as_written || matches!(fresh, Err(FormatError::Changed)) {
            return Err(FormatError::Changed);
        }
        let source = "a new version that was read back is not what was written".into();
        Err(ConnectorError::Permanent { operation: "rewriting an object", source }.into())
    }

    /// Whether no version came between the one that was read and the one that was written. A store that does not know
    /// conditions can let that happen.
    async fn follows(&self, place: &ObjectPlace, new: Option<&str>, old: Option<&str>) -> Result<bool, FormatError> {
        let (Some(new), Some(old)) = (new, old) else {
            return Ok(true);
        };
        let listed = self.listed(place).await?;
        let mut versions = listed.versions.iter().map(|version| version.id.as_deref());
        Ok(versions.any(|version| version == Some(new)) && versions.next() == Some(Some(old)))
    }
}
