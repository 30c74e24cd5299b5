//! Makes of a policy as it is written, with its datasets, one that says everything: categories that a dataset or collection
//! gives to all of its fields, the schema of a database, rules that follow from a dataset, items of its fields. Pure.
//!
//! The rule of this room: what comes out needs no second look at the datasets to be understood, so that a pinned policy
//! says by itself what an erasure does, and `habeas policy show` prints it.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::{self, Dataset, Field};
use super::model::{Item, Text, WrittenPolicy};
use super::rules::{CollectionRule, DefaultStrategy, ErasureRule, RandomText, Strategy, WrittenRule};
use super::systems::{PUBLIC, System};
use super::{Bundle, Collection, Graph, Link, Origin, Policy, categories};
use crate::mask::{LEAST_TOKEN_LENGTH, TOKEN_LENGTH};

/// A policy that says everything.
pub struct Expanded {
    /// The policy with its datasets.
    pub bundle: Bundle,
    /// Full names of the collections whose rule follows from their dataset.
    pub from_datasets: BTreeSet<String>,
}

/// Rules that do not say what an erasure does.
type Undecided = BTreeMap<String, WrittenRule>;

/// Makes a policy say everything.
#[must_use]
pub fn expand(written: WrittenPolicy, mut datasets: Vec<Dataset>) -> Expanded {
    datasets.iter_mut().for_each(hand_down_categories);
    let (policy, undecided) = split(written);
    let mut bundle = Bundle { policy, datasets };
    name_schemas(&mut bundle);
    let rules = rules(&bundle, undecided);
    let from_datasets = rules.keys().cloned().collect();
    bundle.policy.collections.extend(rules);
    let items = items(&bundle);
    bundle.policy.items.extend(items);
    Expanded { bundle, from_datasets }
}

impl Expanded {
    /// The bundle without what has done its work.
    #[must_use]
    pub fn into_bundle(mut self) -> Bundle {
        self.bundle.policy.erasure_defaults.clear();
        self.bundle.policy.items_from_datasets = None;
        self.bundle
    }
}

/// Gives the categories of a dataset and a collection to each field that has none of its own.
fn hand_down_categories(dataset: &mut Dataset) {
    fn below(fields: &mut [Field], categories: &[String]) {
        for field in fields.iter_mut().filter(|field| field.data_categories.is_empty()) {
            if field.fields.is_empty() {
                field.data_categories = categories.to_vec();
            } else {
                below(&mut field.fields, categories);
            }
        }
    }
    for collection in &mut dataset.collections {
        let from =
            if collection.data_categories.is_empty() { &dataset.data_categories } else { &collection.data_categories };
        below(&mut collection.fields, &from.clone());
    }
}

fn split(written: WrittenPolicy) -> (Policy, Undecided) {
    let mut collections = BTreeMap::new();
    let mut undecided = Undecided::new();
    for (name, rule) in written.collections {
        match rule.erasure {
            Some(erasure) => {
                collections.insert(name, CollectionRule { retention: rule.retention, erasure, others: rule.others });
            }
            None => {
                undecided.insert(name, rule);
            }
        }
    }
    let policy = Policy {
        habeas: written.habeas,
        id: written.id,
        version: written.version,
        title: written.title,
        source: written.source,
        jurisdiction: written.jurisdiction,
        controller: written.controller,
        subject: written.subject,
        systems: written.systems,
        purposes: written.purposes,
        recipients: written.recipients,
        rights: written.rights,
        refusals: written.refusals,
        fee: written.fee,
        items: written.items,
        items_from_datasets: written.items_from_datasets,
        collections,
        erasure_defaults: written.erasure_defaults,
        export: written.export,
        app: written.app,
        holds: written.holds,
        commitments: written.commitments,
    };
    (policy, undecided)
}

fn name_schemas(bundle: &mut Bundle) {
    for system in &mut bundle.policy.systems {
        let System::Postgresql(database) = system else { continue };
        if database.schema.is_empty() {
            let dataset = bundle.datasets.iter().find(|dataset| dataset.fides_key == database.dataset);
            database.schema = dataset.and_then(Dataset::schema).unwrap_or(PUBLIC).to_owned();
        }
    }
}

