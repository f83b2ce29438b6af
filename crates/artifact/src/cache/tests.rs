use std::sync::Barrier;
use std::thread;

use super::*;
use crate::testing::{Archive, tree};

fn artifact(content: &str) -> (Digest, Vec<u8>) {
    let bytes = Archive::default().file("dir/index.js", content.as_bytes()).finish();
    (Digest::of(&bytes), bytes)
}

fn unfinished(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .filter(|entry| {
            entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with(UNFINISHED)
        })
        .count()
}

#[test]
fn what_is_inserted_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path().join("new/cache")).unwrap();
    let (digest, bytes) = artifact("1");
    assert_eq!(cache.get(digest), None);
    let path = cache.insert(digest, &bytes[..]).unwrap();
    assert_eq!(cache.get(digest).as_deref(), Some(&*path));
    assert_eq!(fs::read_to_string(path.join("dir/index.js")).unwrap(), "1");

    // A second time it is not even read.
    assert_eq!(cache.insert(digest, &b"garbage"[..]).unwrap(), path);
    let again = Cache::open(directory.path().join("new/cache")).unwrap();
    assert_eq!(again.get(digest), Some(path));
}

#[test]
fn content_of_another_digest_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let (wanted, _) = artifact("1");
    let (other, bytes) = artifact("2");
    match cache.insert(wanted, &bytes[..]).unwrap_err() {
        ArtifactError::Digest { expected, found } => assert_eq!((expected, found), (wanted, other)),
        error => panic!("{error}"),
    }
    assert_eq!((cache.get(wanted), cache.get(other)), (None, None));
    assert_eq!(unfinished(directory.path()), 0);
}

#[test]
fn of_many_that_insert_the_same_all_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let (digest, bytes) = artifact("1");
    let barrier = Barrier::new(8);
    let paths: Vec<PathBuf> = thread::scope(|scope| {
        let insert = || {
            // Each opens the cache itself, as another process would.
            let cache = Cache::open(directory.path()).unwrap();
            barrier.wait();
            cache.insert(digest, &bytes[..]).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(insert)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|path| *path == paths[0]));
    assert_eq!(fs::read_to_string(paths[0].join("dir/index.js")).unwrap(), "1");
    assert_eq!(unfinished(directory.path()), 0);
}

#[test]
fn what_the_dead_left_unfinished_is_removed_and_what_the_living_do_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    fs::create_dir(directory.path().join(".unpack-dead")).unwrap();
    fs::write(directory.path().join(".unpack-dead/x"), "x").unwrap();

    let inserting = cache.lock_file(INSERTING).unwrap();
    inserting.lock_shared().unwrap();
    Cache::open(directory.path()).unwrap();
    assert_eq!(unfinished(directory.path()), 1);

    drop(inserting);
    Cache::open(directory.path()).unwrap();
    assert_eq!(unfinished(directory.path()), 0);
}

#[test]
fn entries_from_before_the_machine_started_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let open = |boot| Cache::open_in_boot(directory.path().to_owned(), boot).unwrap();
    let (digest, bytes) = artifact("1");
    open("monday").insert(digest, &bytes[..]).unwrap();
    assert!(open("monday").get(digest).is_some());
    assert!(open("tuesday").get(digest).is_none());
    open("tuesday").insert(digest, &bytes[..]).unwrap();
    assert!(open("tuesday").get(digest).is_some());
}

#[test]
fn a_cache_that_was_deleted_fills_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("cache");
    let cache = Cache::open(&root).unwrap();
    let (digest, bytes) = artifact("1");
    cache.insert(digest, &bytes[..]).unwrap();
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(cache.get(digest), None);
    let path = cache.insert(digest, &bytes[..]).unwrap();
    assert_eq!(tree(&path).len(), 2);
}

#[test]
fn the_caches_limits_hold() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { entries: 1, ..Limits::default() };
    let cache = Cache::open(directory.path()).unwrap().with_limits(limits);
    let (digest, bytes) = artifact("1");
    let error = cache.insert(digest, &bytes[..]).unwrap_err();
    assert!(matches!(error, ArtifactError::TooManyEntries { .. }), "{error}");
}
