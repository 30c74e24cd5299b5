//! What the policy says of a row that was read: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;

use super::{Action, ConnectorError, Person, Target};
use crate::mask::{self, Context, Masked, Samples, Scanner};
use crate::policy::{
    CollectionRule, ErasureRule, ExportRules, Field, Link, Mark, Period, Place, Strategy, ViaRule, categories, deadline,
};
use crate::random::Random;
use crate::record::{Record, Value};

/// What becomes of a row.
pub enum Decision {
    /// Something is done to it.
    Act(Action),
    /// It is kept until then; these fields go at once (none if they are gone).
    Retain {
        /// Until when.
        until: Timestamp,
        /// What goes at once.
        minimise: Vec<(String, Masked)>,
    },
    /// Nothing: it is already as the policy wants it.
    Leave,
}

/// Whether an erasure has every row go that leads to the person, whatever is in it.
#[must_use]
pub fn erases_all(target: &Target<'_>) -> bool {
    let erasure = target.policy.rule(target.name).map(|rule| &rule.erasure);
    let goes = |rule: &ViaRule| matches!(rule, ViaRule::Erase);
    matches!(erasure, Some(ErasureRule::Erase { via }) if via.values().all(goes))
}

/// What an erasure does to a row that was found through a link, whoever's it is. What is known of a person is not looked for.
pub fn decide(
    rule: &CollectionRule,
    link: &Link,
    record: &Record,
    now: Timestamp,
    time_zone: &str,
    random: &dyn Random,
) -> Result<Decision, ConnectorError> {
    let due = Due { arrived: now, now };
    decide_as(rule, link, record, due, time_zone, &context(now, time_zone, random, None, None))
}

/// What strategies work with at a moment.
pub(super) fn context<'a>(
    now: Timestamp,
    time_zone: &str,
    random: &'a dyn Random,
    scanner: Option<&'a Scanner>,
    samples: Option<&'a Samples>,
) -> Context<'a> {
    let zoned = now.in_tz(time_zone).unwrap_or_else(|_| now.to_zoned(jiff::tz::TimeZone::UTC));
    Context { random, today: zoned.date(), scanner, samples }
}

/// At which moment it is judged whether a row may go.
#[derive(Clone, Copy)]
pub(super) struct Due {
    /// From when a retention counts whose start no row tells.
    pub(super) arrived: Timestamp,
    /// What has ended by then goes.
    pub(super) now: Timestamp,
}

/// The marks that a record that is kept does not have yet.
fn missing_marks(erasure: &ErasureRule, record: &Record) -> Vec<(String, Masked)> {
    let is_missing = |(field, mark): &(&String, &Mark)| {
        let written = mark.as_strategy();
        let Strategy::Fixed(text) = &written else { return false };
        match record.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::Bool(there)) => *text != there.to_string(),
            Some(there) => there.as_key().as_deref() != Some(text),
        }
    };
    let write = |(field, mark): (&String, &Mark)| (field.clone(), Masked::Replaced(value_of(mark)));
    erasure.marks().filter(is_missing).map(write).collect()
}

fn value_of(mark: &Mark) -> Value {
    match mark {
        Mark::Truth(truth) => Value::Bool(*truth),
        Mark::Number(number) => Value::Number(number.to_string()),
        Mark::Text(text) => Value::Text(text.clone()),
    }
}

/// What an erasure does to a row that was found through a link.
pub(super) fn decide_as(
    rule: &CollectionRule,
    link: &Link,
    record: &Record,
    due: Due,
    time_zone: &str,
    context: &Context<'_>,
) -> Result<Decision, ConnectorError> {
    if let ErasureRule::Erase { via } | ErasureRule::Anonymise { via, .. } = &rule.erasure {
        match via.get(link.field()) {
            Some(ViaRule::Erase) => return Ok(Decision::Act(Action::Erase)),
            Some(ViaRule::Anonymise { fields }) => return Ok(change(fields, record, context)),
            None => {}
        }
    }
    match &rule.erasure {
        ErasureRule::Erase { .. } => Ok(Decision::Act(Action::Erase)),
        ErasureRule::Anonymise { fields, .. } => Ok(change(fields, record, context)),
        ErasureRule::Retain { start_field, period, fields, .. } => {
            let until = end_of(record, start_field, *period, due.arrived, time_zone)?;
            if until <= due.now {
                return Ok(Decision::Act(Action::Erase));
            }
            if let Some(collection) = rule.erasure.move_to() {
                return Ok(Decision::Act(Action::Move(collection.to_owned())));
            }
            let mut minimise = changes(fields, record, context);
            minimise.extend(missing_marks(&rule.erasure, record));
            Ok(Decision::Retain { until, minimise })
        }
        ErasureRule::Keep { .. } => Ok(Decision::Leave),
    }
}

