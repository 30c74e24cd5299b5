//! The world, and what is in it.

mod doing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use habeas::aws::{anchor_key, policy_key};
use habeas::clock::{Clock as _, ManualClock};
use habeas::connectors::{Connectors, Obstacle};
use habeas::evidence::Anchor;
use habeas::export::PublicKey;
use habeas::identity::Sealer;
use habeas::ledger::{Ledger, keys};
use habeas::policy::{Channel, Pinned, System};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::OnceCell;

pub use doing::{Answered, Page};

use crate::app::{APP_SECRET, ToldApp};
use crate::calls::Calls;
use crate::cloud::Cloud;
use crate::functions::{Function, Running};
use crate::roles::{Grant, Rights, Stack, WhenDenied, stack, stack_with_database};
use crate::sign_in::SignIns;
use crate::stores;

/// Everything. Each function has the rights of its role in template.yaml; a call that is denied ends the test.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub calls: Calls,
    pub rights: Rights,
    /// The test's own, past every role.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The test's own, past every role.
    pub s3: aws_sdk_s3::Client,
    pub policy: Arc<Pinned>,
    cloud: Cloud,
    ledger: Ledger,
    running: [OnceCell<Running>; Function::ALL.len()],
    time_for_a_run: Mutex<SignedDuration>,
    /// Where large objects are.
    _folder: tempfile::TempDir,
}

impl World {
    /// The bucket of packages.
    pub const BUCKET: &str = "packagebucket";
    /// The bucket of anchors.
    pub const ANCHORS: &str = "anchorbucket";
    /// The bucket of the small policy.
    pub const FILES: &str = "small-files";

    /// A new world under the small policy, without people.
    pub async fn new() -> Self {
        Self::with(Rights::new(stack(), None, WhenDenied::Fail), BTreeMap::new()).await
    }

    /// A new world under the policy whose collections are in a database, with its secrets by name.
    pub async fn with_database(secrets: BTreeMap<String, String>) -> Self {
        Self::with(Rights::new(stack_with_database(), None, WhenDenied::Fail), secrets).await
    }

    /// A new world under one of the policies that ship with Habeas, with the secrets of its databases by name.
    pub async fn under(policy: &str, secrets: BTreeMap<String, String>) -> Self {
        let stack: &'static Stack = Box::leak(Box::new(Stack::of(&format!("policies/{policy}"))));
        Self::with(Rights::new(stack, None, WhenDenied::Fail), secrets).await
    }

    /// A new world under the policy in a folder, with the secrets of its databases and recipients by name.
    pub async fn of(folder: &Path, secrets: BTreeMap<String, String>) -> Self {
        let stack: &'static Stack = Box::leak(Box::new(Stack::of(folder.to_str().unwrap())));
        Self::with(Rights::new(stack, None, WhenDenied::Fail), secrets).await
    }

    /// A new world under the small policy as somebody else would have written it.
    pub async fn under_small(change: impl FnOnce(&mut habeas::policy::Bundle)) -> Self {
        let stored = stack().policy.to_stored().unwrap();
        let mut bundle = serde_json::from_slice(&stored).unwrap();
        change(&mut bundle);
        let stack: &'static Stack = Box::leak(Box::new(Stack::under(Pinned::new(bundle).unwrap())));
        Self::with(Rights::new(stack, None, WhenDenied::Fail), BTreeMap::new()).await
    }

    /// The same, with a line missing in one role. It stops where that is denied, which [`Rights::denied`] tells.
    pub async fn that_stops_without(grant: Grant) -> Self {
        Self::with(Rights::new(stack(), Some(grant), WhenDenied::Stop), BTreeMap::new()).await
    }

    /// The same, with a line missing in one role, and going on as well as it can.
    pub async fn that_goes_on_without(grant: Grant) -> Self {
        Self::with(Rights::new(stack(), Some(grant), WhenDenied::GoOn), BTreeMap::new()).await
    }

