//! A certificate for people to read: one self-contained page, in English or Simplified Chinese, from a request's evidence and
//! the policy that it was answered under. Pure.
//!
//! The rule of this room: a section says what events prove. What they do not say is not on the page; the policy gives only
//! words for it (names, reasons, whom to ask).

mod changed;
mod labels;
mod words;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use crate::evidence::{Certificate, CollectionResult, EvidenceFile, Fact, RetainedResult};
use crate::export::words::is_chinese;
use crate::export::{category_words, words as export_words};
use crate::plan::Counts;
use crate::policy::{ErasureRule, Pinned, in_language, refusal_text};
use crate::request::Ground;
use changed::ChangedField;

const TEMPLATE: &str = include_str!("certificate.html.j2");

/// What the template is given. Whatever else events come to prove is a list of its own beside `kept` and `recipients`.
#[derive(Serialize)]
pub struct Page {
    words: BTreeMap<&'static str, &'static str>,
    controller: Controller,
    request: About,
    policy: PolicyText,
    outcome: &'static str,
    results: Vec<Row>,
    total: [u64; 6],
    changed: Vec<ChangedField>,
    kept: Vec<Kept>,
    left_out: Vec<LeftOut>,
    recipients: Vec<ToldRecipient>,
    held: Vec<HeldRow>,
    history: Vec<Happened>,
    proof: Proof,
}

#[derive(Serialize)]
struct Controller {
    name: String,
    contact: String,
    complaint: String,
    time_zone: String,
}

#[derive(Serialize)]
struct About {
    id: String,
    right: &'static str,
    received_at: Moment,
    due_at: Moment,
    completed_at: Option<Moment>,
}

#[derive(Serialize)]
struct PolicyText {
    id: String,
    title: String,
    version: String,
    sha256: String,
}

/// What one step did to one collection.
#[derive(Serialize)]
struct Row {
    collection: String,
    description: String,
    work: &'static str,
    counts: [u64; 6],
}

#[derive(Serialize)]
struct Kept {
    collection: String,
    description: String,
    rows: u64,
    until: Option<Moment>,
    restricted: String,
    purged: Option<Moment>,
    out_of_reach: bool,
    basis: String,
}

/// What an operator refused: all of it, or a collection.
#[derive(Serialize)]
struct LeftOut {
    /// The collection or category; none for all of it.
    name: Option<String>,
    description: String,
    ground: String,
    source: String,
}

/// Who was told of the erasure, or was not.
#[derive(Serialize)]
struct ToldRecipient {
    name: String,
    id: String,
    told_at: Option<Moment>,
    /// Why it was not told; empty if it was.
    not_told: &'static str,
    answer: &'static str,
    answered_at: Option<Moment>,
}

/// What a legal hold did.
#[derive(Serialize)]
struct HeldRow {
    basis: String,
    hold: String,
    until: Moment,
    ended_at: Option<Moment>,
    kept: Vec<(String, u64)>,
}

#[derive(Serialize)]
struct Happened {
    at: Moment,
    text: String,
}

#[derive(Serialize)]
struct Proof {
    events: u32,
    head: String,
    anchor: Option<AnchorText>,
}

#[derive(Serialize)]
struct AnchorText {
    number: u64,
    at: Moment,
    events: u32,
    root: String,
    key: String,
}

/// A moment for programs and for people.
#[derive(Serialize)]
struct Moment {
    utc: String,
    local: String,
}

/// Says moments in one time zone; one that is not known is UTC, and the moments say so.
struct Clock(TimeZone);

impl Clock {
    fn of(time_zone: &str) -> Self {
        Self(TimeZone::get(time_zone).unwrap_or(TimeZone::UTC))
    }

    fn say(&self, at: Timestamp) -> Moment {
        let local = at.to_zoned(self.0.clone());
        Moment { utc: crate::ledger::keys::moment(at), local: local.strftime("%Y-%m-%d %H:%M").to_string() }
    }
}

/// Why rows of a collection are kept that an erasure came upon: as the policy says, or since their system lets nobody
/// delete them; or, `out_of_reach`, since nothing tells any more whose they are.
#[must_use]
pub fn basis<'a>(policy: &'a Pinned, collection: &str, language: &str, out_of_reach: bool) -> Option<&'a str> {
    Some(match &policy.rule(collection)?.erasure {
        ErasureRule::Retain { basis, .. } => in_language(basis, language),
        _ if out_of_reach => labels::out_of_reach(language),
        ErasureRule::Erase { .. } | ErasureRule::Anonymise { .. } | ErasureRule::Keep { .. } => words::locked(language),
    })
}

/// How the kept rows of a collection are restricted, as events prove it: marked, or moved there from elsewhere.
fn restricted(certificate: &Certificate, policy: &Pinned, entry: &RetainedResult, language: &str) -> String {
    let moved_here = |result: &&CollectionResult| {
        let rule = result.work.collection().and_then(|name| policy.rule(name));
        result.counts.moved > 0 && rule.and_then(|rule| rule.erasure.move_to()) == Some(entry.collection.as_str())
    };
    let moved: u64 = certificate.results.iter().filter(moved_here).map(|result| result.counts.moved).sum();
    words::restricted(language, entry.marked, moved)
}

fn columns(counts: &Counts) -> [u64; 6] {
    [counts.read, counts.exported, counts.erased, counts.anonymised, counts.retained, counts.left_over]
}

