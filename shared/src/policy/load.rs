//! Reads a policy folder: `policy.yaml` and `datasets/*.yaml`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::check;
use super::dataset::{Dataset, DatasetFile};
use super::locate;
use super::model::Policy;
use super::{Bundle, Pinned};

/// One thing that is wrong with a policy, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// Why a policy folder was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The policy is not sound.
    #[error("the policy has {} finding(s):\n{}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Findings(Vec<Finding>),
    /// It cannot be written as JSON.
    #[error("the policy cannot be written as JSON")]
    Canonical(#[from] serde_json::Error),
}

/// Loads, checks and pins the policy in a folder.
pub fn load(folder: &Path) -> Result<Pinned, LoadError> {
    let (policy_path, policy_text) = read(folder.join("policy.yaml"))?;
    let policy: Policy = parse(&policy_path, &policy_text)?;
    let mut datasets = Vec::new();
    let mut texts = Vec::new();
    for path in yaml_files(&folder.join("datasets"))? {
        let (path, text) = read(path)?;
        let file: DatasetFile = parse(&path, &text)?;
        for (position, dataset) in file.dataset.iter().enumerate() {
            texts.push((dataset.fides_key.clone(), position, path.clone(), text.clone()));
        }
        datasets.extend(file.dataset);
    }
    let bundle = Bundle { policy, datasets };
    let findings: Vec<Finding> = check::check(&bundle)
        .into_iter()
        .map(|problem| place(problem, (&policy_path, &policy_text), &texts, &bundle.datasets))
        .collect();
    if findings.is_empty() { Ok(Pinned::new(bundle)?) } else { Err(LoadError::Findings(findings)) }
}

fn place(
    problem: check::Problem,
    policy: (&Path, &str),
    datasets: &[(String, usize, PathBuf, String)],
    parsed: &[Dataset],
) -> Finding {
    let in_policy = |path: &[String], message: String| Finding {
        file: policy.0.to_owned(),
        line: locate::line(policy.1, path),
        message,
    };
    match problem.at {
        check::At::Policy(path) => in_policy(&path, problem.message),
        check::At::Dataset { dataset, collection, field } => {
            let Some((_, position, path, text)) = datasets.iter().find(|(key, ..)| *key == dataset) else {
                return in_policy(&[], problem.message);
            };
            let steps = dataset_path(parsed, &dataset, *position, collection.as_deref(), field.as_deref());
            Finding { file: path.clone(), line: locate::line(text, &steps), message: problem.message }
        }
    }
}

fn dataset_path(
    parsed: &[Dataset],
    dataset: &str,
    position: usize,
    collection: Option<&str>,
    field: Option<&str>,
) -> locate::Path {
    let mut steps = vec!["dataset".to_owned(), position.to_string()];
    let Some(dataset) = parsed.iter().find(|candidate| candidate.fides_key == dataset) else {
        return steps;
    };
    let found =
        dataset.collections.iter().enumerate().find(|(_, candidate)| Some(candidate.name.as_str()) == collection);
    let Some((at, collection)) = found else { return steps };
    steps.extend(["collections".to_owned(), at.to_string()]);
    if let Some(at) = collection.fields.iter().position(|candidate| Some(candidate.name.as_str()) == field) {
        steps.extend(["fields".to_owned(), at.to_string()]);
    }
    steps
}

fn read(path: PathBuf) -> Result<(PathBuf, String), LoadError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(LoadError::File { path, source }),
    }
}

fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |source| LoadError::File { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str) -> Result<T, LoadError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
        // The first line says what is wrong; the rest draws the place, which the file and line already name.
        let rendered = error.without_snippet().to_string();
        let message = rendered.lines().next().unwrap_or("not valid YAML").to_owned();
        LoadError::Findings(vec![Finding {
            file: path.to_owned(),
            line,
            message: format!("{message} (docs/policy-format.md says what belongs here)"),
        }])
    })
}
