//! Counts calls; makes every call fail from a chosen one on, as if the process had been killed there; or lets one worker
//! sleep before a chosen one.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::oneshot;

/// What was called, and when it strikes.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    counts: BTreeMap<String, usize>,
    until_fault: Option<usize>,
    /// Whether the call at which it strikes is carried out (and only its answer is lost).
    answer_is_lost: bool,
    is_dead: bool,
    /// The call at which it strikes, by name.
    deadly: Option<String>,
    holds: Vec<(usize, Arc<Gate>, oneshot::Sender<()>)>,
}

/// Where a worker sleeps.
#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

/// A worker that sleeps before a call, or will.
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
    /// Told when it sleeps.
    pub asleep: oneshot::Receiver<()>,
}

impl Hold {
    /// Wakes it up; if it does not sleep yet it never will.
    pub fn release(&self) {
        *self.gate.is_open.lock().unwrap() = true;
        self.gate.opened.notify_all();
    }
}

impl Calls {
    /// What was called since the last time this was asked.
    pub fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.0.lock().unwrap().counts)
    }

    /// The process dies at the call after `calls` more. With `answer_is_lost` that call is still carried out.
    pub fn die_after(&self, calls: usize, answer_is_lost: bool) {
        let mut state = self.0.lock().unwrap();
        state.until_fault = Some(calls);
        state.answer_is_lost = answer_is_lost;
        state.is_dead = false;
    }

    /// The process dies instead of making a call of this name.
    pub fn die_at(&self, name: &str) {
        self.0.lock().unwrap().deadly = Some(name.to_owned());
    }

    /// Whoever makes the call after `calls` more sleeps before it. Needs a runtime of several threads.
    pub fn hold_after(&self, calls: usize) -> Hold {
        let gate = Arc::new(Gate::default());
        let (tell, asleep) = oneshot::channel();
        self.0.lock().unwrap().holds.push((calls, gate.clone(), tell));
        Hold { gate, asleep }
    }

    fn sleep_if_held(&self) {
        let mut state = self.0.lock().unwrap();
        let at = state.holds.iter().position(|(left, ..)| *left == 0);
        state.holds.iter_mut().for_each(|(left, ..)| *left = left.saturating_sub(1));
        let Some((_, gate, tell)) = at.map(|at| state.holds.remove(at)) else { return };
        drop(state);
        tokio::task::block_in_place(|| {
            let is_open = gate.is_open.lock().unwrap();
            // Nobody may be listening any more, which is no reason not to sleep.
            let _ = tell.send(());
            drop(gate.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
        });
    }

    /// A new process: whether the old one had died.
    pub fn revive(&self) -> bool {
        let mut state = self.0.lock().unwrap();
        let was_dead = std::mem::take(&mut state.is_dead);
        if was_dead {
            state.until_fault = None;
            state.deadly = None;
        }
        was_dead
    }

    /// Does something of the test's own that neither counts nor dies.
    pub async fn aside<T>(&self, work: impl Future<Output = T>) -> T {
        let fault = self.0.lock().unwrap().until_fault.take();
        let done = work.await;
        self.0.lock().unwrap().until_fault = fault;
        done
    }

    /// Whether the process is still to die.
    pub fn is_armed(&self) -> bool {
        self.0.lock().unwrap().until_fault.is_some()
    }

    /// Nothing dies any more.
    pub fn disarm(&self) {
        let mut state = self.0.lock().unwrap();
        state.until_fault = None;
        state.deadly = None;
        state.is_dead = false;
    }

    /// Makes a call that no client of AWS makes, counted and struck as any other.
    pub(crate) async fn around<T>(&self, name: &str, call: impl Future<Output = T>) -> Result<T, BoxError> {
        self.count(name)?;
        let answer = call.await;
        self.answered()?;
        Ok(answer)
    }

    /// Counts a call. Fails if the process is dead.
    fn count(&self, name: &str) -> Result<(), BoxError> {
        self.sleep_if_held();
        let mut state = self.0.lock().unwrap();
        if state.is_dead {
            return Err("the process was killed".into());
        }
        let is_deadly = state.deadly.as_deref() == Some(name);
        if is_deadly || (state.until_fault == Some(0) && !state.answer_is_lost) {
            state.is_dead = true;
            return Err("the process was killed".into());
        }
        *state.counts.entry(name.to_owned()).or_default() += 1;
        Ok(())
    }

    /// The answer arrives, or the process is dead by now.
    fn answered(&self) -> Result<(), BoxError> {
        let mut state = self.0.lock().unwrap();
        match &mut state.until_fault {
            Some(0) => {
                state.is_dead = true;
                Err("the process was killed".into())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let name = bag.load::<Metadata>().map_or("unknown", |metadata| metadata.name()).to_owned();
        self.count(&name)
    }

    fn read_after_deserialization(
        &self,
        _: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.answered()
    }
}
