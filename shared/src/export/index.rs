//! `index.html`: the package for a person to read. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use minijinja::{AutoEscape, Environment};
use serde::Serialize;

use super::category_words;
use super::kinds::{self, Kind, categories_of};
use super::manifest::split;
use super::section::{FileLink, Preview, Section};
use super::words::{is_chinese, words};
use crate::connectors::masked;
use crate::policy::{Field, Pinned, in_language, refusal_text};
use crate::request::{Ground, LeftOut, Request};

const TEMPLATE: &str = include_str!("index.html.j2");

/// What the template is given.
#[derive(Serialize)]
pub struct IndexContext {
    words: BTreeMap<&'static str, &'static str>,
    language: String,
    controller: ControllerText,
    request: RequestText,
    kinds: Vec<Kind>,
    collections: Vec<SectionText>,
    refused: Vec<Refused>,
    totals: Totals,
}

/// A collection, or a category, that an operator left out of the copy.
#[derive(Serialize)]
struct Refused {
    name: String,
    description: String,
    ground: String,
    source: String,
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
    policy_title: String,
    policy_version: String,
    policy_digest: String,
}

#[derive(Serialize)]
struct Totals {
    collections: usize,
    records: u64,
    media: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct SectionText {
    dataset: String,
    collection: String,
    description: String,
    records: u64,
    complete: bool,
    json: FileLink,
    csv: FileLink,
    schema: FileLink,
    kinds: Vec<KindLink>,
    retention: Vec<String>,
    left_out: Vec<Withheld>,
    others: Vec<Withheld>,
    masked: Vec<Withheld>,
    preview: Preview,
    media: Vec<FileLink>,
    media_files: u64,
    media_bytes: u64,
}

#[derive(Serialize)]
struct KindLink {
    key: String,
    name: String,
}

/// A field of which not everything leaves.
#[derive(Serialize)]
struct Withheld {
    field: String,
    description: String,
    kind: String,
    kept_characters: u8,
}

impl SectionText {
    fn new(policy: &Pinned, section: Section, language: &str) -> Self {
        let name = section.collection.as_str();
        let (dataset, collection) = split(name);
        let described = policy.collection(name);
        let fields = described.map_or(&[][..], |collection| collection.fields.as_slice());
        let (left_out, masked) = withheld(policy, fields, language);
        let mut keys: Vec<&str> = fields.iter().flat_map(categories_of).collect();
        keys.sort_unstable();
        keys.dedup();
        let link = |key: &str| KindLink { key: key.to_owned(), name: category_words::of(key, is_chinese(language)).0 };
        Self {
            dataset: dataset.to_owned(),
            collection: collection.to_owned(),
            description: described.and_then(|collection| collection.description.clone()).unwrap_or_default(),
            records: section.records,
            complete: section.complete,
            kinds: keys.into_iter().map(link).collect(),
            retention: kinds::retention_of(policy, name, language),
            left_out,
            others: of_others(policy, name, fields),
            masked,
            json: section.json,
            csv: section.csv,
            schema: section.schema,
            preview: section.preview,
            media: section.media,
            media_files: section.media_files,
            media_bytes: section.media_bytes,
        }
    }
}

/// What is left out where it is another person's.
fn of_others(policy: &Pinned, name: &str, fields: &[Field]) -> Vec<Withheld> {
    let rules = policy.rule(name).into_iter().flat_map(|rule| &rule.others);
    let withheld = |(names, theirs): (&String, &Vec<String>)| {
        let described = |field: &String| fields.iter().find(|known| known.name == *field)?.description.clone();
        let of = |field: &String| Withheld {
            field: field.clone(),
            description: described(field).unwrap_or_default(),
            kind: names.clone(),
            kept_characters: 0,
        };
        theirs.iter().map(of).collect::<Vec<_>>()
    };
    rules.flat_map(withheld).collect()
}

/// What is left out of a collection, and what is masked, each with the category that is the reason.
fn withheld(policy: &Pinned, fields: &[Field], language: &str) -> (Vec<Withheld>, Vec<Withheld>) {
    let export = &policy.policy().export;
    let of = |field: &Field, category: &str, kept_characters| Withheld {
        field: field.name.clone(),
        description: field.description.clone().unwrap_or_default(),
        kind: category_words::of(category, is_chinese(language)).0,
        kept_characters,
    };
    let (mut left_out, mut hidden) = (Vec::new(), Vec::new());
    for field in fields {
        if let Some(category) = field.data_categories.iter().find(|category| export.omits(category)) {
            left_out.push(of(field, category, 0));
            continue;
        }
        let rules = field.data_categories.iter().filter_map(|category| Some((masked(export, category)?, category)));
        if let Some((kept, category)) = rules.min() {
            hidden.push(of(field, category, kept));
        }
        let (inner_out, inner_hidden) = withheld(policy, &field.fields, language);
        let inside = |inner: Withheld| Withheld { field: format!("{}.{}", field.name, inner.field), ..inner };
        left_out.extend(inner_out.into_iter().map(inside));
        hidden.extend(inner_hidden.into_iter().map(inside));
    }
    (left_out, hidden)
}

/// Everything that the template needs.
#[must_use]
pub fn context(
    policy: &Pinned,
    request: &Request,
    created_at: jiff::Timestamp,
    sections: Vec<Section>,
) -> IndexContext {
    let language = policy.language(Some(&request.language)).to_owned();
    let controller = &policy.policy().controller;
    let totals = Totals {
        collections: sections.len(),
        records: sections.iter().map(|section| section.records).sum(),
        media: sections.iter().map(|section| section.media_files).sum(),
        bytes: sections.iter().map(|section| section.json.bytes + section.csv.bytes + section.media_bytes).sum(),
    };
    let held: Vec<&str> =
        sections.iter().filter(|section| section.records > 0).map(|section| section.collection.as_str()).collect();
    let refused = |name: &String, description: String, ground: &Ground| Refused {
        name: name.clone(),
        description,
        ground: refusal_text(policy, ground, &language).to_owned(),
        source: ground.source.clone(),
    };
    let described = |name: &str| policy.collection(name).and_then(|it| it.description.clone()).unwrap_or_default();
    let category = |name: &str| category_words::of(name, is_chinese(&language)).0;
    let LeftOut { collections, categories } = &request.left_out;
    let by_category = categories.iter().map(|(name, ground)| refused(name, category(name), ground));
    let by_collection = collections.iter().map(|(name, ground)| refused(name, described(name), ground));
    IndexContext {
        refused: by_category.chain(by_collection).collect(),
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
            policy_title: policy.policy().title.clone(),
            policy_version: policy.policy().version.clone(),
            policy_digest: policy.digest().as_str().to_owned(),
        },
        kinds: kinds::kinds(policy, &held, &language),
        collections: sections.into_iter().map(|section| SectionText::new(policy, section, &language)).collect(),
        totals,
        language,
    }
}

/// The page.
pub fn render(context: &IndexContext) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("href", |path: String| href(&path));
    environment.add_filter("size", |bytes: u64, unit: String| size(bytes, &unit));
    environment.add_template("index.html", TEMPLATE)?;
    environment.get_template("index.html")?.render(minijinja::value::Serde(context))
}

/// A path of the archive as a relative link.
fn href(path: &str) -> String {
    let mut link = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            link.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(link, "%{byte:02X}");
        }
    }
    link
}

/// A number of bytes that people can read; `unit` is the word for single bytes.
fn size(bytes: u64, unit: &str) -> String {
    const UNITS: [(u64, &str); 4] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.iter().find(|(least, _)| bytes >= *least) {
        None => format!("{bytes} {unit}"),
        Some((least, name)) => format!("{}.{} {name}", bytes / least, bytes % least / (least / 10)),
    }
}

#[cfg(test)]
mod tests;
