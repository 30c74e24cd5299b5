//! The challenge of a request: a code that was sent, or is to be sent, and how often it was answered wrongly.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use super::sending::SEND_LEASE;
use super::{Ledger, LedgerError, failed, if_it_holds, number, text, updated};
use crate::identity::CodeDigest;
use crate::identity::code::{LIFETIME, MAX_ATTEMPTS, MAX_SENDS, RESEND_INTERVAL};
use crate::plan::Queue;
use crate::request::RequestId;

/// A code that is to be sent, or was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Challenge {
    /// How many codes were asked for.
    pub sends: u8,
    /// When the last was asked for.
    pub asked_at: Timestamp,
    /// Whether it has been sent (or there was nowhere to send it to, which nobody outside can tell).
    pub sent: bool,
    /// Digest of the code; none until it is sent, and none again when it was used.
    #[serde(default)]
    pub code: Option<CodeDigest>,
    /// When the code stops to work.
    #[serde(default)]
    pub code_expires_at: Option<Timestamp>,
    /// Answers given to this code.
    pub attempts: u8,
    /// When DynamoDB forgets it, in seconds since 1970.
    #[serde(default)]
    pub expires_at: i64,
    /// The address that it was sent to, encrypted.
    #[serde(default)]
    pub contact: Option<String>,
}

impl Challenge {
    /// A first code is asked for.
    #[must_use]
    pub fn asked(now: Timestamp) -> Self {
        Self {
            sends: 1,
            asked_at: now,
            sent: false,
            code: None,
            code_expires_at: None,
            attempts: 0,
            expires_at: forget_at(now),
            contact: None,
        }
    }
}

/// Why no further code is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendRefusal {
    /// The last one was a moment ago.
    #[error("a code was asked for less than {} seconds ago", RESEND_INTERVAL.as_secs())]
    TooSoon,
    /// No more for this request.
    #[error("{MAX_SENDS} codes have been asked for; make a new request")]
    TooMany,
}

/// A worker's hold on a challenge that is to be sent.
#[derive(Clone, Debug)]
pub struct ChallengeClaim {
    /// Which sending it is.
    pub sends: u8,
}

/// An answer that was counted.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The challenge, with this answer counted.
    pub challenge: Challenge,
}

/// How long after the last code was asked for a challenge is kept: longer than any request waits for an answer.
const KEPT: SignedDuration = SignedDuration::from_hours(4 * 24);

fn forget_at(now: Timestamp) -> i64 {
    now.saturating_add(KEPT).unwrap_or(Timestamp::MAX).as_second()
}

