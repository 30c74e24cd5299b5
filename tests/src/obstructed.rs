//! A connector in whose way something stands, and which is otherwise another one.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use habeas::connectors::{Acted, Action, Connector, ConnectorError, Hold, Judge, Obstacle, ReadPage, Row, Target, Who};
use habeas::policy::CollectionRule;

/// What the preflight of the others finds, and this besides.
pub(crate) struct Obstructed {
    pub(crate) inner: Arc<dyn Connector>,
    pub(crate) obstacles: Arc<Mutex<Vec<Obstacle>>>,
}

#[async_trait]
impl Connector for Obstructed {
    async fn read(&self, target: &Target<'_>, who: Who<'_>, cursor: Option<&str>) -> Result<ReadPage, ConnectorError> {
        self.inner.read(target, who, cursor).await
    }

    async fn apply(&self, target: &Target<'_>, actions: Vec<(Row, Action)>) -> Result<(), ConnectorError> {
        self.inner.apply(target, actions).await
    }

    async fn act(
        &self,
        target: &Target<'_>,
        who: Who<'_>,
        judge: &dyn Judge,
        cursor: Option<&str>,
    ) -> Result<Acted, ConnectorError> {
        self.inner.act(target, who, judge, cursor).await
    }

    async fn held(&self, target: &Target<'_>, rows: &[Row]) -> Result<Vec<Option<Hold>>, ConnectorError> {
        self.inner.held(target, rows).await
    }

    async fn count(&self, target: &Target<'_>, who: Who<'_>) -> Result<u64, ConnectorError> {
        self.inner.count(target, who).await
    }

    async fn preflight(
        &self,
        target: &Target<'_>,
        rule: Option<&CollectionRule>,
    ) -> Result<Vec<Obstacle>, ConnectorError> {
        let mut found = self.inner.preflight(target, rule).await?;
        let obstacles = self.obstacles.lock().unwrap();
        found.extend(obstacles.iter().filter(|obstacle| obstacle.collection == target.name).cloned());
        Ok(found)
    }
}
