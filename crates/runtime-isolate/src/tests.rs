//! Slots and images: what one invocation writes, the next must not see.
#![allow(unsafe_code, reason = "makes the kernel swap pages out, to see that they are found")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mayfly_artifact::read_checked;
use mayfly_types::{ByteSize, HandlerStyle};
use tempfile::TempDir;

use crate::ResetScheme;
use crate::child;
use crate::engine::Engine;
use crate::image::{Delta, Image};
use crate::prepare::Job;
use crate::slot::{Entry, Slot, Status};
use crate::wire::Writer;
use mayfly_guest_memory::PAGE;

const SCHEMES: [ResetScheme; 2] = [ResetScheme::PagemapScan, ResetScheme::Pagemap];

/// One compiled engine for all tests of the process: compiling takes seconds.
fn cache() -> &'static Path {
    static CACHE: std::sync::OnceLock<TempDir> = std::sync::OnceLock::new();
    CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

fn job(directory: &Path, source: &str) -> Job {
    std::fs::write(directory.join("index.js"), source).unwrap();
    Job {
        engine: cache().to_owned(),
        root: directory.to_owned(),
        entry: "index.js".into(),
        export: String::new(),
        env: Default::default(),
        memory: ByteSize::mb(128),
        image: directory.join("test.image"),
    }
}

fn image(engine: &Engine, source: &str) -> Arc<Image> {
    let directory = tempfile::tempdir().unwrap();
    let job = job(directory.path(), source);
    child::prepare(&job).unwrap();
    let bytes = read_checked(&job.image).unwrap();
    Arc::new(Image::new(engine.base(), Delta::decode(engine.base(), &bytes).unwrap()).unwrap())
}

fn request() -> Vec<u8> {
    let mut message = Writer::default();
    message.u32(1).u32(2).u32(3).u32(4).u32(0);
    message.str("GET").str("http://test.localhost/").bytes(&[]).u8(0);
    message.0
}

fn run(engine: &Arc<Engine>, slot: &mut Slot) -> (Status, String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    slot.arm(128 << 20, Some(deadline), Duration::from_millis(20));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let status = {
        let _running = engine.running();
        runtime.block_on(slot.send(Entry::Begin, &request())).unwrap()
    };
    let mut output = slot.store.data().output();
    let body = output.chunks.pop_front().unwrap_or_default();
    let fault = output.fault.take().map(|fault| fault.to_string());
    (status, fault.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()))
}

const COUNTER: &str = "
    let count = 0;
    const kept = [];
    export default { fetch() {
        count += 1;
        for (let i = 0; i < 2000; i += 1) kept.push('secret ' + i);
        globalThis.poison = (globalThis.poison ?? 0) + 1;
        return new Response(`${count} ${kept.length} ${globalThis.poison}`);
    } };
";

#[test]
fn every_invocation_starts_from_the_image_under_both_schemes() {
    for scheme in SCHEMES {
        let engine = Engine::open(cache(), Some(scheme)).unwrap();
        let image = image(&engine, COUNTER);
        let mut slot = engine.slot().unwrap();
        slot.show(&engine, &image).unwrap();
        let (fresh, _) = slot.snapshot();
        for _ in 0..20 {
            assert_eq!(run(&engine, &mut slot), (Status::Done, "1 2000 1".into()), "{scheme:?}");
            slot.reset(&engine).unwrap();
            let (after, _) = slot.snapshot();
            assert!(after == fresh, "{scheme:?}: memory differs from the image after a reset");
        }
    }
}

#[test]
fn once_an_invocation_writes_nothing_new_no_search_is_needed() {
    let engine = Engine::open(cache(), None).unwrap();
    let source = "let n = 0; export default { fetch() { n += 1; return new Response(`${n}`); } };";
    let image = image(&engine, source);
    let mut slot = engine.slot().unwrap();
    slot.show(&engine, &image).unwrap();
    let (fresh, _) = slot.snapshot();
    let mut searched = Vec::new();
    for _ in 0..20 {
        assert_eq!(run(&engine, &mut slot), (Status::Done, "1".into()));
        searched.push(slot.must_search());
        slot.reset(&engine).unwrap();
        assert!(slot.snapshot().0 == fresh);
    }
    assert!(searched[0], "the first invocation writes pages that nobody knows yet");
    assert!(searched.iter().filter(|searched| !**searched).count() >= 10, "{searched:?}");
}

#[test]
fn a_slot_that_shows_another_function_holds_nothing_of_the_first() {
    let engine = Engine::open(cache(), None).unwrap();
    let first = image(&engine, COUNTER);
    let second = image(&engine, "export default { fetch() { return new Response('second'); } };");
    let mut slot = engine.slot().unwrap();
    slot.show(&engine, &second).unwrap();
    let (fresh, _) = slot.snapshot();
    for _ in 0..5 {
        slot.show(&engine, &first).unwrap();
        assert_eq!(run(&engine, &mut slot).1, "1 2000 1");
        slot.reset(&engine).unwrap();
        slot.show(&engine, &second).unwrap();
        assert!(slot.snapshot().0 == fresh, "memory differs from the second image");
        assert_eq!(run(&engine, &mut slot).1, "second");
        slot.reset(&engine).unwrap();
    }
}

