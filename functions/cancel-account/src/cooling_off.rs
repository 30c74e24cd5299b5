//! What happens when a person's time is up: a cancellation that was never confirmed expires; of one that cools off the person
//! is reminded; one whose cooling-off period has ended, and one that an operator has go on after that, is checked once more and
//! begins, or waits for the person again.

use habeas::checks::Occasion;
use habeas::ledger::LedgerError;
use habeas::plan::Plan;
use habeas::request::{Change, Request, RequestId, Status};

use crate::Function;
use crate::account::CancelError;

impl Function {
    pub(crate) async fn time_is_up(&self, id: &RequestId) -> Result<(), CancelError> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let Some(request) = driver.ledger.request(id).await? else {
            return Ok(());
        };
        // The timer may have been moved on by whoever woke this; the moment that counts stands in the request.
        let change = match (request.status, request.cooling_off_until, request.wake) {
            (Status::OnHold, _, Some(wake)) if wake.at <= now => request.expired(now)?,
            (Status::CoolingOff, Some(until), _) if until <= now => self.cooled_off(&request).await?,
            (Status::UnderReview, ..) if request.is_reviewed() => self.cooled_off(&request).await?,
            (Status::CoolingOff, ..) if request.reminder_is_due(now) => request.reminded_of_end(now),
            _ => return Ok(()),
        };
        self.commit(&change).await
    }

    async fn commit(&self, change: &Change) -> Result<(), CancelError> {
        let driver = &self.platform.driver;
        match driver.ledger.commit(change, Vec::new(), None).await {
            Ok(()) => {
                driver.send_effects(change).await;
                Ok(())
            }
            Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The last moment at which nothing has been erased: what spoke for it when it was confirmed must still do.
    async fn cooled_off(&self, request: &Request) -> Result<Change, CancelError> {
        let policy = self.platform.policies.policy(&request.policy).await?;
        let account = self.account(request, &policy, Occasion::End).await?;
        let now = self.platform.driver.clock.now();
        if !account.checked.failed.is_empty() {
            tracing::info!(request_id = %request.id, failed = ?account.checked.failed, "a check failed");
            return Ok(request.checks_failed(account.checked.failed, now)?);
        }
        let addresses = self.addresses(request, &account).await?;
        let passed = account.checked.passed;
        let has_review = request.matter.right().and_then(|right| policy.right(right)).is_some_and(|rule| rule.review);
        if has_review && !request.is_reviewed() {
            return Ok(request.cooled_off_for_review(passed, addresses, now)?);
        }
        let plan = Plan::compile(request.matter, &policy, request.with_export)?;
        Ok(request.cooling_off_ended(&plan, passed, addresses, now)?)
    }
}
