//! A plan as tables for people.

use std::collections::BTreeSet;
use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use habeas::connectors::Obstacle;
use habeas::dry_run::{Does, DryRun, FieldAction, Kept, Outline, PlannedStep, Rows, Total};
use habeas::plan::Work;

/// A line under the heads, and none else: rows of several lines are seen by their first column.
const LINES: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none())
    .content_lines(ContentLineStyle::none())
    .header_separator(LineStyle::none().fill('─'));
/// What stands beside a number that is of the first rows only.
const SAMPLE: &str = "*";

/// The steps of a plan and what they do to each field.
pub fn outline(outline: &Outline, width: u16, out: &mut dyn Write) -> io::Result<()> {
    head(outline, out)?;
    rest(outline, None, width, out)
}

/// The same with what the steps would find and do for one person.
pub fn dry_run(dry_run: &DryRun, width: u16, out: &mut dyn Write) -> io::Result<()> {
    head(&dry_run.outline, out)?;
    let subject = &dry_run.subject;
    let found = match subject.rows {
        None => format!("whether anybody is there cannot be told: {} cannot be read", subject.collection),
        Some(0) => format!("nobody is there: no row of {} has this identity", subject.collection),
        Some(1) => format!("the person is there: 1 row of {}", subject.collection),
        Some(rows) => format!("the person is there: {rows} rows of {}", subject.collection),
    };
    writeln!(out, "{found}; looked at {}, nothing was changed", dry_run.at)?;
    obstacles(&dry_run.obstacles, dry_run.begins, width, out)?;
    rest(&dry_run.outline, Some(&dry_run.total), width, out)
}

fn rest(outline: &Outline, total: Option<&Total>, width: u16, out: &mut dyn Write) -> io::Result<()> {
    steps(outline, total, width, out)?;
    kept(outline, total.is_some(), width, out)?;
    ways(outline, width, out)?;
    fields(outline, width, out)
}

fn head(outline: &Outline, out: &mut dyn Write) -> io::Result<()> {
    let policy = &outline.policy;
    let stages = outline.steps.last().map_or(0, |step| step.stage);
    writeln!(
        out,
        "{} under {} {} (sha256 {}): {} steps in {stages} stages",
        outline.right.name(),
        policy.id,
        policy.version,
        policy.sha256,
        outline.steps.len()
    )?;
    if !outline.rechecks.is_empty() {
        let times: Vec<String> = outline.rechecks.iter().map(|period| period.0.to_string()).collect();
        writeln!(
            out,
            "looked for again {} after the end; until then the person stays known, sealed",
            times.join(" and ")
        )?;
    }
    Ok(())
}

fn obstacles(obstacles: &[Obstacle], begins: bool, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let verdict = match (begins, obstacles.len()) {
        (true, 0) => "nothing stands in the way",
        (true, _) => "nothing that stands in the way stops a request",
        (false, _) => "a request would be stopped before anything is changed",
    };
    writeln!(out, "preflight: {verdict}")?;
    if obstacles.is_empty() {
        return Ok(());
    }
    let mut table = table(width, &["", "collection", "field", "what stands in the way"]);
    for obstacle in obstacles {
        let refuses = if obstacle.refuses { "stops" } else { "worth knowing" };
        let field = obstacle.field.as_deref().unwrap_or_default();
        table.add_row([refuses, &obstacle.collection, field, &obstacle.message]);
    }
    print("In the way", &table, out)
}

/// One line a step; what it would find and do in columns, those that the plan has.
fn steps(outline: &Outline, total: Option<&Total>, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let is_looked_at = total.is_some();
    let erases = is_looked_at && outline.erases();
    let mut heads = vec!["step", "stage", "does", "collection"];
    heads.extend(is_looked_at.then_some("rows"));
    heads.extend(erases.then_some(["erased", "anonymised", "retained", "left"]).into_iter().flatten());
    let mut table = table(width, &heads);
    let mut is_sampled = false;
    for step in &outline.steps {
        let mut cells = vec![
            number(step.number.to_string()),
            number(step.stage.to_string()),
            Cell::new(step.work.name()),
            Cell::new(target(&step.work)),
        ];
        if is_looked_at {
            cells.push(number(found(step)));
        }
        if erases {
            is_sampled |= step.rows.as_ref().is_some_and(Rows::is_sample);
            cells.extend(split(step.rows.as_ref()).map(number));
        }
        table.add_row(cells);
    }
    if let Some(total) = total.filter(|_| erases) {
        let mut cells = vec![Cell::new(""), Cell::new(""), Cell::new("in all"), Cell::new(""), Cell::new("")];
        cells.extend(
            [total.erased, total.anonymised, total.retained, total.left].map(|count| number(count.to_string())),
        );
        table.add_row(cells);
    }
    print("Steps; those of one stage may run at the same time", &table, out)?;
    if is_sampled {
        writeln!(out, "{SAMPLE} of the first rows only: there are too many to look at each")?;
    }
    Ok(())
}

fn target(work: &Work) -> String {
    match work {
        Work::Capture { collection, fields } => format!("{collection} ({})", fields.join(", ")),
        Work::Tell { recipient } => recipient.clone(),
        work => work.collection().unwrap_or_default().to_owned(),
    }
}

