//! Archives that mean harm, one test for each kind.

use std::io::{self, Read};

use mayfly_types::{Blame, ByteSize};
use tar::EntryType;

use crate::testing::{Archive, Canary, compress, tree};
use crate::{ArtifactError, Limits, LinkProblem, NameProblem, unpack, verify};

/// What refuses the artifact; it must be refused in both ways and leave no trace.
fn refused_under(artifact: &[u8], limits: &Limits) -> ArtifactError {
    let canary = Canary::new();
    let error = unpack(artifact, &canary.target(), limits).expect_err("hostile");
    assert!(!canary.target().exists());
    canary.check();
    let verified = verify(artifact, limits).expect_err("hostile");
    assert_eq!(error.to_string(), verified.to_string());
    assert_eq!(error.blame(), Blame::Caller);
    error
}

fn refused(artifact: &[u8]) -> ArtifactError {
    refused_under(artifact, &Limits::default())
}

fn refused_name(name: &[u8]) -> NameProblem {
    match refused(&Archive::default().entry(EntryType::Regular, name, b"", b"x").finish()) {
        ArtifactError::Name { problem, .. } => problem,
        other => panic!("{other}"),
    }
}

#[test]
fn a_name_that_climbs_out_is_refused() {
    for name in ["../x", "../victim", "a/../../victim", "a/..", ".."] {
        assert_eq!(refused_name(name.as_bytes()), NameProblem::Parent, "{name}");
    }
}

#[test]
fn an_absolute_name_is_refused() {
    assert_eq!(refused_name(b"/tmp/mayfly-hostile"), NameProblem::Absolute);
    assert_eq!(refused_name(b"//x"), NameProblem::Absolute);
}

#[test]
fn names_that_other_systems_read_as_paths_are_refused() {
    assert_eq!(refused_name(b"..\\victim"), NameProblem::Backslash);
    assert_eq!(refused_name(b"C:victim"), NameProblem::Drive);
}

#[test]
fn names_that_differ_from_how_they_look_are_refused() {
    assert_eq!(refused_name(b"./a"), NameProblem::Idle);
    assert_eq!(refused_name(b"a//b"), NameProblem::Idle);
    assert_eq!(refused_name(b"a/./b"), NameProblem::Idle);
    assert_eq!(refused_name(b"a/"), NameProblem::Idle);
    assert_eq!(refused_name(b""), NameProblem::Empty);
    assert_eq!(refused_name(b"a\x1b[2Jb"), NameProblem::Control);
    assert_eq!(refused_name(b"\xc0\xae\xc0\xae/x"), NameProblem::NotUtf8);
}

/// The PAX records for the entry that follows, as they stand in the archive.
fn pax(records: &[u8]) -> Archive {
    Archive::default().entry(EntryType::XHeader, b"pax", b"", records)
}

/// One well-formed PAX record, whose length counts itself.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let digits = if rest.len() + 2 < 100 { 2 } else { 3 };
    format!("{}{rest}", rest.len() + digits).into_bytes()
}

#[test]
fn a_long_name_is_checked_like_a_short_one() {
    let error = refused(&pax(&record("path", "../victim")).file("harmless", b"x").finish());
    assert!(matches!(error, ArtifactError::Name { problem: NameProblem::Parent, .. }), "{error}");
    let error = refused(&pax(&record("path", "a\0b")).file("harmless", b"x").finish());
    assert!(matches!(error, ArtifactError::Name { problem: NameProblem::Control, .. }), "{error}");
    let error = refused(&pax(&record("linkpath", "../../x")).link("harmless", "b").finish());
    assert!(matches!(error, ArtifactError::Link { .. }), "{error}");
}

#[test]
fn a_link_that_leads_out_is_refused() {
    for (link, target) in
        [("a", "../outside"), ("a", "/etc"), ("a/b", "../../x"), ("a", ".."), ("a", "b/../../x")]
    {
        let error = refused(&Archive::default().link(link, target).finish());
        assert!(matches!(error, ArtifactError::Link { .. }), "{link} -> {target}: {error}");
    }
}

