//! Anchors the evidence of all requests that have changed: puts the heads of their chains under a signed root, keeps that
//! where nobody can change or delete it, and gives each request its proof.
//!
//! The rule of this function: an anchor is in the ledger, signed, before it is in the bucket, and in the bucket before any
//! request has a proof by it. A run that was broken off anywhere is ended by the next one, with the same bytes.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _};
use habeas::api::{Answer, Trigger};
use habeas::aws::{AnchorBucketError, Platform, S3Anchors, StartError};
use habeas::evidence::merkle::Tree;
use habeas::evidence::{AnchorFault, AnchorHead, AnchorSignature, Anchored, Leaf};
use habeas::ledger::keys::DUE_SHARDS;
use habeas::ledger::{Anchors, LedgerError, MAX_PER_SHARD, PendingAnchor};
use habeas::signing::{SignError, Signer};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Error;

/// What the function has.
pub struct Function {
    /// Ledger, clock.
    pub platform: Platform,
    /// Where anchors are kept.
    pub anchors: S3Anchors,
    /// Signs anchors.
    pub signer: Arc<dyn Signer>,
}

/// Why nothing was anchored.
#[derive(Debug, thiserror::Error)]
enum AnchorError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Bucket(#[from] AnchorBucketError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the bucket has anchor {0}, which the ledger does not know, and it cannot be gone on from")]
    Foreign(u64, #[source] AnchorFault),
}

/// How many requests are given their proofs at the same time.
const SIDE_BY_SIDE: usize = 32;
/// How much of the function's time is left when it begins no further anchor; the next run goes on.
const TIME_RESERVE: SignedDuration = SignedDuration::from_secs(120);

/// How often another run may be the first to make an anchor.
const LOST_AT_MOST: u8 = 10;

/// What came of making an anchor.
enum Made {
    /// No request has changed.
    Nothing,
    /// An anchor; and whether more requests may have changed than go into it.
    Anchor(Box<PendingAnchor>, bool),
    /// Another run was the first.
    ByAnother,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    anchors: u64,
    requests: usize,
}

impl Function {
    /// Reads the environment and makes the clients.
    pub async fn start() -> Result<Self, StartError> {
        let platform = Platform::start().await?;
        let bucket = platform.settings.required("ANCHOR_BUCKET")?;
        Ok(Self {
            anchors: S3Anchors::new(habeas::aws::s3_client(&platform.sdk), bucket),
            signer: Arc::new(platform.anchor_signer()?),
            platform,
        })
    }

    /// Ends what is pending, and makes anchors until nothing waits any more that was there at the beginning.
    async fn run(&self, deadline: Timestamp) -> Result<Done, AnchorError> {
        let ledger = &self.platform.driver.ledger;
        let (mut done, mut lost, mut more) = (Done::default(), 0, true);
        while more && deadline.duration_since(self.platform.driver.clock.now()) > TIME_RESERVE {
            let anchors = ledger.anchors().await?;
            let pending = match anchors.pending.clone() {
                Some(pending) => pending,
                None => match self.make(&anchors).await? {
                    Made::Nothing => break,
                    Made::Anchor(pending, is_full) => {
                        more = is_full;
                        *pending
                    }
                    // Another run is at it, and what it has made is ended here too.
                    Made::ByAnother if lost < LOST_AT_MOST => {
                        lost += 1;
                        continue;
                    }
                    Made::ByAnother => return Err(LedgerError::Conflict.into()),
                },
            };
            if self.keep(&anchors, &pending).await? {
                done.anchors += 1;
                done.requests += pending.leaves.len();
            } else {
                more = true;
            }
        }
        Ok(done)
    }

    /// Makes the next anchor and writes it down.
    async fn make(&self, anchors: &Anchors) -> Result<Made, AnchorError> {
        let driver = &self.platform.driver;
        let (mut leaves, mut is_full): (Vec<Leaf>, bool) = (Vec::new(), false);
        for shard in 0..DUE_SHARDS {
            let ids = driver.ledger.unanchored(shard).await?;
            is_full |= ids.len() >= MAX_PER_SHARD.unsigned_abs() as usize;
            if !ids.is_empty() {
                leaves.extend(driver.ledger.heads(&ids).await?);
            }
        }
        if leaves.is_empty() {
            return Ok(Made::Nothing);
        }
        // Not the order in which they were found, which is by time: an anchor tells nothing but hashes.
        leaves.sort_by_cached_key(Leaf::hash);
        let tree = Tree::new(leaves.iter().map(Leaf::hash).collect());
        let anchor = AnchorHead::after(anchors.count, anchors.latest, &tree, driver.clock.now());
        let signature = AnchorSignature::make(self.signer.as_ref(), &anchor).await?;
        let pending = PendingAnchor { anchor, signature, leaves };
        match driver.ledger.anchor_made(&pending).await {
            Ok(()) => Ok(Made::Anchor(Box::new(pending), is_full)),
            Err(LedgerError::Conflict) => Ok(Made::ByAnother),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps an anchor and gives its requests their proofs. False: the bucket has another one of its number, which the
    /// ledger now knows too.
    async fn keep(&self, anchors: &Anchors, pending: &PendingAnchor) -> Result<bool, AnchorError> {
        let ledger = &self.platform.driver.ledger;
        if !self.anchors.put(&pending.to_anchor()).await? {
            let there = self.anchors.get(pending.anchor.number).await?;
            if there.anchor != pending.anchor {
                // A ledger that was put back to an earlier moment does not know the anchors since. They are the truth.
                let known = self.signer.public_key().await?;
                let follows = there.verify(anchors.latest, Some(&known));
                follows.map_err(|fault| AnchorError::Foreign(pending.anchor.number, fault))?;
                tracing::error!(
                    alarm = "anchors_ahead",
                    number = there.anchor.number,
                    "the ledger did not know an anchor"
                );
                said(ledger.anchor_kept(&there.anchor).await)?;
                return Ok(false);
            }
        }
        let given =
            pending.leaves.clone().into_iter().zip(pending.proofs()).map(|(leaf, proof)| self.prove(leaf, proof));
        futures::stream::iter(given).buffer_unordered(SIDE_BY_SIDE).try_collect::<()>().await?;
        said(ledger.anchor_kept(&pending.anchor).await)?;
        tracing::info!(number = pending.anchor.number, requests = pending.leaves.len(), "anchored");
        Ok(true)
    }

    async fn prove(&self, leaf: Leaf, proof: Anchored) -> Result<(), LedgerError> {
        self.platform.driver.ledger.keep_proof(&proof).await?;
        self.platform.driver.ledger.mark_anchored(&leaf).await
    }
}

/// Another run may have said the same.
fn said(result: Result<(), LedgerError>) -> Result<(), LedgerError> {
    match result {
        Err(LedgerError::Conflict) => Ok(()),
        other => other,
    }
}

/// Runs every hour.
pub async fn handle(function: Arc<Function>, trigger: Trigger, deadline: Timestamp) -> Result<Answer, Error> {
    let Trigger::Schedule = trigger else {
        return Err("this function is called by its schedule only".into());
    };
    let done = function.run(deadline).await.inspect_err(|error| {
        habeas::telemetry::error_chain("anchor", "evidence was not anchored", error);
    })?;
    tracing::info!(anchors = done.anchors, requests = done.requests, "the evidence is anchored");
    Ok(Answer::Schedule(serde_json::json!({"anchors": done.anchors, "requests": done.requests})))
}
