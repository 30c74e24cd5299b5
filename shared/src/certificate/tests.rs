use std::path::Path;

use super::*;
use crate::evidence::merkle::TreeHash;
use crate::evidence::{
    Actor, AnchorHead, AnchorSignature, Anchored, Certificate, Event, EventHash, FailureReason, Outcome, PurgeReport,
    Purged, RecheckReport, StepReport,
};
use crate::holds::Held;
use crate::plan::Work;
use crate::policy::{Factor, Period};
use crate::request::{Matter, Right, StepNumber};

fn policy() -> Pinned {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy");
    crate::policy::load::load(&folder).unwrap()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn erased(number: u16, collection: &str, counts: Counts, until: Option<&str>) -> Fact {
    let work = Work::Erase { collection: collection.to_owned() };
    Fact::StepDone(StepReport {
        step: StepNumber(number),
        work,
        counts,
        retained_until: until.map(moment),
        exempt: false,
        holds: Vec::new(),
        retained: Vec::new(),
    })
}

fn done(number: u16, work: Work) -> Fact {
    Fact::StepDone(StepReport {
        step: StepNumber(number),
        work,
        counts: Counts::default(),
        retained_until: None,
        exempt: false,
        holds: Vec::new(),
        retained: Vec::new(),
    })
}

fn evidence(policy: &Pinned, facts: Vec<Fact>) -> EvidenceFile {
    let received = Fact::Received {
        matter: Matter::Right(Right::Erasure),
        policy: policy.digest().clone(),
        due_at: moment("2026-12-21T15:59:59Z"),
    };
    let mut events: Vec<Event> = Vec::new();
    for (number, fact) in (1..).zip([received].into_iter().chain(facts)) {
        let previous = events.last().map_or_else(EventHash::origin, |event| event.hash.clone());
        let id = "ab".repeat(16).parse().unwrap();
        events.push(Event::new(id, number, moment("2026-11-21T17:30:00Z"), Actor::System, fact, previous));
    }
    EvidenceFile { certificate: Certificate::from_events(&events).unwrap(), events, anchored: None }
}

fn whole(policy: &Pinned) -> EvidenceFile {
    let orders = Counts { read: 7, erased: 4, retained: 3, marked: 3, ..Counts::default() };
    let pictures = Counts { read: 2, erased: 1, retained: 1, ..Counts::default() };
    let comments = Counts { read: 5, anonymised: 5, ..Counts::default() };
    evidence(
        policy,
        vec![
            Fact::Accepted { factors: vec![Factor::FreshSignIn], steps: 5 },
            erased(2, "small_app.orders", orders, Some("2029-01-31T00:00:00Z")),
            erased(3, "small_files.pictures", pictures, None),
            erased(4, "small_app.comments", comments, None),
            done(5, Work::Suppress),
            Fact::Overdue,
            Fact::Completed { outcome: Outcome::Partial },
        ],
    )
}

fn text(file: &EvidenceFile, policy: &Pinned, language: &str) -> String {
    render(&page(file, policy, language)).unwrap()
}

/// The cells of a row of a table whose first cell begins so.
fn row<'a>(html: &'a str, first: &str) -> &'a str {
    let start = html.find(&format!("<tr><th scope=\"row\">{first}")).unwrap();
    html[start..].split("</tr>").next().unwrap()
}

