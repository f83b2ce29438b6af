use std::fs;

use super::super::Status;
use super::*;

struct Fake {
    directory: tempfile::TempDir,
    host: Host,
}

/// A host with these files.
fn fake(files: &[(&str, &str)]) -> Fake {
    let directory = tempfile::tempdir().unwrap();
    let unlimited = Limit { soft: None, hard: None };
    let host = Host {
        root: directory.path().to_owned(),
        is_root: false,
        cores: 4,
        now: "2026-11-21T06:00:00Z".parse().unwrap(),
        open_files: unlimited,
        address_space: unlimited,
    };
    let fake = Fake { directory, host };
    fake.add(files);
    fake
}

impl Fake {
    fn add(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.directory.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

fn told(check: &Check) -> (Status, &str) {
    (check.status, &check.found)
}

#[test]
fn a_kernel_is_judged_by_its_release() {
    for (release, status) in [
        ("6.8.0-31-generic\n", Status::Ok),
        ("5.13.0", Status::Ok),
        ("5.4.0", Status::Warn),
        ("strange", Status::Warn),
    ] {
        let fake = fake(&[("/proc/sys/kernel/osrelease", release)]);
        assert_eq!(kernel(&fake.host).status, status, "{release}");
    }
    assert_eq!(kernel(&fake(&[]).host).status, Status::Fail);
}

#[test]
fn memory_is_put_back_by_the_best_way_that_the_kernel_has() {
    let host =
        |release| fake(&[("/proc/self/pagemap", ""), ("/proc/sys/kernel/osrelease", release)]);
    assert_eq!(told(&dirty_pages(&host("6.7.0").host)), (Status::Ok, "PAGEMAP_SCAN"));
    assert!(dirty_pages(&host("6.1.0").host).found.contains("/proc/self/pagemap"));
    assert_eq!(dirty_pages(&fake(&[]).host).status, Status::Fail);
}

#[test]
fn every_way_to_forbid_user_namespaces_is_seen() {
    let mut fake = fake(&[("/proc/self/ns/user", "")]);
    assert_eq!(told(&user_namespaces(&fake.host)), (Status::Ok, "allowed"));
    fake.add(&[("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")]);
    assert_eq!(user_namespaces(&fake.host).found, "restricted by AppArmor");
    fake.add(&[("/proc/sys/kernel/unprivileged_userns_clone", "0")]);
    assert_eq!(user_namespaces(&fake.host).found, "only for root");
    fake.host.is_root = true;
    assert_eq!(user_namespaces(&fake.host).status, Status::Ok);
    fake.add(&[("/proc/sys/user/max_user_namespaces", "0")]);
    let check = user_namespaces(&fake.host);
    assert_eq!(told(&check), (Status::Warn, "switched off"));
    assert!(check.remedy.unwrap().starts_with("sysctl -w user.max_user_namespaces="));
}

#[test]
fn cgroups_are_told_by_version_and_by_what_is_delegated() {
    assert_eq!(told(&cgroups(&fake(&[]).host)), (Status::Warn, "none mounted"));
    let v1 = fake(&[("/sys/fs/cgroup/memory/cgroup.procs", "")]);
    assert!(cgroups(&v1.host).found.starts_with("v1, "));
    let v2 = fake(&[
        ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
        ("/proc/self/cgroup", "0::/user.slice/mine\n"),
        ("/sys/fs/cgroup/user.slice/mine/cgroup.controllers", "memory pids\n"),
        ("/sys/fs/cgroup/user.slice/mine/cgroup.subtree_control", ""),
    ]);
    assert_eq!(told(&cgroups(&v2.host)), (Status::Warn, "v2, without cpu"));
    v2.add(&[("/sys/fs/cgroup/user.slice/mine/cgroup.controllers", "cpu memory pids\n")]);
    assert_eq!(told(&cgroups(&v2.host)), (Status::Ok, "v2, writable: cpu memory pids"));
}

#[test]
fn memory_is_what_the_container_leaves() {
    let info = "MemTotal:       8388608 kB\nMemFree: 1 kB\nMemAvailable:   4194304 kB\n";
    let fake = fake(&[("/proc/meminfo", info)]);
    assert_eq!(told(&memory(&fake.host)), (Status::Ok, "8.0GB, 4.0GB free"));
    fake.add(&[("/sys/fs/cgroup/memory.max", "134217728\n")]);
    let check = memory(&fake.host);
    assert_eq!(told(&check), (Status::Warn, "128MB, 128MB free (this container's limit)"));
}

#[test]
fn limits_that_a_busy_node_would_meet_come_with_the_command_that_lifts_them() {
    let limit = |soft, hard| Limit { soft, hard };
    let check = open_files(limit(Some(1024), Some(1_048_576)));
    assert_eq!(told(&check), (Status::Warn, "1024 (at most 1048576)"));
    assert_eq!(check.remedy.as_deref(), Some("ulimit -n 65536"));
    assert!(open_files(limit(Some(1024), Some(4096))).remedy.unwrap().contains("LimitNOFILE"));
    assert_eq!(open_files(limit(None, None)).status, Status::Ok);
    assert_eq!(address_space(limit(Some(GB), None)).status, Status::Fail);
    let fake =
        fake(&[("/proc/sys/vm/overcommit_memory", "2"), ("/proc/sys/vm/max_map_count", "65530")]);
    assert_eq!(overcommit(&fake.host).status, Status::Warn);
    assert_eq!(told(&maps(&fake.host)), (Status::Warn, "65530"));
}

#[test]
fn disk_ports_and_clock_are_judged_by_what_a_node_needs() {
    let data = Path::new("data");
    assert_eq!(disk(data, Some(50 * MB), true).status, Status::Fail);
    assert_eq!(told(&disk(data, Some(500 * MB), true)), (Status::Warn, "data: 500MB free"));
    assert_eq!(told(&disk(data, Some(5 * GB), true)), (Status::Ok, "data: 5.0GB free"));
    assert_eq!(disk(data, Some(5 * GB), false).status, Status::Fail);
    assert_eq!(told(&port("p", 8080, "--listen", Some(false))), (Status::Warn, "8080 is taken"));
    assert_eq!(port("p", 8080, "--listen", None).status, Status::Fail);
    assert_eq!(clock("1970-01-01T00:01:00Z".parse().unwrap()).status, Status::Fail);
    assert_eq!(clock("2026-11-21T06:00:00Z".parse().unwrap()).status, Status::Ok);
}

#[test]
fn a_language_that_is_missing_is_no_fault_yet() {
    assert_eq!(language("node", "nodejs", None).status, Status::Ok);
    for text in ["v24.1.0", "Python 24.1.0", "ruby 24.1.0 (2024-12-25)"] {
        let check = language("node", "nodejs", Some(text.into()));
        assert_eq!(check.found, "24.1.0 (for the runtime `nodejs`)");
    }
}

#[test]
fn all_checks_run_on_this_host() {
    let checks = all(&Host::this(), Path::new("."));
    assert_eq!(checks.len(), 18);
    assert!(checks.iter().all(|check| !check.found.is_empty()));
}
