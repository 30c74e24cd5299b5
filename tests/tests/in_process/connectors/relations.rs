//! Tables of a PostgreSQL database: the suite, by a column that holds the person's id and by way of another table. What
//! this connector does besides is in `postgresql/`.

use std::sync::Arc;

use async_trait::async_trait;
use habeas::connectors::{Connector, ConnectorError, DatabaseCredentials, Postgresql};
use habeas::policy::Pinned;
use habeas_e2e::suite::{Fixture, OTHER};
use habeas_e2e::{TestDatabase, connector_suite};
use tokio_postgres::Client;

use super::policy;

/// Letters name their owner and their reader; notes belong to an account, which names its owner.
struct Archive {
    database: TestDatabase,
    sql: Client,
    policy: Arc<Pinned>,
    collection: &'static str,
    table: &'static str,
}

/// The secret of the one database.
struct Secret(String);

#[async_trait]
impl DatabaseCredentials for Secret {
    async fn secret(&self, _: &str) -> Result<String, ConnectorError> {
        Ok(self.0.clone())
    }

    async fn token(&self, _: &str, _: u16, _: &str) -> Result<String, ConnectorError> {
        unreachable!("the secret has a password")
    }
}

impl Archive {
    async fn of(collection: &'static str, table: &'static str) -> Self {
        let database = TestDatabase::create().await;
        let sql = database.client().await;
        sql.batch_execute(
            "CREATE TABLE users (user_id text PRIMARY KEY, email text);
             CREATE TABLE accounts (owner_id text PRIMARY KEY);
             CREATE TABLE letters (letter_id bigserial PRIMARY KEY, owner_id text, reader_id text, text text);
             CREATE TABLE notes (note_id bigserial PRIMARY KEY, owner_id text REFERENCES accounts, text text);
             INSERT INTO accounts VALUES ('u-li'), ('u-ann')",
        )
        .await
        .unwrap();
        Self { database, sql, policy: policy("database"), collection, table }
    }

    /// Writes so many rows of so many bytes.
    async fn write(&self, whose: &str, rows: usize, bytes: usize) {
        let table = self.table;
        let insert = format!(
            "INSERT INTO {table} (owner_id, text) SELECT '{whose}', repeat('x', {bytes}) FROM generate_series(1, {rows})"
        );
        self.sql.batch_execute(&insert).await.unwrap();
    }
}

#[async_trait]
impl Fixture for Archive {
    fn connector(&self) -> Box<dyn Connector> {
        Box::new(Postgresql::new(Arc::new(Secret(self.database.secret().to_string()))))
    }

    fn collection(&self) -> (&Pinned, &str) {
        (&self.policy, self.collection)
    }

    async fn add(&self, whose: &str, rows: usize) {
        self.write(whose, rows, 100).await;
    }

    /// Twenty megabytes: a page ends after eight.
    async fn add_pages(&self, whose: &str) -> usize {
        self.write(whose, 100, 200_000).await;
        100
    }

    /// Ten megabytes, more than a page.
    async fn add_huge(&self, whose: &str) {
        self.write(whose, 1, 10_000_000).await;
    }

    async fn add_linked_twice(&self, whose: &str) -> bool {
        let is_linked_twice = self.table == "letters";
        if is_linked_twice {
            let insert = format!("INSERT INTO letters (owner_id, reader_id) VALUES ('{whose}', '{whose}')");
            self.sql.batch_execute(&insert).await.unwrap();
        }
        is_linked_twice
    }

    async fn change_one(&self, whose: &str) -> String {
        let table = self.table;
        let key = if table == "letters" { "letter_id" } else { "note_id" };
        let first = format!("SELECT min({key}) FROM {table} WHERE owner_id = '{whose}'");
        let sold = format!("UPDATE {table} SET owner_id = '{OTHER}' WHERE {key} = ({first}) RETURNING {table}::text");
        self.sql.query_one(&sold, &[]).await.unwrap().get(0)
    }

    async fn forbid(&self) {
        let revoke = format!("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}", self.database.name);
        self.database.admin().await.batch_execute(&revoke).await.unwrap();
    }

    async fn remove(&self) {
        self.sql.batch_execute(&format!("DROP TABLE {}", self.table)).await.unwrap();
    }

    async fn dump(&self) -> Vec<String> {
        let all = format!("SELECT {0}::text FROM {0} ORDER BY 1", self.table);
        self.sql.query(&all, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

connector_suite!(by_column, Archive::of("app.letters", "letters"));
connector_suite!(by_another_table, Archive::of("app.notes", "notes"));
