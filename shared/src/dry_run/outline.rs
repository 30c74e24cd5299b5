//! What a plan says by itself, without looking at anybody's rows: steps, ways, what is done to each field. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::Rows;
use crate::connectors::masked;
use crate::mask::Class;
use crate::plan::{NotServed, Plan, Queue, Work};
use crate::policy::{
    CollectionRule, ErasureRule, ExportRules, Field, Link, Origin, Period, Pinned, PolicyDigest, Strategy, ViaRule,
    in_language, words,
};
use crate::request::Matter;

/// A plan, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// What for.
    pub right: Matter,
    /// The policy.
    pub policy: PolicyName,
    /// The steps in order. Those of one stage may run at the same time.
    pub steps: Vec<PlannedStep>,
    /// How long after the end what was erased is looked for again, each time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rechecks: Vec<Period>,
}

/// Which policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyName {
    /// Its id.
    pub id: String,
    /// The controller's label of this version.
    pub version: String,
    /// Its digest.
    pub sha256: PolicyDigest,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Its number, from 1.
    pub number: usize,
    /// Its stage, from 1.
    pub stage: usize,
    /// Who does it.
    pub queue: Queue,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
    /// How its rows are found; empty if it has none, or takes everybody's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub found_by: Vec<Way>,
    /// What is done to each field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<FieldAction>,
    /// Why rows of the collection stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// In what groups anonymised rows may stay; the others go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// The rows that it would touch. None: it touches none, or they were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
}

/// How rows are found: these fields hold values of those fields there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The fields of the collection.
    pub fields: Vec<String>,
    /// The collection that their values come from; none: from the request itself.
    #[serde(rename = "from", skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The fields there.
    pub from_fields: Vec<String>,
    /// Whether the values are kept aside before anything goes.
    pub captured: bool,
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |fields: &[String]| match fields {
            [field] => field.clone(),
            fields => format!("({})", fields.join(", ")),
        };
        match &self.origin {
            None => write!(formatter, "{} ← the request", several(&self.fields)),
            Some(origin) => write!(formatter, "{} ← {origin}.{}", several(&self.fields), several(&self.from_fields)),
        }
    }
}

/// What is done to a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldAction {
    /// The field, with dots for fields inside fields.
    pub field: String,
    /// What.
    pub action: Does,
    /// What takes the place of its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// Where it is written that it amounts to this, of what a strategy does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Only of rows that are found by this field; none: of all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
}

/// What can be done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// Its value goes.
    Erase,
    /// What takes its place identifies nobody.
    Anonymise,
    /// What is known of the person is taken out. What is left may still tell who they are.
    Redact,
    /// A value of somebody else's takes its place, by chance, or nothing, where too few others have one. By itself that makes
    /// nothing anonymous.
    Randomise,
    /// What takes its place is still personal data. A checked policy has none.
    Pseudonymise,
    /// It is kept for a time, with its row.
    Retain,
    /// It stays as it is.
    Keep,
    /// It is copied as it is.
    Export,
    /// Only its end is shown in the copy.
    Mask,
    /// It is not in the copy.
    Omit,
}

/// Why rows of a collection stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Kept {
    /// They may not go yet.
    Retained {
        /// The field with the moment that the time counts from.
        start_field: String,
        /// How long, ISO 8601.
        #[serde(rename = "for")]
        period: String,
        /// Why, in the policy's first language.
        basis: String,
        /// What is done so that nobody uses them meanwhile, if anything is.
        #[serde(skip_serializing_if = "Option::is_none")]
        restricted: Option<String>,
    },
    /// They say nothing of the person.
    Nobodys {
        /// Why not, in the policy's first language.
        reason: String,
    },
}

impl Outline {
    /// The plan of a matter.
    ///
    /// # Errors
    /// [`NotServed`] for a right that this version does not do the work of.
    pub fn of(policy: &Pinned, matter: Matter, with_export: bool) -> Result<Self, NotServed> {
        let plan = Plan::compile(matter, policy, with_export)?;
        let mut steps = Vec::with_capacity(plan.len());
        for (stage, planned) in (1..).zip(plan.stages()) {
            for work in &planned.works {
                steps.push(step(policy, steps.len() + 1, stage, planned.queue, work));
            }
        }
        let name = PolicyName {
            id: policy.policy().id.clone(),
            version: policy.policy().version.clone(),
            sha256: policy.digest().clone(),
        };
        let rechecks = plan.aftercare().map_or_else(Vec::new, |aftercare| aftercare.rechecks.clone());
        Ok(Self { right: matter, policy: name, steps, rechecks })
    }

    /// Whether anything is erased.
    #[must_use]
    pub fn erases(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.work, Work::Erase { .. }))
    }
}

