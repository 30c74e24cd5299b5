//! Behind the queue: sends codes, and ends requests that nobody verified.

use habeas::aws::{PolicySourceError, SendError};
use habeas::connectors::ConnectorError;
use habeas::identity::code::LIFETIME;
use habeas::identity::{Code, Contact, SealError, SubjectKeys, seal};
use habeas::ledger::LedgerError;
use habeas::messages;
use habeas::personal::{Identity, IdentityError};
use habeas::policy::Pinned;
use habeas::request::{Request, RequestId, Right, Status};
use habeas::steps::{ResolveError, find_contact};

use crate::Function;

/// Why a challenge was not attended to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChallengeError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Policy(#[from] PolicySourceError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("a code could not be sent")]
    Send(#[from] SendError),
}

impl Function {
    /// Makes a code and sends it to the address on file; if there is none, does all but the sending.
    pub(crate) async fn send_code(&self, id: &RequestId) -> Result<(), ChallengeError> {
        let driver = &self.platform.driver;
        let Some(claim) = driver.ledger.claim_challenge(id, driver.clock.now()).await? else {
            return Ok(());
        };
        let Some(request) = driver.ledger.request(id).await? else {
            return Err(LedgerError::Missing("request").into());
        };
        let policy = self.platform.policies.policy(&request.policy).await?;
        let found = self.contact(&request, &policy).await?;
        let Some((contact, language)) = found else {
            driver.ledger.code_made(id, &claim, None, driver.clock.now()).await?;
            driver.ledger.code_sent(id, &claim).await?;
            return Ok(());
        };
        let code = Code::new(driver.random.as_ref());
        let sealed = driver.sealer.seal(id, seal::end::CONTACT, &contact).await?;
        let digest = code.digest(&self.operators.keys, id, claim.sends);
        driver.ledger.code_made(id, &claim, Some((digest, sealed)), driver.clock.now()).await?;
        let message = messages::code(
            policy.language(language.as_deref().or(Some(&request.language))),
            &policy.policy().controller.name,
            request.matter.right().unwrap_or(Right::Access),
            &code.expose_grouped(),
            LIFETIME.as_mins(),
        );
        match self.sender.send(&contact, &message).await {
            Ok(()) => {}
            // No other try would find another channel: an operator must switch one on.
            Err(error @ SendError::NoChannel) => {
                habeas::telemetry::error_chain("no_channel", "a code cannot be sent", &error);
            }
            Err(error) => return Err(error.into()),
        }
        driver.ledger.code_sent(id, &claim).await?;
        tracing::info!(request_id = %id, "a code was sent");
        Ok(())
    }

    /// Where the code goes: the address that a finished request kept, or else the one on file.
    pub(crate) async fn contact(
        &self,
        request: &Request,
        policy: &Pinned,
    ) -> Result<Option<(Contact, Option<String>)>, ChallengeError> {
        let sealer = &self.platform.driver.sealer;
        if let Some(sealed) = &request.contact {
            let contact = sealer.open(&request.id, seal::end::CONTACT, sealed).await?;
            return Ok(Some((contact, Some(request.language.clone()))));
        }
        let Some(sealed) = &request.sealed else { return Ok(None) };
        let subject: SubjectKeys = sealer.open(&request.id, seal::end::SUBJECT, sealed).await?;
        if subject.value.is_empty() {
            // After the end only what leads to kept rows may be known, and that need not be an identity.
            return Ok(None);
        }
        let identity = Identity::parse(subject.kind, &subject.value)?;
        let place = policy.place(&policy.policy().subject.collection).ok_or(ConnectorError::WrongKind)?;
        Ok(find_contact(self.connectors.of(place)?, policy, &identity, &self.platform.channels()).await?)
    }

    /// Ends a request that nobody verified in time.
    pub(crate) async fn expire(&self, id: &RequestId) -> Result<(), ChallengeError> {
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let Some(request) = driver.ledger.request(id).await? else {
            return Ok(());
        };
        let is_due = request.wake.is_none_or(|wake| wake.at <= now);
        if request.status != Status::AwaitingVerification || !is_due {
            return Ok(());
        }
        if let Ok(change) = request.expired(now) {
            match driver.ledger.commit(&change, Vec::new(), None).await {
                Ok(()) | Err(LedgerError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
