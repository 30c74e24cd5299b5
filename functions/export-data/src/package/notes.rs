//! What a making reads and writes beside the archive: staged pages and objects, and its own notes. A note is pinned in the
//! cursor by its digest.

use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use futures::{StreamExt as _, TryStreamExt as _};
use habeas::export::{Chain, Columns, FinishedFile, Sum, staging};
use habeas::steps::StepError;

use super::cursor::Pin;
use super::{Halt, Making};

/// Objects that are fetched at the same time.
const AT_ONCE: usize = 8;

/// A staged object.
pub(super) struct Staged {
    /// Its name, without what stands before it.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) tag: Option<String>,
}

/// Some staged objects, and whether there are no more.
pub(super) struct Batch {
    pub(super) objects: Vec<Staged>,
    pub(super) is_last: bool,
}

impl Making<'_> {
    /// The next objects below a prefix: as many as may be read at once, at least one if there is one.
    pub(super) async fn batch(&self, prefix: &str, after: &str) -> Result<Batch, Halt> {
        let limits = &self.function.limits;
        let mut batch = self.listed(prefix, after, limits.batch_objects).await?;
        let mut bytes = 0;
        let fit = batch.objects.iter().take_while(|object| {
            bytes += object.bytes;
            bytes <= limits.batch_bytes
        });
        let fit = fit.count().max(1);
        batch.is_last &= fit >= batch.objects.len();
        batch.objects.truncate(fit);
        Ok(batch)
    }

    /// The next objects below a prefix, in order.
    pub(super) async fn listed(&self, prefix: &str, after: &str, most: u32) -> Result<Batch, Halt> {
        let list = self.function.s3.list_objects_v2().bucket(&self.function.package_bucket).prefix(prefix);
        let after = (!after.is_empty()).then(|| format!("{prefix}{after}"));
        let list = list.set_start_after(after).max_keys(most.cast_signed());
        let listed = list.send().await.map_err(StepError::transient)?;
        let is_last = listed.is_truncated != Some(true);
        let objects = listed.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let name = object.key?.strip_prefix(prefix)?.to_owned();
            Some(Staged { name, bytes: object.size.unwrap_or(0).cast_unsigned(), tag: object.e_tag })
        });
        Ok(Batch { objects: objects.collect(), is_last })
    }

    /// An object, whole.
    async fn get(&self, key: String) -> Result<Vec<u8>, Halt> {
        let object = self.function.s3.get_object().bucket(&self.function.package_bucket).key(key).send().await;
        let object = object.map_err(|error| {
            let is_gone = error.as_service_error().is_some_and(GetObjectError::is_no_such_key);
            if is_gone { Halt::Anew("a staged object or a note is gone") } else { StepError::transient(error).into() }
        });
        let body = object?.body;
        Ok(body.collect().await.map_err(StepError::transient)?.to_vec())
    }

    /// Objects, whole, in order.
    pub(super) async fn get_all(&mut self, keys: Vec<String>) -> Result<Vec<Vec<u8>>, Halt> {
        let objects = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let this = &*self;
        let fetched = futures::stream::iter(keys).map(|key| this.get(key)).buffered(AT_ONCE);
        let bodies: Vec<Vec<u8>> = fetched.try_collect().await?;
        self.left.spend(objects, bodies.iter().map(|body| body.len() as u64).sum());
        Ok(bodies)
    }

    /// A piece of an object, if it is still the same one.
    pub(super) async fn get_piece(
        &mut self,
        key: String,
        from: u64,
        bytes: u64,
        tag: Option<String>,
    ) -> Result<Vec<u8>, Halt> {
        let get = self.function.s3.get_object().bucket(&self.function.package_bucket).key(key).set_if_match(tag);
        let get = get.range(format!("bytes={from}-{}", from + bytes.saturating_sub(1)));
        let object = get.send().await.map_err(|error| {
            let is_changed = error.raw_response().is_some_and(|response| response.status().as_u16() == 412);
            if is_changed { Halt::Anew("a file was staged again") } else { StepError::transient(error).into() }
        })?;
        let body = object.body.collect().await.map_err(StepError::transient)?.to_vec();
        self.left.spend(1, body.len() as u64);
        if body.len() as u64 == bytes { Ok(body) } else { Err(Halt::Anew("a staged file has another size")) }
    }

    async fn put(&self, key: String, bytes: Vec<u8>) -> Result<(), Halt> {
        let put = self.function.s3.put_object().bucket(&self.function.package_bucket).key(key);
        put.body(ByteStream::from(bytes)).send().await.map_err(StepError::transient)?;
        Ok(())
    }

    /// What the last page left of the archive.
    pub(super) async fn rest(&self) -> Result<Vec<u8>, Halt> {
        let Some(pin) = &self.cursor.rest else {
            return Ok(Vec::new());
        };
        self.pinned(staging::rest(&self.job.request.id, self.cursor.making, pin.page), pin).await
    }

    /// Leaves what is not enough for a part to the next page.
    pub(super) async fn leave_rest(&mut self, rest: Vec<u8>) -> Result<(), Halt> {
        self.cursor.rest = None;
        if !rest.is_empty() {
            let pin = Pin { page: self.cursor.page, sha256: Sum::of(&rest).hex() };
            self.put(staging::rest(&self.job.request.id, self.cursor.making, pin.page), rest).await?;
            self.cursor.rest = Some(pin);
        }
        Ok(())
    }

    /// The columns of the collection that is being written, as far as earlier pages know them.
    pub(super) async fn left_columns(&self, collection: &str) -> Result<Columns, Halt> {
        let Some(pin) = &self.cursor.so_far.columns else {
            return Ok(Columns::declared(&self.job.policy, collection));
        };
        let key = staging::columns(&self.job.request.id, self.cursor.making, pin.page);
        Ok(Columns::from_json(&self.pinned(key, pin).await?)?)
    }

    /// Leaves what is known of the columns to the next page, unless it is what the last one left.
    pub(super) async fn leave_columns(&mut self) -> Result<(), Halt> {
        let Some(columns) = &self.columns else {
            return Ok(());
        };
        let bytes = serde_json::to_vec(columns)?;
        let pin = Pin { page: self.cursor.page, sha256: Sum::of(&bytes).hex() };
        if self.cursor.so_far.columns.as_ref().is_none_or(|left| left.sha256 != pin.sha256) {
            self.put(staging::columns(&self.job.request.id, self.cursor.making, pin.page), bytes).await?;
            self.cursor.so_far.columns = Some(pin);
        }
        Ok(())
    }

    async fn pinned(&self, key: String, pin: &Pin) -> Result<Vec<u8>, Halt> {
        let bytes = self.get(key).await?;
        if Sum::of(&bytes).hex() == pin.sha256 { Ok(bytes) } else { Err(Halt::Anew("a note is not as it was left")) }
    }

    /// Writes down the files that were finished since the last time.
    pub(super) async fn note_finished(&mut self) -> Result<(), Halt> {
        if self.finished.is_empty() {
            return Ok(());
        }
        let note = std::mem::take(&mut self.finished);
        let number = self.cursor.files.count;
        self.cursor.files.add(&note);
        self.put(staging::files(&self.job.request.id, self.cursor.making, number), note).await
    }

    /// Writes down what the index will show of a collection.
    pub(super) async fn note_section(&mut self, note: Vec<u8>) -> Result<(), Halt> {
        let number = self.cursor.sections.count;
        self.cursor.sections.add(&note);
        self.put(staging::section(&self.job.request.id, self.cursor.making, number), note).await
    }

    /// What was written down of collections.
    pub(super) async fn sections(&mut self) -> Result<Vec<Vec<u8>>, Halt> {
        let name = |number| staging::section(&self.job.request.id, self.cursor.making, number);
        let notes = self.get_all((0..self.cursor.sections.count).map(name).collect()).await?;
        let mut chain = Chain::default();
        for note in &notes {
            chain.add(note);
        }
        if chain == self.cursor.sections {
            Ok(notes)
        } else {
            Err(Halt::Anew("a collection's note is not as it was left"))
        }
    }

    /// The next finished files after those that were read, and whether these are the last; then they were all as they had
    /// been left.
    pub(super) async fn next_files(&mut self, read: &mut Chain) -> Result<(Vec<FinishedFile>, bool), Halt> {
        let until = self.cursor.files.count.min(read.count + self.function.limits.batch_objects);
        let name = |number| staging::files(&self.job.request.id, self.cursor.making, number);
        let notes = self.get_all((read.count..until).map(name).collect()).await?;
        let mut files = Vec::new();
        for note in notes {
            read.add(&note);
            for line in note.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                files.push(serde_json::from_slice(line)?);
            }
        }
        let is_last = read.count >= self.cursor.files.count;
        if is_last && *read != self.cursor.files {
            return Err(Halt::Anew("the notes of files are not as they were left"));
        }
        Ok((files, is_last))
    }
}
