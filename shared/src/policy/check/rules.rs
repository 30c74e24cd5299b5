//! Rules of collections that can do what they claim.

use std::collections::BTreeMap;

use super::restrict::{self, Kept};
use super::{Problems, anonymity, shuffle, tables};
use crate::mask::{DETACHED, LEAST_TOKEN_LENGTH, TOKEN_LENGTH};
use crate::policy::expand::strategy_at;
use crate::policy::{Bundle, Collection, CollectionRule, ErasureRule, Field, Link, Place, Strategy, Text, ViaRule};

type Strategies = BTreeMap<String, Strategy>;

/// A collection whose rule is looked at.
pub(super) struct Check<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) name: &'a str,
    pub(super) collection: &'a Collection,
    pub(super) place: Place<'a>,
    pub(super) links: &'a [Link],
}

impl Check<'_> {
    /// What is wrong with the rule.
    pub(super) fn rule(&self, rule: &CollectionRule, problems: &mut Problems) {
        let path = ["collections", self.name];
        if let Some(retention) = &rule.retention {
            self.start_field(&retention.start_field, "retention", problems);
        }
        let (no_fields, no_via) = (BTreeMap::new(), BTreeMap::new());
        let (fields, via) = match &rule.erasure {
            ErasureRule::Erase { via } => (&no_fields, via),
            ErasureRule::Anonymise { fields, via, .. } => {
                self.anonymises(fields, problems);
                (fields, via)
            }
            ErasureRule::Retain { start_field, period, basis, fields, restrict: how } => {
                self.start_field(start_field, "erasure", problems);
                self.text(basis, problems);
                for link in self.links.iter().filter(|link| strategy_at(fields, link.field()).is_some()) {
                    let field = link.field();
                    let message =
                        format!("{field} is the link of a retained row; without it the row is never found again");
                    problems.policy(&path, message);
                }
                if let Some(how) = how {
                    restrict::check(self, &Kept { start_field, period: *period, fields }, how, problems);
                }
                (fields, &no_via)
            }
            ErasureRule::Keep { reason } => {
                self.text(reason, problems);
                for field in self.collection.fields.iter().filter(|field| field.is_personal()) {
                    let message = format!("{} is personal, so the rows cannot be kept for being nobody's", field.name);
                    problems.policy(&path, message);
                }
                (&no_fields, &no_via)
            }
        };
        self.strategies(&["collections", self.name, "erasure", "fields"], fields, problems);
        for (field, rule) in via {
            self.via(field, rule, problems);
        }
        self.others(rule, problems);
        anonymity::rule(self, rule, problems);
        shuffle::rule(self, rule, problems);
        let erases_whole = matches!(&rule.erasure, ErasureRule::Erase { via } if via.is_empty());
        if matches!(self.place, Place::Objects { .. }) && !erases_whole {
            problems.policy(&path, "objects can only be erased whole in this version: erasure: {action: erase}");
        }
    }

    fn others(&self, rule: &CollectionRule, problems: &mut Problems) {
        for (names, fields) in &rule.others {
            let path = ["collections", self.name, "others", names.as_str()];
            if !self.links.iter().any(|link| link.field() == names && link.subject_field().is_some()) {
                let message = format!(
                    "{names} names nobody: it must lead to the subject's own row, by fides_meta.identity or references"
                );
                problems.policy(&path, message);
            }
            for field in fields.iter().filter(|field| self.collection.field(field).is_none()) {
                problems.policy(&path, format!("{field} is not a field of {}", self.name));
            }
        }
    }

    fn via(&self, field: &str, rule: &ViaRule, problems: &mut Problems) {
        let path = ["collections", self.name, "erasure", "via", field];
        if !self.links.iter().any(|link| link.field() == field) {
            problems.policy(&path, format!("{field} is no link of {}", self.name));
        }
        let ViaRule::Anonymise { fields } = rule else { return };
        let at = [&path[..], &["fields"]].concat();
        self.strategies(&at, fields, problems);
        let message = format!("rows found through {field} stay tied to the person unless {field} is replaced");
        match strategy_at(fields, field) {
            None => problems.policy(&path, message),
            Some(Strategy::Keep) => problems.policy(&[&at[..], &[field]].concat(), message),
            Some(_) => {}
        }
    }

    fn start_field(&self, field: &str, part: &str, problems: &mut Problems) {
        let known = self.collection.field(field).is_some()
            || (matches!(self.place, Place::Objects { .. }) && field == "last_modified");
        if !known {
            let message =
                format!("start_field {field:?} is not a field of {}; the period would never start", self.name);
            problems.policy(&["collections", self.name, part, "start_field"], message);
        }
    }

    fn text(&self, basis: &Text, problems: &mut Problems) {
        let missing = |language: &&String| basis.get(*language).is_none_or(|words| words.trim().is_empty());
        for language in self.bundle.policy.controller.languages.iter().filter(missing) {
            let path = ["collections", self.name, "erasure", "basis"];
            problems.policy(&path, format!("the basis in {language} is missing"));
        }
    }

    /// A row that stays must lose every personal field and every link, by means that cannot be reversed.
    fn anonymises(&self, fields: &Strategies, problems: &mut Problems) {
        for field in &self.collection.fields {
            self.loses(&field.name, field, fields, problems);
        }
        for link in self.links.iter().filter(|link| !self.is_cut(link, fields)) {
            let field = link.field();
            let personal = self.collection.at(field).is_some_and(Field::is_itself_personal);
            if !personal || fields.contains_key(field) {
                let message = format!("{field} ties the row to the person and must be replaced{}", self.hint(field));
                problems.policy(&["collections", self.name, "erasure", "fields", field], message);
            }
        }
    }

    fn loses(&self, path: &str, field: &Field, fields: &Strategies, problems: &mut Problems) {
        let at = ["collections", self.name, "erasure", "fields", path];
        match fields.get(path) {
            Some(Strategy::Keep) if field.is_personal() => {
                problems.policy(&at, format!("{path} is personal; keep is for fields that are not"));
            }
            Some(_) => {}
            None if field.is_itself_personal() => {
                let hint = self.hint(path);
                let message = format!("{path} is personal and has no strategy; a row that stays must lose it{hint}");
                problems.policy(&at, message);
            }
            None => {
                for inner in &field.fields {
                    self.loses(&format!("{path}.{}", inner.name), inner, fields, problems);
                }
            }
        }
    }

    /// Whether a link leads here no more, once one of its fields is replaced. Where a field is only what other rows refer
    /// to, those rows lose it.
    fn is_cut(&self, link: &Link, fields: &Strategies) -> bool {
        link.pairs.iter().any(|pair| {
            let replaced = strategy_at(fields, &pair.field).is_some_and(|strategy| *strategy != Strategy::Keep);
            replaced || self.collection.at(&pair.field).is_some_and(Field::is_own_key)
        })
    }

    /// What to do about a field that nothing can be written to.
    fn hint(&self, path: &str) -> &'static str {
        let Some(field) = self.collection.at(path) else { return "" };
        if field.is_read_only() {
            "; it is read_only, so let the row go (erasure: {action: erase}) or retain it"
        } else if field.fides_meta.primary_key == Some(true) {
            "; it is in the row's key, so let the row go: erasure: {action: erase}, or in the dataset \
             masking_strategy_override: {strategy: delete} of the collection"
        } else {
            ""
        }
    }

    fn strategies(&self, at: &[&str], fields: &Strategies, problems: &mut Problems) {
        for (field, strategy) in fields {
            let path = [at, &[field.as_str()]].concat();
            match self.collection.at(field) {
                None => problems.policy(&path, format!("{field} is not a field of {}", self.name)),
                Some(described) => {
                    for message in unwritable(field, described, strategy) {
                        problems.policy(&path, message);
                    }
                }
            }
            anonymity::strategy(&path, self, (field, strategy), problems);
            if let Place::Table(table) = self.place {
                tables::strategy(&path, self, table, (field, strategy), problems);
            }
        }
    }
}

/// Why what a strategy writes does not go into a field.
pub(super) fn unwritable(name: &str, field: &Field, strategy: &Strategy) -> Vec<String> {
    let mut why = Vec::new();
    if *strategy != Strategy::Keep && field.is_read_only() {
        why.push(format!("{name} is read_only in the dataset, and this would write it"));
    }
    if let Strategy::RandomText(form) = strategy
        && !(LEAST_TOKEN_LENGTH..=TOKEN_LENGTH).contains(&form.length)
    {
        why.push(format!("a random text has {LEAST_TOKEN_LENGTH} to {TOKEN_LENGTH} characters before its suffix"));
    }
    let length = match strategy {
        Strategy::Fixed(text) => text.chars().count(),
        Strategy::Detach => DETACHED.chars().count(),
        Strategy::Random | Strategy::SaltedHash => TOKEN_LENGTH,
        Strategy::RandomText(form) => form.length + form.suffix.chars().count(),
        _ => 0,
    };
    if let Some(most) = field.fides_meta.length.filter(|most| length > *most) {
        why.push(format!(
            "this writes {length} characters, and {name} takes at most {most} (fides_meta.length): use null, erase or a \
             shorter text"
        ));
    }
    why
}