/// What a sweep does to a row: what an erasure would, once its retention is over. It is about nobody in particular.
pub fn decide_sweep(
    rule: &CollectionRule,
    record: &Record,
    now: Timestamp,
    time_zone: &str,
    random: &dyn Random,
) -> Result<Decision, ConnectorError> {
    let Some(retention) = &rule.retention else {
        return Ok(Decision::Leave);
    };
    let Ok(until) = end_of(record, &retention.start_field, retention.period, Timestamp::MAX, time_zone) else {
        return Ok(Decision::Leave);
    };
    if until > now {
        return Ok(Decision::Leave);
    }
    match &rule.erasure {
        ErasureRule::Anonymise { fields, .. } => {
            Ok(change(fields, record, &context(now, time_zone, random, None, None)))
        }
        ErasureRule::Erase { .. } => Ok(Decision::Act(Action::Erase)),
        ErasureRule::Retain { start_field, period, .. } => {
            let retained = end_of(record, start_field, *period, now, time_zone)? > now;
            Ok(if retained { Decision::Leave } else { Decision::Act(Action::Erase) })
        }
        ErasureRule::Keep { .. } => Ok(Decision::Leave),
    }
}

fn change(fields: &BTreeMap<String, Strategy>, record: &Record, context: &Context<'_>) -> Decision {
    let changes = changes(fields, record, context);
    if changes.is_empty() { Decision::Leave } else { Decision::Act(Action::Change(changes)) }
}

/// What changes in a record, field by field. Strategies inside an object come to one change of the whole object.
pub(super) fn changes(
    fields: &BTreeMap<String, Strategy>,
    record: &Record,
    context: &Context<'_>,
) -> Vec<(String, Masked)> {
    let mut changes: BTreeMap<&str, Masked> = BTreeMap::new();
    for (path, strategy) in fields {
        // A random value of the same form looks like any other, so the row's tokens tell.
        if *strategy == Strategy::RandomFormat && mask::is_masked(fields, record) {
            continue;
        }
        let (field, inside) = match path.split_once('.') {
            Some((field, inside)) if record.get(path).is_none() => (field, Some(inside)),
            _ => (path.as_str(), None),
        };
        let value = match changes.get(field) {
            Some(Masked::Removed) => continue,
            Some(Masked::Replaced(value)) => Some(value),
            Some(Masked::Kept) | None => record.get(field),
        };
        let Some(value) = value else { continue };
        let masked = match inside {
            None if *strategy == Strategy::Shuffle => mask::shuffled(fields, path, value, record, context),
            Some(inside) => mask::apply_at(strategy, inside, value, context),
            None => mask::apply(strategy, value, context),
        };
        if masked != Masked::Kept {
            changes.insert(field, masked);
        }
    }
    changes.into_iter().map(|(field, masked)| (field.to_owned(), masked)).collect()
}

/// When a period that starts with a field ends. A row whose field is missing or no moment counts from `instead`: it is
/// not lost for being malformed, and it is not kept for ever either.
fn end_of(
    record: &Record,
    field: &str,
    period: Period,
    instead: Timestamp,
    time_zone: &str,
) -> Result<Timestamp, ConnectorError> {
    let start = record.get(field).and_then(moment).unwrap_or(instead);
    deadline::later(start, period, time_zone).map_err(|_| ConnectorError::Row("a retention period has no end"))
}

