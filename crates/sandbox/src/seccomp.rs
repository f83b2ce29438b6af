//! The system calls that a sandboxed program may make. What is not listed fails with `EPERM`; what
//! programs try first and do without fails with `ENOSYS`.
//!
//! Absent on purpose: new namespaces (`unshare`, `setns`, `clone` with their flags), mounts, `ptrace`
//! and the memory of others, `keyctl`, `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_*`, modules,
//! `kexec`, `reboot`, swap, quotas, clocks that can be set, file handles, `personality`, ports of I/O.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::reduced::Reach;

/// Files: opening, reading, writing, naming, looking at.
const FILES: &[c_long] = &[
    SYS_openat,
    SYS_openat2,
    SYS_close,
    SYS_close_range,
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_preadv,
    SYS_preadv2,
    SYS_write,
    SYS_writev,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_pwritev2,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_chdir,
    SYS_fchdir,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_linkat,
    SYS_symlinkat,
    SYS_umask,
    SYS_truncate,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range,
    SYS_flock,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_splice,
    SYS_tee,
    SYS_vmsplice,
    SYS_sendfile,
    SYS_copy_file_range,
    SYS_fadvise64,
    SYS_readahead,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_fgetxattr,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_flistxattr,
    SYS_mknodat,
];

/// Who owns a file, its mode and its times. Landlock knows nothing of them, so where the host's files are
/// seen every one of the node's user could be changed.
const MARKS: &[c_long] = &[
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    SYS_chown,
    #[cfg(target_arch = "x86_64")]
    SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    SYS_utime,
    #[cfg(target_arch = "x86_64")]
    SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    SYS_futimesat,
];

/// What is kept beside files; the same holds for it.
const ATTRIBUTES: &[c_long] = &[
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
];

/// Waiting for descriptors, and what wakes.
const EVENTS: &[c_long] = &[
    SYS_ppoll,
    SYS_pselect6,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
];

/// Memory of the process itself.
const MEMORY: &[c_long] = &[
    SYS_brk,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_msync,
    SYS_mincore,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_mlockall,
    SYS_munlockall,
    SYS_membarrier,
    SYS_pkey_alloc,
    SYS_pkey_free,
    SYS_pkey_mprotect,
    SYS_get_mempolicy,
    SYS_mbind,
    SYS_set_mempolicy,
    SYS_shmdt,
];

/// Processes and threads inside the sandbox.
const PROCESSES: &[c_long] = &[
    SYS_execve,
    SYS_execveat,
    SYS_exit,
    SYS_exit_group,
    SYS_wait4,
    SYS_waitid,
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getpgid,
    SYS_setpgid,
    SYS_getsid,
    SYS_setsid,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_futex,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
    SYS_sched_getparam,
    SYS_sched_setparam,
    SYS_sched_getscheduler,
    SYS_sched_setscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_getattr,
    SYS_sched_setattr,
    SYS_sched_rr_get_interval,
    SYS_getpriority,
    SYS_setpriority,
    SYS_ioprio_get,
    SYS_ioprio_set,
    SYS_getrlimit,
    SYS_getrusage,
    SYS_times,
    SYS_getcpu,
    SYS_rseq,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
    SYS_capget,
    SYS_capset,
    SYS_landlock_create_ruleset,
    SYS_landlock_add_rule,
    SYS_landlock_restrict_self,
];

/// Who the process is. Its user namespace has one user, so changes come to nothing.
const IDENTITY: &[c_long] = &[
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setgroups,
    SYS_setfsuid,
    SYS_setfsgid,
];

/// Signals.
const SIGNALS: &[c_long] = &[
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigpending,
    SYS_rt_sigqueueinfo,
    SYS_rt_sigreturn,
    SYS_rt_sigsuspend,
    SYS_rt_sigtimedwait,
    SYS_rt_tgsigqueueinfo,
    SYS_sigaltstack,
    SYS_restart_syscall,
];

/// Time: reading and waiting, not setting.
const TIME: &[c_long] = &[
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getitimer,
    SYS_setitimer,
    SYS_timer_create,
    SYS_timer_delete,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_getoverrun,
];

/// Sockets, once `socket` has let one be made.
const SOCKETS: &[c_long] = &[
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_connect,
    SYS_getsockname,
    SYS_getpeername,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_sendmmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    SYS_getsockopt,
];

/// System V's memory, queues and semaphores, in the sandbox's own namespace; see [`conditional`] for the
/// rest.
const QUEUES: &[c_long] = &[
    SYS_shmat,
    SYS_shmctl,
    SYS_semget,
    SYS_semop,
    SYS_semtimedop,
    SYS_semctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
];

/// What the system is.
const SYSTEM: &[c_long] = &[SYS_uname, SYS_sysinfo, SYS_getrandom];

