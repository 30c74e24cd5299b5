//! Notices that are to be sent, each with its own encrypted copy of the address, which goes when it is sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Ledger, LedgerError, failed, number, sending, text};
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
    /// Whether what it tells of was done but for what an operator left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
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
            NoticeKind::Held => request.waits_for.iter().map(|held| held.until).max(),
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
            left_out: !request.left_out.is_empty() && notice.kind.tells_what_was_done(),
            state: NoticeState::Waiting,
            attempt: 0,
        }
    }
}

impl Ledger {
    /// Claims a notice that is to be sent. None: it was, or somebody is at it.
    pub async fn claim_notice(
        &self,
        request_id: &RequestId,
        notice: u32,
        now: Timestamp,
    ) -> Result<Option<NoticeItem>, LedgerError> {
        sending::claim(self.update_notice(request_id, notice), "notice", now).await
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
