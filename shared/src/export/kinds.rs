//! What the index says of each category of data that a package holds: what it is, what it is for, where it is, how long it
//! is kept, who else gets it. All of it from the policy. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Span;
use serde::Serialize;

use super::category_words;
use super::words::{is_chinese, word};
use crate::policy::{
    CollectionRule, ErasureRule, Field, Item, Period, Pinned, Recipient, RecipientKind, categories, in_language,
};

/// One category.
#[derive(Serialize)]
pub(super) struct Kind {
    key: String,
    name: String,
    meaning: String,
    purposes: BTreeSet<String>,
    collections: BTreeSet<String>,
    named_in: BTreeSet<String>,
    retention: BTreeSet<String>,
    recipients: BTreeSet<String>,
}

/// The categories of all fields of these collections, by key.
pub(super) fn kinds(policy: &Pinned, held: &[&str], language: &str) -> Vec<Kind> {
    // Category to the full names of the fields that carry it.
    let mut places: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for name in held {
        let fields = policy.collection(name).map_or(&[][..], |collection| collection.fields.as_slice());
        for field in fields {
            for category in categories_of(field) {
                places.entry(category).or_default().insert(format!("{name}.{}", field.name));
            }
        }
    }
    places.iter().map(|(key, fields)| kind(policy, key, fields, language)).collect()
}

/// The categories of a field and of those inside it.
pub(super) fn categories_of(field: &Field) -> Vec<&str> {
    let own = field.data_categories.iter().map(String::as_str);
    own.chain(field.fields.iter().flat_map(categories_of)).collect()
}

fn kind(policy: &Pinned, key: &str, fields: &BTreeSet<String>, language: &str) -> Kind {
    let (name, meaning) = category_words::of(key, is_chinese(language));
    let is_meant = |item: &&Item| item.fields.iter().any(|field| fields.iter().any(|held| is_in(held, field)));
    let items: Vec<&Item> = policy.policy().items.iter().filter(is_meant).collect();
    let purposes = &policy.policy().purposes;
    let collections: BTreeSet<String> =
        fields.iter().filter_map(|field| field.rsplit_once('.')).map(|(collection, _)| collection.to_owned()).collect();
    let gets_it = |recipient: &&Recipient| {
        items.iter().any(|item| item.recipients.contains(&recipient.id))
            || recipient.categories.iter().any(|category| categories::is_within(key, category))
    };
    Kind {
        key: key.to_owned(),
        name,
        meaning,
        purposes: items
            .iter()
            .flat_map(|item| &item.purposes)
            .filter_map(|purpose| purposes.get(purpose))
            .map(|text| in_language(text, language).to_owned())
            .collect(),
        named_in: items.iter().map(|item| item.source.clone()).filter(|source| !source.is_empty()).collect(),
        retention: collections.iter().flat_map(|name| retention_of(policy, name, language)).collect(),
        recipients: policy.policy().recipients.iter().filter(gets_it).map(|one| recipient(one, language)).collect(),
        collections,
    }
}

/// Whether an item's field, which may be one inside another, is this field of a collection.
fn is_in(held: &str, item_field: &str) -> bool {
    item_field.strip_prefix(held).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// By name, with what kind of recipient it is.
fn recipient(recipient: &Recipient, language: &str) -> String {
    let kind = match recipient.kind {
        RecipientKind::Affiliate => "recipient_affiliate",
        RecipientKind::Processor => "recipient_processor",
        RecipientKind::Partner => "recipient_partner",
        RecipientKind::Advertising => "recipient_advertising",
        RecipientKind::Authority => "recipient_authority",
        RecipientKind::Public => "recipient_public",
    };
    let aggregated = if recipient.aggregated { word(language, "recipient_aggregated") } else { "" };
    let (open, close) = (word(language, "bracket_open"), word(language, "bracket_close"));
    format!("{}{open}{}{aggregated}{close}", recipient.name, word(language, kind))
}

/// How long the rows of a collection are kept: while nobody asks, and after an erasure that must leave some.
pub(super) fn retention_of(policy: &Pinned, name: &str, language: &str) -> Vec<String> {
    let Some(CollectionRule { retention, erasure, .. }) = policy.rule(name) else {
        return Vec::new();
    };
    let mut texts = vec![match retention {
        None => word(language, "retention_account").to_owned(),
        Some(retention) => counted(retention.period, &retention.start_field, language),
    }];
    if let ErasureRule::Retain { start_field, period, basis, .. } = erasure {
        let kept = counted(*period, start_field, language);
        let basis = in_language(basis, language);
        texts.push(format!("{}{kept}{}{basis}", word(language, "retention_erased"), word(language, "colon")));
    }
    texts
}

fn counted(period: Period, start_field: &str, language: &str) -> String {
    let length = length(&period.0, language);
    word(language, "retention_counted").replace("{period}", &length).replace("{field}", start_field)
}

/// A period in words.
fn length(span: &Span, language: &str) -> String {
    let parts = [
        (i64::from(span.get_years()), "year"),
        (i64::from(span.get_months()), "month"),
        (i64::from(span.get_weeks()), "week"),
        (i64::from(span.get_days()), "day"),
        (i64::from(span.get_hours()), "hour"),
        (span.get_minutes(), "minute"),
        (span.get_seconds(), "second"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count != 0).map(|(count, unit)| {
        let (singular, plural) = (format!("unit_{unit}"), format!("unit_{unit}s"));
        format!("{count} {}", word(language, if *count == 1 { &singular } else { &plural }))
    });
    parts.collect::<Vec<_>>().join(" ")
}
