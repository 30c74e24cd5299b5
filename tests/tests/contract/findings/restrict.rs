//! Mistakes in what is done to rows that have to be kept: marks, moves, purges.

use super::File::Policy;
use super::Mistake;

const MARK: &str = "{mark: {state: restricted}}";

pub(super) const MARK_MISTAKES: &[Mistake] = &[
    Mistake {
        what: "a mark in a field that is not there",
        file: Policy,
        replace: MARK,
        with: "{mark: {status: restricted}}",
        at: (Policy, "status: restricted"),
        says: &["status is not a field of small_app.orders"],
    },
    Mistake {
        what: "a mark that says nothing",
        file: Policy,
        replace: MARK,
        with: "{mark: {}}",
        at: (Policy, "mark: {}"),
        says: &["a mark names a field and what it becomes"],
    },
    Mistake {
        what: "a mark over something personal",
        file: Policy,
        replace: MARK,
        with: "{mark: {goods: restricted}}",
        at: (Policy, "goods: restricted"),
        says: &["goods cannot be the mark", "it is personal"],
    },
    Mistake {
        what: "a mark over the link",
        file: Policy,
        replace: MARK,
        with: "{mark: {user_id: restricted}}",
        at: (Policy, "user_id: restricted"),
        says: &["user_id cannot be the mark", "it ties the row to the person"],
    },
    Mistake {
        what: "a mark over the moment that the time counts from",
        file: Policy,
        replace: MARK,
        with: "{mark: {completed_at: \"1970-01-01\"}}",
        at: (Policy, "completed_at: \"1970-01-01\""),
        says: &["completed_at cannot be the mark", "the time that the row is kept counts from it"],
    },
    Mistake {
        what: "a mark in the key of the table",
        file: Policy,
        replace: MARK,
        with: "{mark: {order_id: restricted}}",
        at: (Policy, "order_id: restricted"),
        says: &["order_id is part of the table's key"],
    },
    Mistake {
        what: "rows that would be moved between tables",
        file: Policy,
        replace: MARK,
        with: "{move_to: small_app.posts}",
        at: (Policy, "move_to: small_app.posts"),
        says: &["rows are moved within one PostgreSQL database", "mark them instead"],
    },
    Mistake {
        what: "a purge after a copy",
        file: Policy,
        replace: "  erasure:\n    verification: [[fresh_sign_in], [contact_code]]\n    sign_in_max_age: PT10M\n    respond_within: [{limit: 30, unit: calendar_day, from: receipt, source: test}]\n    source: test\n",
        with: "  erasure:\n    verification: [[fresh_sign_in], [contact_code]]\n    sign_in_max_age: PT10M\n    respond_within: [{limit: 30, unit: calendar_day, from: receipt, source: test}]\n    purge: {timer: false, keep_contact: true}\n    source: test\n",
        at: (Policy, "purge: {timer: false"),
        says: &["without the timer nobody is told", "leave keep_contact out"],
    },
];

const MOVE: &str = "{move_to: shop_db.invoices_kept}";

pub(super) const MOVE_MISTAKES: &[Mistake] = &[
    Mistake {
        what: "rows that are moved to where they are",
        file: Policy,
        replace: MOVE,
        with: "{move_to: shop_db.invoices}",
        at: (Policy, "move_to: shop_db.invoices}"),
        says: &["another collection than their own"],
    },
    Mistake {
        what: "rows that are moved to nowhere",
        file: Policy,
        replace: MOVE,
        with: "{move_to: shop_db.bills}",
        at: (Policy, "move_to: shop_db.bills"),
        says: &["shop_db.bills is in no dataset", "describe where the rows are moved to"],
    },
    Mistake {
        what: "rows that are moved to another system",
        file: Policy,
        replace: MOVE,
        with: "{move_to: shop_support.tickets}",
        at: (Policy, "move_to: shop_support.tickets"),
        says: &["rows are moved within one PostgreSQL database"],
    },
    Mistake {
        what: "rows that are moved to where nothing keeps them",
        file: Policy,
        replace: MOVE,
        with: "{move_to: shop_db.orders}",
        at: (Policy, "move_to: shop_db.orders"),
        says: &["shop_db.orders has no rule that keeps rows for a time"],
    },
    Mistake {
        what: "rows that would go sooner where they are moved to",
        file: Policy,
        replace: "    retention: {start_field: issued_at, for: P3Y, source: test}\n    erasure:\n      action: retain\n      start_field: issued_at\n      for: P3Y\n      basis: {en: Invoices are kept for three years}\n      fields: {bill_to: erase}\n  shop_db.answers",
        with: "    retention: {start_field: issued_at, for: P3Y, source: test}\n    erasure:\n      action: retain\n      start_field: issued_at\n      for: P2Y\n      basis: {en: Invoices are kept for three years}\n      fields: {bill_to: erase}\n  shop_db.answers",
        at: (Policy, MOVE),
        says: &["rows are kept until issued_at + P3Y here", "as long from the same field in shop_db.invoices_kept"],
    },
];