/// A moment as systems store it: RFC 3339, a date, or whole seconds or milliseconds since 1970.
pub(crate) fn moment(value: &Value) -> Option<Timestamp> {
    /// Seconds of the year 5138; more are milliseconds.
    const MOST_SECONDS: i64 = 100_000_000_000;
    match value {
        Value::Text(text) => text.parse().ok().or_else(|| {
            let local: DateTime = text.parse().ok()?;
            local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        }),
        Value::Number(digits) => {
            let number: i64 = digits.parse().ok()?;
            if number.abs() < MOST_SECONDS {
                Timestamp::from_second(number).ok()
            } else {
                Timestamp::from_millisecond(number).ok()
            }
        }
        _ => None,
    }
}

/// What an export for a person shows of a row of theirs: what its record shows, without fields that are of other people.
#[must_use]
pub fn exported(target: &Target<'_>, person: &Person, row: &Record) -> Record {
    let mut copy = shown(&target.policy.policy().export, target.fields, row);
    let Some(rule) = target.policy.rule(target.name) else { return copy };
    for (names, fields) in &rule.others {
        if !names_person(target, person, row, names) {
            for field in fields {
                copy.remove(field);
            }
        }
    }
    copy
}

/// Whether an export shows a person's rows of a collection just as they are.
#[must_use]
pub fn is_shown_whole(target: &Target<'_>) -> bool {
    let rules = &target.policy.policy().export;
    let has_others = target.policy.rule(target.name).is_some_and(|rule| !rule.others.is_empty());
    !has_others && target.fields.iter().all(|field| is_whole(rules, field))
}

fn is_whole(rules: &ExportRules, field: &Field) -> bool {
    let is_touched = |category: &String| rules.omits(category) || masked(rules, category).is_some();
    !field.data_categories.iter().any(is_touched) && field.fields.iter().all(|inner| is_whole(rules, inner))
}

/// Whether the value of a field is the person's: it leads to the subject's own row, and to theirs.
fn names_person(target: &Target<'_>, person: &Person, row: &Record, names: &str) -> bool {
    let links = target.links.iter().filter(|link| link.field() == names);
    let own = links.filter_map(|link| person.keys.keys.get(link.subject_field()?)).flatten();
    let stands = |own: &String| match target.place {
        Place::Table(table) => table.stands(names, own).into_owned(),
        Place::Objects { .. } | Place::Rows { .. } | Place::Relation { .. } => own.clone(),
    };
    let value = row.at(names).and_then(Value::as_key);
    value.is_some_and(|value| own.into_iter().any(|own| stands(own) == value))
}

/// What an export shows of a record: omitted categories are gone, masked ones masked, and so inside objects.
fn shown(rules: &ExportRules, fields: &[Field], record: &Record) -> Record {
    let mut copy = Record::default();
    for (name, value) in record.iter() {
        let field = fields.iter().find(|field| field.name == name);
        let categories = field.map_or(&[][..], |field| field.data_categories.as_slice());
        if categories.iter().any(|category| rules.omits(category)) {
            continue;
        }
        let keep_last = categories.iter().filter_map(|category| masked(rules, category)).min();
        let inner = field.map_or(&[][..], |field| field.fields.as_slice());
        copy.set(name, show(rules, inner, keep_last, value.clone()));
    }
    copy
}

/// How many characters of a category stay, if it is masked.
#[must_use]
pub fn masked(rules: &ExportRules, category: &str) -> Option<u8> {
    rules
        .mask
        .iter()
        .filter(|rule| categories::is_within(category, &rule.category))
        .max_by_key(|rule| rule.category.len())
        .map(|rule| rule.keep_last)
}

