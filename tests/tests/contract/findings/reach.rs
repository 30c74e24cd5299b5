//! Ways of a Fides dataset that do not lead where they should.

use habeas::policy::check::Level::{self, Error, Warning};

use super::File::Dataset;
use super::Mistake;

pub(super) const FINDINGS: &[(Level, Mistake)] = &[
    (
        Warning,
        Mistake {
            what: "a field of requests",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fides_meta: {custom_request_field: tenant}}",
            at: (Dataset, "name: number"),
            says: &["no field \"tenant\""],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a kind of identity that nobody gives",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fides_meta: {identity: ga_client_id}}",
            at: (Dataset, "name: number"),
            says: &["nothing leads here by the identity ga_client_id", "shop.customers"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a collection that only an unknown identity would lead to",
            file: Dataset,
            replace: "{name: loyalty, fides_meta: {identity: loyalty_id}}",
            with: "{name: loyalty, fides_meta: {identity: ga_client_id}}",
            at: (Dataset, "- name: cards"),
            says: &[
                "nothing leads here from an identity",
                "no field of shop.customers holds the identity ga_client_id of loyalty",
                "references: [{dataset: shop, field: customers.id, direction: from}]",
            ],
        },
    ),
    (
        Error,
        Mistake {
            what: "a collection that only a field of requests would lead to",
            file: Dataset,
            replace: "{name: loyalty, fides_meta: {identity: loyalty_id}}",
            with: "{name: loyalty, fides_meta: {custom_request_field: tenant}}",
            at: (Dataset, "- name: cards"),
            says: &["nothing leads here from an identity", "no custom field that loyalty could be found by"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a reference that leads away",
            file: Dataset,
            replace: "- {dataset: shop, field: customers.id, direction: from}",
            with: "- {dataset: shop, field: customers.address_id, direction: to}",
            at: (Dataset, "- name: orders"),
            says: &[
                "nothing leads here from an identity",
                "the reference of customer_id leads away from here, to shop.customers.address_id",
            ],
        },
    ),
    (
        Error,
        Mistake {
            what: "a collection behind one that is skipped",
            file: Dataset,
            replace: "      - name: orders\n",
            with: "      - name: orders\n        fides_meta: {skip_processing: true}\n",
            at: (Dataset, "- name: lines"),
            says: &["shop.orders.id is skipped"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a collection behind one that nothing leads to",
            file: Dataset,
            replace: "{name: order_id, fides_meta: {references: [{dataset: shop, field: orders.id, direction: from}]}}",
            with: "{name: order_id}",
            at: (Dataset, "- name: products"),
            says: &["nothing leads to shop.lines.product_id"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a reference to a skipped collection",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fides_meta: {references: [{dataset: shop, field: archive.id, direction: to}]}}",
            at: (Dataset, "name: number"),
            says: &["shop.archive is not followed", "skip_processing"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a reference to the collection itself",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fides_meta: {references: [{dataset: shop, field: cards.loyalty, direction: to}]}}",
            at: (Dataset, "name: number"),
            says: &["to the collection itself is not followed"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a reference to a dataset that is not there",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fides_meta: {references: [{dataset: erp, field: cards.loyalty, direction: to}]}}",
            at: (Dataset, "name: number"),
            says: &["erp.cards.loyalty is a dead link"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a reference that closes a circle",
            file: Dataset,
            replace: "- {name: made_at}",
            with: "- {name: made_at, fides_meta: {references: [{dataset: shop, field: lines.product_id, direction: from}]}}",
            at: (Dataset, "name: made_at"),
            says: &["closes a circle and is not followed"],
        },
    ),
];
