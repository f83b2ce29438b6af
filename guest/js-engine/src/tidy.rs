//! Putting the heap in order before an image is taken of it.
//!
//! An invocation writes where it allocates, and each page it writes is copied back after it. Free
//! pieces lie scattered among what lives, so allocations would touch a page each. Here every free
//! piece is taken, zeroed and never given back, and the one free block that remains lies whole at
//! the heap's end: invocations allocate there, side by side. A zeroed page beyond the base costs an
//! image nothing.

use std::alloc::{Layout, alloc, dealloc};

/// What the allocator rounds sizes to.
const GRAIN: usize = 16;
/// Free heap that an image leaves to its invocations; without it each would grow memory anew.
const HEADROOM: usize = 512 * 1024;
/// Most that a block and its header lie apart.
const HEADER: usize = 16;

fn layout(size: usize) -> Layout {
    unsafe { Layout::from_size_align_unchecked(size, 8) }
}

fn take(size: usize) -> usize {
    unsafe { alloc(layout(size)) as usize }
}

fn give_back(at: usize, size: usize) {
    unsafe { dealloc(at as *mut u8, layout(size)) }
}

fn erase(at: usize, size: usize) {
    unsafe { std::ptr::write_bytes(at as *mut u8, 0, size) }
}

pub fn tidy() {
    let (top, largest) = find_top();
    let mut size = largest;
    while size >= GRAIN {
        loop {
            let at = take(size);
            if at == 0 {
                break;
            }
            if at >= top {
                give_back(at, size);
                break;
            }
            erase(at, size);
        }
        // Coarse steps for large pieces: what is left of one is taken by a smaller step.
        size -= (size / 8).next_multiple_of(GRAIN).max(GRAIN);
    }
    let room = take(HEADROOM);
    if room != 0 {
        give_back(room, HEADROOM);
    }
}

/// Where the free block at the heap's end begins, and a size that no other free piece has.
fn find_top() -> (usize, usize) {
    let mut held = [(0, 0); 16];
    let mut count = 0;
    let mut size = 64 * 1024;
    loop {
        let before = core::arch::wasm32::memory_size(0);
        let at = take(size);
        let grew = core::arch::wasm32::memory_size(0) != before;
        held[count] = (at, size);
        count += 1;
        if at == 0 || grew || count == held.len() {
            break;
        }
        size *= 2;
    }
    // The last one lies at the end. Those that were taken from there before it touch it.
    let mut top = held[count - 1].0;
    for &(at, size) in held[..count].iter().rev() {
        let touches = at == top || (at < top && top - (at + size) <= HEADER);
        if touches {
            top = at;
            give_back(at, size);
        } else {
            erase(at, size);
        }
    }
    (top, size)
}
