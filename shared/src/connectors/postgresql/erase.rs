//! An erasure in which the policy has every row go: nothing of a row has to be read, so it is one statement a page.
//!
//! The rule of this file: what makes a row the person's is asked of the row that goes, in the statement in which it goes. One
//! that somebody changed meanwhile has another address, and is left for the fresh read.

use super::Conditions;
use super::catalog::Relation;
use super::session::{Session, WRITE};
use super::statement::Given;
use super::ways::{Stop, relation_of};
use crate::connectors::walk::Step;
use crate::connectors::{Acted, ConnectorError, Target, Who};
use crate::plan::Counts;

/// Most rows that go in one transaction. Nothing of them is held here, so there may be more than of rows that are read: each
/// page looks at what leads to the rows anew, and passes over what went before.
const ERASED_ROWS: u64 = 20_000;

impl Session {
    /// Erases a page of a person's rows, if the table's rows have an address.
    pub(super) async fn erase(
        &mut self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Option<Acted>, ConnectorError> {
        let Who::Person(_) = who else { return Ok(None) };
        let relation = relation_of(self, target.policy, target.name).await?;
        if !relation.has_addresses() {
            return Ok(None);
        }
        let step = Step::parse(cursor)?;
        let mut left = ERASED_ROWS;
        let (mut stop, mut gone_so_far) = (Stop { link: step.link, chunk: step.chunk }, 0);
        while let Some((found, at)) = self.find(target, who, stop).await? {
            stop = at;
            if left == 0 {
                return acted(gone_so_far, Some(stop)).map(Some);
            }
            let gone = match self.erase_found(&relation, found, left).await {
                Ok(gone) => gone,
                // What has gone is counted first; the next page begins here and meets the error again.
                Err(error) if gone_so_far > 0 => {
                    crate::telemetry::warn_chain("a page of an erasure ends early", &error);
                    return acted(gone_so_far, Some(stop)).map(Some);
                }
                Err(error) => return Err(error),
            };
            gone_so_far += gone;
            // Fewer than there was room for: there are no more, or somebody keeps them, which the fresh read finds.
            if gone < left {
                stop = stop.next(target, who);
            }
            left = left.saturating_sub(gone);
        }
        acted(gone_so_far, None).map(Some)
    }

    /// Erases rows of one stop, `most` at most; how many went.
    async fn erase_found(&mut self, relation: &Relation, found: Conditions, most: u64) -> Result<u64, ConnectorError> {
        // A person's rows always have one. Without, there are none: never everybody's.
        let condition = found.condition.map_or_else(|| "false".to_owned(), |condition| format!("({condition})"));
        let mut values = found.values;
        let most = values.take(Given::Text(Some(most.to_string())));
        let text = format!(
            "{preamble}DELETE FROM {table} AS c WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(\
             SELECT c.ctid FROM {table} AS c WHERE {condition} LIMIT {most}::pg_catalog.int8)) AND {condition}",
            preamble = found.preamble,
            table = relation.sql(),
        );
        let about = relation.title();
        self.begin(WRITE, &about, "BEGIN").await?;
        let gone = self.execute(WRITE, &about, &values.into_statement(text)).await?;
        self.commit(WRITE, &about).await?;
        Ok(gone)
    }
}

fn acted(gone: u64, next: Option<Stop>) -> Result<Acted, ConnectorError> {
    let next = next.map(|stop| Step { link: stop.link, chunk: stop.chunk, ..Step::default() }.to_text()).transpose()?;
    Ok(Acted { counts: Counts { read: gone, erased: gone, ..Counts::default() }, next })
}
