//! Tells people what became of their requests.

use notify::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
