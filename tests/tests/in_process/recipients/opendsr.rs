//! A processor that speaks OpenDSR 2.0, with a key of its own, and somebody else with another.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use habeas::evidence::{NotTold, Receipt};
use habeas_e2e::World;
use serde_json::{Value, json};

use super::service::{Reply, Service};
use super::{message, recipient, results, world_telling};
use crate::people::{LI, LI_EMAIL, LI_PHONE};
use crate::recheck::after;
use crate::stories::exercise;

/// A processor's key.
struct Processor(RsaKeyPair);

impl Processor {
    fn new() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn sign(&self, body: &[u8]) -> String {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), body, &mut signature).unwrap();
        STANDARD.encode(signature)
    }

    /// The public half in PEM, as one line of YAML.
    fn pem(&self) -> String {
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(self.0.public_key());
        let lines = STANDARD.encode(der.unwrap().as_ref());
        format!("\"-----BEGIN PUBLIC KEY-----\\n{lines}\\n-----END PUBLIC KEY-----\\n\"")
    }

    /// A service that answers as section 7.4 has it, signed by this key.
    async fn service(key: std::sync::Arc<Self>) -> Service {
        Service::answering(Box::new(move |call| {
            let asked: Value = message(call);
            let body = json!({
                "controller_id": "small",
                "expected_completion_time": "2026-12-21T00:00:00Z",
                "received_time": "2026-11-21T08:00:00Z",
                "encoded_request": STANDARD.encode(&call.body),
                "subject_request_id": asked["subject_request_id"],
            });
            let body = body.to_string().into_bytes();
            let headers =
                vec![("x-opendsr-processor-domain", "127.0.0.1".to_owned()), ("x-opendsr-signature", key.sign(&body))];
            Reply { status: 201, headers, body }
        }))
        .await
    }
}

fn tell(service: &Service, key: &Processor) -> String {
    let tell = format!(
        "by: {{opendsr: {{url: \"{}\", bearer: habeas/recipient, certificate: {}, \
         identity_types: {{phone_number: mobile_number}}}}}}, identities: [email, user_id, phone_number], \
         receipt_within: P30D",
        service.url,
        key.pem()
    );
    recipient("processor", &tell)
}

/// A status callback as section 8.6 has it.
fn callback(id: &str, status: &str) -> String {
    let body = json!({
        "controller_id": "small",
        "expected_completion_time": "2026-12-21T00:00:00Z",
        "status_callback_url": "https://api.example/v1/recipients",
        "subject_request_id": id,
        "request_status": status,
        "results_url": null,
    });
    body.to_string()
}

async fn call_back(world: &World, path: &str, domain: &str, signature: String, body: String) -> u16 {
    let headers = vec![("x-opendsr-processor-domain", domain.to_owned()), ("x-opendsr-signature", signature)];
    world.post_with(path, headers, body).await.status
}

#[tokio::test]
async fn a_processor_is_asked_by_opendsr_and_its_callbacks_count_if_it_signed_them() {
    let key = std::sync::Arc::new(Processor::new());
    let service = Processor::service(key.clone()).await;
    let world = world_telling(&tell(&service, &key)).await;
    let id = exercise(&world, "erasure").await;
    let [call] = service.received().try_into().unwrap();
    let asked = message(&call);
    assert!(call.headers["authorization"].starts_with("Bearer whsec_"));
    let wanted = json!({"regulation": "gdpr", "subject_request_type": "erasure", "api_version": "2.0"});
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(asked[name], *value);
    }
    let identity =
        |kind: &str, value: &str| json!({"identity_type": kind, "identity_value": value, "identity_format": "raw"});
    let known = [("email", LI_EMAIL), ("controller_customer_id", LI), ("mobile_number", LI_PHONE)];
    assert_eq!(asked["subject_identities"], json!(known.map(|(kind, value)| identity(kind, value))));
    let request_id = asked["subject_request_id"].as_str().unwrap();
    let url = asked["status_callback_urls"][0].as_str().unwrap();
    let path = url.strip_prefix("https://api.example").unwrap();

    let receipt = async || results(&world, &id).await["processor"].receipt;
    let body = callback(request_id, "completed");
    let other = Processor::new();
    assert_eq!(call_back(&world, path, "127.0.0.1", other.sign(body.as_bytes()), body.clone()).await, 401);
    assert_eq!(call_back(&world, path, "other.example", key.sign(body.as_bytes()), body.clone()).await, 401);
    assert_eq!(call_back(&world, path, "127.0.0.1", key.sign(b"another body"), body.clone()).await, 401);
    assert_eq!(world.post_with(path, Vec::new(), body.clone()).await.status, 401);
    let of_another = callback("a7551968-d5d6-44b2-9831-815ac9017798", "completed");
    let signature = key.sign(of_another.as_bytes());
    assert_eq!(call_back(&world, path, "127.0.0.1", signature, of_another).await, 400);
    assert_eq!(receipt().await, None);

    for (status, expected) in [("pending", Receipt::Pending), ("in_progress", Receipt::InProgress)] {
        let body = callback(request_id, status);
        assert_eq!(call_back(&world, path, "127.0.0.1", key.sign(body.as_bytes()), body).await, 200);
        assert_eq!(receipt().await, Some(expected));
    }
    // Long after the request has ended.
    after(&world, super::DAY * 20).await;
    let cancelled = callback(request_id, "cancelled");
    assert_eq!(call_back(&world, path, "127.0.0.1", key.sign(cancelled.as_bytes()), cancelled).await, 200);
    assert_eq!(receipt().await, Some(Receipt::Denied));
    assert_eq!(call_back(&world, path, "127.0.0.1", key.sign(body.as_bytes()), body).await, 200);
    assert_eq!(receipt().await, Some(Receipt::Completed));
}

#[tokio::test]
async fn an_answer_that_the_processor_did_not_sign_proves_nothing() {
    let (theirs, somebody) = (Processor::new(), std::sync::Arc::new(Processor::new()));
    let service = Processor::service(somebody).await;
    let world = world_telling(&tell(&service, &theirs)).await;
    let id = exercise(&world, "erasure").await;
    assert_eq!(results(&world, &id).await["processor"].not_told, Some(NotTold::TooManyAttempts));
    assert_eq!(service.received().len(), 8);
}

#[tokio::test]
async fn a_processor_that_has_the_request_already_was_told() {
    let key = std::sync::Arc::new(Processor::new());
    let service = Processor::service(key.clone()).await;
    service.meets(&[super::Mood::HangUp, super::Mood::Refuse(409)]);
    let world = world_telling(&tell(&service, &key)).await;
    let id = exercise(&world, "erasure").await;
    let ids: Vec<Value> = service.received().iter().map(|call| message(call)["subject_request_id"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1]);
    assert!(results(&world, &id).await["processor"].told_at.is_some());
}
