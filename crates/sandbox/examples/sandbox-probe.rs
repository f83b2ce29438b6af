//! What the tests of this crate run inside and outside of sandboxes: the spawner, and attempts at what
//! a sandbox denies. An attempt prints `denied: WHY`, or `allowed` and what it got.
#![allow(unsafe_code, reason = "attempts what the kernel should deny")]
#![allow(clippy::print_stdout, reason = "its output is what the tests read")]

use std::ffi::CString;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use mayfly_sandbox::{Bind, Limits, Network, Spawner, SpawnerOptions, Spec, Starter};

fn main() -> ExitCode {
    let mut all = std::env::args_os().skip(1);
    if std::env::args().nth(1).as_deref() == Some("spawner") {
        return mayfly_sandbox::spawner_main(all.by_ref().skip(1));
    }
    let arguments: Vec<String> = all.map(|argument| argument.to_string_lossy().into()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["node", name] => node(name),
        ["time", count] => time(count.parse().unwrap_or(1)),
        ["try", ref rest @ ..] => match attempt(rest) {
            Ok(got) => println!("allowed {got}"),
            Err(error) => println!("denied: {error}"),
        },
        ["say", words] => println!("{words}"),
        ["exit", code] => return ExitCode::from(code.parse::<u8>().unwrap_or(99)),
        ["abort"] => std::process::abort(),
        ["orphan"] => orphan(),
        ["wait", ..] => loop {
            std::thread::park();
        },
        ["shell"] => {
            let mut line = String::new();
            while io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
                match attempt(&line.split_whitespace().collect::<Vec<_>>()) {
                    Ok(got) => println!("allowed {got}"),
                    Err(error) => println!("denied: {error}"),
                }
                line.clear();
            }
        }
        ["echo"] => {
            let mut line = String::new();
            while io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
                print!("{line}");
                let _ = io::stdout().flush();
                line.clear();
            }
        }
        ["spin", threads] => {
            for _ in 1..threads.parse().unwrap_or(1) {
                std::thread::spawn(|| {
                    loop {
                        std::hint::spin_loop();
                    }
                });
            }
            loop {
                std::hint::spin_loop();
            }
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// A node that holds a sandbox until it is killed.
fn node(name: &str) {
    let body = async {
        let me = std::env::current_exe()?;
        let command = vec![me.clone().into(), "spawner".into()];
        let options =
            SpawnerOptions { starter: Starter::here(command), name: name.into(), reduced: None };
        let spawner = Spawner::start(options).await.map_err(io::Error::other)?;
        let spec = Spec {
            program: "/var/task/probe".into(),
            arguments: vec!["wait".into(), name.into()],
            environment: Vec::new(),
            directory: "/".into(),
            binds: vec![Bind { source: me, target: "/var/task/probe".into() }],
            limits: Limits { memory: 64 << 20, cpu: 1.0, pids: 16, files: 64, tmp: 1 << 20 },
            descriptors: Vec::new(),
            listen: Vec::new(),
            network: Network::Loopback,
            places: Vec::new(),
        };
        let _sandbox = spawner.spawn(&spec, &[]).await.map_err(io::Error::other)?;
        println!("running");
        std::future::pending::<io::Result<()>>().await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Err(error) = runtime.and_then(|runtime| runtime.block_on(body)) {
        println!("failed: {error}");
    }
}

/// Prints how long each of so many sandboxes takes, from its order to its end, in milliseconds.
fn time(count: usize) {
    let body = async {
        let me = std::env::current_exe()?;
        let name = format!("mayfly-time-{}", std::process::id());
        let command = vec![me.into(), "spawner".into()];
        let options = SpawnerOptions { starter: Starter::here(command), name, reduced: None };
        let spawner = Spawner::start(options).await.map_err(io::Error::other)?;
        let spec = Spec {
            program: "/usr/bin/true".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: "/".into(),
            binds: Vec::new(),
            places: Vec::new(),
            limits: Limits { memory: 64 << 20, cpu: 1.0, pids: 16, files: 64, tmp: 1 << 20 },
            descriptors: Vec::new(),
            listen: Vec::new(),
            network: Network::Loopback,
        };
        for _ in 0..count {
            let began = std::time::Instant::now();
            let sandbox = spawner.spawn(&spec, &[]).await.map_err(io::Error::other)?;
            sandbox.ended().await;
            println!("{}", began.elapsed().as_secs_f64() * 1e3);
        }
        io::Result::Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Err(error) = runtime.and_then(|runtime| runtime.block_on(body)) {
        println!("failed: {error}");
    }
}

/// Leaves a grandchild behind that outlives the program.
fn orphan() {
    // SAFETY: this process has one thread.
    if unsafe { libc::fork() } == 0 {
        // SAFETY: as above.
        if unsafe { libc::fork() } == 0 {
            loop {
                std::thread::park();
            }
        }
        std::process::exit(0);
    }
    println!("left one behind");
}

fn checked(result: libc::c_long) -> io::Result<String> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result.to_string()) }
}

