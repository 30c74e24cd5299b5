//! One collection after the other: its records as JSON and as a table, their schema, its media.

use std::ops::ControlFlow;

use habeas::export::{
    BETWEEN, BYTE_ORDER_MARK, Columns, FIRST, FileLink, LIST, LISTED_MEDIA, PREVIEW_ROWS, Packing, Piece, Preview,
    Section, StagedPage, pack_table_again, schema, split, staging,
};
use habeas::ledger::StepStatus;

use super::cursor::{Inside, Position, SoFar};
use super::notes::Kind;
use super::shelf::Staged;
use super::{Halt, Making, Turn};

/// Path of a file of a collection.
fn path(folder: &str, collection: &str, ending: &str) -> String {
    let (dataset, name) = split(collection);
    format!("{folder}/{dataset}/{name}{ending}")
}

impl Making<'_> {
    /// The records of the collection as one JSON array, a record a line: the pieces that were staged, one behind the other.
    pub(super) async fn json(&mut self) -> Result<Turn, Halt> {
        let (Some(source), Position::Json { after }) = (self.source(), &self.cursor.at) else {
            self.cursor.at = Position::Index;
            return Ok(Turn::On);
        };
        let (collection, prefix) = (source.collection.clone(), staging::pages(&self.job.request.id, source.step));
        let after = after.clone();
        let (pages, last) = self.pages(&prefix, &after).await?;
        let mut columns = self.take_columns(&collection).await?;
        if !self.archive.is_open() {
            self.archive.begin(&path("data", &collection, ".json"), Packing::Deflate)?;
            self.archive.write(LIST)?;
        }
        for page in pages {
            columns.take_in(page.columns());
            self.archive.write(if self.cursor.so_far.records == 0 { FIRST } else { BETWEEN })?;
            self.copy(page.json())?;
            self.cursor.so_far.records += page.records();
            self.cursor.so_far.pages.add(page.mark());
        }
        self.columns = Some(columns);
        self.cursor.at = if let Some(after) = last {
            Position::Json { after }
        } else {
            self.archive.write(b"\n]\n")?;
            let bytes = self.finish_file(Some(self.cursor.so_far.records), Some(&collection))?;
            self.cursor.so_far.json = FileLink { path: path("data", &collection, ".json"), bytes };
            Position::Csv { after: String::new() }
        };
        Ok(Turn::On)
    }

    /// The same records as a table, now that all columns are known; then the schema of both. Pages that were staged with the
    /// same columns bring their piece of it, others only their records.
    pub(super) async fn csv(&mut self) -> Result<Turn, Halt> {
        let (Some(source), Position::Csv { after }) = (self.source(), &self.cursor.at) else {
            self.cursor.at = Position::Index;
            return Ok(Turn::On);
        };
        let (collection, prefix) = (source.collection.clone(), staging::pages(&self.job.request.id, source.step));
        let after = after.clone();
        let (pages, last) = self.pages(&prefix, &after).await?;
        let columns = self.take_columns(&collection).await?;
        if !self.archive.is_open() {
            self.archive.begin(&path("data", &collection, ".csv"), Packing::Deflate)?;
            self.archive.write(BYTE_ORDER_MARK.as_bytes())?;
            self.archive.write(&columns.header()?)?;
        }
        for page in pages {
            match page.table(&columns) {
                Some(piece) => self.copy(piece)?,
                None => self.copy(&pack_table_again(&page, &columns)?)?,
            }
            self.cursor.so_far.pages_again.add(page.mark());
        }
        self.cursor.at = if let Some(after) = last {
            Position::Csv { after }
        } else {
            if self.cursor.so_far.pages != self.cursor.so_far.pages_again {
                return Err(Halt::Anew("a page was staged again"));
            }
            let bytes = self.finish_file(Some(self.cursor.so_far.records), Some(&collection))?;
            self.cursor.so_far.csv = FileLink { path: path("data", &collection, ".csv"), bytes };
            let schema = serde_json::to_vec_pretty(&schema(&self.job.policy, &collection, &columns))?;
            let path = path("schemas", &collection, ".schema.json");
            let bytes = self.write_file(&path, &schema, Some(&collection))?;
            self.cursor.so_far.schema = FileLink { path, bytes };
            Position::Media { after: String::new(), inside: None }
        };
        self.columns = Some(columns);
        Ok(Turn::On)
    }

    /// The next staged pages, and the name of the last of them; no name if there are no more.
    async fn pages(&mut self, prefix: &str, after: &str) -> Result<(Vec<StagedPage>, Option<String>), Halt> {
        let batch = self.batch(Kind::Pages, prefix, after).await?;
        let last = batch.objects.last().filter(|_| !batch.is_last).map(|object| object.name.clone());
        let keys = batch.objects.iter().map(|object| format!("{prefix}{}", object.name)).collect();
        let staged = self.staged(Kind::Pages, keys).await?;
        let pages = staged.iter().map(StagedPage::read).collect::<Result<_, _>>()?;
        Ok((pages, last))
    }

    /// Copies a piece into the file that is being written. To unpack it is more work than to fetch it.
    fn copy(&mut self, piece: &Piece) -> Result<(), Halt> {
        let unpacked = self.archive.copy(piece)?;
        self.left.spend(0, unpacked);
        Ok(())
    }

    /// The columns that this page knows, or else the last one left.
    async fn take_columns(&mut self, collection: &str) -> Result<Columns, Halt> {
        match self.columns.take() {
            Some(columns) => Ok(columns),
            None => self.left_columns(collection).await,
        }
    }

    /// The copied objects of the collection.
    pub(super) async fn media(&mut self) -> Result<Turn, Halt> {
        let (Some(source), Position::Media { after, inside }) = (self.source(), &self.cursor.at) else {
            self.cursor.at = Position::Index;
            return Ok(Turn::On);
        };
        let (collection, prefix) = (source.collection.clone(), staging::media(&self.job.request.id, source.step));
        let (after, inside) = (after.clone(), inside.clone());
        if let Some(inside) = inside {
            self.cursor.at = self.piece(&collection, &prefix, inside).await?;
            return Ok(Turn::On);
        }
        let batch = self.batch(Kind::Media, &prefix, &after).await?;
        let Some(last) = batch.objects.last().map(|object| object.name.clone()) else {
            self.cursor.at = Position::Section;
            return Ok(Turn::On);
        };
        self.cursor.at = match batch.objects.as_slice() {
            // Larger than what is read at once, and so alone in its batch.
            [Staged { name, bytes, tag }] if *bytes > self.function.limits.batch_bytes => {
                let (name, bytes, tag) = (name.clone(), *bytes, tag.clone());
                let path = path("media", &collection, &format!("/{name}"));
                self.archive.begin(&path, Packing::of(&path))?;
                Position::Media { after, inside: Some(Inside { name, bytes, written: 0, tag }) }
            }
            objects => {
                let keys = objects.iter().map(|object| format!("{prefix}{}", object.name)).collect();
                for (object, content) in objects.iter().zip(self.staged(Kind::Media, keys).await?) {
                    let path = path("media", &collection, &format!("/{}", object.name));
                    let bytes = self.write_file(&path, &content, Some(&collection))?;
                    self.count_media(bytes);
                }
                if batch.is_last { Position::Section } else { Position::Media { after: last, inside: None } }
            }
        };
        Ok(Turn::On)
    }

    /// The next piece of a large file.
    async fn piece(&mut self, collection: &str, prefix: &str, inside: Inside) -> Result<Position, Halt> {
        let bytes = self.function.limits.batch_bytes.min(inside.bytes - inside.written);
        let key = format!("{prefix}{}", inside.name);
        let piece = self.get_piece(key, inside.written, bytes, inside.tag.clone()).await?;
        self.archive.write(&piece)?;
        let written = inside.written + bytes;
        if written < inside.bytes {
            return Ok(Position::Media { after: String::new(), inside: Some(Inside { written, ..inside }) });
        }
        let bytes = self.finish_file(None, Some(collection))?;
        self.count_media(bytes);
        Ok(Position::Media { after: inside.name, inside: None })
    }

    fn count_media(&mut self, bytes: u64) {
        self.cursor.so_far.media_files += 1;
        self.cursor.so_far.media_bytes += bytes;
    }

    /// Writes down what the index will show of the collection, and goes on to the next.
    pub(super) async fn section(&mut self) -> Result<Turn, Halt> {
        let Some(source) = self.source() else {
            self.cursor.at = Position::Index;
            return Ok(Turn::On);
        };
        let (collection, step, complete) = (source.collection.clone(), source.step, source.status == StepStatus::Done);
        let preview = self.preview(&staging::pages(&self.job.request.id, step)).await?;
        let media = if self.cursor.so_far.media_files > 0 {
            let most = u32::try_from(LISTED_MEDIA).unwrap_or(u32::MAX);
            let listed = self.listed(Kind::Media, &staging::media(&self.job.request.id, step), "", most).await?;
            let link = |object: Staged| FileLink {
                path: path("media", &collection, &format!("/{}", object.name)),
                bytes: object.bytes,
            };
            listed.objects.into_iter().map(link).collect()
        } else {
            Vec::new()
        };
        let SoFar { records, json, csv, schema, media_files, media_bytes, .. } =
            std::mem::take(&mut self.cursor.so_far);
        let section =
            Section { collection, complete, records, json, csv, schema, media_files, media_bytes, media, preview };
        serde_json::to_writer(&mut self.sections, &section)?;
        self.sections.push(b'\n');
        self.columns = None;
        self.cursor.source += 1;
        self.cursor.at = Position::first();
        Ok(Turn::On)
    }

    /// The first records: of as many staged pages as it takes, each of which has at least one.
    async fn preview(&mut self, prefix: &str) -> Result<Preview, Halt> {
        let mut preview = Preview::default();
        if self.cursor.so_far.records == 0 {
            return Ok(preview);
        }
        let most = u32::try_from(PREVIEW_ROWS).unwrap_or(u32::MAX);
        for object in self.listed(Kind::Pages, prefix, "", most).await?.objects {
            for page in self.staged(Kind::Pages, vec![format!("{prefix}{}", object.name)]).await? {
                StagedPage::read(&page)?.each_record(|record| {
                    preview.add(&serde_json::from_slice(record)?);
                    Ok(if preview.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                })?;
            }
            if preview.is_full() {
                break;
            }
        }
        Ok(preview)
    }
}
