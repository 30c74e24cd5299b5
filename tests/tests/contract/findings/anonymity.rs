//! What a rule calls anonymous and is not.

use super::File::Policy;
use super::Mistake;

const TEXT: &str = "text: {fixed: \"[deleted]\"}";

/// In the small policy, whose collections are in tables and buckets.
pub(super) const MISTAKES: &[Mistake] = &[
    Mistake {
        what: "a hash without a salt",
        file: Policy,
        replace: TEXT,
        with: "text: hash",
        at: (Policy, "text: hash"),
        says: &["whoever guesses the value", "pseudonymisation, not anonymisation", "GDPR Art. 4(5)", "salted_hash"],
    },
    Mistake {
        what: "a keyed digest in what a retained row loses",
        file: Policy,
        replace: "fields: {address: erase}",
        with: "fields: {address: hmac}",
        at: (Policy, "address: hmac"),
        says: &["whoever has the key", "pseudonymisation, not anonymisation"],
    },
    Mistake {
        what: "a link that is only scanned",
        file: Policy,
        replace: "author_id: {fixed: deleted-user}, text",
        with: "author_id: scan, text",
        at: (Policy, "author_id: scan"),
        says: &["author_id ties the row to a person", "use detach"],
    },
    Mistake {
        what: "detaching what leads to nobody",
        file: Policy,
        replace: TEXT,
        with: "text: detach",
        at: (Policy, "text: detach"),
        says: &["text leads to nobody", "use fixed or erase"],
    },
    Mistake {
        what: "a random form that a second run would replace again",
        file: Policy,
        replace: TEXT,
        with: "text: random_format",
        at: (Policy, "text: random_format"),
        says: &["again with each run", "replace the link by random"],
    },
    Mistake {
        what: "a random form in a retained row, which is found again",
        file: Policy,
        replace: "fields: {address: erase}",
        with: "fields: {address: random_format}",
        at: (Policy, "address: random_format"),
        says: &["again with each run"],
    },
    Mistake {
        what: "a random form where a link is cut",
        file: Policy,
        replace: "fields: {recipient_id: {fixed: deleted-user}}",
        with: "fields: {recipient_id: {fixed: deleted-user}, text: random_format}",
        at: (Policy, "text: random_format"),
        says: &["again with each run"],
    },
    Mistake {
        what: "coordinates of a house",
        file: Policy,
        replace: TEXT,
        with: "text: {generalise: {coordinates: 3}}",
        at: (Policy, "coordinates: 3"),
        says: &["lead to a house", "at most 2"],
    },
    Mistake {
        what: "a band of one year",
        file: Policy,
        replace: TEXT,
        with: "text: {generalise: {age_band: 1}}",
        at: (Policy, "age_band: 1"),
        says: &["2 to 50 years"],
    },
    Mistake {
        what: "groups in a table, which nobody can count",
        file: Policy,
        replace: "erasure: {action: anonymise, fields: {author_id: {fixed: deleted-user}, text: {fixed: \"[deleted]\"}}}",
        with: "erasure:\n      action: anonymise\n      fields: {author_id: detach, text: erase}\n      \
               k_anonymity: {k: 5, quasi_identifiers: [written_at]}",
        at: (Policy, "k_anonymity:"),
        says: &["DynamoDB would have to read the whole table", "PostgreSQL", "erasure: {action: erase}"],
    },
];

const GROUPS: &str = "k_anonymity: {k: 3, quasi_identifiers: [place, born]}";

/// In the policy whose collections are in a database.
pub(super) const GROUP_MISTAKES: &[Mistake] = &[
    Mistake {
        what: "groups of one",
        file: Policy,
        replace: GROUPS,
        with: "k_anonymity:\n        k: 1\n        quasi_identifiers: [place, born]",
        at: (Policy, "        k: 1"),
        says: &["k: 1 asks for no group at all", "at least 2"],
    },
    Mistake {
        what: "a quasi-identifier that is not there",
        file: Policy,
        replace: GROUPS,
        with: "k_anonymity:\n        k: 3\n        quasi_identifiers:\n          - place\n          - age_band",
        at: (Policy, "          - age_band"),
        says: &["age_band is not a field of shop_db.answers"],
    },
    Mistake {
        what: "no quasi-identifiers",
        file: Policy,
        replace: GROUPS,
        with: "k_anonymity: {k: 3, quasi_identifiers: []}",
        at: (Policy, "quasi_identifiers: []"),
        says: &["name the fields that tell people apart"],
    },
    Mistake {
        what: "a quasi-identifier that is the row's key",
        file: Policy,
        replace: GROUPS,
        with: "k_anonymity: {k: 3, quasi_identifiers: [place, id]}",
        at: (Policy, "[place, id]"),
        says: &["id is the row's key"],
    },
    Mistake {
        what: "a quasi-identifier that gets a token",
        file: Policy,
        replace: "place: {generalise: city}",
        with: "place: random",
        at: (Policy, "[place, born]"),
        says: &["place gets a token of its own in each row", "generalise it"],
    },
    Mistake {
        what: "groups of rows in objects, which nobody can count",
        file: Policy,
        replace: "shop_lake.views: {retention: null, erasure: {action: erase}}",
        with: "shop_lake.views:\n    erasure:\n      action: anonymise\n      fields: {customer: detach, page: erase}\n      \
               k_anonymity: {k: 7, quasi_identifiers: [page]}",
        at: (Policy, "k: 7"),
        says: &["all objects would have to be read", "PostgreSQL"],
    },
    Mistake {
        what: "groups that a sweep would not count",
        file: Policy,
        replace: "  shop_db.answers:\n    retention: null",
        with: "  shop_db.answers:\n    retention: {start_field: id, for: P1Y, source: test}",
        at: (Policy, "k_anonymity:"),
        says: &["a sweep counts no groups", "leave the retention out"],
    },
];

/// What is allowed and is no proof of anonymity.
pub(super) const WARNINGS: &[Mistake] = &[Mistake {
    what: "what the person wrote, scanned and called anonymous",
    file: Policy,
    replace: TEXT,
    with: "text: scan",
    at: (Policy, "text: scan"),
    says: &["no proof of anonymity", "WP216", "erase it"],
}];
