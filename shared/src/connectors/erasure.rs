//! What an erasure does to the rows of one collection of one person, and in what groups rows may stay.
//!
//! The rule of this room: a row stays anonymised only if its group was counted, before anything was changed, and was large
//! enough. What was not counted goes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::{Due, changes, context, decide_as};
use super::{Action, Connector, ConnectorError, Decision, Judge, Person, Row, Target};
use crate::mask::{Context, Masked, Samples, Scanner};
use crate::policy::{CollectionRule, ErasureRule, KAnonymity, Link, Strategy, ViaRule};
use crate::random::Random;
use crate::record::{Record, Value};

/// Most groups of one person that are counted.
const MAX_GROUPS: usize = 1_000;
/// Most bytes of all together, as JSON without what is counted: they are kept in the step's cursor, and an item of the
/// ledger has 400 KiB.
const MAX_BYTES: usize = 128 * 1024;

/// The values of a row's quasi-identifiers, in their order; none: null, or not there.
pub type GroupValues = Vec<Option<String>>;

/// Says of each row of a collection what an erasure does to it.
pub struct ErasureJudge<'a> {
    rule: &'a CollectionRule,
    links: &'a [Link],
    time_zone: &'a str,
    arrived: Timestamp,
    now: Timestamp,
    random: &'a dyn Random,
    scanner: Option<Scanner>,
    groups: Groups,
    samples: Samples,
}

/// Says of each row of a collection what an erasure does to it. `now` is the moment at which retention is judged and ages
/// are reckoned. Until it is told whom it is about, what groups there are and what others have, texts that are scanned go as a
/// whole, and so do rows that may stay in groups only, and values that others' would take the place of.
pub fn erasure_judge<'a>(
    target: &Target<'a>,
    now: Timestamp,
    random: &'a dyn Random,
) -> Result<ErasureJudge<'a>, ConnectorError> {
    let rule = target.policy.rule(target.name).ok_or(ConnectorError::WrongKind)?;
    Ok(ErasureJudge {
        rule,
        links: target.links,
        time_zone: target.policy.policy().controller.time_zone.as_str(),
        arrived: now,
        now,
        random,
        scanner: None,
        groups: Groups::default(),
        samples: Samples::default(),
    })
}

impl<'a> ErasureJudge<'a> {
    /// With what is known of a person, for texts that are scanned.
    #[must_use]
    pub fn about(self, person: &Person) -> Self {
        let scans = self.rule.erasure.strategies().any(|(_, strategy)| *strategy == Strategy::Scan);
        Self { scanner: scans.then(|| Scanner::new(person.known())), ..self }
    }

    /// With what has ended by a later moment gone too. What has no start still counts from the earlier one.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Whether rows that are kept for a time get a mark.
    #[must_use]
    pub fn marks(&self) -> bool {
        self.rule.erasure.marks().next().is_some()
    }

    /// With the groups that were counted.
    #[must_use]
    pub fn within(self, groups: Option<Groups>) -> Self {
        Self { groups: groups.unwrap_or_default(), ..self }
    }

    /// The fields whose values are drawn from those of others.
    #[must_use]
    pub fn drawn(&self) -> Vec<String> {
        let drawn = self.rule.erasure.strategies().filter(|(_, strategy)| **strategy == Strategy::Shuffle);
        drawn.map(|(field, _)| field.clone()).collect()
    }

    /// With what others have, to draw from.
    #[must_use]
    pub fn drawing_from(self, samples: Samples) -> Self {
        Self { samples, ..self }
    }

