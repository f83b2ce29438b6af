//! A disk that is full fails what needs room, says so, and takes nothing else with it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are test code")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mayfly_state_api::suite::{app, function, revision};
use mayfly_state_api::{
    ArtifactStore, ControlStore, Error, GoLive, Ledger, LedgerEntry, LogLine, LogStore, NewRelease,
    UsageStore,
};
use mayfly_state_embedded::{
    DataDir, FileArtifacts, Journal, LedgerLimits, LogLimits, OpenError, OpenOptions, SegmentLogs,
    Store, Work,
};
use mayfly_types::{
    ByteSize, Digest, InvocationId, OperationId, Outcome, OutcomeStatus, ReleaseNumber, TenantName,
};

const DISK: &str = "MAYFLY_TEST_SMALL_DISK";

/// Runs a test of this file again with a file system of its own at [`DISK`]; in that run it
/// answers the path. Without the right to mount (no root, no user namespaces) there is nothing to
/// test with.
fn on_a_small_disk(test: &str, options: &str) -> Option<std::path::PathBuf> {
    if let Some(path) = std::env::var_os(DISK) {
        return Some(path.into());
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {options} none \"$0\"");
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]);
        command.arg(dir.path()).env(DISK, dir.path());
        command
    };
    if !unshare(&mount).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: this host lets nobody mount a tmpfs in a namespace");
        return None;
    }
    let script = format!("{mount} && exec \"$1\" \"$2\" --exact --nocapture");
    let mut command = unshare(&script);
    let status = command.arg(std::env::current_exe().unwrap()).arg(test).status().unwrap();
    assert!(status.success(), "{status}");
    None
}

fn open(path: &Path) -> Result<DataDir, OpenError> {
    DataDir::open(path.join("data"), OpenOptions::default())
}

fn new_release(bytes: usize) -> NewRelease {
    let app = app(&TenantName::fallback(), "photos");
    let revision = revision(&app, "thumb", "code");
    NewRelease {
        manifest: "x".repeat(bytes),
        routes: vec![],
        functions: [(revision.function().clone(), revision)].into(),
        go_live: GoLive::All,
        by: "laptop".into(),
        app,
    }
}

