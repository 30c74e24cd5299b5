//! One page of one collection, copied into the staging area.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use habeas::connectors::{ConnectorError, Handle, Lines, Row, Target, Who, exported, is_shown_whole};
use habeas::export::{Columns, FileSums, StagedPage, pack_records, pack_table, staging};
use habeas::plan::Counts;
use habeas::policy::{Pinned, Place};
use habeas::record::Value;
use habeas::steps::{Job, Next, Page, StepError};
use serde::{Deserialize, Serialize};

use crate::Function;

/// Bytes of records from which on their two pieces are packed by threads of their own.
const WORTH_A_THREAD: usize = 64 << 10;

/// Where a copy stands.
#[derive(Default, Serialize, Deserialize)]
struct Cursor {
    page: u32,
    at: Option<String>,
    /// The sums of the collection's files up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sums: Option<FileSums>,
}

impl Function {
    pub(crate) async fn collect(&self, job: &Job, collection: &str, cursor: Option<&str>) -> Result<Page, StepError> {
        let cursor: Cursor = match cursor {
            None => Cursor::default(),
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let (read, Lines { text, rows, next }) = self.copied(job, collection, &cursor).await?;
        let counts = Counts { read, exported: rows, ..Counts::default() };
        let mut sums = cursor.sums;
        if !text.is_empty() {
            let key = staging::page(&job.request.id, job.claim.step.number, cursor.page);
            let page;
            (page, sums) = packed(text.into(), Columns::declared(&job.policy, collection), sums).await?;
            let put = self.s3.put_object().bucket(&self.package_bucket).key(key).body(ByteStream::from(page));
            put.send().await.map_err(StepError::transient)?;
        }
        let next = match next {
            None => Next::Done { package: None, captured: None },
            Some(at) => {
                let next = Cursor { page: cursor.page + 1, at: Some(at), sums };
                Next::Page(serde_json::to_string(&next).map_err(StepError::permanent)?)
            }
        };
        Ok(Page { counts, retained_until: None, next })
    }

    /// A page of rows as an export shows them, one a line, and how many were read for it.
    async fn copied(&self, job: &Job, collection: &str, cursor: &Cursor) -> Result<(u64, Lines), StepError> {
        let (person, at) = (job.person()?, cursor.at.as_deref());
        let target = Target::of(&job.policy, collection).map_err(ConnectorError::into_step)?;
        let connector = self.connectors.of(target.place).map_err(ConnectorError::into_step)?;
        if is_shown_whole(&target)
            && let Some(lines) =
                connector.lines(&target, Who::Person(person), at).await.map_err(ConnectorError::into_step)?
        {
            return Ok((lines.rows, lines));
        }
        let read = connector.read(&target, Who::Person(person), at).await.map_err(ConnectorError::into_step)?;
        let count = read.rows.len() as u64;
        let mut lines = Lines { text: Vec::new(), rows: 0, next: read.next };
        for (position, row) in read.rows.into_iter().filter(|row| row.is_current).enumerate() {
            let row = self.with_object(job, collection, target.place, row, cursor.page, position).await?;
            let record = exported(&target, person, &row.record);
            serde_json::to_writer(&mut lines.text, &record).map_err(StepError::permanent)?;
            lines.text.push(b'\n');
            lines.rows += 1;
        }
        Ok((count, lines))
    }

    /// For an object: its type, and a copy of its content where the policy lets it leave.
    async fn with_object(
        &self,
        job: &Job,
        collection: &str,
        place: Place<'_>,
        mut row: Row,
        page: u32,
        position: usize,
    ) -> Result<Row, StepError> {
        let (Place::Objects { bucket, .. }, Handle::Version { key, .. }) = (place, &row.handle) else {
            return Ok(row);
        };
        let Some(s3) = &self.connectors.s3 else {
            return Err(ConnectorError::WrongKind.into_step());
        };
        let content_type = s3.objects().content_type(bucket, key).await.map_err(ConnectorError::into_step)?;
        row.record.set("content_type", Value::Text(content_type));
        if content_leaves(&job.policy, collection) {
            let name = staging::media_name(page, position, key);
            let to = format!("{}{name}", staging::media(&job.request.id, job.claim.step.number));
            let copied = s3.objects().copy(bucket, key, &self.package_bucket, &to).await;
            copied.map_err(ConnectorError::into_step)?;
            row.record.set("file", Value::Text(format!("media/{}/{name}", collection.replacen('.', "/", 1))));
        }
        Ok(row)
    }
}

/// The page as it is staged, and the sums behind it. Its two pieces are packed side by side where that is worth two threads;
/// neither holds up whatever else the process attends to.
async fn packed(
    lines: Bytes,
    declared: Columns,
    behind: Option<FileSums>,
) -> Result<(Vec<u8>, Option<FileSums>), StepError> {
    let (records, table) = if lines.len() < WORTH_A_THREAD {
        (pack_records(&lines, behind.as_ref()), pack_table(&lines, declared, behind.as_ref()))
    } else {
        let (same, behind_same) = (lines.clone(), behind.clone());
        let records = tokio::task::spawn_blocking(move || pack_records(&same, behind_same.as_ref()));
        let table = tokio::task::spawn_blocking(move || pack_table(&lines, declared, behind.as_ref()));
        tokio::try_join!(records, table).map_err(StepError::transient)?
    };
    let (records, json) = records.map_err(StepError::permanent)?;
    let (columns, table) = table.map_err(StepError::permanent)?;
    let page = StagedPage::write(records, &json, columns, &table).map_err(StepError::permanent)?;
    Ok((page, FileSums::behind(&json, &table)))
}

/// Whether the bytes of objects may leave: not if the category of their content is omitted.
fn content_leaves(policy: &Pinned, collection: &str) -> bool {
    let content = policy.collection(collection).and_then(|collection| collection.field("content"));
    let categories = content.map_or(&[][..], |field| field.data_categories.as_slice());
    !categories.iter().any(|category| policy.policy().export.omits(category))
}
