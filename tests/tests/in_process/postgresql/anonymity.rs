//! What is left anonymised by whole requests: in groups that are large enough, and in texts of others without the person.

use habeas::dry_run::{DryRun, Limits, Means, Split};
use habeas::evidence::{Certificate, EvidenceFile, verify};
use habeas::personal::{Identity, IdentityKind};
use habeas::plan::Counts;
use habeas::random::SystemRandom;
use habeas::request::{Matter, Right};
use jiff::SignedDuration;

use super::story::{Shop, shop};

/// Customer 7 is Li, who is 28. Rows 20 and up are of nobody any more; 30 and up are of people who are still there.
const ANSWERS: &str = "INSERT INTO answers VALUES
    (1, 7, 'Zhejiang Hangzhou West Lake', '1998-05-17', 1), (2, 7, 'Zhejiang Hangzhou', '20-29', 2),
    (3, 7, 'Fujian Xiamen Siming', '1998-05-17', 3), (4, 7, NULL, '28', 4), (5, 7, 'nowhere', 'unknown', 5),
    (20, NULL, 'Zhejiang Hangzhou', '20-29', 0), (21, NULL, 'Fujian Xiamen', '20-29', 0), (22, NULL, NULL, '20-29', 0),
    (23, NULL, NULL, '20-29', 0), (24, NULL, NULL, '20-29', 0), (25, NULL, NULL, NULL, 0),
    (30, 8, 'Zhejiang Hangzhou', '20-29', 0), (31, 8, 'Zhejiang Hangzhou West Lake', '1999-01-01', 0),
    (32, 8, 'Fujian Xiamen Siming', '1999-01-01', 0)";

/// Li writes to Ann, Ann writes of Li and to Li.
const LETTERS: &str = "INSERT INTO letters VALUES
    (1, 7, '8', 'Li to Ann', '139-1234-5678'),
    (2, 8, '7', 'Dear li WEI, I wrote to LI@mail.example. Ann', '139-8765 432'),
    (3, 8, '9', 'I know Li Wei', '1')";

async fn rows(shop: &Shop, table: &str) -> Vec<String> {
    shop.lines(&format!("SELECT t::text FROM {table} t ORDER BY id")).await
}

async fn certificate(shop: &Shop, id: &str) -> Certificate {
    let events = shop.world.ledger().events(&id.parse().unwrap()).await.unwrap();
    Certificate::from_events(&events).unwrap()
}

fn counts_of(certificate: &Certificate, collection: &str) -> Counts {
    let of = |result: &&habeas::evidence::CollectionResult| result.work.collection() == Some(collection);
    certificate.results.iter().find(of).unwrap().counts
}

#[tokio::test]
async fn a_row_stays_only_in_a_group_that_is_large_enough_and_the_certificate_names_the_smallest() {
    let shop = shop().await;
    shop.sql.batch_execute(ANSWERS).await.unwrap();
    let others: Vec<String> = rows(&shop, "answers").await.split_off(5);

    let connectors = shop.world.connectors();
    let means = Means { connectors: &connectors, clock: shop.world.clock.as_ref(), random: &SystemRandom };
    let li = Identity::parse(IdentityKind::UserId, "7").unwrap();
    let matter = Matter::Right(Right::Erasure);
    let plan = DryRun::of(&shop.world.policy, matter, false, &li, means, Limits::default()).await.unwrap();
    let step = plan.outline.steps.iter().find(|step| step.work.collection() == Some("shop_db.answers")).unwrap();
    let split = step.rows.as_ref().unwrap().split.unwrap();
    assert_eq!(split, Split { looked_at: 5, erased: 2, anonymised: 3, ..Split::default() });
    assert!(step.groups.as_ref().unwrap().contains("at least 3 are alike in place, born"));
    assert_eq!(rows(&shop, "answers").await.len(), 14, "nothing was changed by looking");

    let id = shop.ask("erasure").await;
    let left = rows(&shop, "answers").await;
    let stay = ["(1,,\"Zhejiang Hangzhou\",20-29,1)", "(2,,\"Zhejiang Hangzhou\",20-29,2)", "(4,,,20-29,4)"];
    assert_eq!(left[..3], stay, "with two others in Hangzhou, with three without a place; two in Xiamen are too few");
    assert_eq!(left[3..], others);
    let certificate = certificate(&shop, &id).await;
    let counts = counts_of(&certificate, "shop_db.answers");
    assert_eq!(counts, Counts { read: 5, erased: 2, anonymised: 3, smallest_group: Some(3), ..Counts::default() });
    assert_eq!(certificate.total.smallest_group, Some(3));
    let events = shop.world.ledger().events(&id.parse().unwrap()).await.unwrap();
    let evidence = EvidenceFile { certificate, events, anchored: None };
    verify(&evidence).unwrap();
    let stored = serde_json::to_string(&evidence).unwrap();
    assert!(!stored.contains("Hangzhou") && !stored.contains("20-29"), "a group's values are in no event");
}

#[tokio::test]
async fn a_persons_own_rows_count_once_however_often_the_step_gives_itself_back() {
    let shop = shop().await;
    shop.world.give_time(SignedDuration::from_secs(1));
    // Three rows of Li and one of somebody else are two.
    shop.sql
        .batch_execute(
            "INSERT INTO answers SELECT n, 7, 'Fujian Xiamen', '20-29', n FROM generate_series(1, 3) n;
            INSERT INTO answers VALUES (20, NULL, 'Fujian Xiamen', '20-29', 0)",
        )
        .await
        .unwrap();
    let id = shop.ask("erasure").await;
    assert_eq!(rows(&shop, "answers").await, ["(20,,\"Fujian Xiamen\",20-29,0)"]);
    let counts = counts_of(&certificate(&shop, &id).await, "shop_db.answers");
    assert_eq!(counts, Counts { read: 3, erased: 3, ..Counts::default() });
}

#[tokio::test]
async fn what_others_wrote_stays_without_what_is_known_of_the_person() {
    let shop = shop().await;
    shop.sql.batch_execute(LETTERS).await.unwrap();
    let long = "INSERT INTO letters VALUES (9, 8, '7', repeat('A long letter. ', 6000) || 'Yours, not Li Wei''s', '1')";
    shop.sql.batch_execute(long).await.unwrap();
    shop.ask("erasure").await;
    let end = shop.lines("SELECT right(text, 21) FROM letters WHERE id = 9").await;
    assert_eq!(end, ["letter. Yours, not █'s"[1..].to_owned()], "a text of any length is read to its end");
    let letters = shop.lines("SELECT text FROM letters WHERE id < 9 ORDER BY id").await;
    assert_eq!(letters, ["Dear █, I wrote to █. Ann", "I know Li Wei"], "only rows that a link leads to are scanned");
    let letter = shop.sql.query_one("SELECT receiver, call_back FROM letters WHERE id = 2", &[]).await.unwrap();
    let (receiver, call_back): (String, String) = (letter.get(0), letter.get(1));
    assert!(receiver.starts_with("anon-"), "{receiver}");
    let form: String = call_back.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "000-0000 000");
    assert_ne!(call_back, "139-8765 432");
}
