//! `habeas plan`: the steps that a right comes to, without touching anything.

use std::io::Write;
use std::path::Path;

use habeas::plan::Plan;
use habeas::request::Matter;

use super::{Outcome, Verdict, pinned};

/// Prints the steps of a matter, stage by stage. Steps of one stage may run at the same time.
pub fn plan(folder: &Path, matter: Matter, with_export: bool, out: &mut dyn Write) -> Outcome {
    let policy = pinned(folder)?;
    let plan = Plan::compile(matter, &policy, with_export)?;
    writeln!(
        out,
        "{} under {} ({}): {} steps in {} stages",
        matter.name(),
        policy.policy().id,
        policy.digest(),
        plan.len(),
        plan.stages().len()
    )?;
    let mut step = 0;
    for (number, stage) in (1..).zip(plan.stages()) {
        writeln!(out, "\nstage {number}, queue {}", stage.queue.name())?;
        for work in &stage.works {
            step += 1;
            writeln!(out, "  {step:>4}  {} {}", work.name(), work.collection().unwrap_or_default())?;
        }
    }
    Ok(Verdict::Good)
}
