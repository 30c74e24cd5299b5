//! What DynamoDB is asked for: a key condition for the values of a link, and what of the answer counts. Pure.
//!
//! The rule of this room: the key condition finds no less than what is wanted; whatever it cannot say is checked of each
//! row here, on the row as it is in the table, since an index need not hold the attributes that a filter would look at.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::value::{canonical_number, to_key};
use crate::ledger::Item;
use crate::policy::{Condition, Field, KeyKind, KeyPath, Link, Table};
use crate::record::Record;

/// A key condition.
pub(super) struct Ask<'a> {
    /// The index; none: the table.
    pub(super) index: Option<&'a str>,
    partition: (&'a str, AttributeValue),
    sort: Option<(&'a str, Sort<'a>)>,
    /// Fields, and the texts that rows must have in them besides.
    rest: Vec<(&'a str, String)>,
}

enum Sort<'a> {
    Is(AttributeValue),
    Meets(&'a Condition),
}

/// A key condition as DynamoDB reads it.
pub(super) struct Expression {
    pub(super) text: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

/// Why rows cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAsk {
    /// No key leads to them; the check finds this.
    NoPath,
    /// A value that no row can have for a key.
    NoSuchKey,
}

impl<'a> Ask<'a> {
    /// Asks for the rows that have these values in the fields of a link.
    pub(super) fn of_link(table: &'a Table, fields: &[Field], link: &'a Link, tuple: &[String]) -> Result<Self, NoAsk> {
        let named: Vec<&str> = link.pairs.iter().map(|pair| pair.field.as_str()).collect();
        let path = table.path(&named).ok_or(NoAsk::NoPath)?;
        let given = |name: &str| {
            let at = named.iter().position(|field| *field == name)?;
            Some(to_key(KeyKind::of(fields, name), &standing(table, fields, name, tuple.get(at)?)))
        };
        let mut ask = Self::at(table, path, given)?;
        for (name, value) in named.iter().zip(tuple) {
            if *name != path.partition && Some(*name) != path.sort {
                ask.rest.push((name, standing(table, fields, name, value)));
            }
        }
        Ok(ask)
    }

    fn at(
        table: &'a Table,
        path: KeyPath<'a>,
        given: impl Fn(&str) -> Option<Option<AttributeValue>>,
    ) -> Result<Self, NoAsk> {
        let constant = |name: &str| table.constant(name).map(|text| AttributeValue::S(text.to_owned()));
        let equal = |name: &str| match given(name) {
            Some(value) => Some(value.ok_or(NoAsk::NoSuchKey)),
            None => constant(name).map(Ok),
        };
        let partition = equal(path.partition).ok_or(NoAsk::NoPath)??;
        let sort = match path.sort {
            None => None,
            Some(name) => match equal(name) {
                Some(value) => Some((name, Sort::Is(value?))),
                None => table.conditions.get(name).map(|condition| (name, Sort::Meets(condition))),
            },
        };
        Ok(Self { index: path.index, partition: (path.partition, partition), sort, rest: Vec::new() })
    }

    /// The key condition.
    pub(super) fn expression(&self) -> Expression {
        let mut text = "#p = :p".to_owned();
        let mut names = HashMap::from([("#p".to_owned(), self.partition.0.to_owned())]);
        let mut values = HashMap::from([(":p".to_owned(), self.partition.1.clone())]);
        if let Some((name, sort)) = &self.sort {
            names.insert("#s".to_owned(), (*name).to_owned());
            let of = |text: &String| AttributeValue::S(text.clone());
            let (condition, first, last) = match sort {
                Sort::Is(value) => ("#s = :s", value.clone(), None),
                Sort::Meets(Condition::Equals(whole)) => ("#s = :s", of(whole), None),
                Sort::Meets(Condition::BeginsWith(start)) => ("begins_with(#s, :s)", of(start), None),
                Sort::Meets(Condition::Between(first, last)) => ("#s BETWEEN :s AND :t", of(first), Some(of(last))),
            };
            text = format!("{text} AND {condition}");
            values.insert(":s".to_owned(), first);
            values.extend(last.map(|last| (":t".to_owned(), last)));
        }
        Expression { text, names, values }
    }

    /// The fields that the key condition names.
    pub(super) fn key_fields(&self) -> Vec<&'a str> {
        std::iter::once(self.partition.0).chain(self.sort.as_ref().map(|(name, _)| *name)).collect()
    }

    /// Whether a row that the key condition finds is one that is wanted; by a list, for one of its elements.
    pub(super) fn wants(&self, record: &Record) -> bool {
        let (fields, wanted): (Vec<&str>, Vec<&String>) = self.rest.iter().map(|(field, text)| (*field, text)).unzip();
        fields.is_empty() || record.keys_at(&fields).iter().any(|held| held.iter().eq(wanted.iter().copied()))
    }

    /// Whether every row that the key condition finds is one that is wanted, and of the collection.
    pub(super) fn is_exact(&self, table: &Table) -> bool {
        let named = self.key_fields();
        let forms = table.key.iter().filter(|field| table.template(field).is_some());
        self.rest.is_empty() && table.conditions.keys().chain(forms).all(|field| named.contains(&field.as_str()))
    }
}

