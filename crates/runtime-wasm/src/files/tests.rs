use mayfly_types::ByteSize;

use super::*;

fn tree(kilobytes: u64) -> (Arc<Node>, Arc<Quota>) {
    let quota = Quota::new(ByteSize::mb(64), ByteSize::bytes(kilobytes << 10));
    (root(Arc::clone(&quota)), quota)
}

fn make(root: &Arc<Node>, path: &str) -> Arc<Node> {
    root.place(path).unwrap().make(Content::File(Mutex::default())).unwrap()
}

fn make_directory(root: &Arc<Node>, path: &str) -> Arc<Node> {
    root.place(path).unwrap().make(Content::Directory(Mutex::default())).unwrap()
}

#[test]
fn what_is_written_reads_back_over_the_pieces_edges() {
    let (root, _quota) = tree(1024);
    let file = make(&root, "file");
    let bytes: Vec<u8> = (0..50_000_u32).map(|n| (n % 253) as u8).collect();
    assert_eq!(file.write(&bytes, Some(10)), Ok(bytes.len()));
    assert_eq!(file.size(), 50_010);
    assert_eq!(file.read(100_000, 10).unwrap(), bytes);
    assert_eq!(file.read(10, 0).unwrap(), [0; 10]);
    assert_eq!(file.read(20, 16_380).unwrap(), bytes[16_370..16_390]);
    assert_eq!(file.read(10, 50_010).unwrap(), [0; 0]);
    assert_eq!(file.read(10, u64::MAX).unwrap(), [0; 0]);
    assert_eq!(file.write(b"end", None), Ok(3));
    assert_eq!(file.read(10, 50_008).unwrap(), [bytes[49_998], bytes[49_999], b'e', b'n', b'd']);
}

#[test]
fn a_file_that_is_cut_and_grows_again_is_zero_there() {
    let (root, quota) = tree(1024);
    let file = make(&root, "file");
    file.write(&[7; 40_000], Some(0)).unwrap();
    file.set_size(20_000).unwrap();
    file.set_size(40_000).unwrap();
    assert_eq!(file.read(2, 19_999).unwrap(), [7, 0]);
    assert!(file.read(20_000, 20_000).unwrap().iter().all(|byte| *byte == 0));
    // A hole takes no room, and none is as large as no disk would be.
    file.set_size(1 << 20).unwrap();
    assert_eq!(file.set_size((1 << 20) + 1), Err(ErrorCode::InsufficientSpace));
    assert!(quota.peak() < 64 << 10, "{}", quota.peak());
}

#[test]
fn room_ends_and_comes_back() {
    let (root, _quota) = tree(64);
    let file = make(&root, "file");
    let written = file.write(&[1; 64 << 10], Some(0)).unwrap();
    assert_eq!(written, 3 * PIECE, "three pieces fit beside the entry");
    assert_eq!(file.write(&[1; 10], Some(60_000)), Err(ErrorCode::InsufficientSpace));
    file.set_size(PIECE as u64).unwrap();
    assert_eq!(file.write(&[1; PIECE], Some(PIECE as u64)), Ok(PIECE));
    // A file that is removed but open keeps its room until it is closed.
    root.place("file").unwrap().remove_file().unwrap();
    let other = make(&root, "other");
    assert_eq!(other.write(&[1; 64 << 10], Some(0)), Ok(PIECE));
    drop(file);
    assert_eq!(other.write(&[1; 2 * PIECE], Some(PIECE as u64)), Ok(2 * PIECE));
    // Names take room too.
    let (root, _quota) = tree(4);
    let made = (0..100).take_while(|n| {
        root.place(&n.to_string()).unwrap().make(Content::File(Mutex::default())).is_ok()
    });
    assert_eq!(made.count(), 7);
}

