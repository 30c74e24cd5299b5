//! Whether values of others may be drawn for a field, and whether the row that gets them may be called anonymous.
//!
//! The rule of this file: a value that is drawn is still true of whoever it is from, so it must be one that many share and that
//! harms nobody; and permutation alone makes no row anonymous (WP216 section 3.1.2), so all else that tells must go.

use std::collections::BTreeMap;

use super::Problems;
use super::rules::Check;
use crate::mask::{Class, leaves_a_token};
use crate::policy::{CollectionRule, ErasureRule, Field, KAnonymity, Place, Strategy, ViaRule, categories};

type Strategies = BTreeMap<String, Strategy>;

/// What is wrong with drawing values for a field.
pub(super) fn strategy(path: &[&str], check: &Check<'_>, field: &str, problems: &mut Problems) {
    let instead = "use generalise, random or erase";
    let not_by_chance = match check.place {
        Place::Relation { .. } => None,
        Place::Table(_) => Some("DynamoDB reads a table from some key on and cannot pick rows of it by chance"),
        Place::Objects { .. } | Place::Rows { .. } => {
            Some("all objects would have to be read to pick rows of them by chance")
        }
    };
    if let Some(why) = not_by_chance {
        problems.policy(path, format!("{why}, so shuffle is for collections in PostgreSQL: {instead}"));
    }
    let Some(described) = check.collection.at(field) else { return };
    if check.collection.field(field).is_none() || !described.fields.is_empty() || described.fides_meta.is_list() {
        let message = format!("shuffle is for whole columns of single values, and {field} is none: {instead}");
        problems.policy(path, message);
    }
    if leads_somewhere(check, field, described) {
        let message =
            format!("{field} is a key, or leads to rows, and a value of others leads to theirs: use random or erase");
        problems.policy(path, message);
    }
    let is_personal = |category: &&String| categories::is_within(category, "user");
    let mut personal = described.data_categories.iter().filter(is_personal);
    if let Some(category) = personal.find(|category| !categories::is_shared_by_many(category)) {
        let message = format!(
            "what is drawn is still somebody's, and {category} tells who, says what only they would, or does harm; shuffle is \
             for what many have alike, as {}: {instead}",
            categories::SHARED_BY_MANY.join(", ")
        );
        problems.policy(path, message);
    }
}

/// Whether a field is a key, a link or a reference, or is referred to.
fn leads_somewhere(check: &Check<'_>, field: &str, described: &Field) -> bool {
    let meta = &described.fides_meta;
    let is_link = check.links.iter().any(|link| link.pairs.iter().any(|pair| pair.field == field));
    let (dataset, collection) = check.name.split_once('.').unwrap_or((check.name, ""));
    let here = format!("{collection}.{field}");
    let mut is_referred_to = false;
    for collection in check.bundle.datasets.iter().flat_map(|dataset| &dataset.collections) {
        crate::policy::dataset::visit(&collection.fields, "", &mut |_, other| {
            let mut references = other.fides_meta.references.iter();
            is_referred_to |= references.any(|reference| reference.dataset == dataset && reference.field == here);
        });
    }
    is_link
        || is_referred_to
        || meta.primary_key == Some(true)
        || meta.identity.is_some()
        || !meta.references.is_empty()
}

/// What is wrong with a rule that has values drawn.
pub(super) fn rule(check: &Check<'_>, rule: &CollectionRule, problems: &mut Problems) {
    let path = ["collections", check.name, "erasure"];
    let at = [&path[..], &["fields"]].concat();
    match &rule.erasure {
        ErasureRule::Anonymise { fields, k_anonymity, .. } => {
            for field in drawn(fields) {
                let at = [&at[..], &[field]].concat();
                stays(check, rule, fields, (field, &at), problems);
                quasi_identifier(field, k_anonymity.as_ref(), &path, problems);
            }
            if drawn(fields).next().is_some() {
                beside(check, fields, k_anonymity.as_ref(), &at, problems);
            }
        }
        ErasureRule::Retain { fields, .. } => {
            for field in drawn(fields) {
                let message =
                    "a row that is retained is kept for what is true in it, and a value of others is not: use erase";
                problems.policy(&[&at[..], &[field]].concat(), message);
            }
        }
        ErasureRule::Erase { .. } | ErasureRule::Keep { .. } => {}
    }
    let (ErasureRule::Erase { via } | ErasureRule::Anonymise { via, .. }) = &rule.erasure else { return };
    for (link, rule) in via {
        let ViaRule::Anonymise { fields } = rule else { continue };
        for field in drawn(fields) {
            let message =
                "the row stays somebody else's, who would find in it what is true of a third: use erase or random";
            problems.policy(&[&path[..], &["via", link, "fields", field]].concat(), message);
        }
    }
}

fn drawn(fields: &Strategies) -> impl Iterator<Item = &str> {
    fields.iter().filter(|(_, strategy)| **strategy == Strategy::Shuffle).map(|(field, _)| field.as_str())
}

/// What keeps a row with a value that was drawn from being told from one that was not, or from being met by a sweep.
fn stays(check: &Check<'_>, rule: &CollectionRule, fields: &Strategies, at: (&str, &[&str]), problems: &mut Problems) {
    let (field, at) = at;
    if rule.retention.is_some() {
        let message = "a sweep has rows of many people at once, and could not tell theirs from others': leave the retention \
                       out, or use generalise, random or erase";
        problems.policy(at, message);
    }
    let mut links = check.links.iter().flat_map(|link| &link.pairs).filter_map(|pair| fields.get(&pair.field));
    if !links.any(leaves_a_token) {
        let message = format!(
            "nothing would tell that {field} was drawn already, so it would be again with each run: replace the link by \
             random, random_text or salted_hash"
        );
        problems.policy(at, message);
    }
}

fn quasi_identifier(field: &str, demand: Option<&KAnonymity>, path: &[&str], problems: &mut Problems) {
    if demand.is_some_and(|demand| demand.quasi_identifiers.iter().any(|named| named == field)) {
        let message = format!(
            "nobody knows what is drawn for {field} until it is, so no group can be counted by it, and it says nothing of the \
             person: leave it out"
        );
        problems.policy(&[path, &["k_anonymity", "quasi_identifiers"]].concat(), message);
    }
}

/// What else stays in the row. What is erased, replaced or detached tells nothing; what is scanned may, and what is coarse may
/// with others.
fn beside(check: &Check<'_>, fields: &Strategies, demand: Option<&KAnonymity>, at: &[&str], problems: &mut Problems) {
    let source = Class::Randomisation.source().unwrap_or_default();
    let personal = |field: &str| check.collection.at(field).is_some_and(Field::is_personal);
    for (field, strategy) in fields.iter().filter(|(field, _)| personal(field)) {
        let at = [at, &[field.as_str()]].concat();
        let is_counted = demand.is_some_and(|demand| demand.quasi_identifiers.iter().any(|named| named == field));
        match strategy {
            Strategy::Scan => {
                let message = format!(
                    "what {field} says beside values that are shuffled may tell whose the row is ({source}): use erase or fixed"
                );
                problems.policy(&at, message);
            }
            Strategy::Generalise(_) if !is_counted => {
                let message = format!(
                    "{field} stays beside values that are shuffled, and what is coarse may still tell whose the row is \
                     ({source}): erase it, or demand k_anonymity over it"
                );
                problems.warn_policy(&at, message);
            }
            _ => {}
        }
    }
}
