//! Anchors the evidence of all requests that have changed.

use anchor_evidence::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
