//! What the operator of a local stack can do: move its clock, start a sweep, look into the ledger, read the logs.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use habeas::evidence::Event;
use habeas::plan::Counts;
use habeas::request::Status;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::is_stuck;
use super::snapshot::fields;
use super::{Cloud, DriveError, Stack};
use crate::aws::{AwsError, Clients};

const POLL: Duration = Duration::from_millis(500);
const CLOCK: &str = "CLOCK_OFFSET_SECONDS";

/// Lets every function of a stack believe that it is `seconds` later; 0 puts the clock right again. Only a local stack
/// has such a clock.
pub async fn set_clock(cloud: &Cloud, stack: &Stack, seconds: i64) -> Result<(), DriveError> {
    for function in stack.functions() {
        let path = format!("/2015-03-31/functions/{function}/configuration");
        let configuration = cloud.rest("lambda", Method::GET, &path, None).await?;
        let mut variables = configuration["Environment"]["Variables"].clone();
        if let Some(variables) = variables.as_object_mut() {
            variables.insert(CLOCK.to_owned(), seconds.to_string().into());
        }
        let change = json!({"Environment": {"Variables": variables}});
        cloud.rest("lambda", Method::PUT, &path, Some(&change)).await?;
    }
    Ok(())
}

/// Invokes one function and gives its answer.
pub async fn invoke(cloud: &Cloud, function: &str, event: &Value) -> Result<Value, DriveError> {
    let path = format!("/2015-03-31/functions/{function}/invocations");
    cloud.rest("lambda", Method::POST, &path, Some(event)).await
}

/// A request as the ledger has it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: String,
    /// What its steps counted.
    pub total: Counts,
}

/// Waits, by the ledger alone, until a request has come to a status: for when no token is good, because the clock was
/// moved.
pub async fn wait_in_ledger(
    clients: &Clients,
    table: &str,
    id: &str,
    wanted: Status,
    bound: Duration,
) -> Result<Entry, DriveError> {
    let late = || DriveError::Late { what: format!("the status {} of request {id}", wanted.name()), bound };
    let asking = async {
        loop {
            let read = clients
                .dynamodb
                .get_item()
                .table_name(table)
                .key("pk", AttributeValue::S(format!("REQUEST#{id}")))
                .key("sk", AttributeValue::S("REQUEST".to_owned()))
                .consistent_read(true)
                .send()
                .await
                .map_err(AwsError::of("GetItem in the ledger"))?;
            let entry = read.item.as_ref().and_then(entry);
            match entry {
                Some(entry) if entry.status == wanted.name() => return Ok(entry),
                Some(entry) if is_stuck(&entry.status) => {
                    let problem = format!("the request {id} is {}, not {}", entry.status, wanted.name());
                    return Err(DriveError::Refused { action: "the ledger".to_owned(), status: 200, problem });
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(bound, asking).await.unwrap_or_else(|_| Err(late()))
}

/// The sweeps that the ledger knows.
pub async fn sweeps(clients: &Clients, table: &str) -> Result<Vec<Entry>, DriveError> {
    let mut found = Vec::new();
    let mut from = None;
    loop {
        let page = clients
            .dynamodb
            .scan()
            .table_name(table)
            .filter_expression("sk = :sk AND matter = :matter")
            .expression_attribute_values(":sk", AttributeValue::S("REQUEST".to_owned()))
            .expression_attribute_values(":matter", AttributeValue::S("retention_sweep".to_owned()))
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(AwsError::of("Scan of the ledger"))?;
        found.extend(page.items().iter().filter_map(entry));
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(found);
        }
    }
}

/// The events of a request, as the ledger has them.
pub async fn events(clients: &Clients, table: &str, id: &str) -> Result<Vec<Event>, DriveError> {
    const ACTION: &str = "Query of events in the ledger";
    let pages = clients
        .dynamodb
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :events)")
        .expression_attribute_values(":pk", AttributeValue::S(format!("REQUEST#{id}")))
        .expression_attribute_values(":events", AttributeValue::S("EVENT#".to_owned()))
        .consistent_read(true)
        .into_paginator()
        .items()
        .send();
    let items: Result<Vec<_>, _> = pages.collect().await;
    let items = items.map_err(AwsError::of(ACTION))?.into_iter();
    let events = items.map(|item| serde_json::from_value(Value::Object(fields(item))));
    events.collect::<Result<_, _>>().map_err(DriveError::call(ACTION))
}

/// Sweeps now, and waits until that sweep is done.
pub async fn sweep(cloud: &Cloud, clients: &Clients, stack: &Stack, bound: Duration) -> Result<Entry, DriveError> {
    let before: Vec<String> = sweeps(clients, &stack.ledger_table).await?.into_iter().map(|sweep| sweep.id).collect();
    invoke(cloud, stack.output("RetentionSweepFunction")?, &json!({"sweep": "scheduled"})).await?;
    let starting = async {
        loop {
            let now = sweeps(clients, &stack.ledger_table).await?;
            if let Some(new) = now.into_iter().find(|sweep| !before.contains(&sweep.id)) {
                return Ok(new.id);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let late = || DriveError::Late { what: "a new sweep in the ledger".to_owned(), bound };
    let id = tokio::time::timeout(bound, starting).await.unwrap_or_else(|_| Err(late()))?;
    wait_in_ledger(clients, &stack.ledger_table, &id, Status::Completed, bound).await
}

/// Every line of every log group.
pub async fn logs(cloud: &Cloud) -> Result<Vec<String>, DriveError> {
    let mut lines = Vec::new();
    for group in listed(cloud, "DescribeLogGroups", &json!({}), "logGroups").await? {
        let Some(name) = group["logGroupName"].as_str() else {
            continue;
        };
        let asked = json!({"logGroupName": name});
        let events = listed(cloud, "FilterLogEvents", &asked, "events").await?;
        lines.extend(events.iter().filter_map(|event| event["message"].as_str()).map(ToOwned::to_owned));
    }
    Ok(lines)
}

/// All pages of a listing of CloudWatch Logs.
async fn listed(cloud: &Cloud, operation: &str, asked: &Value, list: &str) -> Result<Vec<Value>, DriveError> {
    let mut found = Vec::new();
    let mut asked = asked.clone();
    loop {
        let page = cloud.json("logs", &format!("Logs_20140328.{operation}"), &asked).await?;
        found.extend(page[list].as_array().cloned().unwrap_or_default());
        match &page["nextToken"] {
            Value::String(token) if asked["nextToken"] != *token.as_str() => asked["nextToken"] = token.as_str().into(),
            _ => return Ok(found),
        }
    }
}

fn entry(item: &std::collections::HashMap<String, AttributeValue>) -> Option<Entry> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    let total = item.get("total").and_then(|total| total.as_m().ok());
    let count = |name: &str| {
        let digits = total.and_then(|total| total.get(name)?.as_n().ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    Some(Entry {
        id: text("id")?,
        status: text("status")?,
        total: Counts {
            read: count("read"),
            exported: count("exported"),
            erased: count("erased"),
            anonymised: count("anonymised"),
            retained: count("retained"),
            left_over: count("left_over"),
            marked: count("marked"),
            moved: count("moved"),
            smallest_group: None,
        },
    })
}
