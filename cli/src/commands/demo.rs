//! `habeas demo`: the story of one policy against the local stack.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::sample::generator;
use super::{CommandError, Outcome, Verdict, pinned};
use crate::drive::Endpoints;
use crate::drive::endpoints::Sample;
use crate::drive::story::{self, Options};
use crate::sample::Population;

/// What the command line says about it. What it leaves open is taken from endpoints.json.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// endpoints.json.
    pub endpoints: PathBuf,
    /// Where packages and evidence go.
    pub out: PathBuf,
    /// How many people were loaded.
    pub users: Option<usize>,
    /// From which seed.
    pub seed: Option<u64>,
    /// Posts of a heavy one.
    pub heavy_rows: Option<usize>,
    /// Whether to search the logs too.
    pub scan_logs: bool,
}

/// Plays the story and tells it.
pub async fn demo(folder: &Path, wanted: &Wanted, defaults: Population, out: &mut dyn Write) -> Outcome {
    let policy = pinned(folder)?;
    let app = generator(&policy)?;
    let endpoints = Endpoints::read(&wanted.endpoints)?;
    let loaded: Option<Sample> = endpoints.sample;
    let population = Population {
        users: wanted.users.or(loaded.map(|sample| sample.users)).unwrap_or(defaults.users),
        seed: wanted.seed.or(loaded.map(|sample| sample.seed)).unwrap_or(defaults.seed),
        heavy_rows: wanted.heavy_rows.or(loaded.and_then(|sample| sample.heavy_rows)).unwrap_or(defaults.heavy_rows),
    };
    if population.users < Population::SUBJECTS {
        return Err(CommandError::TooFewUsers { least: Population::SUBJECTS });
    }
    let options = Options { policy, app, population, endpoints, out: wanted.out.clone(), scan_logs: wanted.scan_logs };
    let failures = story::play(&options, out).await?;
    Ok(if failures == 0 { Verdict::Good } else { Verdict::Bad })
}
