//! What a function may not see, reach or ask of the kernel.

use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::ground::{
    Ground, Reasons, SECRET, Who, allowed, as_ordinary, attackers, denied, outside, python, text,
};
use super::host;
use crate::common::Killed;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_host_the_platform_and_other_functions_are_out_of_reach() {
    for who in Who::all() {
        let ground = Ground::new(who).await;
        ground.deploy(&python("attacker", &[("files", "")])).await;
        let turned: String = SECRET.chars().rev().collect();
        let world = json!({
            "data": text(ground.node.data()),
            "users": users(),
            "secret": turned,
            "disk": host::disk(),
        });
        let watch = ground.watch();
        let came = ground.attack("files", &world).await;
        watch.well().await;
        if rustix::process::geteuid().is_root() {
            let mut world = world;
            world["only_below"] = json!([world["data"]]);
            allowed("outside", &outside(&[], "files", &world, FILES_OF_ROOT));
            let ordinary = as_ordinary();
            let ordinary: Vec<&str> = ordinary.iter().map(String::as_str).collect();
            allowed("outside", &outside(&ordinary, "files", &world, &["setuid_program"]));
        }
        denied(&format!("{who:?}"), &came, &[FILES]);
    }
}

/// Names of users that the host has besides root.
pub(super) fn users() -> Vec<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let names = passwd.lines().filter_map(|line| line.split(':').next());
    names.filter(|name| *name != "root").map(str::to_owned).collect()
}

/// Attacks that succeed for the host's root.
const FILES_OF_ROOT: &[&str] = &[
    "hashes_of_passwords",
    "users_of_the_host",
    "home_of_root",
    "homes",
    "kernel_objects",
    "data_directory",
    "master_key",
    "admin_token",
    "records",
    "code_of_others",
    "files_with_the_neighbours_secret",
    "made_memory_device",
    "made_disk",
    "other_user",
    "file_of_another_user",
];