/// Everything that the template needs. The evidence must have been verified, or come straight from the ledger.
#[must_use]
pub fn page(file: &EvidenceFile, policy: &Pinned, language: &str) -> Page {
    let language = policy.language(Some(language));
    let (certificate, controller) = (&file.certificate, &policy.policy().controller);
    let clock = Clock::of(&controller.time_zone);
    let describe =
        |name: &str| policy.collection(name).and_then(|collection| collection.description.clone()).unwrap_or_default();
    let touched = certificate.results.iter().filter_map(|result| Some((result, result.work.collection()?)));
    let results = touched.map(|(result, name)| Row {
        collection: name.to_owned(),
        description: describe(name),
        work: words::work(language, &result.work),
        counts: columns(&result.counts),
    });
    let kept = certificate.retained.iter().map(|entry| Kept {
        collection: entry.collection.clone(),
        description: describe(&entry.collection),
        rows: entry.rows,
        until: entry.until.map(|until| clock.say(until)),
        restricted: restricted(certificate, policy, entry, language),
        purged: entry.purged_at.map(|at| clock.say(at)),
        out_of_reach: entry.out_of_reach,
        basis: basis(policy, &entry.collection, language, entry.out_of_reach).unwrap_or_default().to_owned(),
    });
    let refused = |name: Option<&String>, description: String, ground: &Ground| LeftOut {
        name: name.cloned(),
        description,
        ground: refusal_text(policy, ground, language).to_owned(),
        source: ground.source.clone(),
    };
    let category = |name: &str| category_words::of(name, is_chinese(language)).0;
    let left_out = certificate.denied.iter().map(|ground| refused(None, String::new(), ground));
    let categories = certificate.exempt_categories.iter();
    let left_out = left_out.chain(categories.map(|(name, ground)| refused(Some(name), category(name), ground)));
    let collections = certificate.exempt.iter();
    let left_out = left_out.chain(collections.map(|(name, ground)| refused(Some(name), describe(name), ground)));
    let recipients = certificate.recipients.iter().map(|result| ToldRecipient {
        name: policy.recipient(&result.recipient).map(|recipient| recipient.name.clone()).unwrap_or_default(),
        id: result.recipient.clone(),
        told_at: result.told_at.map(|at| clock.say(at)),
        not_told: result.not_told.map_or("", |reason| words::not_told(language, reason)),
        answer: words::receipt(language, result),
        answered_at: result.receipt_at.map(|at| clock.say(at)),
    });
    let held = certificate.holds.iter().map(|hold| HeldRow {
        basis: hold.held.basis.clone(),
        hold: hold.held.hold.to_string(),
        until: clock.say(hold.held.until),
        ended_at: hold.ended_at.map(|at| clock.say(at)),
        kept: hold.kept.iter().map(|kept| (kept.collection.clone(), kept.rows)).collect(),
    });
    let history = file.events.iter().filter_map(|event| {
        let (text, moment) = words::event(language, &event.fact)?;
        let text = moment.map_or(text.clone(), |moment| text.replace("{}", &clock.say(moment).local));
        Some(Happened { at: clock.say(event.at), text })
    });
    let anchor = file.anchored.as_ref().map(|anchored| AnchorText {
        number: anchored.anchor.number,
        at: clock.say(anchored.anchor.at),
        events: anchored.events,
        root: anchored.anchor.root.to_string(),
        key: anchored.signature.key_sha256.clone(),
    });
    let is_end =
        |fact: &&Fact| matches!(fact, Fact::Withdrawn | Fact::Expired | Fact::Denied(_) | Fact::StepFailed { .. });
    let last = file.events.iter().rev().map(|event| &event.fact).find(is_end).unwrap_or(&Fact::Begun);
    Page {
        outcome: words::outcome(language, certificate.outcome, last),
        results: results.collect(),
        total: columns(&certificate.total),
        changed: changed::fields(&file.events, policy, language),
        kept: kept.collect(),
        left_out: left_out.collect(),
        recipients: recipients.collect(),
        held: held.collect(),
        history: history.collect(),
        proof: Proof { events: certificate.events, head: certificate.head.as_str().to_owned(), anchor },
        request: About {
            id: certificate.request_id.to_string(),
            right: export_words::matter(language, certificate.matter),
            received_at: clock.say(certificate.received_at),
            due_at: clock.say(certificate.due_at),
            completed_at: certificate.completed_at.map(|at| clock.say(at)),
        },
        policy: PolicyText {
            id: policy.policy().id.clone(),
            title: policy.policy().title.clone(),
            version: policy.policy().version.clone(),
            sha256: certificate.policy.as_str().to_owned(),
        },
        controller: Controller {
            name: controller.name.clone(),
            contact: in_language(&controller.contact, language).to_owned(),
            complaint: in_language(&controller.complaint, language).to_owned(),
            time_zone: controller.time_zone.clone(),
        },
        words: labels::words(language),
    }
}

/// The template and what it is given do not fit.
#[derive(Debug, thiserror::Error)]
#[error("the certificate cannot be written as a page")]
pub struct PageError(#[from] minijinja::Error);

/// The page as HTML.
pub fn render(page: &Page) -> Result<String, PageError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("certificate.html", TEMPLATE)?;
    Ok(environment.get_template("certificate.html")?.render(minijinja::value::Serde(page))?)
}

#[cfg(test)]
mod tests;
