//! Killed at any call, a cancellation goes on to the same end.

use super::*;

/// A part of a cancellation's life in which the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Confirmation,
    Reminder,
    End,
}

/// More calls than any part has.
const MANY_CALLS: usize = 200;

/// A new process, if the old one had died. Whether by then the app had taken that the account is closed: the erasure, which
/// has a matrix of its own, is all that is left.
async fn comes_back(world: &World, id: &str) -> bool {
    if !world.calls.revive() {
        return false;
    }
    let events = world.ledger().events(&id.parse().unwrap()).await.unwrap();
    events.iter().filter(|event| matches!(event.fact, Fact::AppTold { delivered: true, .. })).count() > 1
}

impl Part {
    /// What is due in this part is done, with what the process needs to come back where it was killed. Whether only the
    /// erasure was left when it was.
    async fn play(self, world: &World, id: &str) -> bool {
        let mut is_left = false;
        match self {
            Self::Confirmation => {
                let status = confirm(world, id).await.status;
                let was_killed = world.calls.revive();
                assert!(status == 200 || was_killed, "{status}");
                if world.calls.aside(request(world, id)).await.status == Status::OnHold {
                    assert_eq!(confirm(world, id).await.status, 200);
                }
            }
            Self::Reminder => world.advance(DAY * 12),
            Self::End => world.advance(DAY * 3 + SignedDuration::from_mins(1)),
        }
        // What was lost comes back by its timer.
        for _ in 0..6 {
            world.wake().await;
            while world.step().await {
                is_left |= comes_back(world, id).await;
            }
            is_left |= comes_back(world, id).await;
            world.advance(SignedDuration::from_mins(2));
        }
        is_left
    }
}

/// Plays a cancellation and kills the process at a call of one part; whether only the erasure was left then. None: the part
/// has fewer calls.
async fn killed_at(part: Part, call: usize, answer_is_lost: bool) -> Option<(World, String, bool)> {
    let world = world().await;
    let id = asked(&world).await;
    let mut is_left = false;
    for each in [Part::Confirmation, Part::Reminder, Part::End] {
        if each == part {
            world.calls.die_after(call, answer_is_lost);
        }
        is_left |= each.play(&world, &id).await;
        if each == part {
            // Whoever has died is not armed any more.
            if world.calls.is_armed() {
                return None;
            }
            if part != Part::End {
                return Some((world, id, false));
            }
        }
    }
    world.run_to_end(&id).await;
    world.run().await;
    Some((world, id, is_left))
}

/// Kills the process at each call of a part; in the end the app was told this, once.
async fn is_killed_at_each_call(part: Part, messages: &[&str]) {
    for answer_is_lost in [false, true] {
        let mut call = 0;
        while let Some((world, id, is_left)) = killed_at(part, call, answer_is_lost).await {
            let at = format!("{part:?}, killed at call {call}, answer lost: {answer_is_lost}");
            let facts = facts(&world, &id).await;
            let count = |is: &dyn Fn(&Fact) -> bool| facts.iter().filter(|fact| is(fact)).count();
            assert_eq!(count(&|fact| matches!(fact, Fact::Confirmed { .. })), 1, "{at}");
            let reminders = usize::from(part != Part::Confirmation) + usize::from(part == Part::End);
            let reminded = count(&|fact| matches!(fact, Fact::CancellationReminded { .. }));
            // Of reminders that are late together one is given.
            assert!((1..=reminders).contains(&reminded) || reminders == reminded, "{at}: {reminded}");
            let told_of = count(&|fact| matches!(fact, Fact::AppTold { delivered: true, .. }));
            assert_eq!(told_of, messages.len(), "{at}");
            // A message whose answer was lost is sent again, and known again by its id.
            let mut got = world.app_told();
            got.retain(|told| told.kind != "account.check");
            got.dedup();
            let kinds: Vec<&str> = got.iter().map(|told| told.kind.as_str()).collect();
            assert_eq!(kinds, messages, "{at}");
            if part == Part::End {
                assert!(world.data().await["small-users"].iter().all(|user| user["user_id"] != LI), "{at}");
            }
            // To die after a call is to die before the next: both ways together stop at each place once.
            call += 2;
            assert!(call < MANY_CALLS, "{at}: {part:?} has no end in {MANY_CALLS} calls");
            if is_left {
                break;
            }
        }
        assert!(call > 8, "the matrix is not empty: {part:?} {call}");
    }
}

#[tokio::test]
async fn a_confirmation_that_is_killed_at_any_call_ends_the_same() {
    is_killed_at_each_call(Part::Confirmation, &["account.freeze"]).await;
}

#[tokio::test]
async fn a_reminder_that_is_killed_at_any_call_is_given_once() {
    is_killed_at_each_call(Part::Reminder, &["account.freeze"]).await;
}

#[tokio::test]
async fn a_cancellation_that_is_killed_at_any_call_ends_the_same() {
    is_killed_at_each_call(Part::End, &["account.freeze", "account.close", "account.cancelled"]).await;
}
