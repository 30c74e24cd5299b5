//! Mistakes that the check does not find yet, or not at their line. The words are the least that a message must have.

use super::File::Policy;
use super::Mistake;

pub(super) const OVERLOOKED: &[Mistake] = &[Mistake {
    what: "an unknown key in a system, at its line",
    file: Policy,
    replace: "table: small-posts,",
    with: "tabel: small-posts,",
    at: (Policy, "tabel: small-posts"),
    says: &["tabel"],
}];
