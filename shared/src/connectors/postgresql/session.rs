//! One connection to one database, made when it is first needed and again when it is broken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Row, RowStream};

use super::catalog::{COLUMNS, INDEXES, Relation, text};
use super::credentials::{Address, DatabaseCredentials, TlsMode};
use super::error::{Problem, failed, permanent, transient};
use super::page::Kept;
use super::statement::{Given, Statement};
use super::tls;
use crate::connectors::ConnectorError;

const CONNECT_SECONDS: u64 = 10;
/// Most tables that the catalog is asked for at once.
const RELATIONS_AT_ONCE: usize = 100;

/// Set once a connection. A page must be done well before the lease of its step lapses (120 s); a lock that others hold for
/// longer than 10 s is waited for by the step's timer, not by us. What is written in JSON must not depend on the server's
/// settings, and rows that row-level security would hide must be an error, not missing. A person's rows are sorted by their
/// key, and some ten thousand of them should be so in memory.
const SETTINGS: &str = "SET statement_timeout TO '60s'; SET lock_timeout TO '10s'; \
    SET idle_in_transaction_session_timeout TO '60s'; SET client_min_messages TO error; SET row_security TO off; \
    SET standard_conforming_strings TO on; SET datestyle TO 'ISO, MDY'; SET intervalstyle TO iso_8601; \
    SET timezone TO 'UTC'; SET bytea_output TO hex; SET extra_float_digits TO 1; SET cursor_tuple_fraction TO 1; \
    SET jit TO off; SET work_mem TO '16MB'";

/// A connection, and what is known of the database.
pub(super) struct Session {
    secret: String,
    credentials: Arc<dyn DatabaseCredentials>,
    address: Option<Address>,
    client: Option<Client>,
    relations: BTreeMap<(String, String), Arc<Relation>>,
    is_in_transaction: bool,
    /// A cursor that stands where the last page ended.
    pub(super) kept: Option<Kept>,
    /// About how many bytes a row of a table has, as far as it has been read.
    pub(super) row_bytes: BTreeMap<String, usize>,
}

impl Session {
    pub(super) fn new(secret: &str, credentials: Arc<dyn DatabaseCredentials>) -> Self {
        Self {
            secret: secret.to_owned(),
            credentials,
            address: None,
            client: None,
            relations: BTreeMap::new(),
            is_in_transaction: false,
            kept: None,
            row_bytes: BTreeMap::new(),
        }
    }

    /// Sees to a connection that works. An environment of Lambda sleeps between calls, and wakes with a dead one.
    pub(super) async fn wake(&mut self) -> Result<(), ConnectorError> {
        if let Some(client) = &self.client {
            if !client.is_closed() && client.check_connection().await.is_ok() {
                return Ok(());
            }
            self.forget();
        }
        self.client = Some(self.connect().await?);
        Ok(())
    }

    /// After an error: nothing that was known or open is relied on.
    pub(super) fn forget(&mut self) {
        self.client = None;
        self.kept = None;
        self.is_in_transaction = false;
        self.relations.clear();
    }

    /// Connects. If the credentials are refused, the secret is read again once, since it may have been rotated.
    async fn connect(&mut self) -> Result<Client, ConnectorError> {
        let was_known = self.address.is_some();
        let mut connected = self.connect_once().await;
        if was_known && matches!(&connected, Err(Refusal::Credentials)) {
            connected = self.connect_once().await;
        }
        connected.map_err(|refusal| match refusal {
            Refusal::Connector(error) => error,
            Refusal::Credentials => transient(CONNECT, Problem::Credentials { secret: self.secret.clone() }),
            Refusal::Server(error) => failed(CONNECT, &self.secret, &error),
        })
    }

    async fn connect_once(&mut self) -> Result<Client, Refusal> {
        let connected = self.connect_as_known().await;
        if matches!(&connected, Err(Refusal::Credentials)) {
            self.address = None;
        }
        connected
    }

