//! What holds for every tree and for all bytes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use mayfly_types::Digest;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tar::EntryType;

use crate::testing::{Archive, Canary, compress, tree};
use crate::{Limits, pack, unpack, verify};

#[derive(Debug, Clone)]
enum Node {
    File { content: Vec<u8>, executable: bool },
    Link(prop::sample::Index),
}

/// Trees of few names, so that directories are shared.
fn nodes() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let path = "[a-cé]{1,2}(/[a-c ]{1,2}){0,3}";
    let node = prop_oneof![
        4 => (vec(any::<u8>(), 0..3000), any::<bool>())
            .prop_map(|(content, executable)| Node::File { content, executable }),
        1 => any::<prop::sample::Index>().prop_map(Node::Link),
    ];
    btree_map(path, node, 1..12)
}

/// Makes what can be made of the nodes, files first.
fn make(root: &Path, nodes: &BTreeMap<String, Node>) {
    for (path, node) in nodes {
        let path = root.join(path);
        let Node::File { content, executable } = node else { continue };
        if fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(&path, content).is_ok() {
            let mode = if *executable { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    fs::write(root.join("always"), "there").unwrap();
    let targets: Vec<String> = nodes.keys().cloned().chain(["always".to_owned()]).collect();
    for (path, node) in nodes {
        let Node::Link(index) = node else { continue };
        let target = root.join(&targets[index.index(targets.len())]);
        // A link may not be the way to another entry: then the tree would not be the same twice.
        if target.is_file() && !target.is_symlink() && !root.join(path).exists() {
            let path = root.join(path);
            if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let _ = symlink(&target, &path);
            }
        }
    }
}

/// Contents and modes by path, links followed.
fn contents(root: &Path, paths: &[String]) -> Vec<(Vec<u8>, bool)> {
    let content = |path: &String| {
        let path = root.join(path);
        let executable = fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0;
        (fs::read(&path).unwrap(), executable)
    };
    paths.iter().map(content).collect()
}

/// Archives of entries that no packer would write.
fn wild_archive() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        3 => "[ab]{1}(/[ab]){0,2}",
        1 => "(\\.\\./){0,3}[ab]",
        1 => "/?[ab./]{0,8}",
        1 => "(in/|outside/)?(victim|target)",
    ];
    let kind = prop::sample::select(vec![
        EntryType::Regular,
        EntryType::Regular,
        EntryType::Symlink,
        EntryType::Symlink,
        EntryType::Directory,
        EntryType::Link,
        EntryType::Fifo,
    ]);
    let entry = (kind, name.clone(), name, vec(any::<u8>(), 0..20));
    vec(entry, 0..6).prop_map(|entries| {
        let add = |archive: Archive,
                   (kind, name, target, content): (_, String, String, Vec<u8>)| {
            let content = if kind == EntryType::Regular { content } else { Vec::new() };
            archive.entry(kind, name.as_bytes(), target.as_bytes(), &content)
        };
        entries.into_iter().fold(Archive::default(), add).finish()
    })
}

/// Whatever the bytes are, both readers agree on them and nothing outside changes.
fn check_bytes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let canary = Canary::new();
    let verified = verify(bytes, &Limits::default());
    let unpacked = unpack(bytes, &canary.target(), &Limits::default());
    canary.check();
    match (&verified, &unpacked) {
        (Ok(verified), Ok(unpacked)) => {
            prop_assert_eq!(verified, unpacked);
            let root = canary.target().canonicalize().unwrap();
            for entry in verified.entries() {
                // Links may lead nowhere, but never out.
                if let Ok(real) = root.join(&entry.path).canonicalize() {
                    prop_assert!(real.starts_with(&root), "{} is {}", entry.path, real.display());
                }
            }
        }
        (Err(_), Err(_)) => prop_assert!(!canary.target().exists()),
        _ => prop_assert!(false, "{verified:?} but {unpacked:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_that_is_packed_comes_out_as_it_was(nodes in nodes()) {
        let directory = tempfile::tempdir().unwrap();
        let (code, target) = (directory.path().join("code"), directory.path().join("target"));
        fs::create_dir(&code).unwrap();
        make(&code, &nodes);

        let packed = pack(&code, &Limits::default()).unwrap();
        prop_assert_eq!(packed.digest(), Digest::of(packed.bytes()));
        prop_assert_eq!(packed.digest(), pack(&code, &Limits::default()).unwrap().digest());
        let verified = verify(&packed.bytes()[..], &Limits::default()).unwrap();
        let unpacked = unpack(&packed.bytes()[..], &target, &Limits::default()).unwrap();
        prop_assert_eq!(&verified, &unpacked);
        prop_assert_eq!(verified.digest(), packed.digest());
        prop_assert!(verified.files().eq(packed.files()));

        prop_assert_eq!(contents(&code, packed.files()), contents(&target, packed.files()));
        prop_assert_eq!(tree(&target).iter().filter(|path| !path.ends_with('/')).count(),
            packed.files().len());
        // What came out packs to the same again.
        prop_assert_eq!(pack(&target, &Limits::default()).unwrap().digest(), packed.digest());
    }

    #[test]
    fn random_bytes_are_refused_and_harm_nothing(bytes in vec(any::<u8>(), 0..2000)) {
        check_bytes(&bytes)?;
        check_bytes(&compress(&bytes))?;
    }

    #[test]
    fn wild_archives_stay_inside(bytes in wild_archive()) {
        check_bytes(&bytes)?;
    }

    #[test]
    fn mutated_archives_stay_inside(
        bytes in wild_archive(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let change = |bytes: &mut [u8]| {
            for (index, byte) in &changes {
                bytes[index.index(bytes.len())] = *byte;
            }
        };
        // Once as it travels, and once inside, where the checksums of the headers are.
        let mut outside = bytes.clone();
        change(&mut outside);
        check_bytes(&outside)?;
        let mut inside = zstd::decode_all(&bytes[..]).unwrap();
        change(&mut inside);
        check_bytes(&compress(&inside))?;
    }
}
