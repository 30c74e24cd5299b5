//! Names that must exist, texts that must be there, rights that must be whole.

use std::collections::BTreeSet;

use super::Problems;
use crate::policy::{Bundle, categories, dataset};
use crate::policy::{CommitmentStatus, Policy, RightRule, Text};
use crate::request::Right;

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let policy = &bundle.policy;
    header(policy, problems);
    texts(policy, problems);
    for (right, rule) in &policy.rights {
        check_right(policy, *right, rule, problems);
    }
    recipients(policy, problems);
    items(bundle, problems);
    commitments(policy, problems);
    for (position, category) in policy.export.omit.iter().enumerate() {
        category_exists(category, &["export", "omit", &position.to_string()], problems);
    }
    for (position, rule) in policy.export.mask.iter().enumerate() {
        category_exists(&rule.category, &["export", "mask", &position.to_string()], problems);
    }
}

/// The jurisdictions that a policy may name.
const JURISDICTIONS: [&str; 11] = ["cn", "eu", "uk", "us-ca", "br", "kr", "jp", "in", "sg", "hk", "ca-qc"];

fn header(policy: &Policy, problems: &mut Problems) {
    if policy.habeas != 1 {
        problems.policy(&["habeas"], format!("format {} is not known; write 1", policy.habeas));
    }
    let id = policy.id.as_bytes();
    let well_formed = (2..=31).contains(&id.len())
        && id[0].is_ascii_lowercase()
        && id.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if !well_formed {
        problems.policy(&["id"], "an id has 2 to 31 lower-case letters, digits and hyphens, a letter first");
    }
    if !JURISDICTIONS.contains(&policy.jurisdiction.as_str()) {
        let known = JURISDICTIONS.join(", ");
        problems.policy(
            &["jurisdiction"],
            format!("jurisdiction {:?} is not known; write one of {known}", policy.jurisdiction),
        );
    }
    if jiff::tz::TimeZone::get(&policy.controller.time_zone).is_err() {
        problems.policy(
            &["controller", "time_zone"],
            format!("{:?} is no IANA time zone; write one like Asia/Shanghai", policy.controller.time_zone),
        );
    }
    if policy.controller.languages.is_empty() {
        problems.policy(&["controller", "languages"], "name at least one language");
    }
}

pub(super) fn text(policy: &Policy, text: &Text, path: &[&str], problems: &mut Problems) {
    for language in &policy.controller.languages {
        if text.get(language).is_none_or(|words| words.trim().is_empty()) {
            problems.policy(path, format!("the text in {language} is missing; controller.languages asks for it"));
        }
    }
}

fn texts(policy: &Policy, problems: &mut Problems) {
    text(policy, &policy.controller.contact, &["controller", "contact"], problems);
    text(policy, &policy.controller.complaint, &["controller", "complaint"], problems);
    for (id, purpose) in &policy.purposes {
        text(policy, purpose, &["purposes", id], problems);
    }
    for (position, refusal) in policy.refusals.iter().enumerate() {
        text(policy, &refusal.text, &["refusals", &position.to_string()], problems);
    }
}

fn check_right(policy: &Policy, right: Right, rule: &RightRule, problems: &mut Problems) {
    let path = ["rights", right.name()];
    if !right.is_served() {
        problems.policy(&path, format!("{} is not answered by this version; leave it out", right.name()));
    }
    if rule.verification.is_empty() || rule.verification.iter().any(Vec::is_empty) {
        problems.policy(&path, "say how the person is verified: verification: [[contact_code]] for example");
    }
    if rule.respond_within.is_empty() {
        problems.policy(&path, "say within which time the request is answered: respond_within");
    }
    if right.exports() && rule.package_expires.is_none() {
        problems.policy(&path, "say how long the package can be fetched: package_expires: P7D");
    }
    if right != Right::AccountCancellation {
        return;
    }
    if rule.cooling_off.is_none() {
        problems.policy(&path, "say how long a confirmed cancellation waits: cooling_off: P15D");
    }
    match &rule.phrase {
        Some(phrase) => text(policy, phrase, &["rights", right.name(), "phrase"], problems),
        None => problems.policy(&path, "say what a person types to confirm: phrase"),
    }
    let consequences = rule.consequences.as_ref();
    for language in &policy.controller.languages {
        match consequences.and_then(|all| all.get(language)) {
            Some(lines) if !lines.is_empty() => {
                for (position, _) in lines.iter().enumerate().filter(|(_, line)| line.trim().is_empty()) {
                    let path = ["rights", right.name(), "consequences", language, &position.to_string()];
                    problems.policy(&path, format!("a consequence in {language} is blank; write it or leave it out"));
                }
            }
            _ => problems.policy(&path, format!("the consequences in {language} are missing")),
        }
    }
}

fn recipients(policy: &Policy, problems: &mut Problems) {
    for (position, recipient) in policy.recipients.iter().enumerate() {
        for category in &recipient.categories {
            category_exists(category, &["recipients", &position.to_string(), "categories"], problems);
        }
    }
}

const NO_ITEM: &str = "this personal field belongs to no item; add it to one, or have items made: items_from_datasets";

