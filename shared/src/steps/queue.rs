//! Sending to the queues.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::message::Message;
use crate::plan::Queue;

/// Why something was not sent.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// This function has no right to that queue.
    #[error("this function has no {} queue", .0.name())]
    Unknown(Queue),
    /// SQS did not take it.
    #[error("SQS did not take a message")]
    Service(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Sends messages.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Sends all of them to one queue.
    async fn send(&self, queue: Queue, messages: &[Message]) -> Result<(), QueueError>;
}

/// SQS.
#[derive(Clone, Debug)]
pub struct SqsQueues {
    client: Client,
    urls: BTreeMap<Queue, String>,
}

/// Most entries of one `SendMessageBatch`.
const BATCH: usize = 10;

impl SqsQueues {
    /// The queues behind these URLs.
    #[must_use]
    pub fn new(client: Client, urls: BTreeMap<Queue, String>) -> Self {
        Self { client, urls }
    }
}

#[async_trait]
impl Queues for SqsQueues {
    async fn send(&self, queue: Queue, messages: &[Message]) -> Result<(), QueueError> {
        let url = self.urls.get(&queue).ok_or(QueueError::Unknown(queue))?;
        for chunk in messages.chunks(BATCH) {
            let mut batch = self.client.send_message_batch().queue_url(url);
            for (position, message) in chunk.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(position.to_string())
                    .message_body(message.to_body())
                    .build()
                    .map_err(|error| QueueError::Service(Box::new(error)))?;
                batch = batch.entries(entry);
            }
            let sent = batch.send().await.map_err(|error| QueueError::Service(Box::new(error)))?;
            if let Some(refused) = sent.failed().first() {
                return Err(QueueError::Service(
                    format!("{} refused, code {}", sent.failed().len(), refused.code()).into(),
                ));
            }
        }
        Ok(())
    }
}
