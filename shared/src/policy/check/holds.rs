//! What a policy says of legal holds.

use super::Problems;
use crate::policy::{Bundle, Graph};

/// A collection that is there, and none of which the words would do nothing.
pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let rules = &bundle.policy.holds;
    let graph = Graph::of(bundle);
    for (name, mode) in &rules.collections {
        let path = ["holds", "collections", name.as_str()];
        if !graph.collections().any(|known| known == name) {
            problems.policy(&path, "is no collection of any system; write <dataset>.<collection>, or leave it out");
        } else if *mode == rules.erasure {
            problems.warn_policy(&path, "says what holds.erasure says already; leave it out");
        }
    }
}
