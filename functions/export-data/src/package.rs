//! Puts the staged pages and objects together to one ZIP archive, streamed through a multipart upload, page by page.
//!
//! The rules of this room. A page does a bounded amount of work that is counted and not timed, and what it writes is a
//! function of its cursor and of what was staged: a worker that lost its lease and goes on all the same writes what its
//! successor writes. All else that a later page relies on is pinned by a digest in the cursor, which is fenced by the
//! ledger: parts, notes, rests. What is not as it was pinned makes the package begin anew, under names of its own. What is
//! encrypted is always a rest, so that the same key never encrypts two contents at the same place.

mod close;
mod copy;
mod cursor;
mod encrypt;
mod limits;
mod notes;
mod shelf;
mod upload;

use habeas::export::{
    Archive, ArchiveError, ArchiveState, Columns, EncryptionError, FinishedFile, ManifestPlan, Packing, StagedError,
    TableError, WrittenFile, staging,
};
use habeas::ledger::StepStatus;
use habeas::plan::{Counts, Work};
use habeas::request::{PackageInfo, StepNumber};
use habeas::steps::{Job, Next, Page, StepError};

use crate::Function;
use cursor::{Cursor, Position};
pub use limits::Limits;
use shelf::Shelf;

/// How often a package may be begun anew before an operator has to look at it.
const MOST_BEGINNINGS: u32 = 10;

/// Why a page was not done.
enum Halt {
    /// The step fails, or is tried again.
    Failed(StepError),
    /// Something is not as it was left: the package is begun anew.
    Anew(&'static str),
}

impl From<StepError> for Halt {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// Trying again cannot mend what these say.
macro_rules! permanent {
    ($($error:ty),*) => {
        $(impl From<$error> for Halt {
            fn from(error: $error) -> Self {
                Self::Failed(StepError::permanent(error))
            }
        })*
    };
}

permanent!(ArchiveError, EncryptionError, StagedError, TableError, serde_json::Error);

/// The package was begun anew again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the package was begun {MOST_BEGINNINGS} times, and each time something was not as it had been left: {0}")]
struct NeverTheSame(&'static str);

/// A package of a request that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is not there any more")]
struct NoPlan;

/// An export step whose collection goes into the package.
struct Source {
    step: StepNumber,
    collection: String,
    status: StepStatus,
}

/// What follows a piece of work.
enum Turn {
    /// The next one.
    On,
    /// A checkpoint, before anything else is done.
    Pause,
    /// Nothing: the package is there.
    Done(PackageInfo),
}

/// A package that is being made, during one page.
struct Making<'a> {
    function: &'a Function,
    job: &'a Job,
    sources: Vec<Source>,
    plan: ManifestPlan,
    cursor: Cursor,
    archive: Archive,
    /// Finished files that no note holds yet, one a line.
    finished: Vec<u8>,
    /// What the index will show of collections that no note holds yet, one a line.
    sections: Vec<u8>,
    /// The columns of the collection that is being written, once this page knows them.
    columns: Option<Columns>,
    /// The staged records,
    pages: Shelf,
    /// and objects.
    media: Shelf,
    /// Whether nothing of this making has been kept: its name, which has the attempt in it, is then known to this worker
    /// alone.
    is_unknown: bool,
    /// What this page may still do.
    left: limits::Left,
}

impl Function {
    pub(crate) async fn make_package(&self, job: &Job, cursor: Option<&str>) -> Result<Page, StepError> {
        let now = self.platform.driver.clock.now();
        let is_unknown = cursor.is_none();
        let cursor = match cursor {
            None => {
                let making = staging::Making { attempt: job.claim.step.attempt, time: 1 };
                Cursor::begin(making, now, self.age_file(job).await?)
            }
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let (making, key, upload) = (cursor.making, cursor.key(&job.request.id), cursor.upload.clone());
        let page = match Making::resume(self, job, cursor, is_unknown).await {
            Ok(making) => making.page().await,
            Err(halt) => Err(halt),
        };
        match page {
            Ok(next) => Ok(Page { counts: Counts::default(), retained_until: None, next }),
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::Anew(reason)) => {
                tracing::warn!(request_id = %job.request.id, reason, "the package is begun anew");
                self.abort_upload(key, upload.as_deref()).await;
                if making.time >= MOST_BEGINNINGS {
                    return Err(StepError::permanent(NeverTheSame(reason)));
                }
                let anew = staging::Making { attempt: job.claim.step.attempt, time: making.time + 1 };
                Cursor::begin(anew, now, self.age_file(job).await?).to_page()
            }
        }
    }
}

impl<'a> Making<'a> {
    /// Takes up what the last page left.
    async fn resume(function: &'a Function, job: &'a Job, cursor: Cursor, is_unknown: bool) -> Result<Self, Halt> {
        let view = function.platform.driver.ledger.view(&job.request.id).await.map_err(StepError::transient)?;
        let steps = view.ok_or_else(|| StepError::permanent(NoPlan))?.steps;
        let is_left_out = |work: &Work| match work {
            Work::Export { collection } => job.request.exemption(collection).is_some(),
            _ => false,
        };
        let steps: Vec<_> = steps.into_iter().filter(|step| !is_left_out(&step.work)).collect();
        let plan = ManifestPlan::of(steps.iter().map(|step| (step.number, &step.work)))?;
        let sources = steps.into_iter().filter_map(|step| match step.work {
            Work::Export { collection } => Some(Source { step: step.number, collection, status: step.status }),
            _ => None,
        });
        let (sources, left) = (sources.collect(), function.limits.left());
        let archive = Archive::resume(ArchiveState::default(), Vec::new());
        let mut making = Self {
            function,
            job,
            sources,
            plan,
            cursor,
            archive,
            finished: Vec::new(),
            sections: Vec::new(),
            columns: None,
            pages: Shelf::default(),
            media: Shelf::default(),
            is_unknown,
            left,
        };
        let mut rest = making.rest().await?;
        making.encrypt_rest(&mut rest).await?;
        making.archive = Archive::resume(std::mem::take(&mut making.cursor.archive), rest);
        Ok(making)
    }

