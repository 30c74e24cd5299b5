//! Tells the app: each message of a request after the one before it, until the app has taken it or it is given up. That it
//! was told, or could not be, is an event of the request.

use habeas::app::{App, AppError};
use habeas::identity::{AppUser, seal};
use habeas::ledger::{AppItem, AppState, Extra, LedgerError};
use habeas::random;
use habeas::request::RequestId;
use jiff::{SignedDuration, Timestamp};

use crate::{Function, NoticeError};

/// How often a message is tried, which takes about a day and a half.
const MAX_ATTEMPTS: u32 = 40;
/// How much time must be left to begin a call, which takes ten seconds at most.
const TIME_FOR_A_CALL: SignedDuration = SignedDuration::from_secs(15);
/// How long after the first failure a message is tried again; twice as long after each that follows.
const FIRST_WAIT_SECONDS: i64 = 15;
/// The longest time between two tries.
const LONGEST_WAIT_SECONDS: i64 = 3600;
/// How often the end of a message is tried to be written while the request changes under it.
const TRIES: usize = 10;

impl Function {
    /// Sends a message to the app, and before it those that were to go before. An app that is slow keeps no notices waiting
    /// that came with it: what there is no time for is left to its timer.
    pub(crate) async fn tell_app(&self, id: &RequestId, number: u32, deadline: Timestamp) -> Result<(), NoticeError> {
        let driver = &self.platform.driver;
        let ledger = &driver.ledger;
        let (mut waiting, mut next) = (Vec::new(), Some(number));
        while let Some(number) = next {
            let message = ledger.app_message(id, number).await?.filter(|item| item.state == AppState::Waiting);
            next = message.as_ref().and_then(|message| message.after);
            waiting.extend(message);
        }
        for message in waiting.into_iter().rev() {
            let is_late = deadline.duration_since(driver.clock.now()) < TIME_FOR_A_CALL;
            // What waits for its next try holds up all that come after it.
            if is_late || !self.tell(id, message.number).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends one message. False: it still waits.
    async fn tell(&self, id: &RequestId, number: u32) -> Result<bool, NoticeError> {
        let driver = &self.platform.driver;
        let Some(message) = driver.ledger.claim_app_message(id, number, driver.clock.now()).await? else {
            return Ok(false);
        };
        match self.send(id, &message).await {
            Ok(()) => self.told(id, message, true).await?,
            Err(NoticeError::App(error)) if message.attempt >= MAX_ATTEMPTS || matches!(error, AppError::NoApp) => {
                habeas::telemetry::error_chain("app_not_told", "a message to the app is given up", &error);
                self.told(id, message, false).await?;
            }
            Err(NoticeError::App(error)) => {
                habeas::telemetry::warn_chain("a message to the app will be tried again", &error);
                let until = driver.clock.now().saturating_add(self.wait(message.attempt));
                let until = until.unwrap_or(Timestamp::MAX);
                driver.ledger.app_message_waits(id, &message, until).await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn send(&self, id: &RequestId, message: &AppItem) -> Result<(), NoticeError> {
        let policy = self.platform.policies.policy(&message.policy).await?;
        let app = policy.policy().app.as_ref().ok_or(AppError::NoApp)?;
        let sealed = message.user.as_deref().ok_or(LedgerError::Missing("user of a message to the app"))?;
        let user: AppUser = self.platform.driver.sealer.open(id, seal::end::APP_USER, sealed).await?;
        Ok(App { calls: self.app.as_ref(), webhook: &app.webhook }.tell(id, message, &user).await?)
    }

    /// Writes the end of a message with its event. If another worker has done so, there is nothing left to do.
    async fn told(&self, id: &RequestId, message: AppItem, delivered: bool) -> Result<(), NoticeError> {
        let driver = &self.platform.driver;
        for _ in 0..TRIES {
            let request = driver.ledger.request(id).await?.ok_or(LedgerError::Missing("request"))?;
            let change = request.app_told(message.number, message.event, delivered, driver.clock.now());
            match driver.ledger.commit(&change, vec![Extra::AppTold(message.clone(), delivered)], None).await {
                Ok(()) => return Ok(()),
                Err(LedgerError::Conflict) => {
                    let now = driver.ledger.app_message(id, message.number).await?;
                    if now.is_none_or(|now| now.state != AppState::Waiting) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::Conflict.into())
    }

    fn wait(&self, attempt: u32) -> SignedDuration {
        let doubled = FIRST_WAIT_SECONDS << attempt.saturating_sub(1).min(8);
        let jitter = random::below(self.platform.driver.random.as_ref(), 15);
        let seconds = doubled.min(LONGEST_WAIT_SECONDS) + i64::try_from(jitter).unwrap_or(0);
        SignedDuration::from_secs(seconds)
    }
}
