//! What a dataset says that an erasure does, and what cannot be written at all.

use std::collections::BTreeMap;

use super::Problems;
use crate::policy::dataset::{self, MaskingOverride, visit};
use crate::policy::expand::strategy_at;
use crate::policy::{Bundle, Collection, ErasureRule, Field, Strategy, categories};

/// Where an override stands in a collection or field.
const KEYS: [&str; 2] = ["fides_meta", "masking_strategy_override"];

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    defaults(bundle, problems);
    for (name, collection) in &dataset::by_name(&bundle.datasets) {
        let rule = bundle.policy.collections.get(name).map(|rule| &rule.erasure);
        if let Some(masking) = &collection.fides_meta.masking_strategy_override {
            whole(name, masking, rule, problems);
        }
        visit(&collection.fields, "", &mut |path, field| {
            if let Some(masking) = &field.fides_meta.masking_strategy_override {
                of_field(name, collection, path, field, masking, rule, problems);
            }
        });
    }
}

/// Defaults that name categories that exist, and strategies that are anonymisation.
fn defaults(bundle: &Bundle, problems: &mut Problems) {
    for (position, default) in bundle.policy.erasure_defaults.iter().enumerate() {
        let at = position.to_string();
        for category in default.categories.iter().filter(|category| categories::find(category).is_none()) {
            let message = format!("category {category:?} does not exist in fideslang");
            problems.policy(&["erasure_defaults", &at, "categories"], message);
        }
        if default.categories.is_empty() {
            problems
                .policy(&["erasure_defaults", &at], "name the categories: categories: [user] for all that is personal");
        }
    }
}

fn whole(name: &str, masking: &MaskingOverride, rule: Option<&ErasureRule>, problems: &mut Problems) {
    if !masking.is_delete() {
        let message = format!("a collection has the strategy delete and no other, not {:?}", masking.strategy);
        problems.refuse(name, None, &KEYS, message);
    } else if rule.is_some_and(|rule| !matches!(rule, ErasureRule::Erase { .. })) {
        problems.warn(name, None, &KEYS, set_aside(name));
    }
}

fn of_field(
    name: &str,
    collection: &Collection,
    path: &str,
    field: &Field,
    masking: &MaskingOverride,
    rule: Option<&ErasureRule>,
    problems: &mut Problems,
) {
    let understood = match masking.understood() {
        Ok(understood) => understood,
        Err(message) => return problems.refuse(name, Some(path), &KEYS, message),
    };
    let Some(rule) = rule else { return };
    let fields = match rule {
        ErasureRule::Anonymise { fields, .. } | ErasureRule::Retain { fields, .. } => fields,
        ErasureRule::Erase { .. } | ErasureRule::Keep { .. } => &BTreeMap::new(),
    };
    let done = strategy_at(fields, path);
    let stays = matches!(rule, ErasureRule::Anonymise { .. } | ErasureRule::Keep { .. }) && done.is_none();
    let deletes = collection.fides_meta.masking_strategy_override.as_ref().is_some_and(MaskingOverride::is_delete);
    if done.is_some_and(|done| is_same(done, &understood.strategy)) {
        for note in understood.notes {
            problems.warn(name, Some(path), &KEYS, note);
        }
    } else if stays && understood.strategy == Strategy::Keep {
        // It asks for nothing, and nothing is done.
    } else if deletes && matches!(rule, ErasureRule::Erase { .. }) {
        problems.warn(name, Some(path), &KEYS, "the rows of the collection go as a whole, so this is set aside");
    } else if done.is_some() && !fields.contains_key(path) {
        let message = "the object that it is in is masked as a whole, so this is set aside, as in Fides";
        problems.warn(name, Some(path), &KEYS, message);
    } else if stays && !field.is_personal() {
        let message = "the field has no category that is personal or under erasure_defaults, so this does nothing, as in \
                       Fides";
        problems.warn(name, Some(path), &KEYS, message);
    } else {
        problems.warn(name, Some(path), &KEYS, set_aside(name));
    }
}

/// Whether a rule does what an override asks for, but for the length that the field takes.
fn is_same(done: &Strategy, asked: &Strategy) -> bool {
    match (done, asked) {
        (Strategy::Fixed(done), Strategy::Fixed(asked)) => asked.starts_with(done.as_str()),
        (Strategy::RandomText(done), Strategy::RandomText(asked)) => done.suffix == asked.suffix,
        (Strategy::RandomText(done), Strategy::Random) => done.suffix.is_empty(),
        _ => done == asked,
    }
}

fn set_aside(name: &str) -> String {
    format!("the rule of {name} says otherwise, so this is set aside; change one of the two")
}
