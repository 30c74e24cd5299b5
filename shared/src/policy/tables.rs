//! A DynamoDB table as a policy describes it: which of its rows are a collection's, how a person's value stands in a key,
//! and by which key rows with given values are asked for. Pure.
//!
//! The rule of this room: two collections may share a table only if no row can be of both ([`Table::is_apart_from`]), and
//! a row counts as a collection's only if all that the policy says of it holds ([`Table::holds`]).

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::Field;

/// A DynamoDB table, or those of its rows that are one collection.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub table: String,
    /// Partition key and, if there is one, sort key.
    pub key: Vec<String>,
    /// Field to the index that can be queried by it.
    #[serde(default)]
    pub indexes: BTreeMap<String, String>,
    /// Index to its key, where that is more than the one field that it is named for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub index_keys: BTreeMap<String, Vec<String>>,
    /// Field to what must hold of it in every row of the collection; other rows of the table are not the collection's.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, Condition>,
    /// Key field to how a value stands in it: `USER#{user_id}`, with a kind of identity or
    /// `<dataset>.<collection>.<field>` in the braces. The field is a link by that value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
}

/// What must hold of a text. Texts are compared byte by byte, as DynamoDB does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is this.
    Equals(String),
    /// It begins so.
    BeginsWith(String),
    /// It is not before the first and not after the second.
    Between(String, String),
}

impl Condition {
    /// Whether it holds of a text.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(whole) => text == whole,
            Self::BeginsWith(start) => text.starts_with(start.as_str()),
            Self::Between(first, last) => first.as_str() <= text && text <= last.as_str(),
        }
    }

    /// Whether no text can meet both.
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Equals(whole), condition) | (condition, Self::Equals(whole)) => !condition.holds(whole),
            (Self::BeginsWith(one), Self::BeginsWith(other)) => {
                !one.starts_with(other.as_str()) && !other.starts_with(one.as_str())
            }
            (Self::BeginsWith(start), Self::Between(first, last))
            | (Self::Between(first, last), Self::BeginsWith(start)) => {
                // All texts with the start come after it; all are before `first` if they differ from it within the start.
                start > last || (start < first && !first.starts_with(start.as_str()))
            }
            (Self::Between(first, last), Self::Between(other_first, other_last)) => {
                last < other_first || other_last < first
            }
        }
    }
}

/// A text with one name in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    /// What stands before the braces.
    pub before: &'a str,
    /// What stands in them.
    pub name: &'a str,
    /// What stands after them.
    pub after: &'a str,
}

impl<'a> Template<'a> {
    /// Reads one; none if there is not exactly one name in braces.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        let (before, rest) = text.split_once('{')?;
        let (name, after) = rest.split_once('}')?;
        let is_sound = !name.is_empty() && ![before, name, after].iter().any(|part| part.contains(['{', '}']));
        is_sound.then_some(Self { before, name, after })
    }

    /// With this value in the braces' place.
    #[must_use]
    pub fn with(&self, value: &str) -> String {
        format!("{}{value}{}", self.before, self.after)
    }

    /// The value that stands in the braces' place; none if the text is not of this form.
    #[must_use]
    pub fn value_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.strip_prefix(self.before)?.strip_suffix(self.after).filter(|value| !value.is_empty())
    }
}

/// The key by which rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPath<'a> {
    /// The index; none: the table itself.
    pub index: Option<&'a str>,
    /// Its partition key.
    pub partition: &'a str,
    /// Its sort key, if it has one.
    pub sort: Option<&'a str>,
}

