//! Checks before a cancellation that name what is there and can be read in a moment; reminders that come in time.

use std::collections::BTreeMap;

use super::Problems;
use super::periods::positive;
use super::references::text;
use crate::personal::IdentityKind;
use crate::policy::{
    Bundle, Collection, Factor, FieldCheck, Graph, KnownDevice, Link, Period, Place, RightRule, SecurityCheck, dataset,
    place,
};
use crate::request::Right;

/// Most checks of one cancellation: all of them are made while somebody waits.
const MOST_CHECKS: usize = 20;
/// Longest question to the app, in bytes.
const MOST_QUESTION_BYTES: usize = 200;
/// Most reminders of one cooling-off period.
const MOST_REMINDERS: usize = 8;

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    if let Some(app) = &bundle.policy.app {
        if !bundle.policy.subject.identities.contains_key(&IdentityKind::UserId) {
            let message = "the app is told of an account by its user id; name its field: subject.identities.user_id";
            problems.policy(&["app"], message);
        }
        if app.webhook.secret.trim().is_empty() {
            problems.policy(&["app", "webhook", "secret"], "name the secret in Secrets Manager that holds whsec_…");
        }
        if !bundle.policy.rights.contains_key(&Right::AccountCancellation) {
            problems.warn_policy(&["app"], "the app is told of cancellations only, and the policy does not offer them");
        }
    }
    for (right, rule) in &bundle.policy.rights {
        if *right == Right::AccountCancellation {
            let checking = Checking {
                bundle,
                collections: dataset::by_name(&bundle.datasets),
                graph: if rule.checks.is_empty() { Graph::default() } else { Graph::of(bundle) },
            };
            checking.all(rule, problems);
            reminders(rule, problems);
            sign_in(bundle, rule, problems);
        } else if !rule.checks.is_empty() || rule.remind_before.is_some() || rule.sign_in_withdraws {
            let message =
                "checks, remind_before and sign_in_withdraws are of account_cancellation only; leave them out here";
            problems.policy(&["rights", right.name()], message);
        }
    }
}

struct Checking<'a> {
    bundle: &'a Bundle,
    collections: BTreeMap<String, &'a Collection>,
    graph: Graph,
}

