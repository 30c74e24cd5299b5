use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::clock::ManualClock;

/// The vector of the Standard Webhooks documentation.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn moment() -> Timestamp {
    Timestamp::from_second(1_614_265_330).unwrap()
}

struct OneSecret;

#[async_trait]
impl CallSecrets for OneSecret {
    async fn secret(&self, id: &str) -> Result<String, OutboundError> {
        assert!(["signs", "bears"].contains(&id));
        Ok(if id == "signs" { SECRET.to_owned() } else { "a-token\n".to_owned() })
    }
}

/// Answers one call with this, and gives the request as it came.
fn service(answer: String) -> (Endpoint, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/told?by=habeas", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(BODY) {
            let mut bytes = [0; 1_024];
            let read = stream.read(&mut bytes).unwrap();
            assert!(read > 0, "the request ends early");
            request.extend_from_slice(&bytes[..read]);
        }
        // Whoever has read enough hangs up.
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8(request).unwrap()
    });
    (Endpoint::try_from(url).unwrap(), served)
}

async fn post(answer: String) -> (Result<Answered, OutboundError>, String) {
    post_and(true, answer).await
}

async fn post_and(reads_answer: bool, answer: String) -> (Result<Answered, OutboundError>, String) {
    let (url, served) = service(answer);
    let outbound = Outbound::new(Arc::new(OneSecret), Arc::new(ManualClock::at(moment()))).unwrap();
    let call = OutboundCall {
        url: &url,
        secret: Some("signs"),
        bearer: Some("bears"),
        id: ID,
        content_type: "application/json",
        body: BODY.to_vec(),
        reads_answer,
    };
    (outbound.post(&call).await, served.join().unwrap())
}

