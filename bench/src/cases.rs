//! What is measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use habeas::personal::IdentityKind;
use habeas::request::Right;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::function::{Outcome, Task};
use crate::lake::{self, Store};
use crate::proof::{Before, dump};
use crate::report::{Better, Report};
use crate::stores::{self, Endpoints};
use crate::{BenchError, itself, print, say};

/// The options of a run.
#[derive(Args)]
pub(crate) struct Options {
    /// URL of a PostgreSQL role that may create databases.
    #[arg(long, env = "HABEAS_BENCH_POSTGRES")]
    postgres: String,
    /// The folder with the sample project of the installed Fides package.
    #[arg(long)]
    sample: PathBuf,
    /// What a peer measured in the same run, as JSON.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Where the figures go.
    #[arg(long, default_value = ".local/bench.json")]
    out: PathBuf,
    /// Rows of the large person.
    #[arg(long, default_value_t = 1_000_000)]
    large_rows: u64,
    /// Rows of the person in a DynamoDB table.
    #[arg(long, default_value_t = 100_000)]
    table_rows: u64,
    /// Rows of the person in JSON Lines.
    #[arg(long, default_value_t = 1_000_000)]
    line_rows: u64,
    /// A folder of Parquet files as `peers/parquet_objects.py` writes them.
    #[arg(long)]
    parquet: Option<PathBuf>,
    /// A Python with boto3 and pyarrow, to erase from the same objects in the way of S3 Find and Forget first.
    #[arg(long)]
    parquet_peer: Option<PathBuf>,
    /// Messages attended to at once, where a time is measured.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
}

/// What the peers measured.
#[derive(Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are named in the peer's file, with their unit")]
struct Peer {
    access_small_s: Option<f64>,
    access_90k_s: Option<f64>,
    erasure_90k_s: Option<f64>,
}

/// What the way of S3 Find and Forget took.
#[derive(Default, Deserialize)]
struct FindAndForget {
    seconds: Option<f64>,
    peak_mib: Option<f64>,
}

/// The person with about 90,000 rows of their own.
const PERSON: &str = "u1@load.example";
/// A person of the sample project, with few rows.
const FEW: &str = "customer-1@example.com";
/// Another one, who is erased before anything is timed.
const GONE: &str = "customer-2@example.com";
/// The person with as many rows as one wants.
const LARGE: &str = "u2@load.example";
/// The secret that bench/fides/policy.yaml names.
const SECRET: &str = "habeas/fides-sample";
/// How often a time of less than a second is measured.
const TIMES: usize = 5;
/// What the export function may have resident (MiB).
const EXPORT_LIMIT_MIB: f64 = 128.0;

/// Measures everything.
pub(crate) async fn run(options: Options) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let endpoints = stores::start(folder.path()).await?;
    let peer: Peer = match &options.peer {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?).map_err(BenchError::other)?,
        None => Peer::default(),
    };
    let policy = policy_folder(&options.sample, folder.path())?;
    let mut report = Report::default();
    let task_in = |database: &Database, right, identity: &str, at_once| Task {
        endpoints: endpoints.clone(),
        policy: policy.clone(),
        secrets: BTreeMap::from([(SECRET.to_owned(), database.secret())]),
        right,
        kind: IdentityKind::Email,
        identity: identity.to_owned(),
        warm: Some(if right == Right::Erasure { GONE } else { FEW }.to_owned()),
        at_once,
    };
    let proven = Database::create(&options.postgres, "proof").await?;
    proven.load(&options.sample).await?;
    nothing_is_left(&proven, &task_in(&proven, Right::Erasure, FEW, options.at_once)).await?;
    proven.drop().await?;
    let database = Database::create(&options.postgres, "volume").await?;
    say("loading the sample database and its volume ...");
    database.load(&options.sample).await?;
    database.load_volume(options.large_rows).await?;
    let task = |right, identity: &str, at_once| task_in(&database, right, identity, at_once);

    let few = median("access, few rows", &task(Right::Access, FEW, options.at_once)).await?;
    report.add("ratio.access_few", few, "s", peer.access_small_s, Better::Smaller);
    let fast = median("access, about 90,000 rows", &task(Right::Access, PERSON, options.at_once)).await?;
    report.add("ratio.access_90k", fast, "s", peer.access_90k_s, Better::Smaller);
    let single = measure("the same, one message at a time", &task(Right::Access, PERSON, 1)).await?;
    report.add("rss_mib.export-data", single.rss_mib, "MiB", Some(EXPORT_LIMIT_MIB), Better::Smaller);
    let large = measure("access, the large person", &task(Right::Access, LARGE, 1)).await?;
    report.add("rss_mib.export-data.large", large.rss_mib, "MiB", Some(single.rss_mib), Better::Smaller);
    let rows_per_s = rows(large.counts.exported) / large.seconds;
    report.add("rows_per_s.export.postgresql", rows_per_s, "rows/s", None, Better::Larger);
    let erased = measure("erasure, about 90,000 rows", &task(Right::Erasure, PERSON, options.at_once)).await?;
    report.add("ratio.erasure_90k", erased.seconds, "s", peer.erasure_90k_s, Better::Smaller);
    report.add("rss_mib.delete-or-anonymize.postgresql", erased.rss_mib, "MiB", None, Better::Smaller);
    database.drop().await?;
    lake(&options, &endpoints, folder.path(), &mut report).await?;
    report.write(&options.out)?;
    print(&report.table());
    say(&format!("written to {}", options.out.display()));
    Ok(())
}

