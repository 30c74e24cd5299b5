//! A whole story for one policy: access, erasure, cancellation and a sweep, each checked from outside.
//!
//! A check that fails is told and counted, and the story goes on where it can: one run shows all that is wrong.

mod acts;
mod checks;
mod foresight;

use std::io::Write;
use std::path::PathBuf;

use habeas::evidence::{Certificate, EvidenceFile};
use habeas::plan::Counts;
use habeas::policy::Pinned;
use habeas::random::{self, SystemRandom};
use habeas::request::Right;
use serde_json::{Value, json};

use super::{Api, Asked, Cloud, DriveError, Endpoints, Mailbox, Stack, create_user, operate, sign_in};
use crate::aws::Clients;
use crate::sample::{App, Person, Population};

/// What a story is played with.
pub struct Options {
    /// The policy.
    pub policy: Pinned,
    /// Its generator.
    pub app: &'static dyn App,
    /// The people that were loaded.
    pub population: Population,
    /// The stack.
    pub endpoints: Endpoints,
    /// Where packages and evidence are written.
    pub out: PathBuf,
    /// Whether to look for personal data in all logs too.
    pub scan_logs: bool,
}

/// One line of the table at the end.
struct Line {
    what: &'static str,
    counts: Counts,
    left_over: usize,
    verified: bool,
}

/// A request that has been made, and verified if need be.
struct Opened {
    id: String,
    token: String,
}

struct Story<'a> {
    options: &'a Options,
    stack: &'a Stack,
    api: Api,
    cloud: Cloud,
    clients: Clients,
    folder: PathBuf,
    lines: Vec<Line>,
    failures: usize,
    told: &'a mut dyn Write,
}

/// Plays the story and tells it line by line. Gives the number of checks that failed.
pub async fn play(options: &Options, told: &mut dyn Write) -> Result<usize, DriveError> {
    let policy = &options.policy.policy().id;
    let stack = options.endpoints.stack(policy)?;
    let folder = options.out.join(policy);
    std::fs::create_dir_all(&folder).map_err(DriveError::file(&folder))?;
    let mut story = Story {
        options,
        stack,
        api: Api::new(&stack.api_url)?,
        cloud: Cloud::new(&options.endpoints)?,
        clients: options.endpoints.clients().await,
        folder,
        lines: Vec::new(),
        failures: 0,
        told,
    };
    let ended = story.access_signed_in().await;
    story.go_on(ended);
    let ended = story.access_by_code().await;
    story.go_on(ended);
    let ended = story.erasure().await;
    story.go_on(ended);
    let ended = story.cancellation().await;
    story.go_on(ended);
    let ended = story.sweep().await;
    story.go_on(ended);
    if options.scan_logs {
        let ended = story.scan_logs().await;
        story.go_on(ended);
    }
    story.table();
    Ok(story.failures)
}

