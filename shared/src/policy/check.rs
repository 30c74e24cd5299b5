//! Finds what is inconsistent in a policy. Pure; [`super::load`] turns each problem's place into a file and line.

mod collections;
mod fields;
mod periods;
mod references;

use super::Bundle;

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
        /// The field, if it is about one.
        field: Option<String>,
    },
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: At,
    /// What, and what to do.
    pub message: String,
}

/// Most steps of a plan, but for the seven that a cancellation with a copy has whatever the policy: a plan is written in one
/// DynamoDB transaction of at most 100 writes, beside the request, its event and a notice.
pub const MAX_STEPS: usize = 90;

/// Everything that is wrong with a policy; empty if it is sound.
#[must_use]
pub fn check(bundle: &Bundle) -> Vec<Problem> {
    let mut problems = Problems::default();
    references::check(bundle, &mut problems);
    periods::check(bundle, &mut problems);
    fields::check(bundle, &mut problems);
    collections::check(bundle, &mut problems);
    problems.0
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn policy(&mut self, path: &[&str], message: impl Into<String>) {
        let path = path.iter().map(|step| (*step).to_owned()).collect();
        self.0.push(Problem { at: At::Policy(path), message: message.into() });
    }

    fn dataset(&mut self, collection: &str, field: Option<&str>, message: impl Into<String>) {
        let (dataset, name) = collection.split_once('.').unwrap_or((collection, ""));
        self.0.push(Problem {
            at: At::Dataset {
                dataset: dataset.to_owned(),
                collection: (!name.is_empty()).then(|| name.to_owned()),
                field: field.map(ToOwned::to_owned),
            },
            message: message.into(),
        });
    }
}
