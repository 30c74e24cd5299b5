//! `endpoints.json`: where a local stack is, as `make up` writes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::DriveError;
use crate::aws::Clients;

/// Where `make up` writes it.
pub const DEFAULT_FILE: &str = ".local/endpoints.json";
/// Names another file.
pub const FILE_VARIABLE: &str = "HABEAS_ENDPOINTS";

/// A running emulator with the stacks in it. Keys that are not named here are allowed.
#[derive(Clone, Deserialize)]
pub struct Endpoints {
    /// The emulator's address.
    pub endpoint: String,
    /// The region of everything.
    pub region: String,
    /// Credentials that may do everything in the emulator.
    pub access_key_id: String,
    /// Their secret.
    pub secret_access_key: String,
    /// The app's sign-in.
    pub oidc: Oidc,
    /// The people that were loaded.
    #[serde(default)]
    pub sample: Option<Sample>,
    /// Policy id to stack.
    pub stacks: BTreeMap<String, Stack>,
}

/// The user pool in the role of the app's own sign-in.
#[derive(Clone, Debug, Deserialize)]
pub struct Oidc {
    /// The pool.
    pub user_pool_id: String,
    /// Its client, and so the audience of its tokens.
    pub client_id: String,
    /// The group of operators.
    pub operators: String,
}

/// Which people are there.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Sample {
    /// How many.
    pub users: usize,
    /// From which seed.
    pub seed: u64,
    /// Posts of a heavy one.
    #[serde(default)]
    pub heavy_rows: Option<usize>,
}

/// The outputs of one policy's stack.
#[derive(Clone, Debug, Deserialize)]
pub struct Stack {
    /// The address of the API.
    #[serde(rename = "ApiUrl")]
    pub api_url: String,
    /// The ledger.
    #[serde(rename = "LedgerTable")]
    pub ledger_table: String,
    /// Packages and what they are made from.
    #[serde(rename = "PackageBucket")]
    pub package_bucket: String,
    /// Policies.
    #[serde(rename = "PolicyBucket")]
    pub policy_bucket: String,
    /// All other outputs.
    #[serde(flatten)]
    pub others: BTreeMap<String, Value>,
}

impl Endpoints {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, DriveError> {
        let text = std::fs::read_to_string(path).map_err(DriveError::file(path))?;
        serde_json::from_str(&text).map_err(DriveError::file(path))
    }

    /// The file that [`FILE_VARIABLE`] names, or the default one.
    pub fn find() -> Result<Self, DriveError> {
        let named = std::env::var_os(FILE_VARIABLE);
        Self::read(Path::new(named.as_deref().unwrap_or(DEFAULT_FILE.as_ref())))
    }

    /// The stack of a policy.
    pub fn stack(&self, policy: &str) -> Result<&Stack, DriveError> {
        self.stacks.get(policy).ok_or_else(|| DriveError::NoStack(policy.to_owned()))
    }

    /// AWS clients for it.
    pub async fn clients(&self) -> Clients {
        Clients::at(&self.endpoint, &self.region, &self.access_key_id, &self.secret_access_key).await
    }
}

impl Stack {
    /// An output, such as `RetentionSweepFunction`.
    pub fn output(&self, name: &str) -> Result<&str, DriveError> {
        self.others.get(name).and_then(Value::as_str).ok_or_else(|| DriveError::NoOutput(name.to_owned()))
    }

    /// The names of all functions.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.others.iter().filter(|(name, _)| name.ends_with("Function")).filter_map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_allowed_and_functions_are_found() {
        let endpoints: Endpoints = serde_json::from_str(
            r#"{"endpoint": "http://127.0.0.1:1", "region": "us-east-1", "account": "000000000000",
                "access_key_id": "a", "secret_access_key": "b",
                "oidc": {"issuer": "i", "user_pool_id": "p", "client_id": "c", "operators": "o"},
                "stacks": {"yallo": {"ApiUrl": "http://x", "LedgerTable": "l", "PackageBucket": "p",
                                     "PolicyBucket": "q", "NotifyFunction": "habeas-yallo-notify", "Other": 1}}}"#,
        )
        .unwrap();
        let stack = endpoints.stack("yallo").unwrap();
        assert_eq!(stack.functions().collect::<Vec<_>>(), ["habeas-yallo-notify"]);
        assert!(endpoints.stack("other").is_err());
    }
}
