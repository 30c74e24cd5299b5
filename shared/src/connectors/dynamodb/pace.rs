//! How fast calls are made: never faster than the policy's budget, and slower for a while after DynamoDB has refused one
//! for being too many.
//!
//! The rule of this room: what a call costs is known when it is done, so a call may go as soon as nothing is owed, and
//! what it cost is owed then. A worker knows of no other: with N workers at work, N budgets are spent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest that a call waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long nothing must have been refused until a pace that only came from refusals is forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);
/// Refusals within this time of one are of calls that were under way with it, and say nothing new.
const SAME_REFUSAL: Duration = Duration::from_secs(1);
/// The slowest pace, in units a second.
const SLOWEST: f64 = 5.0;
/// By what a pace grows in a second in which nothing is refused.
const GROWTH: f64 = 1.25;

/// It would take too long until it is this call's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the capacity budget is spent for more than {} seconds ahead", LONGEST_WAIT.as_secs())]
pub(super) struct Spent;

/// The pace of one system in this process.
#[derive(Debug)]
pub(super) struct Pace(Mutex<State>);

impl Pace {
    /// A pace of at most so many units a second.
    pub(super) fn new(most: Option<u32>) -> Self {
        Self(Mutex::new(State::new(most, Instant::now())))
    }

    /// Most rows to ask for at once, so that what one page costs is not owed for long; none: any number.
    pub(super) fn rows(&self) -> Option<i32> {
        self.with(|state| state.rate).map(|rate| {
            #[expect(clippy::cast_possible_truncation, reason = "it is between 1 and 1000")]
            let rows = rate.clamp(1.0, 1000.0) as i32;
            rows
        })
    }

    /// Waits until nothing is owed, and takes a unit in advance.
    pub(super) async fn turn(&self) -> Result<(), Spent> {
        let mut waited = Duration::ZERO;
        while let Some(wait) = self.with(State::turn) {
            waited += wait;
            if waited > LONGEST_WAIT {
                return Err(Spent);
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// A call cost so many units, of which one was taken in advance.
    pub(super) fn spent(&self, units: f64) {
        self.with(|state| state.spent(units));
    }

    /// A call was refused for being too many, and so cost nothing: half as fast from now on.
    pub(super) fn refused(&self) {
        self.with(State::refused);
    }

    fn with<T>(&self, then: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.pass_to(Instant::now());
        then(&mut state)
    }
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Units a second that the policy allows.
    most: Option<f64>,
    /// Units a second at the moment; none: as fast as it goes.
    rate: Option<f64>,
    /// Units that may be spent at once; below nothing: owed.
    left: f64,
    /// Units spent in about the last second.
    recent: f64,
    now: Instant,
    refused_at: Option<Instant>,
}

impl State {
    fn new(most: Option<u32>, now: Instant) -> Self {
        let rate = most.map(f64::from);
        Self { most: rate, rate, left: rate.unwrap_or(0.0), recent: 0.0, now, refused_at: None }
    }

    /// Lets time pass: what is owed is paid off, and the pace grows back.
    fn pass_to(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.now).as_secs_f64();
        self.now = now;
        self.recent *= (-seconds).exp();
        let Some(rate) = self.rate else { return };
        self.left = (self.left + rate * seconds).min(rate);
        let quiet = self.refused_at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        self.rate = match self.most {
            None if quiet >= FORGIVEN_AFTER => None,
            _ if quiet < SAME_REFUSAL => Some(rate),
            most => Some((rate * GROWTH.powf(seconds)).min(most.unwrap_or(f64::MAX))),
        };
    }

    /// How long a call has to wait; none: it may go, and a unit is taken.
    fn turn(&mut self) -> Option<Duration> {
        match self.rate {
            Some(rate) if self.left <= 0.0 => Some(Duration::from_secs_f64(0.001 - self.left / rate)),
            Some(_) => {
                self.left -= 1.0;
                None
            }
            None => None,
        }
    }

    fn spent(&mut self, units: f64) {
        if self.rate.is_some() {
            self.left -= (units - 1.0).max(0.0);
        }
        self.recent += units.max(1.0);
    }

    fn refused(&mut self) {
        let now = self.now;
        if self.rate.is_some() {
            self.left += 1.0;
        }
        let is_same = self.refused_at.is_some_and(|at| now.saturating_duration_since(at) < SAME_REFUSAL);
        if !is_same {
            self.refused_at = Some(now);
            self.rate = Some((self.rate.unwrap_or(self.recent) / 2.0).max(SLOWEST));
            self.left = self.left.min(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls of so many units, a millisecond each, are made in so many seconds.
    fn calls(state: &mut State, units: f64, seconds: u64) -> u32 {
        let end = state.now + Duration::from_secs(seconds);
        let mut calls = 0;
        while state.now < end {
            let pause = state.turn().unwrap_or_else(|| {
                state.spent(units);
                calls += 1;
                Duration::from_millis(1)
            });
            state.pass_to(state.now + pause);
        }
        calls
    }

    #[test]
    fn no_more_is_spent_than_the_budget() {
        // A second's worth is there at the start.
        let made = calls(&mut State::new(Some(100), Instant::now()), 10.0, 20);
        assert!((205..=215).contains(&made), "{made} calls of 10 units in 20 seconds");
        let made = calls(&mut State::new(None, Instant::now()), 10.0, 1);
        assert_eq!(made, 1000, "no budget, no wait");
    }

    #[tokio::test]
    async fn a_call_does_not_wait_for_ever() {
        let pace = Pace::new(Some(1));
        pace.turn().await.unwrap();
        pace.spent(100.0);
        assert_eq!(pace.turn().await, Err(Spent));
    }

    #[test]
    fn a_refusal_halves_the_pace_and_quiet_restores_it() {
        let mut free = State::new(None, Instant::now());
        calls(&mut free, 1.0, 5);
        // Sixteen that were under way together count once.
        for _ in 0..16 {
            free.refused();
        }
        let made = calls(&mut free, 1.0, 1);
        assert!((450..=550).contains(&made), "{made} after a thousand a second");
        free.pass_to(free.now + FORGIVEN_AFTER);
        assert_eq!(calls(&mut free, 1.0, 1), 1000);

        let mut bound = State::new(Some(100), Instant::now());
        calls(&mut bound, 1.0, 5);
        bound.refused();
        let made = calls(&mut bound, 1.0, 1);
        assert!((40..=60).contains(&made), "{made} at half its budget");
        bound.pass_to(bound.now + FORGIVEN_AFTER);
        let made = calls(&mut bound, 1.0, 10);
        assert!((1000..=1110).contains(&made), "back to its budget and no faster: {made}");
    }
}
