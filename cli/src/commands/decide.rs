//! `habeas request`: what an operator decides about a request, through the API of a stack.

use std::io::Write;

use serde_json::{Value, json};

use super::suppress::Operator;
use super::{Outcome, Verdict};
use crate::drive::api::Api;

/// What is decided.
pub enum Decision {
    /// It goes on.
    Accept,
    /// What failed is tried again.
    Retry,
    /// It is refused.
    Deny {
        /// Id of a ground of the request's policy.
        ground: String,
    },
    /// Something is left out of it.
    Exempt {
        /// Which collections.
        collections: Vec<String>,
        /// Which categories.
        categories: Vec<String>,
        /// Id of a ground of the request's policy.
        ground: String,
    },
}

impl Decision {
    /// As the API takes it.
    #[must_use]
    pub fn to_body(&self) -> Value {
        match self {
            Self::Accept => json!({"accept": {}}),
            Self::Retry => json!({"retry": {}}),
            Self::Deny { ground } => json!({"deny": {"ground": ground}}),
            Self::Exempt { collections, categories, ground } => {
                let collections = collections.iter().map(|name| json!({"collection": name, "ground": ground}));
                let categories = categories.iter().map(|name| json!({"category": name, "ground": ground}));
                json!({"exempt": collections.chain(categories).collect::<Vec<_>>()})
            }
        }
    }
}

/// Sends a decision, and prints how the request stands then.
pub async fn decide(operator: &Operator<'_>, id: &str, decision: &Decision, out: &mut dyn Write) -> Outcome {
    let api = Api::new(operator.api)?;
    let decided = api.decide(id, &decision.to_body(), operator.token.expose()).await?.expect(200)?;
    writeln!(out, "request {id}: {}", decided["status"].as_str().unwrap_or_default())?;
    let grounds = ["exempt_categories", "exempt"].iter().filter_map(|part| decided[*part].as_object());
    for (name, why) in grounds.flatten() {
        writeln!(out, "left out: {name} ({}, {})", text(why, "ground"), text(why, "source"))?;
    }
    if decided["denied"].is_object() {
        writeln!(out, "refused: {}, {}", text(&decided["denied"], "ground"), text(&decided["denied"], "source"))?;
    }
    Ok(Verdict::Good)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