#[test]
fn memory_that_an_invocation_took_is_out_of_reach_for_the_next() {
    // This also holds wasmtime to what `Slot::settle_size` relies on: growing by nothing makes it
    // read the memory's size anew.
    let engine = Engine::open(cache(), None).unwrap();
    let image = image(
        &engine,
        "export default { fetch() {
            const all = [];
            for (let i = 0; i < 40; i += 1) all.push(new Uint8Array(1 << 20).fill(7));
            return new Response(String(all.length));
        } };",
    );
    let mut slot = engine.slot().unwrap();
    slot.show(&engine, &image).unwrap();
    let (fresh, _) = slot.snapshot();
    for _ in 0..3 {
        assert_eq!(run(&engine, &mut slot).1, "40");
        let (used, _) = slot.snapshot();
        assert!(used.len() > fresh.len() + (30 << 20), "the guest did not grow");
        slot.reset(&engine).unwrap();
        assert!(slot.snapshot().0 == fresh, "memory differs from the image after a reset");
    }
}

#[test]
fn written_pages_are_found_when_they_are_swapped_out() {
    let Some(_swap) = swap::Swap::on() else {
        eprintln!("NOT SHOWN: this host gives no swap (root and a file system for it are needed)");
        return;
    };
    for scheme in SCHEMES {
        let engine = Engine::open(cache(), Some(scheme)).unwrap();
        let image = image(&engine, COUNTER);
        let mut slot = engine.slot().unwrap();
        slot.show(&engine, &image).unwrap();
        let (fresh, _) = slot.snapshot();
        assert_eq!(run(&engine, &mut slot).1, "1 2000 1");
        let (start, len) = slot.range();
        let swapped = swap::out(start, len);
        assert!(swapped > 0, "the kernel swapped nothing out");
        slot.reset(&engine).unwrap();
        assert!(slot.snapshot().0 == fresh, "{scheme:?}: a swapped page survived the reset");
    }
}

#[test]
fn a_damaged_or_foreign_image_is_not_taken() {
    let engine = Engine::open(cache(), None).unwrap();
    let (mut memory, pointer) = {
        let mut slot = engine.slot().unwrap();
        slot.show(&engine, engine.base_image()).unwrap();
        slot.snapshot()
    };
    memory[3 * PAGE] ^= 1;
    let good = Delta::new(engine.base(), &memory, pointer, HandlerStyle::Event).encode().unwrap();
    let image = Image::new(engine.base(), Delta::decode(engine.base(), &good).unwrap()).unwrap();
    assert_eq!(image.style(), HandlerStyle::Event);
    assert_eq!(image.page(engine.base(), 3).unwrap()[0], memory[3 * PAGE]);
    for end in [0, 7, 20, good.len() / 2, good.len() - 1] {
        assert!(Delta::decode(engine.base(), &good[..end]).is_none(), "cut at {end}");
    }
    let mut foreign = good.clone();
    foreign[10] ^= 1;
    assert!(Delta::decode(engine.base(), &foreign).is_none());
}

#[test]
fn a_cache_file_that_others_can_write_or_that_changed_is_ignored() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    crate::engine::write_checked(&path, b"content").unwrap();
    assert_eq!(read_checked(&path).unwrap(), b"content");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o620)).unwrap();
    assert_eq!(read_checked(&path), None);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(read_checked(&path), None);
}

/// A swap file of the test's own.
mod swap {
    use std::ffi::CString;
    use std::io::Write;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    use mayfly_guest_memory::PAGE;

    pub(super) struct Swap {
        path: CString,
        _directory: tempfile::TempDir,
    }

    impl Swap {
        pub(super) fn on() -> Option<Self> {
            const PAGES: u32 = 16 * 1024;
            let directory = tempfile::tempdir().ok()?;
            let file = directory.path().join("swap");
            let mut out = std::fs::File::create(&file).ok()?;
            out.set_permissions(PermissionsExt::from_mode(0o600)).ok()?;
            // `union swap_header` of linux/swap.h: version, last page, bad pages; magic at the end.
            let mut header = vec![0u8; PAGE];
            header[1024..1028].copy_from_slice(&1u32.to_le_bytes());
            header[1028..1032].copy_from_slice(&(PAGES - 1).to_le_bytes());
            header[PAGE - 10..].copy_from_slice(b"SWAPSPACE2");
            out.write_all(&header).ok()?;
            for _ in 1..PAGES {
                out.write_all(&[0; PAGE]).ok()?;
            }
            out.sync_all().ok()?;
            let path = CString::new(file.as_os_str().as_bytes()).ok()?;
            // SAFETY: a path that ends in NUL; the kernel checks the rest.
            let on = unsafe { libc::swapon(path.as_ptr(), 0) } == 0;
            on.then_some(Self { path, _directory: directory })
        }
    }

    impl Drop for Swap {
        fn drop(&mut self) {
            // SAFETY: as above.
            let off = unsafe { libc::swapoff(self.path.as_ptr()) };
            assert_eq!(off, 0, "swapoff failed");
        }
    }

    /// Makes the kernel swap a range out; tells how many of its pages are in swap then.
    pub(super) fn out(start: usize, len: usize) -> usize {
        // SAFETY: only asks the kernel to write the range to swap; its content stays.
        let asked = unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(start), len, libc::MADV_PAGEOUT)
        };
        assert_eq!(asked, 0, "MADV_PAGEOUT failed");
        use std::os::unix::fs::FileExt;
        let pagemap = std::fs::File::open("/proc/self/pagemap").unwrap();
        let mut entries = vec![0u8; len / PAGE * 8];
        pagemap.read_exact_at(&mut entries, (start / PAGE * 8) as u64).unwrap();
        let swapped = |entry: &[u8]| entry[7] & 0x40 != 0;
        entries.chunks_exact(8).filter(|entry| swapped(entry)).count()
    }
}
