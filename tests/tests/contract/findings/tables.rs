//! Mistakes in how a table is described.

use super::File::{Dataset, Policy};
use super::Mistake;

const COMMENTS: &str = "comments: {table: small-comments, key: [post_id, comment_id], indexes: {author_id: by-author}}";

pub(super) const TABLE_MISTAKES: &[Mistake] = &[
    Mistake {
        what: "a budget of nothing",
        file: Policy,
        replace: "    dataset: small_app\n",
        with: "    dataset: small_app\n    capacity_units_per_second: 0\n",
        at: (Policy, "capacity_units_per_second: 0"),
        says: &["a budget of 0 units lets nothing be read", "at least 1"],
    },
    Mistake {
        what: "a condition on a field that does not exist",
        file: Policy,
        replace: COMMENTS,
        with: "comments: {table: small-comments, key: [post_id, comment_id], indexes: {author_id: by-author}, where: {kind: {equals: x}}}",
        at: (Policy, "comments: {table"),
        says: &["\"kind\" is not a field of small_app.comments"],
    },
    Mistake {
        what: "a condition that every row meets",
        file: Policy,
        replace: COMMENTS,
        with: "comments: {table: small-comments, key: [post_id, comment_id], indexes: {author_id: by-author}, where: {comment_id: {begins_with: \"\"}}}",
        at: (Policy, "comments: {table"),
        says: &["no row is told apart by this"],
    },
    Mistake {
        what: "a range that ends before it begins",
        file: Policy,
        replace: COMMENTS,
        with: "comments: {table: small-comments, key: [post_id, comment_id], indexes: {author_id: by-author}, where: {comment_id: {between: [b, a]}}}",
        at: (Policy, "comments: {table"),
        says: &["the smaller one of a range first"],
    },
    Mistake {
        what: "a form without a name in braces",
        file: Policy,
        replace: "posts: {table: small-posts, key: [user_id, post_id]}",
        with: "posts: {table: small-posts, key: [user_id, post_id], links: {user_id: \"USER#\"}}",
        at: (Policy, "posts: {table"),
        says: &["one name in braces", "USER#{user_id}"],
    },
    Mistake {
        what: "a form of an identity that the subject does not have",
        file: Policy,
        replace: "posts: {table: small-posts, key: [user_id, post_id]}",
        with: "posts: {table: small-posts, key: [user_id, post_id], links: {user_id: \"USER#{passport}\"}}",
        at: (Policy, "posts: {table"),
        says: &["\"passport\" leads nowhere", "<dataset>.<collection>.<field>"],
    },
    Mistake {
        what: "a form in a field that is no key",
        file: Policy,
        replace: "posts: {table: small-posts, key: [user_id, post_id]}",
        with: "posts: {table: small-posts, key: [user_id, post_id], links: {text: \"USER#{user_id}\"}}",
        at: (Policy, "posts: {table"),
        says: &["\"text\" is no key of the table and of no index"],
    },
    Mistake {
        what: "an identity in a field that holds more than the identity",
        file: Policy,
        replace: "users: {table: small-users, key: [user_id],",
        with: "users: {table: small-users, key: [user_id], links: {user_id: \"USER#{user_id}\"},",
        at: (Policy, "users: {table"),
        says: &["user_id holds more than the identity alone", "subject.identities"],
    },
    Mistake {
        what: "an index key of an index that no field has",
        file: Policy,
        replace: COMMENTS,
        with: "comments: {table: small-comments, key: [post_id, comment_id], indexes: {author_id: by-author}, index_keys: {by-writer: [author_id]}}",
        at: (Policy, "comments: {table"),
        says: &["no field of this key has the index \"by-writer\""],
    },
    Mistake {
        what: "an index key of a field that does not exist",
        file: Policy,
        replace: COMMENTS,
        with: "comments: {table: small-comments, key: [post_id, comment_id], indexes: {author_id: by-author}, index_keys: {by-author: [author_id, place]}}",
        at: (Policy, "comments: {table"),
        says: &["\"place\" is not a field of small_app.comments"],
    },
    Mistake {
        what: "a text in an index key that is a number",
        file: Dataset,
        replace: "fides_meta: {references: [{dataset: small_app, field: users.user_id, direction: from}]}",
        with: "fides_meta: {data_type: integer, references: [{dataset: small_app, field: users.user_id, direction: from}]}",
        at: (Policy, "author_id: {fixed: deleted-user}"),
        says: &["author_id is an index key of type N", "erase it"],
    },
    Mistake {
        what: "a budget for a system that is no table",
        file: Policy,
        replace: "purposes:\n  service:",
        with: "  - {id: media, kind: s3, dataset: small_app, bucket: b, capacity_units_per_second: 5}\npurposes:\n  service:",
        at: (Policy, "capacity_units_per_second: 5"),
        says: &["has no capacity_units_per_second", "leave it out"],
    },
];
