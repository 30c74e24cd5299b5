//! Values of others that may not be drawn.

use super::File::{Dataset, Policy};
use super::Mistake;

const FIELDS: &str = "fields: {customer: random, visit: random, city: shuffle, plan: shuffle, words: erase}";

/// In the policy whose surveys stay with values of others in them.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        what: "a name that would be somebody else's",
        file: Dataset,
        replace: "data_categories: [user.account.settings]",
        with: "data_categories: [user.name]",
        at: (Policy, "plan: shuffle"),
        says: &["user.name tells who", "user.demographic.gender", "use generalise"],
    },
    Mistake {
        what: "a text that somebody wrote",
        file: Policy,
        replace: "words: erase",
        with: "words: shuffle",
        at: (Policy, "words: shuffle"),
        says: &["user.content.private tells who, says what only they would"],
    },
    Mistake {
        what: "what harms whoever it is of",
        file: Dataset,
        replace: "data_categories: [user.account.settings]",
        with: "data_categories: [user.account.settings, user.health_and_medical]",
        at: (Policy, "plan: shuffle"),
        says: &["user.health_and_medical", "does harm"],
    },
    Mistake {
        what: "a link that would lead to somebody else",
        file: Policy,
        replace: "visit: random",
        with: "visit: shuffle",
        at: (Policy, "visit: shuffle"),
        says: &["visit is a key, or leads to rows", "use random or erase"],
    },
    Mistake {
        what: "a field that other rows refer to",
        file: Dataset,
        replace: "{references: [{dataset: shop_db, field: visits.id, direction: from}]}",
        with: "{references: [{dataset: shop_db, field: visits.id, direction: from}, {dataset: shop_db, field: surveys.plan}]}",
        at: (Policy, "plan: shuffle"),
        says: &["plan is a key, or leads to rows"],
    },
    Mistake {
        what: "a list of values",
        file: Dataset,
        replace: "{name: plan, data_categories: [user.account.settings]}",
        with: "{name: plan, data_categories: [user.account.settings], fides_meta: {data_type: \"string[]\"}}",
        at: (Policy, "plan: shuffle"),
        says: &["whole columns of single values"],
    },
    Mistake {
        what: "no token that tells that it was done",
        file: Policy,
        replace: "customer: random, visit: random",
        with: "customer: detach, visit: erase",
        at: (Policy, "plan: shuffle"),
        says: &["again with each run", "replace the link by random"],
    },
    Mistake {
        what: "a field that cannot be written",
        file: Dataset,
        replace: "{name: plan, data_categories: [user.account.settings]}",
        with: "{name: plan, data_categories: [user.account.settings], fides_meta: {read_only: true}}",
        at: (Policy, "plan: shuffle"),
        says: &["read_only"],
    },
    Mistake {
        what: "a sweep over rows of many people",
        file: Policy,
        replace: "  shop_db.surveys:\n    retention: null",
        with: "  shop_db.surveys:\n    retention: {start_field: id, for: P1Y, source: test}",
        at: (Policy, "plan: shuffle"),
        says: &["a sweep has rows of many people", "leave the retention out"],
    },
    Mistake {
        what: "a row that is retained for what is true in it",
        file: Policy,
        replace: "      action: anonymise\n      fields: {customer: random, visit: random, city: shuffle,",
        with: "      action: retain\n      start_field: id\n      for: P1Y\n      basis: {en: Kept, zh-Hans: 保存}\n      fields: {city: shuffle,",
        at: (Policy, "plan: shuffle"),
        says: &["kept for what is true in it"],
    },
    Mistake {
        what: "a row of somebody else's",
        file: Policy,
        replace: "    erasure:\n      action: anonymise\n      fields: {customer: random, visit: random, city: shuffle, plan: shuffle, words: erase}",
        with: "    erasure:\n      action: erase\n      via:\n        visit: {action: anonymise, fields: {visit: random, plan: shuffle}}",
        at: (Policy, "plan: shuffle"),
        says: &["stays somebody else's"],
    },
    Mistake {
        what: "a group by what nobody knows yet",
        file: Policy,
        replace: FIELDS,
        with: "fields: {customer: random, visit: random, city: shuffle, plan: shuffle, words: erase}\n      k_anonymity: {k: 3, quasi_identifiers: [plan]}",
        at: (Policy, "quasi_identifiers: [plan]"),
        says: &["until it is, so no group can be counted by it"],
    },
    Mistake {
        what: "a text beside it that is only scanned",
        file: Policy,
        replace: "words: erase",
        with: "words: scan",
        at: (Policy, "words: scan"),
        says: &["may tell whose the row is", "WP216 3.1.2", "use erase or fixed"],
    },
];

/// What is allowed and may still tell whose a row is.
pub(super) const WARNINGS: &[Mistake] = &[Mistake {
    what: "a coarse place beside it, in groups that nobody counts",
    file: Policy,
    replace: "city: shuffle, plan: shuffle, words: erase}",
    with: "plan: shuffle, words: erase,\n        city: {generalise: city}}",
    at: (Policy, "city: {generalise: city}"),
    says: &["may still tell whose the row is", "demand k_anonymity"],
}];

/// In the small policy, whose collections are in tables and buckets.
pub(super) const ELSEWHERE: &[Mistake] = &[Mistake {
    what: "values of others in a table, from which none are drawn by chance",
    file: Policy,
    replace: "text: {fixed: \"[deleted]\"}",
    with: "text: shuffle",
    at: (Policy, "text: shuffle"),
    says: &["DynamoDB reads a table from some key on", "PostgreSQL", "use generalise"],
}];
