//! One page of an erasure: first the rows are acted on, link after link; then everything is read afresh, and what is left
//! over is acted on again, a bounded number of times. Where the rule demands groups, they are found and counted before.

use habeas::connectors::{
    Connector, ConnectorError, Decision, ErasureJudge, Groups, Judge as _, Person, Target, Who, erases_all,
    erasure_judge,
};
use habeas::holds::{Held, HeldJudge, Keeps, Kept, Whom, merge};
use habeas::plan::{Counts, Work};
use habeas::policy::ErasureRule;
use habeas::steps::{Job, Next, Page, StepError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Function;

/// How often a collection is acted on again because a fresh read found something.
const MAX_ROUNDS: u8 = 3;

/// What has gone is committed before it is looked for, unless it was no more than so many rows.
const FEW_ROWS: u64 = 500;

/// What is being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    #[default]
    Act,
    Verify,
    /// Before the first: finds the groups that rows would be in.
    Measure,
}

/// Where an erasure stands.
#[derive(Clone, Default, Serialize, Deserialize)]
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
    /// Of those, what bears the mark of what may not be used.
    #[serde(default)]
    pub(crate) marked: u64,
    /// Of that, what legal holds keep.
    #[serde(default)]
    pub(crate) held: u64,
    /// Which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) holds: Vec<Held>,
    retained_until: Option<Timestamp>,
    /// Whether something is kept of which nobody knows until when.
    #[serde(default)]
    has_no_end: bool,
    at: Option<String>,
    /// The groups that rows would be in, counted before the first row is changed, so that whoever goes on from here decides
    /// alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<Groups>,
}

impl Cursor {
    /// An erasure that looks first, and acts only if there is something.
    pub(crate) fn that_looks_first() -> Self {
        Self { phase: Phase::Verify, ..Self::default() }
    }

    /// Until when the last of the kept rows is; none if there are none, or nobody knows.
    pub(crate) fn kept_until(&self) -> Option<Timestamp> {
        self.retained_until.filter(|_| !self.has_no_end)
    }
}

