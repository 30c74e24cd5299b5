//! Rows inside objects: found in every version of every object under a key pattern, and taken out of the current one by
//! writing the object anew.
//!
//! The order is the safety: the new version is written on condition that the old one is still the current one, it is read
//! back, and only then do the old versions go that hold rows which must go. Whatever happens in between, the next run finds
//! the same rows again, in an old version if not in the current one. A version that S3 does not let go of (object lock,
//! legal hold) stays and is told as retained. An object that cannot be read does not stand in the way of the others; it is
//! told in the end.

mod read;
mod rewrite;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use self::read::Kept;
use super::keys::Keys;
use super::object::ObjectPlace;
use super::pattern::Pattern;
use super::versions::not_deleted;
use crate::connectors::formats::{Format, FormatError, SourceRef, Tally, Way, Whose, columns};
use crate::connectors::{ConnectorError, Obstacle, Person, Target, Who};
use crate::policy::{CollectionRule, RowFormat, RowObjects, Strategy};

/// Objects of one page.
const OBJECTS: u64 = 32;
/// Bytes of the objects of one page, unless one alone has more.
const BYTES: u64 = 64 << 20;
/// Keys that are looked at for one page.
const KEYS: u64 = 10_000;

/// The objects of a collection.
pub(super) struct Rows<'a> {
    pub(super) s3: &'a super::S3,
    pub(super) bucket: &'a str,
    pub(super) place: &'a RowObjects,
}

/// Where a walk stands.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Cursor {
    /// The last key that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// How far the one after it has been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    /// What could not be read so far.
    #[serde(default, skip_serializing_if = "Unread::is_nothing")]
    unread: Unread,
}

/// How far an object has been read.
#[derive(Clone, Serialize, Deserialize)]
struct Part {
    /// The object, which may be gone or another when the walk goes on: then nothing of it has been read.
    key: String,
    /// The version.
    version: Option<String>,
    /// What the version held.
    etag: Option<String>,
    /// Rows of it that have been read.
    rows: u64,
}

/// What could not be read.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Unread {
    /// Objects.
    objects: u64,
    /// Rows that may be the person's.
    rows: u64,
    /// Why, of the first.
    why: String,
}

impl Unread {
    fn is_nothing(&self) -> bool {
        self.objects + self.rows == 0
    }

    fn object(&mut self, error: &FormatError) {
        tracing::warn!(error = %error, "an object cannot be read for rows");
        if self.is_nothing() {
            self.why = error.to_string();
        }
        self.objects += 1;
    }

    fn rows(&mut self, tally: &Tally) {
        if tally.unreadable > 0 && self.is_nothing() {
            "a row holds a value of the person's and cannot be parsed".clone_into(&mut self.why);
        }
        self.rows += tally.unreadable;
    }

    /// An error, if the walk is over and something could not be read: nobody can say then that nothing is left.
    fn told(&self) -> Result<(), ConnectorError> {
        if self.is_nothing() {
            return Ok(());
        }
        let Self { objects, rows, why } = self;
        let source = format!("{objects} objects and {rows} rows could not be read; of the first: {why}").into();
        Err(ConnectorError::Permanent { operation: "reading rows inside objects", source })
    }
}

impl Cursor {
    fn parse(cursor: Option<&str>) -> Result<Self, ConnectorError> {
        cursor.map_or(Ok(Self::default()), |json| serde_json::from_str(json).map_err(|_| ConnectorError::Cursor))
    }

    fn next(self) -> Result<Option<String>, ConnectorError> {
        serde_json::to_string(&self).map(Some).map_err(|_| ConnectorError::Cursor)
    }
}

/// How a collection's rows are stored.
fn format(place: &RowObjects) -> Format {
    match place.format {
        RowFormat::Jsonl => Format::Jsonl,
        RowFormat::Csv => {
            let delimiter = place.delimiter.and_then(|mark| u8::try_from(mark).ok());
            Format::Csv { delimiter: delimiter.unwrap_or(b',') }
        }
        RowFormat::Parquet => Format::Parquet,
    }
}

/// Whose rows, with the links that the ways stand for. None: there is nothing that could lead to a row.
async fn whose(target: &Target<'_>, who: Who<'_>) -> Result<Option<(Whose, Vec<usize>)>, ConnectorError> {
    let person = match who {
        Who::Everyone => return Ok(Some((Whose::everybodys(), vec![0]))),
        Who::Person(person) => person,
    };
    let (mut ways, mut links) = (Vec::new(), Vec::new());
    for (position, link) in target.links.iter().enumerate() {
        let tuples = tuples(person, link).await?;
        if !tuples.is_empty() {
            ways.push(Way::new(link.pairs.iter().map(|pair| pair.field.clone()).collect(), tuples));
            links.push(position);
        }
    }
    Ok((!ways.is_empty()).then(|| (Whose::theirs(ways), links)))
}