fn numbers(row: &str) -> Vec<u64> {
    let cells = row.split("<td class=\"number\">").skip(1);
    cells.map(|cell| cell.split('<').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_certificate_says_what_was_done_what_is_kept_and_why_in_both_languages() {
    let policy = policy();
    let file = whole(&policy);
    let english = text(&file, &policy, "en");
    let chinese_has = |words: &str| text(&file, &policy, "zh-Hans").contains(words);
    assert_eq!(numbers(row(&english, "small_app.orders")), [7, 0, 4, 0, 3, 0]);
    assert_eq!(numbers(row(&english, "small_app.comments")), [5, 0, 0, 5, 0, 0]);
    let total = &english[english.find("<tfoot>").unwrap()..];
    assert_eq!(numbers(total.split("</tr>").next().unwrap()), [14, 0, 5, 5, 4, 0]);
    let kept = &english[english.find("id=\"kept\"").unwrap()..];
    let orders = row(kept, "small_app.orders");
    assert!(orders.contains("Orders are kept for three years"), "{orders}");
    assert!(orders.contains("<td>marked as restricted</td><td>–</td>"), "{orders}");
    // In the controller's time zone, which is eight hours ahead.
    assert!(orders.contains("<time datetime=\"2029-01-31T00:00:00Z\">2029-01-31 08:00</time>"), "{orders}");
    let pictures = row(kept, "small_files.pictures");
    assert!(pictures.contains("The storage system keeps it under a lock"), "{pictures}");
    assert!(pictures.contains("not known yet"), "{pictures}");
    assert!(!kept.contains("<th scope=\"row\">small_app.comments"), "nothing of it is kept");
    assert!(
        english.contains("except for what has to be kept or was left out") && english.contains("by a recent sign-in.")
    );
    assert!(english.contains("so that data which comes back is recognised") && chinese_has("以便识别重新出现的数据"));
    assert!(english.contains("2026-11-22 01:30") && english.contains("The answer became overdue."));
    assert!(english.contains(file.certificate.head.as_str()) && english.contains(policy.digest().as_str()));
    assert!(english.contains("deletion of your data") && english.contains("Complain to us"));

    let chinese = text(&file, &policy, "zh-Hans");
    assert!(chinese.contains("<html lang=\"zh-Hans\">") && chinese.contains("处理凭证"));
    assert!(chinese.contains("订单保存三年") && chinese.contains("存储系统对其设有保留锁"));
    assert!(chinese.contains("删除个人信息") && chinese.contains("向我们投诉"));
    assert_eq!(numbers(row(&chinese, "small_app.orders")), [7, 0, 4, 0, 3, 0]);
    for html in [english, chinese] {
        for not_there in ["<script", "src=", "href=\"http", "{}", "{{"] {
            assert!(!html.contains(not_there), "{not_there}");
        }
    }
}

#[test]
fn how_records_that_stay_were_changed_is_told_with_what_that_amounts_to_and_where_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy-shuffled");
    let policy = crate::policy::load::load(&folder).unwrap();
    let surveys = Counts { read: 2, anonymised: 2, ..Counts::default() };
    let none = Counts::default();
    let file =
        evidence(&policy, vec![erased(2, "shop_db.surveys", surveys, None), erased(3, "shop_db.visits", none, None)]);
    let changed = |language: &str| {
        let html = text(&file, &policy, language);
        let at = html.find("id=\"changed\"").unwrap();
        html[at..].split("</section>").next().unwrap().to_owned()
    };
    let english = changed("en");
    for cells in [
        "<td>city</td><td>randomised, by itself not anonymous</td><td>a value of somebody else&#x27;s, drawn at random, \
         or nothing, where too few others have one</td>\
         <td>WP216 3.1.2: permutation alone is no anonymisation",
        "<td>customer</td><td>anonymised</td><td>random token</td><td>PIPL Art. 73(4)",
        "<td>words</td><td>erased</td><td>–</td><td>PIPL Art. 47",
    ] {
        assert!(english.contains(cells), "{cells}\n{english}");
    }
    assert!(!english.contains("shop_db.visits"), "none of those stayed");
    let chinese = changed("zh-Hans");
    assert!(
        chinese.contains("随机抽取的他人数值；可供抽取的他人数值过少时不留任何值")
            && chinese.contains("本身不构成匿名化"),
        "{chinese}"
    );
}

#[test]
fn records_that_were_changed_after_the_end_are_told_of_like_those_of_the_erasure() {
    let policy = policy();
    let held =
        Held { hold: "c0".repeat(16).parse().unwrap(), basis: "Case 17".into(), until: moment("2027-03-01T00:00:00Z") };
    let step = |work: Work, counts: Counts, holds: &[Held]| {
        Fact::StepDone(StepReport {
            step: StepNumber(2),
            work,
            counts,
            retained_until: None,
            exempt: false,
            holds: holds.iter().cloned().map(Into::into).collect(),
            retained: Vec::new(),
        })
    };
    let erase = |collection: &str, held: u64, holds: &[Held]| {
        let counts = Counts { read: held, retained: held, held, ..Counts::default() };
        step(Work::Erase { collection: collection.to_owned() }, counts, holds)
    };
    let changed = Counts { read: 2, anonymised: 2, ..Counts::default() };
    let told = |facts: Vec<Fact>| {
        let html = text(&evidence(&policy, facts), &policy, "en");
        let section = html.split("<section").find(|part| part.contains("id=\"changed\""))?;
        let is_there = |name: &&str| section.contains(&format!("<th scope=\"row\">{name}<"));
        Some(["small_app.comments", "small_app.messages", "small_app.orders"].map(|name| is_there(&name)))
    };
    let around = vec![
        erase("small_app.comments", 2, std::slice::from_ref(&held)),
        erase("small_app.messages", 0, &[]),
        erase("small_app.orders", 1, std::slice::from_ref(&held)),
    ];
    assert_eq!(told(around.clone()), None, "held, and as they were");
    let after = |counts| [around.clone(), vec![step(Work::EraseHeld, counts, &[])]].concat();
    assert_eq!(told(after(changed)), Some([true, false, false]), "what was held, and no policy retains");
    assert_eq!(told(after(Counts { erased: 2, ..Counts::default() })), None, "none of them stayed");
    let rechecked = |counts| {
        vec![Fact::Rechecked(RecheckReport {
            step: StepNumber(9),
            after: Period("P1D".parse().unwrap()),
            found: 2,
            found_in: vec!["small_app.messages".into()],
            counts,
            somebody_new: false,
            holds: Vec::new(),
        })]
    };
    assert_eq!(told(rechecked(changed)), Some([false, true, false]));
    assert_eq!(told(rechecked(Counts { erased: 2, ..Counts::default() })), None);
}

#[test]
fn what_turned_up_after_an_erasure_is_told_with_how_long_the_person_stays_known() {
    let policy = policy();
    let report = |found: u64, places: &[&str], somebody_new| {
        Fact::Rechecked(RecheckReport {
            step: StepNumber(9),
            after: Period("P1D".parse().unwrap()),
            found,
            found_in: places.iter().map(|place| (*place).to_owned()).collect(),
            counts: Counts::default(),
            somebody_new,
            holds: Vec::new(),
        })
    };
    let until = moment("2026-12-21T17:30:00Z");
    let facts = vec![
        Fact::Completed { outcome: Outcome::Full },
        Fact::SubjectKept { until, retained_until: None },
        report(2, &["small_app.posts"], true),
        report(0, &[], false),
        Fact::SubjectDropped,
    ];
    let file = evidence(&policy, facts);
    let english = text(&file, &policy, "en");
    for words in [
        "Until 2026-12-22 01:30 this request keeps, sealed, whom it is about",
        "were deleted: 2, in small_app.posts. An account made since holds one of the addresses",
        "Nothing had turned up.",
        "no longer holds whom it is about.",
    ] {
        assert!(english.contains(words), "{words}");
    }
    let chinese = text(&file, &policy, "zh-Hans");
    assert!(chinese.contains("2 条（small_app.posts）") && chinese.contains("未发现新出现的数据"));
}

#[test]
fn what_was_kept_is_told_with_when_it_was_purged() {
    let policy = policy();
    let purged = Purged {
        collection: "small_app.orders".into(),
        erased: 3,
        retained: 0,
        retained_until: None,
        out_of_reach: false,
    };
    let report = PurgeReport {
        step: StepNumber(9),
        at: moment("2029-01-31T00:00:00Z"),
        collections: vec![purged],
        counts: Counts { read: 3, erased: 3, ..Counts::default() },
        somebody_new: false,
        holds: Vec::new(),
    };
    let counts = Counts { read: 3, retained: 3, ..Counts::default() };
    let (until, retained_until) = (moment("2026-12-21T17:30:00Z"), Some(moment("2029-01-31T00:00:00Z")));
    let facts = vec![
        erased(2, "small_app.orders", counts, Some("2029-01-31T00:00:00Z")),
        Fact::Completed { outcome: Outcome::Partial },
        Fact::SubjectKept { until, retained_until },
        done(8, Work::Narrow),
        Fact::Purged(report),
    ];
    let file = evidence(&policy, facts);
    let english = text(&file, &policy, "en");
    let kept = row(&english[english.find("id=\"kept\"").unwrap()..], "small_app.orders").to_owned();
    assert!(kept.contains("<time datetime=\"2026-11-21T17:30:00Z\">2026-11-22 01:30</time></td><td>Orders"), "{kept}");
    for words in [
        "until 2029-01-31 08:00, only what leads to the records that have to be kept",
        "but for what leads to the records that have to be kept.",
        "Deleted: 3, still kept: 0, in small_app.orders.",
    ] {
        assert!(english.contains(words), "{words}");
    }
    let chinese = text(&file, &policy, "zh-Hans");
    assert!(chinese.contains("已删除记录 3 条，仍须保留 0 条（small_app.orders）"));
}

#[test]
fn only_what_events_prove_has_a_section() {
    let policy = policy();
    let withdrawn = evidence(&policy, vec![Fact::Withdrawn]);
    let html = text(&withdrawn, &policy, "en");
    assert!(html.contains("The person took the request back. Nothing was done."));
    assert!(html.contains("No data was touched.") && !html.contains("id=\"kept\""));
    assert!(html.contains("not in a signed anchor yet"));
    assert!(!html.contains("<dt>Done</dt>") && !html.contains("<dt>Anchor</dt>"));
    let failed = Fact::StepFailed { step: StepNumber(2), reason: FailureReason::Permanent, obstructed: Vec::new() };
    assert!(text(&evidence(&policy, vec![failed]), &policy, "en").contains("could not be done yet"));
    assert!(text(&evidence(&policy, Vec::new()), &policy, "en").contains("It is not finished yet."));

    let anchor = AnchorHead {
        version: 1,
        number: 12,
        at: moment("2026-11-21T18:00:00Z"),
        previous: TreeHash::ZERO,
        size: 1,
        root: TreeHash::of(b"root"),
    };
    let signature = AnchorSignature {
        algorithm: String::new(),
        signature: String::new(),
        key_sha256: "cd".repeat(32),
        public_key: String::new(),
    };
    let request_id = withdrawn.certificate.request_id.clone();
    let proof = Anchored { request_id, events: 2, index: 0, path: Vec::new(), anchor, signature };
    let html = text(&EvidenceFile { anchored: Some(proof), ..withdrawn }, &policy, "en");
    assert!(html.contains("<dt>Anchor</dt><dd>12, ") && html.contains(&TreeHash::of(b"root").to_string()));
    assert!(html.contains(&"cd".repeat(32)) && !html.contains("not in a signed anchor yet"));
}

#[test]
fn what_a_legal_hold_keeps_is_told_with_its_basis_and_end_beside_what_the_policy_retains() {
    let policy = policy();
    let held = Held {
        hold: "c0".repeat(16).parse().unwrap(),
        basis: "Case <17>".into(),
        until: moment("2027-03-01T00:00:00Z"),
    };
    let kept = |work: Work, counts: Counts, holds: Vec<Held>| {
        Fact::StepDone(StepReport {
            step: StepNumber(2),
            work,
            counts,
            retained_until: None,
            exempt: false,
            holds: holds.into_iter().map(Into::into).collect(),
            retained: Vec::new(),
        })
    };
    let orders = Counts { read: 5, retained: 5, held: 3, ..Counts::default() };
    let work = Work::Erase { collection: "small_app.orders".to_owned() };
    let mut facts = vec![
        Fact::Held(held.clone()),
        kept(work, orders, vec![held.clone()]),
        kept(Work::Forget, Counts::default(), vec![held.clone()]),
        Fact::Completed { outcome: Outcome::Partial },
    ];
    let told = text(&evidence(&policy, facts.clone()), &policy, "en");
    let section = |told: &str| told.split("<section").find(|part| part.contains("id=\"held\"")).unwrap().to_owned();
    assert!(section(&told).contains("Case &lt;17&gt;") && section(&told).contains("2027-03-01 08:00"), "{told}");
    assert!(section(&told).contains("small_app.orders: 3") && section(&told).contains("not yet"));
    assert!(told.contains("are kept, sealed, until the legal holds have ended"));
    let retained = told.split("<section").find(|part| part.contains("id=\"kept\"")).unwrap();
    assert_eq!(numbers(row(retained, "small_app.orders")), [2], "what the policy retains is told apart");
    facts.push(Fact::HoldEnded { hold: held.hold, lifted: true });
    facts.push(kept(Work::EraseHeld, Counts { erased: 3, ..Counts::default() }, Vec::new()));
    let file = evidence(&policy, facts);
    assert_eq!((file.certificate.after_holds[0].erased, file.certificate.holds[0].ended_at.is_some()), (3, true));
    let told = text(&file, &policy, "zh-Hans");
    assert!(
        !section(&told).contains("尚未结束")
            && told.contains("依法保全已解除。")
            && told.contains("仍在保全中或依法须继续保存的除外")
    );
    assert!(!text(&whole(&policy), &policy, "en").contains("id=\"held\""), "only where there was one");
}
