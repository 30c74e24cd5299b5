//! Whose rows are looked for.

use std::collections::{BTreeSet, HashSet};

use aho_corasick::AhoCorasick;

use super::FormatError;

/// The rows that are looked for: those that name a person in some fields, or all.
pub struct Whose {
    /// None: everybody's.
    ways: Option<Vec<Way>>,
    fields: Option<BTreeSet<String>>,
}

/// Fields, and the values of them that are the person's. A row matches if its fields have all values of one tuple: text as
/// it is, a number by its digits as they are stored.
pub struct Way {
    fields: Vec<String>,
    tuples: HashSet<Vec<String>>,
}

impl Way {
    /// Fields, at least one, and tuples of as many values. A field of JSON and Parquet may be a path: `user.id`. Tuples
    /// with an empty value are left out: a row that names nobody is nobody's.
    #[must_use]
    pub fn new(fields: Vec<String>, tuples: impl IntoIterator<Item = Vec<String>>) -> Self {
        let width = fields.len();
        let is_whole = |tuple: &Vec<String>| tuple.len() == width && width > 0 && tuple.iter().all(|it| !it.is_empty());
        Self { tuples: tuples.into_iter().filter(is_whole).collect(), fields }
    }

    pub(super) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The first field. A row that does not have one of its values does not match.
    pub(super) fn first(&self) -> &str {
        self.fields.first().map_or("", String::as_str)
    }

    /// The values of the first field.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &str> {
        self.tuples.iter().filter_map(|tuple| tuple.first()).map(String::as_str)
    }

    /// Whether a row matches that has, for each of the fields, one of these texts.
    pub(super) fn holds<T: AsRef<str>>(&self, texts: &[Vec<T>]) -> bool {
        match texts {
            [texts] => texts.iter().any(|text| self.tuples.contains(std::slice::from_ref(&text.as_ref().to_owned()))),
            texts => self.tuples.iter().any(|tuple| {
                texts.len() == tuple.len()
                    && texts.iter().zip(tuple).all(|(texts, value)| texts.iter().any(|text| text.as_ref() == value))
            }),
        }
    }
}

impl Whose {
    /// The rows that one of these ways leads to.
    #[must_use]
    pub fn theirs(ways: Vec<Way>) -> Self {
        Self { ways: Some(ways), fields: None }
    }

    /// All rows.
    #[must_use]
    pub fn everybodys() -> Self {
        Self { ways: None, fields: None }
    }

    /// Says that the judge asks for no other fields than these, which spares reading the other columns of a Parquet file.
    /// The records may have more.
    #[must_use]
    pub fn with_only(mut self, fields: impl IntoIterator<Item = String>) -> Self {
        self.fields = Some(fields.into_iter().collect());
        self
    }

    /// Feeds a digest with whose rows these are.
    pub(in crate::connectors) fn digest(&self, digest: &mut impl sha2::Digest) {
        for way in self.ways.iter().flatten() {
            let mut tuples: Vec<&Vec<String>> = way.tuples.iter().collect();
            tuples.sort_unstable();
            for part in way.fields.iter().chain(tuples.into_iter().flatten()) {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
            digest.update(u64::MAX.to_be_bytes());
        }
    }

    /// The ways; none: all rows are looked for.
    pub(super) fn ways(&self) -> Option<&[Way]> {
        self.ways.as_deref()
    }

    /// The first way that a row matches, of which these are the texts of a field; 0 if all rows are looked for.
    #[expect(clippy::option_option, reason = "whether it can be told, and then which way, if any")]
    pub(super) fn way<T: AsRef<str>>(&self, mut texts: impl FnMut(&str) -> Option<Vec<T>>) -> Option<Option<usize>> {
        let Some(ways) = &self.ways else {
            return Some(Some(0));
        };
        for (at, way) in ways.iter().enumerate() {
            let texts: Option<Vec<Vec<T>>> = way.fields.iter().map(|field| texts(field)).collect();
            if way.holds(&texts?) {
                return Some(Some(at));
            }
        }
        Some(None)
    }

    /// Whether a field of a row is asked for, or leads to the person.
    pub(super) fn wants(&self, field: &str) -> bool {
        let is_in = |path: &String| path == field || path.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
        let leads = || self.ways.iter().flatten().any(|way| way.fields.iter().any(is_in));
        self.fields.as_ref().is_none_or(|fields| fields.iter().any(is_in) || leads())
    }
}

/// Text of which one must be in a row that matches. What holds none of them need not be parsed.
pub(super) enum Needles {
    /// Everything must be parsed.
    None,
    Some(Box<AhoCorasick>),
}

impl Needles {
    pub(super) fn new(whose: &Whose, of: impl Fn(&str) -> Vec<Vec<u8>>) -> Result<Self, FormatError> {
        let Some(ways) = whose.ways() else {
            return Ok(Self::None);
        };
        let needles: HashSet<Vec<u8>> = ways.iter().flat_map(Way::firsts).flat_map(of).collect();
        let automaton =
            AhoCorasick::new(needles).map_err(|_| FormatError::Unsupported("too many values to look for"))?;
        Ok(Self::Some(Box::new(automaton)))
    }

    /// Where the first of them begins.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::None => (!bytes.is_empty()).then_some(0),
            Self::Some(automaton) => automaton.find(bytes).map(|found| found.start()),
        }
    }
}
