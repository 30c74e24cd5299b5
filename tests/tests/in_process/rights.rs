//! Each function's role in template.yaml is enough for what the function does, and each of its lines is needed: without it
//! a story stops at a call that is denied. A line is an action on a resource as the template writes it, so that each
//! queue that a function may send to counts by itself.
//!
//! What a call needs is worked out in `habeas_e2e`'s `needs`. Most of it is read off the calls that the functions' own
//! clients make. What Lambda does with a function's role (polling, logs, variables) and what services do with a customer
//! key has no call in this process; there the world asks for what AWS's documentation says is needed.

mod stories;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use habeas::evidence::{Fact, FailureReason};
use habeas::request::Status;
use habeas_e2e::roles::{Denial, Grant, OUT_OF_REACH, rules, stack};
use habeas_e2e::{Deployed, Function, World};
use serde_json::json;

use crate::people::{LI, fresh, settle};
use stories::{STORIES, Story};
pub(crate) use stories::{cancellation as cancel, confirmed};

/// What roles hold on the local stack only, since the emulator asks for it. No world does: its roles are those of AWS, so a
/// call that needed one of these would be denied. `stack/a_stories.rs` runs under them.
const FOR_THE_EMULATOR: [(&str, &str); 2] = [
    ("s3:DeleteObject", "AWS asks for it where no version is named, the emulator always"),
    ("sqs:SendMessageBatch", "the emulator asks for it, AWS has no such action"),
];

/// Where a line is needed first: the story, and after how many questions to the roles.
struct Use {
    story: &'static Story,
    questions: usize,
}

/// Every story played with the roles as they are; a denial ends it. Each line that was needed, with the quickest way to it.
static USES: LazyLock<BTreeMap<Grant, Use>> = LazyLock::new(|| {
    let played = side_by_side(STORIES, |story| {
        in_a_runtime(async {
            let world = World::new().await;
            settle(&world).await;
            (story.play)(&world).await;
            (story, world.rights.relied_on())
        })
    });
    let mut uses: BTreeMap<Grant, Use> = BTreeMap::new();
    for (story, grants) in played {
        for (grant, questions) in grants {
            if uses.get(&grant).is_none_or(|quickest| questions < quickest.questions) {
                uses.insert(grant, Use { story, questions });
            }
        }
    }
    uses
});

#[test]
fn every_line_of_every_role_is_needed_by_a_story_and_no_story_needs_more() {
    let listed = |grant: &Grant| OUT_OF_REACH.iter().any(|(statement, _)| *statement == grant.statement);
    let wrong = stack().grants().filter(|grant| listed(grant) == USES.contains_key(grant));
    let wrong: Vec<String> = wrong.map(|grant| format!("{grant}, listed as out of reach: {}", listed(grant))).collect();
    assert!(wrong.is_empty(), "granted, and no story needs it, or listed, and one does:\n{}", wrong.join("\n"));
    for (statement, _) in OUT_OF_REACH {
        assert!(stack().grants().any(|grant| grant.statement == statement), "{statement} is in no role");
    }
}

#[test]
fn a_role_without_any_one_of_its_lines_is_denied_what_that_line_allows() {
    let grants: Vec<&Grant> = USES.keys().collect();
    let functions: BTreeSet<Function> = grants.iter().map(|grant| grant.function).collect();
    assert_eq!(functions, Function::ALL.into(), "every function has a role");
    let unnoticed: Vec<String> = side_by_side(&grants, |grant| {
        let denial = in_a_runtime(denied_without(grant));
        let is_it = |denial: &Denial| denial.function == grant.function && denial.action == grant.action;
        (!denial.as_ref().is_some_and(is_it)).then(|| format!("{grant}: {denial:?}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(unnoticed.is_empty(), "taken away, and not what was denied first:\n{}", unnoticed.join("\n"));
}

#[test]
fn what_roles_hold_for_the_emulator_alone_is_listed() {
    let actions = |stage: &str| -> BTreeSet<(Function, String)> {
        let deployed = Deployed::new(&stack().policy, stage);
        let rules = Function::ALL.into_iter().flat_map(|function| rules(&deployed, function));
        rules.filter(|rule| rule.allows).map(|rule| (rule.grant.function, rule.grant.action)).collect()
    };
    let (local, prod) = (actions("local"), actions("prod"));
    let only_there: BTreeSet<&str> = local.difference(&prod).map(|(_, action)| action.as_str()).collect();
    assert_eq!(only_there, FOR_THE_EMULATOR.map(|(action, _)| action).into());
}

#[tokio::test]
async fn a_step_that_lacks_a_right_ends_at_once_and_waits_for_an_operator() {
    // Without these the work is done all the same: less is told beforehand, and nothing of Li's is locked.
    const SPARED: [&str; 5] = [
        "dynamodb:DescribeContinuousBackups",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketVersioning",
        "s3:GetObjectLegalHold",
        "s3:GetObjectRetention",
    ];
    let of_data = |line: &&Grant| {
        let resources = ["DataTableArns", "DataIndexArns", "DataBucketArns", "DataObjectArns"];
        line.function == Function::DeleteOrAnonymize
            && resources.contains(&line.resource.as_str())
            && !SPARED.contains(&line.action.as_str())
    };
    let mut tried = BTreeMap::new();
    for line in stack().grants().filter(of_data) {
        let world = World::that_goes_on_without(line.clone()).await;
        settle(&world).await;
        let body = Some(json!({"right": "erasure"}));
        let answer = world.call("POST", "/v1/requests", Some(&fresh(&world, LI)), body).await;
        world.run().await;
        let id = answer.body["request_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(world.ledger().request(&id).await.unwrap().unwrap().status, Status::NeedsAttention, "{line}");
        let last = world.ledger().events(&id).await.unwrap().pop().unwrap().fact;
        let Fact::StepFailed { reason, .. } = last else { unreachable!("{line}: {last:?}") };
        tried.insert(line.action.as_str(), reason);
    }
    // What is missing to read is found before anything is changed.
    let expected = [
        ("dynamodb:BatchGetItem", FailureReason::PreflightRefused),
        ("dynamodb:DeleteItem", FailureReason::Permanent),
        ("dynamodb:DescribeTable", FailureReason::PreflightRefused),
        ("dynamodb:Query", FailureReason::PreflightRefused),
        ("dynamodb:UpdateItem", FailureReason::Permanent),
        ("s3:DeleteObjectVersion", FailureReason::Permanent),
        ("s3:ListBucketVersions", FailureReason::PreflightRefused),
    ];
    assert_eq!(tried, expected.into());
}

/// Plays the story that needs a line, without it. What was denied first, if anything was.
async fn denied_without(grant: &Grant) -> Option<Denial> {
    let story = USES[grant].story;
    let world = World::that_stops_without(grant.clone()).await;
    settle(&world).await;
    tokio::select! {
        denial = world.rights.denied() => Some(denial),
        () = (story.play)(&world) => None,
    }
}

/// Runs something in a runtime that ends with it, and with all that it has started.
fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Does jobs in as many threads as there are processors. The results are in no order.
fn side_by_side<'a, J: Sync, T: Send>(jobs: &'a [J], run: impl Fn(&'a J) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take = || std::iter::from_fn(|| jobs.get(next.fetch_add(1, Ordering::Relaxed)).map(&run)).collect::<Vec<T>>();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
