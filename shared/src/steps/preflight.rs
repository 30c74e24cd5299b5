//! Looks for what would make an erasure fail half-way, before anything is changed.

use super::page::{Job, Page, StepError};
use crate::connectors::{ConnectorError, Connectors, Obstacle, obstacles_of};
use crate::plan::Counts;

/// The page of a [`Work::Preflight`](crate::plan::Work::Preflight) step: all collections at once, so that an operator sees
/// all that is to be mended. It reads the systems' descriptions and no row, so it is short.
pub async fn preflight_page(job: &Job, connectors: &Connectors) -> Result<Page, StepError> {
    let mut refusing = Vec::new();
    for collection in job.collections_at_stake() {
        let found = obstacles_of(&job.policy, connectors, collection, true).await;
        for obstacle in found.map_err(ConnectorError::into_step)? {
            log(job, &obstacle);
            if obstacle.refuses {
                refusing.push(obstacle);
            }
        }
    }
    if refusing.is_empty() { Ok(Page::last(Counts::default())) } else { Err(StepError::Refused(refusing)) }
}

fn log(job: &Job, obstacle: &Obstacle) {
    tracing::warn!(
        request_id = %job.request.id,
        step = %job.claim.step.number,
        refuses = obstacle.refuses,
        collection = obstacle.collection,
        field = obstacle.field,
        obstacle = obstacle.message,
        "something stands in the way"
    );
}
