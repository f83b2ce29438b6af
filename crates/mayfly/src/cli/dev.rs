//! Arguments of `mayfly dev`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::serve::address;

/// Runs an app here while you write it
///
/// Serves a file, or the app of a directory, from one process: no account, no node, nothing to
/// set up. Every save deploys again; a mistake is shown where it is, here and as the answer to
/// every request until it is mended. Other commands in the same directory find this process by themselves.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly dev                        the app of this directory\n  \
    mayfly dev hello.js               one file, at http://127.0.0.1:8080/\n  \
    mayfly dev --listen 0.0.0.0:3000  for other machines too, on port 3000")]
pub(crate) struct DevArgs {
    /// App directory, manifest, or single file
    #[arg(default_value = ".", hide_default_value = true, value_name = "PATH")]
    path: PathBuf,
    /// Where the app answers [default: 127.0.0.1:8080, or the next free port]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Where the admin API answers; loopback only [default: 127.0.0.1:8081, or the next free port]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    admin: Option<SocketAddr>,
    /// Data directory [default: .mayfly beside the app]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Run the code as it lies there, without installing its dependencies
    #[arg(long)]
    no_build: bool,
}

impl DevArgs {
    /// App directory, manifest, or single file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the app is to answer; `None` is the default, or the next free port.
    pub(crate) fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Where the admin API is to answer; `None` is the default, or the next free port.
    pub(crate) fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Whether dependencies are left as they are.
    pub(crate) fn no_build(&self) -> bool {
        self.no_build
    }

    /// The data directory; `None` is `.mayfly` beside the app.
    pub(crate) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }
}
