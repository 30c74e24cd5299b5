//! `GET /v1/requests/{id}/package`: a link that lives minutes, only for somebody who has just shown who they are.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use habeas::api::{Call, Problem, ProblemKind, json_response};
use habeas::identity::Caller;
use habeas::ledger::{LedgerError, keys};
use habeas::policy::deadline;
use habeas::request::life::MAX_LINKS;
use habeas::request::{PackageInfo, Request, Right};
use jiff::{SignedDuration, Timestamp};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use serde_json::json;

use crate::Function;

/// How long a link works.
const LINK_SECONDS: u64 = 300;
/// How often a link is tried to be recorded while the request changes under it.
const TRIES: usize = 5;

impl Function {
    pub(crate) async fn package(&self, call: &Call) -> Result<Response<Body>, Problem> {
        let (mut request, caller) = self.own_request(call).await?;
        let driver = &self.platform.driver;
        let now = driver.clock.now();
        let package = available(&request, now)?;
        self.is_fresh(&request, &caller, now).await?;
        let until = now.saturating_add(SignedDuration::from_secs(300)).unwrap_or(Timestamp::MAX);
        let url = self.signed(&package, now).await?;
        // The link is given out only once it stands in the history that it was.
        for _ in 0..TRIES {
            let change = request.link_issued(until, now);
            let links = change.request.package.as_ref().map_or(0, |package| package.links);
            match driver.ledger.commit(&change, Vec::new(), None).await {
                Ok(()) => {
                    tracing::info!(request_id = %request.id, links, "a link to the package was given out");
                    let body = json!({
                        "url": url,
                        "link_expires_at": keys::moment(until),
                        "bytes": package.bytes,
                        "sha256": package.sha256,
                        "encrypted": package.encrypted,
                        "package_expires_at": keys::moment(package.expires_at),
                        "links": links,
                    });
                    return Ok(json_response(StatusCode::OK, &body));
                }
                Err(LedgerError::Conflict) => {
                    request = driver.ledger.request(&request.id).await?.ok_or_else(Problem::not_found)?;
                    available(&request, now)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(LedgerError::Conflict.into())
    }

    async fn is_fresh(&self, request: &Request, caller: &Caller, now: Timestamp) -> Result<(), Problem> {
        // A token lives for minutes, so whoever has one has just shown who they are.
        let Caller::SignedIn { sign_in, .. } = caller else {
            return Ok(());
        };
        let policy = self.policy(&request.policy).await?;
        let Some(rule) = policy.right(request.matter.right().unwrap_or(Right::Access)) else {
            return Ok(());
        };
        let time_zone = &policy.policy().controller.time_zone;
        let oldest =
            deadline::earlier(now, rule.sign_in_max_age, time_zone).map_err(|error| Problem::internal(&error))?;
        if sign_in.at >= oldest {
            return Ok(());
        }
        Err(Problem::new(ProblemKind::SignInTooOld, "Sign in again, then repeat the call."))
    }

    async fn signed(&self, package: &PackageInfo, now: Timestamp) -> Result<String, Problem> {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let config = PresigningConfig::builder()
            .start_time(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
            .expires_in(Duration::from_secs(LINK_SECONDS))
            .build()
            .map_err(|error| Problem::internal(&error))?;
        let (name, kind) = if package.encrypted {
            ("my-data.zip.age", "application/octet-stream")
        } else {
            ("my-data.zip", "application/zip")
        };
        let signed = self
            .s3
            .get_object()
            .bucket(&self.package_bucket)
            .key(&package.key)
            .response_content_disposition(format!("attachment; filename=\"{name}\""))
            .response_content_type(kind)
            .presigned(config)
            .await
            .map_err(|error| Problem::unavailable(&error))?;
        Ok(signed.uri().to_owned())
    }
}

fn available(request: &Request, now: Timestamp) -> Result<PackageInfo, Problem> {
    match &request.package {
        Some(package) if package.deleted || package.expires_at <= now => {
            let detail = "Packages are kept for a few days only. Make a new request.";
            Err(Problem::new(ProblemKind::PackageExpired, detail))
        }
        Some(package) if package.links >= MAX_LINKS => {
            let detail = "As many links as there can be were given out for this package. Make a new request.";
            Err(Problem::new(ProblemKind::TooMany, detail))
        }
        Some(package) => Ok(package.clone()),
        None => Err(Problem::new(ProblemKind::PackageNotReady, "Look at the request's state; it says when it is.")),
    }
}
