//! Anchors: which requests have changed since they were anchored, how far the chain of anchors is, and each request's
//! latest proof.
//!
//! The rule of this file: an anchor is written down here, signed and with its leaves, before it is kept anywhere else.
//! Whoever finds one that is pending ends it, with the same bytes; doing so twice is doing it once.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::{Deserialize, Serialize};

use super::keys;
use super::{Item, Ledger, LedgerError, failed, number, text};
use crate::evidence::merkle::{Tree, TreeHash};
use crate::evidence::{Anchor, AnchorHead, AnchorSignature, Anchored, EventHash, Leaf};
use crate::request::RequestId;

/// Most requests of one shard that go into one anchor: then the leaves of all shards fit into one item of the ledger.
pub const MAX_PER_SHARD: i32 = 256;
/// Most keys that DynamoDB takes in one `BatchGetItem`.
const BATCH: usize = 100;
/// How often keys that DynamoDB left over are asked for again.
const BATCH_TRIES: usize = 10;
/// Bytes of a leaf as it is stored: id, number of events, head.
const LEAF_BYTES: usize = 16 + 4 + 32;

/// How far the chain of anchors is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchors {
    /// How many anchors there are.
    pub count: u64,
    /// Digest of the last one; zeros if there is none.
    pub latest: TreeHash,
    /// One that is made, and not known to be kept yet.
    pub pending: Option<PendingAnchor>,
}

/// An anchor that is made: all that it takes to keep it and to give each request its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAnchor {
    /// What it says.
    pub anchor: AnchorHead,
    /// The signature of that.
    pub signature: AnchorSignature,
    /// What its leaves are made of, in order.
    pub leaves: Vec<Leaf>,
}

/// The part of a pending anchor that is stored as JSON.
#[derive(Serialize, Deserialize)]
struct Signed {
    anchor: AnchorHead,
    signature: AnchorSignature,
}

impl PendingAnchor {
    /// The anchor as it is to be kept.
    #[must_use]
    pub fn to_anchor(&self) -> Anchor {
        Anchor { anchor: self.anchor.clone(), signature: self.signature.clone(), leaves: self.hashes() }
    }

    /// The proof of each leaf.
    #[must_use]
    pub fn proofs(&self) -> Vec<Anchored> {
        let tree = Tree::new(self.hashes());
        let proof = |(index, leaf): (u64, &Leaf)| Anchored {
            request_id: leaf.request_id.clone(),
            events: leaf.events,
            index,
            path: tree.path(index).unwrap_or_default(),
            anchor: self.anchor.clone(),
            signature: self.signature.clone(),
        };
        (0..).zip(&self.leaves).map(proof).collect()
    }

    fn hashes(&self) -> Vec<TreeHash> {
        self.leaves.iter().map(Leaf::hash).collect()
    }
}