/// Older names that only x86-64 has.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &[c_long] = &[
    SYS_open,
    SYS_creat,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_getdents,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_link,
    SYS_symlink,
    SYS_dup2,
    SYS_pipe,
    SYS_poll,
    SYS_select,
    SYS_epoll_create,
    SYS_epoll_wait,
    SYS_eventfd,
    SYS_signalfd,
    SYS_fork,
    SYS_vfork,
    SYS_getpgrp,
    SYS_alarm,
    SYS_pause,
    SYS_time,
    SYS_arch_prctl,
    SYS_mknod,
];
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: &[c_long] = &[];

/// What has a way around it, which programs take when they see `ENOSYS`. `clone3` hides its flags from
/// a filter; the rest takes from what the whole host shares: AIO and watches are counted for the
/// node's user, and a watch sees what others do with files.
const DONE_WITHOUT: &[c_long] = &[
    SYS_clone3,
    SYS_io_uring_setup,
    SYS_memfd_secret,
    SYS_io_setup,
    SYS_inotify_init1,
    #[cfg(target_arch = "x86_64")]
    SYS_inotify_init,
    SYS_fanotify_init,
];

/// What does nothing and succeeds: writing back the host's file systems is the host's to do.
const LEFT_OUT: &[c_long] = &[SYS_sync, SYS_syncfs];

/// Kinds of sockets: the sandbox's own loopback and sockets in its files. No netlink, vsock, packets.
const FAMILIES: &[c_int] = &[AF_UNIX, AF_INET, AF_INET6];

/// Protocols of sockets: the family's usual one, TCP and UDP. Others would load modules of the host.
const PROTOCOLS: &[c_int] = &[0, IPPROTO_TCP, IPPROTO_UDP];

/// Flags of `clone` that make namespaces.
const NAMESPACES: c_int = CLONE_NEWNS
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
    | CLONE_NEWCGROUP;

/// Calls that change a process, and which of their arguments names it; zero is the caller.
const OF_A_PROCESS: &[(c_long, u8)] = &[
    (SYS_prlimit64, 0),
    (SYS_sched_setaffinity, 0),
    (SYS_sched_setattr, 0),
    (SYS_sched_setparam, 0),
    (SYS_sched_setscheduler, 0),
    (SYS_setpriority, 1),
    (SYS_ioprio_set, 1),
];

/// Kinds of sockets that send to whom each message names, the last of them packets.
const DATAGRAMS: &[c_int] = &[SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_DCCP, 10];

/// The bits of a socket's type that say its kind.
const KIND: u64 = 0xf;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters, in the order in which they are installed. The last one leaves room for no other.
pub(crate) fn programs() -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let arch = TargetArch::try_from(ARCH)?;
    let always = |calls: &[c_long]| -> Rules { calls.iter().map(|call| (*call, vec![])).collect() };
    let mut allowed = always(
        &[
            FILES,
            MARKS,
            ATTRIBUTES,
            EVENTS,
            MEMORY,
            PROCESSES,
            IDENTITY,
            SIGNALS,
            TIME,
            SOCKETS,
            QUEUES,
            SYSTEM,
            ARCHITECTURE,
            DONE_WITHOUT,
            LEFT_OUT,
        ]
        .concat(),
    );
    allowed.extend(conditional()?);

    let refused = |error: c_int| SeccompAction::Errno(error as u32);
    let pass = SeccompAction::Allow;
    let without = SeccompFilter::new(always(DONE_WITHOUT), pass.clone(), refused(ENOSYS), arch)?;
    let left_out = SeccompFilter::new(always(LEFT_OUT), pass.clone(), refused(0), arch)?;
    let list = SeccompFilter::new(allowed, refused(EPERM), pass, arch)?;
    [without, left_out, list].into_iter().map(|filter| Ok(filter.try_into()?)).collect()
}

