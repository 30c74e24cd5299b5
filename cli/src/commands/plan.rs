//! `habeas plan`: what a right comes to, without touching anything: the steps alone, or with what they would find and do for
//! one person.

mod print;

use std::io::Write;
use std::path::Path;

use habeas::clock::SystemClock;
use habeas::connectors::Connectors;
use habeas::dry_run::{DryRun, Limits, Means, Outline};
use habeas::personal::{Identity, IdentityKind, Personal};
use habeas::policy::Pinned;
use habeas::random::SystemRandom;
use habeas::request::Matter;

pub use print::{dry_run as print_dry_run, outline as print_outline};

use super::{CommandError, Outcome, Verdict, pinned};
use crate::aws::Clients;
use crate::drive::Endpoints;

/// What the command line says.
pub struct Wanted<'a> {
    /// The policy's folder.
    pub folder: &'a Path,
    /// What for.
    pub matter: Matter,
    /// With a copy before a cancelled account is erased.
    pub with_export: bool,
    /// Who: `email=…`, `phone_number=…` or `user_id=…`; none: the steps alone.
    pub identity: Option<Personal<String>>,
    /// As JSON.
    pub json: bool,
    /// A local stack; none: what the environment says.
    pub endpoints: Option<&'a Path>,
}

/// Prints the steps, and with a person what they would find and do.
pub async fn plan(wanted: &Wanted<'_>, width: u16, out: &mut dyn Write) -> Outcome {
    let policy = pinned(wanted.folder)?;
    let Some(identity) = &wanted.identity else {
        let outline = Outline::of(&policy, wanted.matter, wanted.with_export)?;
        if wanted.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&outline)?)?;
        } else {
            print::outline(&outline, width, out)?;
        }
        return Ok(Verdict::Good);
    };
    let identity = parse(identity.expose())?;
    let clients = match wanted.endpoints {
        Some(file) => Endpoints::read(file)?.clients().await,
        None => Clients::from_env().await,
    };
    let dry_run = look(&policy, wanted, &identity, &clients.connectors()).await?;
    if wanted.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&dry_run)?)?;
    } else {
        print::dry_run(&dry_run, width, out)?;
    }
    Ok(if dry_run.begins { Verdict::Good } else { Verdict::Refused })
}

async fn look(
    policy: &Pinned,
    wanted: &Wanted<'_>,
    identity: &Identity,
    connectors: &Connectors,
) -> Result<DryRun, CommandError> {
    let clock = SystemClock::default();
    let means = Means { connectors, clock: &clock, random: &SystemRandom };
    let limits = Limits::default();
    Ok(DryRun::of(policy, wanted.matter, wanted.with_export, identity, means, limits).await?)
}

/// `email=person@example.com`, in its normal form. An error does not repeat it.
pub(super) fn parse(text: &str) -> Result<Identity, CommandError> {
    let kinds = [IdentityKind::Email, IdentityKind::PhoneNumber, IdentityKind::UserId];
    let (kind, value) = text.split_once('=').ok_or(CommandError::NotAnIdentity)?;
    let kind = kinds.into_iter().find(|known| known.name() == kind).ok_or(CommandError::NotAnIdentity)?;
    Ok(Identity::parse(kind, value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_kind_and_a_value_and_errors_do_not_repeat_it() {
        let identity = parse("email= Li.Wei@mail.example").unwrap();
        assert_eq!((identity.kind(), identity.value().expose().as_str()), (IdentityKind::Email, "li.wei@mail.example"));
        assert_eq!(parse("phone_number=+86 139 1234 5678").unwrap().kind(), IdentityKind::PhoneNumber);
        assert_eq!(parse("user_id=a=b").unwrap().value().expose(), "a=b");
        for wrong in ["li.wei@mail.example", "mail=li.wei", "email=li.wei", "phone_number=139 1234"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("li.wei") && !error.contains("139"), "{error}");
        }
    }
}
