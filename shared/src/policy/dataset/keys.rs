//! Finds the keys of a dataset file that fideslang does not have. Fides passes over them without a word; here each is
//! named with its line, so that what was meant and is not done can be seen.

use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};

use crate::policy::check::Level;

/// A key that is not understood where it stands.
pub(crate) struct Stray {
    /// The line, from 1.
    pub(crate) line: usize,
    /// A slip of the pen is an error: what it was meant to say would be lost. A key that is simply another's is a warning.
    pub(crate) level: Level,
    /// What it is, and what to do.
    pub(crate) message: String,
}

/// What may stand in a mapping.
struct Shape {
    /// What it describes, in words.
    what: &'static str,
    keys: &'static [(&'static str, Inner)],
}

/// What stands under a key.
enum Inner {
    /// A value, whatever it is.
    Value,
    /// A mapping.
    One(&'static Shape),
    /// A list of mappings.
    Each(&'static Shape),
}

use Inner::{Each, One, Value};

static FILE: Shape = Shape { what: "a dataset file", keys: &[("dataset", Each(&DATASET))] };

static DATASET: Shape = Shape {
    what: "a dataset",
    keys: &[
        ("fides_key", Value),
        ("name", Value),
        ("description", Value),
        ("organization_fides_key", Value),
        ("tags", Value),
        ("meta", Value),
        ("data_categories", Value),
        ("data_uses", Value),
        ("data_purposes", Value),
        ("data_subjects", Value),
        ("data_qualifier", Value),
        ("retention", Value),
        ("joint_controller", Value),
        ("third_country_transfers", Value),
        ("fides_meta", One(&DATASET_META)),
        ("fidesops_meta", One(&DATASET_META)),
        ("collections", Each(&COLLECTION)),
    ],
};

static DATASET_META: Shape = Shape {
    what: "a dataset's fides_meta",
    keys: &[("resource_id", Value), ("after", Value), ("namespace", Value), ("redact", Value)],
};

static COLLECTION: Shape = Shape {
    what: "a collection",
    keys: &[
        ("name", Value),
        ("description", Value),
        ("data_categories", Value),
        ("data_uses", Value),
        ("data_purposes", Value),
        ("data_subjects", Value),
        ("data_qualifier", Value),
        ("retention", Value),
        ("fields", Each(&FIELD)),
        ("fides_meta", One(&COLLECTION_META)),
        ("fidesops_meta", One(&COLLECTION_META)),
    ],
};

static COLLECTION_META: Shape = Shape {
    what: "a collection's fides_meta",
    keys: &[
        ("after", Value),
        ("erase_after", Value),
        ("skip_processing", Value),
        ("masking_strategy_override", One(&MASKING)),
        ("partitioning", Value),
        ("redact", Value),
    ],
};

static FIELD: Shape = Shape {
    what: "a field",
    keys: &[
        ("name", Value),
        ("description", Value),
        ("data_categories", Value),
        ("data_uses", Value),
        ("data_purposes", Value),
        ("data_subjects", Value),
        ("data_qualifier", Value),
        ("retention", Value),
        ("fides_meta", One(&FIELD_META)),
        ("fidesops_meta", One(&FIELD_META)),
        ("fields", Each(&FIELD)),
    ],
};

static FIELD_META: Shape = Shape {
    what: "a field's fides_meta",
    keys: &[
        ("references", Each(&REFERENCE)),
        ("identity", Value),
        ("primary_key", Value),
        ("data_type", Value),
        ("length", Value),
        ("return_all_elements", Value),
        ("read_only", Value),
        ("custom_request_field", Value),
        ("masking_strategy_override", One(&MASKING)),
        ("redact", Value),
    ],
};

static REFERENCE: Shape =
    Shape { what: "a reference", keys: &[("dataset", Value), ("field", Value), ("direction", Value)] };

static MASKING: Shape =
    Shape { what: "a masking_strategy_override", keys: &[("strategy", Value), ("configuration", Value)] };

static SHAPES: [&Shape; 7] = [&DATASET, &DATASET_META, &COLLECTION, &COLLECTION_META, &FIELD, &FIELD_META, &REFERENCE];

/// The keys of a dataset file that fideslang does not have where they stand. A text that is no YAML has none: reading it
/// says what is wrong.
pub(crate) fn strays(yaml: &str) -> Vec<Stray> {
    let mut strays = Vec::new();
    if let Ok(documents) = MarkedYaml::load_from_str(yaml)
        && let Some(document) = documents.first()
    {
        mapping(document, &FILE, &mut strays);
    }
    strays
}

fn mapping(node: &MarkedYaml<'_>, shape: &'static Shape, strays: &mut Vec<Stray>) {
    let YamlData::Mapping(entries) = &node.data else { return };
    let names: Vec<&str> = entries.keys().filter_map(|key| key.data.as_str()).collect();
    for (key, value) in entries {
        let Some(name) = key.data.as_str() else { continue };
        let line = key.span.start.line();
        if name == "fidesops_meta" && names.contains(&"fides_meta") {
            let message =
                "fidesops_meta is the older name of fides_meta, and both are there; join them under fides_meta";
            strays.push(Stray { line, level: Level::Error, message: message.to_owned() });
            continue;
        }
        match shape.keys.iter().find(|(known, _)| *known == name).map(|(_, inner)| inner) {
            Some(Value) => {}
            Some(One(inner)) => mapping(value, inner, strays),
            Some(Each(inner)) => {
                if let YamlData::Sequence(list) = &value.data {
                    for node in list {
                        mapping(node, inner, strays);
                    }
                }
            }
            // A merge key stands for the keys of the mapping that it names.
            None if name == "<<" => mapping(value, shape, strays),
            None => strays.push(stray(name, line, shape)),
        }
    }
}

fn stray(name: &str, line: usize, shape: &Shape) -> Stray {
    let has = |other: &&&Shape| other.keys.iter().any(|(known, _)| *known == name);
    let elsewhere: Vec<&str> = SHAPES.iter().filter(has).map(|other| other.what).collect();
    let meant = shape.keys.iter().map(|(known, _)| *known).find(|known| is_slip(name, known));
    let (level, hint) = match meant {
        _ if !elsewhere.is_empty() => {
            (Level::Warning, format!("it is a key of {}; move it there", elsewhere.join(", of ")))
        }
        Some(meant) => (Level::Error, format!("did you mean {meant}?")),
        None => (Level::Warning, "take it out".to_owned()),
    };
    if level == Level::Warning && shape.what == FILE.what {
        let message = format!("of this file only what is under dataset is read, so {name:?} does nothing here");
        return Stray { line, level, message };
    }
    let message = format!(
        "{} has no key {name:?} in fideslang, so that Fides and Habeas pass over it: {hint} (docs/policy-format.md says \
         what belongs here)",
        shape.what
    );
    Stray { line, level, message }
}

/// Whether a name is another but for one letter, or for two or three if it is long.
fn is_slip(name: &str, known: &str) -> bool {
    let most = match name.len() {
        0..4 => 0,
        4..9 => 1,
        9..12 => 2,
        _ => 3,
    };
    distance(name, known) <= most
}

/// How many letters must be written anew, left out, put in or changed with the next to make one name of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = last[j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(yaml: &str) -> Vec<(usize, Level, String)> {
        strays(yaml).into_iter().map(|stray| (stray.line, stray.level, stray.message)).collect()
    }

