//! The databases of a policy: makes their tables, writes and reads their rows.
//!
//! The tool is the app here: it connects as the owner of the data, whose secret is beside the one that the policy names.
//! Habeas's own role is given what it needs of each table and no more, so that the stories show that this is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use habeas::policy::{Database, Pinned, Place, System};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::App;
use crate::aws::{AwsError, Clients};

/// What follows the name of Habeas's secret in the name of the owner's.
const OWNER: &str = "-owner";
/// What reading, minimising and erasing take.
const RIGHTS: &str = "SELECT, UPDATE, DELETE";

/// What is used of a secret.
#[derive(Deserialize)]
struct Connection {
    host: String,
    port: u16,
    dbname: String,
    username: String,
    password: String,
}

/// The databases of a policy.
pub fn databases(policy: &Pinned) -> impl Iterator<Item = &Database> {
    policy.policy().systems.iter().filter_map(|system| match system {
        System::Postgresql(database) => Some(database),
        System::Dynamodb { .. } | System::S3 { .. } => None,
    })
}

/// Makes the tables that are missing, and lets Habeas's role at them. The databases must be there, and the secrets.
pub async fn create(policy: &Pinned, app: &dyn App, clients: &Clients) -> Result<(), AwsError> {
    for database in databases(policy) {
        let failed = || format!("making the tables of {}", database.id);
        let client = connect(database, clients).await?;
        let schemas = schemas(policy, database);
        let missing =
            "SELECT count(*) FROM unnest($1::text[]) AS name WHERE to_regnamespace(quote_ident(name)) IS NULL";
        let names: Vec<&str> = schemas.iter().copied().collect();
        let missing: i64 = client.query_one(missing, &[&names]).await.map_err(AwsError::of(failed()))?.get(0);
        if missing > 0 {
            client.batch_execute(app.tables(&database.dataset)).await.map_err(AwsError::of(failed()))?;
        }
        let role = quoted(&secret(&database.secret, clients).await?.username);
        let schemas = listed(&schemas);
        let grant = format!(
            "GRANT USAGE ON SCHEMA {schemas} TO {role}; GRANT {RIGHTS} ON ALL TABLES IN SCHEMA {schemas} TO {role}"
        );
        client.batch_execute(&grant).await.map_err(AwsError::of(failed()))?;
    }
    Ok(())
}

/// Deletes the tables with everything in them.
pub async fn delete(policy: &Pinned, clients: &Clients) -> Result<(), AwsError> {
    for database in databases(policy) {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", listed(&schemas(policy, database)));
        let dropped = connect(database, clients).await?.batch_execute(&drop).await;
        dropped.map_err(AwsError::of(format!("deleting the tables of {}", database.id)))?;
    }
    Ok(())
}

/// A connection of the data's owner. It ends when it is dropped.
pub async fn connect(database: &Database, clients: &Clients) -> Result<Client, AwsError> {
    let owner = secret(&format!("{}{OWNER}", database.secret), clients).await?;
    let action = format!("connecting to the database of {}", database.id);
    if !owner.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback()) {
        return Err(AwsError::because(action, "sample people go to a database on this machine only"));
    }
    let mut config = Config::new();
    config.host(&owner.host).port(owner.port).dbname(&owner.dbname).user(&owner.username).password(&owner.password);
    config.ssl_mode(SslMode::Disable).options("-c TimeZone=UTC");
    let (client, connection) = config.connect(NoTls).await.map_err(AwsError::of(action))?;
    // It ends with the client, and whoever uses that is told why.
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// All rows of a table, as the database itself writes them as JSON. Fields that are null are left out.
pub async fn rows(client: &Client, (schema, table): (&str, &str)) -> Result<Vec<Map<String, Value>>, AwsError> {
    let failed = || format!("reading all rows of {schema}.{table}");
    let query = format!("SELECT row_to_json(each)::text FROM {}.{} AS each", quoted(schema), quoted(table));
    let read = client.query(&query, &[]).await.map_err(AwsError::of(failed()))?;
    read.iter()
        .map(|row| {
            let mut fields: Map<String, Value> = serde_json::from_str(row.get(0)).map_err(AwsError::of(failed()))?;
            fields.retain(|_, value| !value.is_null());
            Ok(fields)
        })
        .collect()
}

