//! A right and a policy compiled into steps, before anything is touched. Pure.
//!
//! The rule of this room: the order of stages is the order of safety. What would fail half-way is found before anything is
//! changed; keys are captured before anything goes; the copy is made before the erasure; the suppression list is written
//! before the first row goes, so that a late write is recognised; recipients are told after that and before the first row
//! goes, so that they send nothing more of somebody who is being erased; the subject's own row goes last, so that a repeated plan
//! still finds the way.

mod counts;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub use work::Work;

use crate::policy::{ErasureRule, KeySet, Origin, Pinned, Place, Recipient, RightRule};
use crate::request::{Aftercare, Matter, Narrowing, Right};

/// The queues that functions take work from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// verify-identity.
    Verify,
    /// export-data.
    Export,
    /// delete-or-anonymize.
    Erase,
    /// cancel-account.
    Cancel,
    /// retention-sweep.
    Sweep,
    /// notify.
    Notify,
    /// replay-suppression.
    Replay,
    /// tell-recipients.
    Tell,
}

impl Queue {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Verify, Self::Export, Self::Erase, Self::Cancel, Self::Sweep, Self::Notify, Self::Replay, Self::Tell];

    /// The word for it in the environment (`<NAME>_QUEUE_URL`) and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Export => "export",
            Self::Erase => "erase",
            Self::Cancel => "cancel",
            Self::Sweep => "sweep",
            Self::Notify => "notify",
            Self::Replay => "replay",
            Self::Tell => "tell",
        }
    }
}

/// Steps that may run at the same time, on one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Who does them.
    pub queue: Queue,
    /// What they do.
    pub works: Vec<Work>,
}

/// The stages in order, and what is done after the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    stages: Vec<Stage>,
    aftercare: Option<Aftercare>,
}

impl Plan {
    /// The plan for a matter under a policy. `with_export` adds a copy before the erasure of a cancelled account.
    ///
    /// # Errors
    /// [`NotServed`] for a right that this version does not do the work of.
    pub fn compile(matter: Matter, policy: &Pinned, with_export: bool) -> Result<Self, NotServed> {
        let mut stages = Vec::new();
        let mut aftercare = None;
        match matter {
            Matter::Right(Right::Access | Right::Portability) => {
                resolve_stage(Queue::Export, &mut stages);
                capture_stages(policy, Queue::Export, &mut stages);
                export_stages(policy, &mut stages);
                forget_stage(policy, Queue::Export, &mut stages);
            }
            Matter::Right(Right::Erasure) => {
                resolve_stage(Queue::Erase, &mut stages);
                preflight_stage(&mut stages);
                capture_stages(policy, Queue::Erase, &mut stages);
                erase_stages(policy, &mut stages);
                aftercare = end_erasure(Right::Erasure, policy, &mut stages);
            }
            Matter::Right(Right::AccountCancellation) => {
                resolve_stage(Queue::Erase, &mut stages);
                preflight_stage(&mut stages);
                capture_stages(policy, Queue::Erase, &mut stages);
                if with_export {
                    export_stages(policy, &mut stages);
                }
                stages.push(Stage { queue: Queue::Cancel, works: vec![Work::Tombstone] });
                erase_stages(policy, &mut stages);
                aftercare = end_erasure(Right::AccountCancellation, policy, &mut stages);
            }
            Matter::RetentionSweep => {
                let is_swept = |name: &&str| policy.rule(name).is_some_and(|rule| rule.retention.is_some());
                let sweep = |collection| Work::Sweep { collection };
                in_erase_order(policy, Queue::Sweep, policy.collections().filter(is_swept), sweep, &mut stages);
            }
            Matter::Right(right) => return Err(NotServed(right)),
            // What they touch is said by an operator: see `replay` and `again`.
            Matter::Replay | Matter::ErasedAgain => {}
        }
        stages.retain(|stage| !stage.works.is_empty());
        Ok(Self { stages, aftercare })
    }

