//! Rows read out of objects, page by page.
//!
//! An object is read once from its beginning to its end, however many pages its rows fill: a thread reads on and waits
//! until the next page is asked for. It is asked on only by whoever wants the same rows from where it stands; for anybody
//! else, and in another process, a new one begins at the cursor and passes over the rows of its object that are done.

use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest as _, Sha256};

use super::{BYTES, Cursor, KEYS, OBJECTS, Part, Rows, format, whose};
use crate::connectors::formats::{FormatError, Mode, SourceRef, Verdict, Whose, walk};
use crate::connectors::s3::S3;
use crate::connectors::s3::keys::{Key, Keys, Listed};
use crate::connectors::s3::object::ObjectPlace;
use crate::connectors::s3::pattern::Pattern;
use crate::connectors::{ConnectorError, Handle, ReadPage, Row, Target, Who};
use crate::policy::RowObjects;
use crate::record::{Record, Value};

/// Rows of one page.
const ROWS: usize = 5_000;
/// Bytes of the values of one page, unless one row alone has more.
const PAGE: usize = 4 << 20;
const OPERATION: &str = "reading rows inside objects";

/// What comes of reading on.
type Pages = Receiver<Result<ReadPage, ConnectorError>>;

/// A walk that waits to be asked for its next page.
pub(in crate::connectors::s3) struct Kept {
    /// Whose rows of what.
    of: [u8; 32],
    /// The cursor of its next page.
    at: String,
    pages: Pages,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Kept")
    }
}

impl Rows<'_> {
    /// Reads rows of all versions, the current ones first.
    pub(in crate::connectors::s3) async fn read(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<ReadPage, ConnectorError> {
        let Some((whose, links)) = whose(target, who).await? else {
            return Ok(ReadPage::default());
        };
        let of = self.digest(target, &whose);
        let kept = self.s3.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(kept) = kept.filter(|kept| kept.of == of && Some(kept.at.as_str()) == cursor) {
            // One whose connections did not outlast a pause is begun anew.
            if let Ok(page) = self.next(of, kept.pages).await {
                return Ok(page);
            }
        }
        let reader = Reader {
            s3: self.s3.clone(),
            bucket: self.bucket.to_owned(),
            place: self.place.clone(),
            whose,
            links,
            is_persons: matches!(who, Who::Person(_)),
            cursor: Cursor::parse(cursor)?,
        };
        self.next(of, reader.begin()?).await
    }

    async fn next(&self, of: [u8; 32], pages: Pages) -> Result<ReadPage, ConnectorError> {
        let waiting = tokio::task::spawn_blocking(move || (pages.recv(), pages)).await;
        let (page, pages) = waiting.map_err(|error| ended(Box::new(error)))?;
        let page = page.map_err(|error| ended(Box::new(error)))??;
        if let Some(at) = &page.next {
            let kept = Kept { of, at: at.clone(), pages };
            *self.s3.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Ok(page)
    }

    /// Tells rows of one person in one place from all others.
    fn digest(&self, target: &Target<'_>, whose: &Whose) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [target.policy.digest().as_str(), target.name, self.bucket] {
            digest.update(part);
            digest.update([0]);
        }
        whose.digest(&mut digest);
        digest.finalize().into()
    }
}

fn ended(source: Box<dyn std::error::Error + Send + Sync>) -> ConnectorError {
    ConnectorError::Transient { operation: OPERATION, source }
}

/// A walk over all objects of a place, on a thread of its own.
struct Reader {
    s3: S3,
    bucket: String,
    place: RowObjects,
    whose: Whose,
    links: Vec<usize>,
    is_persons: bool,
    cursor: Cursor,
}

/// Why a walk is over before its end.
enum Stop {
    Failed(ConnectorError),
    /// Nobody waits for its pages any more.
    Left,
}

impl From<ConnectorError> for Stop {
    fn from(error: ConnectorError) -> Self {
        Self::Failed(error)
    }
}

impl From<FormatError> for Stop {
    fn from(error: FormatError) -> Self {
        Self::Failed(error.into())
    }
}

/// The page that is being filled.
struct Page {
    rows: Vec<Row>,
    bytes: usize,
    sender: SyncSender<Result<ReadPage, ConnectorError>>,
}

impl Page {
    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS || self.bytes >= PAGE
    }

    fn push(&mut self, row: Row) {
        self.bytes += row.record.iter().map(|(_, value)| weight(value)).sum::<usize>();
        self.rows.push(row);
    }

    /// Hands the page over and waits until there is room for the next one. False: nobody wants it.
    fn send(&mut self, next: Option<String>) -> bool {
        self.hand_over(next, 0)
    }

    fn hand_over(&mut self, next: Option<String>, unread: u64) -> bool {
        self.bytes = 0;
        self.sender.send(Ok(ReadPage { rows: std::mem::take(&mut self.rows), next, unread })).is_ok()
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Number(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(values) => values.iter().map(weight).sum(),
        Value::Map(record) => record.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) => 1,
    }
}

