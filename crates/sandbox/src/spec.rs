//! What runs in a sandbox, and how it ended.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Bounds of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all its processes, in bytes, its `/tmp` included.
    pub memory: u64,
    /// Cores that it may use at once.
    pub cpu: f64,
    /// Processes and threads.
    pub pids: u32,
    /// Open files of one process.
    pub files: u64,
    /// Its `/tmp`, in bytes.
    pub tmp: u64,
}

/// A file or directory of the host that the sandbox sees, read-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where it is inside; absolute.
    pub target: PathBuf,
}

/// A socket inside that the host serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// A port of TCP on 127.0.0.1.
    Loopback(u16),
    /// A port of TCP on every address.
    Tcp(u16),
    /// A port of UDP on 127.0.0.1.
    Udp(u16),
}

/// Whom a sandbox reaches by the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Its own loopback.
    Loopback,
    /// The same, and every IPv4 address is its own: whatever it connects to arrives at
    /// [`Spec::listen`], or nowhere. A reduced sandbox connects nowhere instead.
    Caught,
    /// Whom the host reaches; in reduced sandboxes alone.
    Host,
}

/// What runs in a sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The program, by its path inside.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it starts, inside.
    pub directory: PathBuf,
    /// What it sees of the host, beside the minimum that every sandbox has.
    pub binds: Vec<Bind>,
    /// Empty directories at which it may see more later.
    pub places: Vec<PathBuf>,
    /// Its bounds.
    pub limits: Limits,
    /// The numbers under which the program finds the descriptors that come along, in their order.
    pub descriptors: Vec<i32>,
    /// Sockets inside that are handed out to the host, which serves them. Of these a reduced sandbox has
    /// those on its loopback, each at a port of the host that [`Sandbox::named`](crate::Sandbox::named)
    /// tells.
    pub listen: Vec<Listen>,
    /// Whom it reaches.
    pub network: Network,
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// How a sandbox ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How its program ended.
    pub exit: Exit,
    /// The kernel killed one of its processes because its memory was full.
    pub out_of_memory: bool,
    /// Processor time of all its processes, in microseconds, where cgroups count it.
    pub cpu_us: Option<u64>,
    /// The most memory that it had, in bytes, where cgroups count it.
    pub memory_peak: Option<u64>,
}
