//! Writes a [`Change`]: the request, its events, steps and notices, in one transaction.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use super::step::StepItem;
use super::{Challenge, Item, Ledger, LedgerError, failed, number, text};
use crate::evidence::Event;
use crate::plan::{Queue, Work};
use crate::request::life::RESEND_AFTER;
use crate::request::{AppMessage, Change, NewStep, Notice, Request, RequestId, StepNumber, Wake};

/// How long an idempotency key is remembered.
const IDEMPOTENCY_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What else belongs into the same transaction.
pub enum Extra {
    /// An idempotency record, which must be new.
    Idempotency(Idempotency),
    /// The entry in the subject's list.
    SubjectIndex {
        /// Keyed digest.
        digest: String,
    },
    /// The challenge of a request that waits for verification.
    Challenge(Challenge),
    /// The end of a step's work, which must still be this worker's.
    StepDone(super::Claim),
    /// A step that failed for good, likewise.
    StepFailed(super::Claim),
    /// A recipient was told, likewise. If its receipt is waited for, that is the step's timer.
    StepTold(super::Claim),
    /// A recipient's receipt is no longer waited for: the timer of the step that told it goes.
    ReceiptOver(StepNumber),
    /// A message to the app that is not to be sent any more, with whether it arrived.
    AppTold(super::AppItem, bool),
    /// A step that is given back until then, likewise.
    StepWaits(super::Claim, Timestamp),
}

/// An idempotency key with what it was used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// Keyed digest of who used it.
    pub caller: String,
    /// Keyed digest of it.
    pub key: String,
    /// Keyed digest of the body that came with it.
    pub body: String,
}

/// What was answered when an idempotency key was used before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Keyed digest of the body that came with it.
    pub body: String,
    /// The answer.
    pub response: String,
}

