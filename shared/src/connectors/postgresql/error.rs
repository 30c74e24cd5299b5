//! What goes wrong, in names alone.
//!
//! The rule of this file: PostgreSQL's own message, detail and context may repeat what a row holds (`Key (email)=(…)`,
//! `invalid input syntax for type integer: "…"`), so nothing of them is passed on but the code and the names.

use tokio_postgres::error::DbError;

use crate::connectors::ConnectorError;

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("PostgreSQL answers {state} ({meaning}) about {about}")]
    Answer { state: String, meaning: &'static str, about: String },
    #[error("there is no table or view {relation}, or this role may not see it")]
    NoRelation { relation: String },
    #[error("{relation} has no column {field}; fields inside a value are under a json, jsonb or composite column")]
    NoColumn { relation: String, field: String },
    #[error("the rows of {relation} cannot be told apart; name their key in the policy: key: [FIELD]")]
    NoKey { relation: String },
    #[error("{relation} is a view or a foreign table, whose rows are read only; erase in the tables behind it")]
    ReadOnly { relation: String },
    #[error("{relation} holds a row of more than {most} bytes, which is too much to read")]
    TooLarge { relation: String, most: usize },
    #[error("the value for {field} of {relation} cannot be written into a column of its type")]
    NotWritable { relation: String, field: String },
    #[error(
        "rows that were moved to {relation} did not arrive there, so none was moved: does a trigger or a rule keep them out?"
    )]
    NotArrived { relation: String },
    #[error("PostgreSQL's answer about {relation} is not what was asked for")]
    Unexpected { relation: String },
    #[error("the secret is not the JSON that RDS writes: {0}")]
    Secret(&'static str),
    #[error("the certificates of the secret's sslrootcert cannot be read")]
    Certificates,
    #[error("PostgreSQL does not let the role of the secret {secret} in; is its password or token still right?")]
    Credentials { secret: String },
    #[error("{0}")]
    Unreachable(String),
}

/// Sorts an error by its code: what trying again cannot mend is permanent.
pub(super) fn failed(operation: &'static str, about: &str, error: &tokio_postgres::Error) -> ConnectorError {
    match error.as_db_error() {
        None => transient(operation, Problem::Unreachable(connection_words(error))),
        Some(answer) => {
            let problem = problem(about, answer);
            if is_passing(answer.code().code()) { transient(operation, problem) } else { permanent(operation, problem) }
        }
    }
}

pub(super) fn transient(operation: &'static str, problem: Problem) -> ConnectorError {
    ConnectorError::Transient { operation, source: Box::new(problem) }
}

pub(super) fn permanent(operation: &'static str, problem: Problem) -> ConnectorError {
    ConnectorError::Permanent { operation, source: Box::new(problem) }
}

fn problem(about: &str, answer: &DbError) -> Problem {
    let table =
        answer.table().map(|table| answer.schema().map_or(table.to_owned(), |schema| format!("{schema}.{table}")));
    let mut about = match table {
        Some(table) if table != about => format!("{about}, table {table}"),
        _ => about.to_owned(),
    };
    for (word, name) in [("column", answer.column()), ("constraint", answer.constraint())] {
        if let Some(name) = name {
            about = format!("{about}, {word} {name}");
        }
    }
    let state = answer.code().code();
    Problem::Answer { state: state.to_owned(), meaning: meaning(state), about }
}

/// The error's own words, which come from the driver and the socket and so know nothing of rows.
fn connection_words(error: &tokio_postgres::Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        source = error.source();
    }
    words
}

/// Whether a code says that the same may succeed later: connections, locks and deadlocks, lack of room, time limits,
/// shutdowns, and PostgreSQL's own faults.
pub(super) fn is_passing(state: &str) -> bool {
    const PASSING: [&str; 5] = ["55P03", "55006", "25P03", "25P04", "25006"];
    const PASSING_CLASSES: [&str; 6] = ["08", "40", "53", "57", "58", "XX"];
    PASSING.contains(&state) || PASSING_CLASSES.iter().any(|class| state.starts_with(class))
}

/// What a code means, for those that an operator meets.
fn meaning(state: &str) -> &'static str {
    match state {
        "22001" => "a text is too long for its column",
        "22003" => "a number is out of range",
        "22007" | "22008" => "not a moment",
        "22P02" => "not a value of its type",
        "23502" => "null where there must be a value",
        "23503" => "other rows refer to these, or these to rows that are not there",
        "23505" => "a value that must be unique is there already",
        "23514" => "a check forbids it",
        "23001" => "other rows refer to these",
        "25006" => "read only: a replica, or a server that was demoted",
        "25P03" => "idle in a transaction for too long",
        "26000" | "34000" => "a cursor is gone",
        "28000" | "28P01" => "this role is not let in",
        "3D000" => "no such database",
        "3F000" => "no such schema",
        "40001" => "changed by others at the same time",
        "40P01" => "a deadlock",
        "42501" => "permission denied, or row-level security would hide rows",
        "42703" => "no such column",
        "42883" => "no such function or operator",
        "428C9" => "PostgreSQL itself gives the value of this column",
        "42P01" => "no such table",
        "53300" => "too many connections",
        "54000" => "a limit of PostgreSQL",
        "55P03" => "locked by others for too long",
        "57014" => "it took longer than the time limit",
        "57P01" | "57P02" | "57P03" => "the server is shutting down or starting",
        _ => "see the list of PostgreSQL's error codes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for state in ["57014", "40001", "40P01", "53300", "08006", "57P01", "55P03", "25P03"] {
            assert!(is_passing(state), "{state}");
        }
        for state in ["42501", "42P01", "42703", "23503", "23502", "23514", "22P02", "0A000", "28P01"] {
            assert!(!is_passing(state), "{state}");
        }
    }
}