const FILES: Reasons = &[
    (
        "ENOENT",
        &[
            "hashes_of_passwords",
            "home_of_root",
            "homes",
            "kernel_objects",
            "data_directory",
            "master_key",
            "admin_token",
            "records",
            "code_of_others",
            "way_out_by_dots",
            "way_out_by_a_link",
            "memory_of_the_kernel",
            "memory_device",
            "disk",
            "terminal",
            "fuse",
            "tunnel",
            "virtual_machines",
            "helper_of_modules",
            "system_request",
        ],
    ),
    ("none of them is there", &["users_of_the_host"]),
    ("no file holds it", &["files_with_the_neighbours_secret"]),
    (
        "EACCES",
        &[
            "way_out_by_the_root_of_init",
            "way_out_by_the_directory_of_init",
            "messages_of_the_kernel",
            "handler_of_cores",
            "number_of_namespaces",
            "name_of_the_host",
        ],
    ),
    // Landlock is asked before the mounts, where the kernel has it.
    ("EACCES|EROFS", &["own_code", "bootstrap", "program_of_the_host"]),
    ("EACCES|EINVAL", &["own_place_in_memory_shortage"]),
    ("EACCES|EPERM", &["own_map_of_users"]),
    ("no file is open", &["way_out_by_descriptors"]),
    ("all are zero", &["addresses_of_the_kernel"]),
    ("EPERM", &["made_memory_device", "made_null_device", "made_disk", "more_groups"]),
    (
        "EROFS",
        &[
            "own_code_removed",
            "own_code_with_another_mode",
            "file_beside_the_code",
            "new_program_of_the_host",
            "users",
            "names_of_hosts",
            "file_at_the_root",
            "file_beside_the_devices",
        ],
    ),
    ("it stays 1000", &["setuid_program"]),
    ("EINVAL", &["own_setuid_program", "other_user", "other_group", "file_of_another_user"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn other_processes_are_neither_seen_nor_harmed() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        // Before the deployment, which tries the attacker in a process that ends.
        let neighbour = ground.youngest_program();
        ground.deploy(&python("attacker", &[("processes", "")])).await;
        // It is there from now on.
        ground.attack("processes", &json!({ "only": ["priority_over_others"] })).await;
        let attacker = ground.youngest_program();
        assert_ne!(neighbour, attacker);
        // A process of the host that belongs to the same user as the attacker.
        let mut witness = witness(host::field(attacker, "Uid").unwrap());
        let world = json!({ "pid": witness.0.id() });
        let watch = ground.watch();
        let came = ground.attack("processes", &world).await;
        watch.well().await;
        assert_eq!(witness.0.try_wait().unwrap(), None, "{who:?}: the witness lives");
        assert!(host::runs(neighbour) && host::runs(attacker), "{who:?}");
        if rustix::process::geteuid().is_root() {
            allowed("outside", &outside(&[], "processes", &world, PROCESSES_OF_ROOT));
            assert!(witness.0.wait().unwrap().code().is_none(), "the last of them ends it");
        }
        denied(&format!("{who:?}"), &came, &[PROCESSES]);
    }
}

/// A process of the host that waits to be found.
pub(super) fn witness(user: u32) -> Killed {
    let mut command = Command::new("sleep");
    command.arg("600").process_group(0);
    if rustix::process::geteuid().is_root() {
        command.uid(user).gid(user);
    }
    Killed(command.spawn().unwrap())
}

/// Attacks that succeed for the host's root; the last one ends the witness.
const PROCESSES_OF_ROOT: &[&str] = &[
    "others_in_proc",
    "environment_of_others",
    "memory_of_others",
    "memory_of_a_child_by_a_call",
    "trace_of_a_child",
    "trace_by_the_parent",
    "handle_of_others",
    "descriptor_of_a_child",
    "priority_of_others",
    "processors_of_others",
    "end_of_one",
];

const PROCESSES: Reasons = &[
    ("it sees its init and itself", &["others_in_proc"]),
    ("ENOENT", &["environment_of_others", "memory_of_others"]),
    (
        "EACCES",
        &[
            "environment_of_init",
            "map_of_init",
            "memory_of_init",
            "descriptors_of_init",
            "priority_over_others",
        ],
    ),
    (
        "EPERM",
        &[
            "memory_of_others_by_a_call",
            "memory_of_a_child_by_a_call",
            "advice_on_the_memory_of_others",
            "trace_of_others",
            "trace_of_init",
            "trace_of_a_child",
            "trace_by_the_parent",
            "comparison_of_processes",
            "descriptor_of_a_child",
            "time_before_all_others",
            "pages_of_others",
            "nodes_of_others",
        ],
    ),
    (
        "ESRCH",
        &[
            "handle_of_others",
            "end_of_one",
            "end_of_its_group",
            "priority_of_others",
            "processors_of_others",
            "limits_of_others",
        ],
    ),
    ("the sandbox goes on", &["end_of_init"]),
    ("its own child ended", &["end_of_all"]),
    ("its init and its own child heard it", &["end_of_every_number"]),
    ("not allowed to raise maximum limit", &["more_processes", "more_files", "cores"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn networks_are_out_of_reach() {
    for who in Who::all() {
        let ground = Ground::new(who).await;
        let provided = "code = \".\"\nruntime = \"provided\"\nhandler = \"network.handler\"";
        let app = format!(
            "app = \"attacker\"\n[functions.network]\ncode = \".\"\nruntime = \"python\"\n\
             handler = \"network.handler\"\n[functions.provided]\n{provided}\n"
        );
        ground.deploy(&attackers().file("mayfly.toml", app)).await;

        let services = Services::new();
        let world = services.world(&ground);
        let watch = ground.watch();
        let came = ground.attack("network", &world).await;
        let provided = ground.attack("provided", &world).await;
        watch.well().await;
        services.were_not_called();
        // And they are there to be found.
        allowed("outside", &outside(&[], "network", &world, OPEN));
        services.were_called();
        if rustix::process::geteuid().is_root() {
            allowed("outside", &outside(&[], "network", &world, OPEN_TO_ROOT));
        }

        denied(&format!("{who:?}"), &came, &[NETWORK]);
        denied(&format!("{who:?}, provided"), &provided, &[NETWORK]);
    }
}

/// Services of the host that nobody in a sandbox shall reach.
pub(super) struct Services {
    place: tempfile::TempDir,
    name: String,
    tcp: [TcpListener; 2],
    unix: [UnixListener; 2],
}

impl Services {
    pub(super) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let name = format!("mayfly-escape-{}", std::process::id());
        let without_file = SocketAddr::from_abstract_name(&name).unwrap();
        let unix = [
            UnixListener::bind_addr(&without_file).unwrap(),
            UnixListener::bind(place.path().join("socket")).unwrap(),
        ];
        Self { place, name, tcp: [listener("127.0.0.1:0"), listener("[::1]:0")], unix }
    }

    /// What an attacker is told of them.
    pub(super) fn world(&self, ground: &Ground) -> Value {
        let [port, port6] = [0, 1].map(|at| self.tcp[at].local_addr().unwrap().port());
        json!({
            "port": port,
            "port6": port6,
            "ingress": ground.node.client().address().port(),
            "admin": ground.node.admin().address().port(),
            "address": address(),
            "abstract": self.name,
            "socket": text(&self.place.path().join("socket")),
            "interface": "lo",
        })
    }

    /// Nobody has come to any of them.
    pub(super) fn were_not_called(&self) {
        for listener in &self.tcp {
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err());
            listener.set_nonblocking(false).unwrap();
        }
        for listener in &self.unix {
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err());
            listener.set_nonblocking(false).unwrap();
        }
    }

    /// Somebody has come to each.
    fn were_called(&self) {
        assert!(self.tcp.iter().all(|listener| listener.accept().is_ok()));
        assert!(self.unix.iter().all(|listener| listener.accept().is_ok()));
    }
}

pub(super) fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap()
}

/// An address of this host that others reach it at; nothing is sent to find it.
fn address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("192.0.2.1:9") {
        Ok(()) => socket.local_addr().unwrap().ip().to_string(),
        Err(_) => "127.0.0.2".into(),
    }
}

