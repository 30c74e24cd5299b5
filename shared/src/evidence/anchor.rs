//! Anchors: the heads of many requests' chains under one signed root. Each anchor names the one before it, so that they are
//! a chain too. Pure, but for whoever holds the private key.
//!
//! An anchor holds hashes, a time and numbers: not even the ids of requests, since nobody can delete an anchor while it is
//! locked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Event, EventHash};
use super::merkle::{Tree, TreeHash, root_by_path};
use crate::request::RequestId;
use crate::signing::{ALGORITHM, DoesNotFit, PublicKey, SignError, Signer, sign};

/// What the bytes that are signed begin with, so that no signature of anything else can be taken for one of an anchor.
const CONTEXT: &[u8] = b"habeas anchor 1\n";
const VERSION: u8 = 1;

/// What is wrong with an anchor, or with the proof that a request is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorFault {
    /// There is none.
    #[error("there is no anchor, so nothing is here that the key could have signed")]
    Missing,
    /// Of another version.
    #[error("the anchor is of a form that this version of habeas does not know")]
    Unknown,
    /// The proof is about another request.
    #[error("the proof of the anchor is that of another request")]
    OtherRequest,
    /// Events are missing that were there when the anchor was made.
    #[error("events were cut off the end: the anchor proves that there were {proven}, and there are {found}")]
    CutOff {
        /// How many there were.
        proven: u32,
        /// How many there are.
        found: u32,
    },
    /// The events are others than those that were anchored, or proof or root are.
    #[error("the proof does not lead from these events to the root of the anchor: events, proof or root were changed")]
    NotIncluded,
    /// The leaves are others than those under the root.
    #[error("the leaves of the anchor are not those of its root")]
    Leaves,
    /// It does not follow the anchor before it.
    #[error("the anchor does not follow the anchor before it")]
    Chain,
    /// The signature is not as Habeas writes it.
    #[error("the anchor's signature is not one as Habeas writes it")]
    Malformed,
    /// The key is another one.
    #[error("the anchor was signed with another key")]
    OtherKey,
    /// What is there is not what was signed.
    #[error("the anchor is not what was signed")]
    DoesNotFit,
}

/// What an anchor says: the bytes of it are signed, and the next anchor names their digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorHead {
    /// Version of this form: 1.
    pub version: u8,
    /// Its place in the chain of anchors, from 1.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Digest of the anchor before it; zeros for the first.
    pub previous: TreeHash,
    /// How many leaves the tree has.
    pub size: u64,
    /// The root of the tree.
    pub root: TreeHash,
}

impl AnchorHead {
    /// The anchor over a tree that follows the one with this number and digest.
    #[must_use]
    pub fn after(number: u64, digest: TreeHash, tree: &Tree, at: Timestamp) -> Self {
        Self { version: VERSION, number: number + 1, at, previous: digest, size: tree.size(), root: tree.root() }
    }

    /// SHA-256 of what is signed: a line that says what it is, then the canonical JSON (RFC 8785) of all fields.
    #[must_use]
    pub fn digest(&self) -> TreeHash {
        TreeHash::of(&[CONTEXT, &canonical(self)].concat())
    }
}

/// How far a request's chain has come: what a leaf is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaf {
    /// The request.
    pub request_id: RequestId,
    /// How many events it has.
    pub events: u32,
    /// Hash of the last of them.
    pub head: EventHash,
}

impl Leaf {
    /// The leaf's hash: of its canonical JSON. The id is random, so nobody finds the request by trying.
    #[must_use]
    pub fn hash(&self) -> TreeHash {
        TreeHash::leaf(&canonical(self))
    }
}

/// Plain texts and small integers, which canonical JSON always has a form for.
fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// The signature of an anchor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorSignature {
    /// `ECDSA_P256_SHA256`.
    pub algorithm: String,
    /// The signature in DER, base64.
    pub signature: String,
    /// SHA-256 of the key's DER form: which key it was.
    pub key_sha256: String,
    /// The key as PEM. That it is here says nothing of whose it is.
    pub public_key: String,
}

