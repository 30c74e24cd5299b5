//! What a Fides dataset says and Habeas does not act on.

use habeas::policy::check::Level::{self, Error, Warning};

use super::File::{Dataset, Policy};
use super::Mistake;

pub(super) const FINDINGS: &[(Level, Mistake)] = &[
    (
        Warning,
        Mistake {
            what: "a key that nobody has",
            file: Dataset,
            replace: "    tags: [shop]\n",
            with: "    tags: [shop]\n    owner: nobody\n",
            at: (Dataset, "owner: nobody"),
            says: &["\"owner\"", "take it out", "docs/policy-format.md"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "other things in the file",
            file: Dataset,
            replace: "dataset:\n  - fides_key: shop",
            with: "system: []\ndataset:\n  - fides_key: shop",
            at: (Dataset, "system: []"),
            says: &["only what is under dataset is read"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a key in the wrong place",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], references: []}",
            at: (Dataset, "name: number"),
            says: &["it is a key of a field's fides_meta; move it there"],
        },
    ),
    (
        Error,
        Mistake {
            what: "both names of the meta section",
            file: Dataset,
            replace: "fides_meta: {skip_processing: true}",
            with: "fides_meta: {skip_processing: true}\n        fidesops_meta: {}",
            at: (Dataset, "fidesops_meta: {}"),
            says: &["join them under fides_meta"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a dataset whose name is redacted",
            file: Dataset,
            replace: "resource_id: shop.resource\n",
            with: "resource_id: shop.resource\n      redact: name\n",
            at: (Dataset, "redact: name"),
            says: &["not redacted"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a collection whose name is redacted",
            file: Dataset,
            replace: "after: [shop.customers]\n",
            with: "after: [shop.customers]\n          redact: name\n",
            at: (Dataset, "redact: name"),
            says: &["not redacted"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a field whose name is redacted",
            file: Dataset,
            replace: "{read_only: true}",
            with: "{read_only: true, redact: name}",
            at: (Dataset, "name: country"),
            says: &["not redacted"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a retention of a dataset in words",
            file: Dataset,
            replace: "    third_country_transfers: [DEU]\n",
            with: "    third_country_transfers: [DEU]\n    retention: 30 days\n",
            at: (Dataset, "retention: 30 days"),
            says: &["does nothing", "policy.yaml"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a retention of a collection in words",
            file: Dataset,
            replace: "        description: People.\n",
            with: "        description: People.\n        retention: 30 days\n",
            at: (Dataset, "retention: 30 days"),
            says: &["does nothing", "policy.yaml"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a retention of a field in words",
            file: Dataset,
            replace: "- {name: made_at}",
            with: "- name: made_at\n            retention: 30 days",
            at: (Dataset, "retention: 30 days"),
            says: &["does nothing", "policy.yaml"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a database that the secret names",
            file: Dataset,
            replace: "schema: sales}",
            with: "schema: sales, database_name: shop}",
            at: (Dataset, "namespace:"),
            says: &["database_name does nothing", "secret \"shop\""],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a connection of another kind",
            file: Dataset,
            replace: "connection_type: postgres,",
            with: "connection_type: bigquery,",
            at: (Dataset, "namespace:"),
            says: &["connection_type does nothing"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a namespace of another kind",
            file: Dataset,
            replace: "schema: sales}",
            with: "schema: sales, project_id: shop}",
            at: (Dataset, "namespace:"),
            says: &["project_id does nothing"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a schema that the policy says otherwise",
            file: Policy,
            replace: "dataset: shop, secret: shop}",
            with: "dataset: shop, secret: shop, schema: other}",
            at: (Dataset, "namespace:"),
            says: &["schema \"other\", and that counts"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "an order after a dataset that is not there",
            file: Dataset,
            replace: "after: [crm]",
            with: "after: [erp]",
            at: (Dataset, "after: [erp]"),
            says: &["there is no dataset \"erp\""],
        },
    ),
    (
        Warning,
        Mistake {
            what: "an order after a collection that is not there",
            file: Dataset,
            replace: "after: [shop.customers]",
            with: "after: [shop.people]",
            at: (Dataset, "after: [shop.people]"),
            says: &["shop.people is in no dataset"],
        },
    ),
    (
        Error,
        Mistake {
            what: "an erasure after a collection that is not there",
            file: Dataset,
            replace: "erase_after: [shop.orders]",
            with: "erase_after: [shop.purchases]",
            at: (Dataset, "erase_after: [shop.purchases]"),
            says: &["shop.purchases is in no dataset"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "an erasure after a collection that is skipped",
            file: Dataset,
            replace: "erase_after: [shop.orders]",
            with: "erase_after: [shop.archive]",
            at: (Dataset, "erase_after: [shop.archive]"),
            says: &["shop.archive is skipped"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a skipped collection with something personal",
            file: Dataset,
            replace: "fields: [{name: id}]",
            with: "fields: [{name: id, data_categories: [user.name]}]",
            at: (Dataset, "skip_processing: true"),
            says: &["neither shown nor erased: id"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "partitions",
            file: Dataset,
            replace: "fides_meta: {masking_strategy_override: {strategy: delete}}",
            with: "fides_meta: {masking_strategy_override: {strategy: delete}, partitioning: [{field: day}]}",
            at: (Dataset, "partitioning:"),
            says: &["all rows are asked for"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a data type that fideslang does not have",
            file: Dataset,
            replace: "data_type: integer}",
            with: "data_type: bigint}",
            at: (Dataset, "data_type: bigint"),
            says: &["no data_type \"bigint\""],
        },
    ),
    (
        Error,
        Mistake {
            what: "fields inside what is no object",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fields: [{name: first}], fides_meta: {data_type: string}}",
            at: (Dataset, "name: number"),
            says: &["object or object[], not string"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a list of which Fides shows a part",
            file: Dataset,
            replace: "fides_meta: {identity: loyalty_id}}",
            with: "fides_meta: {identity: loyalty_id, data_type: \"string[]\"}}",
            at: (Dataset, "data_type: \"string[]\""),
            says: &["shown and erased whole", "return_all_elements"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a collection that is there twice",
            file: Dataset,
            replace: "- name: archive",
            with: "- {name: cards, fields: []}\n      - name: archive",
            at: (Dataset, "- name: cards"),
            says: &["shop.cards is there twice"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a field that is there twice",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial]}\n          - {name: kind}",
            at: (Dataset, "- {name: kind}"),
            says: &["kind is there twice"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a collection with a dot in its name",
            file: Dataset,
            replace: "- name: archive",
            with: "- name: archive.old",
            at: (Dataset, "- name: archive.old"),
            says: &["has a dot"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a category of a collection that does not exist",
            file: Dataset,
            replace: "data_categories: [user.contact.address]",
            with: "data_categories: [user.contact.adress]",
            at: (Dataset, "data_categories: [user.contact.adress]"),
            says: &["\"user.contact.adress\" does not exist"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a category of a field in an object that does not exist",
            file: Dataset,
            replace: "{name: number, data_categories: [user.financial]}",
            with: "{name: number, data_categories: [user.financial], fields: [{name: first, data_categories: [user.number]}]}",
            at: (Dataset, "name: number"),
            says: &["\"user.number\" does not exist"],
        },
    ),
    (
        Error,
        Mistake {
            what: "items without a purpose",
            file: Policy,
            replace: "items_from_datasets: {purposes: [service],",
            with: "items_from_datasets: {purposes: [],",
            at: (Policy, "items_from_datasets:"),
            says: &["at least one purpose"],
        },
    ),
    (
        Error,
        Mistake {
            what: "items with a purpose that is not there",
            file: Policy,
            replace: "items_from_datasets: {purposes: [service],",
            with: "items_from_datasets: {purposes: [advertising],",
            at: (Policy, "items_from_datasets:"),
            says: &["\"advertising\" is not under purposes"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a retention of a collection that is not there",
            file: Policy,
            replace: "  shop.orders: {retention",
            with: "  shop.nothing: {retention: null}\n  shop.orders: {retention",
            at: (Policy, "shop.nothing:"),
            says: &["shop.nothing is in no dataset"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a dataset with a dot in its name",
            file: Dataset,
            replace: "fides_key: shop",
            with: "fides_key: shop.old",
            at: (Dataset, "fides_key: shop.old"),
            says: &["\"shop.old\" has a dot"],
        },
    ),
];
