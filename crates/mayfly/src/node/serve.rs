//! `mayfly serve`: a node in the foreground.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{Listen, Mode, Node, NodeOptions, bind, stop_signal, user};
use crate::cli::{Failure, ServeArgs};
use crate::config::{Config, Sandbox};

/// Runs a node until it is told to stop.
pub(crate) fn serve(args: ServeArgs) -> Result<(), Failure> {
    crate::start::log_to_stderr("info");
    let options = options(args)?;
    Ok(crate::start::block_on(run(options))?)
}

/// What root does for a node that becomes another user, before this process has other threads.
fn options(args: ServeArgs) -> anyhow::Result<NodeOptions> {
    let mut config = match &args.config {
        Some(file) => Config::read(file)?,
        None => Config::default(),
    };
    config.base = args.base.or(config.base);
    anyhow::ensure!(
        config.user.is_none() || config.sandbox == Sandbox::Whole,
        "`user` and `sandbox = \"reduced\"` in the configuration exclude each other: with root's powers \
         there are whole sandboxes; start the node as that user for reduced ones"
    );
    let data = args.data.unwrap_or_else(|| PathBuf::from(".mayfly-node"));
    // Ports come first: whoever starts a second node by mistake learns it at once.
    let (listener, admin) = (bind(listen(args.listen, 8080))?, bind(listen(args.admin, 8081))?);
    let starter = user::become_user(config.user.as_deref(), &data)?;
    Ok(NodeOptions {
        data,
        listener,
        admin,
        starter,
        mode: Mode::Serve,
        config,
        reset: args.js_reset.map(Into::into),
        ledger: !args.no_ledger,
    })
}

/// A node that serves stays where it is asked to be: a port that is taken is an error.
fn listen(address: Option<SocketAddr>, port: u16) -> Listen {
    let address = address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, port).into());
    Listen { address, asked_for: true }
}

#[allow(clippy::print_stdout, reason = "these lines are the command's output")]
async fn run(options: NodeOptions) -> anyhow::Result<()> {
    let node = Node::start(options).await?;
    println!("ingress http://{}", node.ingress);
    println!("admin http://{}", node.admin);
    match &node.token_file {
        Some(file) => println!("token {}", file.display()),
        None => println!("token from MAYFLY_ADMIN_TOKEN"),
    }
    println!("ready");
    stop_signal().await?;
    tracing::info!("stopping: requests under way may finish");
    node.stop().await;
    Ok(())
}
