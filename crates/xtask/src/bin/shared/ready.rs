//! What a bench waits for before it asks a yardstick.

use tokio::net::TcpListener;

/// Says where a server answers, and that it does.
#[allow(clippy::print_stdout, reason = "the bench waits for this line")]
pub(crate) fn ready(listener: &TcpListener) -> std::io::Result<()> {
    println!("ingress http://{}", listener.local_addr()?);
    println!("ready");
    Ok(())
}
