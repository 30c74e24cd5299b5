//! Periods and limits that end after they start.

use jiff::Span;

use super::Problems;
use crate::policy::Bundle;
use crate::policy::{ErasureRule, Period, Purge};
use crate::request::Right;

/// Most re-checks of one erasure.
const MOST_RECHECKS: usize = 8;
/// The latest re-check, in days after the end. The bucket of captured keys keeps them this long and a month more.
const LAST_RECHECK_DAYS: i32 = 90;

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    for (right, rule) in &bundle.policy.rights {
        let name = right.name();
        positive(rule.sign_in_max_age, &["rights", name, "sign_in_max_age"], "PT10M", problems);
        for (position, time) in rule.respond_within.iter().enumerate() {
            if time.limit == 0 {
                let path = ["rights", name, "respond_within", &position.to_string(), "limit"];
                problems.policy(&path, "a limit of 0 leaves no time to answer; write at least 1");
            }
        }
        if let Some(period) = rule.package_expires {
            positive(period, &["rights", name, "package_expires"], "P7D", problems);
        }
        if let Some(period) = rule.cooling_off {
            positive(period, &["rights", name, "cooling_off"], "P15D", problems);
        }
        if let Some(rechecks) = &rule.recheck_after {
            check_rechecks(*right, rechecks, problems);
        }
        if let Some(purge) = rule.purge {
            check_purge(*right, purge, problems);
        }
    }
    for (name, rule) in &bundle.policy.collections {
        if let Some(retention) = &rule.retention {
            positive(retention.period, &["collections", name, "retention", "for"], "P180D", problems);
        }
        if let ErasureRule::Retain { period, .. } = &rule.erasure {
            positive(*period, &["collections", name, "erasure", "for"], "P3Y", problems);
        }
    }
}

/// The identity of somebody who was erased stays sealed until the last re-check, so there is an end to it.
fn check_rechecks(right: Right, rechecks: &[Period], problems: &mut Problems) {
    let path = ["rights", right.name(), "recheck_after"];
    if !right.erases() {
        problems.policy(&path, "only erasure and account_cancellation are re-checked; leave it out here");
    }
    for period in rechecks {
        positive(*period, &path, "P1D", problems);
    }
    if rechecks.len() > MOST_RECHECKS {
        problems.policy(&path, format!("there are {} re-checks; {MOST_RECHECKS} at most", rechecks.len()));
    }
    let longest = Period(Span::new().days(LAST_RECHECK_DAYS));
    if rechecks.iter().any(|period| !longest.is_no_shorter_than(*period)) {
        let most = format!("a re-check is {LAST_RECHECK_DAYS} days after the end at the latest");
        problems.policy(&path, format!("{most}: the erased person's identity stays sealed until then"));
    }
    let ascends = |pair: &[Period]| matches!(pair, [one, next] if !one.is_no_shorter_than(*next));
    if !rechecks.windows(2).all(ascends) {
        problems.policy(&path, "each re-check is later than the one before it, such as [P1D, P30D]");
    }
}

fn check_purge(right: Right, purge: Purge, problems: &mut Problems) {
    let path = ["rights", right.name(), "purge"];
    if !right.erases() {
        problems
            .policy(&path, "only erasure and account_cancellation keep rows that are purged later; leave it out here");
    }
    if purge.keep_contact && !purge.timer {
        problems
            .policy(&path, "without the timer nobody is told, so no address is kept for it: leave keep_contact out");
    }
}

pub(super) fn positive(period: Period, path: &[&str], example: &str, problems: &mut Problems) {
    if !period.0.is_positive() {
        problems.policy(path, format!("the period {} is not longer than nothing; write one like {example}", period.0));
    }
}
