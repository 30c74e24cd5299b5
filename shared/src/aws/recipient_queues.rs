//! Queues of SQS that recipients take messages from.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;

/// Why a recipient's queue did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum RecipientQueueError {
    /// It is not there, or may not be sent to.
    #[error("the queue is not there or takes nothing from us: code {0}")]
    Closed(String),
    /// SQS did not answer, or has no time.
    #[error("SQS did not take the message: code {0}")]
    Busy(String),
}

/// Codes that trying again does not change.
const CLOSED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "InvalidMessageContents",
    "QueueDoesNotExist",
    "UnsupportedOperation",
];

/// Sends to queues of recipients.
#[derive(Clone, Debug)]
pub struct RecipientQueues {
    client: Client,
}

impl RecipientQueues {
    /// With this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends a message to a queue: its name in this account, or its ARN in this region. A queue that is first in, first out
    /// drops what comes with the same id again within five minutes.
    pub async fn send(&self, queue: &str, id: &str, body: &[u8]) -> Result<(), RecipientQueueError> {
        // A name has no colons; an ARN ends with account and name.
        let mut parts = queue.rsplit(':');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next());
        let asked = self.client.get_queue_url().queue_name(name);
        let asked = asked.set_queue_owner_aws_account_id(account.map(ToOwned::to_owned)).send().await;
        let url = asked.map_err(|error| refusal(&error))?.queue_url.unwrap_or_default();
        let mut sent = self.client.send_message().queue_url(url).message_body(String::from_utf8_lossy(body));
        if name.strip_suffix(".fifo").is_some() {
            sent = sent.message_group_id("habeas").message_deduplication_id(id);
        }
        sent.send().await.map(|_| ()).map_err(|error| refusal(&error))
    }
}

/// The code of a refusal; its words may repeat what was sent.
fn refusal(error: &impl ProvideErrorMetadata) -> RecipientQueueError {
    match error.code() {
        Some(code) if CLOSED.contains(&code) => RecipientQueueError::Closed(code.to_owned()),
        code => RecipientQueueError::Busy(code.unwrap_or("none: no answer").to_owned()),
    }
}
