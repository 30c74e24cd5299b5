//! One page of an erasure: first the rows are acted on, link after link; then everything is read afresh, and what is left
//! over is acted on again, a bounded number of times.

use habeas::connectors::{Action, ConnectorError, Decision, LinkCursor, decide, read_linked};
use habeas::plan::Counts;
use habeas::steps::{Job, Next, Page, StepError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Function;

/// How often a collection is acted on again because a fresh read found something.
const MAX_ROUNDS: u8 = 3;

/// What is being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Act,
    Verify,
}

/// Where an erasure stands.
#[derive(Default, Serialize, Deserialize)]
struct Cursor {
    phase: Phase,
    round: u8,
    /// What the fresh read has found so far that nothing keeps.
    left_over: u64,
    /// What it has found so far that is kept.
    retained: u64,
    retained_until: Option<Timestamp>,
    at: LinkCursor,
}

impl Function {
    pub(crate) async fn erase(&self, job: &Job, collection: &str, cursor: Option<&str>) -> Result<Page, StepError> {
        let cursor: Cursor = match cursor {
            None => Cursor::default(),
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let (cursor, counts) = match cursor.phase {
            Phase::Act => self.act(job, collection, cursor).await?,
            Phase::Verify => self.verify(job, collection, cursor).await?,
        };
        match cursor {
            Progress::On(cursor) => {
                let next = Next::Page(serde_json::to_string(&cursor).map_err(StepError::permanent)?);
                Ok(Page { counts, retained_until: None, next })
            }
            Progress::Done(cursor) => {
                let counts = Counts { retained: cursor.retained, ..counts };
                let next = Next::Done { package: None, captured: None };
                Ok(Page { counts, retained_until: cursor.retained_until, next })
            }
        }
    }

    async fn act(&self, job: &Job, collection: &str, cursor: Cursor) -> Result<(Progress, Counts), StepError> {
        let mut counts = Counts::default();
        let (decided, next) = self.decide(job, collection, &cursor.at).await?;
        counts.read = if cursor.round == 0 { decided.len() as u64 } else { 0 };
        let mut actions = Vec::new();
        for (row, decision) in decided {
            match decision {
                Decision::Act(action) => {
                    match &action {
                        Action::Erase => counts.erased += 1,
                        Action::Change(_) => counts.anonymised += 1,
                    }
                    actions.push((row, action));
                }
                Decision::Retain { minimise, .. } if !minimise.is_empty() => {
                    actions.push((row, Action::Change(minimise)));
                }
                Decision::Retain { .. } | Decision::Leave => {}
            }
        }
        if !actions.is_empty() {
            let place = job.policy.place(collection).ok_or(ConnectorError::WrongKind);
            let place = place.map_err(ConnectorError::into_step)?;
            let connector = self.connectors.of(place).map_err(ConnectorError::into_step)?;
            connector.apply(place, actions).await.map_err(ConnectorError::into_step)?;
        }
        let next = match next {
            Some(at) => Cursor { at, ..cursor },
            None => Cursor { phase: Phase::Verify, round: cursor.round, ..Cursor::default() },
        };
        Ok((Progress::On(next), counts))
    }

    async fn verify(&self, job: &Job, collection: &str, mut cursor: Cursor) -> Result<(Progress, Counts), StepError> {
        let (decided, next) = self.decide(job, collection, &cursor.at).await?;
        for (_, decision) in decided {
            match decision {
                Decision::Retain { until, minimise } if minimise.is_empty() => {
                    cursor.retained += 1;
                    cursor.retained_until = cursor.retained_until.max(Some(until));
                }
                Decision::Leave => {}
                Decision::Act(_) | Decision::Retain { .. } => cursor.left_over += 1,
            }
        }
        let counts = Counts::default();
        if let Some(at) = next {
            return Ok((Progress::On(Cursor { at, ..cursor }), counts));
        }
        if cursor.left_over == 0 {
            return Ok((Progress::Done(cursor), counts));
        }
        tracing::warn!(request_id = %job.request.id, collection, left_over = cursor.left_over, "a fresh read found rows");
        if cursor.round >= MAX_ROUNDS {
            return Err(StepError::LeftOver);
        }
        // Straight away is often too soon: an index follows its table after a moment.
        tokio::time::sleep(std::time::Duration::from_millis(200 << cursor.round)).await;
        Ok((Progress::On(Cursor { round: cursor.round + 1, ..Cursor::default() }), counts))
    }

    /// A page of the subject's rows, each with what becomes of it.
    async fn decide(
        &self,
        job: &Job,
        collection: &str,
        at: &LinkCursor,
    ) -> Result<(Vec<(habeas::connectors::Row, Decision)>, Option<LinkCursor>), StepError> {
        let subject = job.subject()?;
        let place = job.policy.place(collection).ok_or(ConnectorError::WrongKind).map_err(ConnectorError::into_step)?;
        let rule = job.policy.rule(collection).ok_or(ConnectorError::WrongKind).map_err(ConnectorError::into_step)?;
        let connector = self.connectors.of(place).map_err(ConnectorError::into_step)?;
        let page = read_linked(connector, &job.policy, collection, subject, at.clone()).await;
        let page = page.map_err(ConnectorError::into_step)?;
        let Some(link) = page.link else {
            return Ok((Vec::new(), None));
        };
        let driver = &self.platform.driver;
        let time_zone = &job.policy.policy().controller.time_zone;
        let mut decided = Vec::with_capacity(page.rows.len());
        for row in page.rows {
            // Whether a row is kept is judged once, by when the request arrived, so that a long step judges all alike.
            let decision = decide(rule, link, &row.record, job.request.received_at, time_zone, driver.random.as_ref());
            decided.push((row, decision.map_err(ConnectorError::into_step)?));
        }
        Ok((decided, page.next))
    }
}

/// Whether an erasure goes on.
enum Progress {
    On(Cursor),
    Done(Cursor),
}
