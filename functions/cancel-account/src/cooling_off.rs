//! What happens when a person's time is up: a cancellation that was never confirmed expires, one whose cooling-off period
//! has ended begins.

use habeas::aws::PolicySourceError;
use habeas::ledger::LedgerError;
use habeas::plan::{NotServed, Plan};
use habeas::request::life::LifeError;
use habeas::request::{Change, RequestId, Status};

use crate::Function;

/// Why a timer was not attended to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TimerError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Policy(#[from] PolicySourceError),
    #[error(transparent)]
    Plan(#[from] NotServed),
    #[error(transparent)]
    Life(#[from] LifeError),
}

impl Function {
    pub(crate) async fn time_is_up(&self, id: &RequestId) -> Result<(), TimerError> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let Some(request) = driver.ledger.request(id).await? else {
            return Ok(());
        };
        // The timer may have been moved on by whoever woke this; the moment that counts stands in the request.
        let change = match (request.status, request.cooling_off_until, request.wake) {
            (Status::OnHold, _, Some(wake)) if wake.at <= now => request.expired(now)?,
            (Status::CoolingOff, Some(until), _) if until <= now => {
                let policy = self.platform.policies.policy(&request.policy).await?;
                if request.matter.right().and_then(|right| policy.right(right)).is_some_and(|rule| rule.review) {
                    return self.commit(&request.cooled_off_for_review(now)?).await;
                }
                let plan = Plan::compile(request.matter, &policy, request.with_export)?;
                request.cooling_off_ended(&plan, now)?
            }
            _ => return Ok(()),
        };
        self.commit(&change).await
    }

    async fn commit(&self, change: &Change) -> Result<(), TimerError> {
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
}