impl Table {
    /// How a value stands in a field.
    #[must_use]
    pub fn stands<'v>(&self, field: &str, value: &'v str) -> Cow<'v, str> {
        match self.template(field) {
            Some(template) => Cow::Owned(template.with(value)),
            None => Cow::Borrowed(value),
        }
    }

    /// The form of a field's values, if they stand in one.
    #[must_use]
    pub fn template(&self, field: &str) -> Option<Template<'_>> {
        Template::of(self.links.get(field)?)
    }

    /// Whether a row is of the collection, by the texts of its fields. A form that the table's own key has is part of
    /// that; one that an index's key has is not, since a row need not be in the index.
    pub fn holds<'t>(&self, text_of: impl Fn(&str) -> Option<&'t str>) -> bool {
        let forms = self.key.iter().filter_map(|field| Some((field, self.template(field)?)));
        self.conditions.iter().all(|(field, condition)| text_of(field).is_some_and(|text| condition.holds(text)))
            && forms.into_iter().all(|(field, form)| text_of(field).is_some_and(|text| form.value_in(text).is_some()))
    }

    /// Whether some field tells the rows of the two collections apart, whatever a row holds.
    #[must_use]
    pub fn is_apart_from(&self, other: &Self) -> bool {
        let (own, others) = (self.all_conditions(), other.all_conditions());
        own.iter().any(|(field, condition)| {
            others.iter().any(|(other_field, other)| field == other_field && condition.excludes(other))
        })
    }

    /// The conditions of the collection's rows, with those that the forms of the table's key make.
    fn all_conditions(&self) -> Vec<(&str, Condition)> {
        let given = self.conditions.iter().map(|(field, condition)| (field.as_str(), condition.clone()));
        let forms = self
            .key
            .iter()
            .filter_map(|field| Some((field.as_str(), Condition::BeginsWith(self.template(field)?.before.to_owned()))));
        given.chain(forms).collect()
    }

    /// The text that a field has in all rows of the collection, if there is one.
    #[must_use]
    pub fn constant(&self, field: &str) -> Option<&str> {
        match self.conditions.get(field) {
            Some(Condition::Equals(text)) => Some(text),
            _ => None,
        }
    }

    /// The fields of an index's key. An index that the policy says no more of is by the one field alone.
    pub fn index_key<'a>(&'a self, field: &'a str, index: &str) -> Vec<&'a str> {
        match self.index_keys.get(index) {
            Some(key) => key.iter().map(String::as_str).collect(),
            None => vec![field],
        }
    }

    /// Every field of the key of the table or of an index.
    pub fn key_fields(&self) -> impl Iterator<Item = &str> {
        let of_indexes = self.indexes.iter().flat_map(|(field, index)| self.index_key(field, index));
        self.key.iter().map(String::as_str).chain(of_indexes)
    }

    /// The key by which rows with values in these fields are asked for: one whose partition key has one value, and that
    /// has at least one of the fields in it; the one with most of them, the table's own before an index's. None: such
    /// rows could only be found by reading everything.
    #[must_use]
    pub fn path(&self, fields: &[&str]) -> Option<KeyPath<'_>> {
        let own = key_path(None, &self.key.iter().map(String::as_str).collect::<Vec<_>>());
        let indexed = self.indexes.iter().map(|(field, index)| key_path(Some(index), &self.index_key(field, index)));
        let named = |path: &KeyPath<'_>| {
            usize::from(fields.contains(&path.partition))
                + usize::from(path.sort.is_some_and(|sort| fields.contains(&sort)))
        };
        let mut best: Option<KeyPath<'_>> = None;
        for path in own.into_iter().chain(indexed.flatten()) {
            let is_fixed = fields.contains(&path.partition) || self.constant(path.partition).is_some();
            if is_fixed && named(&path) > best.as_ref().map_or(0, named) {
                best = Some(path);
            }
        }
        best
    }
}

fn key_path<'a>(index: Option<&'a String>, key: &[&'a str]) -> Option<KeyPath<'a>> {
    let partition = key.first().copied()?;
    Some(KeyPath { index: index.map(String::as_str), partition, sort: key.get(1).copied() })
}

/// The types that a key of DynamoDB can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `S`.
    Text,
    /// `N`.
    Number,
    /// `B`: bytes, which stand in identities and captured keys as base64.
    Bytes,
}

