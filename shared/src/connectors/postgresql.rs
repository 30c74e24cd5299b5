//! PostgreSQL: a person's rows by one statement a link, in pages behind a cursor; erased and changed a page a transaction.
//!
//! One connection a database, made when it is first needed. What was found out about PostgreSQL itself is in
//! docs/decisions/0011-postgresql.md.

mod apply;
mod arriving;
mod catalog;
mod credentials;
mod draw;
mod erase;
mod error;
mod groups;
mod page;
mod preflight;
mod record;
mod session;
mod statement;
mod tls;
mod types;
mod ways;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

pub use credentials::{AwsDatabaseCredentials, DatabaseCredentials};

use super::walk::Step;
use super::{
    Acted, Action, Connector, ConnectorError, GroupValues, Judge, Lines, Obstacle, Person, ReadPage, Row, Target, Who,
    judged,
};
use crate::mask::Samples;
use crate::policy::{CollectionRule, Database, Field, Origin, Place, Strategy};
use crate::random::Random;
use arriving::{Form, Taken};
use catalog::{KeyPart, Relation};
use error::permanent;
use page::{Key, Purpose, Query};
use record::Shape;
use session::{READ, Session};
use statement::Values;
use types::Family;
use ways::{Facts, Stop, Ways, relation_of};
use wire::Wire;

/// Tables in PostgreSQL databases.
pub struct Postgresql {
    credentials: Arc<dyn DatabaseCredentials>,
    /// By secret.
    sessions: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Session>>>>,
}

impl Postgresql {
    /// Databases whose secrets and tokens come from there.
    #[must_use]
    pub fn new(credentials: Arc<dyn DatabaseCredentials>) -> Self {
        Self { credentials, sessions: Mutex::default() }
    }

    /// The connection to a database, which works.
    async fn session(&self, database: &Database) -> Result<OwnedMutexGuard<Session>, ConnectorError> {
        let session = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(tokio::sync::Mutex::new(Session::new(&database.secret, self.credentials.clone())));
            sessions.entry(database.secret.clone()).or_insert_with(new).clone()
        };
        let mut session = session.lock_owned().await;
        session.wake().await?;
        Ok(session)
    }
}

#[async_trait]
impl Connector for Postgresql {
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let page = session.page(target, who, cursor, Purpose::Show).await;
        session.unless_failed(page)
    }

    async fn lines(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Option<Lines>, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let lines = session.lines(target, who, cursor).await;
        session.unless_failed(lines)
    }

    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let applied = session.apply_to(target, actions).await;
        session.unless_failed(applied)
    }

    async fn act(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let page = session.page(target, who, cursor, Purpose::Judge).await;
        let page = session.unless_failed(page)?;
        let (counts, actions) = judged(page.rows, judge)?;
        let applied = session.apply_to(target, actions).await;
        session.unless_failed(applied)?;
        Ok(Acted { counts, next: page.next })
    }

    async fn erase(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Option<Acted>, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let erased = session.erase(target, who, cursor).await;
        session.unless_failed(erased)
    }

    async fn count(&self, target: &Target<'_>, who: Who<'_>) -> Result<u64, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let count = session.count(target, who).await;
        session.unless_failed(count)
    }

    async fn group_sizes(
        &self,
        target: &Target<'_>,
        fields: &[String],
        groups: &[GroupValues],
    ) -> Result<Vec<u64>, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let sizes = session.sizes_of(target, fields, groups).await;
        session.unless_failed(sizes)
    }

    async fn sample(
        &self,
        target: &Target<'_>,
        person: &Person,
        fields: &[String],
        random: &dyn Random,
    ) -> Result<Samples, ConnectorError> {
        let mut session = self.session(database(target)?).await?;
        let samples = session.sample(target, person, fields, random).await;
        session.unless_failed(samples)
    }

    async fn preflight(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        let database = database(target)?;
        let mut session = self.session(database).await?;
        let key = database.key(collection(target));
        let found = session.preflight(target, key, rule).await;
        session.unless_failed(found)
    }
}

impl Session {
    /// After an error the connection is given up, with what it had open and what was known: the next call begins anew.
    fn unless_failed<T>(&mut self, done: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        if done.is_err() {
            self.forget();
        }
        done
    }

    /// A page of rows.
    async fn page(
        &mut self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
        purpose: Purpose,
    ) -> Result<ReadPage, ConnectorError> {
        let (relation, key) = self.target(target).await?;
        let shape = Arc::new(Shape::of(&relation, target.fields));
        let form = |link| Form::Rows(link, shape.clone());
        let (taken, next) = self.gather(target, (&relation, &key), who, cursor, purpose, &form).await?;
        let Taken::Rows(rows) = taken else { return Err(ConnectorError::Cursor) };
        Ok(ReadPage { rows, next, unread: 0 })
    }

