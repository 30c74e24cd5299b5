//! The message of a webhook and of a queue, and the receipt that comes back.

use serde::Deserialize;
use serde_json::json;

use super::Told;
use crate::evidence::Receipt;
use crate::ledger::keys::moment;

/// The body of a call, or of a message on a queue.
#[must_use]
pub fn json(told: &Told<'_>) -> Vec<u8> {
    let identities = told.identities.iter().map(|known| json!({"type": known.kind, "value": known.value}));
    let body = json!({
        "type": "personal_data.erasure",
        "request_id": told.request_id,
        "right": told.right,
        "submitted_at": moment(told.submitted_at),
        "controller": told.controller,
        "idempotency_key": told.idempotency_key,
        "identities": identities.collect::<Vec<_>>(),
        "receipt_url": told.receipt_url,
    });
    body.to_string().into_bytes()
}

/// What a recipient says back, but for those of OpenDSR. Whatever else it sends is passed over.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ReceiptBody {
    /// How far it is.
    pub status: Receipt,
}
