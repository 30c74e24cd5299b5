//! An erasure in which the policy has every row go: nothing of a row has to be read, so it is one statement a page.
//!
//! The rule of this file: what makes a row the person's is asked of the row that goes, in the statement in which it goes. One
//! that somebody changed meanwhile has another address, and is left for the fresh read.

use super::page::PAGE_ROWS;
use super::session::{Session, WRITE};
use super::statement::Given;
use super::ways::{Stop, relation_of};
use crate::connectors::walk::Step;
use crate::connectors::{Acted, ConnectorError, Target, Who};
use crate::plan::Counts;

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
        let about = relation.title();
        let step = Step::parse(cursor)?;
        let mut left = PAGE_ROWS as u64;
        let (mut stop, mut counts) = (Stop { link: step.link, chunk: step.chunk }, Counts::default());
        while let Some((found, at)) = self.find(target, who, stop).await? {
            stop = at;
            if left == 0 {
                let next = Step { link: stop.link, chunk: stop.chunk, ..Step::default() }.to_text()?;
                return Ok(Some(Acted { counts, next: Some(next) }));
            }
            let Some(condition) = found.condition.map(|condition| format!("({condition})")) else { return Ok(None) };
            let mut values = found.values;
            let most = values.take(Given::Text(Some(left.to_string())));
            let text = format!(
                "{preamble}DELETE FROM {table} AS c WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(\
                 SELECT c.ctid FROM {table} AS c WHERE {condition} LIMIT {most}::pg_catalog.int8)) AND {condition}",
                preamble = found.preamble,
                table = relation.sql(),
            );
            self.begin(WRITE, &about, "BEGIN").await?;
            let gone = self.execute(WRITE, &about, &values.into_statement(text)).await?;
            self.commit(WRITE, &about).await?;
            counts.read += gone;
            counts.erased += gone;
            // Fewer than there was room for: there are no more, or somebody keeps them, which the fresh read finds.
            if gone < left {
                stop = stop.next(target, who);
            }
            left = left.saturating_sub(gone);
        }
        Ok(Some(Acted { counts, next: None }))
    }
}