    /// The same as lines of JSON, as the database would write it; none where it writes bytes otherwise than an export does.
    async fn lines(
        &mut self,
        target: &Target<'_>,
        who: Who<'_>,
        cursor: Option<&str>,
    ) -> Result<Option<Lines>, ConnectorError> {
        let (relation, key) = self.target(target).await?;
        let is_bytes =
            |field: &Field| relation.column(&field.name).is_some_and(|column| column.family == Family::Bytes);
        if target.fields.iter().any(is_bytes) {
            return Ok(None);
        }
        let Some(wire) = Wire::of(&relation, &key, target.fields).map(Arc::new) else { return Ok(None) };
        let form = |_| Form::Lines(wire.clone());
        let (taken, next) = self.gather(target, (&relation, &key), who, cursor, Purpose::Show, &form).await?;
        let Taken::Lines { text, rows } = taken else { return Err(ConnectorError::Cursor) };
        Ok(Some(Lines { text, rows, next }))
    }

    /// Takes rows from one link after the other, as many as there is room for. Gives where the next page begins. A
    /// transaction stays open only for a cursor that is read on from.
    async fn gather(
        &mut self,
        target: &Target<'_>,
        of: (&Relation, &[KeyPart]),
        who: Who<'_>,
        cursor: Option<&str>,
        purpose: Purpose,
        form: &(dyn Fn(usize) -> Form + Sync),
    ) -> Result<(Taken, Option<String>), ConnectorError> {
        let gathered = self.walk(target, of, who, cursor, purpose, form).await?;
        if self.kept.is_none() {
            self.settle(READ, &of.0.title()).await?;
        }
        Ok(gathered)
    }

    async fn walk(
        &mut self,
        target: &Target<'_>,
        (relation, key): (&Relation, &[KeyPart]),
        who: Who<'_>,
        cursor: Option<&str>,
        purpose: Purpose,
        form: &(dyn Fn(usize) -> Form + Sync),
    ) -> Result<(Taken, Option<String>), ConnectorError> {
        let step = Step::parse(cursor)?;
        let mut after = step.native.as_deref().map(parse_key).transpose()?;
        if after.as_ref().is_some_and(|after| after.len() != key.len()) {
            return Err(ConnectorError::Cursor);
        }
        let mut stop = Stop { link: step.link, chunk: step.chunk };
        let mut taken = form(stop.link).nothing();
        let mut room = taken.room();
        loop {
            let Some((found, at)) = self.find(target, who, stop).await? else {
                return Ok((taken, None));
            };
            if at != stop {
                (stop, after) = (at, None);
            }
            if room.is_none() {
                return Ok((taken, Some(cursor_of(stop, after.as_ref())?)));
            }
            let query = Query {
                relation,
                key,
                fields: target.fields,
                scanned: scanned(target),
                preamble: found.preamble,
                condition: found.condition,
                values: found.values,
                form: form(stop.link),
            };
            let portion = self.portion(&query, after.as_ref(), purpose, &mut room, &mut taken).await?;
            if portion.is_last {
                (stop, after) = (stop.next(target, who), None);
            } else {
                let after = portion.last.or(after);
                return Ok((taken, Some(cursor_of(stop, after.as_ref())?)));
            }
        }
    }

    /// What is asked for at a stop or, if nothing can be found there, at the first after it; none: there are no more.
    async fn find(
        &mut self,
        target: &Target<'_>,
        who: Who<'_>,
        mut stop: Stop,
    ) -> Result<Option<(Conditions, Stop)>, ConnectorError> {
        let Who::Person(person) = who else {
            let everybody = Conditions { preamble: String::new(), condition: None, values: Values::default() };
            return Ok((stop.link == 0).then_some((everybody, stop)));
        };
        while stop.link < target.links.len() {
            let Some(facts) = Facts::of(self, target, person, stop).await? else {
                stop = Stop { link: stop.link + 1, chunk: 0 };
                continue;
            };
            let mut ways = Ways::new(&facts);
            if let Some(condition) = ways.condition(target, stop).map_err(|problem| permanent(READ, problem))? {
                let preamble = ways.preamble();
                return Ok(Some((Conditions { preamble, condition: Some(condition), values: ways.values }, stop)));
            }
            stop = stop.next(target, who);
        }
        Ok(None)
    }

