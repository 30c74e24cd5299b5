//! The stores that stand behind the functions: DynamoDB and S3 in this process, on loopback; PostgreSQL is a server of its
//! own. The functions run in another process, so that its memory is theirs alone.

use std::path::Path;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use habeas_e2e::objects::Objects;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::BenchError;

/// Where the stores are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// DynamoDB.
    pub(crate) dynamodb: String,
    /// S3.
    pub s3: String,
}

/// The ledger's table.
pub(crate) const LEDGER: &str = "ledger";
/// The bucket of packages.
pub(crate) const PACKAGES: &str = "packages";

/// Starts both, with an empty ledger and an empty bucket of packages.
pub(crate) async fn start(folder: &Path) -> Result<Endpoints, BenchError> {
    let dynamodb = TcpListener::bind("127.0.0.1:0").await?;
    let s3 = TcpListener::bind("127.0.0.1:0").await?;
    let endpoints = Endpoints {
        dynamodb: format!("http://{}", dynamodb.local_addr()?),
        s3: format!("http://{}", s3.local_addr()?),
    };
    tokio::spawn(dynoxide::server::serve_on(dynamodb, dynoxide::Database::memory().map_err(BenchError::other)?));
    serve_objects(s3, folder);
    habeas_e2e::stores::create_ledger(&aws_sdk_dynamodb::Client::new(&sdk(&endpoints.dynamodb))).await;
    s3_client(&endpoints).create_bucket().bucket(PACKAGES).send().await.map_err(BenchError::other)?;
    Ok(endpoints)
}

fn serve_objects(listener: TcpListener, folder: &Path) {
    let mut service = s3s::service::S3ServiceBuilder::new(Objects::new(folder));
    service.set_auth(s3s::auth::SimpleAuth::from_single("test", "test"));
    let service = service.build();
    tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else { return };
            // A body that follows its head in a packet of its own would wait some 40 ms for the head to be acknowledged.
            let _ = socket.set_nodelay(true);
            let service = service.clone();
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
}

/// A configuration for clients of one store.
#[must_use]
pub(crate) fn sdk(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "bench")))
        .build()
}

/// A client of the S3 store.
#[must_use]
pub(crate) fn s3_client(endpoints: &Endpoints) -> aws_sdk_s3::Client {
    habeas::aws::s3_client(&sdk(&endpoints.s3))
}