impl Story<'_> {
    fn say(&mut self, line: impl AsRef<str>) {
        // Nobody listening is no reason to stop.
        let _ = writeln!(self.told, "{}", line.as_ref());
        let _ = self.told.flush();
    }

    fn check(&mut self, holds: bool, what: impl AsRef<str>) {
        if !holds {
            self.failures += 1;
        }
        self.say(format!("  {} {}", if holds { "ok  " } else { "FAIL" }, what.as_ref()));
    }

    /// One check that a list of problems is empty, which names the first few otherwise.
    fn check_none(&mut self, problems: &[String], what: &str) {
        self.check(problems.is_empty(), what);
        for problem in problems.iter().take(5) {
            self.say(format!("         {problem}"));
        }
        if problems.len() > 5 {
            self.say(format!("         … and {} more", problems.len() - 5));
        }
    }

    /// An act that broke off is a failed check; the next one does not need it.
    fn go_on(&mut self, ended: Result<(), DriveError>) {
        let Err(error) = ended else { return };
        self.check(false, error.to_string());
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            self.say(format!("         because: {error}"));
            cause = error.source();
        }
    }

    fn person(&self, index: usize) -> Person {
        self.options.app.person(&self.options.population, index)
    }

    /// Signs in afresh as a person.
    async fn token_of(&self, person: &Person) -> Result<String, DriveError> {
        let password = random_hex();
        create_user(&self.options.endpoints, &person.user_id, &password).await?;
        sign_in(&self.options.endpoints, &person.user_id, &password).await
    }

    /// Makes a request and shows whatever the answer asks for.
    async fn open(&mut self, right: Right, person: &Person, signed_in: bool) -> Result<Opened, DriveError> {
        const SUBMIT: &str = "POST /v1/requests";
        let mailbox = Mailbox::of(&self.cloud, person);
        let mark = mailbox.mark().await?;
        let mut token = if signed_in { Some(self.token_of(person).await?) } else { None };
        let asked = match (&token, &person.email, &person.phone) {
            (Some(_), ..) => Asked::signed_in(right),
            (None, Some(email), _) => Asked::by_email(right, email),
            (None, None, Some(phone)) => Asked::by_phone(right, phone),
            (None, None, None) => {
                return Err(DriveError::Incomplete { action: SUBMIT.to_owned(), missing: "an address of the person" });
            }
        };
        let body = self.api.submit(&asked, &random_hex(), token.as_deref()).await?.expect(202)?;
        let id = text(&body, "request_id", SUBMIT)?;
        let due = body["due_at"].as_str().unwrap_or("?");
        let next = body["next"]["action"].as_str().unwrap_or("?");
        self.say(format!("  202, request {id}, due {due}, next: {next}"));
        if next == "verify" {
            let code = mailbox.code_after(mark).await?;
            let answer = self.api.answer_code(&id, &code, token.as_deref()).await?.expect(200)?;
            let status = answer["status"].as_str().unwrap_or("?");
            self.say(format!("  a code came to an address on file, and was right: {status}"));
            token = answer["token"].as_str().map(ToOwned::to_owned).or(token);
        }
        let token = token.ok_or(DriveError::Incomplete { action: SUBMIT.to_owned(), missing: "a token" })?;
        Ok(Opened { id, token })
    }

    /// Fetches, keeps and verifies the evidence of a request, and adds its line to the table.
    async fn evidence(
        &mut self,
        what: &'static str,
        opened: &Opened,
        left_over: usize,
    ) -> Result<Certificate, DriveError> {
        const ACTION: &str = "GET /v1/requests/{id}/evidence";
        // As its schedule does every hour.
        operate::invoke(&self.cloud, self.stack.output("AnchorEvidenceFunction")?, &json!({"anchor": "now"})).await?;
        let body = self.api.evidence(&opened.id, &opened.token).await?.expect(200)?;
        let path = self.folder.join(format!("evidence-{}.json", what.replace(", ", "-").replace(' ', "-")));
        std::fs::write(&path, format!("{body:#}\n")).map_err(DriveError::file(&path))?;
        let file: EvidenceFile = serde_json::from_value(body).map_err(DriveError::call(ACTION))?;
        let key = self.public_key("AnchorSigningKeyArn").await?;
        let verified = habeas::evidence::verify_with(&file, &key);
        let wrong = verified.as_ref().err().map(ToString::to_string);
        self.check(
            verified.is_ok(),
            format!("evidence of {} events {}", file.events.len(), wrong.as_deref().unwrap_or("verified")),
        );
        let anchored = file.anchored.as_ref().map(|anchored| (anchored.events, anchored.anchor.number));
        let (proven, number) = anchored.unwrap_or_default();
        self.check(
            proven == file.certificate.events,
            format!("all of them are in anchor {number}, under the stack's key"),
        );
        let counts = file.certificate.total;
        self.lines.push(Line { what, counts, left_over, verified: verified.is_ok() });
        Ok(file.certificate)
    }

    fn table(&mut self) {
        let policy = self.options.policy.policy().id.clone();
        self.say(format!("\n{policy}"));
        let head = format!(
            "{:<28} {:>9} {:>8} {:>11} {:>9} {:>10}  evidence",
            "", "exported", "erased", "anonymised", "retained", "left over"
        );
        self.say(head);
        for line in std::mem::take(&mut self.lines) {
            let counts = line.counts;
            self.say(format!(
                "{:<28} {:>9} {:>8} {:>11} {:>9} {:>10}  {}",
                line.what,
                counts.exported,
                counts.erased,
                counts.anonymised,
                counts.retained,
                line.left_over,
                if line.verified { "verified" } else { "NOT SOUND" }
            ));
        }
        let failures = self.failures;
        self.say(match failures {
            0 => "every check held".to_owned(),
            _ => format!("{failures} check(s) FAILED"),
        });
    }
}

fn text(body: &Value, field: &'static str, action: &str) -> Result<String, DriveError> {
    let missing = || DriveError::Incomplete { action: action.to_owned(), missing: field };
    body[field].as_str().map(ToOwned::to_owned).ok_or_else(missing)
}

fn random_hex() -> String {
    hex::encode(random::bytes::<16>(&SystemRandom))
}
