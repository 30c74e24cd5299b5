//! `habeas policy show`: every data item with what happens to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use habeas::policy::words::{groups, restriction, retention, strategy};
use habeas::policy::{ErasureRule, Item, Pinned, Strategy, ViaRule, in_language};
use serde::Serialize;

use super::{CommandError, Outcome, Verdict, pinned};

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    category: &'a str,
    sensitive: bool,
    required: bool,
    purposes: Vec<&'a str>,
    recipients: Vec<&'a str>,
    source: &'a str,
    fields: Vec<ShownField<'a>>,
}

#[derive(Serialize)]
struct ShownField<'a> {
    field: &'a str,
    on_erasure: String,
    retention: String,
}

/// Prints the items, as text or JSON.
pub fn show(folder: &Path, as_json: bool, out: &mut dyn Write) -> Outcome {
    let policy = pinned(folder)?;
    let items: Vec<Shown<'_>> = policy.policy().items.iter().map(|item| shown(&policy, item)).collect();
    if as_json {
        writeln!(out, "{}", serde_json::to_string_pretty(&items)?)?;
    } else {
        for item in &items {
            print(item, out)?;
        }
        print_collections(&policy, out)?;
    }
    Ok(Verdict::Good)
}

/// What becomes of the rows of each collection, whether policy.yaml says so or it follows from the dataset.
fn print_collections(policy: &Pinned, out: &mut dyn Write) -> Result<(), CommandError> {
    let language = policy.language(None);
    writeln!(out, "collections")?;
    for name in policy.collections() {
        let Some(rule) = policy.rule(name) else { continue };
        let rows = match &rule.erasure {
            ErasureRule::Erase { .. } => "rows go".to_owned(),
            ErasureRule::Anonymise { .. } => "rows stay, but for what is named here".to_owned(),
            ErasureRule::Retain { start_field, period, restrict, .. } => {
                let restricted = restrict.as_ref().map_or_else(String::new, |how| format!(", {}", restriction(how)));
                format!("rows stay until {start_field} + {}{restricted}", period.0)
            }
            ErasureRule::Keep { reason } => format!("rows stay: {}", in_language(reason, language)),
        };
        writeln!(out, "  {name}: {rows}")?;
        let (fields, via) = match &rule.erasure {
            ErasureRule::Anonymise { fields, via, .. } => (Some(fields), Some(via)),
            ErasureRule::Retain { fields, .. } => (Some(fields), None),
            ErasureRule::Erase { via } => (None, Some(via)),
            ErasureRule::Keep { .. } => (None, None),
        };
        for (field, named) in fields.into_iter().flatten() {
            writeln!(out, "    {field}: {}", strategy(named))?;
        }
        for (link, rule) in via.into_iter().flatten() {
            let instead = match rule {
                ViaRule::Erase => "the row goes".to_owned(),
                ViaRule::Anonymise { fields } => {
                    let named = fields.iter().map(|(field, named)| format!("{field} {}", strategy(named)));
                    named.collect::<Vec<_>>().join(", ")
                }
            };
            writeln!(out, "    where {link} names them: {instead}")?;
        }
        if let Some(demand) = rule.erasure.k_anonymity() {
            writeln!(out, "    {}", groups(demand))?;
        }
    }
    Ok(())
}

fn print(item: &Shown<'_>, out: &mut dyn Write) -> Result<(), CommandError> {
    let sensitive = if item.sensitive { ", sensitive" } else { "" };
    let optional = if item.required { "" } else { ", optional" };
    writeln!(out, "{}: {}{sensitive}{optional} ({})", item.name, item.category, item.source)?;
    writeln!(out, "  purpose     {}", item.purposes.join("; "))?;
    let recipients = if item.recipients.is_empty() { "none".to_owned() } else { item.recipients.join("; ") };
    writeln!(out, "  recipients  {recipients}")?;
    for field in &item.fields {
        writeln!(out, "  where       {}", field.field)?;
        writeln!(out, "    kept      {}", field.retention)?;
        writeln!(out, "    erasure   {}", field.on_erasure)?;
    }
    writeln!(out)?;
    Ok(())
}

