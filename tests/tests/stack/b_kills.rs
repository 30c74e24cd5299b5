//! A function's process is killed in the middle of a step; its lease lapses; another takes over.

use std::fs;
use std::time::Duration;

use habeas::request::{Right, Status};
use habeas_cli::drive::operate;
use habeas_cli::drive::package::Package;
use habeas_cli::sample;

use crate::world::{BOUND, World};

/// A little longer than the longest lease.
const LEASE_SECONDS: i64 = 16 * 60;

/// Kills a process of a function as soon as one is at work. False: none was seen in time.
async fn kill(world: &World, function: &str) -> bool {
    let emulator = emulator_pid(world);
    for _ in 0..2000 {
        for process in children(emulator) {
            let named = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={function}\0");
            let is_it = named.windows(wanted.len()).any(|window| window == wanted.as_bytes());
            if is_it && is_busy(process) {
                let killed = std::process::Command::new("kill").args(["-9", &process.to_string()]).status().unwrap();
                return killed.success();
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

fn emulator_pid(world: &World) -> u32 {
    let endpoints = std::env::var("HABEAS_ENDPOINTS").unwrap();
    let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(endpoints).unwrap()).unwrap();
    assert_eq!(file["endpoint"], world.endpoints.endpoint.as_str());
    u32::try_from(file["emulator"]["pid"].as_u64().unwrap()).unwrap()
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| parent_of(*process) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Whether a process has used any processor time lately: an idle one waits for its next event.
fn is_busy(process: u32) -> bool {
    let used = || -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok()
    };
    let before = used();
    std::thread::sleep(Duration::from_millis(4));
    before.is_some() && used() > before
}

/// Lets the leases of killed workers lapse, by the clock, and waits until the request is done.
async fn let_leases_lapse(world: &World, id: &str) {
    world.set_clock(LEASE_SECONDS).await;
    let ledger = &world.stack().ledger_table;
    let waited = async {
        loop {
            world.wake().await;
            let bound = Duration::from_secs(20);
            if operate::wait_in_ledger(&world.clients, ledger, id, Status::Completed, bound).await.is_ok() {
                break;
            }
        }
    };
    let ended = tokio::time::timeout(BOUND, waited).await;
    world.set_clock(0).await;
    ended.expect("the request is completed although its worker was killed");
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn an_export_whose_process_is_killed_gives_the_same_package() {
    let world = World::of("yallo").await;
    let person = world.person(6);
    let (id, token) = world.open(Right::Access, &person).await;
    assert!(kill(&world, &world.function("ExportDataFunction")).await, "a worker was killed at work");
    let_leases_lapse(&world, &id).await;
    let link = world.api.package(&id, &token).await.unwrap().expect(200).unwrap();
    let package = Package::open(&world.api.download(link["url"].as_str().unwrap()).await.unwrap()).unwrap();
    assert_eq!(package.problems(), Vec::<String>::new());
    let expected = sample::expected(world.app, &world.population, 6);
    assert_eq!(package.differences(&expected), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn an_erasure_whose_process_is_killed_leaves_the_same() {
    let world = World::of("yuncan").await;
    let person = world.person(9);
    let before = world.snapshot().await;
    let (id, _) = world.open(Right::Erasure, &person).await;
    assert!(kill(&world, &world.function("DeleteOrAnonymizeFunction")).await, "a worker was killed at work");
    let_leases_lapse(&world, &id).await;
    let after = world.snapshot().await;
    let left: Vec<String> =
        after.left_of(&world.policy, world.app, &person).iter().map(|finding| finding.place.clone()).collect();
    assert_eq!(left, Vec::<String>::new());
    let (before, after) = (before.of_others(world.app, &person), after.of_others(world.app, &person));
    let changed: Vec<&String> = before.iter().filter(|row| !after.contains(row)).take(3).collect();
    assert_eq!(changed, Vec::<&String>::new(), "other people's rows are byte for byte as before");
}
