//! Confirmation, cooling-off and tombstone of an account cancellation.

use cancel_account::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