    /// Looks in what was restored for people who were erased, has them erased again, and looks afresh. `only_looks`: looks,
    /// and changes nothing.
    #[must_use]
    pub fn replay(collections: &[String], state_of: Timestamp, only_looks: bool) -> Self {
        let stage = |works: Vec<Work>| Stage { queue: Queue::Replay, works };
        let each = |work: &dyn Fn(String) -> Work| stage(collections.iter().cloned().map(work).collect());
        let mut stages = vec![each(&|collection| Work::Prove { collection, state_of })];
        if !only_looks {
            stages.insert(0, each(&|collection| Work::Scan { collection, state_of }));
            stages.insert(1, stage(vec![Work::Reapply { collections: collections.to_vec(), state_of }]));
        }
        Self { stages, aftercare: None }
    }

    /// Erases somebody again who was erased before, in these collections, in the order of safety.
    #[must_use]
    pub fn again(policy: &Pinned, collections: &[String], state_of: Timestamp) -> Self {
        let mut stages = vec![Stage { queue: Queue::Erase, works: vec![Work::ResolveAgain { state_of }] }];
        let is_led_to = |name: &String| policy.links(name).iter().any(|link| link.key_set().is_some());
        let has_keys = collections.iter().any(is_led_to);
        if has_keys {
            capture_stages(policy, Queue::Erase, &mut stages);
        }
        stages.push(Stage { queue: Queue::Erase, works: vec![Work::Suppress] });
        let erase = |collection| Work::Erase { collection };
        in_erase_order(policy, Queue::Erase, collections.iter().map(String::as_str), erase, &mut stages);
        if has_keys {
            forget_stage(policy, Queue::Erase, &mut stages);
        }
        Self { stages, aftercare: None }
    }

    /// What a re-check does, one after the other: captures what keys have come since, then erases, in the order of safety.
    #[must_use]
    pub fn recheck(policy: &Pinned) -> Vec<Work> {
        let mut stages = Vec::new();
        capture_stages(policy, Queue::Erase, &mut stages);
        let erase = |collection| Work::Erase { collection };
        in_erase_order(policy, Queue::Erase, policy.collections(), erase, &mut stages);
        stages.into_iter().flat_map(|stage| stage.works).collect()
    }

    /// Collections in the order in which they are erased.
    #[must_use]
    pub fn in_order(policy: &Pinned, collections: &BTreeMap<String, Timestamp>) -> Vec<String> {
        let mut names: Vec<String> = collections.keys().cloned().collect();
        names.sort_by_key(|name| policy.graph().erase_stage(name));
        names
    }

    /// The stages.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// What is still done once all stages are.
    #[must_use]
    pub fn aftercare(&self) -> Option<&Aftercare> {
        self.aftercare.as_ref()
    }

    /// How many steps there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stages.iter().map(|stage| stage.works.len()).sum()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
}

/// A right that this version does not do the work of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not answered by this version", .0.name())]
pub struct NotServed(pub Right);

fn resolve_stage(queue: Queue, stages: &mut Vec<Stage>) {
    stages.push(Stage { queue, works: vec![Work::Resolve] });
}

/// By whoever erases, since what is missing may be a right of theirs.
fn preflight_stage(stages: &mut Vec<Stage>) {
    stages.push(Stage { queue: Queue::Erase, works: vec![Work::Preflight] });
}

/// Captures keys, those of nearer collections first.
fn capture_stages(policy: &Pinned, queue: Queue, stages: &mut Vec<Stage>) {
    for sets in policy.graph().captures().into_values() {
        let capture = |set: KeySet| Work::Capture { collection: set.collection, fields: set.fields };
        stages.push(Stage { queue, works: sets.into_iter().map(capture).collect() });
    }
}

fn forget_stage(policy: &Pinned, queue: Queue, stages: &mut Vec<Stage>) {
    if !policy.graph().captures().is_empty() {
        stages.push(Stage { queue, works: vec![Work::Forget] });
    }
}

