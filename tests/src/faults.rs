//! DynamoDB in this process behind a client whose calls can be answered with errors, and before which something can be
//! done. The store itself throttles nobody and knows no permissions.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What calls meet.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    made: Vec<String>,
    faults: Vec<Fault>,
    before: Vec<(&'static str, Work)>,
}

/// An error that calls of one kind are answered with.
struct Fault {
    /// Which; `*`: every one.
    operation: &'static str,
    /// How many are let through first.
    after: usize,
    times: usize,
    code: &'static str,
}

impl Faults {
    /// So many calls of a kind, after so many that are let through, are answered with this error and not carried out.
    pub fn answer(&self, operation: &'static str, after: usize, times: usize, code: &'static str) {
        self.0.lock().unwrap().faults.push(Fault { operation, after, times, code });
    }

    /// All calls are carried out again.
    pub fn clear(&self) {
        self.0.lock().unwrap().faults.clear();
    }

    /// Before the next call of a kind is carried out, this is done.
    pub fn before(&self, operation: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap().before.push((operation, Box::pin(work)));
    }

    /// The calls since the last time this was asked, in order, those that were answered with errors too.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().made)
    }

    /// A store of its own behind a client that meets these.
    pub async fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
        let inner = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(Faulty { inner, faults: self.clone() })
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    fn meet(&self, operation: &str) -> (Vec<Work>, Option<&'static str>) {
        let mut state = self.0.lock().unwrap();
        state.made.push(operation.to_owned());
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for (awaited, work) in std::mem::take(&mut state.before) {
            if awaited == operation {
                now.push(work);
            } else {
                later.push((awaited, work));
            }
        }
        state.before = later;
        let mut code = None;
        for fault in state.faults.iter_mut().filter(|fault| fault.operation == operation || fault.operation == "*") {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 && code.is_none() {
                fault.times -= 1;
                code = Some(fault.code);
            }
        }
        (now, code)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Faults")
    }
}

#[derive(Debug)]
struct Faulty {
    inner: SharedHttpClient,
    faults: Faults,
}

#[derive(Debug)]
struct FaultyConnector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpClient for Faulty {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(FaultyConnector { inner, faults: self.faults.clone() })
    }
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let (before, code) = self.faults.meet(&operation);
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            for work in before {
                work.await;
            }
            let Some(code) = code else { return inner.call(request).await };
            // As DynamoDB does, the words repeat what was asked for.
            let asked = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
            let answer = serde_json::json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
                "message": format!("refused: {asked}")});
            Ok(HttpResponse::new(StatusCode::try_from(400_u16).unwrap(), SdkBody::from(answer.to_string())))
        })
    }
}
