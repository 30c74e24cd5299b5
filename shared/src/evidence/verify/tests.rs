use super::*;
use crate::evidence::merkle::{Tree, TreeHash};
use crate::evidence::{Actor, Anchor, AnchorHead, AnchorSignature, Fact, Leaf, Outcome};
use crate::request::{Matter, RequestId, Right};
use crate::signing::Signer as _;
use crate::signing::local::LocalSigner;

fn facts() -> Vec<Fact> {
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let policy = "ab".repeat(32).try_into().unwrap();
    vec![
        Fact::Received { matter: Matter::Right(Right::Access), policy, due_at: at },
        Fact::Accepted { factors: vec![], steps: 2 },
        Fact::Begun,
        Fact::Completed { outcome: Outcome::Full },
    ]
}

/// A chain of these facts, as whoever can write to the ledger could make it.
fn chain_of(id: &str, facts: Vec<Fact>) -> Vec<Event> {
    let id: RequestId = id.parse().unwrap();
    let at = "2026-11-21T00:00:00Z".parse().unwrap();
    let mut events: Vec<Event> = Vec::new();
    for (number, fact) in (1..).zip(facts) {
        let previous = events.last().map_or_else(EventHash::origin, |event| event.hash.clone());
        events.push(Event::new(id.clone(), number, at, Actor::System, fact, previous));
    }
    events
}

fn chain(id: &str) -> Vec<Event> {
    chain_of(id, facts())
}

/// With the certificate of the whole chain.
fn file(events: Vec<Event>) -> EvidenceFile {
    let certificate = Certificate::from_events(&chain(&"1".repeat(32))).unwrap();
    EvidenceFile { certificate, events, anchored: None }
}

/// With a certificate that fits, as a forger would give it.
fn forged(events: Vec<Event>, anchored: &Anchored) -> EvidenceFile {
    let certificate = Certificate::from_events(&events).unwrap();
    EvidenceFile { certificate, events, anchored: Some(anchored.clone()) }
}

/// Three requests under one anchor: its proofs in order.
async fn anchored(signer: &LocalSigner, chains: &[Vec<Event>]) -> Vec<Anchored> {
    let leaves: Vec<Leaf> = chains.iter().map(|events| leaf(events)).collect();
    let tree = Tree::new(leaves.iter().map(Leaf::hash).collect());
    let head = AnchorHead::after(6, TreeHash::of(b"the sixth"), &tree, "2026-11-21T01:00:00Z".parse().unwrap());
    let signature = AnchorSignature::make(signer, &head).await.unwrap();
    let proof = |(index, leaf): (u64, Leaf)| Anchored {
        request_id: leaf.request_id,
        events: leaf.events,
        index,
        path: tree.path(index).unwrap(),
        anchor: head.clone(),
        signature: signature.clone(),
    };
    (0..).zip(leaves).map(proof).collect()
}

fn leaf(events: &[Event]) -> Leaf {
    let last = events.last().unwrap();
    Leaf { request_id: last.request_id.clone(), events: last.number, head: last.hash.clone() }
}

#[test]
fn an_untouched_chain_is_sound_also_after_a_round_trip() {
    let json = serde_json::to_string(&file(chain(&"1".repeat(32)))).unwrap();
    assert_eq!(verify(&serde_json::from_str(&json).unwrap()), Ok(()));
}

#[test]
fn tampering_is_found_and_named() {
    let sound = chain(&"1".repeat(32));
    let mut changed = sound.clone();
    changed[1].fact = Fact::Accepted { factors: vec![], steps: 3 };
    assert_eq!(verify(&file(changed)), Err(EvidenceError::Content(2)));
    let mut dropped = sound.clone();
    dropped.remove(1);
    assert_eq!(verify(&file(dropped)), Err(EvidenceError::Order { expected: 2, found: 3 }));
    let mut reordered = sound.clone();
    reordered.swap(1, 2);
    assert_eq!(verify(&file(reordered)), Err(EvidenceError::Order { expected: 2, found: 3 }));
    let mut truncated = sound.clone();
    truncated.pop();
    assert_eq!(verify(&file(truncated)), Err(EvidenceError::Certificate));
    let mut swapped = sound;
    swapped[2] = chain(&"2".repeat(32))[2].clone();
    assert_eq!(verify(&file(swapped)), Err(EvidenceError::OtherRequest(3)));
    assert_eq!(verify(&file(Vec::new())), Err(EvidenceError::Empty));
}