impl Ledger {
    /// Writes a change with what belongs to it. Nothing is written if the request, or the step, was changed meanwhile.
    pub async fn commit(&self, change: &Change, extras: Vec<Extra>, response: Option<&str>) -> Result<(), LedgerError> {
        let mut writes = vec![self.put_request(change)?];
        for event in &change.events {
            writes.push(self.put_event(event)?);
        }
        let now = change.request.updated_at;
        for step in &change.new_steps {
            writes.push(self.put_step(&change.request, step, now)?);
        }
        for (number, queue) in &change.released {
            writes.push(self.release_step(&change.request.id, keys::step(*number), *queue, now)?);
        }
        for (number, queue) in &change.retried {
            writes.push(self.retry_step(&change.request.id, *number, *queue, now)?);
        }
        for notice in &change.notices {
            writes.push(self.put_notice(&change.request, notice, now)?);
        }
        for message in &change.app_messages {
            writes.push(self.put_app_message(&change.request, message, now)?);
        }
        let mut idempotency_at = None;
        for extra in extras {
            if matches!(extra, Extra::Idempotency(_)) {
                idempotency_at = Some(writes.len());
            }
            writes.push(self.extra(&change.request, extra, response)?);
        }
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => Err(refusal(error, idempotency_at)),
        }
    }

    fn put_request(&self, change: &Change) -> Result<TransactWriteItem, LedgerError> {
        let request = &change.request;
        let mut item = keys::item(&keys::request(&request.id), keys::REQUEST);
        item.extend(serde_dynamo::to_item::<_, Item>(request)?);
        keys::set_wake(&mut item, request.wake);
        keys::set_unanchored(&mut item, request.updated_at);
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match &change.expected_head {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(head) => {
                put.condition_expression("head = :head").expression_attribute_values(":head", text(head.as_str()))
            }
        };
        Ok(write_put(put))
    }

    fn put_event(&self, event: &Event) -> Result<TransactWriteItem, LedgerError> {
        let mut item = keys::item(&keys::request(&event.request_id), &keys::event(event.number));
        item.extend(serde_dynamo::to_item::<_, Item>(event)?);
        Ok(self.put_new(item))
    }

    fn put_step(&self, request: &Request, step: &NewStep, now: Timestamp) -> Result<TransactWriteItem, LedgerError> {
        let mut item = keys::item(&keys::request(&request.id), &keys::step(step.number));
        item.extend(serde_dynamo::to_item::<_, Item>(StepItem::new(step))?);
        if step.is_ready {
            let at_its_time = step.begins_at.map(|at| Wake { at, queue: step.queue });
            keys::set_wake(&mut item, Some(at_its_time.unwrap_or_else(|| resend(now, step.queue))));
        }
        Ok(self.put_new(item))
    }

    fn release_step(
        &self,
        id: &RequestId,
        sk: String,
        queue: Queue,
        now: Timestamp,
    ) -> Result<TransactWriteItem, LedgerError> {
        let pk = keys::request(id);
        let wake = resend(now, queue);
        let update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(&pk))
            .key("sk", text(sk))
            .update_expression("SET #status = :ready, due_shard = :shard, wake_at = :wake_at, #queue = :queue")
            .condition_expression("#status = :waiting")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":ready", text("ready"))
            .expression_attribute_values(":waiting", text("waiting"))
            .expression_attribute_values(":shard", number(keys::due_shard(&pk)))
            .expression_attribute_values(":wake_at", text(keys::moment(wake.at)))
            .expression_attribute_values(":queue", text(queue.name()));
        write_update(update)
    }

    /// A step that failed for good may be claimed again, as often as one that never was.
    fn retry_step(
        &self,
        id: &RequestId,
        step: StepNumber,
        queue: Queue,
        now: Timestamp,
    ) -> Result<TransactWriteItem, LedgerError> {
        let pk = keys::request(id);
        let update = self
            .update_of_step(&pk, step)
            .update_expression(
                "SET #status = :ready, failures = :none, waits = attempt, due_shard = :shard, wake_at = :wake_at, \
                 #queue = :queue",
            )
            .condition_expression("#status = :failed")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":ready", text("ready"))
            .expression_attribute_values(":failed", text("failed"))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":shard", number(keys::due_shard(&pk)))
            .expression_attribute_values(":wake_at", text(keys::moment(resend(now, queue).at)))
            .expression_attribute_values(":queue", text(queue.name()));
        write_update(update)
    }

    fn put_notice(&self, request: &Request, notice: &Notice, now: Timestamp) -> Result<TransactWriteItem, LedgerError> {
        let mut item = keys::item(&keys::request(&request.id), &keys::notice(notice.number));
        let stored = super::NoticeItem::new(request, notice);
        item.extend(serde_dynamo::to_item::<_, Item>(stored)?);
        keys::set_wake(&mut item, Some(resend(now, Queue::Notify)));
        Ok(self.put_new(item))
    }

    fn put_app_message(
        &self,
        request: &Request,
        message: &AppMessage,
        now: Timestamp,
    ) -> Result<TransactWriteItem, LedgerError> {
        let mut item = keys::item(&keys::request(&request.id), &keys::app_message(message.number));
        item.extend(serde_dynamo::to_item::<_, Item>(super::AppItem::new(request, message))?);
        keys::set_wake(&mut item, Some(resend(now, Queue::Notify)));
        Ok(self.put_new(item))
    }

    pub(super) fn put_new(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        write_put(put.condition_expression("attribute_not_exists(pk)"))
    }

    fn extra(&self, request: &Request, extra: Extra, response: Option<&str>) -> Result<TransactWriteItem, LedgerError> {
        let pk = keys::request(&request.id);
        match extra {
            Extra::Idempotency(record) => {
                self.put_idempotency(record, response.unwrap_or_default(), request.received_at)
            }
            Extra::SubjectIndex { digest } => {
                let sk = keys::subject_request(request.received_at, &request.id);
                let mut item = keys::item(&keys::subject(&digest), &sk);
                item.insert("request_id".to_owned(), text(request.id.as_str()));
                Ok(self.put_new(item))
            }
            Extra::Challenge(challenge) => {
                let mut item = keys::item(&pk, keys::CHALLENGE);
                item.extend(serde_dynamo::to_item::<_, Item>(&challenge)?);
                keys::set_wake(&mut item, Some(resend(request.received_at, Queue::Verify)));
                Ok(self.put_new(item))
            }
            Extra::StepDone(claim) => self.finish_step(&pk, &claim, "done"),
            Extra::StepFailed(claim) => self.finish_step(&pk, &claim, "failed"),
            Extra::StepTold(claim) => match awaited(request, &claim) {
                None => self.finish_step(&pk, &claim, "done"),
                Some(until) => self.finish_told(&pk, &claim, until),
            },
            Extra::ReceiptOver(step) => {
                let update = self.update_of_step(&pk, step).update_expression("REMOVE due_shard, wake_at, #queue");
                let update = update.condition_expression("attribute_exists(pk)");
                write_update(update.expression_attribute_names("#queue", "queue"))
            }
            Extra::AppTold(message, delivered) => self.end_app_message(&pk, &message, delivered),
            Extra::StepWaits(claim, until) => self.give_back(&pk, &claim, until),
        }
    }

    fn update_of_step(&self, pk: &str, step: StepNumber) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder().table_name(&self.table).key("pk", text(pk)).key("sk", text(keys::step(step)))
    }

    /// The step is done, and its timer goes off when the receipt is due: it still names the queue that it was claimed by.
    fn finish_told(&self, pk: &str, claim: &super::Claim, until: Timestamp) -> Result<TransactWriteItem, LedgerError> {
        let update = self
            .update_of_step(pk, claim.step.number)
            .update_expression("SET #status = :status, wake_at = :wake_at REMOVE #cursor, lease_until")
            .condition_expression("#status = :running AND attempt = :attempt")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#cursor", "cursor")
            .expression_attribute_values(":status", text("done"))
            .expression_attribute_values(":wake_at", text(keys::moment(until)))
            .expression_attribute_values(":running", text("running"))
            .expression_attribute_values(":attempt", number(claim.step.attempt));
        write_update(update)
    }

    pub(super) fn put_idempotency(
        &self,
        record: Idempotency,
        response: &str,
        now: Timestamp,
    ) -> Result<TransactWriteItem, LedgerError> {
        let key = keys::idempotency(&record.caller, &record.key);
        let mut item = keys::item(&key, &key);
        let replay = Replay { body: record.body, response: response.to_owned() };
        item.extend(serde_dynamo::to_item::<_, Item>(replay)?);
        let forget_at = now.saturating_add(IDEMPOTENCY_LIFETIME).unwrap_or(Timestamp::MAX);
        item.insert("expires_at".to_owned(), number(forget_at.as_second()));
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(write_put(put))
    }

    fn give_back(&self, pk: &str, claim: &super::Claim, until: Timestamp) -> Result<TransactWriteItem, LedgerError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(keys::step(claim.step.number)))
            .update_expression("SET #status = :ready, waits = :waits, wake_at = :wake_at REMOVE lease_until")
            .condition_expression("#status = :running AND attempt = :attempt")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":ready", text("ready"))
            .expression_attribute_values(":running", text("running"))
            .expression_attribute_values(":attempt", number(claim.step.attempt))
            .expression_attribute_values(":waits", number(claim.step.waits))
            .expression_attribute_values(":wake_at", text(keys::moment(until)));
        write_update(update)
    }

    fn finish_step(&self, pk: &str, claim: &super::Claim, status: &str) -> Result<TransactWriteItem, LedgerError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(keys::step(claim.step.number)))
            .update_expression(
                "SET #status = :status, #counts = :counts, retained_until = :until \
                 REMOVE #cursor, lease_until, due_shard, wake_at, #queue",
            )
            .condition_expression("#status = :running AND attempt = :attempt")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#cursor", "cursor")
            .expression_attribute_names("#counts", "counts")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":status", text(status))
            .expression_attribute_values(":running", text("running"))
            .expression_attribute_values(":attempt", number(claim.step.attempt))
            .expression_attribute_values(":until", serde_dynamo::to_attribute_value(claim.step.retained_until)?)
            .expression_attribute_values(":counts", serde_dynamo::to_attribute_value(claim.step.counts)?);
        write_update(update)
    }
}