async fn tuples(person: &Person, link: &crate::policy::Link) -> Result<Vec<Vec<String>>, ConnectorError> {
    let mut tuples = Vec::new();
    let mut chunk = 0;
    while let Some(values) = person.values(link, chunk).await? {
        tuples.extend(values.iter().cloned());
        chunk += 1;
    }
    Ok(tuples)
}

impl Rows<'_> {
    fn at(&self, key: &str) -> ObjectPlace {
        ObjectPlace { client: self.s3.client.clone(), bucket: self.bucket.to_owned(), key: key.to_owned() }
    }

    fn now(&self) -> Timestamp {
        self.s3.clock.now()
    }

    /// Deletes versions; how many are kept because they are locked.
    async fn delete(&self, place: &ObjectPlace, versions: Vec<Option<String>>) -> Result<u64, ConnectorError> {
        let versions: Vec<_> = versions.into_iter().map(|version| (place.key.clone(), version)).collect();
        let deleted = self.s3.try_delete(self.bucket, &versions).await?;
        let is_done = deleted.busy.is_none() && self.s3.are_locked(self.bucket, &deleted.denied).await?;
        if is_done { Ok(deleted.denied.len() as u64) } else { Err(not_deleted(&deleted)) }
    }

    /// Whether the first object there is has what leads to the person, and can be without what the rule takes away.
    pub(super) async fn preflight(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        let mut obstacles = self.s3.bucket_ahead(target, self.bucket, Pattern(&self.place.rows).prefix(), rule).await?;
        if obstacles.iter().any(|obstacle| obstacle.refuses) {
            return Ok(obstacles);
        }
        let obstacle = |refuses: bool, field: Option<&str>, message: String| Obstacle {
            refuses,
            collection: target.name.to_owned(),
            field: field.map(ToOwned::to_owned),
            message,
        };
        let pattern = Pattern(&self.place.rows);
        let mut keys = Keys::after(&self.s3.client, self.bucket, pattern.prefix(), None);
        let mut seen = 0;
        let place = loop {
            match keys.next().await? {
                Some(key)
                    if pattern.matches(&key.key) && key.versions.iter().any(|it| it.is_current && it.size > 0) =>
                {
                    break self.at(&key.key);
                }
                Some(_) if seen < KEYS => seen += 1,
                _ => {
                    let message = format!("no object is at {} of {}", self.place.rows, self.bucket);
                    obstacles.push(obstacle(false, None, message));
                    return Ok(obstacles);
                }
            }
        };
        let Some(head) = place.head(None).await? else {
            return Ok(obstacles);
        };
        let columns = match place.version(&head) {
            Ok(source) => columns(format(self.place), &(source as SourceRef)).await,
            Err(error) => Err(error),
        };
        let columns = match columns {
            Ok(columns) => columns.unwrap_or_default(),
            Err(error) if error.is_of_object() => {
                obstacles.push(obstacle(true, None, format!("the first object cannot be read: {error}")));
                return Ok(obstacles);
            }
            Err(error) => return Err(error.into()),
        };
        if columns.is_empty() {
            return Ok(obstacles);
        }
        let is_there = |field: &str| columns.iter().any(|column| column.name == field);
        for pair in target.links.iter().flat_map(|link| &link.pairs).filter(|pair| !is_there(&pair.field)) {
            let message = "the first object has no such column, so it leads to nobody's rows".to_owned();
            obstacles.push(obstacle(true, Some(&pair.field), message));
        }
        for (field, strategy) in rule.into_iter().flat_map(|rule| rule.erasure.writes()) {
            let is_required = columns.iter().any(|column| column.name == *field && column.is_required);
            if is_required && matches!(*strategy, Strategy::Erase | Strategy::Null) {
                let message = "the column is required in the first object, so it cannot be emptied".to_owned();
                obstacles.push(obstacle(true, Some(field), message));
            }
        }
        for (field, _) in rule.into_iter().flat_map(|rule| rule.erasure.marks()).filter(|(field, _)| !is_there(field)) {
            let message =
                "the first object has no such column, so its rows cannot be marked: write the column".to_owned();
            obstacles.push(obstacle(true, Some(field), message));
        }
        Ok(obstacles)
    }
}
