//! How a database is reached: its secret, and a token where the secret has no password.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde::Deserialize;
use serde_json::Value;

use super::error::Problem;
use crate::clock::Clock;
use crate::connectors::ConnectorError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where the credentials of databases come from: Secrets Manager and IAM, or a stand-in in tests.
#[async_trait]
pub trait DatabaseCredentials: Send + Sync {
    /// The text of a secret, by name or ARN.
    async fn secret(&self, id: &str) -> Result<String, ConnectorError>;

    /// A token that stands for a role's password for a quarter of an hour.
    async fn token(&self, host: &str, port: u16, username: &str) -> Result<String, ConnectorError>;
}

/// Secrets Manager and IAM.
pub struct AwsDatabaseCredentials {
    secrets: aws_sdk_secretsmanager::Client,
    provider: Option<SharedCredentialsProvider>,
    region: String,
    clock: Arc<dyn Clock>,
}

impl AwsDatabaseCredentials {
    /// With the account, region and role of this configuration. The clock dates tokens.
    #[must_use]
    pub fn new(sdk: &SdkConfig, clock: Arc<dyn Clock>) -> Self {
        Self {
            secrets: aws_sdk_secretsmanager::Client::new(sdk),
            provider: sdk.credentials_provider(),
            region: sdk.region().map(ToString::to_string).unwrap_or_default(),
            clock,
        }
    }
}

#[async_trait]
impl DatabaseCredentials for AwsDatabaseCredentials {
    async fn secret(&self, id: &str) -> Result<String, ConnectorError> {
        let value = self.secrets.get_secret_value().secret_id(id).send().await;
        let value = value.map_err(|error| crate::connectors::refused("secretsmanager:GetSecretValue", error))?;
        Ok(value.secret_string().unwrap_or_default().to_owned())
    }

    async fn token(&self, host: &str, port: u16, username: &str) -> Result<String, ConnectorError> {
        let failed = |source: BoxError| ConnectorError::Transient { operation: "rds-db:connect", source };
        let provider = self.provider.as_ref().ok_or_else(|| failed("there are no credentials".into()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| failed(error.into()))?;
        let now = SystemTime::from(self.clock.now());
        signed_token(host, port, username, &self.region, credentials, now).map_err(failed)
    }
}

/// A signed request to connect, without its scheme, is the password.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html>
fn signed_token(
    host: &str,
    port: u16,
    username: &str,
    region: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<String, BoxError> {
    const SCHEME: &str = "https://";
    let mut url = reqwest::Url::parse(&format!("{SCHEME}{host}:{port}/"))?;
    url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", username);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_mins(15));
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    for (name, value) in instructions.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    Ok(url.as_str().trim_start_matches(SCHEME).to_owned())
}

/// How the connection is encrypted. As libpq has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// The server's certificate comes from a known authority and is for this host.
    VerifyFull,
    /// It is encrypted. With `sslrootcert`, the certificate comes from that authority.
    Require,
    /// It is not encrypted: on this machine only.
    Disable,
}

/// A secret, read.
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) username: String,
    /// None: a token is used.
    pub(super) password: Option<String>,
    pub(super) tls: TlsMode,
    /// Certificates of authorities, in PEM.
    pub(super) authorities: Option<String>,
}

#[derive(Deserialize)]
struct SecretText {
    host: Option<String>,
    /// A number, or the digits of one.
    port: Option<Value>,
    dbname: Option<String>,
    username: Option<String>,
    password: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Address {
    /// Reads a secret as RDS writes it; what else is in it does not matter.
    pub(super) fn parse(secret: &str) -> Result<Self, Problem> {
        // The error would say what it found, which may be the password.
        let text: SecretText = serde_json::from_str(secret).map_err(|_| Problem::Secret("it is no such object"))?;
        let host = text.host.filter(|host| !host.is_empty()).ok_or(Problem::Secret("host is missing"))?;
        let port = match text.port {
            None => 5432,
            Some(port) => port
                .as_u64()
                .or_else(|| port.as_str()?.parse().ok())
                .and_then(|port| u16::try_from(port).ok())
                .ok_or(Problem::Secret("port is not a port"))?,
        };
        let tls = match text.sslmode.as_deref() {
            None | Some("verify-full") => TlsMode::VerifyFull,
            Some("require") => TlsMode::Require,
            Some("disable") if is_loopback(&host) => TlsMode::Disable,
            Some("disable") => return Err(Problem::Secret("sslmode disable is for this machine only")),
            Some(_) => return Err(Problem::Secret("sslmode is verify-full, require or disable")),
        };
        Ok(Self {
            host,
            port,
            database: text.dbname.ok_or(Problem::Secret("dbname is missing"))?,
            username: text.username.ok_or(Problem::Secret("username is missing"))?,
            password: text.password.filter(|password| !password.is_empty()),
            tls,
            authorities: text.sslrootcert.filter(|pem| !pem.trim().is_empty()),
        })
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_rds_writes_it_and_tls_is_checked_unless_said_otherwise() {
        let secret = r#"{"engine":"postgres","host":"db.example","port":"5433","dbname":"shop","username":"habeas",
            "password":"s","dbInstanceIdentifier":"x"}"#;
        let address = Address::parse(secret).ok().unwrap();
        assert_eq!((address.host.as_str(), address.port, address.tls), ("db.example", 5433, TlsMode::VerifyFull));
        let refused = |secret: &str| Address::parse(secret).err().map(|problem| problem.to_string()).unwrap();
        for host in ["127.0.0.1", "::1", "localhost"] {
            let secret = format!(r#"{{"host":"{host}","dbname":"a","username":"b","sslmode":"disable"}}"#);
            assert!(Address::parse(&secret).is_ok_and(|address| address.password.is_none()));
        }
        let elsewhere = r#"{"host":"db.example","dbname":"a","username":"b","sslmode":"disable"}"#;
        assert!(refused(elsewhere).contains("this machine only"));
        assert!(refused(r#"{"host":"db.example","port":70000,"dbname":"a","username":"b"}"#).contains("port"));
        assert!(!refused(r#"{"host":"db.example","password":["hunter2"]}"#).contains("hunter2"));
    }

    /// The expected text was made by botocore's `generate_db_auth_token`, which the command line uses.
    #[test]
    fn a_token_is_the_one_that_the_aws_command_line_makes() {
        let credentials =
            Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test");
        let now = SystemTime::from("2026-11-21T08:00:00Z".parse::<jiff::Timestamp>().unwrap());
        let token = signed_token("db.example.com", 5432, "habeas", "eu-central-1", credentials, now).unwrap();
        let signature = "082fe11968e3ad9dacfb571d8849ed7072763f2599796230f3034920a7450699";
        let expected = format!(
            "db.example.com:5432/?Action=connect&DBUser=habeas&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20261121%2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20261121T080000Z\
             &X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
        );
        assert_eq!(token, expected);
    }
}