fn step(policy: &Pinned, number: usize, stage: usize, queue: Queue, work: &Work) -> PlannedStep {
    let collection = work.collection().unwrap_or_default();
    let rule = policy.rule(collection).map(|rule: &CollectionRule| &rule.erasure);
    let fields = policy.collection(collection).map_or(&[][..], |collection| collection.fields.as_slice());
    let actions = match (work, rule) {
        (Work::Export { .. }, _) => {
            let mut actions = Vec::new();
            export_actions(&policy.policy().export, fields, "", &mut actions);
            let others = policy.rule(collection).into_iter().flat_map(|rule| &rule.others);
            for (names, field) in others.flat_map(|(names, fields)| fields.iter().map(move |field| (names, field))) {
                let shown = actions.iter_mut().filter(|action| action.field == *field && action.action == Does::Export);
                shown.for_each(|action| action.how = Some(format!("left out where {names} is another person")));
            }
            actions
        }
        (Work::Erase { .. }, Some(rule)) => erasure_actions(rule, fields),
        (Work::Sweep { .. }, Some(ErasureRule::Anonymise { fields: named, .. })) => {
            named_actions(named, fields, Does::Keep, None)
        }
        (Work::Sweep { .. }, Some(ErasureRule::Erase { .. } | ErasureRule::Retain { .. })) => {
            named_actions(&BTreeMap::new(), fields, Does::Erase, None)
        }
        _ => Vec::new(),
    };
    let is_of_a_person = matches!(work, Work::Capture { .. } | Work::Export { .. } | Work::Erase { .. });
    let ways = if is_of_a_person { policy.links(collection) } else { &[] };
    PlannedStep {
        number,
        stage,
        queue,
        work: work.clone(),
        found_by: ways.iter().map(|link| way(policy, collection, link)).collect(),
        actions,
        kept: if matches!(work, Work::Erase { .. }) { rule.and_then(|rule| kept(policy, rule)) } else { None },
        groups: if matches!(work, Work::Erase { .. }) {
            rule.and_then(ErasureRule::k_anonymity).map(words::groups)
        } else {
            None
        },
        rows: None,
    }
}

fn way(policy: &Pinned, collection: &str, link: &Link) -> Way {
    let subject = &policy.policy().subject.collection;
    let origin = match &link.origin {
        Origin::Subject if collection == subject => None,
        Origin::Subject => Some(subject.clone()),
        Origin::Collection(origin) => Some(origin.clone()),
    };
    Way {
        fields: link.pairs.iter().map(|pair| pair.field.clone()).collect(),
        origin,
        from_fields: link.pairs.iter().map(|pair| pair.origin_field.clone()).collect(),
        captured: link.captured,
    }
}

fn kept(policy: &Pinned, rule: &ErasureRule) -> Option<Kept> {
    let language = policy.language(None);
    match rule {
        ErasureRule::Retain { start_field, period, basis, restrict, .. } => Some(Kept::Retained {
            restricted: restrict.as_ref().map(words::restriction),
            start_field: start_field.clone(),
            period: period.0.to_string(),
            basis: in_language(basis, language).to_owned(),
        }),
        ErasureRule::Keep { reason } => Some(Kept::Nobodys { reason: in_language(reason, language).to_owned() }),
        ErasureRule::Erase { .. } | ErasureRule::Anonymise { .. } => None,
    }
}

/// What an erasure does to each field: first of rows in general, then of those found by the fields that `via` names.
fn erasure_actions(rule: &ErasureRule, fields: &[Field]) -> Vec<FieldAction> {
    let none = BTreeMap::new();
    let mut actions = match rule {
        ErasureRule::Erase { .. } => named_actions(&none, fields, Does::Erase, None),
        ErasureRule::Anonymise { fields: named, .. } => named_actions(named, fields, Does::Keep, None),
        ErasureRule::Retain { fields: named, .. } => named_actions(named, fields, Does::Retain, None),
        ErasureRule::Keep { .. } => named_actions(&none, fields, Does::Keep, None),
    };
    if let ErasureRule::Erase { via } | ErasureRule::Anonymise { via, .. } = rule {
        for (link, rule) in via {
            actions.extend(match rule {
                ViaRule::Erase => named_actions(&none, fields, Does::Erase, Some(link)),
                ViaRule::Anonymise { fields: named } => named_actions(named, fields, Does::Keep, Some(link)),
            });
        }
    }
    actions
}

/// Fields with a strategy by it, all others alike.
fn named_actions(
    named: &BTreeMap<String, Strategy>,
    fields: &[Field],
    others: Does,
    found_by: Option<&String>,
) -> Vec<FieldAction> {
    let known: BTreeSet<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let declared = fields.iter().map(|field| field.name.as_str());
    let inside = named.keys().map(String::as_str).filter(|name| !known.contains(name));
    let action = |name: &str| match named.get(name) {
        None => (others, None, None),
        Some(strategy) => (does(strategy), words::how(strategy), Class::of(strategy).source()),
    };
    let all = declared.chain(inside).map(|name| {
        let (action, how, source) = action(name);
        FieldAction { field: name.to_owned(), action, how, source, found_by: found_by.cloned() }
    });
    all.collect()
}

fn does(strategy: &Strategy) -> Does {
    match Class::of(strategy) {
        Class::Erasure => Does::Erase,
        Class::Anonymisation => Does::Anonymise,
        Class::Redaction => Does::Redact,
        Class::Randomisation => Does::Randomise,
        Class::Pseudonymisation => Does::Pseudonymise,
        Class::Unchanged => Does::Keep,
    }
}

/// What a copy shows of each field, and of the fields inside it.
fn export_actions(rules: &ExportRules, fields: &[Field], prefix: &str, actions: &mut Vec<FieldAction>) {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        let is_left_out = field.data_categories.iter().any(|category| rules.omits(category));
        let keep_last = field.data_categories.iter().filter_map(|category| masked(rules, category)).min();
        let (action, how) = match keep_last {
            _ if is_left_out => (Does::Omit, None),
            Some(keep_last) => (Does::Mask, Some(format!("the last {keep_last} characters"))),
            None if !field.fields.is_empty() => {
                export_actions(rules, &field.fields, &format!("{name}."), actions);
                continue;
            }
            None => (Does::Export, None),
        };
        actions.push(FieldAction { field: name, action, how, source: None, found_by: None });
    }
}
