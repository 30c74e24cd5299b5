//! What is done in a world: the API is called, functions get their messages, schedules come.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use habeas::api::{Answer, Trigger};
use habeas::plan::Queue;
use habeas::steps::Message;
use jiff::Timestamp;
use lambda_http::{Body, Error, Request};
use serde_json::Value;

use super::World;
use crate::app;
use crate::described::assert_answer_described;
use crate::functions::{Function, Running};
use crate::needs;

/// An answer of the API.
pub struct Answered {
    pub status: u16,
    pub body: Value,
}

/// An answer of the API that is read by people.
pub struct Page {
    pub status: u16,
    pub content_type: String,
    pub text: String,
}

impl World {
    /// Runs a function once, as Lambda does: starts it if need be, and writes its log.
    async fn invoke(&self, function: Function, trigger: Trigger) -> Result<Answer, Error> {
        let deadline = self.now() + *self.time_for_a_run.lock().unwrap();
        // On the heap: thirteen handlers side by side are more than a test's stack has room for.
        let running =
            Box::pin(self.running[function as usize].get_or_try_init(|| Box::pin(self.start(function)))).await;
        let answer = match running {
            // A box ends the nesting of future types, which the compiler follows only so deep.
            Ok(running) => Box::pin(running.handle(trigger, deadline)).await,
            Err(error) => Err(error),
        };
        let _ = self.rights.ask(function, &[needs::log(function)]);
        self.rights.settle().await;
        answer
    }

    async fn start(&self, function: Function) -> Result<Running, Error> {
        self.rights.ask(function, &needs::start(function))?;
        Ok(Running::start(function, &self.cloud).await?)
    }

    /// Calls the API.
    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Answered {
        self.call_raw(method, path, token, Some("key-1"), body.map_or(String::new(), |body| body.to_string())).await
    }

    /// Calls the API with any body and idempotency key.
    pub async fn call_raw(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        key: Option<&str>,
        body: String,
    ) -> Answered {
        let page = self.ask(method, path, token, key, body).await;
        Answered { status: page.status, body: serde_json::from_str(&page.text).unwrap() }
    }

    /// Calls the API as the app, with a body that it signed then.
    pub async fn call_as_app(&self, body: &str, signed_at: Timestamp) -> Answered {
        let signed = app::signed("msg-1", signed_at, body);
        let request = lambda_http::http::Request::builder().method("POST").uri("https://api.example/v1/app/events");
        let request = request
            .header("webhook-id", signed.id)
            .header("webhook-timestamp", signed.timestamp)
            .header("webhook-signature", signed.signature);
        let request: Request = request.body(Body::Text(body.to_owned())).unwrap();
        let page = self.answer(Function::CancelAccount, request).await;
        Answered { status: page.status, body: serde_json::from_str(&page.text).unwrap() }
    }

    /// Reads a page of the API.
    pub async fn page(&self, path: &str, token: Option<&str>) -> Page {
        self.ask("GET", path, token, None, String::new()).await
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>, key: Option<&str>, body: String) -> Page {
        let token = token.map(|token| ("authorization", format!("Bearer {token}")));
        let key = key.map(|key| ("idempotency-key", key.to_owned()));
        self.ask_with(method, path, token.into_iter().chain(key).collect(), body).await
    }