/// Rules of the collections that have none, or one that does not say what an erasure does.
fn rules(bundle: &Bundle, mut undecided: Undecided) -> BTreeMap<String, CollectionRule> {
    let graph = Graph::of(bundle);
    let defaults = &bundle.policy.erasure_defaults;
    let mut rules = BTreeMap::new();
    for (name, collection) in dataset::by_name(&bundle.datasets) {
        if !graph.collections().any(|held| held == name) || bundle.policy.collections.contains_key(&name) {
            continue;
        }
        let written = undecided.remove(&name);
        if written.is_some() || !defaults.is_empty() || says_what_to_do(collection) {
            let WrittenRule { retention, others, .. } = written.unwrap_or_default();
            let erasure = erasure(bundle, collection, graph.links(&name));
            rules.insert(name, CollectionRule { retention, erasure, others });
        }
    }
    // What is in no dataset, or skipped, has a rule all the same, so that the check can say so.
    rules.extend(undecided.into_iter().map(|(name, written)| {
        let WrittenRule { retention, others, .. } = written;
        (name, CollectionRule { retention, erasure: ErasureRule::Erase { via: BTreeMap::new() }, others })
    }));
    rules
}

/// Whether a dataset says itself what an erasure does to a collection, or to a field of it.
fn says_what_to_do(collection: &Collection) -> bool {
    let mut says = collection.fides_meta.masking_strategy_override.is_some();
    dataset::visit(&collection.fields, "", &mut |_, field| {
        says |= field.fides_meta.masking_strategy_override.is_some();
    });
    says
}

/// What an erasure does to the rows of a collection by what its dataset and the policy's defaults say: they go, or they
/// lose what is personal and what ties them to the person, or they stay because nothing of that is there.
fn erasure(bundle: &Bundle, collection: &Collection, links: &[Link]) -> ErasureRule {
    if collection.fides_meta.masking_strategy_override.as_ref().is_some_and(dataset::MaskingOverride::is_delete) {
        return ErasureRule::Erase { via: BTreeMap::new() };
    }
    let defaults = &bundle.policy.erasure_defaults;
    let mut fields = BTreeMap::new();
    strategies(defaults, &collection.fields, "", &mut fields);
    let ties: Vec<(&Link, &str, &Field)> = links
        .iter()
        .flat_map(|link| link.pairs.iter().map(move |pair| (link, pair.field.as_str())))
        .filter_map(|(link, path)| Some((link, path, collection.at(path)?)))
        .filter(|(_, _, field)| !field.is_own_key())
        .collect();
    let is_of_the_person = collection.fields.iter().any(Field::is_personal)
        || ties.iter().any(|(link, ..)| link.origin == Origin::Subject);
    if fields.is_empty() && !is_of_the_person {
        return ErasureRule::Keep { reason: nothing_personal(&bundle.policy.controller.languages) };
    }
    for (_, path, field) in ties {
        let is_kept = field.is_read_only() || field.fides_meta.primary_key == Some(true);
        if !is_kept && strategy_at(&fields, path).is_none() {
            let strategy = said(field).or_else(|| default_for(defaults, ["user.unique_id"].into_iter()));
            fields.extend(strategy.map(|strategy| (path.to_owned(), strategy)));
        }
    }
    ErasureRule::Anonymise { fields, k_anonymity: None, via: BTreeMap::new() }
}

/// Strategies of the fields that are personal or that a default names. One that cannot be written gets none, which the
/// check finds.
fn strategies(defaults: &[DefaultStrategy], fields: &[Field], prefix: &str, found: &mut BTreeMap<String, Strategy>) {
    for field in fields {
        let path = format!("{prefix}{}", field.name);
        let default = default_for(defaults, field.data_categories.iter().map(String::as_str));
        if !field.is_itself_personal() && default.is_none() {
            strategies(defaults, &field.fields, &format!("{path}."), found);
        } else if !field.is_read_only() && field.fides_meta.primary_key != Some(true) {
            found.extend(said(field).or(default).map(|strategy| (path, fitted(strategy, field))));
        }
    }
}

