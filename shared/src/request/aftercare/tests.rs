use jiff::ToSpan as _;

use super::*;
use crate::evidence::Purged;
use crate::plan::Counts;
use crate::request::{Matter, NewRequest, Right};

fn ended(rechecks: Vec<Period>, has_keys: bool, retained: &[(&str, &str)]) -> Change {
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let mut change = Request::open(NewRequest {
        id: "1".repeat(32).parse().unwrap(),
        matter: Matter::Right(Right::Erasure),
        policy: "ab".repeat(32).try_into().unwrap(),
        received_at: now,
        due_at: now,
        subject: Some("k1:aa".into()),
        language: "en".into(),
        sealed: Some("sealed".into()),
        submission: None,
        factors: Vec::new(),
    });
    change.request.status = Status::InProgress;
    change.request.contact = Some("sealed".into());
    change.request.aftercare = Some(Aftercare {
        rechecks,
        has_keys,
        forgetting: 0,
        step: None,
        until: None,
        purgeable: retained.iter().map(|(name, _)| (*name).to_owned()).collect(),
        retained: retained.iter().map(|(name, until)| ((*name).to_owned(), moment(until))).collect(),
        keeps_contact: true,
        narrowing: Narrowing::Ahead,
        telling: BTreeMap::new(),
    });
    change.complete(now).unwrap();
    change
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn next(change: &Change) -> (StepNumber, Work) {
    change.new_steps.last().map(|step| (step.number, step.work.clone())).unwrap()
}

fn failed(change: &Change, now: Timestamp) -> Change {
    change.request.step_failed(next(change).0, FailureReason::Permanent, Vec::new(), now).unwrap()
}

fn narrowed(change: &Change, now: Timestamp) -> Change {
    let (step, work) = next(change);
    assert_eq!(work, Work::Narrow);
    let report = StepReport {
        step,
        work,
        counts: Counts::default(),
        retained_until: None,
        exempt: false,
        holds: Vec::new(),
        retained: Vec::new(),
    };
    let captured = Captured { sealed: "less".into(), contact: None };
    change.request.step_done(report, None, Some(captured), now).unwrap()
}

#[test]
fn each_purge_is_at_its_time_and_the_address_goes_with_the_last() {
    let (one, two) = ("2027-05-01T00:00:00Z", "2029-01-31T00:00:00Z");
    let end = ended(Vec::new(), true, &[("a.logs", one), ("a.orders", two)]);
    assert!(end.request.contact.is_some() && end.request.known_until() == Some(moment(two)));
    let narrowed = narrowed(&end, moment("2026-11-22T00:00:00Z"));
    assert_eq!(narrowed.request.sealed.as_deref(), Some("less"));
    let (step, work) = next(&narrowed);
    assert_eq!(work, Work::Purge { at: moment(one) });
    assert_eq!(narrowed.new_steps[0].begins_at, Some(moment(one)));
    let purged = |collection: &str, until: Option<&str>| Purged {
        collection: collection.into(),
        erased: 1,
        retained: u64::from(until.is_some()),
        retained_until: until.map(moment),
        out_of_reach: false,
    };
    let report = |step, at, collections| PurgeReport {
        step,
        at: moment(at),
        collections,
        counts: Counts::default(),
        somebody_new: false,
        holds: Vec::new(),
    };
    let first = report(step, one, vec![purged("a.logs", None), purged("a.orders", Some(two))]);
    let first = narrowed.request.purged(first, moment(one)).unwrap();
    assert_eq!(first.request.purged.keys().collect::<Vec<_>>(), ["a.logs"]);
    assert!(first.notices.is_empty());
    let (step, work) = next(&first);
    assert_eq!(work, Work::Purge { at: moment(two) });
    let last = report(step, two, vec![purged("a.orders", None)]);
    let last = first.request.purged(last, moment(two)).unwrap();
    assert_eq!(last.notices.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::Purged]);
    assert!(last.notices[0].contact.is_some());
    assert_eq!(last.events.last().unwrap().fact, Fact::SubjectDropped);
    assert_eq!((last.request.sealed, last.request.contact, last.request.aftercare), (None, None, None));
}

