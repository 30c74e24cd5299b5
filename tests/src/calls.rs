//! Counts calls, and makes every call fail from a chosen one on: as if the process had been killed there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

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

    /// A new process: whether the old one had died.
    pub fn revive(&self) -> bool {
        let mut state = self.0.lock().unwrap();
        let was_dead = std::mem::take(&mut state.is_dead);
        if was_dead {
            state.until_fault = None;
        }
        was_dead
    }

    /// Nothing dies any more.
    pub fn disarm(&self) {
        let mut state = self.0.lock().unwrap();
        state.until_fault = None;
        state.is_dead = false;
    }

    /// Counts a call. Fails if the process is dead.
    fn count(&self, name: &str) -> Result<(), BoxError> {
        let mut state = self.0.lock().unwrap();
        if state.is_dead {
            return Err("the process was killed".into());
        }
        if state.until_fault == Some(0) && !state.answer_is_lost {
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
