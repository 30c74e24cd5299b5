//! Calls that are refused for being too many, and a budget.

use habeas::connectors::{Connector, ConnectorError, Who};
use habeas::plan::Counts;
use habeas_e2e::suite::{Erase, OTHER, PERSON, person};

use super::{Tables, s};

async fn letters(count: usize) -> Tables {
    let tables = Tables::of("plain").await;
    for number in 0..count {
        for whose in [PERSON, OTHER] {
            let id = s(&format!("{number:03}-{whose}"));
            tables.put("desk-letters", &[("letter_id", id), ("owner_id", s(whose))]).await;
        }
    }
    tables.faults.take();
    tables
}

#[tokio::test]
async fn a_call_that_is_refused_for_being_too_many_is_made_again() {
    let tables = letters(5).await;
    let codes = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    for (operation, code) in ["Query", "BatchGetItem", "DeleteItem"].into_iter().zip(codes) {
        tables.faults.answer(operation, 0, 2, code);
    }
    let li = person(PERSON);
    let counts = tables.act("desk.letters", Who::Person(&li), &Erase).await;
    assert_eq!(counts, Counts { read: 5, erased: 5, ..Counts::default() });
    let calls = tables.faults.take();
    let made = |operation: &str| calls.iter().filter(|call| *call == operation).count();
    // The second link leads to nothing, and so to no rows to get.
    assert_eq!((made("Query"), made("BatchGetItem"), made("DeleteItem")), (4, 3, 7));
}

#[tokio::test]
async fn what_was_done_before_patience_ended_is_counted_and_gone_on_from() {
    let tables = letters(40).await;
    tables.faults.answer("DeleteItem", 20, usize::MAX, "ThrottlingException");
    let li = person(PERSON);
    let acted = tables.act_once("desk.letters", Who::Person(&li), &Erase, None).await.unwrap();
    assert_eq!((acted.counts.read, acted.counts.erased), (20, 20));
    assert_eq!(tables.texts("desk-letters", "owner_id").await.iter().filter(|owner| *owner == PERSON).count(), 20);
    let again = tables.act_once("desk.letters", Who::Person(&li), &Erase, acted.next.as_deref()).await;
    assert!(matches!(again.err(), Some(ConnectorError::Transient { .. })), "nothing more could be done");
    tables.faults.clear();
    let (mut counts, mut cursor) = (acted.counts, acted.next);
    while let Some(at) = cursor {
        let acted = tables.act_once("desk.letters", Who::Person(&li), &Erase, Some(&at)).await.unwrap();
        counts.add(&acted.counts);
        cursor = acted.next;
    }
    assert_eq!(counts, Counts { read: 40, erased: 40, ..Counts::default() });
    assert_eq!(tables.texts("desk-letters", "owner_id").await, [OTHER; 40]);
}

#[tokio::test]
async fn under_a_budget_no_page_is_larger_than_what_a_second_allows() {
    let tables = Tables::of("plain").await;
    for number in 0..50 {
        tables.put("slow-logs", &[("user_id", s(PERSON)), ("at", s(&format!("{number:02}")))]).await;
    }
    let li = person(PERSON);
    let (connector, target) = (tables.connector(), tables.target("slow.logs"));
    let (mut sizes, mut cursor) = (Vec::new(), None);
    loop {
        let page = connector.read(&target, Who::Person(&li), cursor.as_deref()).await.unwrap();
        sizes.push(page.rows.len());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [20, 20, 10], "twenty units a second");
}