    /// In what groups rows may stay, if the rule demands any.
    #[must_use]
    pub fn demand(&self) -> Option<&'a KAnonymity> {
        self.rule.erasure.k_anonymity()
    }

    /// Takes a row into account for the groups, before anything is changed.
    pub fn measure(&self, row: &Row, groups: &mut Groups) -> Result<(), ConnectorError> {
        let Some(demand) = self.demand() else { return Ok(()) };
        let stays = self.stays_by_rule(row, &self.by_rule(row)?);
        let after = self.group_of(row);
        let stands = after.is_some() && standing(demand, &row.record, &[]) == after;
        groups.take(after, stays, stands);
        Ok(())
    }

    /// The group that a row is in once it is masked. None: it is in none, since a value is a list or an object.
    fn group_of(&self, row: &Row) -> Option<GroupValues> {
        let ErasureRule::Anonymise { fields, k_anonymity: Some(demand), .. } = &self.rule.erasure else { return None };
        let telling: BTreeMap<String, Strategy> = fields
            .iter()
            .filter(|(path, _)| demand.quasi_identifiers.iter().any(|field| is_or_holds(path, field)))
            .map(|(path, strategy)| (path.clone(), strategy.clone()))
            .collect();
        let context = self.context();
        standing(demand, &row.record, &changes(&telling, &row.record, &context))
    }

    /// What becomes of a row as far as its group does not matter.
    pub fn by_rule(&self, row: &Row) -> Result<Decision, ConnectorError> {
        let link = self.links.get(row.link).ok_or(ConnectorError::WrongKind)?;
        let due = Due { arrived: self.arrived, now: self.now };
        decide_as(self.rule, link, &row.record, due, self.time_zone, &self.context())
    }

    fn context(&self) -> Context<'_> {
        context(self.now, self.time_zone, self.random, self.scanner.as_ref(), Some(&self.samples))
    }

    /// Whether the row would stay by the rule that the demand is part of: what `via` says is of rows of others.
    fn stays_by_rule(&self, row: &Row, decision: &Decision) -> bool {
        let link = self.links.get(row.link).map(Link::field);
        let is_of_others = match &self.rule.erasure {
            ErasureRule::Anonymise { via, .. } => {
                link.and_then(|link| via.get(link)).is_some_and(|rule| matches!(rule, ViaRule::Anonymise { .. }))
            }
            _ => false,
        };
        matches!(decision, Decision::Act(Action::Change(_))) && !is_of_others
    }
}

impl Judge for ErasureJudge<'_> {
    fn judge(&self, row: &Row) -> Result<Decision, ConnectorError> {
        let decision = self.by_rule(row)?;
        let Some(demand) = self.demand().filter(|_| self.stays_by_rule(row, &decision)) else { return Ok(decision) };
        let size = self.group_of(row).and_then(|values| self.groups.size(&values));
        let is_large = size.is_some_and(|size| size >= u64::from(demand.k));
        Ok(if is_large { decision } else { Decision::Act(Action::Erase) })
    }
}

/// What stands in the quasi-identifiers of a record after some changes.
fn standing(demand: &KAnonymity, record: &Record, changes: &[(String, Masked)]) -> Option<GroupValues> {
    let mut record = record.clone();
    for (field, masked) in changes {
        match masked {
            Masked::Kept => {}
            Masked::Removed => drop(record.remove(field)),
            Masked::Replaced(value) => record.set(field.as_str(), value.clone()),
        }
    }
    demand.quasi_identifiers.iter().map(|field| plain(record.at(field))).collect()
}

/// Whether a path is that of a field, or of an object that the field is in.
fn is_or_holds(path: &str, field: &str) -> bool {
    field.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// A value as a text; none at all if it has none, since it is a list or an object.
#[expect(clippy::option_option, reason = "null is a value that rows share, and no value is none that they could")]
fn plain(value: Option<&Value>) -> Option<Option<String>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(Value::Bool(value)) => Some(Some(value.to_string())),
        Some(Value::Text(text)) => Some(Some(text.clone())),
        Some(Value::Number(digits)) => Some(Some(shortest(digits).to_owned())),
        Some(Value::Bytes(_) | Value::List(_) | Value::Map(_)) => None,
    }
}

