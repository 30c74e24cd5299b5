//! What a Fides dataset says of masking and is not done so.

use habeas::policy::check::Level::{self, Error, Warning};

use super::File::{Dataset, Policy};
use super::Mistake;

pub(super) const FINDINGS: &[(Level, Mistake)] = &[
    (
        Error,
        Mistake {
            what: "a strategy that Fides does not have",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: shuffle}",
            at: (Dataset, "name: street"),
            says: &["\"shuffle\" is not known", "null_rewrite"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a text that is not given",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: string_rewrite}",
            at: (Dataset, "name: street"),
            says: &["rewrite_value"],
        },
    ),
    (
        Error,
        Mistake {
            what: "delete for a field",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: delete}",
            at: (Dataset, "name: street"),
            says: &["delete is for the rows of a collection"],
        },
    ),
    (
        Error,
        Mistake {
            what: "another strategy than delete for a collection",
            file: Dataset,
            replace: "fides_meta: {masking_strategy_override: {strategy: delete}}",
            with: "fides_meta: {masking_strategy_override: {strategy: hash}}",
            at: (Dataset, "{strategy: hash}"),
            says: &["delete and no other, not \"hash\""],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a hash, whose salt is thrown away",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}, length: 4",
            with: "masking_strategy_override: {strategy: hash, configuration: {algorithm: SHA-256}}",
            at: (Dataset, "name: street"),
            says: &["that is pseudonymisation", "salted_hash"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a hash that does not fit",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: hash}",
            at: (Dataset, "name: street"),
            says: &["37 characters", "at most 4"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a keyed digest",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: hmac}",
            at: (Dataset, "name: street"),
            says: &["pseudonymisation, not anonymisation", "follows from the dataset"],
        },
    ),
    (
        Error,
        Mistake {
            what: "encryption",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: aes_encrypt}",
            at: (Dataset, "name: street"),
            says: &["pseudonymisation, not anonymisation"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a random text that is too short",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}, length: 4",
            with: "masking_strategy_override: {strategy: random_string_rewrite, configuration: {length: 5}}",
            at: (Dataset, "name: street"),
            says: &["13 characters and not 5"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a random text that does not fit",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: random_string_rewrite}",
            at: (Dataset, "name: street"),
            says: &["13 characters", "at most 4"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "an option that a strategy does not have",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: null_rewrite, configuration: {length: 5}}",
            at: (Dataset, "name: street"),
            says: &["no option \"length\""],
        },
    ),
    (
        Error,
        Mistake {
            what: "something personal that is preserved",
            file: Dataset,
            replace: "masking_strategy_override: {strategy: string_rewrite, configuration: {rewrite_value: MASKED}}",
            with: "masking_strategy_override: {strategy: preserve}",
            at: (Dataset, "name: street"),
            says: &["street is personal; keep is for fields that are not"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "masking of what is not personal",
            file: Dataset,
            replace: "fides_meta: {masking_strategy_override: {strategy: preserve}}",
            with: "fides_meta: {masking_strategy_override: {strategy: null_rewrite}}",
            at: (Dataset, "name: title"),
            says: &["does nothing, as in Fides"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "masking in rows that go",
            file: Dataset,
            replace: "fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}]}}",
            with: "fides_meta: {references: [{dataset: shop, field: customers.id, direction: from}], masking_strategy_override: {strategy: null_rewrite}}}",
            at: (Dataset, "direction: from}], masking"),
            says: &["the rows of the collection go as a whole"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "masking inside an object that is masked whole",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fields: [{name: first, fides_meta: {masking_strategy_override: {strategy: preserve}}}]}",
            at: (Dataset, "name: number"),
            says: &["masked as a whole"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "masking of a field that a rule says otherwise of",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.cards: {erasure: {action: erase}}\n  shop.orders: {retention",
            at: (Dataset, "name: kind"),
            says: &["the rule of shop.cards says otherwise"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "deletion that a rule says otherwise of",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.sessions: {erasure: {action: anonymise, fields: {customer_id: erase}}}\n  shop.orders: {retention",
            at: (Dataset, "fides_meta: {masking_strategy_override: {strategy: delete}}"),
            says: &["the rule of shop.sessions says otherwise"],
        },
    ),
    (
        Error,
        Mistake {
            what: "something personal that cannot be written",
            file: Dataset,
            replace: "- {name: city}",
            with: "- {name: city, fides_meta: {read_only: true}}",
            at: (Dataset, "name: city"),
            says: &["city is personal and has no strategy", "read_only"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a rule that writes what cannot be written",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.addresses: {erasure: {action: anonymise, fields: {street: erase, city: erase, country: erase}}}\n  shop.orders: {retention",
            at: (Policy, "shop.addresses:"),
            says: &["country is read_only in the dataset"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a rule that retains and writes what cannot be written",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.addresses: {erasure: {action: retain, start_field: city, for: P1Y, basis: {en: Law}, fields: {country: erase}}}\n  shop.orders: {retention",
            at: (Policy, "shop.addresses:"),
            says: &["country is read_only in the dataset"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a personal key of a row that stays",
            file: Dataset,
            replace: "        fides_meta:\n          masking_strategy_override: {strategy: delete}\n",
            with: "",
            at: (Dataset, "{name: id, data_categories: [user.unique_id]"),
            says: &["it is in the row's key", "{strategy: delete}"],
        },
    ),
    (
        Error,
        Mistake {
            what: "something personal that no default names",
            file: Policy,
            replace: "- {categories: [user], strategy",
            with: "- {categories: [user.contact], strategy",
            at: (Dataset, "name: number"),
            says: &["number is personal and has no strategy", "erasure_defaults"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a default of a category that does not exist",
            file: Policy,
            replace: "- {categories: [user], strategy",
            with: "- {categories: [user, user.cards], strategy",
            at: (Policy, "categories: [user, user.cards]"),
            says: &["\"user.cards\" does not exist"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a default of no category",
            file: Policy,
            replace: "- {categories: [user.content], strategy",
            with: "- {categories: [], strategy",
            at: (Policy, "categories: []"),
            says: &["name the categories"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a default that can be undone",
            file: Policy,
            replace: "strategy: random}",
            with: "strategy: hmac}",
            at: (Dataset, "name: note"),
            says: &["pseudonymisation, not anonymisation"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a text that does not fit",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.orders: {erasure: {action: anonymise, fields: {customer_id: erase, note: {fixed: this person asked to be forgotten}}}}\n  shop.cards: {retention",
            at: (Policy, "note: {fixed"),
            says: &["33 characters", "at most 20"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a random text of no length",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.orders: {erasure: {action: anonymise, fields: {customer_id: erase, note: {random_text: {length: 3}}}}}\n  shop.cards: {retention",
            at: (Policy, "note: {random_text"),
            says: &["13 to 37 characters"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a key that holds the person's own",
            file: Dataset,
            replace: "{name: id, data_categories: [system.operations], fides_meta: {primary_key: true}}",
            with: "{name: id, data_categories: [system.operations], fides_meta: {primary_key: true, references: [{dataset: shop, field: customers.id, direction: from}]}}",
            at: (Dataset, "{name: id, data_categories: [system.operations]"),
            says: &["id ties the row to the person and must be replaced", "it is in the row's key"],
        },
    ),
];
