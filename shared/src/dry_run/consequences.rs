//! What becomes of each category of a person's data, in words for the person: from the policy's rules, without looking at
//! anybody's rows. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::outline::{Does, Outline, PlannedStep};
use crate::export::category_words;
use crate::export::words::{choose, is_chinese};
use crate::plan::{NotServed, Work};
use crate::policy::dataset::visit;
use crate::policy::{ErasureRule, Pinned, categories, in_language, refusal_text};
use crate::request::{Exemptions, Ground, Matter};

/// What becomes of a category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consequence {
    /// Its key, as fideslang has it.
    pub category: String,
    /// Its name, in the person's language.
    pub name: String,
    /// What becomes of it: more than one thing, if it is in several collections.
    pub outcomes: Vec<Fate>,
}

/// What becomes of data in some collections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// In a word.
    pub what: What,
    /// In a sentence, in the person's language.
    pub text: &'static str,
    /// Whether nobody can bring it back.
    pub irreversible: bool,
    /// How long it is kept, ISO 8601. It goes after that.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// The field with the moment that the time counts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_from: Option<String>,
    /// Why it is kept, in the person's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<String>,
    /// Where: names of collections.
    pub collections: Vec<String>,
}

/// What can become of data, what is worst to lose first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It goes.
    Deleted,
    /// What is left of it is nobody's.
    Anonymised,
    /// What is known of the person is taken out of it.
    Redacted,
    /// A value of somebody else's takes its place, by chance, or nothing, where too few others have one.
    Randomised,
    /// It is kept for a time, and then goes.
    Retained,
    /// It stays: with others, or since it says nothing of the person.
    Stays,
    /// An operator left it out: it stays as it is.
    LeftOut,
}

impl What {
    fn of(does: Does) -> Option<Self> {
        match does {
            Does::Erase => Some(Self::Deleted),
            Does::Anonymise | Does::Pseudonymise => Some(Self::Anonymised),
            Does::Redact => Some(Self::Redacted),
            Does::Randomise => Some(Self::Randomised),
            Does::Retain => Some(Self::Retained),
            Does::Keep => Some(Self::Stays),
            Does::Export | Does::Mask | Does::Omit => None,
        }
    }

    fn text(self, language: &str) -> &'static str {
        let (english, chinese) = match self {
            Self::Deleted => ("Deleted, and nobody can bring it back.", "删除，且无法恢复。"),
            Self::Anonymised => (
                "Replaced by what is of nobody. It cannot be traced back to you, nor brought back.",
                "匿名化处理，无法再关联到您，也无法恢复。",
            ),
            Self::Redacted => (
                "What is known of you is taken out of it, and cannot be put back.",
                "删去其中与您有关的内容，且无法恢复。",
            ),
            Self::Randomised => (
                "Yours is deleted, and nobody can bring it back. A value of somebody else's, drawn at random, takes its place, \
                 or nothing, where too few others have one.",
                "删除您的数据，以随机抽取的他人数据代替，他人数据过少时不作代替，且无法恢复。",
            ),
            Self::Retained => ("Kept for a time, then deleted.", "保存一段时间，期满后删除。"),
            Self::Stays => (
                "Stays where it is shared with others, or tells nothing of you.",
                "与他人共有或不涉及您的内容予以保留。",
            ),
            Self::LeftOut => ("To delete it was refused. It stays as it is.", "决定不予删除，保持原状。"),
        };
        choose(language, english, chinese)
    }
}

/// What becomes of a category in one collection: what, for how long, counted from when, why.
type Place = (What, Option<String>, Option<String>, Option<String>);