#[tokio::test]
async fn a_full_disk_refuses_a_release_and_the_store_goes_on() {
    let test = "a_full_disk_refuses_a_release_and_the_store_goes_on";
    let Some(disk) = on_a_small_disk(test, "size=8m") else { return };
    let data = open(&disk).unwrap();
    let store = Store::open(&data).unwrap();
    let create = |bytes| store.create_release(OperationId::new(), new_release(bytes));
    let mut made = 0;
    let refused = loop {
        match create(200_000).await {
            Ok(release) => made = release.number.0,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Full);
    assert!(made > 0);

    // Large and small at once: the large ones fail by themselves.
    let (large, small) = tokio::join!(create(4_000_000), create(10));
    assert_eq!(large, Err(Error::Full));
    let left_over = u64::from(small.is_ok());
    let app = new_release(0).app;
    let releases = store.releases(&app, None, 1000).await.unwrap();
    assert_eq!(releases.len() as u64, made + left_over);

    // Opening it again writes the log of changes back, which makes room; so does the operator.
    drop(store);
    let store = Store::open(&data).unwrap();
    assert_eq!(store.releases(&app, None, 1000).await.unwrap(), releases);
    std::process::Command::new("mount")
        .args(["-o", "remount,size=32m"])
        .arg(&disk)
        .status()
        .unwrap();
    let next = store.create_release(OperationId::new(), new_release(200_000)).await.unwrap();
    assert_eq!(next.number, ReleaseNumber(made + left_over + 1));
}

#[tokio::test]
async fn a_full_disk_refuses_an_artifact_and_leaves_no_file() {
    let test = "a_full_disk_refuses_an_artifact_and_leaves_no_file";
    let Some(disk) = on_a_small_disk(test, "size=2m") else { return };
    let artifacts = FileArtifacts::open(&open(&disk).unwrap()).unwrap();
    let tenant = TenantName::fallback();
    let put = |bytes: Vec<u8>| {
        let digest = Digest::of(&bytes);
        artifacts.put(&tenant, digest, Box::pin(std::io::Cursor::new(bytes)), u64::MAX)
    };
    assert_eq!(put(vec![7; 4 << 20]).await, Err(Error::Full));
    assert_eq!(artifacts.list(&tenant).await, Ok(vec![]));
    assert_eq!(put(vec![7; 1 << 20]).await, Ok(1 << 20));
}

#[tokio::test]
async fn a_full_disk_loses_lines_and_says_how_many() {
    let test = "a_full_disk_loses_lines_and_says_how_many";
    let Some(disk) = on_a_small_disk(test, "size=2m") else { return };
    let logs = SegmentLogs::open(&open(&disk).unwrap(), LogLimits::default()).unwrap();
    let app = app(&TenantName::fallback(), "photos");
    let line = |bytes| LogLine {
        time_us: 7,
        app: app.clone(),
        function: function("thumb"),
        invocation: None,
        level: "info".into(),
        message: "x".repeat(bytes),
    };
    logs.append(line(10));
    logs.flush().await.unwrap();
    let filler = disk.join("filler");
    let full = std::fs::write(&filler, vec![0; 4 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    for _ in 0..3 {
        logs.append(line(60_000));
    }
    assert_eq!(logs.flush().await, Err(Error::Full));

    std::fs::remove_file(&filler).unwrap();
    logs.append(line(20));
    logs.flush().await.unwrap();
    let query = mayfly_state_api::LogQuery::newest(app.clone(), 100);
    let (lines, _) = logs.query(query).await.unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1].message.len(), 20);
    assert!(lines[2].message.starts_with("3 lines were dropped"), "{}", lines[2].message);
}

#[tokio::test]
async fn records_of_attempts_wait_for_room_on_a_full_disk_and_none_is_lost() {
    let test = "records_of_attempts_wait_for_room_on_a_full_disk_and_none_is_lost";
    let Some(disk) = on_a_small_disk(test, "size=12m") else { return };
    let data = open(&disk).unwrap();
    let work = Arc::new(Work::open(&data).unwrap());
    let journal = Journal::open(&data, work.clone(), "here", LedgerLimits::default()).await;
    let journal = journal.unwrap();
    let app = app(&TenantName::fallback(), "photos");
    let append = || {
        journal.append(&LedgerEntry {
            invocation: InvocationId::new(),
            attempt: 1,
            app: &app,
            function: &function("thumb"),
            caller: None,
            started_us: 7,
            memory: ByteSize::mb(128),
            outcome: &Outcome::nothing(OutcomeStatus::Ok),
            before: None,
        });
    };
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![0; 16 << 20]).unwrap_err();
    for _ in 0..500 {
        append();
    }
    assert_eq!(journal.flush().await, Err(Error::Full));
    std::fs::remove_file(&filler).unwrap();
    append();
    journal.flush().await.unwrap();
    assert_eq!(journal.lost(), 0);
    assert_eq!(work.totals(0).await.unwrap()[0].2.attempts, 501);
}

#[tokio::test]
async fn a_disk_that_is_read_only_or_full_is_a_clear_error_at_the_start() {
    let test = "a_disk_that_is_read_only_or_full_is_a_clear_error_at_the_start";
    let Some(disk) = on_a_small_disk(test, "size=64k") else { return };
    let data = open(&disk).unwrap();
    let error = Store::open(&data).err().unwrap();
    assert!(matches!(error, OpenError::Full { .. }), "{error}");
    drop(data);
    let mount = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status();
    assert!(mount.unwrap().success());
    let error = open(&disk).err().unwrap();
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error}");
}
