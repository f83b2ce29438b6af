//! Memory, time and everything else that is bounded.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use wasip2::http::types::Fields;

use crate::Call;

pub fn spin_for_ever() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count + 1);
    }
}

#[allow(unconditional_recursion)]
pub fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth) + 1)) + 1
}

/// Takes so many megabytes and writes to each page.
pub fn grow(call: Call) {
    let megabytes = call.number("mb") as usize;
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for _ in 0..megabytes {
        taken.push(vec![1; 1 << 20]);
    }
    let sum: usize = taken.iter().map(|piece| black_box(piece).len()).sum();
    call.say(format!("took {}", sum >> 20));
}

static LEFT: [AtomicU64; 4096] = [const { AtomicU64::new(0) }; 4096];

/// Looks for what an earlier invocation left in its memory, and leaves something everywhere.
pub fn dirty(call: Call) {
    let clean = LEFT.iter().all(|word| word.swap(0x5ec7_e7, Ordering::Relaxed) == 0);
    let fresh = core::arch::wasm32::memory_grow::<0>(call.number("mb") as usize * 16);
    let pages = core::arch::wasm32::memory_size::<0>();
    let mut zero = fresh != usize::MAX;
    for address in (fresh << 16..pages << 16).step_by(1024) {
        let word = address as *mut u64;
        // Nothing else knows of this memory, which has just been added.
        unsafe {
            zero &= word.read_volatile() == 0;
            word.write_volatile(0x5ec7_e7);
        }
    }
    call.say(if clean && zero { "clean" } else { "dirty" });
}

/// Computes for so many milliseconds by the clock on the wall.
pub fn spin(call: Call) {
    let until = Duration::from_millis(call.number("ms"));
    let began = Instant::now();
    let mut count = 0_u64;
    while began.elapsed() < until {
        for _ in 0..10_000 {
            count = black_box(count + 1);
        }
    }
    call.say(format!("counted {count}"));
}

pub fn sleep(call: Call) {
    std::thread::sleep(Duration::from_millis(call.number("ms")));
    call.say("slept");
}

/// Keeps handles until it gets no more.
pub fn handles(call: Call) {
    let mut kept = Vec::new();
    for _ in 0..call.number("count") {
        kept.push(Fields::new());
    }
    call.say(format!("kept {}", kept.len()));
}

pub fn random(call: Call) {
    let bytes = wasip2::random::random::get_random_bytes(call.number("bytes"));
    let hex: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    call.say(format!("{} {hex}", bytes.len()));
}

pub fn log(call: Call) {
    println!("to standard output");
    eprintln!("to standard error");
    print!("in two ");
    println!("pieces");
    print!("without an end");
    let _ = std::io::stdout().flush();
    call.say("logged");
}

pub fn env(call: Call) {
    let mut all: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    all.sort();
    call.say(format!("{} args={}", all.join(" "), std::env::args().count()));
}

pub fn clock(call: Call) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    call.say(now.as_secs().to_string());
}

/// Tries what needs a network: no socket may be had, and no name be looked up.
pub fn connect(call: Call) {
    use wasip2::sockets::instance_network::instance_network;
    use wasip2::sockets::network::IpAddressFamily;
    use wasip2::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};
    let mut said = Vec::new();
    for family in [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6] {
        said.push(match tcp_create_socket::create_tcp_socket(family) {
            Ok(_) => "a TCP socket".to_owned(),
            Err(code) => format!("tcp {code:?}"),
        });
        said.push(match udp_create_socket::create_udp_socket(family) {
            Ok(_) => "an UDP socket".to_owned(),
            Err(code) => format!("udp {code:?}"),
        });
    }
    let network = instance_network();
    said.push(match ip_name_lookup::resolve_addresses(&network, "localhost") {
        Ok(_) => "a lookup".to_owned(),
        Err(code) => format!("lookup {code:?}"),
    });
    call.say(said.join(", "));
}
