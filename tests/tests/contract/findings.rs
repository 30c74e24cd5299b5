//! Each kind of mistake that docs/policy-format.md says the check finds, made in a copy of the small policy, or of the one
//! over Fides datasets: the finding names the right file and line, and says what to do.

mod anonymity;
mod cancellation;
mod fideslang;
mod masking;
mod mistakes;
mod reach;
mod recipients;
mod restrict;
mod rules;
mod shuffle;
mod tables;

use std::fmt::Write as _;
use std::path::Path;

use habeas::policy::check::Level;
use habeas::policy::load::{Finding, LoadError, load, load_with_warnings};
use habeas_cli::commands::Verdict;

use habeas_e2e::yaml;
use mistakes::MISTAKES;
use rules::RULE_MISTAKES;
use tables::TABLE_MISTAKES;

/// A file of the small policy.
#[derive(Clone, Copy, Debug)]
enum File {
    Policy,
    Dataset,
}

/// A change of one place that makes the policy unsound.
#[derive(Debug)]
struct Mistake {
    /// What is wrong, for whoever reads a failure.
    what: &'static str,
    /// Where it is made.
    file: File,
    /// This text, which is there once, …
    replace: &'static str,
    /// … becomes this.
    with: &'static str,
    /// The file that the finding names, and a text that only its line has, after the change.
    at: (File, &'static str),
    /// What the message says, in parts.
    says: &'static [&'static str],
}

impl File {
    fn path(self) -> &'static str {
        match self {
            Self::Policy => "policy.yaml",
            Self::Dataset => "datasets/app.yaml",
        }
    }
}

/// The policies that mistakes are made in.
const SMALL: &str = "tests/policy";
const FIDES: &str = "tests/fides";
const DATABASE: &str = "tests/policy-database";
const SHUFFLED: &str = "tests/policy-shuffled";

fn copy(base: &str, folder: &Path) {
    let base = yaml::path(base);
    std::fs::copy(base.join("policy.yaml"), folder.join("policy.yaml")).unwrap();
    std::fs::create_dir(folder.join("datasets")).unwrap();
    for file in std::fs::read_dir(base.join("datasets")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.join("datasets").join(file.file_name())).unwrap();
    }
}

/// What the check says of the small policy with these changes made: file, text, its replacement.
fn findings(changes: &[(File, &str, &str)], inspect: impl FnOnce(&Path)) -> Vec<Finding> {
    findings_of(SMALL, changes, inspect)
}

fn findings_of(base: &str, changes: &[(File, &str, &str)], inspect: impl FnOnce(&Path)) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    copy(base, folder.path());
    for (file, replace, with) in changes {
        let path = folder.path().join(file.path());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(replace).count(), 1, "{replace:?} is not there once");
        std::fs::write(&path, text.replace(replace, with)).unwrap();
    }
    inspect(folder.path());
    let findings = match load_with_warnings(folder.path()) {
        Ok(loaded) => {
            assert!(loaded.warnings.iter().all(|finding| finding.level == Level::Warning));
            loaded.warnings
        }
        Err(LoadError::Findings(findings)) => {
            assert!(findings.iter().any(|finding| finding.level == Level::Error));
            findings
        }
        Err(other) => unreachable!("{other}"),
    };
    let shortened = findings.into_iter().map(|mut finding| {
        finding.file = finding.file.strip_prefix(folder.path()).unwrap().to_owned();
        finding
    });
    shortened.collect()
}

fn line_with(path: &Path, text: &str) -> usize {
    let content = std::fs::read_to_string(path).unwrap();
    let lines: Vec<usize> =
        (1..).zip(content.lines()).filter_map(|(number, line)| line.contains(text).then_some(number)).collect();
    let [line] = lines.as_slice() else { unreachable!("{text:?} is on lines {lines:?}, not on one") };
    *line
}

#[test]
fn the_small_policy_is_sound_before_it_is_changed() {
    assert_eq!(findings(&[], |_| {}), []);
}