/// Rows of one user, each with its collection.
pub(super) type Records = Vec<(&'static str, Map<String, Value>)>;

/// Writes users' rows into a database.
pub(super) struct Writer {
    client: Mutex<Client>,
    /// Collection, by its full name, to what writes its rows.
    statements: BTreeMap<String, Statement>,
}

impl Writer {
    pub(super) async fn open(policy: &Pinned, database: &Database, clients: &Clients) -> Result<Self, AwsError> {
        let client = connect(database, clients).await?;
        let mut statements = BTreeMap::new();
        for name in policy.collections() {
            if let Some(Place::Relation { database: of, name: table }) = policy.place(name)
                && of.id == database.id
            {
                let prepared = prepare(&client, of.table(table)).await;
                statements.insert(name.to_owned(), prepared.map_err(AwsError::of(format!("preparing {name}")))?);
            }
        }
        Ok(Self { client: Mutex::new(client), statements })
    }

    /// Writes rows of one user, in this order and all or none, since rows refer to one another. Rows that are there are
    /// written anew.
    pub(super) async fn write(&self, rows: &Records) -> Result<(), AwsError> {
        let mut client = self.client.lock().await;
        let failed = || "writing rows into a database";
        let transaction = client.transaction().await.map_err(AwsError::of(failed()))?;
        for rows in rows.chunk_by(|one, other| one.0 == other.0) {
            let Some((collection, _)) = rows.first() else { continue };
            let Some(statement) = self.statements.get(*collection) else { continue };
            let rows: Vec<&Map<String, Value>> = rows.iter().map(|(_, fields)| fields).collect();
            let rows = serde_json::to_string(&rows).map_err(AwsError::of(failed()))?;
            let written = transaction.execute(statement, &[&rows]).await;
            written.map_err(AwsError::of(format!("writing rows of {collection}")))?;
        }
        transaction.commit().await.map_err(AwsError::of(failed()))
    }
}

/// A statement that takes a list of rows as JSON: the database makes its own types of them.
async fn prepare(client: &Client, (schema, table): (&str, &str)) -> Result<Statement, tokio_postgres::Error> {
    let query = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2";
    let columns = client.query(query, &[&schema, &table]).await?;
    let columns: Vec<String> = columns.iter().map(|row| quoted(row.get(0))).collect();
    let set: Vec<String> = columns.iter().map(|column| format!("{column} = EXCLUDED.{column}")).collect();
    let name = format!("{}.{}", quoted(schema), quoted(table));
    let insert = format!(
        "INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, $1::text::json) \
         ON CONFLICT ON CONSTRAINT {} DO UPDATE SET {}",
        quoted(&format!("{table}_pkey")),
        set.join(", ")
    );
    client.prepare(&insert).await
}

async fn secret(name: &str, clients: &Clients) -> Result<Connection, AwsError> {
    let failed = || format!("GetSecretValue {name}");
    let value = clients.secrets.get_secret_value().secret_id(name).send().await.map_err(AwsError::of(failed()))?;
    serde_json::from_str(value.secret_string().unwrap_or_default()).map_err(AwsError::of(failed()))
}

/// The schemas that a policy names in a database.
fn schemas<'a>(policy: &'a Pinned, database: &'a Database) -> BTreeSet<&'a str> {
    let places = policy.collections().filter_map(|name| policy.place(name));
    places
        .filter_map(|place| match place {
            Place::Relation { database: of, name } if of.id == database.id => Some(of.table(name).0),
            _ => None,
        })
        .collect()
}

fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// An identifier as SQL takes it whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