/// How many rows a step would find; `?` if that is not known.
fn found(step: &PlannedStep) -> String {
    match &step.rows {
        None if step.work.collection().is_some() => "?".to_owned(),
        None => String::new(),
        Some(rows) if rows.is_exact => rows.found.to_string(),
        Some(rows) => format!("≥ {}", rows.found),
    }
}

fn split(rows: Option<&Rows>) -> [String; 4] {
    let Some((rows, split)) = rows.and_then(|rows| Some((rows, rows.split?))) else {
        return Default::default();
    };
    let mark = if rows.is_sample() { SAMPLE } else { "" };
    [split.erased, split.anonymised, split.retained, split.left].map(|count| format!("{count}{mark}"))
}

/// How the rows of each collection are found.
fn ways(outline: &Outline, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let mut table = table(width, &["collection", "found by"]);
    let mut told = BTreeSet::new();
    for step in outline.steps.iter().filter(|step| !step.found_by.is_empty()) {
        let collection = step.work.collection().unwrap_or_default();
        if told.insert(collection) {
            let ways: Vec<String> = step.found_by.iter().map(ToString::to_string).collect();
            table.add_row([collection, &ways.join("\n")]);
        }
    }
    if table.is_empty() { Ok(()) } else { print("How rows are found: by any of these", &table, out) }
}

/// What is done to the fields: those of one collection that are treated alike in one line.
fn fields(outline: &Outline, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let mut table = table(width, &["collection", "what", "fields"]);
    for step in &outline.steps {
        let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
        let all: BTreeSet<&String> = step.actions.iter().map(|action| &action.field).collect();
        for action in &step.actions {
            let words = words(action);
            match lines.iter_mut().find(|(known, _)| *known == words) {
                Some((_, fields)) => fields.push(&action.field),
                None => lines.push((words, vec![&action.field])),
            }
        }
        for (words, fields) in lines {
            let is_all = fields.len() == all.len() && fields.len() > 1;
            let fields = if is_all { format!("all {}", fields.len()) } else { fields.join(", ") };
            table.add_row([step.work.collection().unwrap_or_default(), &words, &fields]);
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    print("What is done to each field", &table, out)?;
    sources(outline, out)?;
    groups(outline, width, out)
}

/// Where it is written what each thing that is done amounts to, a line each.
fn sources(outline: &Outline, out: &mut dyn Write) -> io::Result<()> {
    let mut told = BTreeSet::new();
    for action in outline.steps.iter().flat_map(|step| &step.actions) {
        if let Some(source) = action.source
            && told.insert(source)
        {
            writeln!(out, "{}: {source}", what(action.action))?;
        }
    }
    Ok(())
}

/// In what groups anonymised rows stay.
fn groups(outline: &Outline, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let mut table = table(width, &["collection", "which rows stay"]);
    for step in &outline.steps {
        if let Some(groups) = &step.groups {
            table.add_row([step.work.collection().unwrap_or_default(), groups]);
        }
    }
    if table.is_empty() { Ok(()) } else { print("In what groups anonymised rows stay", &table, out) }
}

fn words(action: &FieldAction) -> String {
    let what = what(action.action);
    let how = action.how.as_ref().map_or_else(String::new, |how| format!(": {how}"));
    let rows = action.found_by.as_ref().map_or_else(String::new, |field| format!(", where {field} names them"));
    format!("{what}{how}{rows}")
}

fn what(does: Does) -> &'static str {
    match does {
        Does::Erase => "erased",
        Does::Anonymise => "anonymised",
        Does::Redact => "redacted",
        Does::Randomise => "randomised",
        Does::Pseudonymise => "pseudonymised",
        Does::Retain => "retained",
        Does::Keep => "kept",
        Does::Export => "copied",
        Does::Mask => "masked",
        Does::Omit => "left out",
    }
}

/// What stays, until when, and why.
fn kept(outline: &Outline, is_looked_at: bool, width: u16, out: &mut dyn Write) -> io::Result<()> {
    let mut heads = vec!["collection", "kept", "why"];
    heads.extend(is_looked_at.then_some("rows"));
    let mut table = table(width, &heads);
    for step in &outline.steps {
        let Some(kept) = &step.kept else { continue };
        let split = step.rows.as_ref().and_then(|rows| rows.split).unwrap_or_default();
        let (rows, how_long, why) = match kept {
            Kept::Retained { start_field, period, basis, restricted } => {
                let last = split.retained_until.map_or_else(String::new, |until| format!("; the last until {until}"));
                let restricted = restricted.as_ref().map_or_else(String::new, |how| format!("; {how}"));
                (split.retained + split.moved, format!("until {start_field} + {period}{last}{restricted}"), basis)
            }
            Kept::Nobodys { reason } => (split.left, "as it is".to_owned(), reason),
        };
        let collection = step.work.collection().unwrap_or_default();
        let mut cells = vec![Cell::new(collection), Cell::new(how_long), Cell::new(why)];
        if is_looked_at {
            cells.push(number(step.rows.as_ref().map_or_else(String::new, |_| rows.to_string())));
        }
        table.add_row(cells);
    }
    if table.is_empty() { Ok(()) } else { print("What stays, and why", &table, out) }
}

fn table(width: u16, heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(LINES).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(heads.iter().copied());
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn number(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn print(title: &str, table: &Table, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{title}\n{}", table.trim_fmt())
}
