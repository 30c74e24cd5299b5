//! How records that stay were changed: of the collections in which events say that some were, what the policy has done to each
//! field, what that amounts to, and where it is written. Pure.

use serde::Serialize;

use crate::evidence::{Event, Fact};
use crate::export::words::{choose, is_chinese};
use crate::holds::Kept;
use crate::mask::Class;
use crate::plan::Work;
use crate::policy::{ErasureRule, Generalisation, Pinned, Strategy, words as policy_words};

/// What was done to a field of records that stay.
#[derive(Serialize)]
pub(super) struct ChangedField {
    collection: String,
    field: String,
    how: String,
    class: &'static str,
    source: String,
}

/// The collections in which events say that records were changed. A step of one collection says so by itself. A re-check, a
/// purge and the step that comes back for what was held count all that they looked at together: of that, those where something
/// had turned up, was kept or was held, if their rule changes records that stay. Retained records are told of elsewhere.
fn changed_in<'a>(events: &'a [Event], policy: &Pinned) -> Vec<&'a str> {
    let (mut named, mut together, mut held) = (Vec::new(), Vec::new(), Vec::new());
    let met = |holds: &'a [Kept]| holds.iter().flat_map(|kept| &kept.collections).map(String::as_str);
    for event in events {
        match &event.fact {
            Fact::StepDone(report) => {
                let collection = report.work.collection();
                if report.counts.anonymised > 0 {
                    named.extend(collection);
                    together.extend_from_slice(if report.work == Work::EraseHeld { &held } else { &[] });
                }
                held.extend(collection.filter(|_| report.counts.held > 0));
                held.extend(met(&report.holds));
            }
            Fact::Rechecked(report) => {
                if report.counts.anonymised > 0 {
                    together.extend(report.found_in.iter().map(String::as_str));
                }
                held.extend(met(&report.holds));
            }
            Fact::Purged(report) => {
                if report.counts.anonymised > 0 {
                    together.extend(report.collections.iter().map(|purged| purged.collection.as_str()));
                }
                held.extend(met(&report.holds));
            }
            _ => {}
        }
    }
    let retains = |name: &str| matches!(policy.rule(name).map(|rule| &rule.erasure), Some(ErasureRule::Retain { .. }));
    named.extend(together.into_iter().filter(|name| !retains(name)));
    named
}

/// The fields of all collections in which records were changed, each once.
pub(super) fn fields(events: &[Event], policy: &Pinned, language: &str) -> Vec<ChangedField> {
    let mut fields: Vec<ChangedField> = Vec::new();
    for collection in changed_in(events, policy) {
        let Some(rule) = policy.rule(collection) else { continue };
        for (field, strategy) in rule.erasure.strategies().filter(|(_, strategy)| **strategy != Strategy::Keep) {
            let class = Class::of(strategy);
            let line = ChangedField {
                collection: collection.to_owned(),
                field: field.clone(),
                how: how(language, strategy),
                class: class_name(language, class),
                source: source(language, class).to_owned(),
            };
            let is_same = |known: &ChangedField| {
                known.collection == line.collection && known.field == line.field && known.how == line.how
            };
            if !fields.iter().any(is_same) {
                fields.push(line);
            }
        }
    }
    fields
}

fn class_name(language: &str, class: Class) -> &'static str {
    let (english, chinese) = match class {
        Class::Erasure => ("erased", "删除"),
        Class::Anonymisation => ("anonymised", "匿名化"),
        Class::Redaction => ("redacted, by itself not anonymous", "删去已知信息，本身不构成匿名化"),
        Class::Randomisation => ("randomised, by itself not anonymous", "随机化，本身不构成匿名化"),
        Class::Pseudonymisation => ("pseudonymised", "去标识化"),
        Class::Unchanged => ("unchanged", "未更改"),
    };
    choose(language, english, chinese)
}

fn source(language: &str, class: Class) -> &'static str {
    let chinese = match class {
        Class::Erasure => "《个人信息保护法》第47条，GDPR第17条",
        Class::Anonymisation => "《个人信息保护法》第73条第4项，GDPR序言第26段，WP216",
        Class::Redaction => "WP216：仅去除标识符不足以匿名化",
        Class::Randomisation => "WP216第3.1.2节：仅作置换不构成匿名化，其余可识别内容亦须去除",
        Class::Pseudonymisation => "《个人信息保护法》第73条第3项，GDPR第4条第5项，WP216",
        Class::Unchanged => "",
    };
    choose(language, class.source().unwrap_or_default(), chinese)
}

/// What took the place of a value. Empty: nothing did.
fn how(language: &str, strategy: &Strategy) -> String {
    if !is_chinese(language) {
        return policy_words::how(strategy).unwrap_or_default();
    }
    match strategy {
        Strategy::Erase | Strategy::Null | Strategy::Keep => String::new(),
        Strategy::Fixed(text) => format!("固定文字“{text}”"),
        Strategy::Detach => "解除与本人的关联".to_owned(),
        Strategy::Random | Strategy::RandomText(_) => "随机代码".to_owned(),
        Strategy::RandomFormat => "同类随机字符".to_owned(),
        Strategy::SaltedHash => "以弃置的随机盐计算的哈希值".to_owned(),
        Strategy::Scan => "删去已知的本人信息".to_owned(),
        Strategy::Shuffle => "随机抽取的他人数值；可供抽取的他人数值过少时不留任何值".to_owned(),
        Strategy::Generalise(coarser) => match coarser {
            Generalisation::Year => "仅保留年份".to_owned(),
            Generalisation::Month => "仅保留年月".to_owned(),
            Generalisation::Decade => "仅保留年代".to_owned(),
            Generalisation::City => "仅保留省市".to_owned(),
            Generalisation::CoarseLocation => "仅保留约十公里范围的位置".to_owned(),
            Generalisation::Coordinates(decimals) => format!("坐标仅保留{decimals}位小数"),
            Generalisation::AgeBand(years) => format!("仅保留{years}岁一档的年龄段"),
        },
        Strategy::Hash => "不加盐的哈希值".to_owned(),
        Strategy::Hmac => "带密钥的摘要".to_owned(),
        Strategy::Encrypt => "加密".to_owned(),
    }
}
