//! Takes in requests and shows what became of them.
//!
//! The rule of this function: a new request is one transaction and one send, and looks nobody up, so that people who are
//! known and people who are not get the same answer in the same time.

mod package;
mod show;
mod submit;

use std::sync::Arc;

use habeas::api::{Answer, Call, Problem, Trigger};
use habeas::aws::{Platform, StartError};
use habeas::identity::oidc::SignInVerifier;
use habeas::identity::{Caller, DigestKeys};
use habeas::policy::{Pinned, PolicyDigest};
use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_http::{Body, Response};
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, queues, clock, policies.
    pub platform: Platform,
    /// The policy in force.
    pub current: PolicyDigest,
    /// The digest keys.
    pub keys: DigestKeys,
    /// Checks sign-ins.
    pub sign_ins: SignInVerifier,
    /// Signs links.
    pub s3: aws_sdk_s3::Client,
    /// Where packages are.
    pub package_bucket: String,
}

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        Ok(Self {
            current: platform.current_policy()?,
            keys: platform.digest_keys().await?,
            sign_ins: platform.sign_ins()?,
            s3: habeas::aws::s3_client(&platform.sdk),
            package_bucket: platform.settings.required("PACKAGE_BUCKET")?,
            platform,
        })
    }

    async fn caller(&self, call: &Call) -> Result<Caller, Problem> {
        let now = self.platform.driver.clock.now();
        Ok(Caller::from_header(call.header("authorization"), &self.keys, &self.sign_ins, now).await?)
    }

    async fn policy(&self, digest: &PolicyDigest) -> Result<Arc<Pinned>, Problem> {
        Ok(self.platform.policies.policy(digest).await?)
    }

    async fn route(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let parts: Vec<&str> = call.path.iter().map(String::as_str).collect();
        match (&call.method, parts.as_slice()) {
            (&Method::POST, []) => self.submit(call).await,
            (&Method::GET, []) => self.list(call).await,
            (&Method::GET, [_]) => self.show(call).await,
            (&Method::DELETE, [_]) => self.withdraw(call).await,
            (&Method::GET, [_, "package"]) => self.package(call).await,
            (&Method::GET, [_, "evidence"]) => self.evidence(call).await,
            (&Method::GET, [_, "certificate"]) => self.certificate(call).await,
            _ => Err(Problem::not_found()),
        }
    }
}

/// Answers a call of the API.
pub async fn handle(function: Arc<Function>, trigger: Trigger, _deadline: Timestamp) -> Result<Answer, Error> {
    let Trigger::Http(request) = trigger else {
        return Err("this function is called through the API only".into());
    };
    let answered = match Call::parse(*request) {
        Ok(call) => function.route(&call).await,
        Err(problem) => Err(problem),
    };
    Ok(Answer::http(answered.unwrap_or_else(|problem| problem.to_response())))
}
