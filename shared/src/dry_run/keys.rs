//! Captured keys in memory, for as long as one dry run takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::connectors::{ConnectorError, KeyStore, Tuple};
use crate::policy::KeySet;
use crate::request::RequestId;

/// Keys of one person, each set in one piece.
#[derive(Default)]
pub(super) struct MemoryKeys(Mutex<BTreeMap<KeySet, Arc<Vec<Tuple>>>>);

/// A set was asked for before it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys have not been captured")]
struct NotCaptured;

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn put(
        &self,
        _: &RequestId,
        set: &KeySet,
        _: usize,
        keys: Vec<Tuple>,
        _: bool,
    ) -> Result<(), ConnectorError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(set.clone(), Arc::new(keys));
        Ok(())
    }

    async fn get(&self, _: &RequestId, set: &KeySet, chunk: usize) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError> {
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = sets.get(set).ok_or_else(|| ConnectorError::Keys(Box::new(NotCaptured)))?;
        Ok((chunk == 0).then(|| keys.clone()))
    }

    async fn has(&self, _: &RequestId, set: &KeySet) -> Result<bool, ConnectorError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(set))
    }

    async fn forget(&self, _: &RequestId) -> Result<(), ConnectorError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}
