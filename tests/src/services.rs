//! SQS, KMS, Secrets Manager, SES and SNS in this process, as far as the functions call them: what is sent waits in a list
//! that the test hands on, or lies in a mailbox that it reads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use habeas::plan::Queue;
use habeas::steps::Message;
use serde_json::{Value, json};

use crate::gate::response;
use crate::needs;
use crate::signing_key::SigningKey;

/// The data key of every world, in the clear and encrypted.
const CLEAR_KEY: [u8; 32] = [7; 32];
const ENCRYPTED_KEY: [u8; 40] = [9; 40];

/// The services.
#[derive(Clone, Default)]
pub(crate) struct Services(Arc<Mutex<State>>, Arc<Keys>);

/// The keys that sign, each by its name in the template.
#[derive(Default)]
struct Keys {
    packages: SigningKey,
    anchors: SigningKey,
}

impl Keys {
    /// The one that a call names.
    fn of(&self, asked: &Value) -> &SigningKey {
        match asked["KeyId"].as_str().and_then(|arn| arn.rsplit('/').next()) {
            Some("PackageSigningKey") => &self.packages,
            Some("AnchorSigningKey") => &self.anchors,
            other => panic!("{other:?} is no key that signs"),
        }
    }
}

#[derive(Default)]
struct State {
    /// Of databases, by name; any other is the digest keys.
    secrets: BTreeMap<String, String>,
    waiting: VecDeque<(Queue, Message)>,
    sent: Vec<(String, String)>,
    /// What recipients' queues took: queue and body.
    told: Vec<(String, Value)>,
    /// Queues of recipients that are not there.
    closed: BTreeSet<String>,
}

impl fmt::Debug for Services {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Services")
    }
}

impl HttpClient for Services {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Services {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Ok(self.answer(&request)))
    }
}

impl Services {
    /// With these secrets of databases, by name.
    pub(crate) fn with(secrets: BTreeMap<String, String>) -> Self {
        Self(Arc::new(Mutex::new(State { secrets, ..State::default() })), Arc::default())
    }

    /// Codes and notices that were sent: address and text.
    pub(crate) fn sent(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().sent.clone()
    }

    /// What recipients' queues took: queue and body.
    pub(crate) fn told(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().told.clone()
    }

    /// Lets a recipient's queue be gone.
    pub(crate) fn close(&self, queue: &str) {
        self.0.lock().unwrap().closed.insert(queue.to_owned());
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }

    /// Takes the next message.
    pub(crate) fn next(&self) -> Option<(Queue, Message)> {
        self.0.lock().unwrap().waiting.pop_front()
    }

    /// Puts a message at the end.
    pub(crate) fn put_back(&self, queue: Queue, message: Message) {
        self.0.lock().unwrap().waiting.push_back((queue, message));
    }

    /// Drops every message.
    pub(crate) fn lose(&self) {
        self.0.lock().unwrap().waiting.clear();
    }

    /// The public half of the key that signs packages, in DER.
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.1.packages.public_key()
    }

    /// The same of the key that signs anchors.
    pub(crate) fn anchor_key(&self) -> Vec<u8> {
        self.1.anchors.public_key()
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        match needs::operation(request) {
            ("sqs", "SendMessageBatch") => response(200, self.take_in(&needs::json(request)).to_string()),
            ("sqs", "GetQueueUrl") => {
                let name = needs::json(request)["QueueName"].as_str().unwrap().to_owned();
                if self.0.lock().unwrap().closed.contains(&name) {
                    let error = json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no such queue"});
                    return response(400, error.to_string());
                }
                response(200, json!({"QueueUrl": format!("https://sqs.us-east-1.amazonaws.com/1/{name}")}).to_string())
            }
            ("sqs", "SendMessage") => {
                let sent = needs::json(request);
                let queue = sent["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                let body = serde_json::from_str(sent["MessageBody"].as_str().unwrap()).unwrap();
                self.0.lock().unwrap().told.push((queue, body));
                response(200, json!({"MessageId": "1", "MD5OfMessageBody": ""}).to_string())
            }
            ("kms", "GenerateDataKey") => {
                let key =
                    json!({"Plaintext": STANDARD.encode(CLEAR_KEY), "CiphertextBlob": STANDARD.encode(ENCRYPTED_KEY)});
                response(200, key.to_string())
            }
            ("kms", "Decrypt") => {
                assert_eq!(needs::json(request)["CiphertextBlob"], STANDARD.encode(ENCRYPTED_KEY));
                response(200, json!({"Plaintext": STANDARD.encode(CLEAR_KEY)}).to_string())
            }
            ("kms", "GetPublicKey") => {
                let key = self.1.of(&needs::json(request)).public_key();
                response(200, json!({"PublicKey": STANDARD.encode(key)}).to_string())
            }
            ("kms", "Sign") => {
                let asked = needs::json(request);
                let how = (asked["MessageType"].as_str(), asked["SigningAlgorithm"].as_str());
                assert_eq!(how, (Some("DIGEST"), Some("ECDSA_SHA_256")));
                let digest = STANDARD.decode(asked["Message"].as_str().unwrap()).unwrap();
                response(200, json!({"Signature": STANDARD.encode(self.1.of(&asked).sign(&digest))}).to_string())
            }
            ("secretsmanager", "GetSecretValue") => {
                let id = needs::json(request)["SecretId"].as_str().unwrap().to_owned();
                let known = self.0.lock().unwrap().secrets.get(&id).cloned();
                let keys = || json!({"current": "k1", "k1": "a".repeat(64)}).to_string();
                response(200, json!({"SecretString": known.unwrap_or_else(keys)}).to_string())
            }
            ("ses", "SendEmail") => {
                let email = needs::json(request);
                let body = &email["Content"]["Simple"]["Body"]["Text"]["Data"];
                self.deliver(&email["Destination"]["ToAddresses"][0], body);
                response(200, json!({"MessageId": "1"}).to_string())
            }
            ("sns", "Publish") => {
                let field = |name| needs::form(request, name).unwrap_or_default();
                self.deliver(&field("PhoneNumber").into(), &field("Message").into());
                let result = "<PublishResult><MessageId>1</MessageId></PublishResult>";
                response(200, format!("<PublishResponse>{result}</PublishResponse>"))
            }
            (service, operation) => panic!("{service} {operation} is not served here"),
        }
    }

    fn take_in(&self, batch: &Value) -> Value {
        let url = batch["QueueUrl"].as_str().unwrap();
        let queue = Queue::ALL.into_iter().find(|queue| url.ends_with(&format!("/{queue:?}Queue")));
        let queue = queue.unwrap_or_else(|| panic!("{url} is no queue of the stack"));
        let entries = batch["Entries"].as_array().unwrap();
        let messages = entries.iter().map(|entry| Message::parse(entry["MessageBody"].as_str().unwrap()).unwrap());
        self.0.lock().unwrap().waiting.extend(messages.map(|message| (queue, message)));
        let taken = entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": ""}));
        json!({"Successful": taken.collect::<Vec<_>>(), "Failed": []})
    }

    fn deliver(&self, address: &Value, text: &Value) {
        let text_of = |value: &Value| value.as_str().unwrap().to_owned();
        self.0.lock().unwrap().sent.push((text_of(address), text_of(text)));
    }
}
