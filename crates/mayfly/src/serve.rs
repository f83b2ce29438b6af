//! `mayfly serve`: a node in the foreground.

use crate::node::{Node, Options_, stop_signal};

/// Runs a node until it is told to stop.
#[allow(clippy::print_stdout, reason = "these lines are the command's output")]
pub(crate) async fn run(options: Options_) -> anyhow::Result<()> {
    let node = Node::start(options).await?;
    println!("ingress http://{}", node.ingress);
    println!("admin http://{}", node.admin);
    println!("token {}", node.token_file.display());
    println!("ready");
    stop_signal().await?;
    tracing::info!("stopping: requests under way may finish");
    node.stop().await;
    Ok(())
}
