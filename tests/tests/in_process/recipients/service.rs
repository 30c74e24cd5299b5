//! A recipient's service on loopback: takes calls, keeps them, answers as it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// How one call is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It is refused with this status.
    Refuse(u16),
    /// The line goes dead once the call has been read: nobody knows whether it was taken.
    HangUp,
}

type Answer = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

pub(crate) struct Service {
    pub(crate) url: String,
    state: Arc<State>,
}

struct State {
    taken: Mutex<Vec<Received>>,
    moods: Mutex<VecDeque<Mood>>,
    always: Mutex<Option<Mood>>,
    answer: Answer,
}

impl Service {
    /// Takes every call with 202, unless it is told otherwise.
    pub(crate) async fn start() -> Self {
        Self::answering(Box::new(|_| Reply { status: 202, headers: Vec::new(), body: Vec::new() })).await
    }

    /// Answers each call that it takes in this way.
    pub(crate) async fn answering(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/erasures", listener.local_addr().unwrap());
        let state =
            Arc::new(State { taken: Mutex::default(), moods: Mutex::default(), always: Mutex::default(), answer });
        let served = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone()));
            }
        });
        Self { url, state }
    }

    /// Meets the next calls so.
    pub(crate) fn meets(&self, moods: &[Mood]) {
        self.state.moods.lock().unwrap().extend(moods);
    }

    /// Meets every call so.
    pub(crate) fn always(&self, mood: Mood) {
        *self.state.always.lock().unwrap() = Some(mood);
    }

    /// The calls that came, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.taken.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let Some(received) = read(&mut stream).await else { return };
    state.taken.lock().unwrap().push(received.clone());
    let mood = state.moods.lock().unwrap().pop_front().or(*state.always.lock().unwrap());
    let reply = match mood {
        Some(Mood::HangUp) => return,
        Some(Mood::Refuse(status)) => Reply { status, headers: Vec::new(), body: Vec::new() },
        None => (state.answer)(&received),
    };
    let mut head =
        format!("HTTP/1.1 {} -\r\ncontent-length: {}\r\nconnection: close\r\n", reply.status, reply.body.len());
    for (name, value) in reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    let _ = stream.write_all(&[head.as_bytes(), &reply.body].concat()).await;
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            let headers: BTreeMap<String, String> =
                fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            let length: usize = headers["content-length"].parse().unwrap();
            if bytes.len() >= end + 4 + length {
                return Some(Received { headers, body: bytes[end + 4..end + 4 + length].to_vec() });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