/// A number without what does not change it: zeros behind its point. Masks and databases write the same one otherwise.
fn shortest(digits: &str) -> &str {
    let is_plain_fraction = digits.contains('.') && !digits.contains(['e', 'E']);
    if is_plain_fraction { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The groups that a person's rows would be in: found first, then counted. It holds values of rows, and does not print.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Groups {
    found: Vec<Group>,
    /// The person's rows that are in no group, or in one too many: they go.
    #[serde(default)]
    beyond: u64,
    /// How many bytes the groups have as JSON, as which they are kept.
    #[serde(default)]
    bytes: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Group {
    values: GroupValues,
    /// The person's rows that would stay in it.
    rows: u64,
    /// The person's rows that stand with these values already.
    standing: u64,
    /// How many rows it has, the person's counted once; none until it is counted.
    #[serde(default)]
    size: Option<u64>,
}

impl Groups {
    fn take(&mut self, values: Option<GroupValues>, stays: bool, stands: bool) {
        if !stays && !stands {
            return;
        }
        match values.and_then(|values| self.group(values)) {
            Some(group) => {
                group.rows += u64::from(stays);
                group.standing += u64::from(stands);
            }
            None => self.beyond += u64::from(stays),
        }
    }

    /// The group with these values; none if there are too many already.
    fn group(&mut self, values: GroupValues) -> Option<&mut Group> {
        let known = self.found.iter().position(|group| group.values == values);
        let at = known.unwrap_or(self.found.len());
        if known.is_none() {
            let group = Group { values, rows: 0, standing: 0, size: None };
            let bytes = self.bytes + serde_json::to_string(&group).map_or(MAX_BYTES, |json| json.len());
            if at >= MAX_GROUPS || bytes > MAX_BYTES {
                return None;
            }
            self.bytes = bytes;
            self.found.push(group);
        }
        self.found.get_mut(at)
    }

    /// Counts them. A person's rows count once: ten rows of one person hide nobody.
    pub async fn count(
        &mut self,
        connector: &dyn Connector,
        target: &Target<'_>,
        demand: &KAnonymity,
    ) -> Result<(), ConnectorError> {
        self.found.retain(|group| group.rows > 0);
        if self.found.is_empty() {
            return Ok(());
        }
        let values: Vec<GroupValues> = self.found.iter().map(|group| group.values.clone()).collect();
        let counted = connector.group_sizes(target, &demand.quasi_identifiers, &values).await?;
        for (group, counted) in self.found.iter_mut().zip(counted) {
            group.size = Some(counted.saturating_sub(group.standing) + 1);
        }
        Ok(())
    }

    /// How many rows a group has, if it was counted.
    fn size(&self, values: &GroupValues) -> Option<u64> {
        self.found.iter().find(|group| group.values == *values)?.size
    }

    /// The smallest of the groups in which rows stay.
    #[must_use]
    pub fn smallest(&self, demand: &KAnonymity) -> Option<u64> {
        self.found.iter().filter_map(|group| group.size).filter(|size| *size >= u64::from(demand.k)).min()
    }

    /// How many of the person's rows are in groups that are too small.
    #[must_use]
    pub fn rows_that_go(&self, demand: &KAnonymity) -> u64 {
        let small = self.found.iter().filter(|group| group.size.is_none_or(|size| size < u64::from(demand.k)));
        small.map(|group| group.rows).sum::<u64>() + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(number: usize) -> GroupValues {
        vec![Some(number.to_string()), None]
    }

    #[test]
    fn a_number_is_the_same_however_many_zeros_are_behind_its_point() {
        for (digits, same) in [("53.0", "53"), ("52.50", "52.5"), ("100", "100"), ("-0.10", "-0.1"), ("1.0e3", "1.0e3")]
        {
            assert_eq!(plain(Some(&Value::Number(digits.into()))), Some(Some(same.to_owned())));
        }
        assert_eq!(plain(Some(&Value::Text("1.0".into()))), Some(Some("1.0".to_owned())), "a text is what it says");
    }

    #[test]
    fn groups_are_bounded_and_rows_beyond_them_go() {
        let demand = KAnonymity { k: 2, quasi_identifiers: vec!["a".into(), "b".into()] };
        let mut groups = Groups::default();
        for number in 0..=MAX_GROUPS {
            groups.take(Some(values(number)), true, false);
        }
        groups.take(Some(values(0)), true, true);
        groups.take(None, true, false);
        assert_eq!((groups.found.len(), groups.beyond), (MAX_GROUPS, 2));
        assert_eq!((groups.found[0].rows, groups.found[0].standing), (2, 1));
        groups.take(Some(vec![Some("x".repeat(MAX_BYTES)), None]), true, false);
        assert_eq!(groups.beyond, 3, "their values are bounded too");
        for group in &mut groups.found {
            group.size = Some(2);
        }
        assert_eq!((groups.rows_that_go(&demand), groups.smallest(&demand)), (3, Some(2)));
        groups.found[1].size = Some(1);
        groups.found[2].size = None;
        assert_eq!((groups.rows_that_go(&demand), groups.size(&values(MAX_GROUPS))), (5, None));
        let kept: Groups = serde_json::from_str(&serde_json::to_string(&groups).unwrap()).unwrap();
        assert_eq!(kept.rows_that_go(&demand), 5, "a cursor carries them on");
    }

    #[test]
    fn a_path_is_a_field_or_holds_it() {
        assert!(is_or_holds("place", "place") && is_or_holds("place", "place.city"));
        assert!(!is_or_holds("place", "places") && !is_or_holds("place.city", "place"));
    }
}
