//! Whether an erasure in Fides' sample schema left nothing: the whole database is read past Habeas, before and after, and
//! searched for every value of the person. The schema comes with its package, so this runs where the benchmark does.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio_postgres::Client;

use crate::BenchError;

/// Whose rows the sample's tables hold, for the address `$1`: written from the schema, not from the dataset that Habeas reads.
const THEIRS: [(&str, &str); 10] = [
    (
        "address",
        "id IN (SELECT address_id FROM customer WHERE email = $1 UNION SELECT address_id FROM employee WHERE email = $1 \
        UNION SELECT billing_address_id FROM payment_card WHERE customer_id IN (SELECT id FROM customer WHERE email = $1) \
        UNION SELECT shipping_address_id FROM orders WHERE customer_id IN (SELECT id FROM customer WHERE email = $1))",
    ),
    ("customer", "email = $1"),
    ("employee", "email = $1"),
    ("login", "customer_id IN (SELECT id FROM customer WHERE email = $1)"),
    (
        "order_item",
        "order_id IN (SELECT id FROM orders WHERE customer_id IN (SELECT id FROM customer WHERE email = $1))",
    ),
    ("orders", "customer_id IN (SELECT id FROM customer WHERE email = $1)"),
    ("payment_card", "customer_id IN (SELECT id FROM customer WHERE email = $1)"),
    ("report", "email = $1"),
    ("service_request", "email = $1 OR alt_email = $1"),
    ("visit", "email = $1"),
];
/// Values as short as this say nothing of whose they are.
const SHORT: usize = 3;

/// A database as it was.
pub(crate) struct Before {
    /// Rows of other people, with their tables.
    others: BTreeSet<String>,
    /// What is in the person's rows and in no other.
    values: BTreeSet<String>,
    theirs: usize,
}

/// What was found.
pub(crate) struct Proof {
    /// Rows of the person that there were.
    pub(crate) theirs: usize,
    /// Values that were searched for.
    pub(crate) values: usize,
    /// Rows of others.
    pub(crate) others: usize,
}

impl Before {
    /// Reads everything.
    pub(crate) async fn read(client: &Client, email: &str) -> Result<Self, BenchError> {
        let (mut theirs, mut values) = (BTreeSet::new(), BTreeSet::new());
        for (table, condition) in THEIRS {
            let query = format!("SELECT row_to_json(t)::text FROM (SELECT * FROM {table} WHERE {condition}) t");
            for row in client.query(&query, &[&email]).await.map_err(BenchError::other)? {
                let text: String = row.get(0);
                texts(&parsed(&text)?, &mut |value| _ = values.insert(value));
                theirs.insert(format!("{table} {text}"));
            }
        }
        let others: BTreeSet<String> = dump(client).await?.difference(&theirs).cloned().collect();
        for row in &others {
            texts(&parsed(row.split_once(' ').unwrap_or_default().1)?, &mut |value| _ = values.remove(&value));
        }
        values.retain(|value| value.chars().count() > SHORT);
        if theirs.is_empty() || values.is_empty() || others.is_empty() {
            return Err(BenchError::Other(
                "the proof would prove nothing: there are no rows to look for, or to keep".to_owned(),
            ));
        }
        Ok(Self { others, values, theirs: theirs.len() })
    }

    /// Compares it with what is there now.
    pub(crate) async fn prove(&self, client: &Client) -> Result<Proof, BenchError> {
        let after = dump(client).await?;
        if let Some(left) = after.iter().find(|row| self.values.iter().any(|value| row.contains(value.as_str()))) {
            let table = left.split_once(' ').unwrap_or_default().0;
            return Err(BenchError::Other(format!("the proof failed: a value of who was erased is in {table}")));
        }
        let lost = self.others.difference(&after).count();
        if lost > 0 {
            return Err(BenchError::Other(format!("the proof failed: {lost} rows of others are not as they were")));
        }
        Ok(Proof { theirs: self.theirs, values: self.values.len(), others: self.others.len() })
    }
}

/// Every row of every table, with the table's name before it.
pub(crate) async fn dump(client: &Client) -> Result<BTreeSet<String>, BenchError> {
    let tables =
        "SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace";
    let mut rows = BTreeSet::new();
    for table in client.query(tables, &[]).await.map_err(BenchError::other)? {
        let table: String = table.get(0);
        let all = client.query(&format!("SELECT row_to_json(t)::text FROM {table} t"), &[]).await;
        rows.extend(all.map_err(BenchError::other)?.iter().map(|row| format!("{table} {}", row.get::<_, &str>(0))));
    }
    Ok(rows)
}

fn parsed(text: &str) -> Result<Value, BenchError> {
    serde_json::from_str(text).map_err(BenchError::other)
}

/// Each text and number in a row, a text as it stands in a row that is JSON: what is searched are such rows.
fn texts(row: &Value, see: &mut dyn FnMut(String)) {
    for value in row.as_object().into_iter().flat_map(serde_json::Map::values) {
        match value {
            Value::String(_) => {
                let quoted = value.to_string();
                see(quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned());
            }
            Value::Number(number) => see(number.to_string()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_looked_for_as_it_stands_in_a_row() {
        for value in ["a \"quoted\" word", "two\nlines", "C:\\people", "said \"so\"", "李伟", "7\u{1}7"] {
            let row = serde_json::json!({"note": value}).to_string();
            let mut rows = Vec::new();
            texts(&parsed(&row).unwrap(), &mut |found| rows.push(format!(r#"{{"note":"{found}"}}"#)));
            assert_eq!(rows, [row], "{value}");
        }
    }
}
