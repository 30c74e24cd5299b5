//! DynamoDB: rows by a key of the table or of an index, or of the whole table; conditional deletes and updates, within a
//! capacity budget.
//!
//! What the policy says of a table is in [`crate::policy::tables`].

mod act;
mod ask;
mod call;
mod pace;
mod preflight;
mod read;
mod schema;
mod value;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use futures::future::join_all;

use self::ask::Ask;
use self::pace::Pace;
use super::walk::{Step, Stop};
use super::{Acted, Action, Connector, ConnectorError, Handle, Judge, Obstacle, ReadPage, Row, Target, Who};
use crate::policy::{CollectionRule, Place, Table};
use crate::random::Random;

/// Rows that are written at the same time.
const AT_ONCE: usize = 16;

/// By dataset and budget.
type Paces = HashMap<(String, Option<u32>), Arc<Pace>>;

/// Tables.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    client: Client,
    random: Arc<dyn Random>,
    paces: Arc<Mutex<Paces>>,
}

impl DynamoDb {
    /// Tables behind this client. Clones share one budget a system. `random` spreads out calls that are made again, and
    /// makes up the keys that a preflight asks for.
    #[must_use]
    pub fn new(client: Client, random: Arc<dyn Random>) -> Self {
        Self { client, random, paces: Arc::default() }
    }
}

#[async_trait]
impl Connector for DynamoDb {
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let page = self.page(target, who, cursor).await?;
        Ok(ReadPage { rows: page.rows, next: page.next, unread: 0 })
    }

    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        let table = table_of(target)?;
        let pace = self.pace(target);
        let mut actions = actions.into_iter().peekable();
        while actions.peek().is_some() {
            let (rows, actions): (Vec<Row>, Vec<Action>) = actions.by_ref().take(AT_ONCE).unzip();
            let mut works = Vec::with_capacity(rows.len());
            for (row, action) in rows.iter().zip(actions) {
                let Handle::Item(item) = &row.handle else { return Err(ConnectorError::WrongKind) };
                works.push(self.write(&pace, target, table, (item, row.link), action));
            }
            for written in join_all(works).await {
                written?;
            }
        }
        Ok(())
    }

    async fn act(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        self.act_on(target, who, judge, cursor).await
    }

    async fn count(&self, target: &Target<'_>, who: Who<'_>) -> Result<u64, ConnectorError> {
        let table = table_of(target)?;
        let pace = self.pace(target);
        let Who::Person(person) = who else {
            let is_whole = table.conditions.is_empty() && table.links.is_empty();
            return if is_whole {
                self.count_all(&pace, table).await
            } else {
                self.count_by_reading(target, who, None).await
            };
        };
        // Rows of the first link are counted where they are; those of others only once they have been read, since the
        // first may lead to them too.
        let (mut count, mut at) = (0, Step::default());
        while let Some(stop) = Stop::from(target, person, at.clone()).await? {
            let ask = Ask::of_link(table, target.fields, stop.link, stop.tuple()).ok();
            match ask.filter(|ask| stop.at.link == 0 && ask.is_exact(table)) {
                Some(ask) => count += self.count_of(&pace, table, &ask).await?,
                None => return Ok(count + self.count_by_reading(target, who, Some(stop.at.to_text()?)).await?),
            }
            match stop.after(target, person, None).await? {
                Some(next) => at = Step::parse(Some(&next))?,
                None => break,
            }
        }
        Ok(count)
    }

    async fn preflight(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        self.look_ahead(target, rule).await
    }
}

impl DynamoDb {
    async fn count_by_reading(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        mut cursor: Option<String>,
    ) -> Result<u64, ConnectorError> {
        let mut count = 0;
        loop {
            let page = self.page(target, who, cursor.as_deref()).await?;
            count += page.rows.len() as u64;
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(count),
            }
        }
    }
}

fn table_of<'a>(target: &Target<'a>) -> Result<&'a Table, ConnectorError> {
    match target.place {
        Place::Table(table) => Ok(table),
        Place::Objects { .. } | Place::Rows { .. } | Place::Relation { .. } => Err(ConnectorError::WrongKind),
    }
}