/// What a matter does to each category of personal data that the policy knows of. Collections that an operator left out of it
/// stay as they are, each on its ground.
///
/// # Errors
/// [`NotServed`] for a right that this version does not do the work of.
pub fn consequences(
    policy: &Pinned,
    matter: Matter,
    exempt: &Exemptions,
    language: &str,
) -> Result<Vec<Consequence>, NotServed> {
    let outline = Outline::of(policy, matter, false)?;
    let mut found: BTreeMap<String, BTreeMap<Place, Vec<String>>> = BTreeMap::new();
    for step in outline.steps.iter().filter(|step| matches!(step.work, Work::Erase { .. })) {
        let name = step.work.collection().unwrap_or_default();
        let places = match exempt.get(name) {
            Some(ground) => left_out(policy, name, ground, language),
            None => places(policy, step, language),
        };
        for (category, place) in places {
            let collections = found.entry(category).or_default().entry(place).or_default();
            if collections.last().is_none_or(|last| last != name) {
                collections.push(name.to_owned());
            }
        }
    }
    let consequence = |(category, places): (String, BTreeMap<Place, Vec<String>>)| {
        let name = category_words::of(&category, is_chinese(language)).0;
        Consequence { name, outcomes: places.into_iter().map(|place| fate(place, language)).collect(), category }
    };
    Ok(found.into_iter().map(consequence).collect())
}

fn fate(((what, period, counted_from, basis), collections): (Place, Vec<String>), language: &str) -> Fate {
    let irreversible = matches!(what, What::Deleted | What::Anonymised | What::Redacted | What::Randomised);
    Fate { what, text: what.text(language), irreversible, period, counted_from, basis, collections }
}

/// Each personal category of a step's collection, with what becomes of it there.
fn places(policy: &Pinned, step: &PlannedStep, language: &str) -> Vec<(String, Place)> {
    let name = step.work.collection().unwrap_or_default();
    let (Some(collection), Some(rule)) = (policy.collection(name), policy.rule(name)) else { return Vec::new() };
    let mut by_path: BTreeMap<&str, Does> = BTreeMap::new();
    let mut shared: Vec<(&str, Does)> = Vec::new();
    for action in &step.actions {
        match action.found_by {
            None => {
                by_path.insert(&action.field, action.action);
            }
            Some(_) => shared.push((&action.field, action.action)),
        }
    }
    let mut found = Vec::new();
    visit(&collection.fields, "", &mut |path, field| {
        let does = |named: &str| named == path || path.strip_prefix(named).is_some_and(|rest| rest.starts_with('.'));
        // Of a field inside an object that no strategy names, what becomes of the object says it.
        let own = by_path.iter().rev().find(|(named, _)| does(named)).map(|(_, does)| *does);
        let others = shared.iter().filter(|(named, _)| does(named)).map(|(_, does)| *does);
        for what in own.into_iter().chain(others).filter_map(What::of) {
            let (period, counted_from, basis) = kept(&rule.erasure, what, language);
            for category in field.data_categories.iter().filter(|category| categories::is_within(category, "user")) {
                found.push((category.clone(), (what, period.clone(), counted_from.clone(), basis.clone())));
            }
        }
    });
    found
}

/// Each personal category of a collection that an operator left out, with the ground and where that stands.
fn left_out(policy: &Pinned, name: &str, ground: &Ground, language: &str) -> Vec<(String, Place)> {
    let Some(collection) = policy.collection(name) else { return Vec::new() };
    let basis = format!("{} ({})", refusal_text(policy, ground, language), ground.source);
    let mut found = Vec::new();
    visit(&collection.fields, "", &mut |_, field| {
        for category in field.data_categories.iter().filter(|category| categories::is_within(category, "user")) {
            found.push((category.clone(), (What::LeftOut, None, None, Some(basis.clone()))));
        }
    });
    found
}

/// How long something is kept, counted from when, and why.
fn kept(rule: &ErasureRule, what: What, language: &str) -> (Option<String>, Option<String>, Option<String>) {
    match (rule, what) {
        (ErasureRule::Retain { start_field, period, basis, .. }, What::Retained) => {
            let basis = in_language(basis, language).to_owned();
            (Some(period.0.to_string()), Some(start_field.clone()), Some(basis))
        }
        (ErasureRule::Keep { reason }, What::Stays) => (None, None, Some(in_language(reason, language).to_owned())),
        _ => (None, None, None),
    }
}