fn items(bundle: &Bundle, problems: &mut Problems) {
    let policy = &bundle.policy;
    let collections = dataset::by_name(&bundle.datasets);
    let recipients: BTreeSet<&str> = policy.recipients.iter().map(|recipient| recipient.id.as_str()).collect();
    let mut named = BTreeSet::new();
    for (position, item) in policy.items.iter().enumerate() {
        let at = position.to_string();
        category_exists(&item.category, &["items", &at, "category"], problems);
        if policy.items[..position].iter().any(|earlier| earlier.name == item.name) {
            let message = format!("item {:?} is there twice; join the two or rename one", item.name);
            problems.policy(&["items", &at, "name"], message);
        }
        if item.fields.is_empty() {
            problems.policy(&["items", &at], format!("item {:?} is nowhere; name its fields", item.name));
        }
        for full_name in &item.fields {
            let field = full_name.rsplit_once('.').and_then(|(name, field)| collections.get(name)?.field(field));
            match field {
                None => problems.policy(
                    &["items", &at, "fields"],
                    format!("{full_name} is in no dataset; write <dataset>.<collection>.<field>"),
                ),
                Some(field) if !field.categories().any(|category| category == item.category) => problems.policy(
                    &["items", &at, "category"],
                    format!(
                        "{full_name} has the categories {:?}, not {:?}",
                        field.categories().collect::<Vec<_>>(),
                        item.category
                    ),
                ),
                Some(_) => {
                    named.insert(full_name.clone());
                }
            }
        }
        for purpose in &item.purposes {
            if !policy.purposes.contains_key(purpose) {
                problems.policy(&["items", &at, "purposes"], format!("purpose {purpose:?} is not under purposes"));
            }
        }
        for recipient in &item.recipients {
            if !recipients.contains(recipient.as_str()) {
                problems.policy(&["items", &at, "recipients"], format!("recipient {recipient:?} is not there"));
            }
        }
    }
    if let Some(all) = &policy.items_from_datasets {
        for purpose in all.purposes.iter().filter(|purpose| !policy.purposes.contains_key(*purpose)) {
            let message = format!("purpose {purpose:?} is not under purposes");
            problems.policy(&["items_from_datasets", "purposes"], message);
        }
        if all.purposes.is_empty() {
            problems
                .policy(&["items_from_datasets", "purposes"], "say what the data is used for: at least one purpose");
        }
    }
    for (name, collection) in &collections {
        for field in collection.fields.iter().filter(|field| field.is_personal()) {
            if !named.contains(&format!("{name}.{}", field.name)) {
                problems.dataset(name, Some(&field.name), NO_ITEM);
            }
        }
    }
}

/// Routes that a commitment may name.
const ROUTES: [&str; 15] = [
    "POST /v1/requests",
    "GET /v1/requests",
    "GET /v1/requests/{id}",
    "DELETE /v1/requests/{id}",
    "POST /v1/requests/{id}/verification",
    "PUT /v1/requests/{id}/verification",
    "POST /v1/requests/{id}/confirmation",
    "POST /v1/requests/{id}/decision",
    "GET /v1/requests/{id}/package",
    "GET /v1/requests/{id}/evidence",
    "GET /v1/requests/{id}/certificate",
    "POST /v1/plans",
    "POST /v1/replays",
    "GET /v1/replays/{id}",
    "POST /v1/app/events",
];

fn commitments(policy: &Policy, problems: &mut Problems) {
    for (position, commitment) in policy.commitments.iter().enumerate() {
        let at = position.to_string();
        let twice = policy.commitments[..position].iter().any(|earlier| earlier.number == commitment.number);
        if twice {
            problems.policy(&["commitments", &at], format!("number {} is there twice", commitment.number));
        }
        if commitment.status == CommitmentStatus::Kept && commitment.by.is_empty() {
            let message = format!("commitment {} is kept by nothing; name what keeps it under by", commitment.number);
            problems.policy(&["commitments", &at, "by"], message);
        }
        for reference in &commitment.by {
            if !rule_exists(policy, reference) {
                problems.policy(&["commitments", &at, "by"], format!("{reference:?} names no rule and no route"));
            }
        }
    }
}

fn rule_exists(policy: &Policy, reference: &str) -> bool {
    match reference.split_once('.') {
        Some(("rights", right)) => policy.rights.keys().any(|candidate| candidate.name() == right),
        Some(("collections", name)) => policy.collections.contains_key(name),
        Some(("items", name)) => policy.items.iter().any(|item| item.name == name),
        Some(("recipients", id)) => policy.recipients.iter().any(|recipient| recipient.id == id),
        Some(("refusals", id)) => policy.refusals.iter().any(|refusal| refusal.id == id),
        _ if reference == "fee" => policy.fee.is_some(),
        _ => reference == "export" || ROUTES.contains(&reference),
    }
}

fn category_exists(category: &str, path: &[&str], problems: &mut Problems) {
    if categories::find(category).is_none() {
        let parent = category.rsplit_once('.').map_or("user", |(parent, _)| parent);
        let near: Vec<&str> = categories::keys().filter(|key| categories::is_within(key, parent)).take(6).collect();
        let hint = if near.is_empty() {
            "see fideslang's categories".to_owned()
        } else {
            format!("near: {}", near.join(", "))
        };
        problems.policy(path, format!("category {category:?} does not exist; {hint}"));
    }
}