impl Function {
    pub(crate) async fn erase(&self, job: &Job, collection: &str, cursor: Option<&str>) -> Result<Page, StepError> {
        let cursor: Cursor = match cursor {
            None => self.beginning(job, job.person()?, collection)?,
            Some(json) => serde_json::from_str(json).map_err(StepError::permanent)?,
        };
        let (progress, counts) = self.turn(job, job.person()?, collection, cursor).await?;
        match progress {
            Progress::On(cursor) => {
                let next = Next::Page(serde_json::to_string(&cursor).map_err(StepError::permanent)?);
                Ok(Page { counts, retained_until: None, next })
            }
            Progress::Done(cursor) => {
                let counts = Counts { retained: cursor.retained, marked: cursor.marked, held: cursor.held, ..counts };
                let retained_until = cursor.kept_until();
                let next = match cursor.holds {
                    holds if holds.is_empty() => Next::Done { package: None, captured: None },
                    holds => Next::Kept { holds: holds.into_iter().map(Kept::from).collect(), retained: Vec::new() },
                };
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
            Phase::Measure => self.measure(job, person, collection, cursor).await,
            Phase::Act => match self.act(job, person, collection, cursor).await? {
                // What was few rows is looked at afresh at once: another checkpoint in between would prove nothing.
                (Progress::On(cursor @ Cursor { phase: Phase::Verify, .. }), acted)
                    if acted.erased + acted.anonymised + acted.moved <= FEW_ROWS =>
                {
                    match self.verify(job, person, collection, cursor.clone()).await {
                        Ok((progress, mut counts)) => {
                            counts.add(&acted);
                            Ok((progress, counts))
                        }
                        // What has gone is counted first; the next page meets the error again.
                        Err(error) => {
                            habeas::telemetry::warn_chain("a fresh read will be tried again", &error);
                            Ok((Progress::On(cursor), acted))
                        }
                    }
                }
                acted => Ok(acted),
            },
            Phase::Verify => self.verify(job, person, collection, cursor).await,
        }
    }

    fn beginning(&self, job: &Job, person: &Person, collection: &str) -> Result<Cursor, StepError> {
        let (target, _) = self.reach(job, collection)?;
        if !self.keeps(job, &self.whom(job, person), target).everything().is_empty() {
            return Ok(Cursor::that_looks_first());
        }
        let demands = job.policy.rule(collection).is_some_and(|rule| rule.erasure.k_anonymity().is_some());
        let phase = if demands { Phase::Measure } else { Phase::Act };
        Ok(Cursor { phase, ..Cursor::default() })
    }

    /// Reads the rows of a page for the groups that they would be in; after the last one, counts those.
    async fn measure(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        mut cursor: Cursor,
    ) -> Result<(Progress, Counts), StepError> {
        let (target, connector) = self.reach(job, collection)?;
        let judge = self.judge(job, &target)?;
        let mut groups = cursor.groups.take().unwrap_or_default();
        let page = connector.read(&target, Who::Person(person), cursor.at.as_deref()).await;
        let page = page.map_err(ConnectorError::into_step)?;
        for row in &page.rows {
            judge.measure(row, &mut groups).map_err(ConnectorError::into_step)?;
        }
        if let Some(at) = page.next {
            let on = Cursor { at: Some(at), groups: Some(groups), ..cursor };
            return Ok((Progress::On(on), Counts::default()));
        }
        let mut counts = Counts::default();
        if let Some(demand) = judge.demand() {
            groups.count(connector, &target, demand).await.map_err(ConnectorError::into_step)?;
            counts.smallest_group = groups.smallest(demand);
        }
        Ok((Progress::On(Cursor { groups: Some(groups), ..Cursor::default() }), counts))
    }

    async fn act(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        cursor: Cursor,
    ) -> Result<(Progress, Counts), StepError> {
        let (target, connector) = self.reach(job, collection)?;
        let (who, at) = (Who::Person(person), cursor.at.as_deref());
        let whom = self.whom(job, person);
        let keeps = self.keeps(job, &whom, target);
        let quick = if erases_all(&target) && keeps.is_nothing() {
            connector.erase(&target, who, at).await.map_err(ConnectorError::into_step)?
        } else {
            None
        };
        let acted = if let Some(acted) = quick {
            acted
        } else {
            let judge = self.judge(job, &target)?.within(cursor.groups.clone());
            let judge = self.drawing(job, person, &target, connector, judge).await?;
            connector.act(&target, who, &HeldJudge::new(keeps, &judge), at).await.map_err(ConnectorError::into_step)?
        };
        let mut counts = acted.counts;
        if cursor.round > 0 {
            counts.read = 0;
        }
        let next = if let Some(at) = acted.next {
            Cursor { at: Some(at), ..cursor }
        } else if is_kept(job, collection) {
            // Nothing can be left over of what nothing was to be done to.
            return Ok((Progress::Done(Cursor::default()), counts));
        } else {
            let Cursor { round, found, groups, .. } = cursor;
            Cursor { phase: Phase::Verify, round, found, groups, ..Cursor::default() }
        };
        Ok((Progress::On(next), counts))
    }

    /// With values of others to draw from, if the rule asks for that.
    async fn drawing<'a>(
        &'a self,
        job: &Job,
        person: &Person,
        target: &Target<'_>,
        connector: &dyn Connector,
        judge: ErasureJudge<'a>,
    ) -> Result<ErasureJudge<'a>, StepError> {
        let fields = judge.drawn();
        if fields.is_empty() {
            return Ok(judge);
        }
        let random = self.platform.driver.random.as_ref();
        let samples = connector.sample(target, person, &fields, random).await.map_err(ConnectorError::into_step)?;
        for field in fields.iter().filter(|field| !samples.has(field)) {
            let (request_id, collection) = (&job.request.id, target.name);
            tracing::info!(%request_id, collection, field, "too few rows have a value to draw, so values are erased");
        }
        Ok(judge.drawing_from(samples))
    }

    async fn verify(
        &self,
        job: &Job,
        person: &Person,
        collection: &str,
        mut cursor: Cursor,
    ) -> Result<(Progress, Counts), StepError> {
        let (target, connector) = self.reach(job, collection)?;
        let erasure = self.judge(job, &target)?.within(cursor.groups.clone());
        let whom = self.whom(job, person);
        let judge = HeldJudge::new(self.keeps(job, &whom, target), &erasure);
        let page = connector.read(&target, Who::Person(person), cursor.at.as_deref()).await;
        let page = page.map_err(ConnectorError::into_step)?;
        let mut left = Vec::new();
        for row in page.rows {
            match judge.judge(&row).map_err(ConnectorError::into_step)? {
                Decision::Retain { until, minimise } if minimise.is_empty() => {
                    cursor.retained += 1;
                    cursor.marked += u64::from(erasure.marks());
                    cursor.retained_until = cursor.retained_until.max(Some(until));
                }
                Decision::Leave => {}
                Decision::Act(_) | Decision::Retain { .. } => left.push(row),
            }
        }
        let (held, holds) = judge.met();
        cursor.retained += held;
        cursor.held += held;
        merge(&mut cursor.holds, holds);
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
        let again = Cursor { round: cursor.round + 1, found, groups: cursor.groups, ..Cursor::default() };
        Ok((Progress::On(again), counts))
    }

    /// A collection, and what connects to its system.
    fn reach<'a>(&'a self, job: &'a Job, collection: &'a str) -> Result<(Target<'a>, &'a dyn Connector), StepError> {
        let target = Target::of(&job.policy, collection).map_err(ConnectorError::into_step)?;
        let connector = self.connectors.of(target.place).map_err(ConnectorError::into_step)?;
        Ok((target, connector))
    }

    /// Whom the request is about, as holds know people.
    pub(crate) fn whom(&self, job: &Job, person: &Person) -> Whom {
        if job.holds.is_empty() {
            return Whom::default();
        }
        Whom::of(&self.keys, &job.policy, &person.keys, &job.request.id)
    }

    /// What holds keep of a collection.
    fn keeps<'a>(&'a self, job: &'a Job, whom: &'a Whom, target: Target<'a>) -> Keeps<'a> {
        Keeps::of_person(target, &self.keys, &job.holds, whom, &job.request.kept)
    }

    /// What becomes of a row of a collection.
    fn judge<'a>(&'a self, job: &'a Job, target: &Target<'a>) -> Result<ErasureJudge<'a>, StepError> {
        // Whether a row is kept is judged once, by when the request arrived, so that a long step judges all alike.
        let random = self.platform.driver.random.as_ref();
        let judge = erasure_judge(target, job.request.received_at, random).map_err(ConnectorError::into_step)?;
        let judge = judge.about(job.person()?);
        Ok(match job.claim.step.work {
            Work::Purge { at } => judge.at(at),
            _ => judge,
        })
    }
}

/// Whether all rows of a collection stay as they are.
fn is_kept(job: &Job, collection: &str) -> bool {
    matches!(job.policy.rule(collection).map(|rule| &rule.erasure), Some(ErasureRule::Keep { .. }))
}

/// Whether an erasure goes on.
pub(crate) enum Progress {
    On(Cursor),
    Done(Cursor),
}
