//! Reads the repository's files. A CloudFormation tag becomes an object: `!Ref X` is `{"!Ref": "X"}`.

use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// A path of the repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

/// The text of a file of the repository.
pub fn text(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap()
}

/// A YAML file of the repository.
pub fn read(relative: &str) -> Value {
    parse(&text(relative))
}

/// A document.
pub fn parse(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    assert_eq!(documents.len(), 1, "one document a file");
    value(&documents[0])
}

fn value(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(truth) => (*truth).into(),
            Scalar::Integer(number) => (*number).into(),
            Scalar::FloatingPoint(number) => number.into_inner().into(),
            Scalar::String(text) => text.as_ref().into(),
        },
        Yaml::Sequence(list) => list.iter().map(value).collect(),
        Yaml::Mapping(mapping) => mapping.iter().map(|(key, node)| (name(key), value(node))).collect(),
        Yaml::Tagged(tag, node) => {
            let tagged = [(format!("!{}", tag.suffix), value(node))];
            Value::Object(Map::from_iter(tagged))
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => unreachable!("nothing is left unread: {node:?}"),
    }
}

fn name(key: &Yaml<'_>) -> String {
    match value(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
