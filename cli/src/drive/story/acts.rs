//! The acts of the story.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use habeas::clock::{Clock as _, SystemClock};
use habeas::evidence::{Certificate, EvidenceFile};
use habeas::export::PublicKey;
use habeas::request::{Right, Status};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::checks::{Found, is_overdue};
use super::{Line, Opened, Story, text};
use crate::drive::package::Package;
use crate::drive::snapshot::Snapshot;
use crate::drive::{DriveError, operate, wait_for};
use crate::sample;

/// An export of a hundred thousand rows, on an emulator.
const WORK_BOUND: Duration = Duration::from_mins(15);
/// Timers are looked at once a minute.
const CLOCK_MARGIN_SECONDS: i64 = 120;

impl Story<'_> {
    pub(super) async fn access_signed_in(&mut self) -> Result<(), DriveError> {
        self.say("1. A person with much data, signed in, asks what is kept of them");
        let person = self.person(0);
        let opened = self.open(Right::Access, &person, true).await?;
        let package = self.package(&opened, "package").await?;
        let expected = sample::expected(self.options.app, &self.options.population, 0);
        let records: usize = expected.values().map(Vec::len).sum();
        let differences = package.differences(&expected);
        self.check_none(&differences, &format!("{records} records are those that were stored, one by one, with media"));
        let certificate = self.evidence("access, signed in", &opened, 0).await?;
        let counted = usize::try_from(certificate.total.exported).unwrap_or(usize::MAX);
        self.check(counted == records, format!("the evidence counts {counted} exported"));
        Ok(())
    }

    pub(super) async fn access_by_code(&mut self) -> Result<(), DriveError> {
        self.say("2. A person who is not signed in asks by e-mail");
        let person = self.person(2);
        let opened = self.open(Right::Access, &person, false).await?;
        let package = self.package(&opened, "package-by-code").await?;
        let differences = package.differences(&sample::expected(self.options.app, &self.options.population, 2));
        self.check_none(&differences, "the package holds what is theirs and nothing else");
        self.evidence("access, by code", &opened, 0).await?;
        Ok(())
    }

    pub(super) async fn erasure(&mut self) -> Result<(), DriveError> {
        self.say("3. A person asks for the erasure of everything");
        let person = self.person(1);
        let before = self.before(&person).await?;
        let foreseen = self.foresee(Right::Erasure, &person).await?;
        let opened = self.open(Right::Erasure, &person, true).await?;
        let status = wait_for(&self.api, &opened.id, &opened.token, Status::Completed, WORK_BOUND).await?;
        self.say(format!("  completed, outcome {}", status["outcome"].as_str().unwrap_or("?")));
        self.told(&status);
        let found = self.gone(&person, &before).await?;
        let certificate = self.evidence("erasure", &opened, found.left_over).await?;
        self.retained_as_said(&certificate, found);
        self.came_true(&foreseen, &certificate);
        Ok(())
    }

    pub(super) async fn cancellation(&mut self) -> Result<(), DriveError> {
        const STATUS: &str = "GET /v1/requests/{id}";
        const CONFIRM: &str = "POST /v1/requests/{id}/confirmation";
        self.say("4. A person cancels their account");
        let person = self.person(3);
        let before = self.before(&person).await?;
        let opened = self.open(Right::AccountCancellation, &person, true).await?;
        let waiting = self.api.status(&opened.id, &opened.token).await?.expect(200)?;
        let consequences = waiting["next"]["consequences"].as_array().cloned().unwrap_or_default();
        self.check(!consequences.is_empty(), "the consequences are shown before anything happens:");
        for consequence in consequences {
            self.say(format!("         - {}", consequence.as_str().unwrap_or_default()));
        }
        let phrase = text(&waiting["next"], "phrase", STATUS)?;
        let device = self.device_of(3);
        let confirmed = self.api.confirm(&opened.id, &phrase, device.as_deref(), &opened.token).await?.expect(200)?;
        let until = text(&confirmed, "cooling_off_until", CONFIRM)?;
        self.check(
            confirmed["status"] == "cooling_off",
            format!("confirmed with the phrase; cooling off until {until}"),
        );

        let until: Timestamp = until.parse().map_err(DriveError::call(CONFIRM))?;
        let seconds = until.duration_since(SystemClock::default().now()).as_secs() + CLOCK_MARGIN_SECONDS;
        self.say(format!("  the stack's clock moves {seconds} s on"));
        operate::set_clock(&self.cloud, self.stack, seconds).await?;
        let table = &self.stack.ledger_table;
        let done = operate::wait_in_ledger(&self.clients, table, &opened.id, Status::Completed, WORK_BOUND).await;
        // Right again, whatever came of it.
        operate::set_clock(&self.cloud, self.stack, 0).await?;
        done?;
        self.say("  completed, and the clock is right again");

        let found = self.gone(&person, &before).await?;
        let status = self.api.status(&opened.id, &opened.token).await?.expect(200)?;
        let listed = self.api.list(&opened.token).await?.expect(200)?;
        let is_listed = listed["requests"]
            .as_array()
            .is_some_and(|requests| requests.iter().any(|request| request["request_id"] == opened.id.as_str()));
        self.check(
            status["status"] == "completed" && is_listed,
            "whoever asks as that person is told that it is completed",
        );
        let certificate = self.evidence("cancellation", &opened, found.left_over).await?;
        self.retained_as_said(&certificate, found);
        Ok(())
    }

    /// A device of a person's.
    fn device_of(&self, index: usize) -> Option<String> {
        let mut device = None;
        self.options.app.rows(&self.options.population, index, &mut |row| {
            if row.collection.ends_with(".devices") {
                device = row.stored["device_id"].as_str().map(ToOwned::to_owned);
            }
        });
        device
    }

    pub(super) async fn sweep(&mut self) -> Result<(), DriveError> {
        self.say("5. The retention sweep removes what has outlived its period");
        let now = SystemClock::default().now();
        let before = self.snapshot().await?;
        let policy = &self.options.policy;
        let overdue = before.rows.iter().filter(|row| is_overdue(policy, row, now)).count();
        let swept = operate::sweep(&self.cloud, &self.clients, self.stack, WORK_BOUND).await?;
        let after = self.snapshot().await?;
        let left = after.rows.iter().filter(|row| is_overdue(policy, row, now)).count();
        let gone = before.rows.len() - after.rows.len().min(before.rows.len());
        self.check(left == 0, format!("{overdue} rows were past their period, {left} are left"));
        self.check(gone == overdue, format!("{gone} rows are gone, and no other"));
        let counted = usize::try_from(swept.total.erased).unwrap_or(usize::MAX);
        self.check(counted == overdue, format!("the ledger counts {counted} erased"));
        let events = operate::events(&self.clients, &self.stack.ledger_table, &swept.id).await?;
        let sound = Certificate::from_events(&events).is_some_and(|certificate| {
            habeas::evidence::verify(&EvidenceFile { certificate, events, anchored: None }).is_ok()
        });
        self.check(sound, "its evidence verified");
        self.lines.push(Line { what: "retention sweep", counts: swept.total, left_over: left, verified: sound });
        Ok(())
    }

    /// Whoever the policy says is told of an erasure was, unless they know nobody by what is on file; the person sees it.
    fn told(&mut self, status: &Value) {
        let recipients = status["recipients"].as_array().map_or(&[][..], Vec::as_slice);
        let told = recipients.iter().filter(|recipient| recipient["told_at"].is_string()).count();
        let unknown = recipients.iter().filter(|recipient| recipient["not_told"] == "nothing_known").count();
        let expected = self.options.policy.told().len();
        self.check(told > 0 && told + unknown == expected, format!("{told} of {expected} recipients were told of it"));
    }

    fn retained_as_said(&mut self, certificate: &Certificate, found: Found) {
        let counted = usize::try_from(certificate.total.retained).unwrap_or(usize::MAX);
        self.check(counted == found.retained, format!("the evidence counts {counted} retained"));
    }

    async fn snapshot(&self) -> Result<Snapshot, DriveError> {
        Snapshot::take(&self.options.policy, self.options.app, &self.options.population, &self.clients).await
    }

    /// Waits for a package, downloads, keeps, unpacks and checks it.
    async fn package(&mut self, opened: &Opened, name: &str) -> Result<Package, DriveError> {
        const ACTION: &str = "GET /v1/requests/{id}/package";
        wait_for(&self.api, &opened.id, &opened.token, Status::Completed, WORK_BOUND).await?;
        let link = self.api.package(&opened.id, &opened.token).await?.expect(200)?;
        let bytes = self.api.download(&text(&link, "url", ACTION)?).await?;
        let archive = self.folder.join(format!("{name}.zip"));
        std::fs::write(&archive, &bytes).map_err(DriveError::file(&archive))?;
        let promised = text(&link, "sha256", ACTION)?;
        self.check(hex::encode(Sha256::digest(&bytes)) == promised, "the download has the SHA-256 that was promised");
        let package = Package::open(&bytes)?;
        let folder = self.folder.join(name);
        package.unpack(&folder)?;
        self.say(format!(
            "  {} bytes, {} files, {} records; unpacked to {}",
            bytes.len(),
            package.manifest.files.len(),
            package.record_count(),
            folder.display()
        ));
        self.check(package.manifest.request_id == opened.id, "the manifest names the request");
        let problems = package.problems();
        self.check_none(&problems, "every file is as the manifest says");
        let key = self.public_key("PackageSigningKeyArn").await?;
        let verified = habeas::export::verify(bytes.as_slice(), Some(&key));
        let wrong = verified.err().map(|wrong| wrong.to_string());
        let says = wrong.as_deref().unwrap_or("sound, signed with the stack's key");
        self.check(wrong.is_none(), format!("habeas package verify says: {says}"));
        Ok(package)
    }

    /// The public half of a key that the stack signs with, by the name of its output.
    pub(super) async fn public_key(&self, output: &str) -> Result<PublicKey, DriveError> {
        const ACTION: &str = "kms:GetPublicKey";
        let key = self.stack.output(output)?;
        let answer = self.cloud.json("kms", "TrentService.GetPublicKey", &json!({"KeyId": key})).await?;
        let der = STANDARD.decode(text(&answer, "PublicKey", ACTION)?).map_err(DriveError::call(ACTION))?;
        PublicKey::from_der(&der).map_err(DriveError::call(ACTION))
    }
}
