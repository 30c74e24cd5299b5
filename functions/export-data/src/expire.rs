//! Deletes a package when its time is over, with every version and everything that was staged for it.

use habeas::connectors::{ConnectorError, Handle};
use habeas::export::staging;
use habeas::ledger::LedgerError;
use habeas::request::RequestId;

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
        let deleted = self.delete_all(id).await?;
        driver.ledger.commit(&request.package_expired(deleted, now), Vec::new(), None).await?;
        tracing::info!(request_id = %id, deleted, "the package has expired");
        Ok(())
    }

    async fn delete_all(&self, id: &RequestId) -> Result<u64, ConnectorError> {
        let packages = self.packages();
        let prefix = staging::request(id);
        let mut deleted = 0;
        // Always the first page: what was listed is gone when the next is asked for.
        loop {
            let page = packages.versions(&self.package_bucket, &prefix, None).await?;
            if page.rows.is_empty() {
                return Ok(deleted);
            }
            deleted += page.rows.len() as u64;
            let versions = page.rows.into_iter().filter_map(|row| match row.handle {
                Handle::Version { key, version } => Some((key, version)),
                Handle::Item(_) => None,
            });
            packages.delete(&self.package_bucket, versions.collect()).await?;
        }
    }
}
