//! Sandboxes for programs of strangers.
//!
//! A program runs in namespaces of its own (user, mount, pid, net, ipc, uts), on a read-only root that
//! holds what was named and nothing else, in a cgroup, without capabilities, behind Landlock and a
//! seccomp allow-list. A small process of one thread, the *spawner*, makes them, because forking a
//! large process is slow and a process with threads cannot enter a user namespace.
//!
//! ```text
//! node ── Spawner ──(socket)── spawner process ──clone3──> init (pid 1) ──fork──> program
//! ```
//!
//! Where the host lets nobody make namespaces, a *reduced* sandbox is what is left, for those who ask for
//! it: Landlock, seccomp and limits of each process, around a program that is one of the node's user's.

mod cgroup;
mod handle;
mod identity;
mod init;
mod inside;
mod reduced;
mod root;
mod seccomp;
mod spawn;
mod spawner;
mod spec;
mod starter;
mod sys;
mod wire;

pub use cgroup::{Cgroups, Kind as CgroupKind};
pub use handle::{Sandbox, SpawnError, Spawner};
pub use spawner::spawner_main;
pub use spec::{Bind, Ended, Exit, Limits, Listen, Network, Spec};
pub use starter::{SpawnerOptions, Starter, starter_main};
