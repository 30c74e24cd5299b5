//! The whole story of each policy, as `make demo` plays it, and a search of every log line.

use habeas_cli::drive::story::{Options, play};

use crate::world::World;

async fn story(name: &'static str) {
    let world = World::of(name).await;
    let out = tempfile::tempdir().unwrap();
    let options = Options {
        policy: world.policy,
        app: world.app,
        population: world.population,
        endpoints: world.endpoints,
        out: out.path().to_owned(),
        scan_logs: true,
    };
    let mut told = Vec::new();
    let failures = play(&options, &mut told).await.unwrap();
    assert_eq!(failures, 0, "\n{}", String::from_utf8_lossy(&told));
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn the_story_of_yallo_ends_well_and_no_log_line_holds_personal_data() {
    story("yallo").await;
}

#[tokio::test]
#[ignore = "needs a stack: make test"]
async fn the_story_of_yuncan_ends_well_and_no_log_line_holds_personal_data() {
    story("yuncan").await;
}
