//! What a making reads and writes beside the archive: staged pages and objects, and its own notes. A note is pinned in the
//! cursor by its digest.

use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use habeas::export::{Archive, Chain, Columns, FinishedFile, Section, Sum, staging};
use habeas::request::RequestId;
use habeas::steps::StepError;

use super::cursor::Pin;
use super::shelf::{Listed, Missing, Shelf, Staged};
use super::{Halt, Making, lines};

/// Objects that are fetched at the same time.
const AT_ONCE: usize = 8;
/// What is read is not what the cursor pins.
const NOT_AS_LEFT: &str = "a note is not as it was left";

/// What is staged.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Records.
    Pages,
    /// Copied objects.
    Media,
}

impl Kind {
    /// What stands before all of the kind, of every collection.
    fn root(self, id: &RequestId) -> String {
        match self {
            Self::Pages => staging::all_pages(id),
            Self::Media => staging::all_media(id),
        }
    }
}

/// Some staged objects, and whether there are no more.
pub(super) struct Batch {
    pub(super) objects: Vec<Staged>,
    pub(super) is_last: bool,
}

impl Making<'_> {
    /// The next objects below a prefix: as many as may be read at once, at least one if there is one.
    pub(super) async fn batch(&mut self, kind: Kind, prefix: &str, after: &str) -> Result<Batch, Halt> {
        let limits = self.function.limits;
        let mut batch = self.listed(kind, prefix, after, limits.batch_objects).await?;
        let (mut bytes, most) = (0, self.batch_bytes());
        let fit = batch.objects.iter().take_while(|object| {
            bytes += object.bytes;
            bytes <= most
        });
        let fit = fit.count().max(1);
        batch.is_last &= fit >= batch.objects.len();
        batch.objects.truncate(fit);
        Ok(batch)
    }

    /// How many staged bytes may be read at once: the fewer, the more is ready to be uploaded, so that both together never
    /// take more memory than the larger of them.
    fn batch_bytes(&self) -> u64 {
        let most = self.function.limits.batch_bytes;
        let part = self.part_bytes().max(1) as u64;
        let ready = (self.archive.ready_bytes() as u64).min(part);
        most - most * ready / part
    }

    /// The next objects below a prefix, in order.
    pub(super) async fn listed(&mut self, kind: Kind, prefix: &str, after: &str, most: u32) -> Result<Batch, Halt> {
        let (most, after) = (most as usize, format!("{prefix}{after}"));
        while let Missing::After(key) = self.shelf(kind).missing(prefix, &after, most + 1) {
            let list = self.function.s3.list_objects_v2().bucket(&self.function.package_bucket).start_after(key);
            let listed = list.prefix(kind.root(&self.job.request.id)).send().await.map_err(StepError::transient)?;
            let is_last = listed.is_truncated != Some(true);
            let objects = listed.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let bytes = object.size.unwrap_or(0).cast_unsigned();
                Some((object.key?, Listed { bytes, tag: object.e_tag }))
            });
            let objects = objects.collect();
            self.shelf(kind).take_in(objects, is_last);
        }
        let staged = |(key, listed): (&String, &Listed)| Staged {
            name: key[prefix.len()..].to_owned(),
            bytes: listed.bytes,
            tag: listed.tag.clone(),
        };
        let mut objects: Vec<Staged> = self.shelf(kind).below(prefix, &after).take(most + 1).map(staged).collect();
        let is_last = objects.len() <= most;
        objects.truncate(most);
        Ok(Batch { objects, is_last })
    }

    fn shelf(&mut self, kind: Kind) -> &mut Shelf {
        match kind {
            Kind::Pages => &mut self.pages,
            Kind::Media => &mut self.media,
        }
    }

    /// The content of an object, to be read.
    async fn open(&self, key: &str) -> Result<ByteStream, Halt> {
        let object = self.function.s3.get_object().bucket(&self.function.package_bucket).key(key).send().await;
        let object = object.map_err(|error| {
            let is_gone = error.as_service_error().is_some_and(GetObjectError::is_no_such_key);
            if is_gone { Halt::Anew("a staged object or a note is gone") } else { StepError::transient(error).into() }
        });
        Ok(object?.body)
    }

    /// An object, whole.
    async fn get(&self, key: &str) -> Result<Bytes, Halt> {
        let mut body = self.open(key).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(body.size_hint().0).unwrap_or(0));
        read_into(&mut body, &mut bytes).await?;
        Ok(bytes.into())
    }

    /// Objects, whole, in order.
    async fn get_all(&self, keys: Vec<String>) -> Result<Vec<(String, Bytes)>, Halt> {
        let get = async |key: String| Ok::<_, Halt>((self.get(&key).await?, key));
        let fetched = futures::stream::iter(keys).map(get).buffered(AT_ONCE);
        fetched.map_ok(|(body, key)| (key, body)).try_collect().await
    }

    /// Staged objects, whole, in order; with those that follow, if they have to be fetched.
    pub(super) async fn staged(&mut self, kind: Kind, keys: Vec<String>) -> Result<Vec<Bytes>, Halt> {
        let (most_objects, most_bytes) = (self.function.limits.batch_objects as usize, self.batch_bytes());
        let missing = self.shelf(kind).absent(&keys, most_objects, most_bytes);
        for (key, body) in self.get_all(missing).await? {
            self.shelf(kind).keep(key, body);
        }
        let bodies: Vec<Bytes> = keys.iter().filter_map(|key| self.shelf(kind).body(key)).collect();
        self.left.spend(u32::try_from(keys.len()).unwrap_or(u32::MAX), bytes_of(&bodies));
        Ok(bodies)
    }

    /// Notes of this making, in order.
    async fn notes(&mut self, keys: Vec<String>) -> Result<Vec<Bytes>, Halt> {
        let objects = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let bodies: Vec<Bytes> = self.get_all(keys).await?.into_iter().map(|(_, body)| body).collect();
        self.left.spend(objects, bytes_of(&bodies));
        Ok(bodies)
    }

    /// A piece of an object, if it is still the same one.
    pub(super) async fn get_piece(
        &mut self,
        key: String,
        from: u64,
        bytes: u64,
        tag: Option<String>,
    ) -> Result<Bytes, Halt> {
        let get = self.function.s3.get_object().bucket(&self.function.package_bucket).key(key).set_if_match(tag);
        let get = get.range(format!("bytes={from}-{}", from + bytes.saturating_sub(1)));
        let object = get.send().await.map_err(|error| {
            let is_changed = error.raw_response().is_some_and(|response| response.status().as_u16() == 412);
            if is_changed { Halt::Anew("a file was staged again") } else { StepError::transient(error).into() }
        })?;
        let body = object.body.collect().await.map_err(StepError::transient)?.into_bytes();
        self.left.spend(1, body.len() as u64);
        if body.len() as u64 == bytes { Ok(body) } else { Err(Halt::Anew("a staged file has another size")) }
    }

    async fn put(&self, key: String, bytes: Vec<u8>) -> Result<(), Halt> {
        let put = self.function.s3.put_object().bucket(&self.function.package_bucket).key(key);
        put.body(ByteStream::from(bytes)).send().await.map_err(StepError::transient)?;
        Ok(())
    }

    /// What the last page left of the archive, with room for the rest of a part: read into one buffer, and never held twice.
    pub(super) async fn rest(&self) -> Result<Vec<u8>, Halt> {
        let mut rest = Vec::with_capacity(self.part_bytes() + Archive::MOST_AT_ONCE);
        let Some(pin) = &self.cursor.rest else {
            return Ok(rest);
        };
        let key = staging::rest(&self.job.request.id, self.cursor.making, pin.page);
        let mut body = self.open(&key).await?;
        read_into(&mut body, &mut rest).await?;
        if Sum::of(&rest).hex() == pin.sha256 { Ok(rest) } else { Err(Halt::Anew(NOT_AS_LEFT)) }
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

    async fn pinned(&self, key: String, pin: &Pin) -> Result<Bytes, Halt> {
        let bytes = self.get(&key).await?;
        if Sum::of(&bytes).hex() == pin.sha256 { Ok(bytes) } else { Err(Halt::Anew(NOT_AS_LEFT)) }
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

    /// Writes down what the index will show of the collections that were finished since the last time.
    pub(super) async fn note_sections(&mut self) -> Result<(), Halt> {
        if self.sections.is_empty() {
            return Ok(());
        }
        let note = std::mem::take(&mut self.sections);
        let number = self.cursor.sections.count;
        self.cursor.sections.add(&note);
        self.put(staging::section(&self.job.request.id, self.cursor.making, number), note).await
    }

    /// What the index will show of the collections, in their order.
    pub(super) async fn all_sections(&mut self) -> Result<Vec<Section>, Halt> {
        let name = |number| staging::section(&self.job.request.id, self.cursor.making, number);
        let notes = self.notes((0..self.cursor.sections.count).map(name).collect()).await?;
        let mut chain = Chain::default();
        for note in &notes {
            chain.add(note);
        }
        if chain != self.cursor.sections {
            return Err(Halt::Anew("a collection's note is not as it was left"));
        }
        let noted = notes.iter().flat_map(|note| lines(note));
        Ok(noted.chain(lines(&self.sections)).map(serde_json::from_slice).collect::<Result<_, _>>()?)
    }

    /// The next finished files after those of the notes that were read, and whether these are the last; then they were all
    /// as they had been left. The last are those that no note holds yet.
    pub(super) async fn next_files(&mut self, read: &mut Chain) -> Result<(Vec<FinishedFile>, bool), Halt> {
        let until = self.cursor.files.count.min(read.count + self.function.limits.batch_objects);
        let name = |number| staging::files(&self.job.request.id, self.cursor.making, number);
        let notes = self.notes((read.count..until).map(name).collect()).await?;
        for note in &notes {
            read.add(note);
        }
        let is_last = read.count >= self.cursor.files.count;
        if is_last && *read != self.cursor.files {
            return Err(Halt::Anew("the notes of files are not as they were left"));
        }
        let rest = if is_last { self.finished.as_slice() } else { &[] };
        let noted = notes.iter().flat_map(|note| lines(note)).chain(lines(rest));
        Ok((noted.map(serde_json::from_slice).collect::<Result<_, _>>()?, is_last))
    }
}

/// Reads a body behind what there is, so that it is never held twice.
async fn read_into(body: &mut ByteStream, bytes: &mut Vec<u8>) -> Result<(), Halt> {
    while let Some(piece) = body.try_next().await.map_err(StepError::transient)? {
        bytes.extend_from_slice(&piece);
    }
    Ok(())
}

fn bytes_of(bodies: &[Bytes]) -> u64 {
    bodies.iter().map(|body| body.len() as u64).sum()
}