fn call(number: libc::c_long, arguments: [usize; 5]) -> io::Result<String> {
    let [a, b, c, d, e] = arguments;
    // SAFETY: what should be denied; where it is not, pointers are null and the process ends soon.
    checked(unsafe { libc::syscall(number, a, b, c, d, e) })
}

fn attempt(what: &[&str]) -> io::Result<String> {
    let string = |text: &str| CString::new(text).unwrap_or_default();
    match *what {
        ["read", path] => std::fs::read_to_string(path),
        ["list", path] => {
            let mut names: Vec<String> = std::fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<_>>()?;
            names.sort();
            Ok(names.join(" "))
        }
        ["deep", path, depth] => {
            let mut here = std::path::PathBuf::from(path);
            std::fs::create_dir(&here)?;
            std::env::set_current_dir(&here)?;
            for _ in 0..depth.parse().unwrap_or(0) {
                here = "d".into();
                std::fs::create_dir(&here)?;
                std::env::set_current_dir(&here)?;
            }
            std::env::set_current_dir("/").map(|()| String::new())
        }
        ["link", path, to] => std::os::unix::fs::symlink(to, path).map(|()| String::new()),
        ["daemon"] => {
            // SAFETY: this process has one thread, and what it forks only waits.
            unsafe {
                if libc::fork() == 0 {
                    libc::setsid();
                    if libc::fork() == 0 {
                        libc::signal(libc::SIGTERM, libc::SIG_IGN);
                        loop {
                            std::thread::park();
                        }
                    }
                    libc::_exit(0);
                }
                libc::wait(std::ptr::null_mut());
            }
            Ok(String::new())
        }
        ["processes"] => {
            let numbers = std::fs::read_dir("/proc")?.flatten();
            let numbers =
                numbers.filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok());
            Ok(numbers.count().to_string())
        }
        ["write", path] => std::fs::write(path, "x").map(|()| String::new()),
        ["fill", path, megabytes] => {
            let mut file = std::fs::File::create(path)?;
            for _ in 0..megabytes.parse().unwrap_or(0) {
                file.write_all(&[1; 1 << 20])?;
            }
            Ok(String::new())
        }
        ["eat", megabytes] => {
            let mut held = Vec::new();
            for _ in 0..megabytes.parse().unwrap_or(0) {
                held.push(vec![1u8; 1 << 20]);
            }
            Ok(held.len().to_string())
        }
        ["forks", most] => {
            let most: u32 = most.parse().unwrap_or(0);
            for number in 0..most {
                // SAFETY: this process has one thread.
                match unsafe { libc::fork() } {
                    0 => loop {
                        std::thread::park();
                    },
                    -1 => {
                        return Err(io::Error::other(format!(
                            "after {number}: {}",
                            io::Error::last_os_error()
                        )));
                    }
                    _ => {}
                }
            }
            Ok(most.to_string())
        }
        ["connect", address] => {
            let address = address.parse().map_err(io::Error::other)?;
            TcpStream::connect_timeout(&address, Duration::from_secs(2)).map(|_| String::new())
        }
        ["datagram", address] => {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.send_to(b"x", address).map(|sent| sent.to_string())
        }
        ["resolve", name] => {
            use std::net::ToSocketAddrs as _;
            name.to_socket_addrs().map(|addresses| format!("{:?}", addresses.collect::<Vec<_>>()))
        }
        ["abstract", name] => {
            use std::os::linux::net::SocketAddrExt as _;
            use std::os::unix::net::{SocketAddr, UnixStream};
            let address = SocketAddr::from_abstract_name(name)?;
            UnixStream::connect_addr(&address).map(|_| String::new())
        }
        ["socket", family, kind, protocol] => {
            let number = |text: &str| text.parse().unwrap_or(0);
            // SAFETY: no pointers.
            let socket = unsafe { libc::socket(number(family), number(kind), number(protocol)) };
            checked(socket.into())
        }
        ["signal", pid] => {
            // SAFETY: no pointers.
            checked(unsafe { libc::kill(pid.parse().unwrap_or(0), libc::SIGTERM) }.into())
        }
        ["trace", pid] => {
            let pid = pid.parse().unwrap_or(0);
            call(libc::SYS_ptrace, [libc::PTRACE_ATTACH as usize, pid, 0, 0, 0])
        }
        ["mount"] => {
            let (kind, at) = (string("tmpfs"), string("/tmp"));
            let (kind, at) = (kind.as_ptr().expose_provenance(), at.as_ptr().expose_provenance());
            call(libc::SYS_mount, [kind, at, kind, 0, 0])
        }
        ["unmount", at] => {
            let at = string(at);
            call(libc::SYS_umount2, [at.as_ptr().expose_provenance(), 0, 0, 0, 0])
        }
        ["chroot"] => {
            let at = string("/tmp");
            call(libc::SYS_chroot, [at.as_ptr().expose_provenance(), 0, 0, 0, 0])
        }
        ["unshare", flags] => call(libc::SYS_unshare, [flags.parse().unwrap_or(0), 0, 0, 0, 0]),
        ["clone", flags] => {
            let flags: usize = flags.parse().unwrap_or(0);
            let pid = call(libc::SYS_clone, [flags | libc::SIGCHLD as usize, 0, 0, 0, 0])?;
            if pid == "0" {
                std::process::exit(0);
            }
            Ok(pid)
        }
        ["clone3"] => call(libc::SYS_clone3, [0; 5]),
        ["setns"] => call(libc::SYS_setns, [0; 5]),
        ["aio"] => call(libc::SYS_io_setup, [8, 0, 0, 0, 0]),
        ["inotify"] => call(libc::SYS_inotify_init1, [0; 5]),
        ["fanotify"] => call(libc::SYS_fanotify_init, [0; 5]),
        ["sync"] => call(libc::SYS_sync, [0; 5]),
        ["huge-map"] => {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB;
            call(libc::SYS_mmap, [0, 2 << 20, libc::PROT_READ as usize, flags as usize, usize::MAX])
        }
        ["huge-file"] => {
            let name = string("x");
            let name = name.as_ptr().expose_provenance();
            call(libc::SYS_memfd_create, [name, libc::MFD_HUGETLB as usize, 0, 0, 0])
        }
        ["huge-shm"] => call(libc::SYS_shmget, [0, 2 << 20, libc::SHM_HUGETLB as usize, 0, 0]),
        ["filter"] => call(libc::SYS_seccomp, [1, 0, 0, 0, 0]),
        ["filter-by-prctl"] => call(libc::SYS_prctl, [libc::PR_SET_SECCOMP as usize, 2, 0, 0, 0]),
        ["lease", path] => {
            let file = std::fs::File::open(path)?;
            let file = std::os::fd::AsRawFd::as_raw_fd(&file) as usize;
            let lease = [file, libc::F_SETLEASE as usize, libc::F_RDLCK as usize, 0, 0];
            call(libc::SYS_fcntl, lease)
        }
        ["socket-filter"] => {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            let socket = std::os::fd::AsRawFd::as_raw_fd(&socket) as usize;
            let (level, option) = (libc::SOL_SOCKET as usize, libc::SO_ATTACH_FILTER as usize);
            call(libc::SYS_setsockopt, [socket, level, option, 0, 0])
        }
        ["timers", most] => {
            for number in 0..most.parse().unwrap_or(0) {
                let mut timer = std::mem::MaybeUninit::<libc::timer_t>::zeroed();
                let made = call(
                    libc::SYS_timer_create,
                    [0, 0, timer.as_mut_ptr().expose_provenance(), 0, 0],
                );
                made.map_err(|error| io::Error::other(format!("after {number}: {error}")))?;
            }
            Ok(String::new())
        }
        ["files", directory, most] => {
            for number in 0..most.parse().unwrap_or(0) {
                let made = std::fs::File::create(format!("{directory}/{number}"));
                made.map_err(|error| io::Error::other(format!("after {number}: {error}")))?;
            }
            Ok(String::new())
        }
        ["keyctl"] => call(libc::SYS_keyctl, [0; 5]),
        ["add_key"] => call(libc::SYS_add_key, [0; 5]),
        ["bpf"] => call(libc::SYS_bpf, [0; 5]),
        ["perf"] => call(libc::SYS_perf_event_open, [0; 5]),
        ["userfaultfd"] => call(libc::SYS_userfaultfd, [0; 5]),
        ["io_uring"] => call(libc::SYS_io_uring_setup, [8, 0, 0, 0, 0]),
        ["process_vm_readv"] => call(libc::SYS_process_vm_readv, [1, 0, 0, 0, 0]),
        ["pidfd_getfd"] => call(libc::SYS_pidfd_getfd, [0; 5]),
        ["kexec"] => call(libc::SYS_kexec_load, [0; 5]),
        ["module"] => call(libc::SYS_init_module, [0; 5]),
        ["reboot"] => call(libc::SYS_reboot, [0; 5]),
        ["swapoff"] => call(libc::SYS_swapoff, [0; 5]),
        ["settime"] => call(libc::SYS_clock_settime, [0; 5]),
        ["handle"] => call(libc::SYS_open_by_handle_at, [0; 5]),
        ["personality"] => call(libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0]),
        ["sethostname"] => {
            call(libc::SYS_sethostname, [string("x").as_ptr().expose_provenance(), 1, 0, 0, 0])
        }
        ["device"] => {
            let path = string("/tmp/device");
            let device = libc::makedev(8, 0) as usize;
            call(
                libc::SYS_mknodat,
                [
                    libc::AT_FDCWD as usize,
                    path.as_ptr().expose_provenance(),
                    (libc::S_IFBLK | 0o666) as usize,
                    device,
                    0,
                ],
            )
        }
        ["setuid-file"] => {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::write("/tmp/setuid", "x")?;
            std::fs::set_permissions("/tmp/setuid", std::fs::Permissions::from_mode(0o4755))?;
            // SAFETY: no pointers.
            checked(unsafe { libc::setuid(0) }.into())
        }
        ["capabilities"] => {
            let status = std::fs::read_to_string("/proc/self/status")?;
            let kept = |line: &&str| {
                line.starts_with("Cap")
                    || line.starts_with("NoNewPrivs")
                    || line.starts_with("Seccomp:")
            };
            Ok(status
                .lines()
                .filter(kept)
                .map(|line| line.replace('\t', " "))
                .collect::<Vec<_>>()
                .join(";"))
        }
        ["descriptors"] => {
            let mut open = Vec::new();
            for number in 0..1024 {
                // SAFETY: no pointers.
                if unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0 {
                    open.push(number.to_string());
                }
            }
            Ok(open.join(" "))
        }
        ["identity"] => {
            // SAFETY: no pointers.
            let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
            let mut host = String::new();
            std::fs::File::open("/proc/sys/kernel/hostname")?.read_to_string(&mut host)?;
            Ok(format!("{user} {group} {} {}", std::process::id(), host.trim()))
        }
        _ => Err(io::Error::other("no such attempt")),
    }
}
