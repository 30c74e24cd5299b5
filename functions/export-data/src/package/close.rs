//! What comes after the collections: the page for people, the manifest and its signature, the end of the archive.

use habeas::export::{
    CSV_NOTE, Chain, MANIFEST, ManifestHead, ManifestPolicy, ManifestSignature, ManifestSource, ManifestText, Packing,
    SIGNATURE, context, render, split,
};
use habeas::ledger::StepStatus;
use habeas::policy::{Period, deadline};
use habeas::request::{Matter, PackageInfo, Right};
use habeas::steps::StepError;
use jiff::{Timestamp, ToSpan as _};

use super::cursor::Position;
use super::{Halt, Making, Turn, upload};

/// The note that a step whose reading is not done would leave. The stage of the package begins when all are.
const NOT_READ: &str = "not all of it could be read";

impl Making<'_> {
    /// The page for people. Who takes data along to another service gets none: what is for machines is enough.
    pub(super) async fn index(&mut self) -> Result<Turn, Halt> {
        if self.job.request.matter != Matter::Right(Right::Portability) {
            let sections = self.all_sections().await?;
            let context = context(&self.job.policy, &self.job.request, self.cursor.created_at, sections);
            let page = render(&context).map_err(StepError::permanent)?;
            self.write_file("index.html", page.as_bytes(), None)?;
        }
        self.cursor.at = Position::Manifest { read: Chain::default(), files: 0 };
        Ok(Turn::On)
    }

    /// The manifest, from the notes of what was finished before it.
    pub(super) async fn manifest(&mut self) -> Result<Turn, Halt> {
        let Position::Manifest { read, files } = &self.cursor.at else { return Ok(Turn::On) };
        let (mut read, mut files) = (read.clone(), *files);
        if !self.archive.is_open() {
            self.archive.begin(MANIFEST, Packing::Deflate)?;
            self.archive.write(ManifestText::begin(&self.head())?.as_bytes())?;
        }
        let (finished, is_last) = self.next_files(&mut read).await?;
        for file in finished {
            self.archive.write(ManifestText::file(&file.into(), files == 0)?.as_bytes())?;
            files += 1;
        }
        if !is_last {
            self.cursor.at = Position::Manifest { read, files };
            return Ok(Turn::On);
        }
        self.archive.write(ManifestText::end().as_bytes())?;
        let file = self.archive.end()?;
        let sha256 = file.sha256.clone();
        self.list_file(file, None, None)?;
        self.cursor.at = Position::Sign { sha256 };
        Ok(Turn::On)
    }

    fn head(&self) -> ManifestHead {
        let policy = self.job.policy.policy();
        let sources: Vec<ManifestSource> = self
            .sources
            .iter()
            .map(|source| {
                let (dataset, collection) = split(&source.collection);
                let complete = source.status == StepStatus::Done;
                ManifestSource {
                    dataset: dataset.to_owned(),
                    collection: collection.to_owned(),
                    complete,
                    reason: (!complete).then(|| NOT_READ.to_owned()),
                }
            })
            .collect();
        ManifestHead {
            version: 1,
            request_id: self.job.request.id.clone(),
            right: self.job.request.matter.right().unwrap_or(Right::Access),
            controller: policy.controller.name.clone(),
            policy: ManifestPolicy {
                id: policy.id.clone(),
                version: policy.version.clone(),
                sha256: self.job.policy.digest().clone(),
            },
            plan: self.plan.clone(),
            created_at: self.cursor.created_at,
            complete: sources.iter().all(|source| source.complete),
            sources,
            csv: CSV_NOTE.to_owned(),
        }
    }

    /// Signs the manifest. No two signatures are the same, so this one is kept before it is used: whoever goes on from
    /// here writes the same archive. A making of which nothing has been kept is nobody else's.
    pub(super) async fn sign(&mut self) -> Result<Turn, Halt> {
        let Position::Sign { sha256 } = &self.cursor.at else { return Ok(Turn::On) };
        let digest = habeas::export::digest_of_hex(sha256).ok_or(Halt::Anew("the manifest's digest is none"))?;
        let made = ManifestSignature::make(self.function.signer.as_ref(), digest).await;
        let signature = made.map_err(StepError::transient)?;
        self.cursor.at = Position::Signature { signature };
        Ok(if self.is_unknown { Turn::On } else { Turn::Pause })
    }

    /// The file of the signature.
    pub(super) fn signature(&mut self) -> Result<Turn, Halt> {
        let Position::Signature { signature } = &self.cursor.at else { return Ok(Turn::On) };
        let mut text = serde_json::to_vec_pretty(signature)?;
        text.push(b'\n');
        self.write_file(SIGNATURE, &text, None)?;
        self.cursor.at = Position::Directory { read: Chain::default() };
        Ok(Turn::On)
    }

    /// The archive's directory, from the notes of all files.
    pub(super) async fn directory(&mut self) -> Result<Turn, Halt> {
        let Position::Directory { read } = &self.cursor.at else { return Ok(Turn::On) };
        let mut read = read.clone();
        let (files, is_last) = self.next_files(&mut read).await?;
        for finished in files {
            self.archive.list(&finished.file)?;
        }
        self.cursor.at = if is_last { Position::End } else { Position::Directory { read } };
        Ok(Turn::On)
    }

    /// The end of the archive.
    pub(super) async fn end(&mut self) -> Result<Turn, Halt> {
        self.archive.finish()?;
        self.cursor.at = Position::Close;
        // The end is encrypted once it is pinned, like all before it.
        if self.cursor.age.is_some() { Ok(Turn::Pause) } else { self.close().await }
    }

    /// The end of the upload. All bytes that are written from the signature on follow from the cursor, so a package of this
    /// size under this name is this package, whoever completed it.
    pub(super) async fn close(&mut self) -> Result<Turn, Halt> {
        let state = self.archive.pause()?.clone();
        let rest = self.archive.take();
        let (part, bytes, sha256) = match &mut self.cursor.age {
            Some(age) => (age.finish(rest)?, age.bytes(), age.sha256()),
            None => (rest, state.bytes(), state.sha256()),
        };
        let ended = if self.is_unknown && self.cursor.parts.count == 0 {
            self.put_whole(part).await
        } else {
            match self.upload_part(part).await {
                Ok(()) => self.complete_upload().await,
                Err(halt) => Err(halt),
            }
        };
        match ended {
            Ok(()) => {}
            Err(Halt::Anew(upload::NO_UPLOAD)) if self.is_there(bytes).await? => {}
            Err(halt) => return Err(halt),
        }
        let now = self.function.platform.driver.clock.now();
        Ok(Turn::Done(PackageInfo {
            key: self.key(),
            bytes,
            sha256,
            encrypted: self.cursor.age.is_some(),
            expires_at: self.expires_at(now)?,
            deleted: false,
            links: 0,
        }))
    }

    fn expires_at(&self, now: Timestamp) -> Result<Timestamp, StepError> {
        let policy = &self.job.policy;
        let right = self.job.request.matter.right();
        let kept = right.and_then(|right| policy.right(right)?.package_expires).unwrap_or(Period(7.days()));
        deadline::later(now, kept, &policy.policy().controller.time_zone).map_err(StepError::permanent)
    }
}
