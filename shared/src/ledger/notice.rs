//! Notices that are to be sent, each with its own encrypted copy of the address, which goes when it is sent.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Item, Ledger, LedgerError, failed, number, text};
use crate::policy::PolicyDigest;
use crate::request::{Ground, Matter, Notice, NoticeKind, Request, RequestId};

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// To be sent.
    Waiting,
    /// Sent.
    Sent,
    /// There was no address to send it to.
    NoAddress,
    /// It could not be sent as often as it was tried.
    Failed,
}

/// A notice as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoticeItem {
    /// Its number.
    pub number: u32,
    /// What it says.
    pub kind: NoticeKind,
    /// What the request is for.
    pub matter: Matter,
    /// The policy that it is answered under.
    pub policy: PolicyDigest,
    /// In which language.
    pub language: String,
    /// Where it goes, encrypted.
    #[serde(default)]
    pub contact: Option<String>,
    /// Where it goes after that, each encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// A moment that it tells of.
    #[serde(default)]
    pub moment: Option<Timestamp>,
    /// The ground that it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Ground>,
    /// Where it stands.
    pub state: NoticeState,
    /// How often it was tried.
    pub attempt: u32,
}

impl NoticeItem {
    pub(super) fn new(request: &Request, notice: &Notice) -> Self {
        let moment = match notice.kind {
            NoticeKind::CancellationConfirmed | NoticeKind::CancellationReminder => request.cooling_off_until,
            NoticeKind::PackageReady => request.package.as_ref().map(|package| package.expires_at),
            NoticeKind::Accepted => Some(request.due_at),
            // Until when it can be confirmed again.
            NoticeKind::CheckFailed => request.wake.map(|wake| wake.at),
            NoticeKind::Erased
            | NoticeKind::Cancelled
            | NoticeKind::Withdrawn
            | NoticeKind::Purged
            | NoticeKind::Denied => None,
        };
        Self {
            number: notice.number,
            kind: notice.kind,
            matter: request.matter,
            policy: request.policy.clone(),
            language: request.language.clone(),
            contact: notice.contact.clone(),
            others: notice.others.clone(),
            moment,
            ground: request.denied.clone().filter(|_| notice.kind == NoticeKind::Denied),
            state: NoticeState::Waiting,
            attempt: 0,
        }
    }
}

/// How long a worker may take to send a notice.
const SEND_LEASE: SignedDuration = SignedDuration::from_secs(60);

impl Ledger {
    /// Claims a notice that is to be sent. None: it was, or somebody is at it.
    pub async fn claim_notice(
        &self,
        request_id: &RequestId,
        notice: u32,
        now: Timestamp,
    ) -> Result<Option<NoticeItem>, LedgerError> {
        let lease = now.saturating_add(SEND_LEASE).unwrap_or(Timestamp::MAX);
        let sent = self
            .update_notice(request_id, notice)
            .update_expression("SET attempt = attempt + :one, wake_at = :lease, lease_until = :lease")
            .condition_expression("#state = :waiting AND (attribute_not_exists(lease_until) OR lease_until <= :now)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":waiting", text("waiting"))
            .expression_attribute_values(":lease", text(keys::moment(lease)))
            .expression_attribute_values(":now", text(keys::moment(now)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match sent {
            Ok(output) => {
                let item: Item = output.attributes.ok_or(LedgerError::Missing("notice"))?;
                Ok(Some(serde_dynamo::from_item(item)?))
            }
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("UpdateItem")(error)),
        }
    }

    /// Ends a notice: the address and the timer go.
    pub async fn end_notice(
        &self,
        request_id: &RequestId,
        notice: &NoticeItem,
        state: NoticeState,
    ) -> Result<(), LedgerError> {
        self.update_notice(request_id, notice.number)
            .update_expression("SET #state = :state REMOVE contact, #others, due_shard, wake_at, #queue, lease_until")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_names("#others", "others")
            .expression_attribute_values(":state", serde_dynamo::to_attribute_value(state)?)
            .send()
            .await
            .map_err(failed("UpdateItem"))?;
        Ok(())
    }

    /// A notice has been sent to one address, or given up there: it goes to the next, and no more to that one.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] if there is no other.
    pub async fn notice_goes_on(&self, request_id: &RequestId, notice: &mut NoticeItem) -> Result<(), LedgerError> {
        if notice.others.is_empty() {
            return Err(LedgerError::Missing("other address"));
        }
        let before = notice.contact.replace(notice.others.remove(0));
        notice.attempt = 1;
        self.update_notice(request_id, notice.number)
            .update_expression("SET contact = :contact, #others = :others, attempt = :one")
            .condition_expression("contact = :before")
            .expression_attribute_names("#others", "others")
            .expression_attribute_values(":before", serde_dynamo::to_attribute_value(before)?)
            .expression_attribute_values(":contact", serde_dynamo::to_attribute_value(&notice.contact)?)
            .expression_attribute_values(":others", serde_dynamo::to_attribute_value(&notice.others)?)
            .expression_attribute_values(":one", number(1))
            .send()
            .await
            .map_err(failed("UpdateItem"))?;
        Ok(())
    }

    fn update_notice(
        &self,
        request_id: &RequestId,
        notice: u32,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(request_id)))
            .key("sk", text(keys::notice(notice)))
    }
}
