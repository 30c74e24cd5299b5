//! `habeas sample load | drop | person`.

use std::io::Write;
use std::path::Path;

use habeas::policy::Pinned;
use serde_json::json;

use super::{CommandError, Outcome, Verdict, pinned, progress};
use crate::aws::Clients;
use crate::sample::{App, Population, app, databases, expected, load, tables};

/// Makes and fills the tables and buckets of a policy, and the tables in its databases.
pub async fn load(folder: &Path, population: Population, only: &[usize], out: &mut dyn Write) -> Outcome {
    let policy = pinned(folder)?;
    let app = generator(&policy)?;
    large_enough(&population, only)?;
    let clients = Clients::from_env().await;
    progress("making tables and buckets");
    tables::create(&policy, &clients).await?;
    databases::create(&policy, app, &clients).await?;
    let loaded = load::load(&policy, app, population, only, &clients, |rows| {
        progress(&format!("{rows} rows"));
    })
    .await?;
    writeln!(out, "{} rows, {} objects", loaded.rows, loaded.objects)?;
    Ok(Verdict::Good)
}

/// Deletes the tables and buckets of a policy with all that is in them.
pub async fn drop_all(folder: &Path, out: &mut dyn Write) -> Outcome {
    let policy = pinned(folder)?;
    // Only what sample people may be in is deleted so lightly.
    generator(&policy)?;
    let clients = Clients::from_env().await;
    tables::delete(&policy, &clients).await?;
    databases::delete(&policy, &clients).await?;
    writeln!(out, "the tables and buckets of {} are gone", policy.policy().id)?;
    Ok(Verdict::Good)
}

/// Prints one person, or what an export must show of them.
pub fn person(folder: &Path, population: Population, index: usize, export: bool, out: &mut dyn Write) -> Outcome {
    let app = generator(&pinned(folder)?)?;
    large_enough(&population, &[index])?;
    let printed = if export {
        serde_json::to_string_pretty(&expected(app, &population, index))?
    } else {
        let person = app.person(&population, index);
        serde_json::to_string_pretty(&json!({
            "user_id": person.user_id,
            "email": person.email,
            "phone": person.phone,
            "language": person.language,
            "identifying": person.identifying,
        }))?
    };
    writeln!(out, "{printed}")?;
    Ok(Verdict::Good)
}

/// The generator for a policy.
pub(super) fn generator(policy: &Pinned) -> Result<&'static dyn App, CommandError> {
    let id = &policy.policy().id;
    app(id).ok_or_else(|| CommandError::NoSample(id.clone()))
}

fn large_enough(population: &Population, indexes: &[usize]) -> Result<(), CommandError> {
    let users = population.users;
    if users < Population::SUBJECTS {
        return Err(CommandError::TooFewUsers { least: Population::SUBJECTS });
    }
    let outside = indexes.iter().find(|index| **index >= users);
    outside.map_or(Ok(()), |index| Err(CommandError::NoUser { index: *index, users }))
}