fn show(rules: &ExportRules, fields: &[Field], keep_last: Option<u8>, value: Value) -> Value {
    match (value, keep_last) {
        (Value::Map(record), None) => Value::Map(shown(rules, fields, &record)),
        (Value::List(values), _) => {
            Value::List(values.into_iter().map(|value| show(rules, fields, keep_last, value)).collect())
        }
        (Value::Text(text) | Value::Number(text), Some(keep)) => Value::Text(mask::keep_last(&text, keep)),
        (Value::Map(_) | Value::Bytes(_), Some(_)) => Value::Text("*".to_owned()),
        (value, _) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Retention;
    use crate::random::SeededRandom;

    fn record(fields: &[(&str, &str)]) -> Record {
        fields.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned()))).collect()
    }

    fn retain() -> CollectionRule {
        CollectionRule {
            retention: Some(Retention {
                start_field: "at".into(),
                period: Period("P3Y".parse().unwrap()),
                source: String::new(),
            }),
            erasure: ErasureRule::Retain {
                start_field: "at".into(),
                period: Period("P3Y".parse().unwrap()),
                basis: BTreeMap::new(),
                fields: BTreeMap::from([("address".to_owned(), Strategy::Erase)]),
                restrict: None,
            },
            others: BTreeMap::new(),
        }
    }

    #[test]
    fn a_retained_row_loses_what_goes_at_once_and_goes_when_its_time_is_over() {
        let link = Link::to_subject("user_id", "user_id");
        let decide = |at: &str, now: &str| {
            let record = record(&[("at", at), ("address", "1 Long Street")]);
            decide(&retain(), &link, &record, now.parse().unwrap(), "Asia/Shanghai", &SeededRandom::new(1)).unwrap()
        };
        let Decision::Retain { until, minimise } = decide("2026-01-31T00:00:00Z", "2026-11-21T00:00:00Z") else {
            panic!()
        };
        assert_eq!(until.to_string(), "2029-01-31T00:00:00Z");
        assert_eq!(minimise.len(), 1);
        assert!(matches!(decide("2023-01-31T00:00:00Z", "2026-11-21T00:00:00Z"), Decision::Act(Action::Erase)));
        let Decision::Retain { until, .. } = decide("yesterday", "2026-11-21T00:00:00Z") else { panic!() };
        assert_eq!(until.to_string(), "2029-11-21T00:00:00Z");
    }

    #[test]
    fn strategies_inside_an_object_come_to_one_change_of_it() {
        let inner: Record = record(&[("city", "Berlin"), ("street", "1 Long Street"), ("kind", "home")]);
        let mut row = record(&[("name", "Li")]);
        row.set("address", Value::Map(inner));
        let fields = BTreeMap::from([
            ("address.city".to_owned(), Strategy::Erase),
            ("address.street".to_owned(), Strategy::Fixed("-".into())),
            ("address.missing".to_owned(), Strategy::Null),
            ("name".to_owned(), Strategy::Null),
        ]);
        let random = SeededRandom::new(1);
        let changes = changes(&fields, &row, &context(Timestamp::UNIX_EPOCH, "UTC", &random, None, None));
        let [(address, Masked::Replaced(Value::Map(changed))), (name, Masked::Replaced(Value::Null))] = &changes[..]
        else {
            panic!()
        };
        assert_eq!((address.as_str(), name.as_str()), ("address", "name"));
        assert!(*changed == record(&[("street", "-"), ("kind", "home")]));
    }

    #[test]
    fn a_row_with_random_characters_is_known_again_by_its_token() {
        let rule = CollectionRule {
            erasure: ErasureRule::Anonymise {
                fields: BTreeMap::from([
                    ("author".to_owned(), Strategy::Random),
                    ("phone".to_owned(), Strategy::RandomFormat),
                ]),
                k_anonymity: None,
                via: BTreeMap::new(),
            },
            ..retain()
        };
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        let sweep = |record: &Record| decide_sweep(&rule, record, now, "UTC", &SeededRandom::new(1)).unwrap();
        let mut row = record(&[("at", "2020-01-31T00:00:00Z"), ("author", "u-1"), ("phone", "139-1234")]);
        let Decision::Act(Action::Change(changes)) = sweep(&row) else { panic!() };
        assert_eq!(changes.len(), 2);
        for (field, masked) in changes {
            let Masked::Replaced(value) = masked else { panic!() };
            row.set(field, value);
        }
        assert!(matches!(sweep(&row), Decision::Leave), "the next night finds nothing to do");
    }

    #[test]
    fn a_sweep_leaves_what_is_not_over_or_cannot_be_read() {
        let sweep = |at: &str| {
            let now = "2026-11-21T00:00:00Z".parse().unwrap();
            decide_sweep(&retain(), &record(&[("at", at)]), now, "Asia/Shanghai", &SeededRandom::new(1)).unwrap()
        };
        assert!(matches!(sweep("2023-11-20T00:00:00Z"), Decision::Act(Action::Erase)));
        assert!(matches!(sweep("2023-11-22T00:00:00Z"), Decision::Leave));
        assert!(matches!(sweep("never"), Decision::Leave));
    }
}
