//! How many rows have the same values: one statement for all groups of a person that lack a value in the same fields.

use std::collections::BTreeMap;

use super::catalog::{Relation, text};
use super::error::permanent;
use super::preflight::{Found, MANY_ROWS};
use super::session::{READ, Session};
use super::statement::{Given, Statement, Values};
use super::types::Family;
use crate::connectors::{ConnectorError, GroupValues};
use crate::policy::KAnonymity;

/// Most rows of one group that are counted: whether there are enough is known long before.
const MOST: u64 = 10_000;

impl Session {
    /// How many rows have each of these sets of values in these fields.
    pub(super) async fn group_sizes(
        &mut self,
        relation: &Relation,
        fields: &[String],
        groups: &[GroupValues],
    ) -> Result<Vec<u64>, ConnectorError> {
        self.settle(READ, &relation.title()).await?;
        let mut operands = Vec::with_capacity(fields.len());
        for field in fields {
            let located = relation.located(field).map_err(|problem| permanent(READ, problem))?;
            operands.push(located.operand("c"));
        }
        let mut alike: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for (at, values) in groups.iter().enumerate().filter(|(_, values)| can_be_there(&operands, values)) {
            alike.entry(values.iter().map(Option::is_some).collect()).or_default().push(at);
        }
        let mut sizes = vec![0; groups.len()];
        for (present, positions) in alike {
            let statement = statement(relation, &operands, &present, &positions, groups);
            for row in self.rows(&relation.title(), &statement).await? {
                let number = |at: usize| text(&row, at).and_then(|digits| digits.parse::<u64>().ok());
                let at = number(0).and_then(|at| usize::try_from(at).ok());
                if let Some((size, counted)) = at.and_then(|at| sizes.get_mut(at)).zip(number(1)) {
                    *size = counted;
                }
            }
        }
        Ok(sizes)
    }
}

/// Whether each value can be one of its column. A row with one that cannot is in no group with others.
fn can_be_there(operands: &[(String, Family)], values: &GroupValues) -> bool {
    operands.len() == values.len()
        && operands.iter().zip(values).all(|((_, family), value)| {
            value.as_ref().is_none_or(|text| !matches!(family, Family::List(_)) && family.takes(text))
        })
}

fn statement(
    relation: &Relation,
    operands: &[(String, Family)],
    present: &[bool],
    positions: &[usize],
    groups: &[GroupValues],
) -> Statement {
    let mut values = Values::default();
    let at = positions.iter().map(|at| Some(at.to_string())).collect();
    let (mut arrays, mut names) =
        (vec![format!("pg_catalog.unnest({})", values.take(Given::Texts(at)))], vec!["place".to_owned()]);
    let mut same = Vec::new();
    for (field, ((operand, family), is_there)) in operands.iter().zip(present).enumerate() {
        if !is_there {
            same.push(format!("{operand} IS NULL"));
            continue;
        }
        let texts = positions.iter().map(|at| groups.get(*at)?.get(field).cloned().flatten()).collect();
        let of = family.type_name();
        arrays.push(format!("pg_catalog.unnest({}::{of}[])", values.take(Given::Texts(texts))));
        names.push(format!("f{field}"));
        same.push(format!("{operand} {} v.f{field}", family.equals()));
    }
    let text = format!(
        "SELECT v.place, (SELECT pg_catalog.count(*) FROM (SELECT FROM {} AS c WHERE {} LIMIT {MOST}) AS alike)::pg_catalog.text \
         FROM ROWS FROM ({}) AS v({})",
        relation.sql(),
        same.join(" AND "),
        arrays.join(", "),
        names.join(", ")
    );
    values.into_statement(text)
}

/// What stands in the way of counting groups.
pub(super) fn look_ahead(demand: &KAnonymity, relation: &Relation, found: &mut Found<'_>) {
    let mut is_indexed = false;
    for field in &demand.quasi_identifiers {
        // A field that is not there is found by the strategies, or here.
        match relation.located(field) {
            Err(problem) => found.refuse(Some(field), problem.to_string()),
            Ok(located) if matches!(located.operand("c").1, Family::List(_)) => {
                found.refuse(Some(field), "a list is no quasi-identifier: rows are counted by single values");
            }
            Ok(located) => is_indexed |= located.inside.is_none() && relation.leads_an_index(&located.column.name),
        }
    }
    if !is_indexed && relation.estimated_rows > MANY_ROWS {
        let message = format!(
            "no index begins with a quasi-identifier ({}), so every group is counted by reading all of about {} rows of {}",
            demand.quasi_identifiers.join(", "),
            relation.estimated_rows,
            relation.title()
        );
        found.note(demand.quasi_identifiers.first().map(String::as_str), message);
    }
}