impl KeyKind {
    /// The type of a field, by the dataset's `data_type`; text if it says nothing.
    #[must_use]
    pub fn of(fields: &[Field], name: &str) -> Self {
        let field = fields.iter().find(|field| field.name == name);
        match field.and_then(|field| field.fides_meta.data_type.as_deref()) {
            Some("integer" | "float" | "number") => Self::Number,
            Some("bytes" | "binary") => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// The letter that DynamoDB has for it.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Text => "S",
            Self::Number => "N",
            Self::Bytes => "B",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single_table() -> Table {
        Table {
            table: "app".into(),
            key: vec!["pk".into(), "sk".into()],
            indexes: [("gsi1pk", "gsi1"), ("owner", "by-owner")].map(|(f, i)| (f.into(), i.into())).into(),
            index_keys: [("gsi1", vec!["gsi1pk", "gsi1sk"]), ("by-owner", vec!["pk", "owner"])]
                .map(|(index, key)| (index.to_owned(), key.into_iter().map(str::to_owned).collect()))
                .into(),
            conditions: [("sk".to_owned(), Condition::BeginsWith("ORDER#".into()))].into(),
            links: [("pk", "USER#{user_id}"), ("gsi1pk", "MAIL#{email}")].map(|(f, t)| (f.into(), t.into())).into(),
        }
    }

    #[test]
    fn a_row_is_of_a_collection_if_its_conditions_and_the_forms_of_its_key_hold() {
        let table = single_table();
        let holds = |pk: &str, sk: &str| {
            let row = BTreeMap::from([("pk", pk), ("sk", sk)]);
            table.holds(|field| row.get(field).copied())
        };
        assert!(holds("USER#1", "ORDER#7"), "an index's form is not asked for: the index may be sparse");
        assert!(!holds("USER#1", "PROFILE"));
        assert!(!holds("TEAM#1", "ORDER#7"));
        assert!(!holds("USER#", "ORDER#7"), "no value at all");
    }

    #[test]
    fn the_key_that_covers_most_is_asked_and_the_table_before_its_indexes() {
        let table = single_table();
        let path = |fields: &[&str]| table.path(fields).map(|path| (path.index, path.partition, path.sort));
        assert_eq!(path(&["pk"]), Some((None, "pk", Some("sk"))));
        assert_eq!(path(&["gsi1pk"]), Some((Some("gsi1"), "gsi1pk", Some("gsi1sk"))));
        assert_eq!(path(&["pk", "owner"]), Some((Some("by-owner"), "pk", Some("owner"))));
        assert_eq!(path(&["pk", "title"]), Some((None, "pk", Some("sk"))));
        assert_eq!(path(&["owner"]), None, "the partition is not known");
        assert_eq!(path(&["title"]), None);
        let fixed = Table { conditions: [("pk".to_owned(), Condition::Equals("ORDERS".into()))].into(), ..table };
        assert_eq!(fixed.path(&["owner"]).and_then(|path| path.index), Some("by-owner"));
    }

    #[test]
    fn collections_on_one_table_are_apart_if_a_field_tells_them_apart() {
        let with = |conditions: &[(&str, Condition)], links: &[(&str, &str)]| Table {
            conditions: conditions.iter().map(|(field, condition)| ((*field).to_owned(), condition.clone())).collect(),
            links: links.iter().map(|(field, form)| ((*field).to_owned(), (*form).to_owned())).collect(),
            ..single_table()
        };
        let orders = with(&[("sk", Condition::BeginsWith("ORDER#".into()))], &[]);
        let profile = with(&[("sk", Condition::Equals("PROFILE".into()))], &[]);
        let items = with(&[], &[("pk", "ORDER#{shop.orders.order_id}")]);
        let users = with(&[], &[("pk", "USER#{user_id}")]);
        let open = with(&[("sk", Condition::BeginsWith("ORDER#OPEN".into()))], &[]);
        assert!(orders.is_apart_from(&profile) && profile.is_apart_from(&orders));
        assert!(items.is_apart_from(&users));
        assert!(!orders.is_apart_from(&users), "they say something of different fields");
        assert!(!orders.is_apart_from(&open));
        let by_mail = with(&[], &[("gsi1pk", "MAIL#{email}")]);
        let by_phone = with(&[], &[("gsi1pk", "PHONE#{phone_number}")]);
        assert!(!by_mail.is_apart_from(&by_phone), "a row that is in no index is of both");
    }

    #[test]
    fn a_form_has_one_name_in_braces() {
        let form = Template::of("USER#{user_id}#").unwrap();
        assert_eq!((form.with("7"), form.value_in("USER#7#")), ("USER#7#".to_owned(), Some("7")));
        assert_eq!(form.value_in("USER#7"), None);
        for text in ["USER#", "{}", "{a}{b}", "}{a}", "{a}}", "{a{b}"] {
            assert_eq!(Template::of(text), None, "{text}");
        }
    }

    fn condition() -> impl Strategy<Value = Condition> {
        let text = "[ab]{0,3}";
        prop_oneof![
            text.prop_map(Condition::Equals),
            text.prop_map(Condition::BeginsWith),
            (text, text).prop_map(|(one, other)| Condition::Between(one, other)),
        ]
    }

    proptest! {
        #[test]
        fn conditions_that_exclude_one_another_hold_together_of_no_text(one in condition(), other in condition()) {
            prop_assert_eq!(one.excludes(&other), other.excludes(&one));
            // Every text of four letters, so that one with each start is among them.
            let mut texts = vec![String::new()];
            let mut at = 0;
            while let Some(text) = texts.get(at).cloned() {
                if one.excludes(&other) {
                    prop_assert!(!(one.holds(&text) && other.holds(&text)), "{}", text);
                }
                if text.len() < 4 {
                    texts.extend(["a", "b"].map(|letter| format!("{text}{letter}")));
                }
                at += 1;
            }
        }
    }
}