impl Ledger {
    /// Asks for another code.
    pub async fn ask_again(
        &self,
        request_id: &RequestId,
        now: Timestamp,
    ) -> Result<Result<(), SendRefusal>, LedgerError> {
        let pk = keys::request(request_id);
        let latest = now.saturating_sub(RESEND_INTERVAL).unwrap_or(Timestamp::MIN);
        let wake_at = now.saturating_add(SEND_LEASE).unwrap_or(Timestamp::MAX);
        let sent = self
            .update_challenge(request_id)
            .update_expression(
                "SET sends = if_not_exists(sends, :none) + :one, asked_at = :now, expires_at = :forget, sent = :no, attempts = :none, \
                 due_shard = :shard, wake_at = :wake_at, #queue = :queue REMOVE code, code_expires_at, lease_until",
            )
            .condition_expression("attribute_not_exists(pk) OR (asked_at <= :latest AND sends < :most)")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":forget", number(forget_at(now)))
            .expression_attribute_values(":no", aws_sdk_dynamodb::types::AttributeValue::Bool(false))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .expression_attribute_values(":latest", text(keys::moment(latest)))
            .expression_attribute_values(":most", number(MAX_SENDS))
            .expression_attribute_values(":shard", number(keys::due_shard(&pk)))
            .expression_attribute_values(":wake_at", text(keys::moment(wake_at)))
            .expression_attribute_values(":queue", text(Queue::Verify.name()))
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            )
            .send()
            .await;
        let Err(error) = sent else { return Ok(Ok(())) };
        let Some(refused) = error.as_service_error().and_then(|e| match e {
            UpdateItemError::ConditionalCheckFailedException(e) => Some(e),
            _ => None,
        }) else {
            return Err(failed("UpdateItem")(error));
        };
        let stored: Option<Challenge> = refused.item().and_then(|item| serde_dynamo::from_item(item.clone()).ok());
        let too_many = stored.is_some_and(|challenge| challenge.sends >= MAX_SENDS);
        Ok(Err(if too_many { SendRefusal::TooMany } else { SendRefusal::TooSoon }))
    }

    /// Claims a challenge that is to be sent. None: it was sent, or somebody is at it.
    pub async fn claim_challenge(
        &self,
        request_id: &RequestId,
        now: Timestamp,
    ) -> Result<Option<ChallengeClaim>, LedgerError> {
        let lease = now.saturating_add(SEND_LEASE).unwrap_or(Timestamp::MAX);
        let sent = self
            .update_challenge(request_id)
            .update_expression("SET wake_at = :lease, lease_until = :lease")
            .condition_expression("sent = :no AND (attribute_not_exists(lease_until) OR lease_until <= :now)")
            .expression_attribute_values(":lease", text(keys::moment(lease)))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .expression_attribute_values(":no", aws_sdk_dynamodb::types::AttributeValue::Bool(false))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let claimed: Option<Challenge> = updated(sent, "challenge")?;
        Ok(claimed.map(|challenge| ChallengeClaim { sends: challenge.sends }))
    }

    /// Stores the code that is about to be sent; none if there is nowhere to send it to.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if another code was asked for meanwhile.
    pub async fn code_made(
        &self,
        request_id: &RequestId,
        claim: &ChallengeClaim,
        code: Option<(CodeDigest, String)>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let expires_at = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let (digest, contact) = code.unzip();
        let update = self
            .update_challenge(request_id)
            .update_expression("SET code = :code, contact = :contact, code_expires_at = :expires, attempts = :none")
            .expression_attribute_values(":code", serde_dynamo::to_attribute_value(digest)?)
            .expression_attribute_values(":contact", serde_dynamo::to_attribute_value(contact)?)
            .expression_attribute_values(":expires", text(keys::moment(expires_at)))
            .expression_attribute_values(":none", number(0));
        self.of_this_sending(update, claim).await
    }

    /// Says that the code has been sent, and ends the timer.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if another code was asked for meanwhile.
    pub async fn code_sent(&self, request_id: &RequestId, claim: &ChallengeClaim) -> Result<(), LedgerError> {
        let update = self
            .update_challenge(request_id)
            .update_expression("SET sent = :yes REMOVE due_shard, wake_at, #queue, lease_until")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":yes", aws_sdk_dynamodb::types::AttributeValue::Bool(true));
        self.of_this_sending(update, claim).await
    }

    async fn of_this_sending(
        &self,
        update: aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder,
        claim: &ChallengeClaim,
    ) -> Result<(), LedgerError> {
        let sent = update
            .condition_expression("sends = :sends AND sent = :no")
            .expression_attribute_values(":no", aws_sdk_dynamodb::types::AttributeValue::Bool(false))
            .expression_attribute_values(":sends", number(claim.sends))
            .send()
            .await;
        if_it_holds(sent)?.map(drop).ok_or(LedgerError::Conflict)
    }

    /// Counts an answer before it is looked at, so that no two answers share one try. None: there is no code that could
    /// be answered (none was sent, it expired, or it was answered too often).
    pub async fn count_attempt(&self, request_id: &RequestId, now: Timestamp) -> Result<Option<Attempt>, LedgerError> {
        let sent = self
            .update_challenge(request_id)
            .update_expression("SET attempts = attempts + :one")
            .condition_expression("attempts < :most AND code_expires_at > :now")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(MAX_ATTEMPTS))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        Ok(updated(sent, "challenge")?.map(|challenge| Attempt { challenge }))
    }

    /// Uses the code up. False: somebody else already has.
    pub async fn use_code(&self, request_id: &RequestId, attempt: &Attempt) -> Result<bool, LedgerError> {
        let sent = self
            .update_challenge(request_id)
            .update_expression("REMOVE code, code_expires_at, contact")
            .condition_expression("code = :code AND sends = :sends")
            .expression_attribute_values(":code", serde_dynamo::to_attribute_value(&attempt.challenge.code)?)
            .expression_attribute_values(":sends", number(attempt.challenge.sends))
            .send()
            .await;
        Ok(if_it_holds(sent)?.is_some())
    }

    fn update_challenge(
        &self,
        request_id: &RequestId,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(request_id)))
            .key("sk", text(keys::CHALLENGE))
    }
}
