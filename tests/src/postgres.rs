//! PostgreSQL for tests: each has a database of its own, on the server that `make test` starts.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use habeas::random::{SystemRandom, bytes};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The URL of a role that may create databases and roles.
const SERVER: &str = "HABEAS_TEST_POSTGRES";
/// The file with the authority that signed the server's certificate.
const AUTHORITY: &str = "HABEAS_TEST_POSTGRES_CA";

/// An empty database and a role that owns it and is no superuser. Both are gone when this is dropped.
pub struct TestDatabase {
    /// The database's name, and the role's.
    pub name: String,
    password: String,
    server: Config,
}

impl TestDatabase {
    pub async fn create() -> Self {
        let server: Config = variable(SERVER).parse().expect("a URL as libpq reads it");
        let random = || hex::encode(bytes::<16>(&SystemRandom));
        let (name, password) = (format!("test_{}", random()), random());
        let admin = connect(&server).await;
        admin.batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0")).await.unwrap();
        Self { name, password, server }
    }

    /// How the role connects, without TLS.
    pub fn config(&self) -> Config {
        let mut config = self.server.clone();
        config.user(&self.name).password(&self.password).dbname(&self.name).ssl_mode(SslMode::Disable);
        config
    }

    /// A connection of the role. It ends when the client is dropped.
    pub async fn client(&self) -> Client {
        connect(&self.config()).await
    }

    /// A superuser's connection to this database: for what the role must not own.
    pub async fn admin(&self) -> Client {
        let mut config = self.server.clone();
        connect(config.dbname(&self.name)).await
    }

    /// A connection of the role over TLS, if the server's certificate comes from one of the authorities.
    pub async fn client_over_tls(&self, authorities: RootCertStore) -> Result<Client, tokio_postgres::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(authorities).with_no_client_auth();
        let mut config = self.config();
        let (client, connection) = config.ssl_mode(SslMode::Require).connect(MakeRustlsConnect::new(tls)).await?;
        tokio::spawn(async { drop(connection.await) });
        Ok(client)
    }

    /// The authority of the server's certificate.
    pub fn authorities() -> RootCertStore {
        let mut authorities = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(Self::authority_file()).unwrap() {
            authorities.add(certificate.unwrap()).unwrap();
        }
        authorities
    }

    fn authority_file() -> PathBuf {
        variable(AUTHORITY).into()
    }

    /// What the secret of a policy's system holds for it, without TLS.
    pub fn secret(&self) -> Value {
        let [Host::Tcp(host)] = self.server.get_hosts() else { panic!("{SERVER} names one host") };
        json!({
            "host": host, "port": self.server.get_ports().first().unwrap_or(&5432), "dbname": self.name,
            "username": self.name, "password": self.password, "sslmode": "disable",
        })
    }

    /// The same, over TLS with the server's certificate and name checked.
    pub fn secret_over_tls(&self) -> Value {
        let mut secret = self.secret();
        secret["sslmode"] = "verify-full".into();
        secret["sslrootcert"] = std::fs::read_to_string(Self::authority_file()).unwrap().into();
        secret
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let work = async move {
            let admin = connect(&server).await;
            admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            admin.batch_execute(&format!("DROP ROLE {name}")).await.unwrap();
        };
        // A runtime cannot be waited for from inside of it, so this has its own, on its own thread.
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dropped = std::thread::spawn(move || runtime().block_on(work)).join();
        // A panic on top of a failed test's would hide why it failed.
        assert!(dropped.is_ok() || std::thread::panicking(), "the database {} is not gone", self.name);
    }
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.expect("PostgreSQL takes connections");
    tokio::spawn(async { drop(connection.await) });
    client
}

fn variable(name: &str) -> String {
    let set = env::var(name).ok().filter(|value| !value.is_empty());
    set.unwrap_or_else(|| {
        panic!("{name} is not set: run `make test` (or `make quick`), or set {SERVER} (and {AUTHORITY})")
    })
}