/// How a value stands in a field: in its form, and as a number with the digits that DynamoDB gives back.
pub(super) fn standing(table: &Table, fields: &[Field], field: &str, value: &str) -> String {
    match KeyKind::of(fields, field) {
        KeyKind::Number => canonical_number(value).unwrap_or_else(|| value.to_owned()),
        KeyKind::Text | KeyKind::Bytes => table.stands(field, value).into_owned(),
    }
}

/// Whether an item is of a collection.
pub(super) fn is_of(table: &Table, item: &Item) -> bool {
    table.holds(|field| item.get(field).and_then(|value| value.as_s().ok()).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Origin, Pair};
    use crate::record::Value;

    fn table() -> Table {
        Table {
            table: "app".into(),
            key: vec!["pk".into(), "sk".into()],
            indexes: [("number".to_owned(), "by-number".to_owned())].into(),
            conditions: [("sk".to_owned(), Condition::BeginsWith("ORDER#".into()))].into(),
            links: [("pk".to_owned(), "USER#{user_id}".to_owned())].into(),
            ..Table::default()
        }
    }

    fn fields() -> Vec<Field> {
        let yaml = "[{name: pk}, {name: sk}, {name: number, fides_meta: {data_type: integer}}, {name: kind}]";
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn link(fields: &[&str]) -> Link {
        let pairs = fields.iter().map(|field| Pair { field: (*field).into(), origin_field: "x".into() }).collect();
        Link { pairs, origin: Origin::Collection("a.b".into()), captured: true }
    }

    #[test]
    fn the_form_and_the_condition_on_the_sort_key_are_in_the_key_condition() {
        let (table, link) = (table(), link(&["pk"]));
        let ask = Ask::of_link(&table, &fields(), &link, &["7".into()]).ok().unwrap();
        let expression = ask.expression();
        assert_eq!(expression.text, "#p = :p AND begins_with(#s, :s)");
        assert_eq!(expression.values[":p"], AttributeValue::S("USER#7".into()));
        assert!(ask.is_exact(&table));
    }

    #[test]
    fn both_values_of_a_composite_link_are_in_it_or_are_checked_of_the_row() {
        let (table, both, beside) = (table(), link(&["pk", "sk"]), link(&["pk", "kind"]));
        let ask = Ask::of_link(&table, &fields(), &both, &["7".into(), "ORDER#1".into()]).ok().unwrap();
        assert_eq!(ask.expression().text, "#p = :p AND #s = :s");
        let ask = Ask::of_link(&table, &fields(), &beside, &["7".into(), "gift".into()]).ok().unwrap();
        let row = |kind: &str| Record::from_iter([("kind".to_owned(), Value::Text(kind.into()))]);
        assert!(ask.wants(&row("gift")) && !ask.wants(&row("plain")) && !ask.wants(&Record::default()));
        assert!(!ask.is_exact(&table));
    }

    #[test]
    fn a_number_is_asked_for_as_a_number_and_what_is_none_leads_nowhere() {
        let (table, link) = (table(), link(&["number"]));
        let ask = Ask::of_link(&table, &fields(), &link, &["0042".into()]).ok().unwrap();
        assert_eq!((ask.index, &ask.expression().values[":p"]), (Some("by-number"), &AttributeValue::N("42".into())));
        assert!(!ask.is_exact(&table), "the index holds rows of other collections too");
        assert_eq!(Ask::of_link(&table, &fields(), &link, &["u-7".into()]).err(), Some(NoAsk::NoSuchKey));
    }
}