    async fn page(mut self) -> Result<Next, Halt> {
        loop {
            let turn = match self.cursor.at {
                Position::Json { .. } => self.json().await?,
                Position::Csv { .. } => self.csv().await?,
                Position::Media { .. } => self.media().await?,
                Position::Section => self.section().await?,
                Position::Index => self.index().await?,
                Position::Manifest { .. } => self.manifest().await?,
                Position::Sign { .. } => self.sign().await?,
                Position::Signature { .. } => self.signature()?,
                Position::Directory { .. } => self.directory().await?,
                Position::End => self.end().await?,
                Position::Close => self.close().await?,
            };
            match turn {
                Turn::Done(package) => return Ok(Next::Done { package: Some(package), captured: None }),
                Turn::On if !self.is_spent() => {}
                Turn::On | Turn::Pause => return self.pause().await,
            }
        }
    }

    /// Whether this page has done enough.
    fn is_spent(&self) -> bool {
        self.left.is_spent() || self.archive.ready_bytes() >= self.part_bytes()
    }

    /// Leaves everything where the next page finds it.
    async fn pause(mut self) -> Result<Next, Halt> {
        self.note_finished().await?;
        self.note_sections().await?;
        self.leave_columns().await?;
        self.cursor.archive = self.archive.pause()?.clone();
        if self.cursor.age.is_none() && self.archive.ready_bytes() >= self.part_bytes() {
            let part = self.archive.take();
            self.upload_part(part).await?;
        }
        self.cursor.page += 1;
        let rest = self.archive.take();
        self.leave_rest(rest).await?;
        Ok(Next::Page(serde_json::to_string(&self.cursor)?))
    }

    /// Writes a whole file that is made here.
    fn write_file(&mut self, path: &str, bytes: &[u8], source: Option<&str>) -> Result<u64, Halt> {
        self.archive.begin(path, Packing::of(path))?;
        self.archive.write(bytes)?;
        self.finish_file(None, source)
    }

    /// Ends the file that is being written, and lists it. Gives its size.
    fn finish_file(&mut self, records: Option<u64>, source: Option<&str>) -> Result<u64, Halt> {
        let file = self.archive.end()?;
        let bytes = file.bytes;
        self.list_file(file, records, source)?;
        Ok(bytes)
    }

    /// Lists a file that was finished, for the manifest and the archive's directory.
    fn list_file(&mut self, file: WrittenFile, records: Option<u64>, source: Option<&str>) -> Result<(), Halt> {
        let finished = FinishedFile { file, records, source: source.map(ToOwned::to_owned) };
        serde_json::to_writer(&mut self.finished, &finished)?;
        self.finished.push(b'\n');
        Ok(())
    }

    /// The collection that is being written.
    fn source(&self) -> Option<&Source> {
        self.sources.get(self.cursor.source)
    }
}

/// The entries of a note.
fn lines(page: &[u8]) -> impl Iterator<Item = &[u8]> {
    page.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}