/// Attacks that succeed for everybody outside.
const OPEN: &[&str] = &[
    "service_of_the_host",
    "service_of_the_host_by_ipv6",
    "ingress",
    "admin",
    "socket_without_a_file",
    "socket_in_a_file",
    "connections_of_others",
    "netlink",
];
/// Attacks that succeed for the host's root.
const OPEN_TO_ROOT: &[&str] = &["raw", "raw_of_ipv6", "packets", "interface_brought_up"];

const NETWORK: Reasons = &[
    (
        "ECONNREFUSED",
        &[
            "address_of_the_host",
            "service_of_the_host",
            "service_of_the_host_at_any_address",
            "ingress",
            "admin",
            "service_of_the_host_by_ipv6",
            "service_of_the_host_by_a_mapped_address",
        ],
    ),
    ("ECONNRESET", &["metadata", "public_address"]),
    ("ENETUNREACH", &["public_address_by_ipv6"]),
    ("no answer", &["names_of_the_host", "names_of_the_world", "everybody_nearby"]),
    ("no name is known", &["names_by_the_library"]),
    ("ECONNREFUSED", &["socket_without_a_file"]),
    ("ENOENT", &["socket_in_a_file"]),
    (
        "EPERM",
        &[
            "interface_brought_up",
            "netlink",
            "packets",
            "raw",
            "raw_of_ipv6",
            "ping",
            "machine_below",
            "kernel_crypto",
            "keys",
            "bluetooth",
            "express_data_path",
            "sctp",
            "many_paths",
            "pair_of_netlink",
        ],
    ),
    ("there is lo", &["interfaces"]),
    ("the host's are not there", &["connections_of_others"]),
    ("the names are its own", &["door_for_others"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn system_calls_that_reach_beyond_a_process_are_denied() {
    for who in Who::all() {
        let ground = Ground::new(who).await;
        ground.deploy(&python("attacker", &[("calls", "")])).await;
        let watch = ground.watch();
        let came = ground.attack("calls", &Value::Object(Default::default())).await;
        watch.well().await;
        allowed("outside", &outside(&[], "calls", &json!({}), CALLS_OF_ALL));
        if rustix::process::geteuid().is_root() {
            // In namespaces of their own, for what they change.
            let apart = ["unshare", "--mount", "--uts", "--ipc"];
            allowed("outside", &outside(&apart, "calls", &json!({}), CALLS_OF_ROOT));
        }
        denied(&format!("{who:?}"), &came, &[CALLS]);
    }
}

/// Attacks that succeed for everybody outside.
const CALLS_OF_ALL: &[&str] = &[
    "asynchronous_files",
    "another_personality",
    "filter_of_calls",
    "handle_of_a_file",
    "key_ring",
    "process_in_a_new_user_namespace",
    "process_in_new_namespaces_by_the_new_call",
    "watches",
];
/// Attacks that succeed for the host's root.
const CALLS_OF_ROOT: &[&str] = &[
    "another_root",
    "mount_by_the_new_calls",
    "mount_of_a_directory",
    "mount_of_memory",
    "name_of_the_host",
    "namespace_entered",
    "new_network_namespace",
    "new_time_namespace",
    "pace_of_the_clock",
    "program_in_the_kernel",
    "view_of_mounts",
];

const CALLS: Reasons = &[
    (
        "EPERM",
        &[
            "mount_of_memory",
            "mount_of_a_directory",
            "mount_made_writable",
            "mount_by_the_new_calls",
            "view_of_mounts",
            "mount_with_other_attributes",
            "list_of_mounts",
            "unmount",
            "unmount_of_the_code",
            "another_root",
            "root_put_aside",
            "new_user_namespace",
            "new_mount_namespace",
            "new_pid_namespace",
            "new_network_namespace",
            "new_ipc_namespace",
            "new_uts_namespace",
            "new_cgroup_namespace",
            "new_time_namespace",
            "process_in_a_new_user_namespace",
            "namespace_entered",
            "key_ring",
            "key_added",
            "key_asked_for",
            "program_in_the_kernel",
            "counters_of_the_processor",
            "faults_of_pages",
            "handle_of_a_file",
            "file_by_its_handle",
            "another_kernel",
            "another_kernel_from_a_file",
            "end_of_the_machine",
            "module",
            "module_from_a_file",
            "module_removed",
            "swap",
            "no_swap",
            "time",
            "clock",
            "pace_of_the_clock",
            "name_of_the_host",
            "domain_of_the_host",
            "accounts",
            "quotas",
            "log_of_the_kernel",
            "terminal_of_others",
            "another_personality",
            "filter_of_calls",
            "huge_pages",
            "calls_of_another_abi",
        ],
    ),
    (
        "ENOSYS",
        &[
            "process_in_new_namespaces_by_the_new_call",
            "rings",
            "asynchronous_files",
            "watches",
            "watches_of_everything",
            "memory_that_nobody_swaps",
        ],
    ),
    ("EACCES", &["namespace_of_init"]),
    ("signal 31", &["calls_of_32_bits"]),
];
