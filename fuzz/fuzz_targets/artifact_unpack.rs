//! Any bytes, as an artifact or as the archive inside one: what is unpacked is what was verified,
//! and nothing is written beside it.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use mayfly_artifact::{Limits, unpack, verify};
use mayfly_types::ByteSize;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let compressed;
    let artifact = if first & 1 == 0 {
        rest
    } else {
        compressed = zstd::encode_all(rest, 1).expect("memory is enough");
        &compressed
    };
    let limits = Limits { unpacked: ByteSize::mb(4), entries: 200, ..Limits::default() };

    let directory = tempfile::tempdir().expect("a temporary directory");
    let inner = directory.path().join("inner");
    fs::create_dir(&inner).expect("a directory");
    let target = inner.join("target");
    let verified = verify(artifact, &limits);
    let unpacked = unpack(artifact, &target, &limits);
    match (&verified, &unpacked) {
        (Ok(verified), Ok(unpacked)) => {
            assert_eq!(verified, unpacked);
            let root = target.canonicalize().expect("the target is there");
            for entry in verified.entries() {
                if let Ok(real) = root.join(&entry.path).canonicalize() {
                    assert!(real.starts_with(&root), "{} is outside", entry.path);
                }
            }
            fs::remove_dir_all(&target).expect("the target can be removed");
        }
        (Err(_), Err(_)) => {}
        _ => panic!("{verified:?} but {unpacked:?}"),
    }
    for beside in [&inner, directory.path()] {
        let left = fs::read_dir(beside).expect("a directory").count();
        assert_eq!(left, usize::from(beside != &inner), "something is left in {beside:?}");
    }
});
