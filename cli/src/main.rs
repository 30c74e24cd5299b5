//! `habeas`: see `habeas --help`.

mod args;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser as _;
use habeas_cli::commands::{self, CommandError, Outcome, Verdict};
use habeas_cli::sample::Population;

use args::{
    Cli, Command, EvidenceCommand, HoldCommand, OperatorArgs, PackageCommand, PolicyCommand, RequestCommand,
    SampleCommand, SuppressCommand,
};

/// The exit code of a dry run whose preflight refuses.
const REFUSED: u8 = 2;
/// Columns where there is no terminal to ask.
const WIDTH: u16 = 120;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help is no error. What is one ends with 1, since 2 says that a preflight refuses.
            let _ = told.print();
            return if told.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(cli, &mut std::io::stdout()).await {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Ok(Verdict::Refused) => ExitCode::from(REFUSED),
        // Whoever reads only the beginning has what they wanted.
        Err(CommandError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli, out: &mut dyn Write) -> Outcome {
    match cli.command {
        Command::Policy(PolicyCommand::Check { dir, deny_warnings }) => {
            commands::policy::check(&dir, deny_warnings, out)
        }
        Command::Policy(PolicyCommand::Show { dir, json }) => commands::show::show(&dir, json, out),
        Command::Policy(PolicyCommand::Schema) => commands::policy::schema(out),
        Command::Policy(PolicyCommand::Parameters { policy, account, region, partition }) => {
            commands::policy::parameters(&policy, &account, &region, &partition, out)
        }
        Command::Policy(PolicyCommand::Publish { policy, bucket, deny_warnings }) => {
            commands::policy::publish(&policy, &bucket, deny_warnings, out).await
        }
        Command::Sample(SampleCommand::Load { policy, people, only }) => {
            commands::sample::load(&policy, people.into(), &only, out).await
        }
        Command::Sample(SampleCommand::Drop { policy }) => commands::sample::drop_all(&policy, out).await,
        Command::Sample(SampleCommand::Person { policy, people, index, expected }) => {
            commands::sample::person(&policy, people.into(), index, expected, out)
        }
        Command::Evidence(EvidenceCommand::Verify { file, key }) => {
            commands::evidence::verify(&file, key.as_deref(), out)
        }
        Command::Evidence(EvidenceCommand::Show { file, policy, language }) => {
            commands::evidence::show(&file, &policy, &language, out)
        }
        Command::Evidence(EvidenceCommand::Anchors { folder, key }) => {
            commands::evidence::anchors(&folder, key.as_deref(), out)
        }
        Command::Evidence(EvidenceCommand::Audit { folder, ledger, key }) => {
            commands::evidence::audit(&folder, key.as_deref(), &ledger, out).await
        }
        Command::Plan(args) => {
            let wanted = commands::plan::Wanted {
                folder: &args.policy,
                matter: args.right,
                with_export: args.export,
                identity: args.identity,
                json: args.json,
                endpoints: args.endpoints.as_deref(),
            };
            let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0);
            commands::plan::plan(&wanted, width, out).await
        }
        Command::Package(PackageCommand::Verify { file, key }) => commands::package::verify(&file, key.as_deref(), out),
        Command::Package(PackageCommand::Key { key_id }) | Command::Evidence(EvidenceCommand::Key { key_id }) => {
            commands::package::key(&key_id, out).await
        }
        Command::Suppress(SuppressCommand::Replay {
            policy,
            state_of,
            systems,
            collections,
            dry_run,
            wait_minutes,
            operator,
        }) => {
            let wanted = commands::suppress::Wanted {
                folder: &policy,
                state_of,
                systems: &systems,
                collections: &collections,
                dry_run,
                bound: std::time::Duration::from_secs(wait_minutes.saturating_mul(60)),
            };
            commands::suppress::replay(&signed_in(&operator), &wanted, out).await
        }
        Command::Suppress(SuppressCommand::Status { id, operator }) => {
            commands::suppress::status(&signed_in(&operator), &id, out).await
        }
        Command::Request(command) => {
            let (id, decision, operator) = decided(command);
            commands::decide::decide(&signed_in(&operator), &id, &decision, out).await
        }
        Command::Hold(command) => hold(command, out).await,
        Command::Demo(demo) => {
            let wanted = commands::demo::Wanted {
                endpoints: demo.endpoints,
                out: demo.out,
                users: demo.users,
                seed: demo.seed,
                heavy_rows: demo.heavy_rows,
                scan_logs: demo.scan_logs,
            };
            let defaults = Population {
                users: args::DEFAULT_USERS,
                seed: args::DEFAULT_SEED,
                heavy_rows: args::DEFAULT_HEAVY_ROWS,
            };
            commands::demo::demo(&demo.policy, &wanted, defaults, out).await
        }
    }
}

/// Which request, what is decided of it, and by whom.
fn decided(command: RequestCommand) -> (String, commands::decide::Decision, OperatorArgs) {
    use commands::decide::Decision;
    match command {
        RequestCommand::Accept { id, operator } => (id, Decision::Accept, operator),
        RequestCommand::Retry { id, operator } => (id, Decision::Retry, operator),
        RequestCommand::Deny { id, ground, operator } => (id, Decision::Deny { ground }, operator),
        RequestCommand::Exempt { id, collections, categories, ground, operator } => {
            (id, Decision::Exempt { collections, categories, ground }, operator)
        }
    }
}

async fn hold(command: HoldCommand, out: &mut dyn Write) -> Outcome {
    match command {
        HoldCommand::Place { on, basis, until, operator } => {
            let wanted = commands::hold::Wanted {
                identities: &on.identities,
                collection: on.collection.as_deref(),
                request: on.request.as_deref(),
                basis: &basis,
                until,
            };
            commands::hold::place(&signed_in(&operator), &wanted, out).await
        }
        HoldCommand::List { ended, operator } => commands::hold::list(&signed_in(&operator), ended, out).await,
        HoldCommand::Lift { id, operator } => commands::hold::lift(&signed_in(&operator), &id, out).await,
    }
}

fn signed_in(args: &OperatorArgs) -> commands::suppress::Operator<'_> {
    commands::suppress::Operator { api: &args.api, token: &args.token }
}

/// The error with everything that led to it, one line each.
#[expect(clippy::print_stderr, reason = "errors of a command line tool go there")]
fn report(error: &dyn Error) {
    eprintln!("habeas: error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