    async fn with(rights: Rights, mut secrets: BTreeMap<String, String>) -> Self {
        let policy = rights.stack().policy.clone();
        if let Some(app) = &policy.policy().app {
            secrets.insert(app.webhook.secret.clone(), APP_SECRET.to_owned());
        }
        let folder = tempfile::tempdir().unwrap();
        let cloud = Cloud::start(rights.clone(), folder.path(), SignIns::start().await.keys_url, secrets).await;
        let (dynamodb, s3) = cloud.administrator();
        stores::create_ledger(&dynamodb).await;
        stores::create_tables(&dynamodb, &policy).await;
        let policies = "policybucket";
        let data = policy.policy().systems.iter().filter_map(|system| match system {
            System::S3 { bucket, .. } => Some(bucket.as_str()),
            _ => None,
        });
        for bucket in data.chain([Self::BUCKET, Self::ANCHORS, policies]) {
            s3.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let stored = policy.to_stored().unwrap().into();
        s3.put_object().bucket(policies).key(policy_key(policy.digest())).body(stored).send().await.unwrap();
        cloud.calls.take();
        Self {
            clock: cloud.clock.clone(),
            calls: cloud.calls.clone(),
            rights,
            ledger: Ledger::new(dynamodb.clone(), "ledger"),
            dynamodb,
            s3,
            policy,
            cloud,
            running: [const { OnceCell::const_new() }; Function::ALL.len()],
            time_for_a_run: Mutex::new(SignedDuration::from_mins(15)),
            _folder: folder,
        }
    }

    /// Puts a row of texts into a table.
    pub async fn put(&self, table: &str, fields: &[(&str, &str)]) {
        let put = self.dynamodb.put_item().table_name(table);
        let put = fields.iter().fold(put, |put, (name, value)| put.item(*name, AttributeValue::S((*value).to_owned())));
        put.send().await.unwrap();
    }

    /// Puts an object that was last modified then.
    pub async fn put_object(&self, bucket: &str, key: &str, content: &[u8], at: &str) {
        self.s3.put_object().bucket(bucket).key(key).body(content.to_vec().into()).send().await.unwrap();
        let at: Timestamp = at.parse().unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.as_second().try_into().unwrap());
        self.cloud.buckets.lock().unwrap().set_modified(bucket, key, at);
    }

    /// Deletes an object of the package bucket.
    pub async fn delete(&self, key: &str) {
        let object = ObjectIdentifier::builder().key(key).build().unwrap();
        let delete = Delete::builder().objects(object).build().unwrap();
        self.s3.delete_objects().bucket(Self::BUCKET).delete(delete).send().await.unwrap();
    }

    /// Locks an object until then, or puts it under a legal hold: S3 lets nobody delete it.
    pub fn lock(&self, key: &str, until: Option<Timestamp>) {
        self.cloud.locks.lock().unwrap().insert(key.to_owned(), until);
    }

