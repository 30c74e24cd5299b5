//! Messages to the app about an account, each with its own encrypted copy of the account's ids, which goes when the message
//! has arrived or is given up.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit::write_update;
use super::keys;
use super::{Ledger, LedgerError, failed, if_it_holds, number, sending, text};
use crate::policy::PolicyDigest;
use crate::request::{AppEvent, AppMessage, Request, RequestId};

/// Where a message to the app stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// To be sent.
    Waiting,
    /// The app took it.
    Told,
    /// It was given up.
    Failed,
}

/// A message to the app as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppItem {
    /// Its number.
    pub number: u32,
    /// What it says.
    pub event: AppEvent,
    /// The policy that the request is answered under.
    pub policy: PolicyDigest,
    /// When it happened.
    pub at: Timestamp,
    /// When the cooling-off period ends, if it runs.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The ids by which the app knows the account, encrypted.
    #[serde(default)]
    pub user: Option<String>,
    /// The number of the message before it.
    #[serde(default)]
    pub after: Option<u32>,
    /// Where it stands.
    pub state: AppState,
    /// How often it was tried.
    pub attempt: u32,
}

impl AppItem {
    pub(super) fn new(request: &Request, message: &AppMessage) -> Self {
        Self {
            number: message.number,
            event: message.event,
            policy: request.policy.clone(),
            at: request.updated_at,
            until: request.cooling_off_until.filter(|_| message.event == AppEvent::Freeze),
            user: Some(message.user.clone()),
            after: message.after,
            state: AppState::Waiting,
            attempt: 0,
        }
    }
}

impl Ledger {
    /// A message to the app.
    pub async fn app_message(&self, id: &RequestId, message: u32) -> Result<Option<AppItem>, LedgerError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(id)))
            .key("sk", text(keys::app_message(message)))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        read.item.map(|item| Ok(serde_dynamo::from_item(item)?)).transpose()
    }

    /// Claims a message that is to be sent. None: it was, somebody is at it, or it waits to be tried again.
    pub async fn claim_app_message(
        &self,
        id: &RequestId,
        message: u32,
        now: Timestamp,
    ) -> Result<Option<AppItem>, LedgerError> {
        sending::claim(self.update_app_message(id, message), "message to the app", now).await
    }

    /// Puts a message off that could not be sent.
    pub async fn app_message_waits(
        &self,
        id: &RequestId,
        message: &AppItem,
        until: Timestamp,
    ) -> Result<(), LedgerError> {
        let sent = self
            .update_app_message(id, message.number)
            .update_expression("SET wake_at = :until, lease_until = :until")
            .condition_expression("#state = :waiting AND attempt = :attempt")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":waiting", text("waiting"))
            .expression_attribute_values(":attempt", number(message.attempt))
            .expression_attribute_values(":until", text(keys::moment(until)))
            .send()
            .await;
        // Otherwise somebody else has it by now.
        if_it_holds(sent).map(drop)
    }

    /// The end of a message, beside the event that says so: the ids and the timer go. Only once.
    pub(super) fn end_app_message(
        &self,
        pk: &str,
        message: &AppItem,
        delivered: bool,
    ) -> Result<TransactWriteItem, LedgerError> {
        let state = if delivered { AppState::Told } else { AppState::Failed };
        let update = Update::builder()
            .table_name(&self.table)
            .key("pk", text(pk))
            .key("sk", text(keys::app_message(message.number)))
            .update_expression("SET #state = :state REMOVE #user, due_shard, wake_at, #queue, lease_until")
            .condition_expression("#state = :waiting")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#user", "user")
            .expression_attribute_names("#queue", "queue")
            .expression_attribute_values(":waiting", text("waiting"))
            .expression_attribute_values(":state", serde_dynamo::to_attribute_value(state)?);
        write_update(update)
    }

    fn update_app_message(&self, id: &RequestId, message: u32) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(id)))
            .key("sk", text(keys::app_message(message)))
    }
}