/// Until when a recipient's receipt is waited for, as the change leaves it.
fn awaited(request: &Request, claim: &super::Claim) -> Option<Timestamp> {
    let Work::Tell { recipient } = &claim.step.work else { return None };
    request.recipient(recipient)?.awaited_until()
}

fn resend(now: Timestamp, queue: Queue) -> Wake {
    Wake { at: now.saturating_add(RESEND_AFTER).unwrap_or(Timestamp::MAX), queue }
}

fn write_put(put: aws_sdk_dynamodb::types::builders::PutBuilder) -> TransactWriteItem {
    // Table name and item are always set, which is all that the builder asks for.
    TransactWriteItem::builder().set_put(put.build().ok()).build()
}

pub(super) fn write_update(
    update: aws_sdk_dynamodb::types::builders::UpdateBuilder,
) -> Result<TransactWriteItem, LedgerError> {
    let update = update.build().map_err(|_| LedgerError::Missing("update expression"))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// A cancelled transaction is a conflict, or a replay if it was the idempotency record that was there.
pub(super) fn refusal(error: SdkError<TransactWriteItemsError>, idempotency_at: Option<usize>) -> LedgerError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return failed("TransactWriteItems")(error);
    };
    let reasons = cancelled.cancellation_reasons();
    let replayed = idempotency_at
        .and_then(|at| reasons.get(at))
        .filter(|reason| reason.code() == Some("ConditionalCheckFailed"))
        .and_then(|reason| reason.item())
        .and_then(|item| serde_dynamo::from_item::<_, Replay>(item.clone()).ok());
    if let Some(replay) = replayed {
        return LedgerError::Replayed(Box::new(replay));
    }
    let contended = |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
    if reasons.iter().any(|reason| reason.code().is_some_and(contended)) {
        LedgerError::Conflict
    } else {
        failed("TransactWriteItems")(error)
    }
}