/// The mistakes that have no finding at the right place with the right words.
fn missed<'a>(base: &str, mistakes: impl IntoIterator<Item = (Level, &'a Mistake)>) -> Vec<String> {
    let mut missed = Vec::new();
    for (level, mistake) in mistakes {
        let mut line = 0;
        let change = (mistake.file, mistake.replace, mistake.with);
        let (file, text) = mistake.at;
        let found = findings_of(base, &[change], |folder| line = line_with(&folder.join(file.path()), text));
        let hit = found.iter().any(|finding| {
            finding.file == Path::new(file.path())
                && finding.line == line
                && finding.level == level
                && mistake.says.iter().all(|part| finding.message.contains(part))
        });
        if !hit {
            let (what, says, path) = (mistake.what, mistake.says, file.path());
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            missed.push(format!("{what}: wanted {path}:{line} {says:?}, found {found:#?}"));
        }
    }
    missed
}

#[test]
fn every_mistake_is_found_at_its_line_with_what_to_do() {
    let missed = missed(SMALL, MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_mistake_about_cancelling_is_found_at_its_line_with_what_to_do() {
    let missed = missed(SMALL, cancellation::MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_mistake_in_a_rule_is_found_at_its_line_with_what_to_do() {
    let missed = missed(SMALL, RULE_MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn everything_that_is_called_anonymous_and_is_not_is_found_at_its_line_with_what_to_do() {
    let in_tables = missed(SMALL, anonymity::MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    let in_a_database = missed(DATABASE, anonymity::GROUP_MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    let warned = missed(SMALL, anonymity::WARNINGS.iter().map(|mistake| (Level::Warning, mistake)));
    let missed = [in_tables, in_a_database, warned].concat();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_value_of_others_that_may_not_be_drawn_is_named_at_its_line_with_what_to_do() {
    assert_eq!(findings_of(SHUFFLED, &[], |_| {}), []);
    let refused = missed(SHUFFLED, shuffle::MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    let elsewhere = missed(SMALL, shuffle::ELSEWHERE.iter().map(|mistake| (Level::Error, mistake)));
    let warned = missed(SHUFFLED, shuffle::WARNINGS.iter().map(|mistake| (Level::Warning, mistake)));
    let missed = [refused, elsewhere, warned].concat();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_mistake_in_what_is_done_to_kept_rows_is_found_at_its_line_with_what_to_do() {
    let marks = missed(SMALL, restrict::MARK_MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    let moves = missed(DATABASE, restrict::MOVE_MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    let missed = [marks, moves].concat();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn recipients_that_cannot_be_told_or_are_forgotten_are_named_at_their_line() {
    let missed = missed(SMALL, recipients::FINDINGS.iter().map(|(level, mistake)| (*level, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn everything_in_a_fides_dataset_that_is_not_acted_on_is_named_at_its_line() {
    let all = fideslang::FINDINGS.iter().chain(reach::FINDINGS);
    let missed = missed(FIDES, all.map(|(level, mistake)| (*level, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_masking_that_is_not_done_as_it_is_written_is_named_at_its_line() {
    let missed = missed(FIDES, masking::FINDINGS.iter().map(|(level, mistake)| (*level, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn warnings_alone_do_not_make_a_policy_unsound_unless_they_are_denied() {
    let changes = [(File::Dataset, "    tags: [shop]\n", "    tags: [shop]\n    owner: nobody\n")];
    let check = |folder: &Path, deny_warnings| {
        let mut out = Vec::new();
        let verdict = habeas_cli::commands::policy::check(folder, deny_warnings, &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    };
    findings_of(FIDES, &changes, |folder| {
        let (verdict, out) = check(folder, false);
        assert_eq!(verdict, Verdict::Good);
        assert!(out.contains("datasets/app.yaml:6: warning: ") && out.contains("sound: fides"), "{out}");
        let (verdict, out) = check(folder, true);
        assert_eq!(verdict, Verdict::Bad);
        assert!(out.contains("datasets/app.yaml:6: warning: ") && !out.contains("sound"), "{out}");
    });
}

#[test]
fn every_mistake_in_a_table_is_found_at_its_line_with_what_to_do() {
    let missed = missed(SMALL, TABLE_MISTAKES.iter().map(|mistake| (Level::Error, mistake)));
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn collections_that_are_told_apart_may_share_a_table() {
    let posts = "posts: {table: small-posts, key: [user_id, post_id]}";
    let apart = [
        (
            File::Policy,
            posts,
            "posts: {table: small, key: [user_id, post_id], where: {post_id: {begins_with: \"P#\"}}}",
        ),
        (
            File::Policy,
            "orders: {table: small-orders, key: [user_id, order_id]}",
            "orders: {table: small, key: [user_id, post_id], where: {post_id: {begins_with: \"O#\"}}}",
        ),
        (File::Dataset, "- {name: order_id, data_categories", "- {name: post_id, data_categories"),
    ];
    assert_eq!(findings(&apart, |_| {}), []);
    let overlapping = [apart[0], (apart[1].0, apart[1].1, "orders: {table: small, key: [user_id, post_id]}"), apart[2]];
    let found = findings(&overlapping, |_| {});
    let [finding] = found.as_slice() else { unreachable!("{found:?}") };
    assert!(finding.message.contains("tell the rows of the two apart under where"), "{finding}");
}

#[test]
fn several_mistakes_are_all_found_at_once() {
    let changes = [
        (File::Policy, "time_zone: Asia/Shanghai", "time_zone: Shanghai"),
        (File::Policy, ", zh-Hans: 提供服务", ""),
        (
            File::Dataset,
            "{name: text, data_categories: [user.content.private]}",
            "{name: text, data_categories: [user.letters]}",
        ),
    ];
    let found = findings(&changes, |_| {});
    for part in ["time zone", "zh-Hans is missing", "\"user.letters\" does not exist"] {
        assert!(found.iter().any(|finding| finding.message.contains(part)), "{part}: {found:?}");
    }
}

#[test]
fn objects_that_a_rule_would_keep_are_found() {
    let keeps = "collections:\n  small_media.pictures: {retention: null, erasure: {action: retain, start_field: \
                 last_modified, for: P1Y, basis: {en: Law, zh-Hans: 法律}}}\n  small_app.users: {";
    let changes = [
        (
            File::Policy,
            "purposes:\n  service:",
            "  - {id: media, kind: s3, dataset: small_media, bucket: b, collections: {pictures: {objects: \
             \"pictures/{user_id}/\"}}}\npurposes:\n  service:",
        ),
        (File::Policy, "collections:\n  small_app.users: {", keeps),
        (
            File::Dataset,
            "dataset:\n",
            "dataset:\n  - {fides_key: small_media, collections: [{name: pictures, fields: [{name: key}]}]}\n",
        ),
    ];
    let mut line = 0;
    let found = findings(&changes, |folder| {
        line = line_with(&folder.join("policy.yaml"), "  small_media.pictures:");
    });
    let [finding] = found.as_slice() else { unreachable!("{found:?}") };
    assert_eq!(finding.line, line);
    assert!(finding.message.contains("erasure: {action: erase}"), "{finding}");
}

/// The largest plan is written at the end of a cancellation's cooling-off period: with the request, an event and a notice.
#[test]
fn the_largest_plan_fits_into_one_transaction() {
    use habeas::plan::Plan;
    use habeas::policy::check::MAX_STEPS;
    use habeas::request::{Matter, Right};
    const MOST_WRITES: usize = 100;
    let policy = load(&yaml::path("policies/yallo")).unwrap();
    assert!(policy.graph().captures().is_empty(), "whose keys are captured has a step more, which forgets them");
    let plan = Plan::compile(Matter::Right(Right::AccountCancellation), &policy, true).unwrap();
    let beside = plan.len() - 2 * policy.collections().count() - policy.told().len() + 1;
    assert!(MAX_STEPS + beside + 4 <= MOST_WRITES, "{beside}");
}

#[test]
fn more_steps_than_one_transaction_releases_are_found() {
    use habeas::policy::check::MAX_STEPS;
    let with = |more: usize| {
        let mut collections = String::new();
        for number in 0..more {
            writeln!(collections, "      - {{name: more-{number}, fields: []}}").unwrap();
        }
        collections.push_str("      - name: posts\n");
        let mut line = 0;
        let found = findings(&[(File::Dataset, "      - name: posts\n", &collections)], |folder| {
            line = line_with(&folder.join("policy.yaml"), "systems:");
        });
        let message = format!("this version plans at most {MAX_STEPS}");
        found.iter().any(|finding| finding.line == line && finding.message.contains(&message))
    };
    // The small policy has six, and tells two recipients.
    assert!(!with(MAX_STEPS / 2 - 7));
    assert!(with(MAX_STEPS / 2 - 6));
}
