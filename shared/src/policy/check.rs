//! Finds what is inconsistent in a policy. Pure; [`super::load`] turns each problem's place into a file and line.

mod anonymity;
mod cancellation;
mod collections;
mod fideslang;
mod fields;
mod holds;
mod masking;
mod periods;
mod recipients;
mod references;
mod restrict;
mod rules;
mod shuffle;
mod tables;

use super::Bundle;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something that is written is not acted on, or not as its author may think. The policy can be used.
    Warning,
    /// The policy cannot be used.
    Error,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// In `policy.yaml`, at these keys.
    Policy(Vec<String>),
    /// In a dataset file.
    Dataset {
        /// The dataset.
        dataset: String,
        /// The collection, if it is about one.
        collection: Option<String>,
        /// The path of the field, if it is about one.
        field: Option<String>,
        /// Keys inside it.
        keys: Vec<String>,
    },
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub level: Level,
    /// Where.
    pub at: At,
    /// What, and what to do.
    pub message: String,
}

/// Most steps of a plan, but for the seven that a cancellation with a copy has whatever the policy: a plan is written in one
/// DynamoDB transaction of at most 100 writes, beside the request, its event, a notice and a message to the app.
pub const MAX_STEPS: usize = 89;

/// Everything that is wrong with a policy; no errors if it is sound. The bundle is one that [`super::expand`] made.
#[must_use]
pub fn check(bundle: &Bundle) -> Vec<Problem> {
    let mut problems = Problems::default();
    references::check(bundle, &mut problems);
    periods::check(bundle, &mut problems);
    recipients::check(bundle, &mut problems);
    cancellation::check(bundle, &mut problems);
    fields::check(bundle, &mut problems);
    fideslang::check(bundle, &mut problems);
    masking::check(bundle, &mut problems);
    tables::check(bundle, &mut problems);
    collections::check(bundle, &mut problems);
    holds::check(bundle, &mut problems);
    problems.0
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    /// An error in `policy.yaml`.
    fn policy(&mut self, path: &[&str], message: impl Into<String>) {
        let path = path.iter().map(|step| (*step).to_owned()).collect();
        self.0.push(Problem { level: Level::Error, at: At::Policy(path), message: message.into() });
    }

    /// A warning about something in `policy.yaml`.
    fn warn_policy(&mut self, path: &[&str], message: impl Into<String>) {
        let path = path.iter().map(|step| (*step).to_owned()).collect();
        self.0.push(Problem { level: Level::Warning, at: At::Policy(path), message: message.into() });
    }

    /// An error in a dataset: of it (`<dataset>`), or of a collection (`<dataset>.<collection>`) or field of it.
    fn dataset(&mut self, name: &str, field: Option<&str>, message: impl Into<String>) {
        self.inside(Level::Error, name, field, &[], message);
    }

    /// A warning about something that a dataset, collection or field says under some keys.
    fn warn(&mut self, name: &str, field: Option<&str>, keys: &[&str], message: impl Into<String>) {
        self.inside(Level::Warning, name, field, keys, message);
    }

    /// An error about something that a dataset, collection or field says under some keys.
    fn refuse(&mut self, name: &str, field: Option<&str>, keys: &[&str], message: impl Into<String>) {
        self.inside(Level::Error, name, field, keys, message);
    }

    /// An error in the name of a dataset, which may be anything.
    fn name(&mut self, dataset: &str, message: impl Into<String>) {
        let at =
            At::Dataset { dataset: dataset.to_owned(), collection: None, field: None, keys: vec!["fides_key".into()] };
        self.0.push(Problem { level: Level::Error, at, message: message.into() });
    }

    fn inside(&mut self, level: Level, name: &str, field: Option<&str>, keys: &[&str], message: impl Into<String>) {
        let (dataset, collection) = name.split_once('.').unwrap_or((name, ""));
        let at = At::Dataset {
            dataset: dataset.to_owned(),
            collection: (!collection.is_empty()).then(|| collection.to_owned()),
            field: field.map(ToOwned::to_owned),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        self.0.push(Problem { level, at, message: message.into() });
    }
}
