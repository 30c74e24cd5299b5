//! Deletes what is not needed any more: the staged copies once the package is made, and the package when its time is over,
//! with every version.

use habeas::connectors::{ConnectorError, Handle};
use habeas::export::staging;
use habeas::ledger::LedgerError;
use habeas::plan::Counts;
use habeas::request::RequestId;
use habeas::steps::{Job, Page, StepError};

use crate::Function;

/// Why a package was not deleted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExpireError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

impl Function {
    pub(crate) async fn expire_package(&self, id: &RequestId) -> Result<(), ExpireError> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let Some(request) = driver.ledger.request(id).await? else {
            return Ok(());
        };
        let is_due = request.package.as_ref().is_some_and(|package| !package.deleted && package.expires_at <= now);
        if !request.status.is_end() || !is_due {
            return Ok(());
        }
        let deleted = self.delete_all(&staging::request(id)).await?;
        driver.ledger.commit(&request.package_expired(deleted, now), Vec::new(), None).await?;
        tracing::info!(request_id = %id, deleted, "the package has expired");
        Ok(())
    }

    /// Deletes the copies that a package was put together from, and what was noted on the way: whoever has the package has
    /// no need of them, and whoever is erased after it should not be found in them.
    pub(crate) async fn clear_staging(&self, job: &Job) -> Result<Page, StepError> {
        let id = &job.request.id;
        let (pages, media, notes) = (staging::all_pages(id), staging::all_media(id), staging::all_notes(id));
        let cleared = futures::try_join!(self.delete_all(&pages), self.delete_all(&media), self.delete_all(&notes));
        cleared.map_err(ConnectorError::into_step)?;
        Ok(Page::last(Counts::default()))
    }

    /// Deletes everything under a prefix of the package bucket, with all versions.
    async fn delete_all(&self, prefix: &str) -> Result<u64, ConnectorError> {
        let packages = self.packages();
        let mut deleted = 0;
        // Always the first page: what was listed is gone when the next is asked for.
        loop {
            let page = packages.versions(&self.package_bucket, prefix, None).await?;
            if page.rows.is_empty() {
                return Ok(deleted);
            }
            deleted += page.rows.len() as u64;
            let versions = page.rows.into_iter().filter_map(|row| match row.handle {
                Handle::Version { key, version } => Some((key, version)),
                Handle::Item(_) | Handle::Key { .. } => None,
            });
            packages.delete(&self.package_bucket, versions.collect()).await?;
        }
    }
}
