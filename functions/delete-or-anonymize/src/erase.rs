//! One page of an erasure: first the rows are acted on, link after link; then everything is read afresh, and what is left
//! over is acted on again, a bounded number of times.

use habeas::connectors::{ConnectorError, Decision, Person, Row, Target, Who, erasure_judge};
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
pub(crate) struct Cursor {
    phase: Phase,
    round: u8,
    /// What the fresh read has found so far that nothing keeps.
    left_over: u64,
    /// What the first fresh read found in all.
    #[serde(default)]
    pub(crate) found: u64,
    /// What it has found so far that is kept.
    pub(crate) retained: u64,
    retained_until: Option<Timestamp>,
    /// Whether something is kept of which nobody knows until when.
    #[serde(default)]
    has_no_end: bool,
    at: Option<String>,
}

impl Cursor {
    /// An erasure that looks first, and acts only if there is something.
    pub(crate) fn that_looks_first() -> Self {
        Self { phase: Phase::Verify, ..Self::default() }
    }
}

impl Function {
    pub(crate) async fn erase(&self, job: &Job, collection: &str, cursor: Option<&str>) -> Result<Page, StepError> {
        let cursor: Cursor = match cursor {
            None => Cursor::default(),
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let (progress, counts) = self.turn(job, job.person()?, collection, cursor).await?;
        match progress {
            Progress::On(cursor) => {
                let next = Next::Page(serde_json::to_string(&cursor).map_err(StepError::permanent)?);
                Ok(Page { counts, retained_until: None, next })
            }
            Progress::Done(cursor) => {
                let counts = Counts { retained: cursor.retained, ..counts };
                let next = Next::Done { package: None, captured: None };
                let retained_until = cursor.retained_until.filter(|_| !cursor.has_no_end);
                Ok(Page { counts, retained_until, next })
            }
        }
    }

    /// Acts on a page, or reads one afresh.
    pub(crate) async fn turn(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        cursor: Cursor,
    ) -> Result<(Progress, Counts), StepError> {
        match cursor.phase {
            Phase::Act => self.act(job, person, collection, cursor).await,
            Phase::Verify => self.verify(job, person, collection, cursor).await,
        }
    }

    async fn act(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        cursor: Cursor,
    ) -> Result<(Progress, Counts), StepError> {
        let target = Target::of(&job.policy, collection).map_err(ConnectorError::into_step)?;
        let connector = self.connectors.of(target.place).map_err(ConnectorError::into_step)?;
        let judge = self.judge(job, &target)?;
        let acted = connector.act(&target, Who::Person(person), &judge, cursor.at.as_deref()).await;
        let acted = acted.map_err(ConnectorError::into_step)?;
        let mut counts = acted.counts;
        if cursor.round > 0 {
            counts.read = 0;
        }
        let next = acted.next;
        let next = match next {
            Some(at) => Cursor { at: Some(at), ..cursor },
            None => Cursor { phase: Phase::Verify, round: cursor.round, found: cursor.found, ..Cursor::default() },
        };
        Ok((Progress::On(next), counts))
    }

    async fn verify(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        mut cursor: Cursor,
    ) -> Result<(Progress, Counts), StepError> {
        let target = Target::of(&job.policy, collection).map_err(ConnectorError::into_step)?;
        let connector = self.connectors.of(target.place).map_err(ConnectorError::into_step)?;
        let judge = self.judge(job, &target)?;
        let page = connector.read(&target, Who::Person(person), cursor.at.as_deref()).await;
        let page = page.map_err(ConnectorError::into_step)?;
        let mut left = Vec::new();
        for row in page.rows {
            match judge(&row).map_err(ConnectorError::into_step)? {
                Decision::Retain { until, minimise } if minimise.is_empty() => {
                    cursor.retained += 1;
                    cursor.retained_until = cursor.retained_until.max(Some(until));
                }
                Decision::Leave => {}
                Decision::Act(_) | Decision::Retain { .. } => left.push(row),
            }
        }
        if !left.is_empty() {
            // What its system keeps by itself is retained too, whatever the policy says.
            for hold in connector.held(&target, &left).await.map_err(ConnectorError::into_step)? {
                match hold {
                    Some(hold) => {
                        cursor.retained += 1;
                        cursor.retained_until = cursor.retained_until.max(hold.until);
                        cursor.has_no_end |= hold.until.is_none();
                    }
                    None => cursor.left_over += 1,
                }
            }
        }
        let counts = Counts::default();
        if let Some(at) = page.next {
            return Ok((Progress::On(Cursor { at: Some(at), ..cursor }), counts));
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
        let found = if cursor.round == 0 { cursor.left_over } else { cursor.found };
        Ok((Progress::On(Cursor { round: cursor.round + 1, found, ..Cursor::default() }), counts))
    }

    /// What becomes of a row of a collection.
    fn judge<'a>(
        &'a self,
        job: &'a Job,
        target: &Target<'a>,
    ) -> Result<impl Fn(&Row) -> Result<Decision, ConnectorError> + Send + Sync + use<'a>, StepError> {
        // Whether a row is kept is judged once, by when the request arrived, so that a long step judges all alike.
        let judge = erasure_judge(target, job.request.received_at, self.platform.driver.random.as_ref());
        judge.map_err(ConnectorError::into_step)
    }
}

/// Whether an erasure goes on.
pub(crate) enum Progress {
    On(Cursor),
    Done(Cursor),
}