impl Ledger {
    /// How far the chain of anchors is.
    pub async fn anchors(&self) -> Result<Anchors, LedgerError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(keys::ANCHORS))
            .key("sk", text(keys::ANCHORS))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed("GetItem"))?;
        let Some(item) = output.item else {
            return Ok(Anchors { count: 0, latest: TreeHash::ZERO, pending: None });
        };
        let of = |name: &'static str| item.get(name).cloned().ok_or(LedgerError::Missing(name));
        let pending = match item.get("pending") {
            None => None,
            Some(signed) => Some(read_pending(signed, &of("pending_leaves")?)?),
        };
        // The first anchor of all is pending before there is a count.
        let (count, latest) = match item.get("anchors") {
            None => (0, TreeHash::ZERO),
            Some(count) => {
                (serde_dynamo::from_attribute_value(count.clone())?, serde_dynamo::from_attribute_value(of("latest")?)?)
            }
        };
        Ok(Anchors { count, latest, pending })
    }

    /// Requests of one shard that have changed since they were anchored, or just have been anchored: the index tells a
    /// little late. Those whose last change is the longest ago come first; at most [`MAX_PER_SHARD`].
    pub async fn unanchored(&self, shard: u8) -> Result<Vec<RequestId>, LedgerError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(keys::UNANCHORED_INDEX)
            .key_condition_expression("unanchored_shard = :shard")
            .expression_attribute_values(":shard", number(shard))
            .limit(MAX_PER_SHARD)
            .send()
            .await
            .map_err(failed("Query"))?;
        let id = |item: &Item| item.get("pk")?.as_s().ok()?.strip_prefix("REQUEST#")?.parse().ok();
        Ok(page.items().iter().filter_map(id).collect())
    }

    /// How far these requests are, without those that have been anchored since. In no order.
    pub async fn heads(&self, ids: &[RequestId]) -> Result<Vec<Leaf>, LedgerError> {
        #[derive(Deserialize)]
        struct Reached {
            id: RequestId,
            events: u32,
            head: EventHash,
        }
        let mut leaves = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(BATCH) {
            let wanted = chunk.iter().map(|id| keys::item(&keys::request(id), keys::REQUEST)).collect();
            for item in self.batch_get_now(wanted).await? {
                if item.contains_key("unanchored_shard") {
                    let Reached { id, events, head } = serde_dynamo::from_item(item)?;
                    leaves.push(Leaf { request_id: id, events, head });
                }
            }
        }
        Ok(leaves)
    }

    async fn batch_get_now(&self, mut wanted: Vec<Item>) -> Result<Vec<Item>, LedgerError> {
        let mut found = Vec::new();
        for _ in 0..BATCH_TRIES {
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build();
            let keys = keys.map_err(|_| LedgerError::Missing("keys"))?;
            let asked = self.client.batch_get_item().request_items(&self.table, keys).send().await;
            let output = asked.map_err(failed("BatchGetItem"))?;
            found.extend(output.responses.unwrap_or_default().remove(&self.table).unwrap_or_default());
            wanted = match output.unprocessed_keys.unwrap_or_default().remove(&self.table) {
                Some(rest) => rest.keys,
                None => return Ok(found),
            };
        }
        Err(LedgerError::Conflict)
    }

    /// Writes an anchor down that follows the last one.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if there is another one meanwhile, pending or kept.
    pub async fn anchor_made(&self, pending: &PendingAnchor) -> Result<(), LedgerError> {
        let signed = Signed { anchor: pending.anchor.clone(), signature: pending.signature.clone() };
        let signed = serde_json::to_string(&signed).unwrap_or_default();
        let update = self
            .update_anchors()
            .update_expression("SET pending = :signed, pending_leaves = :leaves, pending_number = :number")
            .expression_attribute_values(":signed", text(signed))
            .expression_attribute_values(":leaves", AttributeValue::B(Blob::new(packed(&pending.leaves))))
            .expression_attribute_values(":number", number(pending.anchor.number));
        let before = pending.anchor.number.saturating_sub(1);
        let update = if before == 0 {
            update.condition_expression("attribute_not_exists(pk)")
        } else {
            update
                .condition_expression("anchors = :before AND attribute_not_exists(pending)")
                .expression_attribute_values(":before", number(before))
        };
        conditional(update.send().await)
    }

    /// Says that the anchor of this number is kept, and each of its requests has its proof. Another one of the same number
    /// may have been pending.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] if it has been said.
    pub async fn anchor_kept(&self, anchor: &AnchorHead) -> Result<(), LedgerError> {
        let update = self
            .update_anchors()
            .update_expression("SET anchors = :number, latest = :digest REMOVE pending, pending_leaves, pending_number")
            .condition_expression("pending_number = :number")
            .expression_attribute_values(":number", number(anchor.number))
            .expression_attribute_values(":digest", text(anchor.digest().to_string()));
        conditional(update.send().await)
    }

    /// Gives a request its proof, unless it has one by a later anchor.
    pub async fn keep_proof(&self, anchored: &Anchored) -> Result<(), LedgerError> {
        let mut item = keys::item(&keys::request(&anchored.request_id), keys::ANCHOR);
        item.extend(serde_dynamo::to_item::<_, Item>(anchored)?);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR anchor.#number <= :number")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":number", number(anchored.anchor.number));
        match put.send().await {
            Err(error)
                if !error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Err(failed("PutItem")(error))
            }
            _ => Ok(()),
        }
    }

    /// Takes a request out of those that are to be anchored, unless it has changed meanwhile or somebody is changing it:
    /// then the next anchor has it.
    pub async fn mark_anchored(&self, leaf: &Leaf) -> Result<(), LedgerError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(keys::request(&leaf.request_id)))
            .key("sk", text(keys::REQUEST))
            .update_expression("REMOVE unanchored_shard, unanchored_since")
            .condition_expression("head = :head")
            .expression_attribute_values(":head", text(leaf.head.as_str()));
        match conditional(update.send().await) {
            Ok(()) | Err(LedgerError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn update_anchors(&self) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.key("pk", text(keys::ANCHORS)).key("sk", text(keys::ANCHORS))
    }
}

fn conditional<T, R>(sent: Result<T, SdkError<UpdateItemError, R>>) -> Result<(), LedgerError>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let Err(error) = sent else { return Ok(()) };
    let is_conflict = error.as_service_error().is_some_and(|error| {
        error.is_conditional_check_failed_exception() || error.is_transaction_conflict_exception()
    });
    Err(if is_conflict { LedgerError::Conflict } else { failed("UpdateItem")(error) })
}

fn packed(leaves: &[Leaf]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(leaves.len() * LEAF_BYTES);
    for leaf in leaves {
        bytes.extend(hex::decode(leaf.request_id.as_str()).unwrap_or_default());
        bytes.extend(leaf.events.to_be_bytes());
        bytes.extend(hex::decode(leaf.head.as_str()).unwrap_or_default());
    }
    bytes
}

fn unpacked(bytes: &[u8]) -> Option<Vec<Leaf>> {
    let (leaves, rest) = bytes.as_chunks::<LEAF_BYTES>();
    let read = |leaf: &[u8; LEAF_BYTES]| {
        let (id, rest) = leaf.split_first_chunk::<16>()?;
        let (events, head) = rest.split_first_chunk::<4>()?;
        let head = EventHash::from_bytes(head.try_into().ok()?);
        Some(Leaf { request_id: hex::encode(id).parse().ok()?, events: u32::from_be_bytes(*events), head })
    };
    if rest.is_empty() { leaves.iter().map(read).collect() } else { None }
}

fn read_pending(signed: &AttributeValue, leaves: &AttributeValue) -> Result<PendingAnchor, LedgerError> {
    let missing = || LedgerError::Missing("pending anchor");
    let signed = signed.as_s().ok().and_then(|json| serde_json::from_str::<Signed>(json).ok());
    let leaves = leaves.as_b().ok().and_then(|bytes| unpacked(bytes.as_ref()));
    let (Signed { anchor, signature }, leaves) = signed.zip(leaves).ok_or_else(missing)?;
    Ok(PendingAnchor { anchor, signature, leaves })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_read_as_they_were_stored() {
        let leaf = |digit: &str, events| Leaf {
            request_id: digit.repeat(32).parse().unwrap(),
            events,
            head: EventHash::from_bytes([7; 32]),
        };
        let leaves = vec![leaf("a", 1), leaf("0", u32::MAX)];
        assert_eq!(unpacked(&packed(&leaves)), Some(leaves.clone()));
        assert_eq!(unpacked(&packed(&leaves)[1..]), None);
        assert_eq!(unpacked(&[]), Some(Vec::new()));
    }
}