    async fn connect_as_known(&mut self) -> Result<Client, Refusal> {
        if self.address.is_none() {
            let secret = self.credentials.secret(&self.secret).await?;
            self.address = Some(Address::parse(&secret).map_err(|problem| permanent(CONNECT, problem))?);
        }
        let Some(address) = &self.address else { return Err(permanent(CONNECT, Problem::Secret("it is gone")).into()) };
        let password = match &address.password {
            Some(password) => password.clone(),
            None => self.credentials.token(&address.host, address.port, &address.username).await?,
        };
        let mut config = Config::new();
        config
            .host(&address.host)
            .port(address.port)
            .dbname(&address.database)
            .user(&address.username)
            .password(password)
            .application_name("habeas")
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS));
        let client = if address.tls == TlsMode::Disable {
            let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await?;
            tokio::spawn(async { drop(connection.await) });
            client
        } else {
            let tls = tls::connector(address).map_err(|problem| permanent(CONNECT, problem))?;
            let (client, connection) = config.ssl_mode(SslMode::Require).connect(tls).await?;
            tokio::spawn(async { drop(connection.await) });
            client
        };
        client.batch_execute(SETTINGS).await?;
        Ok(client)
    }

    fn client(&self) -> Result<&Client, ConnectorError> {
        self.client
            .as_ref()
            .ok_or_else(|| transient(CONNECT, Problem::Unreachable("the connection is gone".to_owned())))
    }

    /// Rows, one after the other.
    pub(super) async fn stream(&self, about: &str, statement: &Statement) -> Result<RowStream, ConnectorError> {
        let stream = self.client()?.query_typed_raw(&statement.text, statement.values()).await;
        stream.map_err(|error| failed(READ, about, &error))
    }

    /// Few rows.
    pub(super) async fn rows(&self, about: &str, statement: &Statement) -> Result<Vec<Row>, ConnectorError> {
        self.answer(READ, about, statement).await
    }

    /// The few rows that a statement answers with, whatever it does.
    pub(super) async fn answer(
        &self,
        operation: &'static str,
        about: &str,
        statement: &Statement,
    ) -> Result<Vec<Row>, ConnectorError> {
        let rows = self.client()?.query_typed(&statement.text, &statement.values()).await;
        rows.map_err(|error| failed(operation, about, &error))
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        operation: &'static str,
        about: &str,
        statement: &Statement,
    ) -> Result<u64, ConnectorError> {
        let changed = self.client()?.execute_typed(&statement.text, &statement.values()).await;
        changed.map_err(|error| failed(operation, about, &error))
    }

    /// Opens a cursor for a query, in a transaction of its own, and asks it for rows, all at once: one answer is waited for
    /// where there would be three. A transaction that is open is given up.
    pub(super) async fn open(
        &mut self,
        about: &str,
        query: Statement,
        fetch: &Statement,
    ) -> Result<RowStream, ConnectorError> {
        let begin = if self.is_in_transaction { "ROLLBACK; BEGIN READ ONLY" } else { "BEGIN READ ONLY" };
        self.kept = None;
        self.is_in_transaction = true;
        let text = format!("DECLARE habeas NO SCROLL CURSOR FOR {}", query.text);
        let (declare, client) = (Statement { text, given: query.given }, self.client()?);
        let declared = declare.values();
        let (begun, declared, rows) = tokio::join!(
            client.batch_execute(begin),
            client.execute_typed(&declare.text, &declared),
            client.query_typed_raw(&fetch.text, fetch.values()),
        );
        // Whichever was noticed first: the first that was asked is what the others follow from.
        begun.and(declared).and(rows).map_err(|error| failed(READ, about, &error))
    }

    /// Begins a transaction; one that is open is given up.
    pub(super) async fn begin(
        &mut self,
        operation: &'static str,
        about: &str,
        begin: &str,
    ) -> Result<(), ConnectorError> {
        let text = if self.is_in_transaction { format!("ROLLBACK; {begin}") } else { begin.to_owned() };
        self.kept = None;
        self.is_in_transaction = true;
        self.client()?.batch_execute(&text).await.map_err(|error| failed(operation, about, &error))
    }

    /// Ends a transaction.
    pub(super) async fn commit(&mut self, operation: &'static str, about: &str) -> Result<(), ConnectorError> {
        self.kept = None;
        self.client()?.batch_execute("COMMIT").await.map_err(|error| failed(operation, about, &error))?;
        self.is_in_transaction = false;
        Ok(())
    }

    /// Ends whatever transaction is open, with what was read in it.
    pub(super) async fn settle(&mut self, operation: &'static str, about: &str) -> Result<(), ConnectorError> {
        if self.is_in_transaction { self.commit(operation, about).await } else { Ok(()) }
    }

    /// What the catalog says of a table; remembered while the connection lives. `others`: tables that are most likely asked
    /// for next, and are looked up along with it, since what the catalog takes is its planning and not its rows.
    pub(super) async fn relation<'n>(
        &mut self,
        schema: &'n str,
        name: &'n str,
        others: impl Iterator<Item = (&'n str, &'n str)>,
    ) -> Result<Arc<Relation>, ConnectorError> {
        let key = (schema.to_owned(), name.to_owned());
        if let Some(relation) = self.relations.get(&key) {
            return Ok(relation.clone());
        }
        let title = format!("{schema}.{name}");
        let mut names = vec![(schema, name)];
        for other in others {
            let is_known = self.relations.contains_key(&(other.0.to_owned(), other.1.to_owned()));
            if names.len() < RELATIONS_AT_ONCE && !is_known && !names.contains(&other) {
                names.push(other);
            }
        }
        let found = self.rows(&title, &Relation::statement(&names)).await?;
        let oids = Given::Texts(found.iter().map(|row| text(row, 0).map(ToOwned::to_owned)).collect());
        let of_all = |query: &str| Statement { text: query.to_owned(), given: vec![oids.clone()] };
        let columns = self.rows(&title, &of_all(COLUMNS)).await?;
        let indexes = self.rows(&title, &of_all(INDEXES)).await?;
        let mut is_there = false;
        for row in &found {
            let position = text(row, 4).and_then(|position| position.parse::<usize>().ok());
            let Some((schema, name)) = position.and_then(|position| names.get(position.checked_sub(1)?)) else {
                continue;
            };
            is_there |= position == Some(1);
            if let Some(relation) = Relation::of(schema, name, row, &columns, &indexes) {
                self.relations.insert(((*schema).to_owned(), (*name).to_owned()), Arc::new(relation));
            }
        }
        match self.relations.get(&key) {
            Some(relation) => Ok(relation.clone()),
            None if is_there => Err(permanent(READ, Problem::Unexpected { relation: title })),
            None => Err(permanent(READ, Problem::NoRelation { relation: title })),
        }
    }

    /// Reads the catalog afresh from here on.
    pub(super) fn forget_relations(&mut self) {
        self.relations.clear();
    }
}

pub(super) const CONNECT: &str = "postgresql:connect";
pub(super) const READ: &str = "postgresql:read";
pub(super) const WRITE: &str = "postgresql:write";

/// Why there is no connection.
enum Refusal {
    Connector(ConnectorError),
    Credentials,
    Server(tokio_postgres::Error),
}

impl From<ConnectorError> for Refusal {
    fn from(error: ConnectorError) -> Self {
        Self::Connector(error)
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code().map(SqlState::code) {
            Some("28P01" | "28000") => Self::Credentials,
            _ => Self::Server(error),
        }
    }
}
