//! Arguments of `mayfly serve`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Makes this machine a node
///
/// Runs the whole platform in one process on one data directory. The first start makes an admin
/// token and prints the path of the file that holds it; `mayfly login` takes that file. The file
/// that --config names holds what the operator decides: base host, egress, limits, logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly serve --data /var/lib/mayfly\n  \
    mayfly serve --listen 0.0.0.0:80 --base apps.example.com\n  \
    mayfly serve --config /etc/mayfly.toml")]
pub(crate) struct ServeArgs {
    /// Data directory [default: .mayfly-node]
    #[arg(long, value_name = "DIR", env = "MAYFLY_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,
    /// Where functions answer [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "MAYFLY_LISTEN", hide_env_values = true, value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the admin API answers [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", env = "MAYFLY_ADMIN", hide_env_values = true, value_parser = address)]
    pub(crate) admin: Option<SocketAddr>,
    /// Host below which apps answer, as APP.HOST [default: localhost]
    #[arg(long, value_name = "HOST", env = "MAYFLY_BASE", hide_env_values = true)]
    pub(crate) base: Option<String>,
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "MAYFLY_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// How memory is put back after an invocation; for measuring
    #[arg(long, value_name = "SCHEME", hide = true)]
    pub(crate) js_reset: Option<JsReset>,
    /// Write down no attempt; for measuring
    #[arg(long, hide = true)]
    pub(crate) no_ledger: bool,
}

/// How the `js` runtime finds the pages that an invocation wrote.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum JsReset {
    /// The ioctl of Linux 6.7.
    PagemapScan,
    /// Reading /proc/self/pagemap.
    Pagemap,
}

impl From<JsReset> for mayfly_runtime_isolate::ResetScheme {
    fn from(reset: JsReset) -> Self {
        match reset {
            JsReset::PagemapScan => Self::PagemapScan,
            JsReset::Pagemap => Self::Pagemap,
        }
    }
}

/// An address to listen at: `IP:PORT`, `localhost:PORT`, or a port on loopback.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    match port.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => Err("write `IP:PORT`, as in `127.0.0.1:8080`, or a port alone".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_with_a_port_or_a_port_of_this_machine() {
        for (text, address_) in [
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:3000", "127.0.0.1:3000"),
            ("3000", "127.0.0.1:3000"),
        ] {
            assert_eq!(address(text), Ok(address_.parse().unwrap()));
        }
        for text in ["", "example.com:80", "127.0.0.1", "99999"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
