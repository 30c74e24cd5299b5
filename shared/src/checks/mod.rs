//! What is checked before an account is cancelled: that no credential changed just now, that the rows of the account say
//! what the policy asks for, that the device is known.
//!
//! The rules of this room: it reads and writes nothing; what it says are ids of checks, never what a row holds; and what
//! cannot be read is an error, not a pass.

mod judge;

use jiff::Timestamp;

use crate::app::{App, AppError, Question};
use crate::connectors::{ConnectorError, Connectors, Person, Target, Who};
use crate::identity::AppUser;
use crate::policy::{Pinned, SecurityCheck, in_language};
use crate::record::Record;
use crate::request::{RequestId, Right};
use judge::Finding;

/// Most rows of one collection that are read for one check.
const MAX_ROWS: usize = 10_000;

/// When checks are made.
#[derive(Clone, Copy)]
pub enum Occasion<'a> {
    /// The person confirms, from this device.
    Confirmation {
        /// The id that the app knows the device by, if it was given.
        device: Option<&'a str>,
    },
    /// The cooling-off period has ended. There is no device then.
    End,
}

/// What came of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Ids of those that passed.
    pub passed: Vec<String>,
    /// Ids of those that did not.
    pub failed: Vec<String>,
}

/// Why checks could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A system does not answer, or refuses to be read.
    #[error("a collection cannot be read for a check")]
    Connector(#[from] ConnectorError),
    /// The app does not answer.
    #[error("the app cannot be asked")]
    App(#[from] AppError),
    /// There are too many rows to be read while somebody waits.
    #[error("a person has more than {MAX_ROWS} rows in a collection that is checked")]
    TooManyRows,
}

/// What checks are made with.
#[derive(Clone, Copy)]
pub struct Checker<'a> {
    /// Reads the systems.
    pub connectors: &'a Connectors,
    /// The policy that the request is answered under.
    pub policy: &'a Pinned,
    /// The person, by the keys of their own row.
    pub person: &'a Person,
    /// Asks the app, if the policy says where it is.
    pub app: Option<App<'a>>,
    /// The request, by which the app knows a question again.
    pub request: &'a RequestId,
    /// The account as the app knows it.
    pub user: &'a AppUser,
    /// Now.
    pub now: Timestamp,
}

impl Checker<'_> {
    /// Makes every check of the policy that this occasion has.
    ///
    /// # Errors
    /// [`CheckError`] if a system does not answer: then nobody knows.
    pub async fn all(&self, occasion: Occasion<'_>) -> Result<Checked, CheckError> {
        let mut checked = Checked::default();
        for check in self.policy.checks() {
            let Some(passed) = self.passes(check, occasion).await? else { continue };
            let list = if passed { &mut checked.passed } else { &mut checked.failed };
            list.push(check.id.clone());
        }
        Ok(checked)
    }

    /// Whether a check passes; none if the occasion does not have it.
    async fn passes(&self, check: &SecurityCheck, occasion: Occasion<'_>) -> Result<Option<bool>, CheckError> {
        if let Some(changed) = &check.changed_recently {
            let zone = &self.policy.policy().controller.time_zone;
            let subject = &self.policy.policy().subject.collection;
            return self.rows(subject, &|row| judge::changed(changed, row, self.now, zone)).await.map(Some);
        }
        if let Some(field) = &check.field {
            return self.rows(&field.collection, &|row| judge::says(field, row)).await.map(Some);
        }
        if let Some(ask) = &check.ask_app {
            let Some(app) = &self.app else { return Err(AppError::NoApp.into()) };
            let (check, question) = (check.id.as_str(), ask.question.as_str());
            let asked = Question { request: self.request, check, question, user: self.user, now: self.now };
            return Ok(Some(app.ask(&asked).await?));
        }
        if let (Some(known), Occasion::Confirmation { device }) = (&check.known_device, occasion) {
            let Some(device) = device else { return Ok(Some(false)) };
            let zone = &self.policy.policy().controller.time_zone;
            let is_known =
                self.rows(&known.collection, &|row| judge::device(known, row, device, self.now, zone)).await?;
            // Of devices one row is looked for, of all else none may be wrong: so the end means the opposite.
            return Ok(Some(!is_known));
        }
        Ok(None)
    }

    /// Reads the person's rows until one decides. True: none did.
    async fn rows(&self, collection: &str, judge: &(dyn Fn(&Record) -> Finding + Sync)) -> Result<bool, CheckError> {
        let target = Target::of(self.policy, collection)?;
        let connector = self.connectors.of(target.place)?;
        let (mut cursor, mut read) = (None, 0);
        loop {
            let page = connector.read(&target, Who::Person(self.person), cursor.as_deref()).await?;
            if page.rows.iter().any(|row| judge(&row.record) == Finding::Decides) {
                return Ok(false);
            }
            read += page.rows.len();
            match page.next {
                None => return Ok(true),
                Some(_) if read >= MAX_ROWS => return Err(CheckError::TooManyRows),
                next => cursor = next,
            }
        }
    }
}

impl Pinned {
    /// What is checked before an account is cancelled.
    #[must_use]
    pub fn checks(&self) -> &[SecurityCheck] {
        self.right(Right::AccountCancellation).map_or(&[], |rule| rule.checks.as_slice())
    }

    /// What a person can do about a check that failed.
    #[must_use]
    pub fn advice(&self, check: &str, language: &str) -> Option<&str> {
        let check = self.checks().iter().find(|known| known.id == check)?;
        Some(in_language(&check.text, language))
    }
}
