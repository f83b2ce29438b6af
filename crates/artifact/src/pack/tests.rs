use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;
use crate::{Entry, EntryKind, unpack, verify};

struct Code(tempfile::TempDir);

impl Code {
    fn new(files: &[&str]) -> Self {
        let code = Self(tempfile::tempdir().unwrap());
        for file in files {
            code.write(file, file);
        }
        code
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn link(&self, name: &str, target: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pack(&self) -> Result<Packed, PackError> {
        pack(self.0.path(), &Limits::default())
    }

    fn files(&self) -> Vec<String> {
        self.pack().unwrap().files().to_vec()
    }
}

#[test]
fn the_same_code_has_the_same_digest_wherever_and_whenever_it_is() {
    let (one, two) = (Code::new(&["a.js", "lib/b.js"]), Code::new(&["lib/b.js", "a.js"]));
    fs::set_permissions(two.path("a.js"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(two.path("empty")).unwrap();
    let (one, two) = (one.pack().unwrap(), two.pack().unwrap());
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.bytes(), two.bytes());
    assert_eq!(one.digest(), Digest::of(one.bytes()));
    assert_eq!(one.size(), one.bytes().len() as u64);
}

#[test]
fn what_may_be_run_may_be_run_afterwards() {
    let code = Code::new(&["bootstrap", "data"]);
    let plain = code.pack().unwrap().digest();
    fs::set_permissions(code.path("bootstrap"), fs::Permissions::from_mode(0o750)).unwrap();
    let packed = code.pack().unwrap();
    assert_ne!(packed.digest(), plain);

    let target = code.path("../").join(format!("{}-unpacked", packed.digest().short()));
    unpack(&packed.bytes()[..], &target, &Limits::default()).unwrap();
    let mode = |name: &str| fs::metadata(target.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bootstrap"), mode("data")), (0o555, 0o444));
    fs::remove_dir_all(&target).unwrap();
}

#[test]
fn a_single_file_is_packed_under_its_name() {
    let code = Code::new(&["src/hello.js", "src/.env"]);
    let packed = pack(&code.path("src/hello.js"), &Limits::default()).unwrap();
    assert_eq!(packed.files(), ["hello.js"]);
    let listing = verify(&packed.bytes()[..], &Limits::default()).unwrap();
    assert_eq!(listing.digest(), packed.digest());
    assert_eq!(
        listing.entries(),
        [Entry { path: "hello.js".into(), kind: EntryKind::File { size: 12, executable: false } }]
    );
}

#[test]
fn secrets_repositories_and_leftovers_are_never_packed() {
    let code = Code::new(&[
        "index.js",
        "mayfly.toml",
        "fixtures/mayfly.toml",
        ".env",
        ".env.production",
        "sub/.envrc",
        ".git/config",
        "vendor/.git/config",
        ".mayfly/token",
        ".mayflyignore",
        "index.js~",
        ".index.js.swp",
        ".#index.js",
        "#index.js#",
        ".DS_Store",
        ".config/kept",
        "node_modules/.bin/tool",
        "node_modules/a/node_modules/.bin/tool",
        "node_modules/a/index.js",
        "node_modules/a/index.js.map",
        "x/.bin/kept",
    ]);
    assert_eq!(
        code.files(),
        [
            ".config/kept",
            "fixtures/mayfly.toml",
            "index.js",
            "node_modules/a/index.js",
            "node_modules/a/index.js.map",
            "x/.bin/kept",
        ]
    );
}

#[test]
fn an_ignore_file_has_gitignores_syntax() {
    let code = Code::new(&[
        "index.js",
        "a.test.js",
        "lib/b.test.js",
        "docs/x.md",
        "lib/docs/x.md",
        "build/x",
        "keep.log",
        "y.log",
        "sub/build/z",
    ]);
    code.write(".mayflyignore", "# tests\n*.test.js\n/docs\nbuild/\n*.log\n!keep.log\n\n");
    assert_eq!(code.files(), ["index.js", "keep.log", "lib/docs/x.md"]);
    code.write(".mayflyignore", "ok\n{a\n");
    assert!(matches!(code.pack().unwrap_err(), PackError::Ignore { line: 2, .. }));
}

#[test]
fn links_that_stay_inside_lead_straight_to_their_end() {
    let code = Code::new(&["packages/shared/index.js", "app/index.js"]);
    code.link("app/node_modules/shared", "../../packages/shared");
    code.link("again", "app/node_modules/../node_modules/shared");
    let absolute = code.path("app/index.js");
    code.link("entry.js", absolute.to_str().unwrap());
    let packed = code.pack().unwrap();
    let listing = verify(&packed.bytes()[..], &Limits::default()).unwrap();
    let links: Vec<(&str, &str)> = listing
        .entries()
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Link { target } => Some((entry.path.as_str(), target.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        links,
        [
            ("again", "packages/shared"),
            ("app/node_modules/shared", "../../packages/shared"),
            ("entry.js", "app/index.js"),
        ]
    );
    assert!(listing.files().eq(packed.files()));

    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("code");
    unpack(&packed.bytes()[..], &target, &Limits::default()).unwrap();
    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    assert_eq!(read("again/index.js"), "packages/shared/index.js");
    assert_eq!(read("app/node_modules/shared/index.js"), "packages/shared/index.js");
    assert_eq!(read("entry.js"), "app/index.js");
}

#[test]
fn a_link_out_of_the_code_is_an_error_that_names_both() {
    let code = Code::new(&["app/index.js", "secret"]);
    code.link("app/stolen", "../secret");
    let error = pack(&code.path("app"), &Limits::default()).unwrap_err();
    assert!(matches!(&error, PackError::LinkOutside { link, .. } if link == "stolen"), "{error}");
    assert!(error.to_string().contains("/secret, which is outside of the code"), "{error}");
}

#[test]
fn a_link_to_nothing_or_to_what_is_left_out_is_an_error() {
    let code = Code::new(&["index.js", "docs/x.md"]);
    code.link("link", "gone");
    assert!(matches!(code.pack().unwrap_err(), PackError::LinkNowhere { .. }));
    code.write(".mayflyignore", "/link\n");
    assert!(code.pack().is_ok());
    code.write(".mayflyignore", "/link\n/docs\n");
    code.link("manual", "docs");
    assert!(matches!(code.pack().unwrap_err(), PackError::LinkNowhere { .. }));
}

#[test]
fn names_that_no_artifact_may_hold_are_an_error() {
    let code = Code::new(&["index.js", "a\\b"]);
    let error = code.pack().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the name of `a\\\\b` contains a backslash; rename it, or leave it out (.mayflyignore)"
    );
    code.write(".mayflyignore", "a\\\\b");
    assert!(code.pack().is_ok());
}

#[test]
fn long_names_and_links_survive() {
    let long = format!("{}/{}/{}.js", "d".repeat(120), "é".repeat(100), "f".repeat(200));
    let code = Code::new(&[&long]);
    code.link("link.js", &long);
    let packed = code.pack().unwrap();
    assert_eq!(packed.files(), [long.as_str(), "link.js"]);
    let target = tempfile::tempdir().unwrap();
    let target = target.path().join("code");
    let listing = unpack(&packed.bytes()[..], &target, &Limits::default()).unwrap();
    assert!(listing.files().eq(packed.files()));
    assert_eq!(fs::read_to_string(target.join("link.js")).unwrap(), long);
}

#[test]
fn what_is_no_file_is_an_error() {
    let code = Code::new(&["index.js"]);
    let _socket = UnixListener::bind(code.path("socket")).unwrap();
    assert!(matches!(code.pack().unwrap_err(), PackError::Kind { path } if path == "socket"));
}

#[test]
fn nothing_to_pack_is_an_error() {
    let code = Code::new(&[".env"]);
    assert!(matches!(code.pack().unwrap_err(), PackError::Empty { .. }));
    let error = pack(&code.path("gone"), &Limits::default()).unwrap_err();
    assert!(matches!(error, PackError::Read { .. }), "{error}");
}

#[test]
fn code_over_a_limit_is_an_error_that_names_the_largest_files() {
    let code = Code::new(&["a/index.js", "b/index.js"]);
    code.write("large.bin", &"0123456789".repeat(200_000));
    code.write("larger.bin", &"0123456789".repeat(300_000));
    let limits = Limits { unpacked: ByteSize::mb(1), ..Limits::default() };
    assert_eq!(
        pack(code.0.path(), &limits).unwrap_err().to_string(),
        "the code has 4.8MB, and it may have at most 1MB; the largest files are larger.bin (2.9MB), \
         large.bin (2.0MB), a/index.js (0.1MB), b/index.js (0.1MB)"
    );
    let error = code.pack().unwrap_err();
    assert!(matches!(error, PackError::Padding { ratio: 200, .. }), "{error}");

    let limits = Limits { entries: 5, ratio: u64::MAX, ..Limits::default() };
    let error = pack(code.0.path(), &limits).unwrap_err();
    assert!(matches!(error, PackError::TooManyFiles { found: 6, limit: 5 }), "{error}");

    let limits = Limits { compressed: ByteSize::bytes(100), ratio: u64::MAX, ..Limits::default() };
    let error = pack(code.0.path(), &limits).unwrap_err().to_string();
    assert!(error.contains("compressed, and it may have at most 100B"), "{error}");
}