/// What is re-checked keeps its captured keys until the last re-check is over; what is not forgets them at once.
fn end_erasure(right: Right, policy: &Pinned, stages: &mut Vec<Stage>) -> Option<Aftercare> {
    let rule = policy.right(right);
    let rechecks = rule.map_or_else(Vec::new, RightRule::rechecks);
    let purge = rule.map(RightRule::purge).unwrap_or_default();
    let purgeable = if purge.timer { purgeable(policy) } else { Vec::new() };
    if rechecks.is_empty() {
        forget_stage(policy, Queue::Erase, stages);
        if purgeable.is_empty() {
            return None;
        }
    }
    Some(Aftercare {
        has_keys: !rechecks.is_empty() && !policy.graph().captures().is_empty(),
        forgetting: 0,
        rechecks,
        step: None,
        until: None,
        keeps_contact: purge.keep_contact,
        purgeable,
        retained: BTreeMap::new(),
        narrowing: Narrowing::Ahead,
        telling: BTreeMap::new(),
    })
}

/// Collections in which rows may be kept for a time, and that only values of the subject's own row lead to, by themselves or
/// through the same database: captured keys are not kept for years.
fn purgeable(policy: &Pinned) -> Vec<String> {
    let keeps = |name: &str| {
        let is_retained = policy.rule(name).is_some_and(|rule| matches!(rule.erasure, ErasureRule::Retain { .. }));
        is_retained || matches!(policy.place(name), Some(Place::Objects { .. } | Place::Rows { .. }))
    };
    let stays_known = |name: &&str| keeps(name) && needs_no_captured_key(policy, name);
    policy.collections().filter(stays_known).map(ToOwned::to_owned).collect()
}

/// Whether all rows of a collection are found without captured keys.
fn needs_no_captured_key(policy: &Pinned, collection: &str) -> bool {
    let (mut ahead, mut seen) = (vec![collection], BTreeSet::new());
    while let Some(name) = ahead.pop() {
        if policy.links(name).iter().any(|link| link.captured) {
            return false;
        }
        let origins = policy.links(name).iter().filter_map(|link| match &link.origin {
            Origin::Collection(origin) => Some(origin.as_str()),
            Origin::Subject => None,
        });
        ahead.extend(origins.filter(|origin| seen.insert(*origin)));
    }
    !policy.links(collection).is_empty()
}

fn export_stages(policy: &Pinned, stages: &mut Vec<Stage>) {
    let works = policy.collections().map(|name| Work::Export { collection: name.to_owned() }).collect();
    stages.push(Stage { queue: Queue::Export, works });
    stages.push(Stage { queue: Queue::Export, works: vec![Work::Package] });
    stages.push(Stage { queue: Queue::Export, works: vec![Work::Clear] });
}

fn erase_stages(policy: &Pinned, stages: &mut Vec<Stage>) {
    stages.push(Stage { queue: Queue::Erase, works: vec![Work::Suppress] });
    let tell = |recipient: &Recipient| Work::Tell { recipient: recipient.id.clone() };
    stages.push(Stage { queue: Queue::Tell, works: policy.told().into_iter().map(tell).collect() });
    let erase = |collection| Work::Erase { collection };
    in_erase_order(policy, Queue::Erase, policy.collections(), erase, stages);
}

/// What refers to other rows goes before them: it is found through them, and a database may forbid the other order.
fn in_erase_order<'a>(
    policy: &Pinned,
    queue: Queue,
    collections: impl Iterator<Item = &'a str>,
    work: impl Fn(String) -> Work,
    stages: &mut Vec<Stage>,
) {
    let mut by_stage: BTreeMap<usize, Vec<Work>> = BTreeMap::new();
    for name in collections {
        by_stage.entry(policy.graph().erase_stage(name)).or_default().push(work(name.to_owned()));
    }
    stages.extend(by_stage.into_values().map(|works| Stage { queue, works }));
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn rows_that_refer_to_others_go_before_them_in_an_erasure_and_in_a_sweep() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/yuncan");
        let policy = crate::policy::load::load(&folder).unwrap();
        for matter in [Matter::Right(Right::Erasure), Matter::RetentionSweep] {
            let plan = Plan::compile(matter, &policy, false).unwrap();
            let goes = |name: &str| {
                let is_it = |work: &Work| match work {
                    Work::Erase { collection } | Work::Sweep { collection } => collection == name,
                    _ => false,
                };
                plan.stages().iter().position(|stage| stage.works.iter().any(is_it)).unwrap()
            };
            assert!(goes("yuncan_records.order_items") < goes("yuncan_records.orders"), "{matter:?}");
        }
    }
}
