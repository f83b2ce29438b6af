//! System calls that no library wraps.
#![allow(unsafe_code, reason = "raw system calls, each with its invariant")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

/// Of linux/sched.h; the C library's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Which side of a fork this is.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The one that forked, with the new one.
    Parent(Pid, OwnedFd),
}

/// Where a process is born.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Birth {
    /// In namespaces of its own, where it has all capabilities and no identity until its maps are
    /// written.
    Apart,
    /// Where its parent is.
    Here,
}

/// Forks, into new namespaces if so wanted, and with cgroups v2 into a cgroup.
///
/// # Safety
/// The process has one thread: then the child may do whatever its parent could.
pub(crate) unsafe fn clone(birth: Birth, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    const NAMESPACES: i32 = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let mut pidfd: RawFd = -1;
    // SAFETY: zero is a valid value of every field.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    let namespaces = if birth == Birth::Apart { NAMESPACES } else { 0 };
    arguments.flags = (namespaces | libc::CLONE_PIDFD) as u32 as u64;
    arguments.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    let size = size_of::<libc::clone_args>();
    // SAFETY: the struct and its size belong together, and without CLONE_VM the child has a copy
    // of this memory; the caller promises that no other thread is lost in it.
    let pid = checked(unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) })?;
    match Pid::from_raw(pid as i32) {
        None => Ok(Forked::Child),
        // SAFETY: the kernel made this descriptor for the parent, which owns it.
        Some(pid) => Ok(Forked::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// Forks. `None` in the child.
///
/// # Safety
/// The process has one thread.
pub(crate) unsafe fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the caller promises that there is one thread.
    let pid = checked(unsafe { libc::fork() }.into())?;
    Ok(Pid::from_raw(pid as i32))
}

/// The version of Landlock's interface here, from 1; `None` where there is no Landlock.
pub(crate) fn landlock_version() -> Option<u32> {
    const VERSION: u32 = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the call reads nothing and makes nothing.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Attributes of mounts, of linux/mount.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MountAttributes(u64);

impl MountAttributes {
    pub(crate) const READ_ONLY: Self = Self(libc::MOUNT_ATTR_RDONLY);
    pub(crate) const NO_SETUID: Self = Self(libc::MOUNT_ATTR_NOSUID);
    pub(crate) const NO_DEVICES: Self = Self(libc::MOUNT_ATTR_NODEV);
    pub(crate) const NO_PROGRAMS: Self = Self(libc::MOUNT_ATTR_NOEXEC);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Adds attributes to a mount, and to those below it if `recursive`.
pub(crate) fn restrict_mount(
    mount: impl AsFd,
    attributes: MountAttributes,
    recursive: bool,
) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: attributes.0,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let empty = c"";
    // SAFETY: a path that ends in zero, and a struct with its own size.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            empty.as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Marks all descriptors to be closed when the process executes another program.
pub(crate) fn close_at_execution() -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no descriptor is closed now.
    checked(unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, flags) })?;
    Ok(())
}

/// Gives descriptor `to` the meaning of `from`, for the program that is executed next.
pub(crate) fn place(from: BorrowedFd<'_>, to: RawFd) -> io::Result<()> {
    if from.as_raw_fd() == to {
        rustix::io::fcntl_setfd(from, rustix::io::FdFlags::empty())?;
        return Ok(());
    }
    // SAFETY: the process is about to execute another program; what `to` was is not used again.
    checked(unsafe { libc::dup2(from.as_raw_fd(), to) }.into())?;
    Ok(())
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn raise_loopback(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: zero is a valid value of every field.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo\0") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the struct that this ioctl takes.
    checked(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) }.into())?;
    Ok(())
}

/// Makes every IPv4 address one of this network namespace's own (rtnetlink(7)): a route of type
/// `local` for all of them.
pub(crate) fn own_every_address() -> io::Result<()> {
    /// Of linux/rtnetlink.h: the header of the message, the route, and one attribute.
    #[repr(C)]
    struct Message {
        header: libc::nlmsghdr,
        family: u8,
        destination_length: u8,
        source_length: u8,
        service: u8,
        table: u8,
        protocol: u8,
        scope: u8,
        kind: u8,
        flags: u32,
        attribute_length: u16,
        attribute: u16,
        interface: u32,
    }
    const LOOPBACK: u32 = 1;
    let message = Message {
        header: libc::nlmsghdr {
            nlmsg_len: size_of::<Message>() as u32,
            nlmsg_type: libc::RTM_NEWROUTE,
            nlmsg_flags: (libc::NLM_F_REQUEST | libc::NLM_F_CREATE | libc::NLM_F_ACK) as u16,
            nlmsg_seq: 1,
            nlmsg_pid: 0,
        },
        family: libc::AF_INET as u8,
        destination_length: 0,
        source_length: 0,
        service: 0,
        table: libc::RT_TABLE_LOCAL,
        protocol: libc::RTPROT_BOOT,
        scope: libc::RT_SCOPE_HOST,
        kind: libc::RTN_LOCAL,
        flags: 0,
        attribute_length: 8,
        attribute: libc::RTA_OIF,
        interface: LOOPBACK,
    };
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: makes a descriptor, which nobody else owns.
    let socket = unsafe {
        let socket = checked(libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE).into())?;
        OwnedFd::from_raw_fd(socket as RawFd)
    };
    // SAFETY: the struct has no padding, and lives for the call.
    let bytes = unsafe {
        std::slice::from_raw_parts((&raw const message).cast::<u8>(), size_of::<Message>())
    };
    rustix::net::send(&socket, bytes, rustix::net::SendFlags::empty())?;
    let mut answer = [0u8; 256];
    let (length, _) = rustix::net::recv(&socket, &mut answer, rustix::net::RecvFlags::empty())?;
    // The header has 16 bytes; then comes an error's number, zero for none.
    match answer[..length].get(16..20).and_then(|code| code.try_into().ok()) {
        Some(code) => match i32::from_ne_bytes(code) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(-error)),
        },
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Executes a program in the place of this process; returns only if that fails.
pub(crate) fn execute(
    program: &CString,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: strings that end in zero, in lists that end in null, alive for the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Resets what a program inherits of signals: none is blocked, each has its default.
pub(crate) fn reset_signals() {
    // SAFETY: valid signal sets and default dispositions; errors for the two unchangeable signals
    // and those that the C library keeps are of no matter.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// Closes every descriptor but those named.
pub(crate) fn close_all_but(mut keep: Vec<RawFd>) -> io::Result<()> {
    keep.sort_unstable();
    let mut first = 0u32;
    for kept in keep {
        let kept = kept as u32;
        if first < kept {
            // SAFETY: this process, a new fork, uses only those that it keeps.
            checked(unsafe { libc::syscall(libc::SYS_close_range, first, kept - 1, 0) })?;
        }
        first = kept + 1;
    }
    // SAFETY: as above.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    Ok(())
}
