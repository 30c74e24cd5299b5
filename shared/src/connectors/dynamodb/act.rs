//! A page of rows, each judged and dealt with.
//!
//! The rule of this room: what was done is counted, whatever comes after. A page that cannot be done to its end, because
//! DynamoDB is busy or because it takes long, ends early, after the rows that were dealt with.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::pace::Pace;
use super::read::row;
use super::value::reach;
use super::write::{Written, owning};
use super::{AT_ONCE, DynamoDb, table_of};
use crate::connectors::{Acted, Action, ConnectorError, Decision, Handle, Judge, Row, Target, Who};
use crate::ledger::Item;
use crate::plan::Counts;
use crate::policy::Table;

/// How often a row that was changed since it was read is judged again.
const TRIES: u32 = 3;
/// When a page ends early: well before its step's lease does, so that what was done is known.
const LONG: Duration = Duration::from_secs(8);

impl DynamoDb {
    /// Reads a page and does to each row what the judge says.
    pub(super) async fn act_on(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        let table = table_of(target)?;
        let pace = self.pace(target);
        let began = Instant::now();
        let mut page = self.page(target, who, cursor).await?;
        let rows = std::mem::take(&mut page.rows);
        let (all, mut dealt_with) = (rows.len(), 0);
        let mut counts = Counts::default();
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            if dealt_with > 0 && began.elapsed() > LONG {
                return Ok(Acted { counts, next: Some(page.after(dealt_with)?) });
            }
            let mut works = Vec::with_capacity(AT_ONCE);
            for row in rows.by_ref().take(AT_ONCE) {
                works.push(self.deal_with(&pace, target, table, row, judge));
            }
            let together = works.len();
            let (mut done, mut failed) = (Counts::default(), None);
            for work in join_all(works).await {
                match work {
                    Ok(one) => done.add(&one),
                    Err(error) => failed = Some(error),
                }
            }
            match failed {
                None => {
                    counts.add(&done);
                    dealt_with += together;
                }
                Some(error @ ConnectorError::Transient { .. }) => {
                    // Erased rows will not be read again; the others of these will.
                    counts.add(&Counts { read: done.erased, ..done });
                    let did_something = dealt_with > 0 || done.erased + done.anonymised > 0;
                    return if did_something {
                        Ok(Acted { counts, next: Some(page.after(dealt_with)?) })
                    } else {
                        Err(error)
                    };
                }
                Some(error) => return Err(error),
            }
        }
        debug_assert_eq!(all, dealt_with, "every row was dealt with");
        Ok(Acted { counts, next: page.next })
    }

    /// Does to a row what the judge says. If it was changed since it was read, and is still the same person's by the same
    /// way, it is judged again as it is now; otherwise it is left for the fresh read.
    async fn deal_with(
        &self,
        pace: &Pace,
        target: &Target<'_>,
        table: &Table,
        mut found: Row,
        judge: &dyn Judge,
    ) -> Result<Counts, ConnectorError> {
        let read = Counts { read: 1, ..Counts::default() };
        for _ in 0..TRIES {
            let (action, done) = match judge.judge(&found)? {
                Decision::Act(Action::Erase) => (Action::Erase, Counts { erased: 1, ..read }),
                Decision::Act(action @ Action::Change(_)) => (action, Counts { anonymised: 1, ..read }),
                Decision::Act(action @ Action::Move(_)) => (action, Counts { moved: 1, ..read }),
                Decision::Retain { minimise, .. } if !minimise.is_empty() => (Action::Change(minimise), read),
                Decision::Retain { .. } | Decision::Leave => return Ok(read),
            };
            let Handle::Item(item) = &found.handle else { return Err(ConnectorError::WrongKind) };
            match self.write(pace, target, table, (item, found.link), action).await? {
                Written::Done => return Ok(done),
                Written::Not(Some(now)) if is_same_persons(target, table, found.link, item, &now) => {
                    found = row(target, table, now, found.link);
                }
                Written::Not(_) => return Ok(read),
            }
        }
        Ok(read)
    }
}

/// Whether nothing has changed that decides whose a row is.
fn is_same_persons(target: &Target<'_>, table: &Table, link: usize, before: &Item, now: &Item) -> bool {
    owning(target, table, link).into_iter().all(|field| reach(before, field) == reach(now, field))
}
