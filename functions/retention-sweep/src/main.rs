//! Erases or anonymises what has outlived its retention.

use retention_sweep::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
