//! The stack under test.

use std::path::Path;
use std::time::Duration;

use habeas::policy::Pinned;
use habeas::request::{Right, Status};
use habeas_cli::aws::Clients;
use habeas_cli::drive::api::Asked;
use habeas_cli::drive::snapshot::Snapshot;
use habeas_cli::drive::{Api, Cloud, Endpoints, Mailbox, Stack, create_user, operate, sign_in, wait_for};
use habeas_cli::sample::{self, App, Person, Population};
use serde_json::{Value, json};

pub(crate) const BOUND: Duration = Duration::from_mins(4);
const PASSWORD: &str = "a long enough password";

pub(crate) struct World {
    pub(crate) endpoints: Endpoints,
    pub(crate) policy: Pinned,
    pub(crate) app: &'static dyn App,
    pub(crate) population: Population,
    pub(crate) api: Api,
    pub(crate) cloud: Cloud,
    pub(crate) clients: Clients,
    name: &'static str,
}

impl World {
    pub(crate) async fn of(name: &'static str) -> Self {
        let endpoints = Endpoints::find().unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(name);
        let loaded = endpoints.sample.unwrap();
        let population =
            Population { seed: loaded.seed, users: loaded.users, heavy_rows: loaded.heavy_rows.unwrap_or(2000) };
        Self {
            policy: habeas::policy::load::load(&folder).unwrap(),
            app: sample::app(name).unwrap(),
            population,
            api: Api::new(&endpoints.stack(name).unwrap().api_url).unwrap(),
            cloud: Cloud::new(&endpoints).unwrap(),
            clients: endpoints.clients().await,
            endpoints,
            name,
        }
    }

    pub(crate) fn stack(&self) -> &Stack {
        self.endpoints.stack(self.name).unwrap()
    }

    pub(crate) fn function(&self, output: &str) -> String {
        self.stack().output(output).unwrap().to_owned()
    }

    pub(crate) fn person(&self, index: usize) -> Person {
        self.app.person(&self.population, index)
    }

    /// A token of a sign-in just now.
    pub(crate) async fn token(&self, person: &Person) -> String {
        // Another test may have made the user already.
        let _ = create_user(&self.endpoints, &person.user_id, PASSWORD).await;
        sign_in(&self.endpoints, &person.user_id, PASSWORD).await.unwrap()
    }

    /// Makes a request, signed in, and gives the code if one is asked for. Id and token.
    pub(crate) async fn open(&self, right: Right, person: &Person) -> (String, String) {
        let token = self.token(person).await;
        let mailbox = Mailbox::of(&self.cloud, person);
        let mark = mailbox.mark().await.unwrap();
        let key = format!("{}-{}", right.name(), person.user_id);
        let answer = self.api.submit(&Asked::signed_in(right), &key, Some(&token)).await.unwrap();
        let body = answer.expect(202).unwrap();
        let id = body["request_id"].as_str().unwrap().to_owned();
        if body["next"]["action"] == "verify" {
            let code = mailbox.code_after(mark).await.unwrap();
            self.api.answer_code(&id, &code, Some(&token)).await.unwrap().expect(200).unwrap();
        }
        (id, token)
    }

    pub(crate) async fn wait(&self, id: &str, token: &str) -> Value {
        wait_for(&self.api, id, token, Status::Completed, BOUND).await.unwrap()
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.policy, self.app, &self.population, &self.clients).await.unwrap()
    }

    pub(crate) async fn set_clock(&self, seconds: i64) {
        operate::set_clock(&self.cloud, self.stack(), seconds).await.unwrap();
    }

    /// Lets wake-due-work run now and not at the next minute.
    pub(crate) async fn wake(&self) {
        operate::invoke(&self.cloud, &self.function("WakeDueWorkFunction"), &json!({"wake": "by hand"})).await.unwrap();
    }

    pub(crate) async fn sqs(&self, action: &str, body: Value) -> Value {
        self.cloud.json("sqs", &format!("AmazonSQS.{action}"), &body).await.unwrap()
    }
}