#[test]
fn what_cannot_be_told_apart_before_its_time_is_looked_at_again_when_it_has_come() {
    let (one, two) = ("2027-05-01T00:00:00Z", "2029-01-31T00:00:00Z");
    let end = ended(Vec::new(), true, &[("a.logs", one), ("a.orders", two)]);
    let narrowed = narrowed(&end, moment("2026-11-22T00:00:00Z"));
    let purged = |step, at, unreached: &[&str]| {
        let left = |name: &&str| Purged {
            collection: (*name).into(),
            erased: 0,
            retained: 0,
            retained_until: None,
            out_of_reach: true,
        };
        let collections = unreached.iter().map(left).collect();
        PurgeReport {
            step,
            at: moment(at),
            collections,
            counts: Counts::default(),
            somebody_new: true,
            holds: Vec::new(),
        }
    };
    let first = narrowed.request.purged(purged(next(&narrowed).0, one, &["a.logs", "a.orders"]), moment(one)).unwrap();
    assert_eq!(next(&first).1, Work::Purge { at: moment(two) }, "whoever holds the identity now may be gone by then");
    assert_eq!(first.request.out_of_reach.len(), 2);
    let mut report = purged(next(&first).0, two, &["a.orders"]);
    report.collections[0].out_of_reach = false;
    let last = first.request.purged(report, moment(two)).unwrap();
    assert_eq!(last.request.purged.keys().collect::<Vec<_>>(), ["a.orders"]);
    assert_eq!(last.request.out_of_reach.iter().collect::<Vec<_>>(), ["a.logs"]);
}

#[test]
fn what_cannot_be_narrowed_or_purged_is_left_to_the_sweep_and_nobody_stays_known_for_it() {
    let (one, two) = ("2027-05-01T00:00:00Z", "2029-01-31T00:00:00Z");
    let end = ended(Vec::new(), true, &[("a.logs", one), ("a.orders", two)]);
    let now = moment("2026-11-22T00:00:00Z");
    let not_narrowed = failed(&end, now);
    assert_eq!(next(&not_narrowed).1, Work::Forget, "captured keys are forgotten by themselves");
    let dropped = failed(&not_narrowed, now);
    assert_eq!((dropped.request.sealed.as_ref(), next(&dropped).1), (None, Work::Forget), "and that is tried again");
    assert_eq!(dropped.request.contact, None, "without anybody to be told of it");
    let narrowed = narrowed(&end, now);
    let second = failed(&narrowed, moment(one));
    assert_eq!(next(&second).1, Work::Purge { at: moment(two) });
    let dropped = failed(&second, moment(two));
    assert_eq!((dropped.request.sealed, dropped.request.aftercare), (None, None));
}

#[test]
fn whom_it_is_about_is_kept_until_the_last_re_check_and_no_longer_whatever_fails() {
    let (day, month) = (Period(1.day()), Period(30.days()));
    let end = ended(vec![day, month], true, &[]);
    let until = "2026-12-22T00:00:00Z".parse().unwrap();
    assert_eq!(end.events.last().unwrap().fact, Fact::SubjectKept { until, retained_until: None });
    let first = end.new_steps.last().unwrap();
    assert_eq!((&first.work, first.begins_at), (&Work::Recheck { after: day }, "2026-11-23T00:00:00Z".parse().ok()));
    assert!(end.effects().iter().all(|effect| effect.item != super::super::EffectItem::Step(first.number)));
    let request = end.request;
    assert!(request.is_cared_for_by(first.number) && request.sealed.is_some());

    let late: Timestamp = "2026-12-24T00:00:00Z".parse().unwrap();
    let failed = request.step_failed(first.number, FailureReason::Permanent, Vec::new(), late).unwrap();
    let second = failed.new_steps.last().unwrap();
    assert_eq!((&second.work, second.begins_at), (&Work::Recheck { after: month }, Some(late)), "its time is over");
    let failed = failed.request.step_failed(second.number, FailureReason::Permanent, Vec::new(), late).unwrap();
    let forget = failed.new_steps.last().unwrap();
    assert_eq!((&forget.work, forget.begins_at), (&Work::Forget, None));
    assert!(failed.request.sealed.is_some(), "until the keys are forgotten");
    let (mut last, mut now) = (failed, late);
    for _ in 1..TRIES_TO_FORGET {
        last = self::failed(&last, now);
        now = after(now, FORGET_AGAIN);
        let again = last.new_steps.last().unwrap();
        assert_eq!(
            (&again.work, again.begins_at),
            (&Work::Forget, Some(now)),
            "keys are not left there because it fails"
        );
        assert_eq!(last.request.sealed, None, "whose they are is not needed for that");
    }
    let last = self::failed(&last, now);
    assert_eq!(last.events.last().unwrap().fact, Fact::SubjectDropped);
    assert_eq!((last.request.sealed, last.request.aftercare, last.new_steps.len()), (None, None, 0));
}
