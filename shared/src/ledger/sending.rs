//! What all items have in common that are sent by a worker: a lease while it is at it.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::{LedgerError, keys, number, text, updated};

/// How long a worker may take to send something.
pub(super) const SEND_LEASE: SignedDuration = SignedDuration::from_secs(60);

/// Claims an item whose `state` is `waiting`, by this update of it. None: it was sent, somebody is at it, or it waits to be
/// tried again.
pub(super) async fn claim<T: DeserializeOwned>(
    update: UpdateItemFluentBuilder,
    what: &'static str,
    now: Timestamp,
) -> Result<Option<T>, LedgerError> {
    let lease = now.saturating_add(SEND_LEASE).unwrap_or(Timestamp::MAX);
    let sent = update
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
    updated(sent, what)
}