#[test]
fn no_path_leads_out() {
    let (root, _quota) = tree(64);
    let below = make_directory(&root, "below");
    make(&root, "secret");
    assert!(root.find("below/../secret").is_ok());
    assert!(root.find("./below/./../below").is_ok());
    for path in ["..", "below/../..", "below/../../below", "/below", "/"] {
        assert_eq!(root.find(path).err(), Some(ErrorCode::NotPermitted), "{path}");
    }
    // Not even to where its own root's holder could go.
    assert_eq!(below.find("../secret").err(), Some(ErrorCode::NotPermitted));
    assert_eq!(below.place("../new").err(), Some(ErrorCode::NotPermitted));
    assert_eq!(root.find("").err(), Some(ErrorCode::NoEntry));
    assert_eq!(root.find("a\0b").err(), Some(ErrorCode::Invalid));
    assert_eq!(root.find(&"x".repeat(256)).err(), Some(ErrorCode::NameTooLong));
    assert_eq!(root.find("secret/").err(), Some(ErrorCode::NotDirectory));
    assert_eq!(root.find("secret/x").err(), Some(ErrorCode::NotDirectory));
    assert_eq!(root.place(".").err(), Some(ErrorCode::Invalid));
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {}", self.id)
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {:?}", self.name, self.directory)
    }
}

#[test]
fn names_move_as_rename_says() {
    let (root, _quota) = tree(64);
    let place = |path: &str| root.place(path).unwrap();
    let rename = |from: &str, to: &str| place(from).rename(&place(to));
    make_directory(&root, "a");
    make_directory(&root, "a/b");
    make(&root, "file").write(b"content", Some(0)).unwrap();
    make(&root, "other");
    assert_eq!(rename("absent", "x"), Err(ErrorCode::NoEntry));
    assert_eq!(rename("a", "a/b/c"), Err(ErrorCode::Invalid));
    assert_eq!(rename("a", "a/b"), Err(ErrorCode::Invalid));
    assert_eq!(rename("file", "a"), Err(ErrorCode::IsDirectory));
    assert_eq!(rename("a", "file"), Err(ErrorCode::NotDirectory));
    assert_eq!(rename("file", "x/"), Err(ErrorCode::NotDirectory));
    assert_eq!(rename("file", "file"), Ok(()));
    assert_eq!(rename("file", "other"), Ok(()));
    assert_eq!(root.find("other").unwrap().read(10, 0).unwrap(), b"content");
    assert_eq!(rename("other", "a/b/file"), Ok(()));
    make_directory(&root, "empty");
    assert_eq!(rename("empty", "a"), Err(ErrorCode::NotEmpty));
    assert_eq!(rename("a", "empty"), Ok(()));
    assert_eq!(root.find("empty/b/file").unwrap().read(10, 0).unwrap(), b"content");
    // `..` leads to where it is now.
    assert!(root.find("empty/b/../b/file").is_ok());
    assert_eq!(place("empty").remove_directory(), Err(ErrorCode::NotEmpty));
    assert_eq!(place("empty/b/file").remove_directory(), Err(ErrorCode::NotDirectory));
    assert_eq!(place("empty/b").remove_file(), Err(ErrorCode::IsDirectory));
    assert_eq!(place("empty/b/file").remove_file(), Ok(()));
    // Nothing can be made in what was removed.
    let gone = root.find("empty/b").unwrap();
    assert_eq!(place("empty/b").remove_directory(), Ok(()));
    assert_eq!(
        gone.place("new").unwrap().make(Content::File(Mutex::default())).err(),
        Some(ErrorCode::NoEntry)
    );
}

#[test]
fn a_deep_tree_is_dropped_on_a_small_stack() {
    let quota = Quota::new(ByteSize::mb(1024), ByteSize::mb(1024));
    let root = root(quota);
    let mut at = Arc::clone(&root);
    for _ in 0..200_000 {
        at = make_directory(&at, "d");
    }
    drop(at);
    std::thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(move || drop(root))
        .unwrap()
        .join()
        .unwrap();
}
