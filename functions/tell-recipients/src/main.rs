//! Tells recipients of an erasure, and takes their receipts.

use tell_recipients::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
