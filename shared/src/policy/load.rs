//! Reads a policy folder: `policy.yaml` and `datasets/*.yaml`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Pinned;
use super::check::{self, At, Level};
use super::dataset::{self, Dataset, DatasetFile, keys};
use super::expand::expand;
use super::locate;
use super::model::WrittenPolicy;

/// One thing that is wrong with a policy, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.level == Level::Warning { "warning: " } else { "" };
        write!(formatter, "{}:{}: {level}{}", self.file.display(), self.line, self.message)
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
    /// The policy is not sound. Warnings are among the findings.
    #[error("the policy has {} finding(s):\n{}", .0.len(), .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Findings(Vec<Finding>),
    /// It cannot be written as JSON.
    #[error("the policy cannot be written as JSON")]
    Canonical(#[from] serde_json::Error),
}

/// A sound policy with what is to be said of it.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Pinned,
    /// What is written and not acted on.
    pub warnings: Vec<Finding>,
}

/// A file with what is in it.
struct Source {
    path: PathBuf,
    text: String,
}

/// Where a dataset is.
struct Listed<'a> {
    key: String,
    /// Its position in the list of the file.
    at: usize,
    source: &'a Source,
}

/// Loads, checks and pins the policy in a folder; warnings do not stand in the way.
pub fn load(folder: &Path) -> Result<Pinned, LoadError> {
    Ok(load_with_warnings(folder)?.policy)
}

/// Loads, checks and pins the policy in a folder, and says what is written there and not acted on.
pub fn load_with_warnings(folder: &Path) -> Result<Loaded, LoadError> {
    let policy_source = read(folder.join("policy.yaml"))?;
    let policy: WrittenPolicy = parse(&policy_source).map_err(|finding| LoadError::Findings(vec![finding]))?;
    let sources = yaml_files(&folder.join("datasets"))?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (mut findings, mut datasets, mut listed) = (Vec::new(), Vec::<Dataset>::new(), Vec::new());
    for source in &sources {
        findings.extend(strays(source));
        let file: DatasetFile = match parse(source) {
            Ok(file) => file,
            Err(finding) => {
                findings.push(finding);
                return Err(LoadError::Findings(findings));
            }
        };
        if file.dataset.is_empty() {
            let (level, message) = (Level::Warning, "there is no dataset in this file: dataset: is a list".to_owned());
            findings.push(Finding { level, file: source.path.clone(), line: 1, message });
        }
        let keys = file.dataset.iter().map(|dataset| dataset.fides_key.clone());
        listed.extend(keys.enumerate().map(|(at, key)| Listed { key, at, source }));
        datasets.extend(file.dataset);
    }
    let expanded = expand(policy, datasets);
    let places = Places {
        policy: &policy_source,
        listed: &listed,
        datasets: &expanded.bundle.datasets,
        from_datasets: &expanded.from_datasets,
    };
    findings.extend(check::check(&expanded.bundle).into_iter().map(|problem| places.finding(problem)));
    findings.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Err(LoadError::Findings(findings));
    }
    Ok(Loaded { policy: Pinned::new(expanded.into_bundle())?, warnings: findings })
}

/// What turns the place of a problem into a file and line.
struct Places<'a> {
    policy: &'a Source,
    listed: &'a [Listed<'a>],
    datasets: &'a [Dataset],
    from_datasets: &'a BTreeSet<String>,
}

impl Places<'_> {
    fn finding(&self, problem: check::Problem) -> Finding {
        let check::Problem { level, at, message } = problem;
        let path = match at {
            At::Policy(path) => path,
            At::Dataset { dataset, collection, field, keys } => {
                let found = self.in_dataset(&dataset, collection.as_deref(), field.as_deref(), &keys);
                let (source, line) = found.unwrap_or((self.policy, 1));
                return Finding { level, file: source.path.clone(), line, message };
            }
        };
        if locate::exact(&self.policy.text, &path).is_none()
            && let Some((source, line)) = self.follows(&path)
        {
            let message = format!(
                "{message} (the rule follows from the dataset and erasure_defaults; one under collections in policy.yaml \
                 takes its place)"
            );
            return Finding { level, file: source.path.clone(), line, message };
        }
        Finding { level, file: self.policy.path.clone(), line: locate::line(&self.policy.text, &path), message }
    }

    /// Where the dataset says what a rule follows from.
    fn follows(&self, path: &[String]) -> Option<(&Source, usize)> {
        let [first, name, rest @ ..] = path else { return None };
        if first != "collections" || !self.from_datasets.contains(name) {
            return None;
        }
        let (dataset, collection) = name.split_once('.')?;
        let field = rest.iter().position(|step| step == "fields").and_then(|at| rest.get(at + 1));
        let keys = ["fides_meta", "masking_strategy_override"].map(ToOwned::to_owned);
        self.in_dataset(dataset, Some(collection), field.map(String::as_str), &keys)
    }

    /// The line of the keys, if they are there, or of what has them.
    fn in_dataset(
        &self,
        dataset: &str,
        collection: Option<&str>,
        field: Option<&str>,
        keys: &[String],
    ) -> Option<(&Source, usize)> {
        let found = self.listed.iter().find(|listed| listed.key == dataset)?;
        let mut steps = vec!["dataset".to_owned(), found.at.to_string()];
        let described = self.datasets.iter().find(|candidate| candidate.fides_key == dataset)?;
        if let Some(at) = described.collections.iter().position(|one| Some(one.name.as_str()) == collection) {
            steps.extend(["collections".to_owned(), at.to_string()]);
            let fields = &described.collections.get(at)?.fields;
            let positions = field.and_then(|path| dataset::positions(fields, path)).unwrap_or_default();
            steps.extend(positions.into_iter().flat_map(|at| ["fields".to_owned(), at.to_string()]));
        }
        let text = &found.source.text;
        let older = keys.iter().map(|key| if key == "fides_meta" { "fidesops_meta" } else { key }.to_owned());
        let line = locate::exact(text, &[&steps[..], keys].concat())
            .or_else(|| locate::exact(text, &[&steps[..], &older.collect::<Vec<_>>()].concat()))
            .unwrap_or_else(|| locate::line(text, &steps));
        Some((found.source, line))
    }
}

fn strays(source: &Source) -> impl Iterator<Item = Finding> {
    let strays = keys::strays(&source.text).into_iter();
    strays.map(|keys::Stray { line, level, message }| Finding { level, file: source.path.clone(), line, message })
}

fn read(path: PathBuf) -> Result<Source, LoadError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Source { path, text }),
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

fn parse<T: serde::de::DeserializeOwned>(source: &Source) -> Result<T, Finding> {
    serde_saphyr::from_str(&source.text).map_err(|error| {
        let line = error.location().map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
        // The first line says what is wrong; the rest draws the place, which the file and line already name.
        let rendered = error.without_snippet().to_string();
        let message = rendered.lines().next().unwrap_or("not valid YAML").to_owned();
        Finding {
            level: Level::Error,
            file: source.path.clone(),
            line,
            message: format!("{message} (docs/policy-format.md says what belongs here)"),
        }
    })
}