fn shown<'a>(pinned: &'a Pinned, item: &'a Item) -> Shown<'a> {
    let policy = pinned.policy();
    let language = pinned.language(None);
    let purpose = |id: &'a String| policy.purposes.get(id).map_or(id.as_str(), |text| in_language(text, language));
    let recipient = |id: &'a String| {
        let found = policy.recipients.iter().find(|recipient| recipient.id == *id);
        found.map_or(id.as_str(), |recipient| recipient.name.as_str())
    };
    Shown {
        name: &item.name,
        category: &item.category,
        sensitive: item.sensitive,
        required: item.required,
        purposes: item.purposes.iter().map(purpose).collect(),
        recipients: item.recipients.iter().map(recipient).collect(),
        source: &item.source,
        fields: item.fields.iter().map(|field| shown_field(pinned, field)).collect(),
    }
}

fn shown_field<'a>(pinned: &Pinned, full: &'a str) -> ShownField<'a> {
    let (collection, field) = full.rsplit_once('.').unwrap_or((full, ""));
    let language = pinned.language(None);
    match pinned.rule(collection) {
        Some(rule) => ShownField {
            field: full,
            on_erasure: on_erasure(&rule.erasure, field, language),
            retention: rule.retention.as_ref().map_or_else(|| "as long as the account".to_owned(), retention),
        },
        None => ShownField { field: full, on_erasure: "no rule".to_owned(), retention: "no rule".to_owned() },
    }
}

/// What becomes of one field of a collection.
fn on_erasure(rule: &ErasureRule, field: &str, language: &str) -> String {
    match rule {
        ErasureRule::Erase { via } => {
            let others = via.iter().map(|(link, rule)| format!("; where {link} names them: {}", via_rule(rule, field)));
            format!("erased{}", others.collect::<String>())
        }
        ErasureRule::Anonymise { fields, via, .. } => {
            let own = named(fields, field).unwrap_or_else(|| "kept, it identifies nobody".to_owned());
            let others = via.iter().map(|(link, rule)| format!("; where {link} names them: {}", via_rule(rule, field)));
            format!("{own}{}", others.collect::<String>())
        }
        ErasureRule::Retain { start_field, period, basis, fields, .. } => match named(fields, field) {
            Some(named) => named,
            None => format!("retained until {start_field} + {}: {}", period.0, in_language(basis, language)),
        },
        ErasureRule::Keep { reason } => format!("kept, it is nobody's: {}", in_language(reason, language)),
    }
}

fn via_rule(rule: &ViaRule, field: &str) -> String {
    match rule {
        ViaRule::Erase => "erased".to_owned(),
        ViaRule::Anonymise { fields } => named(fields, field).unwrap_or_else(|| "kept".to_owned()),
    }
}

/// What is named for a field, or for fields inside it.
fn named(fields: &BTreeMap<String, Strategy>, field: &str) -> Option<String> {
    let inside = |(path, named): (&String, &Strategy)| {
        let inner = path.strip_prefix(field)?.strip_prefix('.')?;
        Some(format!("{inner} {}", strategy(named)))
    };
    let inner: Vec<String> = fields.iter().filter_map(inside).collect();
    fields.get(field).map(strategy).or_else(|| (!inner.is_empty()).then(|| inner.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_kind_of_rule_is_told() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/yallo");
        let policy = pinned(&folder).unwrap();
        let on_erasure = |field| shown_field(&policy, field).on_erasure;
        assert_eq!(on_erasure("yallo_app.posts.text"), "erased");
        assert_eq!(on_erasure("yallo_app.comments.text"), "anonymised: fixed text \"[deleted]\"");
        assert_eq!(on_erasure("yallo_app.ad_events.place"), "anonymised: province and city only");
        assert_eq!(on_erasure("yallo_app.transactions.ip_address"), "erased");
        assert!(on_erasure("yallo_app.transactions.user_id").starts_with("retained until completed_at + P3Y: E-Comm"));
        assert_eq!(
            on_erasure("yallo_app.messages.recipient_id"),
            "erased; where recipient_id names them: anonymised: fixed text \"deleted-user\""
        );
        assert_eq!(
            shown_field(&policy, "yallo_app.locations.user_id").retention.split(' ').nth(1),
            Some("recorded_at")
        );
    }
}