/// Whoever can write to the ledger can make a chain and a certificate that fit each other. They cannot make an anchor.
#[tokio::test]
async fn a_history_that_was_written_anew_is_found_by_its_anchor() {
    let signer = LocalSigner::new();
    let key = signer.public_key().await.unwrap();
    let chains = [1, 2, 3].map(|digit: u8| chain(&digit.to_string().repeat(32)));
    let proofs = anchored(&signer, &chains).await;
    for (events, proof) in chains.iter().zip(&proofs) {
        let sound = forged(events.clone(), proof);
        let json = serde_json::to_string(&sound).unwrap();
        assert_eq!(verify_with(&serde_json::from_str(&json).unwrap(), &key), Ok(()));
        assert_eq!(verify(&sound), Ok(()));
    }
    let found = |events: Vec<Event>, proof: &Anchored| match verify_with(&forged(events, proof), &key) {
        Err(EvidenceError::Anchor(fault)) => fault,
        other => unreachable!("{other:?}"),
    };
    let (id, events, proof) = ("2".repeat(32), chains[1].clone(), &proofs[1]);
    // Changed, dropped, reordered, cut off: each with hashes and certificate worked out anew.
    let anew = |change: &dyn Fn(&mut Vec<Fact>)| {
        let mut facts = facts();
        change(&mut facts);
        chain_of(&id, facts)
    };
    let changed = anew(&|facts| facts[1] = Fact::Accepted { factors: vec![], steps: 3 });
    assert_eq!(found(changed, proof), AnchorFault::NotIncluded);
    let dropped = anew(&|facts| drop(facts.remove(2)));
    assert_eq!(found(dropped, proof), AnchorFault::CutOff { proven: 4, found: 3 });
    let replaced = anew(&|facts| facts[2] = Fact::Overdue);
    assert_eq!(found(replaced, proof), AnchorFault::NotIncluded);
    let reordered = anew(&|facts| facts.swap(1, 2));
    assert_eq!(found(reordered, proof), AnchorFault::NotIncluded);
    let cut_off = anew(&|facts| facts.truncate(3));
    assert_eq!(found(cut_off, proof), AnchorFault::CutOff { proven: 4, found: 3 });
    // The proof of another, as it is and relabelled; and that of fewer events than were anchored.
    assert_eq!(found(events.clone(), &proofs[0]), AnchorFault::OtherRequest);
    let relabelled = Anchored { request_id: proof.request_id.clone(), ..proofs[0].clone() };
    assert_eq!(found(events.clone(), &relabelled), AnchorFault::NotIncluded);
    let fewer = Anchored { events: 3, ..proof.clone() };
    assert_eq!(found(events.clone(), &fewer), AnchorFault::NotIncluded);
    // Another root, by itself and with a path that leads to it; another place in the chain of anchors.
    let with = |anchor: AnchorHead| Anchored { anchor, ..proof.clone() };
    let other_root = AnchorHead { root: TreeHash::of(b"another"), ..proof.anchor.clone() };
    assert_eq!(found(events.clone(), &with(other_root)), AnchorFault::NotIncluded);
    let alone = AnchorHead { root: leaf(&events).hash(), size: 1, ..proof.anchor.clone() };
    let alone = Anchored { index: 0, path: Vec::new(), ..with(alone) };
    assert_eq!(found(events.clone(), &alone), AnchorFault::DoesNotFit);
    let renumbered = AnchorHead { number: 8, ..proof.anchor.clone() };
    assert_eq!(found(events.clone(), &with(renumbered)), AnchorFault::DoesNotFit);
    let later = AnchorHead { version: 2, ..proof.anchor.clone() };
    assert_eq!(found(events.clone(), &with(later)), AnchorFault::Unknown);
    // Another key, of whoever has forged all of it; and under the real key's name.
    let theirs = &anchored(&LocalSigner::new(), &chains).await[1];
    assert_eq!(found(events.clone(), theirs), AnchorFault::OtherKey);
    assert_eq!(verify(&forged(events.clone(), theirs)), Ok(()), "which only a key that is known otherwise shows");
    let named = AnchorSignature { signature: theirs.signature.signature.clone(), ..proof.signature.clone() };
    assert_eq!(found(events.clone(), &Anchored { signature: named, ..proof.clone() }), AnchorFault::DoesNotFit);
    let garbled = AnchorSignature { algorithm: "none".to_owned(), ..proof.signature.clone() };
    assert_eq!(found(events.clone(), &Anchored { signature: garbled, ..proof.clone() }), AnchorFault::Malformed);
    // None at all.
    let unanchored = EvidenceFile { anchored: None, ..forged(events, proof) };
    assert_eq!(verify_with(&unanchored, &key), Err(AnchorFault::Missing.into()));
    assert_eq!(verify(&unanchored), Ok(()));
}

#[tokio::test]
async fn events_after_the_anchor_are_sound_and_not_proven_yet() {
    let signer = LocalSigner::new();
    let mut events = chain(&"1".repeat(32));
    let proof = &anchored(&signer, &[events[..3].to_vec()]).await[0];
    let key = signer.public_key().await.unwrap();
    assert_eq!(verify_with(&forged(events.clone(), proof), &key), Ok(()));
    assert_eq!(proof.events, 3);
    events.truncate(2);
    let cut = AnchorFault::CutOff { proven: 3, found: 2 };
    assert_eq!(verify_with(&forged(events, proof), &key), Err(cut.into()));
}

#[tokio::test]
async fn anchors_are_a_chain_and_each_is_whole() {
    let signer = LocalSigner::new();
    let at = "2026-11-21T01:00:00Z".parse().unwrap();
    let make = async |number, digest, leaves: Vec<TreeHash>| {
        let head = AnchorHead::after(number, digest, &Tree::new(leaves.clone()), at);
        Anchor { signature: AnchorSignature::make(&signer, &head).await.unwrap(), anchor: head, leaves }
    };
    let first = make(0, TreeHash::ZERO, vec![TreeHash::leaf(b"a")]).await;
    let second = make(1, first.anchor.digest(), vec![TreeHash::leaf(b"a"), TreeHash::leaf(b"b")]).await;
    let key = signer.public_key().await.unwrap();
    assert_eq!(first.verify(TreeHash::ZERO, Some(&key)), Ok(key.clone()));
    assert_eq!(second.verify(first.anchor.digest(), Some(&key)), Ok(key.clone()));
    assert_eq!(second.verify(TreeHash::ZERO, Some(&key)), Err(AnchorFault::Chain));
    let fewer = Anchor { leaves: vec![TreeHash::leaf(b"a")], ..second.clone() };
    assert_eq!(fewer.verify(first.anchor.digest(), Some(&key)), Err(AnchorFault::Leaves));
    let swapped = Anchor { leaves: second.leaves.iter().rev().copied().collect(), ..second };
    assert_eq!(swapped.verify(first.anchor.digest(), Some(&key)), Err(AnchorFault::Leaves));
}
