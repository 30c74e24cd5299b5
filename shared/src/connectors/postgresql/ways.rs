//! The ways from a person to the rows of a table, as conditions of one statement.
//!
//! The rules of this file: a way through other tables of the same database is followed inside the statement, each of those
//! tables once, as a materialised part of it; values are cast to the type of the column, never the column to that of the
//! values, so that an index on it can be used; and what cannot be a value of the column leads nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::catalog::{Located, Relation};
use super::error::Problem;
use super::session::Session;
use super::statement::{Given, Values};
use super::types::Family;
use crate::connectors::{ConnectorError, Person, Target, Tuple};
use crate::policy::{Database, Link, Origin, Pinned, Place};

/// Which rows: those of one link, for captured keys those of one chunk of it, without those of the links before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) link: usize,
    pub(super) chunk: usize,
}

/// All that the conditions of a stop are made of: tables, and the values that lead there.
pub(super) struct Facts<'a> {
    policy: &'a Pinned,
    relations: BTreeMap<String, Arc<Relation>>,
    /// By collection and position of the link.
    values: BTreeMap<(String, usize), Vec<Tuple>>,
    /// Those of the chunks before this one, where a row may have values of several.
    earlier_chunks: Vec<Tuple>,
}

/// The table of a collection, read along with all others of its database: a step of the same request, or a way to this one, is
/// about to need them.
pub(super) async fn relation_of(
    session: &mut Session,
    policy: &Pinned,
    collection: &str,
) -> Result<Arc<Relation>, ConnectorError> {
    let (database, (schema, table)) = table_of(policy, collection)?;
    let others = policy.collections().filter_map(|other| match policy.place(other) {
        Some(Place::Relation { database: of, name }) if of.secret == database.secret => Some(of.table(name)),
        _ => None,
    });
    session.relation(schema, table, others).await
}

/// The same without the others: for who looks at each table afresh.
pub(super) async fn relation_alone(
    session: &mut Session,
    policy: &Pinned,
    collection: &str,
) -> Result<Arc<Relation>, ConnectorError> {
    let (_, (schema, table)) = table_of(policy, collection)?;
    session.relation(schema, table, std::iter::empty()).await
}

/// Where a collection is: its database, and schema and name in it.
fn table_of<'p>(policy: &'p Pinned, collection: &'p str) -> Result<(&'p Database, (&'p str, &'p str)), ConnectorError> {
    match policy.place(collection) {
        Some(Place::Relation { database, name }) => Ok((database, database.table(name))),
        _ => Err(ConnectorError::WrongKind),
    }
}

impl<'a> Facts<'a> {
    /// Looks up what is needed for a stop. None: its link has no values, or no more of them.
    pub(super) async fn of(
        session: &mut Session,
        target: &Target<'a>,
        person: &Person,
        stop: Stop,
    ) -> Result<Option<Self>, ConnectorError> {
        let Some(link) = target.links.get(stop.link) else { return Ok(None) };
        let mut facts = Self::about(session, target).await?;
        if !is_followed(link) {
            let Some(values) = person.values(link, stop.chunk).await? else { return Ok(None) };
            facts.values.insert((target.name.to_owned(), stop.link), values.to_vec());
            if facts.has_several_values(target, link) {
                for chunk in 0..stop.chunk {
                    let values = person.values(link, chunk).await?;
                    facts.earlier_chunks.extend(values.iter().flat_map(|values| values.iter()).cloned());
                }
            }
        }
        let mut ahead: Vec<(&str, usize)> = (0..stop.link).map(|link| (target.name, link)).collect();
        if let (true, Origin::Collection(origin)) = (is_followed(link), &link.origin) {
            ahead.extend((0..target.policy.links(origin).len()).map(|link| (origin.as_str(), link)));
            facts.relations.insert(origin.clone(), relation_of(session, target.policy, origin).await?);
        }
        facts.follow(session, person, ahead).await?;
        Ok(Some(facts))
    }

    /// Looks up what is needed for all links at once.
    pub(super) async fn of_all(
        session: &mut Session,
        target: &Target<'a>,
        person: &Person,
    ) -> Result<Self, ConnectorError> {
        let mut facts = Self::about(session, target).await?;
        facts.follow(session, person, (0..target.links.len()).map(|link| (target.name, link)).collect()).await?;
        Ok(facts)
    }

    async fn about(session: &mut Session, target: &Target<'a>) -> Result<Self, ConnectorError> {
        let relation = relation_of(session, target.policy, target.name).await?;
        Ok(Self {
            policy: target.policy,
            relations: BTreeMap::from([(target.name.to_owned(), relation)]),
            values: BTreeMap::new(),
            earlier_chunks: Vec::new(),
        })
    }