    #[test]
    fn a_slip_of_the_pen_is_an_error_and_another_ones_key_a_warning() {
        let yaml = "\
system: []
dataset:
  - fides_key: a
    labels: [x]
    collections:
      - name: users
        fides_meta: {erase_afer: [a.b]}
        fields:
          - name: id
            references: []
            fidesops_meta:
              identiy: email
              data_categories: [user]
              references: [{dataset: a, field: b.c, colour: blue}]
            fields: [{name: inner, data_category: user}]
";
        let found = found(yaml);
        let lines: Vec<(usize, Level)> = found.iter().map(|(line, level, _)| (*line, *level)).collect();
        assert_eq!(
            lines,
            [
                (1, Level::Warning),
                (4, Level::Warning),
                (7, Level::Error),
                (10, Level::Warning),
                (12, Level::Error),
                (13, Level::Warning),
                (14, Level::Warning),
                (15, Level::Error),
            ]
        );
        assert!(found[2].2.contains("did you mean erase_after?"), "{}", found[2].2);
        assert!(found[3].2.contains("it is a key of a field's fides_meta"), "{}", found[3].2);
    }

    #[test]
    fn both_names_of_the_meta_section_at_once_are_an_error() {
        let yaml = "dataset:\n  - fides_meta: {}\n    fidesops_meta: {}\n";
        assert_eq!(found(yaml).iter().map(|(line, level, _)| (*line, *level)).collect::<Vec<_>>(), [(3, Level::Error)]);
    }

    #[test]
    fn keys_that_a_merge_brings_in_are_looked_at() {
        let yaml = "dataset:\n  - fides_key: a\n    collections:\n      - name: b\n        fields:\n          - &one {name: \
                    c, colour: blue}\n          - {<<: *one, name: d}\n";
        assert_eq!(found(yaml).len(), 2);
    }

    #[test]
    fn names_are_near_when_a_letter_is_wrong() {
        assert_eq!(distance("refrences", "references"), 1);
        assert_eq!(distance("idetnity", "identity"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert!(is_slip("names", "name") && is_slip("feilds", "fields") && !is_slip("note", "name"));
    }
}
