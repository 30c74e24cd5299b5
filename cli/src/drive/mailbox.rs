//! What the stack sent by e-mail and SMS, as the emulator keeps it.

use std::time::Duration;

use serde_json::Value;

use super::{Cloud, DriveError};
use crate::sample::Person;

const POLL: Duration = Duration::from_millis(200);
const BOUND: Duration = Duration::from_secs(90);

/// A person's e-mail inbox and phone.
#[derive(Clone, Debug)]
pub struct Mailbox {
    cloud: Cloud,
    email: Option<String>,
    phone: Option<String>,
}

/// How much had come when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    emails: usize,
    text_messages: usize,
}

impl Mailbox {
    /// The one of a sample person.
    #[must_use]
    pub fn of(cloud: &Cloud, person: &Person) -> Self {
        Self { cloud: cloud.clone(), email: person.email.clone(), phone: person.phone.clone() }
    }

    /// Every message so far, e-mails first, each as one text.
    pub async fn messages(&self) -> Result<Vec<String>, DriveError> {
        let mut texts = self.emails().await?;
        texts.extend(self.text_messages().await?);
        Ok(texts)
    }

    /// Remembers what has come, so that [`Mailbox::code_after`] reads no older code.
    pub async fn mark(&self) -> Result<Mark, DriveError> {
        Ok(Mark { emails: self.emails().await?.len(), text_messages: self.text_messages().await?.len() })
    }

    /// The first code that came after the mark. Waits up to a minute and a half: a send that was lost is repeated
    /// within one.
    pub async fn code_after(&self, mark: Mark) -> Result<String, DriveError> {
        let reading = async {
            loop {
                let (emails, text_messages) = (self.emails().await?, self.text_messages().await?);
                let mut new = emails.iter().skip(mark.emails).chain(text_messages.iter().skip(mark.text_messages));
                if let Some(code) = new.find_map(|text| code(text)) {
                    return Ok(code);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let late = || DriveError::Late { what: "a message with a code".to_owned(), bound: BOUND };
        tokio::time::timeout(BOUND, reading).await.unwrap_or_else(|_| Err(late()))
    }

    async fn emails(&self) -> Result<Vec<String>, DriveError> {
        let Some(address) = &self.email else {
            return Ok(Vec::new());
        };
        let all = self.cloud.inspect("/_ministack/ses/messages").await?;
        let accounts = all["messages"].as_object().into_iter().flat_map(|accounts| accounts.values());
        let to_them = |mail: &&Value| {
            mail["To"].as_array().is_some_and(|to| to.iter().filter_map(Value::as_str).any(|to| to.contains(address)))
        };
        let text = |mail: &Value| {
            let part = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
            format!("{}\n{}", part("Subject"), part("BodyText"))
        };
        Ok(accounts.filter_map(Value::as_array).flatten().filter(to_them).map(text).collect())
    }

    async fn text_messages(&self) -> Result<Vec<String>, DriveError> {
        let Some(number) = &self.phone else {
            return Ok(Vec::new());
        };
        let path = format!("/_ministack/sns/sms-messages?phoneNumber={}", number.replace('+', "%2B"));
        let all = self.cloud.inspect(&path).await?;
        let sent = all["sms_messages"][number].as_array().cloned().unwrap_or_default();
        Ok(sent.iter().filter_map(|sms| sms["Message"].as_str()).map(ToOwned::to_owned).collect())
    }
}

/// The eight digits of a code, written `1234 5678` or together; no part of a longer number.
#[must_use]
pub fn code(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().map(|letter| if letter == '\u{a0}' { ' ' } else { letter }).collect();
    let is_digit = |at: usize| letters.get(at).is_some_and(char::is_ascii_digit);
    for start in 0..letters.len() {
        let in_number = start > 0 && (is_digit(start - 1) || letters[start - 1] == '+');
        if !is_digit(start) || in_number {
            continue;
        }
        let digits_from = |from: usize| (from..letters.len()).take_while(|at| is_digit(*at)).count();
        let first = digits_from(start);
        let second = match (first, letters.get(start + 4)) {
            (4, Some(' ')) => digits_from(start + 5),
            _ => 0,
        };
        if first == 8 || second == 4 {
            return Some(letters[start..].iter().filter(|letter| **letter != ' ').take(8).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn codes_are_found_and_other_numbers_are_not() {
        assert_eq!(code("Your code is 1234 5678. It works for 10 minutes.").as_deref(), Some("12345678"));
        assert_eq!(code("验证码：87654321，10 分钟内有效").as_deref(), Some("87654321"));
        assert_eq!(code("2026 wrote +8613912345678 and 123456789").as_deref(), None);
        assert_eq!(code("on 2026-11-21 your code 0012 3400\n").as_deref(), Some("00123400"));
    }
}
