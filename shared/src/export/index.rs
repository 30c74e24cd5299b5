//! `index.html`: the package for a person to read.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::words::words;
use crate::policy::{CollectionRule, ErasureRule, Pinned, categories, in_language};

const TEMPLATE: &str = include_str!("index.html.j2");
/// Rows of a preview.
pub const PREVIEW_ROWS: usize = 5;
/// Characters of a preview's cell.
const CELL: usize = 120;

/// What the template is given.
#[derive(Serialize)]
pub struct IndexContext {
    words: BTreeMap<&'static str, &'static str>,
    language: String,
    controller: ControllerText,
    request: RequestText,
    collections: Vec<Section>,
    totals: Totals,
}

#[derive(Serialize)]
struct ControllerText {
    name: String,
    contact: String,
    complaint: String,
}

#[derive(Serialize)]
struct RequestText {
    id: String,
    right: &'static str,
    received_at: String,
    created_at: String,
    policy_id: String,
    policy_version: String,
    policy_digest: String,
}

#[derive(Serialize)]
struct Totals {
    collections: usize,
    records: u64,
    bytes: u64,
}

/// One collection.
#[derive(Serialize)]
pub struct Section {
    dataset: String,
    collection: String,
    description: String,
    path: String,
    records: u64,
    complete: bool,
    categories: Vec<CategoryText>,
    purposes: Vec<String>,
    retention: String,
    recipients: Vec<String>,
    omitted: Vec<String>,
    masked: Vec<String>,
    preview: Preview,
    media: Vec<MediaFile>,
    #[serde(skip)]
    bytes: u64,
}

#[derive(Serialize)]
struct CategoryText {
    name: String,
    description: String,
}

#[derive(Serialize)]
struct MediaFile {
    path: String,
    bytes: u64,
}

/// The first rows.
#[derive(Default, Serialize)]
pub struct Preview {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Preview {
    /// Takes a record, as long as there is room.
    pub fn add(&mut self, record: &serde_json::Map<String, serde_json::Value>) {
        if self.rows.len() >= PREVIEW_ROWS {
            return;
        }
        for column in record.keys() {
            if !self.columns.contains(column) {
                self.columns.push(column.clone());
                for row in &mut self.rows {
                    row.push(String::new());
                }
            }
        }
        let cell = |column: &String| match record.get(column) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => cut(text),
            Some(other) => cut(&other.to_string()),
        };
        self.rows.push(self.columns.iter().map(cell).collect());
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL {
        return text.to_owned();
    }
    text.chars().take(CELL - 1).chain(['…']).collect()
}

impl Section {
    /// What the policy says of a collection, with what was exported of it.
    #[must_use]
    pub fn new(
        policy: &Pinned,
        name: &str,
        language: &str,
        (path, records, bytes): (String, u64, u64),
        preview: Preview,
        media: Vec<(String, u64)>,
    ) -> Self {
        let (dataset, collection) = name.split_once('.').unwrap_or((name, ""));
        let described = policy.collection(name);
        let fields = described.map_or(&[][..], |collection| collection.fields.as_slice());
        let export = &policy.policy().export;
        let with = |test: &dyn Fn(&str) -> bool| {
            let matching = fields.iter().filter(|field| field.data_categories.iter().any(|category| test(category)));
            matching.map(|field| field.name.clone()).collect::<Vec<_>>()
        };
        let omitted = with(&|category| crate::connectors::is_omitted(export, category));
        let masked: Vec<String> = with(&|category| crate::connectors::masked(export, category).is_some())
            .into_iter()
            .filter(|field| !omitted.contains(field))
            .collect();
        let mut keys: Vec<&str> = fields.iter().flat_map(|field| &field.data_categories).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        let prefix = format!("{name}.");
        let items: Vec<_> = policy
            .policy()
            .items
            .iter()
            .filter(|item| item.fields.iter().any(|field| field.starts_with(&prefix)))
            .collect();
        let mut purposes: Vec<String> = items
            .iter()
            .flat_map(|item| &item.purposes)
            .filter_map(|purpose| policy.policy().purposes.get(purpose))
            .map(|text| in_language(text, language).to_owned())
            .collect();
        purposes.sort();
        purposes.dedup();
        let recipients = policy
            .policy()
            .recipients
            .iter()
            .filter(|recipient| items.iter().any(|item| item.recipients.contains(&recipient.id)))
            .map(|recipient| recipient.name.clone())
            .collect();
        Self {
            dataset: dataset.to_owned(),
            collection: collection.to_owned(),
            description: described.and_then(|collection| collection.description.clone()).unwrap_or_default(),
            path,
            records,
            complete: true,
            categories: keys
                .into_iter()
                .filter_map(categories::find)
                .map(|category| CategoryText { name: category.name.clone(), description: category.description.clone() })
                .collect(),
            purposes,
            retention: policy.rule(name).map(|rule| retention(rule, language)).unwrap_or_default(),
            recipients,
            omitted,
            masked,
            preview,
            media: media.into_iter().map(|(path, bytes)| MediaFile { path, bytes }).collect(),
            bytes,
        }
    }
}

fn retention(rule: &CollectionRule, language: &str) -> String {
    let words = words(language);
    let word = |key: &str| words.get(key).copied().unwrap_or_default();
    if let ErasureRule::Retain { start_field, period, basis, .. } = &rule.erasure {
        return format!("{} + {} ({})", start_field, period.0, in_language(basis, language));
    }
    match &rule.retention {
        Some(retention) => format!("{} + {} ({})", retention.start_field, retention.period.0, retention.source),
        None => word("retention_account").to_owned(),
    }
}

/// Everything that the template needs.
#[must_use]
pub fn context(
    policy: &Pinned,
    request: &crate::request::Request,
    created_at: jiff::Timestamp,
    collections: Vec<Section>,
) -> IndexContext {
    let language = policy.language(Some(&request.language)).to_owned();
    let controller = &policy.policy().controller;
    let totals = Totals {
        collections: collections.len(),
        records: collections.iter().map(|section| section.records).sum(),
        bytes: collections.iter().map(|section| section.bytes).sum(),
    };
    IndexContext {
        words: words(&language),
        controller: ControllerText {
            name: controller.name.clone(),
            contact: in_language(&controller.contact, &language).to_owned(),
            complaint: in_language(&controller.complaint, &language).to_owned(),
        },
        request: RequestText {
            id: request.id.to_string(),
            right: request.matter.name(),
            received_at: crate::ledger::keys::moment(request.received_at),
            created_at: crate::ledger::keys::moment(created_at),
            policy_id: policy.policy().id.clone(),
            policy_version: policy.policy().version.clone(),
            policy_digest: policy.digest().as_str().to_owned(),
        },
        language,
        collections,
        totals,
    }
}

/// The page.
pub fn render(context: &IndexContext) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_template("index.html", TEMPLATE)?;
    environment.get_template("index.html")?.render(minijinja::value::Serde(context))
}
