//! Steps: claimed by one worker at a time, checkpointed page by page, fenced by their attempt number.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Ledger, LedgerError, if_it_holds, number, text, updated};
use crate::plan::{Counts, Queue, Work};
use crate::request::{NewStep, RequestId, StepNumber};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// A stage before it is not done.
    Waiting,
    /// Anybody may claim it.
    Ready,
    /// A worker has it until its lease ends.
    Running,
    /// Done.
    Done,
    /// Failed for good.
    Failed,
    /// Not to be done any more: the request ended before it.
    Retired,
}

/// A step as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its number.
    pub number: StepNumber,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
    /// Where it stands.
    pub status: StepStatus,
    /// How often it was claimed: the fencing token.
    pub attempt: u32,
    /// How often it failed. Giving itself back for lack of time is no failure, and neither is a lapsed lease.
    #[serde(default)]
    pub failures: u32,
    /// How often it was given back because a legal hold stops it.
    #[serde(default)]
    pub waits: u32,
    /// Where the next page begins: sealed, since it can hold the key of a row.
    #[serde(default)]
    pub cursor: Option<String>,
    /// What was counted up to the cursor.
    pub counts: Counts,
    /// Until when the last of the retained rows is kept.
    #[serde(default)]
    pub retained_until: Option<Timestamp>,
}

/// The same for writing: with the queue under a name of its own, since `queue` belongs to the timer and goes with it.
#[derive(Serialize)]
pub(super) struct StepItem<'a> {
    number: StepNumber,
    #[serde(flatten)]
    work: &'a Work,
    status: StepStatus,
    attempt: u32,
    counts: Counts,
    worker: Queue,
}

impl<'a> StepItem<'a> {
    pub(super) fn new(step: &'a NewStep) -> Self {
        Self {
            number: step.number,
            work: &step.work,
            status: if step.is_ready { StepStatus::Ready } else { StepStatus::Waiting },
            attempt: 0,
            counts: Counts::default(),
            worker: step.queue,
        }
    }
}

/// A worker's hold on a step.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The request.
    pub request_id: RequestId,
    /// The step, as it was when it was claimed or last committed.
    pub step: Step,
    /// Whose work it is.
    pub queue: Queue,
}

/// How long a worker may go without a commit once it has committed a page.
const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// How long it may take to its first commit: no function runs longer than this.
const FIRST_LEASE: SignedDuration = SignedDuration::from_mins(15);

impl Ledger {
    /// Claims a step that is ready, or whose worker's lease has lapsed. None: it is not there to be had.
    pub async fn claim_step(
        &self,
        request_id: &RequestId,
        step: StepNumber,
        queue: Queue,
        now: Timestamp,
    ) -> Result<Option<Claim>, LedgerError> {
        let lease_until = now.saturating_add(FIRST_LEASE).unwrap_or(Timestamp::MAX);
        let sent = self
            .update_step(request_id, step)
            .update_expression(
                "SET #status = :running, attempt = attempt + :one, lease_until = :lease, wake_at = :lease, \
                 due_shard = :shard, #queue = :queue",
            )
            .condition_expression(
                "worker = :queue AND (#status = :ready OR (#status = :running AND lease_until <= :now))",
            )
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":running", text("running"))
            .expression_attribute_values(":ready", text("ready"))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":lease", text(keys::moment(lease_until)))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .expression_attribute_values(":shard", number(keys::due_shard(&keys::request(request_id))))
            .expression_attribute_values(":queue", text(queue.name()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        Ok(updated(sent, "step")?.map(|step| Claim { request_id: request_id.clone(), step, queue }))
    }

    /// Commits a page: where the next one begins and what was counted, and extends the lease.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if the step is not this worker's any more.
    pub async fn checkpoint(&self, claim: &Claim, now: Timestamp) -> Result<(), LedgerError> {
        let lease_until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        let update = self
            .update_step(&claim.request_id, claim.step.number)
            .update_expression(
                "SET #cursor = :cursor, #counts = :counts, retained_until = :until, lease_until = :lease, \
                 wake_at = :lease",
            )
            .expression_attribute_values(":lease", text(keys::moment(lease_until)));
        fenced(progress(update, claim)?, claim).await
    }

    /// Gives the step back, to be claimed again at `wake_at`.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if the step is not this worker's any more.
    pub async fn release_claim(&self, claim: &Claim, wake_at: Timestamp) -> Result<(), LedgerError> {
        let update = self
            .update_step(&claim.request_id, claim.step.number)
            .update_expression(
                "SET #status = :ready, #cursor = :cursor, #counts = :counts, retained_until = :until, \
                 failures = :failures, waits = :waits, wake_at = :wake_at REMOVE lease_until",
            )
            .expression_attribute_values(":ready", text("ready"))
            .expression_attribute_values(":failures", number(claim.step.failures))
            .expression_attribute_values(":waits", number(claim.step.waits))
            .expression_attribute_values(":wake_at", text(keys::moment(wake_at)));
        fenced(progress(update, claim)?, claim).await
    }

    /// Takes a step that will not be done out of all timers: its request has ended.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if the step is not this worker's any more.
    pub async fn retire_step(&self, claim: &Claim) -> Result<(), LedgerError> {
        let update = self
            .update_step(&claim.request_id, claim.step.number)
            .update_expression("SET #status = :retired REMOVE #cursor, lease_until, wake_at, due_shard, #queue")
            .expression_attribute_names("#cursor", "cursor")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":retired", text("retired"));
        fenced(update, claim).await
    }

    fn update_step(&self, request_id: &RequestId, step: StepNumber) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(request_id)))
            .key("sk", text(keys::step(step)))
            .expression_attribute_names("#status", "status")
    }
}

fn progress(update: UpdateItemFluentBuilder, claim: &Claim) -> Result<UpdateItemFluentBuilder, LedgerError> {
    Ok(update
        .expression_attribute_names("#cursor", "cursor")
        .expression_attribute_names("#counts", "counts")
        .expression_attribute_values(":cursor", serde_dynamo::to_attribute_value(&claim.step.cursor)?)
        .expression_attribute_values(":until", serde_dynamo::to_attribute_value(claim.step.retained_until)?)
        .expression_attribute_values(":counts", serde_dynamo::to_attribute_value(claim.step.counts)?))
}

async fn fenced(update: UpdateItemFluentBuilder, claim: &Claim) -> Result<(), LedgerError> {
    let sent = update
        .condition_expression("#status = :running AND attempt = :attempt")
        .expression_attribute_values(":running", text("running"))
        .expression_attribute_values(":attempt", number(claim.step.attempt))
        .send()
        .await;
    if_it_holds(sent)?.map(drop).ok_or(LedgerError::Conflict)
}