/// The filter before those of [`programs`] where a sandbox has neither network nor processes of its own:
/// what Landlock does not know of the host's.
pub(crate) fn reach(reach: Reach) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    use SeccompCmpOp::{MaskedEq, Ne};
    let arch = TargetArch::try_from(ARCH)?;
    let is = |argument, operation, value: i64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value as u64)
    };
    let kinds = |kinds: &[c_int]| {
        let kind = |kind: &c_int| is(1, MaskedEq(KIND), i64::from(*kind));
        let rules = kinds.iter().map(|other| SeccompRule::new(vec![kind(other)?]));
        rules.collect::<Result<Vec<_>, _>>()
    };
    let every = |calls: &[c_long]| -> Rules { calls.iter().map(|call| (*call, vec![])).collect() };
    // There is one of each queue for the whole host, and what is left in it stays.
    let mut refused = every(&[QUEUES, &[SYS_shmget], ATTRIBUTES].concat());
    // Pairs of datagrams, which raw ones are as well, still send to whom a message names.
    refused.insert(SYS_socketpair, kinds(DATAGRAMS)?);
    // Others of the same user are no concern of it: Landlock keeps it from signals and traces alone.
    for (call, process) in OF_A_PROCESS {
        refused.insert(*call, vec![SeccompRule::new(vec![is(*process, Ne, 0)?])?]);
    }
    // There zero may be the user, or a group.
    for (call, itself) in [(SYS_setpriority, 0), (SYS_ioprio_set, 1)] {
        refused.entry(call).or_default().push(SeccompRule::new(vec![is(0, Ne, itself)?])?);
    }
    // Sockets in files and abstract ones lead to whoever listens on the host: its services.
    let others = vec![is(0, Ne, i64::from(AF_INET))?, is(0, Ne, i64::from(AF_INET6))?];
    let mut sockets = vec![SeccompRule::new(others)?];
    match reach {
        Reach::Nobody => {
            let none = [SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4];
            refused.extend(every(&none));
        }
        Reach::Ports => {
            sockets.extend(kinds(DATAGRAMS)?);
            sockets.extend(kinds(&[SOCK_SEQPACKET])?);
            refused.insert(SYS_socket, sockets);
            refused.extend(every(&[SYS_bind, SYS_listen]));
            // Data that connects by itself asks nobody.
            for (call, flags) in [(SYS_sendto, 3), (SYS_sendmsg, 2), (SYS_sendmmsg, 3)] {
                let fast = is(flags, MaskedEq(MSG_FASTOPEN as u64), i64::from(MSG_FASTOPEN))?;
                refused.insert(call, vec![SeccompRule::new(vec![fast])?]);
            }
        }
        Reach::Host => {
            refused.insert(SYS_socket, sockets);
        }
    }
    let filter = |rules: Rules, error: c_int| -> Result<BpfProgram, seccompiler::Error> {
        let action = SeccompAction::Errno(error as u32);
        Ok(SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()?)
    };
    // To programs these succeed, which many a copy of a file relies on.
    Ok(vec![filter(refused, EACCES)?, filter(every(MARKS), 0)?])
}

/// Calls that are allowed with some arguments.
fn conditional() -> Result<Rules, seccompiler::Error> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let is = |argument, operation, value: i64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value as u64)
    };
    let when = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions);
    let without = |argument, flags: c_int| is(argument, MaskedEq(flags as u64), 0);

    let mut sockets = Vec::new();
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let family = is(0, Eq, i64::from(*family))?;
            sockets.push(when(vec![family, is(2, Eq, i64::from(*protocol))?])?);
        }
    }
    let not_of_sockets = is(1, Ne, i64::from(SOL_SOCKET))?;
    let no_filter = vec![
        is(2, Ne, i64::from(SO_ATTACH_FILTER))?,
        is(2, Ne, i64::from(SO_ATTACH_REUSEPORT_CBPF))?,
    ];
    Ok(Rules::from([
        (SYS_socket, sockets.clone()),
        (SYS_socketpair, sockets),
        (SYS_clone, vec![when(vec![without(0, NAMESPACES)?])?]),
        // A terminal's input could be faked for whoever reads it next.
        (SYS_ioctl, vec![when(vec![is(1, Ne, TIOCSTI as i64)?])?]),
        // Leases make others wait who open the file, and notices tell what they do with it.
        (
            SYS_fcntl,
            vec![when(vec![is(1, Ne, i64::from(F_SETLEASE))?, is(1, Ne, i64::from(F_NOTIFY))?])?],
        ),
        // Huge pages do not count as the sandbox's memory.
        (SYS_mmap, vec![when(vec![without(3, MAP_HUGETLB)?])?]),
        (SYS_memfd_create, vec![when(vec![without(1, MFD_HUGETLB as c_int)?])?]),
        (SYS_shmget, vec![when(vec![without(2, SHM_HUGETLB)?])?]),
        // Filters are compiled into memory that the whole host shares.
        (SYS_prctl, vec![when(vec![is(0, Ne, i64::from(PR_SET_SECCOMP))?])?]),
        (SYS_setsockopt, vec![when(vec![not_of_sockets])?, when(no_filter)?]),
        // A limit of zero lets the host's own program have the dump of a crash, and one does not.
        (SYS_setrlimit, vec![when(vec![is(0, Ne, i64::from(RLIMIT_CORE))?])?]),
        (
            SYS_prlimit64,
            vec![
                when(vec![is(1, Ne, i64::from(RLIMIT_CORE))?])?,
                when(vec![SeccompCondition::new(2, SeccompCmpArgLen::Qword, Eq, 0)?])?,
            ],
        ),
    ]))
}
