//! What travels on the queues: ids, never data.

use serde::{Deserialize, Serialize};

use crate::ledger::keys;
use crate::request::{EffectItem, RequestId};

/// "This item of this request needs attention."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The request.
    pub request_id: RequestId,
    /// Which item of it.
    pub item: EffectItem,
}

/// The body is no message. Says nothing of what it is instead, since that could be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a message of this version")]
pub struct NotAMessage;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    request_id: RequestId,
    item: String,
}

impl Message {
    /// The body as it is sent.
    #[must_use]
    pub fn to_body(&self) -> String {
        let body = Body { request_id: self.request_id.clone(), item: keys::effect(self.item) };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Reads a body.
    pub fn parse(body: &str) -> Result<Self, NotAMessage> {
        let body: Body = serde_json::from_str(body).map_err(|_| NotAMessage)?;
        let item = keys::parse_effect(&body.item).ok_or(NotAMessage)?;
        Ok(Self { request_id: body.request_id, item })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::StepNumber;

    #[test]
    fn a_message_survives_the_queue_and_rubbish_does_not() {
        let message = Message { request_id: "1".repeat(32).parse().unwrap(), item: EffectItem::Step(StepNumber(3)) };
        assert_eq!(Message::parse(&message.to_body()), Ok(message.clone()));
        for rubbish in
            ["", "{}", "[]", r#"{"request_id":"x","item":"REQUEST"}"#, &message.to_body().replace("STEP", "EVENT")]
        {
            assert_eq!(Message::parse(rubbish), Err(NotAMessage), "{rubbish}");
        }
    }
}
