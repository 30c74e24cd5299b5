//! Values of other people's rows, of which one is drawn for a person's own: permutation, as WP216 section 3.1.2 has it, on one
//! side only. Whoever gave a value keeps it.
//!
//! The rules of this file: what is drawn is one of the sample, each row of it equally likely, whatever the person's own value
//! is; and of too few rows nothing is drawn. A sample holds what others' rows hold: it does not print, and is in no cursor.

use std::collections::BTreeMap;

use crate::random::{self, Random};
use crate::record::Value;

/// Fewest values of others that one is drawn from. Of fewer, whoever knows some of those rows knows too well which of the
/// others a value is from: of ten, nine times out of ten they would be wrong.
pub const LEAST_DRAWN_FROM: usize = 10;
/// Most values of a sample: by so many, a share of one in a hundred is met to within a third or so.
pub const MOST_DRAWN_FROM: usize = 1_000;

/// Values of others, by field.
#[derive(Default)]
pub struct Samples(BTreeMap<String, Vec<Value>>);

impl Samples {
    /// The values of one field, as often as rows have them, without nulls. Too few, or all alike, which would tell what each
    /// of them is: none is drawn from those.
    pub fn add(&mut self, field: &str, values: Vec<Value>) {
        let is_enough = values.len() >= LEAST_DRAWN_FROM && values.iter().any(|value| Some(value) != values.first());
        if is_enough && values.iter().all(|value| *value != Value::Null) {
            self.0.insert(field.to_owned(), values);
        }
    }

    /// Whether there is enough to draw from for a field.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// A value for a field. None: there is too little to draw from.
    pub fn draw(&self, field: &str, random: &dyn Random) -> Option<Value> {
        let values = self.0.get(field)?;
        let at = random::below(random, values.len() as u64);
        usize::try_from(at).ok().and_then(|at| values.get(at)).cloned()
    }
}
