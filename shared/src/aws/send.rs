//! E-mail through SES and text messages through SNS.

use async_trait::async_trait;
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message as EmailMessage};

use crate::identity::Contact;
use crate::messages::Message;
use crate::personal::IdentityKind;

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// SES did not take it.
    #[error("SES did not take the e-mail")]
    Email(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// SNS did not take it.
    #[error("SNS did not take the text message")]
    Sms(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Text messages are switched off, or the address is of no kind that messages go to.
    #[error("no message can be sent to this kind of address")]
    NoChannel,
}

/// Sends messages to people.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends to an address on file.
    async fn send(&self, to: &Contact, message: &Message) -> Result<(), SendError>;
}

/// SES and SNS.
#[derive(Clone, Debug)]
pub struct AwsSender {
    ses: aws_sdk_sesv2::Client,
    sns: aws_sdk_sns::Client,
    from: String,
    sms: bool,
}

impl AwsSender {
    /// Sends e-mail from this address, and text messages if they are switched on.
    #[must_use]
    pub fn new(ses: aws_sdk_sesv2::Client, sns: aws_sdk_sns::Client, from: String, sms: bool) -> Self {
        Self { ses, sns, from, sms }
    }

    async fn email(&self, to: &str, message: &Message) -> Result<(), SendError> {
        let failed = |error: aws_sdk_sesv2::error::BuildError| SendError::Email(Box::new(error));
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build().map_err(failed);
        let body = Body::builder().text(content(&message.body)?).build();
        let email = EmailMessage::builder().subject(content(&message.subject)?).body(body).build();
        let sent = self
            .ses
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(to).build())
            .content(EmailContent::builder().simple(email).build())
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| SendError::Email(code_only(&error)))
    }
}

#[async_trait]
impl Sender for AwsSender {
    async fn send(&self, to: &Contact, message: &Message) -> Result<(), SendError> {
        match to.kind {
            IdentityKind::Email => self.email(&to.address, message).await,
            IdentityKind::PhoneNumber if self.sms => {
                let sent = self.sns.publish().phone_number(&to.address).message(&message.sms).send().await;
                sent.map(|_| ()).map_err(|error| SendError::Sms(code_only(&error)))
            }
            IdentityKind::PhoneNumber | IdentityKind::UserId => Err(SendError::NoChannel),
        }
    }
}

/// The code of a refusal. Its message is left out: SES and SNS repeat the address in it, and errors are logged.
fn code_only(error: &impl ProvideErrorMetadata) -> Box<dyn std::error::Error + Send + Sync> {
    format!("code {}", error.code().unwrap_or("none: no answer")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::error::ErrorMetadata;

    #[test]
    fn a_refusal_is_logged_without_the_address_that_it_repeats() {
        let refusal = ErrorMetadata::builder()
            .code("MessageRejected")
            .message("Email address is not verified: li.wei@mail.example")
            .build();
        let error = SendError::Email(code_only(&refusal));
        assert_eq!(crate::telemetry::chain(&error), "SES did not take the e-mail: code MessageRejected");
    }
}