impl Reader {
    fn begin(mut self) -> Result<Pages, ConnectorError> {
        // Two pages are in memory at most: the one that is worked on, and the one that waits.
        let (sender, pages) = sync_channel(0);
        let runtime = tokio::runtime::Handle::current();
        let work = move || {
            let mut page = Page { rows: Vec::new(), bytes: 0, sender };
            if let Err(Stop::Failed(error)) = runtime.block_on(self.all(&mut page)) {
                // Nobody may wait any more.
                drop(page.sender.send(Err(error)));
            }
        };
        let thread = std::thread::Builder::new().name("rows".to_owned()).spawn(work);
        thread.map(|_| pages).map_err(|error| ended(Box::new(error)))
    }

    async fn all(&mut self, page: &mut Page) -> Result<(), Stop> {
        let (client, bucket, rows) = (self.s3.client.clone(), self.bucket.clone(), self.place.rows.clone());
        let pattern = Pattern(&rows);
        let mut keys = Keys::after(&client, &bucket, pattern.prefix(), self.cursor.after.clone());
        let (mut seen, mut objects, mut bytes) = (0, 0, 0);
        while let Some(key) = keys.next().await? {
            seen += 1;
            if pattern.matches(&key.key) {
                objects += 1;
                bytes += key.versions.iter().map(|version| version.size).sum::<u64>();
                self.key(&key, page).await?;
            }
            self.cursor.after = Some(key.key);
            if objects >= OBJECTS || bytes >= BYTES || seen >= KEYS {
                (seen, objects, bytes) = (0, 0, 0);
                if !page.send(self.cursor.clone().next()?) {
                    return Err(Stop::Left);
                }
            }
        }
        if self.is_persons {
            self.cursor.unread.told()?;
        }
        let unread = &self.cursor.unread;
        if page.hand_over(None, unread.objects + unread.rows) { Ok(()) } else { Err(Stop::Left) }
    }

    async fn key(&mut self, key: &Key, page: &mut Page) -> Result<(), Stop> {
        let mut versions: Vec<&Listed> = key.versions.iter().collect();
        versions.sort_by_key(|version| !version.is_current);
        let mut part = self.cursor.part.take().filter(|part| part.key == key.key);
        let at = part.as_ref().and_then(|part| versions.iter().position(|version| version.id == part.version));
        for version in versions.into_iter().skip(at.unwrap_or(0)) {
            self.version(key, version, part.take(), page).await?;
        }
        Ok(())
    }

    /// Reads a version, or the rest of it.
    async fn version(&mut self, key: &Key, version: &Listed, read: Option<Part>, page: &mut Page) -> Result<(), Stop> {
        let place = ObjectPlace { client: self.s3.client.clone(), bucket: self.bucket.clone(), key: key.key.clone() };
        let Some(head) = place.head(version.id.as_deref()).await? else {
            return Ok(());
        };
        let etag = head.e_tag().map(ToOwned::to_owned);
        let is_same = |part: &Part| part.version == version.id && part.etag == etag;
        let skip = read.filter(is_same).map_or(0, |part| part.rows);
        let (mut met, mut is_left) = (0, false);
        let (cursor, links) = (&self.cursor, &self.links);
        let mut take = |record: &Record, way: usize| {
            met += 1;
            if met <= skip {
                return Ok(Verdict::Keep);
            }
            if page.is_full() {
                let (key, version, etag) = (key.key.clone(), version.id.clone(), etag.clone());
                let at = Cursor { part: Some(Part { key, version, etag, rows: met - 1 }), ..cursor.clone() };
                is_left = !page.send(at.next()?);
                if is_left {
                    return Ok(Verdict::Stop);
                }
            }
            let handle = Handle::Version { key: key.key.clone(), version: version.id.clone() };
            let link = links.get(way).copied().unwrap_or(0);
            page.push(Row { handle, record: record.clone(), is_current: version.is_current, link });
            Ok(Verdict::Keep)
        };
        let walked = match place.version(&head) {
            Ok(source) => walk(format(&self.place), &(source as SourceRef), &self.whose, &mut take, Mode::Look).await,
            Err(error) => Err(error),
        };
        if is_left {
            return Err(Stop::Left);
        }
        match walked {
            Ok(tally) => self.cursor.unread.rows(&tally),
            Err(error) if error.is_of_object() => self.cursor.unread.object(&error),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
