//! What `process-provided` measures; the counter tells how many answers its process gave.

use std::sync::atomic::{AtomicU64, Ordering};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

static ANSWERS: AtomicU64 = AtomicU64::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handler)).await
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let answers = ANSWERS.fetch_add(1, Ordering::Relaxed) + 1;
    let path = event.payload["rawPath"].as_str().unwrap_or_default();
    let segment = path.rsplit('/').next().unwrap_or_default();
    let headers = json!({ "content-type": "text/plain" });
    Ok(json!({ "statusCode": 200, "headers": headers, "body": format!("hello {segment} {answers}\n") }))
}