#[test]
fn a_link_that_leads_out_through_another_link_is_refused() {
    // Word by word `a/up/../../x` stays inside; walked, it does not, for `a/up` is the root.
    let artifact = Archive::default().link("a/up", "..").link("b", "a/up/../x").finish();
    match refused(&artifact) {
        ArtifactError::Link { entry, problem, .. } => {
            assert_eq!((entry.as_str(), problem), ("b", LinkProblem::Indirect));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_file_written_through_a_link_is_refused() {
    let error = refused(
        &Archive::default().link("out", "../outside").file("out/victim", b"touched").finish(),
    );
    assert!(matches!(error, ArtifactError::Link { .. }), "{error}");

    // Nor may it go through a link that stays inside.
    let artifact =
        Archive::default().file("real/a", b"a").link("link", "real").file("link/b", b"b").finish();
    match refused(&artifact) {
        ArtifactError::NotBelowDirectory { entry, parent } => {
            assert_eq!((entry.as_str(), parent.as_str()), ("link/b", "link"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_link_in_the_place_of_a_directory_is_refused() {
    let artifact = Archive::default().file("d/a", b"a").link("d", "e").finish();
    assert!(matches!(refused(&artifact), ArtifactError::Duplicate { .. }));
    let artifact =
        Archive::default().entry(EntryType::Directory, b"d/", b"", b"").link("d", "e").finish();
    assert!(matches!(refused(&artifact), ArtifactError::Duplicate { .. }));
}

#[test]
fn a_file_below_a_file_is_refused() {
    let artifact = Archive::default().file("a", b"a").file("a/b/c", b"c").finish();
    assert!(matches!(refused(&artifact), ArtifactError::NotBelowDirectory { .. }));
}

#[test]
fn a_hard_link_is_refused() {
    let artifact =
        Archive::default().entry(EntryType::Link, b"stolen", b"/etc/shadow", b"").finish();
    match refused(&artifact) {
        ArtifactError::Kind { entry, kind } => {
            assert_eq!((entry.as_str(), kind), ("stolen", "a hard link"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn devices_and_pipes_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::Continuous] {
        let artifact = Archive::default().entry(kind, b"dev", b"", b"").finish();
        assert!(matches!(refused(&artifact), ArtifactError::Kind { .. }), "{kind:?}");
    }
}

#[test]
fn a_name_that_comes_twice_is_refused() {
    let artifact = Archive::default().file("a/b", b"1").file("a/b", b"2").finish();
    match refused(&artifact) {
        ArtifactError::Duplicate { entry } => assert_eq!(entry, "a/b"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_sparse_file_of_ten_gigabytes_is_refused() {
    let sparse = Archive::default().entry(EntryType::GNUSparse, b"sparse", b"", b"");
    match refused(&sparse.finish()) {
        ArtifactError::Kind { kind, .. } => assert_eq!(kind, "a sparse file"),
        other => panic!("{other}"),
    }
    let records = record("GNU.sparse.realsize", "10737418240");
    let error = refused(&pax(&records).file("a", b"").finish()).to_string();
    assert!(error.contains("a PAX record `GNU.sparse.realsize`"), "{error}");
}

#[test]
fn a_file_that_claims_ten_gigabytes_is_refused_before_it_is_read() {
    let artifact = Archive::default()
        .entry_of_size(EntryType::Regular, b"huge", b"", b"tiny", 10 << 30)
        .finish();
    match refused(&artifact) {
        ArtifactError::UnpackedTooLarge { entry, limit } => {
            assert_eq!((entry.as_str(), limit), ("huge", ByteSize::mb(512)));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_bomb_is_refused_after_its_first_megabytes() {
    let zeros = vec![0; 8 << 20];
    match refused(&Archive::default().file("zeros", &zeros).finish()) {
        ArtifactError::Bomb { ratio, .. } => assert_eq!(ratio, 200),
        other => panic!("{other}"),
    }
    // The same behind the archive's end, where no entry tells a size.
    let mut padding = vec![0; 8 << 20];
    padding[..512].fill(0);
    assert!(matches!(refused(&compress(&padding)), ArtifactError::Bomb { .. }));
}

#[test]
fn a_megabyte_of_zeros_is_no_bomb() {
    let artifact = Archive::default().file("zeros", &vec![0; 1 << 19]).finish();
    assert!(verify(&artifact[..], &Limits::default()).is_ok());
}

#[test]
fn content_over_the_limit_is_refused_wherever_it_is() {
    let limits = Limits { unpacked: ByteSize::bytes(4096), ..Limits::default() };
    let many = (0..8).fold(Archive::default(), |archive, i| archive.file(&format!("f{i}"), b"x"));
    let error = refused_under(&many.finish(), &limits);
    assert!(matches!(error, ArtifactError::UnpackedTooLarge { .. }), "{error}");

    let limits = Limits { compressed: ByteSize::bytes(64), ..Limits::default() };
    let noise: Vec<u8> =
        (0..9999_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let error = refused_under(&Archive::default().file("noise", &noise).finish(), &limits);
    assert!(matches!(error, ArtifactError::TooLarge { .. }), "{error}");
}

#[test]
fn entries_over_the_limit_are_refused_and_implied_directories_count() {
    let limits = Limits { entries: 4, ..Limits::default() };
    let artifact = Archive::default().file("a/b/c/d/e", b"").finish();
    assert!(matches!(
        refused_under(&artifact, &limits),
        ArtifactError::TooManyEntries { limit: 4, .. }
    ));
    let artifact = Archive::default().file("a/b/c/d", b"").finish();
    assert!(verify(&artifact[..], &limits).is_ok());
}

#[test]
fn an_archive_that_ends_too_early_is_refused_wherever_it_ends() {
    let noise: Vec<u8> =
        (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = Archive::default().file("a", &noise).link("b", "a").finish();
    assert!(verify(&whole[..], &Limits::default()).is_ok());
    for end in (0..whole.len()).step_by(7) {
        assert!(matches!(refused(&whole[..end]), ArtifactError::Truncated { .. }), "{end}");
    }
    // Inside an intact frame too: without an end, in a file, between a header's records and it.
    for cut in [
        Archive::default(),
        Archive::default().file("a", b"a"),
        Archive::default().entry_of_size(EntryType::Regular, b"a", b"", b"x", 9999),
        pax(&record("path", "a")),
    ] {
        assert!(matches!(refused(&cut.cut()), ArtifactError::Truncated { .. }));
    }
    let error = refused(&pax(&record("path", "a")).finish());
    assert!(matches!(error, ArtifactError::Truncated { .. }), "{error}");
}

#[test]
fn garbage_is_refused() {
    for garbage in [&b"hello"[..], b"PK\x03\x04", &[0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff], &[0; 999]]
    {
        let error = refused(garbage);
        assert!(
            matches!(error, ArtifactError::Damaged { .. } | ArtifactError::Truncated { .. }),
            "{error}"
        );
    }
    assert!(matches!(refused(&compress(&[7; 2048])), ArtifactError::Damaged { .. }));
}

#[test]
fn a_frame_that_asks_for_a_large_window_is_refused() {
    // A window of 2^31 bytes.
    let error = refused(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0, 0, 0]);
    assert!(matches!(error, ArtifactError::Damaged { .. }), "{error}");
}

#[test]
fn content_after_the_end_is_refused() {
    let mut artifact = Archive::default().file("a", b"a").finish();
    artifact.extend(Archive::default().file("b", b"b").finish());
    assert!(matches!(refused(&artifact), ArtifactError::Damaged { .. }));
    let mut artifact = Archive::default().file("a", b"a").finish();
    artifact.extend(b"more");
    refused(&artifact);
}

#[test]
fn records_by_which_readers_see_different_archives_are_refused() {
    for (records, reason) in [
        (record("size", "9"), "a PAX record `size`"),
        (record("SCHILY.xattr.user.x", "y"), "a PAX record `SCHILY.xattr.user.x`"),
        ([record("path", "a"), record("path", "b")].concat(), "two PAX records `path`"),
        (b"999 path=a\n".to_vec(), "malformed pax extension"),
        (b"nonsense".to_vec(), "malformed pax extension"),
    ] {
        let error = refused(&pax(&records).file("a", b"").finish()).to_string();
        assert!(error.contains(reason), "{error}");
    }
    let twice = pax(&record("path", "a")).entry(EntryType::XHeader, b"pax", b"", b"10 path=b\n");
    assert!(matches!(refused(&twice.file("c", b"").finish()), ArtifactError::Damaged { .. }));
    let global = Archive::default().entry(EntryType::XGlobalHeader, b"g", b"", b"10 path=a\n");
    assert!(matches!(refused(&global.finish()), ArtifactError::Kind { .. }));
    let long = Archive::default().entry(EntryType::GNULongName, b"l", b"", b"name\0");
    assert!(matches!(refused(&long.finish()), ArtifactError::Kind { .. }));
    let large = pax(&[b'x'; 20 << 10]).file("a", b"");
    assert!(matches!(refused(&large.finish()), ArtifactError::Damaged { .. }));
}

#[test]
fn a_directory_with_content_is_refused() {
    for kind in [EntryType::Directory, EntryType::Symlink] {
        let artifact = Archive::default().entry(kind, b"d", b"t", b"content").finish();
        assert!(matches!(refused(&artifact), ArtifactError::Damaged { .. }));
    }
}

#[test]
fn a_message_shows_no_control_characters_of_a_stranger() {
    let error = refused(&pax(&record("evil\x1b[2J", "\x07x")).file("a", b"").finish());
    assert!(!error.to_string().contains(char::is_control), "{error:?}");
}

#[test]
fn a_source_that_fails_is_no_fault_of_the_artifact() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone"))
        }
    }
    let whole = Archive::default().file("a", b"a").finish();
    let error = verify(whole[..9].chain(Fails), &Limits::default()).unwrap_err();
    assert!(matches!(error, ArtifactError::Source(_)), "{error}");
    assert_eq!(error.blame(), Blame::Platform);
}

#[test]
fn a_target_that_exists_is_left_alone() {
    let canary = Canary::new();
    std::fs::create_dir(canary.target()).unwrap();
    std::fs::write(canary.target().join("mine"), "mine").unwrap();
    let artifact = Archive::default().file("a", b"a").finish();
    let error = unpack(&artifact[..], &canary.target(), &Limits::default()).unwrap_err();
    assert!(matches!(error, ArtifactError::TargetExists { .. }), "{error}");
    assert_eq!(tree(&canary.target()).len(), 1);
}
