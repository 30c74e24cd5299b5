//! A package for a person who gave a key: an age file around the archive.

use habeas::export::AgeFile;
use habeas::identity::{SealError, Submission, seal};
use habeas::steps::{Job, StepError};

use super::cursor::Position;
use super::{Halt, Making};
use crate::Function;

impl Function {
    /// A new age file, if the person gave a key.
    pub(super) async fn age_file(&self, job: &Job) -> Result<Option<AgeFile>, StepError> {
        let Some(sealed) = &job.request.submission else {
            return Ok(None);
        };
        let opened = self.platform.driver.sealer.open(&job.request.id, seal::end::SUBMISSION, sealed).await;
        let submission: Submission = opened.map_err(|error| match error {
            SealError::KeyService(_) => StepError::transient(error),
            _ => StepError::permanent(error),
        })?;
        submission.encrypt_to.map(|key| AgeFile::begin(&key)).transpose().map_err(StepError::permanent)
    }
}

impl Making<'_> {
    /// Encrypts and uploads what the last page left of the archive, if it is enough for a part. Only what is pinned in the
    /// cursor comes here: whoever goes on from it encrypts the same bytes.
    pub(super) async fn encrypt_rest(&mut self, rest: &mut Vec<u8>) -> Result<(), Halt> {
        let is_enough = rest.len() >= self.part_bytes();
        match &mut self.cursor.age {
            Some(age) if is_enough && !matches!(self.cursor.at, Position::Close) => {
                let part = age.seal(rest)?;
                self.upload_part(part).await
            }
            _ => Ok(()),
        }
    }
}