#[tokio::test]
async fn a_call_is_signed_as_standard_webhooks_has_it_and_says_by_its_id_that_it_is_the_same() {
    let (answered, request) =
        post("HTTP/1.1 202 Accepted\r\nx-at: 7\r\ncontent-length: 4\r\n\r\ngood".to_owned()).await;
    let answered = answered.ok().unwrap();
    assert_eq!(
        (answered.status, answered.body, &answered.headers["x-at"]),
        (202, b"good".to_vec(), &HeaderValue::from(7))
    );
    let request = request.to_lowercase();
    assert!(request.starts_with("post /told?by=habeas http/1.1\r\n"));
    for line in [
        "webhook-id: msg_p5jxn8aqm9lwm0d4lokwxjek",
        "webhook-timestamp: 1614265330",
        "webhook-signature: v1,g0hm9sse+otpjtgt/tmiktsyzle3ufjelvlniolj1oe=",
        "idempotency-key: msg_p5jxn8aqm9lwm0d4lokwxjek",
        "authorization: bearer a-token",
        "content-type: application/json",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
}

#[tokio::test]
async fn what_is_no_success_is_an_error_that_says_whether_to_try_again_and_nothing_of_what_came() {
    let cases = [
        ("503 Busy", true),
        ("429 Slowly", true),
        ("401 Who", true),
        ("400 What", false),
        ("410 Gone", false),
        ("302 Found\r\nlocation: http://127.0.0.1:9/", false),
    ];
    for (answer, is_transient) in cases {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 14\r\n\r\nli@example.com");
        let error = post(answer.clone()).await.0.err().unwrap();
        assert_eq!(error.is_transient(), is_transient, "{answer}");
        assert!(!format!("{error} {error:?}").contains("example"), "{error:?}");
    }
    let cut = post("HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\nli@".to_owned()).await.0.err().unwrap();
    assert!(matches!(cut, OutboundError::NoAnswer(_)) && cut.is_transient());
    assert!(!format!("{cut:?}").contains("127.0.0.1"), "{cut:?}");
    let body = "x".repeat(MAX_ANSWER_BYTES + 1);
    let large = post(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await.0.err().unwrap();
    assert!(matches!(large, OutboundError::TooLarge) && !large.is_transient());
}

#[tokio::test]
async fn who_takes_a_call_has_taken_it_however_long_or_broken_an_answer_is_that_nobody_reads() {
    let long = "x".repeat(4 * MAX_ANSWER_BYTES);
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}", long.len());
    let cut = "HTTP/1.1 202 Accepted\r\ncontent-length: 14\r\n\r\nli@".to_owned();
    for (answer, status) in [(long, 200), (cut, 202)] {
        let answered = post_and(false, answer).await.0.ok().unwrap();
        assert_eq!(answered.status, status);
        assert!(answered.body.len() <= MAX_ANSWER_BYTES);
    }
    let refused = post_and(false, "HTTP/1.1 400 What\r\ncontent-length: 0\r\n\r\n".to_owned()).await.0.err().unwrap();
    assert!(matches!(refused, OutboundError::Refused { status: 400 }));
}

#[test]
fn a_signature_counts_for_its_body_its_id_and_some_minutes_under_any_key_of_the_secret() {
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let one = Secrets::parse(SECRET).ok().unwrap();
    let both = Secrets::parse(&format!("{other} {SECRET}\n")).ok().unwrap();
    let signed = one.sign(ID, moment(), BODY);
    let later = moment() + SignedDuration::from_mins(5);
    assert_eq!(verify(&one, &signed, BODY, later), Ok(()));
    assert_eq!(verify(&both, &signed, BODY, later), Ok(()));
    assert_eq!(verify(&one, &both.sign(ID, moment(), BODY), BODY, moment()), Ok(()), "while one is being changed");
    let another = Secrets::parse(other).ok().unwrap();
    assert_eq!(verify(&another, &signed, BODY, moment()), Err(SignatureError::Wrong));
    assert_eq!(verify(&one, &signed, b"{}", moment()), Err(SignatureError::Wrong));
    let renamed = SignedHeaders { id: "msg_2".into(), ..signed.clone() };
    assert_eq!(verify(&one, &renamed, BODY, moment()), Err(SignatureError::Wrong));
    let moved = SignedHeaders { timestamp: "1614265331".into(), ..signed.clone() };
    assert_eq!(verify(&one, &moved, BODY, moment()), Err(SignatureError::Wrong));
    for seconds in [-301, 301] {
        let now = moment() + SignedDuration::from_secs(seconds);
        assert_eq!(verify(&one, &signed, BODY, now), Err(SignatureError::Stale));
    }
    let timeless = SignedHeaders { timestamp: "soon".into(), ..signed };
    assert_eq!(verify(&one, &timeless, BODY, moment()), Err(SignatureError::MalformedMoment));
    for rubbish in ["", "whsec_", "whsec_AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &format!("{SECRET} x")] {
        assert!(Secrets::parse(rubbish).is_err(), "{rubbish}");
    }
}

#[test]
fn an_address_is_encrypted_or_of_this_machine_and_holds_no_secret() {
    let parse = |text: &str| Endpoint::try_from(text.to_owned()).map(|url| url.as_str().to_owned());
    for good in ["https://ads.example/v1/erase?x=1", "http://127.0.0.1:8080/a", "http://[::1]/", "http://localhost/"] {
        assert_eq!(parse(good).as_deref(), Ok(good));
    }
    for plain in ["http://ads.example/", "http://10.0.0.1/", "ftp://ads.example/", "http://localhost.example/"] {
        assert_eq!(parse(plain), Err(EndpointError::NotEncrypted), "{plain}");
    }
    for more in ["https://user@ads.example/", "https://:pw@ads.example/", "https://ads.example/#part"] {
        assert_eq!(parse(more), Err(EndpointError::HoldsMore), "{more}");
    }
    for rubbish in ["", "ads.example", "data:text/plain,x", &format!("https://ads.example/{}", "x".repeat(2_048))] {
        assert_eq!(parse(rubbish), Err(EndpointError::Malformed), "{rubbish}");
    }
}
