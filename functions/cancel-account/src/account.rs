//! The account that a cancellation is about, read afresh: its keys, its addresses on file, and what the policy checks of it.

use habeas::app::App;
use habeas::aws::PolicySourceError;
use habeas::checks::{CheckError, Checked, Checker, Occasion};
use habeas::connectors::{ConnectorError, Person};
use habeas::identity::{AppUser, Contact, SealError, SubjectKeys, seal};
use habeas::ledger::LedgerError;
use habeas::personal::IdentityKind;
use habeas::plan::NotServed;
use habeas::policy::Pinned;
use habeas::policy::deadline::DeadlineError;
use habeas::request::life::LifeError;
use habeas::request::{Addresses, Request};
use habeas::steps::{ResolveError, resolve};

use crate::Function;

/// Why something of a cancellation was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CancelError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Policy(#[from] PolicySourceError),
    #[error(transparent)]
    Plan(#[from] NotServed),
    #[error(transparent)]
    Life(#[from] LifeError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Deadline(#[from] DeadlineError),
    #[error("the request no longer holds whom it is about")]
    NoSubject,
    #[error("the checks were not over in time")]
    TooLate,
}

impl CancelError {
    /// Whether the same may succeed in a minute, without anybody doing anything.
    pub(crate) fn is_transient(&self) -> bool {
        let is_passing = |error: &ConnectorError| matches!(error, ConnectorError::Transient { .. });
        match self {
            Self::Ledger(LedgerError::Service { .. } | LedgerError::Conflict)
            | Self::Policy(_)
            | Self::Seal(SealError::KeyService(_))
            | Self::Check(CheckError::App(_))
            | Self::TooLate => true,
            Self::Resolve(ResolveError::Connector(error)) | Self::Check(CheckError::Connector(error)) => {
                is_passing(error)
            }
            _ => false,
        }
    }
}

/// The account as it is now.
pub(crate) struct Account {
    /// What came of the checks.
    pub(crate) checked: Checked,
    /// Every address on file.
    contacts: Vec<Contact>,
    /// As the app knows it.
    user: AppUser,
}

impl Function {
    /// Reads the account and makes the policy's checks of it.
    pub(crate) async fn account(
        &self,
        request: &Request,
        policy: &Pinned,
        occasion: Occasion<'_>,
    ) -> Result<Account, CancelError> {
        let driver = &self.platform.driver;
        let sealed = request.sealed.as_deref().ok_or(CancelError::NoSubject)?;
        let subject: SubjectKeys = driver.sealer.open(&request.id, seal::end::SUBJECT, sealed).await?;
        let place = policy.place(&policy.policy().subject.collection);
        let connector = place.ok_or(ConnectorError::WrongKind).and_then(|place| self.connectors.of(place));
        let connector = connector.map_err(ResolveError::from)?;
        let found = resolve(connector, policy, &subject, &self.platform.channels()).await?;
        let user = user_of(policy, &found.keys);
        let person = Person::known_by(found.keys);
        let app = policy.policy().app.as_ref();
        let checker = Checker {
            connectors: &self.connectors,
            policy,
            person: &person,
            app: app.map(|app| App { calls: self.app.as_ref(), webhook: &app.webhook }),
            request: &request.id,
            user: &user,
            now: driver.clock.now(),
        };
        let checked = checker.all(occasion).await?;
        Ok(Account { checked, contacts: found.contacts, user })
    }

    /// Every address on file that the request does not have yet, and those that it has, sealed.
    pub(crate) async fn addresses(&self, request: &Request, account: &Account) -> Result<Addresses, CancelError> {
        let sealer = &self.platform.driver.sealer;
        let mut known: Vec<Contact> = Vec::new();
        let mut addresses = Addresses::default();
        let others = request.cancelling.iter().flat_map(|cancelling| &cancelling.others);
        for sealed in request.contact.iter().chain(others) {
            known.push(sealer.open(&request.id, seal::end::CONTACT, sealed).await?);
        }
        addresses.others.extend(request.cancelling.iter().flat_map(|cancelling| cancelling.others.clone()));
        for contact in &account.contacts {
            if known.iter().any(|known| known.kind == contact.kind && known.address == contact.address) {
                continue;
            }
            let sealed = sealer.seal(&request.id, seal::end::CONTACT, contact).await?;
            if request.contact.is_none() && addresses.first.is_none() {
                addresses.first = Some(sealed);
            } else {
                addresses.others.push(sealed);
            }
        }
        Ok(addresses)
    }

    /// The account as the app knows it, sealed; none if the policy has no app, or the account no id.
    pub(crate) async fn app_user(
        &self,
        request: &Request,
        policy: &Pinned,
        account: &Account,
    ) -> Result<Option<String>, CancelError> {
        if policy.policy().app.is_none() || account.user.user_ids.is_empty() {
            return Ok(None);
        }
        let sealed = self.platform.driver.sealer.seal(&request.id, seal::end::APP_USER, &account.user).await?;
        Ok(Some(sealed))
    }
}

fn user_of(policy: &Pinned, keys: &SubjectKeys) -> AppUser {
    let field = policy.identity_field(IdentityKind::UserId);
    let ids = field.and_then(|field| keys.keys.get(field)).cloned().unwrap_or_default();
    AppUser { user_ids: ids }
}