/// What the dataset says of a field.
fn said(field: &Field) -> Option<Strategy> {
    Some(field.fides_meta.masking_strategy_override.as_ref()?.understood().ok()?.strategy)
}

/// The default whose category is the longest that one of these is in.
fn default_for<'a>(defaults: &[DefaultStrategy], found: impl Iterator<Item = &'a str>) -> Option<Strategy> {
    let wider = |category: &'a str| {
        defaults.iter().flat_map(move |default| {
            let matching = default.categories.iter().filter(move |wider| categories::is_within(category, wider));
            matching.map(move |wider| (wider.len(), &default.strategy))
        })
    };
    found.flat_map(wider).max_by_key(|(length, _)| *length).map(|(_, strategy)| strategy.clone())
}

/// What is written is cut to what the field takes, as Fides does; a token not so far that it could not be told from others.
fn fitted(strategy: Strategy, field: &Field) -> Strategy {
    let Some(most) = field.fides_meta.length else { return strategy };
    match strategy {
        Strategy::Fixed(text) => Strategy::Fixed(text.chars().take(most).collect()),
        Strategy::Random if most < TOKEN_LENGTH => {
            Strategy::RandomText(RandomText { length: most.max(LEAST_TOKEN_LENGTH), suffix: String::new() })
        }
        Strategy::RandomText(RandomText { length, suffix }) => {
            let room = most.saturating_sub(suffix.chars().count());
            Strategy::RandomText(RandomText { length: length.min(room).max(LEAST_TOKEN_LENGTH), suffix })
        }
        strategy => strategy,
    }
}

/// The strategy of the field at a path, or of one that it is inside of.
#[must_use]
pub fn strategy_at<'a>(fields: &'a BTreeMap<String, Strategy>, path: &str) -> Option<&'a Strategy> {
    let whole = fields.get(path);
    whole.or_else(|| path.rsplit_once('.').and_then(|(outer, _)| strategy_at(fields, outer)))
}

fn nothing_personal(languages: &[String]) -> Text {
    let text = |language: &String| {
        let zh = "数据集未在此处列出任何个人信息。";
        if language.starts_with("zh") { zh } else { "The dataset names nothing personal here." }.to_owned()
    };
    languages.iter().map(|language| (language.clone(), text(language))).collect()
}

/// An item for each category of the personal fields that no item names.
fn items(bundle: &Bundle) -> Vec<Item> {
    let Some(all) = &bundle.policy.items_from_datasets else { return Vec::new() };
    let named: BTreeSet<&String> = bundle.policy.items.iter().flat_map(|item| &item.fields).collect();
    let mut by_category: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let collections = dataset::by_name(&bundle.datasets);
    for (name, collection) in &collections {
        for field in &collection.fields {
            let full_name = format!("{name}.{}", field.name);
            let personal = field.categories().find(|category| categories::is_within(category, "user"));
            if let (Some(category), false) = (personal, named.contains(&full_name)) {
                by_category.entry(category).or_default().push(full_name);
            }
        }
    }
    let purposes = all.purposes.iter().filter(|purpose| bundle.policy.purposes.contains_key(*purpose));
    let purposes: Vec<String> = purposes.cloned().collect();
    let is_taken = |name: &str| bundle.policy.items.iter().any(|item| item.name == name);
    let items = by_category.into_iter().map(|(category, fields)| Item {
        name: if is_taken(category) { format!("{category} of the datasets") } else { category.to_owned() },
        category: category.to_owned(),
        fields,
        purposes: purposes.clone(),
        sensitive: categories::is_sensitive(category),
        required: true,
        recipients: Vec::new(),
        source: all.source.clone(),
    });
    items.collect()
}

#[cfg(test)]
mod tests;
