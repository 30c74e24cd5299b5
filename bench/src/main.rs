//! Times the handlers against real stores: the functions run in a process of their own, so that its memory is theirs; the
//! ledger and the package bucket are stores on loopback; PostgreSQL is the server that a peer is timed on as well.

mod cases;
mod function;
mod lake;
mod proof;
mod report;
mod stores;
mod wiring;

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file, a socket or a process.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something that a message says.
    #[error("{0}")]
    Other(String),
    /// Something of a library.
    #[error("{0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BenchError {
    /// An error of a library.
    pub(crate) fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Source(Box::new(error))
    }
}

#[derive(Parser)]
#[command(about = "Times the handlers against real stores")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and writes down.
    Run(cases::Options),
    /// Does one task, read from standard input as JSON; prints the outcome as JSON.
    Function,
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(options) => cases::run(options).await,
        Command::Function => work().await,
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            say(&text);
            std::process::ExitCode::FAILURE
        }
    }
}

async fn work() -> Result<(), BenchError> {
    habeas::telemetry::init();
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let task = serde_json::from_str(&text).map_err(BenchError::other)?;
    let outcome = function::run(task).await?;
    print(&serde_json::to_string(&outcome).map_err(BenchError::other)?);
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress of a command-line tool")]
fn say(text: &str) {
    eprintln!("bench: {text}");
}

#[expect(clippy::print_stdout, reason = "the result of a command-line tool")]
fn print(text: &str) {
    println!("{text}");
}

/// The program itself, to be run again as a function.
fn itself() -> Result<PathBuf, BenchError> {
    Ok(std::env::current_exe()?)
}
