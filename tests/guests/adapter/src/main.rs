//! AWS's web adapter, as its own program runs it, but for what it logs.

use lambda_web_adapter::{Adapter, AdapterOptions, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut adapter = Adapter::new(&AdapterOptions::default());
    adapter.register_default_extension();
    adapter.check_init_health().await;
    adapter.run().await
}
