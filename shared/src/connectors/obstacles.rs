//! What stands in the way of a plan, collection by collection.

use super::{ConnectorError, Connectors, Obstacle, Target};
use crate::policy::Pinned;

/// What stands in the way of reading a collection, and of erasing in it if the plan erases. A system that refuses to be
/// looked at is such an obstacle itself; only what may be otherwise the next time is an error.
pub async fn obstacles_of(
    policy: &Pinned,
    connectors: &Connectors,
    collection: &str,
    erases: bool,
) -> Result<Vec<Obstacle>, ConnectorError> {
    let rule = if erases { policy.rule(collection) } else { None };
    let asked = async {
        let target = Target::of(policy, collection)?;
        connectors.of(target.place)?.preflight(&target, rule).await
    };
    match asked.await {
        Ok(obstacles) => Ok(obstacles),
        Err(error) => Obstacle::from_error(collection, error).map(|obstacle| vec![obstacle]),
    }
}

impl Obstacle {
    /// What an error is to a plan, if trying again cannot mend it. The error's own words name calls and never data.
    pub fn from_error(collection: &str, error: ConnectorError) -> Result<Self, ConnectorError> {
        let message = match &error {
            ConnectorError::Transient { .. } | ConnectorError::Keys(_) => return Err(error),
            ConnectorError::Permanent { .. } => {
                crate::telemetry::warn_chain("a system refuses", &error);
                format!("{error}: a permission is missing, or the table or bucket is not there")
            }
            ConnectorError::Cursor | ConnectorError::Row(_) | ConnectorError::WrongKind => error.to_string(),
        };
        Ok(Self { refuses: true, collection: collection.to_owned(), field: None, message })
    }
}