    /// Looks up the values of links, each a collection and a position, and of those that they come from.
    async fn follow(
        &mut self,
        session: &mut Session,
        person: &Person,
        mut ahead: Vec<(&'a str, usize)>,
    ) -> Result<(), ConnectorError> {
        let policy = self.policy;
        let mut seen: BTreeSet<(&str, usize)> = BTreeSet::new();
        while let Some((collection, position)) = ahead.pop() {
            let Some(link) = policy.links(collection).get(position) else { continue };
            if !seen.insert((collection, position)) {
                continue;
            }
            match &link.origin {
                Origin::Collection(origin) if is_followed(link) => {
                    self.relations.insert(origin.clone(), relation_of(session, policy, origin).await?);
                    ahead.extend((0..policy.links(origin).len()).map(|link| (origin.as_str(), link)));
                }
                _ => {
                    let values = all_values(person, link).await?;
                    self.values.insert((collection.to_owned(), position), values);
                }
            }
        }
        Ok(())
    }

    fn has_several_values(&self, target: &Target<'_>, link: &Link) -> bool {
        let located = self.relations.get(target.name).and_then(|relation| relation.located(link.field()).ok());
        located.is_some_and(|located| matches!(located.operand("c").1, Family::List(_)))
    }

    fn relation(&self, collection: &str) -> Result<Arc<Relation>, Problem> {
        let missing = || Problem::NoRelation { relation: collection.to_owned() };
        self.relations.get(collection).cloned().ok_or_else(missing)
    }

    fn values(&self, collection: &str, link: usize) -> &[Tuple] {
        self.values.get(&(collection.to_owned(), link)).map_or(&[], Vec::as_slice)
    }
}

/// Whether the database finds the values of a link itself.
fn is_followed(link: &Link) -> bool {
    matches!(link.origin, Origin::Collection(_)) && !link.captured
}

async fn all_values(person: &Person, link: &Link) -> Result<Vec<Tuple>, ConnectorError> {
    let (mut all, mut chunk) = (Vec::new(), 0);
    while let Some(values) = person.values(link, chunk).await? {
        all.extend(values.iter().cloned());
        chunk += 1;
    }
    Ok(all)
}

/// Conditions under construction, with the values and the parts of the statement that they need.
pub(super) struct Ways<'a> {
    facts: &'a Facts<'a>,
    pub(super) values: Values,
    origins: Vec<OriginRows>,
}

/// A person's rows of a table on the way.
struct OriginRows {
    collection: String,
    relation: Arc<Relation>,
    conditions: Vec<String>,
    /// What is taken of them.
    columns: Vec<String>,
}

