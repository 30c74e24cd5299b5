//! Sends every item that is due to the queue of the function that looks after it.

use wake_due_work::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