/// Erases somebody of the sample project, and looks that nothing of them is left, that nothing of others has changed, and
/// that to do it again changes nothing.
async fn nothing_is_left(database: &Database, task: &Task) -> Result<(), BenchError> {
    let client = database.client().await?;
    let before = Before::read(&client, &task.identity).await?;
    measure("erasure, few rows", &Task { warm: None, ..task.clone() }).await?;
    let proof = before.prove(&client).await?;
    let once = dump(&client).await?;
    measure("erasure, the same again", &Task { warm: None, ..task.clone() }).await?;
    if dump(&client).await? != once {
        return Err(BenchError::Other("the proof failed: to erase again changes something".to_owned()));
    }
    say(&format!(
        "  proven by a full dump: none of {} values of {} rows is left, {} rows of others are as they were, and again changes nothing",
        proof.values, proof.theirs, proof.others
    ));
    Ok(())
}

/// Exports from a table and from JSON Lines, and an erasure from Parquet.
async fn lake(options: &Options, endpoints: &Endpoints, folder: &Path, report: &mut Report) -> Result<(), BenchError> {
    lake::prepare(endpoints, folder).await?;
    let task = |store: Store, right| -> Result<Task, BenchError> {
        Ok(Task {
            endpoints: endpoints.clone(),
            policy: store.policy(folder)?,
            secrets: BTreeMap::new(),
            right,
            kind: IdentityKind::Email,
            identity: lake::EMAIL.to_owned(),
            warm: None,
            at_once: 1,
        })
    };
    say(&format!("writing {} items ...", options.table_rows));
    lake::fill_table(endpoints, options.table_rows).await?;
    let table = measure("access, a table", &task(Store::Table, Right::Access)?).await?;
    report.add(
        "rows_per_s.export.dynamodb",
        rows(table.counts.exported) / table.seconds,
        "rows/s",
        None,
        Better::Larger,
    );
    report.add("rss_mib.export-data.dynamodb", table.rss_mib, "MiB", Some(EXPORT_LIMIT_MIB), Better::Smaller);
    say(&format!("writing {} lines of the person's ...", options.line_rows));
    let bytes = lake::fill_lines(endpoints, options.line_rows).await?;
    let lines = measure("access, JSON Lines", &task(Store::Lines, Right::Access)?).await?;
    say(&format!("  {} MiB became a package of {} MiB", bytes >> 20, lines.package_bytes >> 20));
    report.add("rows_per_s.export.jsonl", rows(lines.counts.exported) / lines.seconds, "rows/s", None, Better::Larger);
    report.add("rss_mib.export-data.jsonl", lines.rss_mib, "MiB", Some(EXPORT_LIMIT_MIB), Better::Smaller);
    if let Some(parquet) = &options.parquet {
        let bytes = lake::fill_parquet(endpoints, parquet).await?;
        let peer = match &options.parquet_peer {
            Some(python) => find_and_forget(python, endpoints).await?,
            None => FindAndForget::default(),
        };
        let erased = measure("erasure, Parquet", &task(Store::Parquet, Right::Erasure)?).await?;
        say(&format!("  from {} MiB", bytes >> 20));
        report.add("ratio.parquet_erase", erased.seconds, "s", peer.seconds, Better::Smaller);
        report.add("rss_mib.delete-or-anonymize", erased.rss_mib, "MiB", peer.peak_mib, Better::Smaller);
    }
    Ok(())
}

/// Erases from the same objects, of the same store, as S3 Find and Forget does, into objects of its own.
async fn find_and_forget(python: &Path, endpoints: &Endpoints) -> Result<FindAndForget, BenchError> {
    say("erasing from Parquet as S3 Find and Forget does ...");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/parquet_s3f2_way.py");
    let output = tokio::process::Command::new(python)
        .arg(script)
        .args([endpoints.s3.as_str(), lake::BUCKET, "parquet/", "peer/", "user_id", lake::PERSON])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    let printed = String::from_utf8_lossy(&output.stdout);
    say(&format!("  {}", printed.trim()));
    last_line(&printed)
}

