//! A batch of SQS messages, handled one by one, so that one bad body fails alone.

use std::future::Future;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};

use super::message::Message;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It can go.
    Done,
    /// It must come again.
    Retry,
}

/// Handles every message of a batch, in order.
///
/// A body that is no message is reported as failed, so that SQS moves it to the dead-letter queue after its last receive,
/// where an alarm names it. A message without an id cannot be reported alone (AWS then retries the whole batch, which is
/// the safe side); so the whole batch is failed by an empty identifier only in that case.
pub async fn handle_batch<F, W>(event: SqsEvent, handle: F) -> SqsBatchResponse
where
    F: Fn(Message) -> W,
    W: Future<Output = Handled>,
{
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        let id = record.message_id.unwrap_or_default();
        let handled = match Message::parse(record.body.as_deref().unwrap_or_default()) {
            Ok(message) => handle(message).await,
            Err(error) => {
                tracing::error!(alarm = "poison_message", message_id = %id, %error, "a queue message cannot be read");
                Handled::Retry
            }
        };
        if handled == Handled::Retry {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            response.batch_item_failures.push(failure);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::sqs::SqsMessage;

    fn record(id: Option<&str>, body: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = id.map(ToOwned::to_owned);
        message.body = Some(body.to_owned());
        message
    }

    fn batch(records: Vec<SqsMessage>) -> SqsEvent {
        let mut event = SqsEvent::default();
        event.records = records;
        event
    }

    #[tokio::test]
    async fn one_bad_body_fails_alone() {
        let good = format!(r#"{{"request_id":"{}","item":"REQUEST"}}"#, "1".repeat(32));
        let event = batch(vec![record(Some("a"), &good), record(Some("b"), "poison"), record(Some("c"), &good)]);
        let response = handle_batch(event, |_| async { Handled::Done }).await;
        let failed: Vec<_> = response.batch_item_failures.iter().map(|f| f.item_identifier.as_str()).collect();
        assert_eq!(failed, ["b"]);
    }

    #[tokio::test]
    async fn a_message_without_an_id_fails_the_whole_batch_rather_than_vanish() {
        let response = handle_batch(batch(vec![record(None, "poison")]), |_| async { Handled::Done }).await;
        assert_eq!(response.batch_item_failures.len(), 1);
        assert_eq!(response.batch_item_failures[0].item_identifier, "");
    }
}