    async fn apply_to(&mut self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        if actions.is_empty() {
            return Ok(());
        }
        let (relation, key) = self.target(target).await?;
        let mut elsewhere = apply::Elsewhere::new();
        for (_, action) in &actions {
            if let Action::Move(to) = action
                && !elsewhere.contains_key(to)
            {
                let relation = relation_of(self, target.policy, to).await?;
                let rules = [target.name, to.as_str()].into_iter().filter_map(|name| target.policy.rule(name));
                let written = rules.flat_map(|rule| rule.erasure.writes().map(|(field, _)| field.clone())).collect();
                elsewhere.insert(to.clone(), apply::There { relation, written });
            }
        }
        self.apply(&relation, &key, actions, &elsewhere).await
    }

    async fn sizes_of(
        &mut self,
        target: &Target<'_>,
        fields: &[String],
        groups: &[GroupValues],
    ) -> Result<Vec<u64>, ConnectorError> {
        let relation = relation_of(self, target.policy, target.name).await?;
        self.group_sizes(&relation, fields, groups).await
    }

    async fn count(&mut self, target: &Target<'_>, who: Who<'_>) -> Result<u64, ConnectorError> {
        let relation = relation_of(self, target.policy, target.name).await?;
        self.settle(READ, &relation.title()).await?;
        let (mut count, mut stop) = (0, Stop { link: 0, chunk: 0 });
        while let Some((found, at)) = self.find(target, who, stop).await? {
            let condition = found.condition.map_or(String::new(), |condition| format!(" WHERE {condition}"));
            let text = format!(
                "{}SELECT pg_catalog.count(*)::pg_catalog.text FROM {} AS c{condition}",
                found.preamble,
                relation.sql()
            );
            let rows = self.rows(&relation.title(), &found.values.into_statement(text)).await?;
            let counted =
                rows.first().and_then(|row| catalog::text(row, 0)).and_then(|digits| digits.parse::<u64>().ok());
            count += counted.unwrap_or_default();
            stop = at.next(target, who);
        }
        Ok(count)
    }

    /// The table of a collection, and by what its rows are told apart.
    async fn target(&mut self, target: &Target<'_>) -> Result<(Arc<Relation>, Vec<KeyPart>), ConnectorError> {
        let relation = relation_of(self, target.policy, target.name).await?;
        if let Some(field) = target.fields.iter().find(|field| relation.column(&field.name).is_none()) {
            return Err(permanent(READ, relation.lacks(&field.name)));
        }
        let of_policy = database(target)?.key(collection(target));
        let key = relation.key(of_policy, &primary_key(target)).map_err(|problem| permanent(READ, problem))?;
        Ok((relation, key))
    }
}

/// What holds for the rows of a stop.
struct Conditions {
    preamble: String,
    condition: Option<String>,
    values: Values,
}

impl Stop {
    /// The stop after this one, at which there may be something.
    fn next(self, target: &Target<'_>, who: Who<'_>) -> Self {
        let link = target.links.get(self.link).filter(|_| matches!(who, Who::Person(_)));
        match link {
            Some(link) if link.captured && link.origin != Origin::Subject => Self { chunk: self.chunk + 1, ..self },
            _ => Self { link: self.link + 1, chunk: 0 },
        }
    }
}

/// The fields whose texts the rule of the collection has scanned.
fn scanned<'a>(target: &Target<'a>) -> Vec<&'a str> {
    let strategies = target.policy.rule(target.name).into_iter().flat_map(|rule| rule.erasure.strategies());
    let paths = strategies.filter(|(_, strategy)| **strategy == Strategy::Scan).map(|(path, _)| path.as_str());
    paths.map(|path| path.split_once('.').map_or(path, |(field, _)| field)).collect()
}

fn database<'a>(target: &Target<'a>) -> Result<&'a Database, ConnectorError> {
    match target.place {
        Place::Relation { database, .. } => Ok(database),
        _ => Err(ConnectorError::WrongKind),
    }
}

/// The collection's name in its dataset.
fn collection<'a>(target: &Target<'a>) -> &'a str {
    match target.place {
        Place::Relation { name, .. } => name,
        _ => "",
    }
}

/// The fields that the dataset says are the primary key.
fn primary_key<'a>(target: &Target<'a>) -> Vec<&'a str> {
    let is_key = |field: &&crate::policy::Field| field.fides_meta.primary_key == Some(true);
    target.fields.iter().filter(is_key).map(|field| field.name.as_str()).collect()
}

fn parse_key(json: &str) -> Result<Key, ConnectorError> {
    serde_json::from_str(json).map_err(|_| ConnectorError::Cursor)
}

fn cursor_of(stop: Stop, after: Option<&Key>) -> Result<String, ConnectorError> {
    let native = after.map(serde_json::to_string).transpose().map_err(|_| ConnectorError::Cursor)?;
    Step { link: stop.link, chunk: stop.chunk, value: 0, native }.to_text()
}