#[expect(clippy::cast_precision_loss, reason = "rows of a benchmark are far below 2^52")]
fn rows(count: u64) -> f64 {
    count as f64
}

/// How the functions of a right take memory, as template.yaml has it.
fn memory_of(right: Right) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![("MALLOC_ARENA_MAX", "1")];
    if matches!(right, Right::Access | Right::Portability) {
        settings.push(("MALLOC_MMAP_THRESHOLD_", "65536"));
    }
    settings
}

/// Runs a task in a process of its own.
async fn measure(what: &str, task: &Task) -> Result<Outcome, BenchError> {
    let mut child = tokio::process::Command::new(itself()?)
        .arg("function")
        .env("RUST_LOG", "warn")
        .envs(memory_of(task.right))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(task).map_err(BenchError::other)?).await?;
    }
    let output = child.wait_with_output().await?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        say(&printed);
        return Err(BenchError::Other(format!("{what}: the functions' process failed")));
    }
    let outcome: Outcome = last_line(&printed)?;
    let counts = &outcome.counts;
    say(&format!(
        "{what}: {:.2} s, {:.0} MiB; read {}, exported {}, erased {}, anonymised {}, left over {}",
        outcome.seconds,
        outcome.rss_mib,
        counts.read,
        counts.exported,
        counts.erased,
        counts.anonymised,
        counts.left_over
    ));
    Ok(outcome)
}

/// The time in the middle of several: so short a time depends on what else the machine does just then, which a peer's ten
/// seconds average out.
async fn median(what: &str, task: &Task) -> Result<f64, BenchError> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        times.push(measure(what, task).await?.seconds);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[TIMES / 2])
}

/// The outcome is the last line; what stands before it is the functions' log.
fn last_line<T: serde::de::DeserializeOwned>(printed: &str) -> Result<T, BenchError> {
    serde_json::from_str(printed.lines().last().unwrap_or_default()).map_err(BenchError::other)
}

/// The policy beside this program, with the dataset file of the sample project.
fn policy_folder(sample: &Path, folder: &Path) -> Result<PathBuf, BenchError> {
    let policy = folder.join("policy");
    std::fs::create_dir_all(policy.join("datasets"))?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fides/policy.yaml");
    std::fs::copy(own, policy.join("policy.yaml"))?;
    let dataset = "postgres_example_test_dataset.yml";
    std::fs::copy(sample.join("sample_resources").join(dataset), policy.join("datasets").join(dataset))?;
    Ok(policy)
}

/// A database of this run.
struct Database {
    admin: Client,
    config: Config,
    name: String,
}

impl Database {
    async fn create(url: &str, what: &str) -> Result<Self, BenchError> {
        let config: Config = url.parse().map_err(BenchError::other)?;
        let admin = connect(&config).await?;
        let name = format!("habeas_bench_{what}_{}", std::process::id());
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.map_err(BenchError::other)?;
        Ok(Self { admin, config, name })
    }

    async fn client(&self) -> Result<Client, BenchError> {
        connect(self.config.clone().dbname(&self.name)).await
    }

    async fn load(&self, sample: &Path) -> Result<(), BenchError> {
        self.run(&sample.join("postgres_sample.sql")).await
    }

    async fn run(&self, file: &Path) -> Result<(), BenchError> {
        let sql = std::fs::read_to_string(file)?;
        self.client().await?.batch_execute(&sql).await.map_err(BenchError::other)
    }

    async fn load_volume(&self, large_rows: u64) -> Result<(), BenchError> {
        self.run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fides/volume.sql")).await?;
        let large = format!(
            "insert into login select 10000000 + i, 1002, now() from generate_series(1, {large_rows}) i; analyze login;"
        );
        self.client().await?.batch_execute(&large).await.map_err(BenchError::other)
    }

    fn secret(&self) -> serde_json::Value {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.as_str(),
            _ => "127.0.0.1",
        };
        let password = self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
        json!({
            "host": host, "port": self.config.get_ports().first().unwrap_or(&5432), "dbname": self.name,
            "username": self.config.get_user().unwrap_or("postgres"), "password": password.unwrap_or_default(),
            "sslmode": "disable",
        })
    }

    async fn drop(self) -> Result<(), BenchError> {
        let dropped = self.admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
        dropped.map_err(BenchError::other)
    }
}

async fn connect(config: &Config) -> Result<Client, BenchError> {
    let (client, connection) = config.connect(NoTls).await.map_err(BenchError::other)?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}
