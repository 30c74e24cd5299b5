//! Periods and limits that end after they start.

use super::Problems;
use crate::policy::Bundle;
use crate::policy::{ErasureRule, Period};

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

fn positive(period: Period, path: &[&str], example: &str, problems: &mut Problems) {
    if !period.0.is_positive() {
        problems.policy(path, format!("the period {} is not longer than nothing; write one like {example}", period.0));
    }
}
