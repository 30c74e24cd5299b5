//! What a rule does to a field, in words, for whoever reads policies and plans. Pure.

use std::borrow::Cow;

use super::{Generalisation, KAnonymity, Mark, Restrict, Retention, Strategy};
use crate::mask::{Class, DETACHED};

/// What becomes of a field that a strategy is named for.
#[must_use]
pub fn strategy(strategy: &Strategy) -> String {
    let how = how(strategy);
    match (Class::of(strategy), how) {
        (Class::Erasure, _) => "erased".to_owned(),
        (Class::Anonymisation, how) => format!("anonymised: {}", how.unwrap_or_default()),
        (Class::Redaction, how) => format!("redacted: {}", how.unwrap_or_default()),
        (Class::Randomisation, how) => format!("randomised: {}", how.unwrap_or_default()),
        (Class::Pseudonymisation, how) => format!("pseudonymised: {}", how.unwrap_or_default()),
        (Class::Unchanged, _) => "kept, it identifies nobody".to_owned(),
    }
}

/// What takes the place of a value; none: nothing does.
#[must_use]
pub fn how(strategy: &Strategy) -> Option<String> {
    let words = match strategy {
        Strategy::Erase | Strategy::Null | Strategy::Keep => return None,
        Strategy::Fixed(text) => return Some(format!("fixed text \"{text}\"")),
        Strategy::Detach => return Some(format!("detached, \"{DETACHED}\"")),
        Strategy::Generalise(how) => return Some(format!("{} only", coarser(*how))),
        Strategy::RandomText(form) if !form.suffix.is_empty() => {
            return Some(format!("random token before \"{}\"", form.suffix));
        }
        Strategy::Random | Strategy::RandomText(_) => "random token",
        Strategy::RandomFormat => "random characters of the same kind",
        Strategy::SaltedHash => "hash under a salt that is thrown away",
        Strategy::Scan => "what is known of the person taken out",
        Strategy::Hash => "hash without a salt",
        Strategy::Shuffle => "a value of somebody else's, drawn at random, or nothing, where too few others have one",
        Strategy::Hmac => "keyed digest",
        Strategy::Encrypt => "encrypted",
    };
    Some(words.to_owned())
}

/// In what groups a row may stay.
#[must_use]
pub fn groups(demand: &KAnonymity) -> String {
    format!(
        "a row stays where at least {} are alike in {}, and goes otherwise",
        demand.k,
        demand.quasi_identifiers.join(", ")
    )
}

/// What is done to rows that are kept for a time, so that nobody uses them meanwhile.
#[must_use]
pub fn restriction(restrict: &Restrict) -> String {
    match restrict {
        Restrict::Mark(marks) => {
            let marks = marks.iter().map(|(field, mark)| match mark {
                Mark::Truth(truth) => format!("{field} = {truth}"),
                Mark::Number(number) => format!("{field} = {number}"),
                Mark::Text(text) => format!("{field} = \"{text}\""),
            });
            format!("marked {}", marks.collect::<Vec<_>>().join(", "))
        }
        Restrict::MoveTo(collection) => format!("moved to {collection}"),
    }
}

/// Until when rows are kept while nobody asks.
#[must_use]
pub fn retention(retention: &Retention) -> String {
    format!("until {} + {} ({})", retention.start_field, retention.period.0, retention.source)
}

fn coarser(how: Generalisation) -> Cow<'static, str> {
    let words = match how {
        Generalisation::Year => "the year",
        Generalisation::Month => "the month",
        Generalisation::Decade => "the decade",
        Generalisation::City => "province and city",
        Generalisation::CoarseLocation => "a place within ten kilometres",
        Generalisation::Coordinates(decimals) => return format!("coordinates to {decimals} decimals").into(),
        Generalisation::AgeBand(years) => return format!("the age group of {years} years").into(),
    };
    words.into()
}
