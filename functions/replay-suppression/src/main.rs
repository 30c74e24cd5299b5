//! Finds people who were erased in what was restored, and has them erased again.

use replay_suppression::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