impl AnchorSignature {
    /// Has an anchor signed, and sees that the signature holds.
    pub async fn make(signer: &dyn Signer, head: &AnchorHead) -> Result<Self, SignError> {
        let (key, signature) = sign(signer, head.digest().bytes()).await?;
        Ok(Self {
            algorithm: ALGORITHM.to_owned(),
            signature: STANDARD.encode(signature),
            key_sha256: key.fingerprint(),
            public_key: key.to_pem(),
        })
    }

    /// Checks it against a key that is known otherwise, or else against the one that it brings. Gives the key.
    pub fn verify(&self, head: &AnchorHead, known: Option<&PublicKey>) -> Result<PublicKey, AnchorFault> {
        let key = PublicKey::from_pem(&self.public_key).map_err(|_| AnchorFault::Malformed)?;
        if self.algorithm != ALGORITHM || key.fingerprint() != self.key_sha256 {
            return Err(AnchorFault::Malformed);
        }
        if known.is_some_and(|known| *known != key) {
            return Err(AnchorFault::OtherKey);
        }
        let signature = STANDARD.decode(&self.signature).map_err(|_| AnchorFault::Malformed)?;
        let fits = key.verify(head.digest().bytes(), &signature);
        fits.map(|()| key).map_err(|DoesNotFit| AnchorFault::DoesNotFit)
    }
}

/// An anchor as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// What it says.
    pub anchor: AnchorHead,
    /// The signature of that.
    pub signature: AnchorSignature,
    /// The hashes of the tree's leaves, in order.
    pub leaves: Vec<TreeHash>,
}

impl Anchor {
    /// Checks that it is whole, and that it follows the anchor with this digest. Gives the key that signed it.
    pub fn verify(&self, previous: TreeHash, known: Option<&PublicKey>) -> Result<PublicKey, AnchorFault> {
        if self.anchor.version != VERSION {
            return Err(AnchorFault::Unknown);
        }
        let tree = Tree::new(self.leaves.clone());
        if (tree.size(), tree.root()) != (self.anchor.size, self.anchor.root) {
            return Err(AnchorFault::Leaves);
        }
        if self.anchor.previous != previous {
            return Err(AnchorFault::Chain);
        }
        self.signature.verify(&self.anchor, known)
    }
}

/// The anchor that a request is in, with the proof of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchored {
    /// The request.
    pub request_id: RequestId,
    /// How many of its events are proven: those from the first to this one.
    pub events: u32,
    /// Which leaf it is, from 0.
    pub index: u64,
    /// The inclusion proof, from the bottom up.
    pub path: Vec<TreeHash>,
    /// The anchor.
    pub anchor: AnchorHead,
    /// The signature of it.
    pub signature: AnchorSignature,
}

impl Anchored {
    /// Checks that these events, whose chain is sound, are what was anchored. Gives the key that signed it.
    pub fn verify(&self, events: &[Event], known: Option<&PublicKey>) -> Result<PublicKey, AnchorFault> {
        if self.anchor.version != VERSION {
            return Err(AnchorFault::Unknown);
        }
        if events.first().is_none_or(|event| event.request_id != self.request_id) {
            return Err(AnchorFault::OtherRequest);
        }
        let Some(last) = events.iter().find(|event| event.number == self.events) else {
            let found = events.last().map_or(0, |event| event.number);
            return Err(AnchorFault::CutOff { proven: self.events, found });
        };
        let leaf = Leaf { request_id: self.request_id.clone(), events: self.events, head: last.hash.clone() };
        if root_by_path(leaf.hash(), self.index, self.anchor.size, &self.path) != Some(self.anchor.root) {
            return Err(AnchorFault::NotIncluded);
        }
        self.signature.verify(&self.anchor, known)
    }
}
