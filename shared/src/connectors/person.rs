//! Whose rows are looked for: the keys that were captured of a person, those of the subject's own row in the request, the
//! others in a key store.

use std::sync::Arc;

use async_trait::async_trait;

use super::ConnectorError;
use crate::identity::SubjectKeys;
use crate::policy::{KeySet, Link, Origin};
use crate::request::RequestId;

/// Values of the fields of a [`KeySet`], in their order.
pub type Tuple = Vec<String>;

/// Keeps captured keys while a request lives. They are personal data: an implementation seals them.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Writes a chunk of a set, and whether another follows. Writing the same chunk again replaces it.
    async fn put(
        &self,
        request: &RequestId,
        set: &KeySet,
        chunk: usize,
        keys: Vec<Tuple>,
        more: bool,
    ) -> Result<(), ConnectorError>;

    /// A chunk of a set, asked for in order; none: there are no more. A set that was never captured is an error.
    async fn get(
        &self,
        request: &RequestId,
        set: &KeySet,
        chunk: usize,
    ) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError>;

    /// Whether the first chunk of a set is there: it was captured, and was not forgotten since.
    async fn has(&self, request: &RequestId, set: &KeySet) -> Result<bool, ConnectorError>;

    /// Forgets all sets of a request.
    async fn forget(&self, request: &RequestId) -> Result<(), ConnectorError>;
}

/// A function that has no business with captured keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this function has no key store; set PACKAGE_BUCKET")]
pub struct NoKeyStore;

impl From<NoKeyStore> for ConnectorError {
    fn from(none: NoKeyStore) -> Self {
        Self::Permanent { operation: "captured keys", source: Box::new(none) }
    }
}

#[async_trait]
impl KeyStore for NoKeyStore {
    async fn put(&self, _: &RequestId, _: &KeySet, _: usize, _: Vec<Tuple>, _: bool) -> Result<(), ConnectorError> {
        Err((*self).into())
    }

    async fn get(&self, _: &RequestId, _: &KeySet, _: usize) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError> {
        Err((*self).into())
    }

    async fn has(&self, _: &RequestId, _: &KeySet) -> Result<bool, ConnectorError> {
        Err((*self).into())
    }

    async fn forget(&self, _: &RequestId) -> Result<(), ConnectorError> {
        Err((*self).into())
    }
}

/// A person, by the keys that lead to their rows.
pub struct Person {
    /// The identity, and the values of the subject's own row.
    pub keys: SubjectKeys,
    request: Option<RequestId>,
    store: Arc<dyn KeyStore>,
}

impl Person {
    /// The person that a request is about.
    #[must_use]
    pub fn of(request: RequestId, keys: SubjectKeys, store: Arc<dyn KeyStore>) -> Self {
        Self { keys, request: Some(request), store }
    }

    /// A person of whom nothing was captured: only links to the subject's own row lead anywhere.
    #[must_use]
    pub fn known_by(keys: SubjectKeys) -> Self {
        Self { keys, request: None, store: Arc::new(NoKeyStore) }
    }

    /// What is known of them: the identity, and the values of their own row that lead to rows or name them.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        let read = self.keys.keys.values().flatten().chain(&self.keys.named);
        std::iter::once(&self.keys.value).chain(read).map(String::as_str)
    }

    /// A chunk of the values that a link may have; none: there are no more. A link that its database follows by itself has
    /// no values here.
    pub async fn values(&self, link: &Link, chunk: usize) -> Result<Option<Arc<Vec<Tuple>>>, ConnectorError> {
        match (&link.origin, link.key_set(), &self.request) {
            (Origin::Subject, ..) if chunk == 0 => {
                let values = link.subject_field().and_then(|field| self.keys.keys.get(field));
                let tuples: Vec<Tuple> = values.into_iter().flatten().map(|value| vec![value.clone()]).collect();
                Ok((!tuples.is_empty()).then(|| Arc::new(tuples)))
            }
            (Origin::Collection(_), Some(set), Some(request)) => self.store.get(request, &set, chunk).await,
            _ => Ok(None),
        }
    }
}
