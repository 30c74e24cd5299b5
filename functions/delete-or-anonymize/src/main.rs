//! Erases, anonymises or retains what is held about a person, as the policy says.

use delete_or_anonymize::{Function, handle};

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    habeas::api::serve(Function::start(), handle).await
}