impl Checking<'_> {
    fn all(&self, rule: &RightRule, problems: &mut Problems) {
        let path = ["rights", "account_cancellation", "checks"];
        if rule.checks.len() > MOST_CHECKS {
            problems.policy(&path, format!("there are {} checks; {MOST_CHECKS} at most", rule.checks.len()));
        }
        for (position, check) in rule.checks.iter().enumerate() {
            let at = position.to_string();
            let path = ["rights", "account_cancellation", "checks", &at];
            let id = check.id.as_bytes();
            let well_formed = (1..=40).contains(&id.len())
                && id.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_');
            if !well_formed {
                problems.policy(&path, "the id of a check has 1 to 40 lower-case letters, digits and underscores");
            }
            if rule.checks[..position].iter().any(|earlier| earlier.id == check.id) {
                problems.policy(&path, format!("check {:?} is there twice; rename one", check.id));
            }
            text(&self.bundle.policy, &check.text, &[path.as_slice(), &["text"]].concat(), problems);
            self.kind(check, &path, problems);
        }
    }

    fn kind(&self, check: &SecurityCheck, path: &[&str], problems: &mut Problems) {
        let kinds = [
            check.changed_recently.is_some(),
            check.field.is_some(),
            check.known_device.is_some(),
            check.ask_app.is_some(),
        ];
        if kinds.into_iter().filter(|is_given| *is_given).count() != 1 {
            problems.policy(path, "a check is exactly one of: changed_recently, field, known_device, ask_app");
        }
        if let Some(changed) = &check.changed_recently {
            let subject = self.bundle.policy.subject.collection.clone();
            self.field_exists(&subject, &changed.field, path, problems);
            positive(changed.within, &[path, &["changed_recently", "within"]].concat(), "P7D", problems);
        }
        if let Some(field) = &check.field {
            self.field(field, path, problems);
        }
        if let Some(device) = &check.known_device {
            self.device(device, path, problems);
        }
        if let Some(ask) = &check.ask_app {
            if self.bundle.policy.app.is_none() {
                problems.policy(path, "there is no app to ask; say where it is: app.webhook");
            }
            if ask.question.trim().is_empty() || ask.question.len() > MOST_QUESTION_BYTES {
                problems.policy(path, format!("a question has 1 to {MOST_QUESTION_BYTES} bytes"));
            }
        }
    }

    fn field(&self, field: &FieldCheck, path: &[&str], problems: &mut Problems) {
        self.is_read_at_once(&field.collection, path, problems);
        self.field_exists(&field.collection, &field.field, path, problems);
        let says =
            !field.must_be.is_empty() || !field.must_not_be.is_empty() || field.at_most.is_some() || field.is_set;
        if !says {
            problems.policy(path, "say what the field must be: must_be, must_not_be, at_most or is_set");
        }
    }

    fn device(&self, device: &KnownDevice, path: &[&str], problems: &mut Problems) {
        self.is_read_at_once(&device.collection, path, problems);
        self.field_exists(&device.collection, &device.field, path, problems);
        if let Some(since) = &device.since_field {
            self.field_exists(&device.collection, since, path, problems);
        }
        if device.since_field.is_some() != device.known_for.is_some() {
            problems.policy(path, "since_field and known_for go together; write both or neither");
        }
        if let Some(period) = device.known_for {
            positive(period, &[path, &["known_device", "known_for"]].concat(), "P7D", problems);
        }
    }

    fn field_exists(&self, collection: &str, field: &str, path: &[&str], problems: &mut Problems) {
        if self.collections.get(collection).is_some_and(|known| known.at(field).is_none()) {
            problems.policy(path, format!("{collection} has no field {field:?}"));
        }
    }

    /// Whoever confirms waits for the check, and no keys have been captured by then.
    fn is_read_at_once(&self, collection: &str, path: &[&str], problems: &mut Problems) {
        match place(&self.bundle.policy, collection) {
            None => problems.policy(path, format!("{collection:?} is in no system of the policy")),
            Some(Place::Objects { .. } | Place::Rows { .. }) => {
                problems.policy(path, format!("{collection} is in a bucket; checks read tables and databases only"));
            }
            Some(Place::Table(_) | Place::Relation { .. }) => {
                let links = self.graph.links(collection);
                if links.is_empty() || links.iter().any(|link: &Link| link.captured) {
                    let message =
                        "is found through rows of another system; checks read what the person's own row leads to";
                    problems.policy(path, format!("{collection} {message}"));
                }
            }
        }
    }
}

/// The app knows people by their user ids, and so must the request.
fn sign_in(bundle: &Bundle, rule: &RightRule, problems: &mut Problems) {
    if !rule.sign_in_withdraws {
        return;
    }
    let path = ["rights", "account_cancellation", "sign_in_withdraws"];
    if bundle.policy.app.is_none() {
        problems.policy(&path, "the app says who signed in, by a signed call: say what secret it has: app.webhook");
    }
    if rule.verification.iter().any(|factors| !factors.contains(&Factor::FreshSignIn)) {
        let message = "a sign-in is told by user id, and a request that was proven by a code alone is known by an address; \
                       ask for fresh_sign_in in every alternative of verification";
        problems.policy(&path, message);
    }
}

fn reminders(rule: &RightRule, problems: &mut Problems) {
    let Some(reminders) = &rule.remind_before else { return };
    let path = ["rights", "account_cancellation", "remind_before"];
    for period in reminders {
        positive(*period, &path, "P1D", problems);
    }
    if reminders.len() > MOST_REMINDERS {
        problems.policy(&path, format!("there are {} reminders; {MOST_REMINDERS} at most", reminders.len()));
    }
    let is_too_early = |period: &Period| rule.cooling_off.is_some_and(|whole| period.is_no_shorter_than(whole));
    if reminders.iter().any(is_too_early) {
        problems.policy(&path, "a reminder is before the end of the cooling-off period and after its beginning");
    }
    let descends = |pair: &[Period]| matches!(pair, [one, next] if !next.is_no_shorter_than(*one));
    if !reminders.windows(2).all(descends) {
        problems.policy(&path, "each reminder is nearer to the end than the one before it, such as [P3D, P1D]");
    }
}