    /// Calls the API with these headers and no others.
    pub async fn post_with(&self, path: &str, headers: Vec<(&'static str, String)>, body: String) -> Answered {
        let page = self.ask_with("POST", path, headers, body).await;
        Answered { status: page.status, body: serde_json::from_str(&page.text).unwrap() }
    }

    async fn ask_with(&self, method: &str, path: &str, headers: Vec<(&'static str, String)>, body: String) -> Page {
        let mut request =
            lambda_http::http::Request::builder().method(method).uri(format!("https://api.example{path}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request: Request = request.body(Body::Text(body)).unwrap();
        let function = match path {
            path if path.ends_with("/verification") || path.ends_with("/decision") => Function::VerifyIdentity,
            path if path.ends_with("/confirmation") || path == "/v1/app/events" => Function::CancelAccount,
            "/v1/plans" => Function::PlanRequest,
            path if path.starts_with("/v1/recipients") => Function::TellRecipients,
            path if path.starts_with("/v1/replays") => Function::ReplaySuppression,
            path if path.starts_with("/v1/holds") => Function::ManageHolds,
            _ => Function::SubmitRequest,
        };
        self.answer(function, request).await
    }

    /// What a function answers, which the contract must describe.
    async fn answer(&self, function: Function, request: Request) -> Page {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        // A box ends the nesting of future types, which the compiler follows only so deep.
        let answer = Box::pin(self.invoke(function, Trigger::Http(Box::new(request)))).await;
        let Ok(Answer::Http(response)) = answer else { panic!("the API answers every call") };
        let Body::Text(text) = response.body() else { panic!("the API answers with text") };
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let status = response.status().as_u16();
        assert_answer_described(&method, &path, status, &content_type, text);
        Page { status, content_type, text: text.clone() }
    }

    /// Fetches what a link leads to. It carries the rights of the role that signed it.
    pub async fn fetch(&self, link: &str) -> Vec<u8> {
        let signed_by = |function: &Function| link.contains(&format!("X-Amz-Credential={function}%2F"));
        let signer = Function::ALL.into_iter().find(signed_by).expect("a link that a function signed");
        let _ = self.rights.ask(signer, &needs::of(&HttpRequest::get(link).unwrap()));
        self.rights.settle().await;
        let (bucket, key) = needs::bucket_and_key(link);
        let object = self.s3.get_object().bucket(bucket).key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Hands one message to its function, as the event source mapping of its queue does. False: the function wants it
    /// again.
    pub async fn deliver(&self, queue: Queue, message: &Message) -> bool {
        let mut record = SqsMessage::default();
        record.message_id = Some("m".to_owned());
        record.body = Some(message.to_body());
        let mut event = SqsEvent::default();
        event.records = vec![record];
        let function = Function::of(queue);
        let _ = self.rights.ask(function, &needs::receive(queue));
        self.rights.settle().await;
        let answer = self.invoke(function, Trigger::Queue(event)).await;
        let Ok(Answer::Queue(response)) = answer else { panic!("a queue's function answers with a batch response") };
        let is_done = response.batch_item_failures.is_empty();
        if is_done {
            let _ = self.rights.ask(function, &[needs::delete(queue)]);
            self.rights.settle().await;
        }
        is_done
    }

    /// Begins a sweep.
    pub async fn sweep(&self) -> String {
        match self.invoke(Function::RetentionSweep, Trigger::Schedule).await {
            Ok(Answer::Schedule(value)) => value["request_id"].as_str().unwrap().to_owned(),
            _ => panic!("a sweep begins"),
        }
    }

    /// Lets anchor-evidence run once; how many requests it anchored. None: it failed.
    pub async fn anchor(&self) -> Option<u64> {
        match self.invoke(Function::AnchorEvidence, Trigger::Schedule).await {
            Ok(Answer::Schedule(value)) => value["requests"].as_u64(),
            _ => None,
        }
    }

    /// Lets wake-due-work run once; how many items it sent.
    pub async fn wake(&self) -> u64 {
        match self.invoke(Function::WakeDueWork, Trigger::Schedule).await {
            Ok(Answer::Schedule(value)) => value["sent"].as_u64().unwrap(),
            _ => 0,
        }
    }

    /// Takes the next message off the queues and delivers it. A message that its function wants again is put back, as SQS
    /// would. False: none waits.
    pub async fn step(&self) -> bool {
        let Some((queue, message)) = self.cloud.services.next() else { return false };
        if !self.deliver(queue, &message).await {
            self.cloud.services.put_back(queue, message);
        }
        true
    }

    /// Delivers until nothing waits.
    pub async fn run(&self) {
        for _ in 0..1000 {
            if !self.step().await {
                return;
            }
        }
        panic!("the queues never become empty");
    }
}
