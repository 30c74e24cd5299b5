//! The controller's app, on loopback: it takes signed calls, remembers them, and answers as the test wants.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use habeas::app::AppCalls;
use habeas::outbound::{Answered, Endpoint, Outbound, OutboundCall, OutboundError, Secrets, SignedHeaders, verify};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::calls::Calls;

/// The secret of calls between the app and Habeas, in every world.
pub(crate) const APP_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A call that the app got, its signature being right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldApp {
    /// `webhook-id`.
    pub id: String,
    /// `type`.
    pub kind: String,
    /// `data`.
    pub data: Value,
}

/// The app.
#[derive(Clone)]
pub(crate) struct TheApp {
    pub(crate) url: Endpoint,
    state: Arc<Mutex<State>>,
}

struct State {
    /// How it answers.
    status: u16,
    ok: bool,
    told: Vec<ToldApp>,
}

impl TheApp {
    /// Listens until the test ends.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/habeas", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { status: 200, ok: true, told: Vec::new() }));
        let app = Self { url: url.try_into().unwrap(), state };
        let serving = app.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.serve(stream).await;
            }
        });
        app
    }

    /// From now on it answers so.
    pub(crate) fn answer(&self, status: u16, ok: bool) {
        let mut state = self.state.lock().unwrap();
        (state.status, state.ok) = (status, ok);
    }

    /// What it got and took.
    pub(crate) fn told(&self) -> Vec<ToldApp> {
        self.state.lock().unwrap().told.clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let (head, body) = loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await.unwrap_or(0);
            bytes.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                if read == 0 {
                    return;
                }
                continue;
            };
            let length = header(head, "content-length").parse().unwrap_or(0);
            if body.len() >= length || read == 0 {
                break (head.to_owned(), body.to_owned());
            }
        };
        let (status, answer) = self.take(&head, &body);
        let head = format!(
            "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.len()
        );
        let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
    }

    fn take(&self, head: &str, body: &str) -> (u16, String) {
        let signed = SignedHeaders {
            id: header(head, "webhook-id"),
            timestamp: header(head, "webhook-timestamp"),
            signature: header(head, "webhook-signature"),
        };
        let at = Timestamp::from_second(signed.timestamp.parse().unwrap()).unwrap();
        verify(&Secrets::parse(APP_SECRET).unwrap(), &signed, body.as_bytes(), at).expect("a call is signed");
        assert_eq!(header(head, "idempotency-key"), signed.id);
        let mut state = self.state.lock().unwrap();
        if state.status == 200 {
            let body: Value = serde_json::from_str(body).unwrap();
            let kind = body["type"].as_str().unwrap().to_owned();
            state.told.push(ToldApp { id: signed.id, kind, data: body["data"].clone() });
        }
        (state.status, json!({"ok": state.ok}).to_string())
    }
}

fn header(head: &str, name: &str) -> String {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or_else(String::new, |(_, value)| value.trim().into())
}

/// A function's way to the app: whatever address the policy has, this world's app is meant.
pub(crate) struct ToTheApp {
    pub(crate) outbound: Outbound,
    pub(crate) calls: Calls,
    pub(crate) url: Endpoint,
}

#[async_trait]
impl AppCalls for ToTheApp {
    async fn post(&self, call: &OutboundCall<'_>) -> Result<Answered, OutboundError> {
        let call = OutboundCall { url: &self.url, ..call.clone() };
        let posted = self.calls.around("AppCall", self.outbound.post(&call)).await;
        // A process that was killed has no answer.
        posted.map_err(OutboundError::Secret)?
    }
}

/// The headers of a call that the app signs.
pub(crate) fn signed(id: &str, at: Timestamp, body: &str) -> SignedHeaders {
    Secrets::parse(APP_SECRET).unwrap().sign(id, at, body.as_bytes())
}