impl<'a> Ways<'a> {
    pub(super) fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, values: Values::default(), origins: Vec::new() }
    }

    /// What holds for the rows of a stop, which are called `c`. None: nothing leads there.
    pub(super) fn condition(&mut self, target: &Target<'_>, stop: Stop) -> Result<Option<String>, Problem> {
        let Some(link) = target.links.get(stop.link) else { return Ok(None) };
        let relation = self.facts.relation(target.name)?;
        let values = self.facts.values(target.name, stop.link);
        let Some(mut condition) = self.link(&relation, link, values)? else { return Ok(None) };
        let mut earlier = Vec::new();
        for (position, link) in target.links.iter().take(stop.link).enumerate() {
            let values = self.facts.values(target.name, position);
            earlier.extend(self.link(&relation, link, values)?);
        }
        if !self.facts.earlier_chunks.is_empty() {
            earlier.extend(self.among(&relation, link, &self.facts.earlier_chunks)?);
        }
        for earlier in earlier {
            condition = format!("{condition} AND ({earlier}) IS NOT TRUE");
        }
        Ok(Some(condition))
    }

    /// What holds for each row of the person's, by whatever link. None: nothing leads there.
    pub(super) fn any(&mut self, target: &Target<'_>) -> Result<Option<String>, Problem> {
        let relation = self.facts.relation(target.name)?;
        let mut found = Vec::new();
        for (position, link) in target.links.iter().enumerate() {
            let values = self.facts.values(target.name, position);
            found.extend(self.link(&relation, link, values)?.map(|condition| format!("({condition})")));
        }
        Ok((!found.is_empty()).then(|| found.join(" OR ")))
    }

    /// The parts of the statement that stand before it: a person's rows on the way, in order.
    pub(super) fn preamble(&self) -> String {
        let part = |(position, origin): (usize, &OriginRows)| {
            let columns = origin.columns.iter().enumerate().map(|(at, column)| format!("{column} AS v{at}"));
            let columns = columns.collect::<Vec<_>>().join(", ");
            // A union leaves out what is there twice, and what is unique is not there twice.
            let is_distinct = origin.conditions.len() > 1 || origin.relation.has_each_once(&origin.columns);
            let select = if is_distinct { "SELECT" } else { "SELECT DISTINCT" };
            let rows = origin
                .conditions
                .iter()
                .map(|condition| format!("{select} {columns} FROM {} AS c WHERE {condition}", origin.relation.sql()));
            format!("o{position} AS MATERIALIZED ({})", rows.collect::<Vec<_>>().join(" UNION "))
        };
        let parts: Vec<String> = self.origins.iter().enumerate().map(part).collect();
        if parts.is_empty() { String::new() } else { format!("WITH {} ", parts.join(", ")) }
    }

    fn link(&mut self, relation: &Relation, link: &Link, values: &[Tuple]) -> Result<Option<String>, Problem> {
        match &link.origin {
            Origin::Collection(origin) if !link.captured => self.through(relation, link, origin),
            _ => self.among(relation, link, values),
        }
    }

    /// Rows whose fields have values out of a list.
    fn among(&mut self, relation: &Relation, link: &Link, values: &[Tuple]) -> Result<Option<String>, Problem> {
        let operands = operands(relation, link)?;
        let taken = |tuple: &&Tuple| {
            tuple.len() == operands.len()
                && operands.iter().zip(tuple.iter()).all(|((_, family), text)| family.takes(text))
        };
        let tuples: Vec<&Tuple> = values.iter().filter(taken).collect();
        if tuples.is_empty() {
            return Ok(None);
        }
        let mut arrays = Vec::new();
        for (at, (_, family)) in operands.iter().enumerate() {
            let texts = tuples.iter().filter_map(|tuple| tuple.get(at).cloned()).map(Some).collect();
            let element = match family {
                Family::List(element) => element.type_name(),
                family => family.type_name(),
            };
            arrays.push(format!("{}::{element}[]", self.values.take(Given::Texts(texts))));
        }
        Ok(Some(match (operands.as_slice(), arrays.as_slice()) {
            ([(operand, family @ Family::List(_))], [array]) => {
                format!("{operand}::{} OPERATOR(pg_catalog.&&) {array}", family.type_name())
            }
            ([(operand, family)], [array]) => format!("{operand} {} ANY ({array})", family.equals()),
            _ => {
                let unnested: Vec<String> = arrays.iter().map(|array| format!("pg_catalog.unnest({array})")).collect();
                let names: Vec<String> = (0..operands.len()).map(|at| format!("v{at}")).collect();
                let source = format!("ROWS FROM ({}) AS v({})", unnested.join(", "), names.join(", "));
                exists(&source, "v", &operands, &(0..operands.len()).collect::<Vec<_>>())
            }
        }))
    }

    /// Rows whose fields have the values of a person's rows of another table.
    fn through(&mut self, relation: &Relation, link: &Link, origin: &str) -> Result<Option<String>, Problem> {
        let operands = operands(relation, link)?;
        let Some(position) = self.origin(origin)? else { return Ok(None) };
        let origin_relation = self.facts.relation(origin)?;
        let mut columns = Vec::new();
        for (pair, (_, family)) in link.pairs.iter().zip(&operands) {
            let (value, from) = origin_relation.located(&pair.origin_field)?.operand("c");
            let (value, from) = match from {
                Family::List(element) => (format!("pg_catalog.unnest({value})"), *element),
                from => (value, from),
            };
            let value = family.converted(&value, &from);
            let known = &mut self.origins[position].columns;
            let at = known.iter().position(|column| *column == value).unwrap_or_else(|| {
                known.push(value);
                known.len() - 1
            });
            columns.push(at);
        }
        let source = format!("o{position}");
        Ok(Some(match (operands.as_slice(), columns.as_slice()) {
            ([(operand, family @ Family::List(element))], [at]) => format!(
                "{operand}::{} OPERATOR(pg_catalog.&&) ARRAY(SELECT {source}.v{at}::{} FROM {source})",
                family.type_name(),
                element.type_name()
            ),
            ([(operand, family)], [at]) => {
                format!("{operand} {} ANY (SELECT {source}.v{at} FROM {source})", family.equals())
            }
            _ => exists(&source, &source, &operands, &columns),
        }))
    }

    /// The place of a person's rows of a collection among the parts of the statement. None: nothing leads there.
    fn origin(&mut self, collection: &str) -> Result<Option<usize>, Problem> {
        if let Some(known) = self.origins.iter().position(|origin| origin.collection == collection) {
            return Ok(Some(known));
        }
        let relation = self.facts.relation(collection)?;
        let mut conditions = Vec::new();
        for (position, link) in self.facts.policy.links(collection).iter().enumerate() {
            let values = self.facts.values(collection, position);
            conditions.extend(self.link(&relation, link, values)?);
        }
        if conditions.is_empty() {
            return Ok(None);
        }
        let collection = collection.to_owned();
        self.origins.push(OriginRows { collection, relation, conditions, columns: Vec::new() });
        Ok(Some(self.origins.len() - 1))
    }
}

/// The fields of a link in a row called `c`, and how each is compared.
fn operands(relation: &Relation, link: &Link) -> Result<Vec<(String, Family)>, Problem> {
    link.pairs
        .iter()
        .map(|pair| relation.located(&pair.field).map(|located: Located<'_>| located.operand("c")))
        .collect()
}

fn exists(source: &str, alias: &str, operands: &[(String, Family)], columns: &[usize]) -> String {
    let same = operands
        .iter()
        .zip(columns)
        .map(|((operand, family), at)| format!("{operand} {} {alias}.v{at}", family.equals()));
    format!("EXISTS (SELECT FROM {source} WHERE {})", same.collect::<Vec<_>>().join(" AND "))
}
