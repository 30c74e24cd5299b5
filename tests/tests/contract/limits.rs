//! Limits of the template that follow from limits elsewhere.

use habeas::holds::LONGEST;
use habeas_e2e::template::Template;

/// The latest re-check that the policy's check allows, in days after the end.
const LAST_RECHECK_DAYS: i64 = 90;

#[test]
fn captured_keys_outlive_the_longest_hold_and_the_last_re_check_after_it() {
    let template = Template::read();
    let bucket = template.of_type("AWS::S3::Bucket")["PackageBucket"];
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let keys = rules.iter().find(|rule| rule["Prefix"] == "keys/").unwrap();
    let days = keys["ExpirationInDays"].as_i64().unwrap();
    assert!(days > LONGEST.as_hours() / 24 + LAST_RECHECK_DAYS, "{days}");
}