    /// Takes an object's lock away, as when its time is over.
    pub fn unlock(&self, key: &str) {
        self.cloud.locks.lock().unwrap().remove(key);
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    /// From now on a function has so much time for a run.
    pub fn give_time(&self, time: SignedDuration) {
        *self.time_for_a_run.lock().unwrap() = time;
    }

    /// How much of a package is made at once, for functions that have not started yet.
    pub fn limit_packages(&self, limits: export_data::Limits) {
        *self.cloud.limits.lock().unwrap() = limits;
    }

    /// Uploads that were begun and are not over, with how many parts each has.
    pub fn open_uploads(&self) -> Vec<(String, usize)> {
        self.cloud.uploads.lock().unwrap().open()
    }

    /// How many parts of uploads were uploaded again as they were, and how many with other bytes.
    pub fn repeated_parts(&self) -> (usize, usize) {
        self.cloud.uploads.lock().unwrap().repeated()
    }

    /// The key that packages are signed with.
    pub fn signing_key(&self) -> PublicKey {
        PublicKey::from_der(&self.cloud.services.public_key()).unwrap()
    }

    /// The key that anchors are signed with.
    pub fn anchor_key(&self) -> PublicKey {
        PublicKey::from_der(&self.cloud.services.anchor_key()).unwrap()
    }

    /// The anchors that are kept, in order.
    pub async fn anchors(&self) -> Vec<Anchor> {
        let listed = self.s3.list_objects_v2().bucket(Self::ANCHORS).send().await.unwrap();
        let mut anchors = Vec::new();
        for key in listed.contents().iter().filter_map(|object| object.key()) {
            let object = self.s3.get_object().bucket(Self::ANCHORS).key(key).send().await.unwrap();
            let bytes = object.body.collect().await.unwrap().into_bytes();
            let anchor: Anchor = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(anchor_key(anchor.anchor.number), key);
            anchors.push(anchor);
        }
        anchors
    }

    /// Lets the ledger forget all anchors, as if it had been put back to a moment before the first.
    pub async fn forget_anchors(&self) {
        let key = AttributeValue::S(keys::ANCHORS.to_owned());
        let delete = self.dynamodb.delete_item().table_name("ledger").key("pk", key.clone()).key("sk", key);
        delete.send().await.unwrap();
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What opens what is sealed into requests.
    pub fn sealer(&self) -> Arc<Sealer> {
        self.cloud.platform(Function::DeleteOrAnonymize).unwrap().driver.sealer
    }

    /// Lets the preflight find this.
    pub fn obstruct(&self, obstacles: Vec<Obstacle>) {
        *self.cloud.obstacles.lock().unwrap() = obstacles;
    }

    /// The command line's own clients, past every role.
    pub fn tool(&self) -> habeas_cli::aws::Clients {
        self.cloud.tool()
    }

    /// The test's own connectors, past every role.
    pub fn connectors(&self) -> Connectors {
        self.cloud.connectors(None, self.dynamodb.clone(), self.s3.clone())
    }

    /// Codes and notices that were sent: address and text.
    pub fn mails(&self) -> Vec<(String, String)> {
        let mut mails = self.cloud.services.sent();
        mails.retain(|(address, _)| !self.is_recipient(address));
        mails
    }

    /// What recipients were told by mail: address and text.
    pub fn mails_to_recipients(&self) -> Vec<(String, String)> {
        let mut mails = self.cloud.services.sent();
        mails.retain(|(address, _)| self.is_recipient(address));
        mails
    }

    fn is_recipient(&self, address: &str) -> bool {
        let told = self.policy.policy().recipients.iter().filter_map(|recipient| recipient.tell.as_ref());
        told.into_iter().any(|tell| matches!(&tell.by, Channel::Email(theirs) if theirs == address))
    }

    /// What recipients' queues took: queue and body.
    pub fn told(&self) -> Vec<(String, Value)> {
        self.cloud.services.told()
    }

    /// Lets a recipient's queue be gone.
    pub fn close(&self, queue: &str) {
        self.cloud.services.close(queue);
    }

    /// The code in the last mail.
    pub fn last_code(&self) -> String {
        let mails = self.mails();
        let (_, body) = mails.last().expect("a mail was sent");
        let digits = |word: &&str| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit());
        let words: Vec<&str> = body.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let at = words.windows(2).position(|pair| digits(&pair[0]) && digits(&pair[1])).expect("a code in the mail");
        words[at..at + 2].concat()
    }

    /// Messages that wait.
    pub fn waiting(&self) -> usize {
        self.cloud.services.waiting()
    }

    /// Loses every message that waits.
    pub fn lose_messages(&self) {
        self.cloud.services.lose();
    }

    /// What the app was told and asked, and took.
    pub fn app_told(&self) -> Vec<ToldApp> {
        self.cloud.app.told()
    }

    /// From now on the app answers so to what it is told and asked.
    pub fn app_answers(&self, status: u16, ok: bool) {
        self.cloud.app.answer(status, ok);
    }

    /// Lets time pass, wakes what is due, delivers: until a request has ended.
    pub async fn run_to_end(&self, id: &str) {
        let id = id.parse().unwrap();
        for _ in 0..200 {
            self.run().await;
            if self.ledger.request(&id).await.unwrap().is_some_and(|request| request.status.is_end()) {
                return;
            }
            self.advance(SignedDuration::from_mins(1));
            self.wake().await;
        }
        let last = self.ledger.events(&id).await.unwrap().pop();
        panic!("the request never ends; the last that happened is {last:?}");
    }

    /// Every item of every table of the policy, and every object of its bucket.
    pub async fn data(&self) -> BTreeMap<String, Vec<BTreeMap<String, String>>> {
        let mut data = BTreeMap::new();
        for table in ["small-users", "small-posts", "small-comments", "small-messages", "small-orders"] {
            data.insert(table.to_owned(), stores::dump(&self.dynamodb, table).await);
        }
        data.insert(Self::FILES.to_owned(), stores::objects(&self.s3, Self::FILES).await);
        data
    }
}
