use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use mayfly_state_api::suite::{app, function, unused_tenant};
use mayfly_state_api::{Sums, UsageBy, UsageQuery, UsageRow};
use mayfly_types::{AppKey, FunctionName, OutcomeStatus, TenantName};

use super::*;
use crate::{OpenOptions, Work};

const NOW_US: i64 = 1_700_000_000_000_000;

fn data(path: &Path) -> DataDir {
    DataDir::open(path, OpenOptions::default()).unwrap()
}

async fn open(path: &Path) -> (Journal, Arc<Work>) {
    let data = data(path);
    let work = Arc::new(Work::open(&data).unwrap());
    let journal = Journal::open(&data, work.clone(), "here", LedgerLimits::default()).await;
    (journal.unwrap(), work)
}

fn outcome(bytes_in: u64) -> Outcome {
    Outcome { wall_us: 1, bytes_in, ..Outcome::nothing(OutcomeStatus::Ok) }
}

fn append(journal: &dyn Ledger, app: &AppKey, name: &str, bytes_in: u64) {
    journal.append(&LedgerEntry {
        invocation: InvocationId::new(),
        attempt: 1,
        app,
        function: &function(name),
        caller: Some("laptop"),
        started_us: NOW_US,
        memory: ByteSize::mb(128),
        outcome: &outcome(bytes_in),
        before: None,
    });
}

async fn total(work: &dyn UsageStore, tenant: &TenantName) -> Sums {
    let query = UsageQuery {
        tenant: tenant.clone(),
        app: None,
        function: None,
        from_us: 0,
        until_us: i64::MAX / 2,
        by: UsageBy::default(),
    };
    let rows = work.usage(&query).await.unwrap();
    rows.first().map_or(Sums::default(), |row: &UsageRow| row.sums)
}

#[tokio::test]
async fn what_was_appended_is_added_up_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, work) = open(dir.path()).await;
    let app = app(&unused_tenant(), "photos");
    for i in 1..=1_000 {
        append(&journal, &app, if i % 3 == 0 { "a" } else { "b" }, i);
    }
    journal.flush().await.unwrap();
    let sums = total(&*work, &app.tenant).await;
    assert_eq!((sums.attempts, sums.bytes_in, sums.billed_ms), (1_000, 500_500, 1_000));
    journal.flush().await.unwrap();
    assert_eq!(total(&*work, &app.tenant).await, sums);
}

#[tokio::test]
async fn records_are_added_up_without_anybody_who_asks() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, work) = open(dir.path()).await;
    let app = app(&unused_tenant(), "photos");
    append(&journal, &app, "a", 7);
    while total(&*work, &app.tenant).await.bytes_in != 7 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_fill_many_files_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, work) = open(dir.path()).await;
    let (journal, app) = (Arc::new(journal), app(&unused_tenant(), "photos"));
    // A record has more than 40 bytes.
    let each = 3 * SIZE / 40 / 4;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (journal, app) = (Arc::clone(&journal), app.clone());
            std::thread::spawn(move || {
                for i in 0..each {
                    append(&*journal, &app, ["a", "b", "c"][i as usize % 3], 1);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    journal.flush().await.unwrap();
    assert_eq!(total(&*work, &app.tenant).await.bytes_in, 4 * each);
    assert!(segment::list(&dir.path().join("ledger")).unwrap().len() >= 3);
}

#[tokio::test]
async fn what_a_process_left_is_added_up_by_the_next_once() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&unused_tenant(), "photos");
    for round in 1..=3 {
        let (journal, work) = open(dir.path()).await;
        assert_eq!(total(&*work, &app.tenant).await.attempts, 10 * (round - 1));
        append(&journal, &app, "a", 1);
        journal.flush().await.unwrap();
        // These are on disk when the journal is dropped, and in no sum yet.
        journal.close().await;
        for _ in 0..9 {
            append(&journal, &app, "b", 1);
        }
        drop(journal);
        assert_eq!(total(&*work, &app.tenant).await.attempts, 10 * round - 9);
    }
    let files = segment::list(&dir.path().join("ledger")).unwrap();
    assert_eq!(files.len(), 3);
    for start in files {
        let bytes = fs::metadata(segment::path(&dir.path().join("ledger"), start)).unwrap().len();
        assert!(bytes < 2_000, "{bytes}: what was not used is given back");
    }
}

/// The file of a process that has ended and left so many records in no sum.
async fn left(dir: &Path, app: &AppKey, records: usize) -> PathBuf {
    let (journal, work) = open(dir).await;
    journal.close().await;
    (0..records).for_each(|_| append(&journal, app, "a", 1));
    drop((journal, work));
    let directory = dir.join("ledger");
    segment::path(&directory, segment::list(&directory).unwrap()[0])
}

#[tokio::test]
async fn a_record_that_was_torn_ends_its_file_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&unused_tenant(), "photos");
    let file = left(dir.path(), &app, 3).await;
    // The last record's end never reached the disk.
    let mut bytes = fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 10..].fill(0);
    bytes.resize(SIZE as usize, 0);
    fs::write(&file, bytes).unwrap();

    let (journal, work) = open(dir.path()).await;
    assert_eq!(total(&*work, &app.tenant).await.attempts, 2);
    append(&journal, &app, "a", 1);
    journal.flush().await.unwrap();
    assert_eq!(total(&*work, &app.tenant).await.attempts, 3);
}

#[tokio::test]
async fn a_file_of_another_version_is_neither_read_nor_removed() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&unused_tenant(), "photos");
    let file = left(dir.path(), &app, 1).await;
    let right = fs::read(&file).unwrap();
    let mut wrong = right.clone();
    wrong[6] ^= 1;
    let open_again = async || {
        let data = data(dir.path());
        let work = Arc::new(Work::open(&data).unwrap());
        let opened = Journal::open(&data, Arc::clone(&work) as _, "here", LedgerLimits::default());
        opened.await.map(|journal| (journal, work))
    };
    // As it was left in good order, and as by a process that was killed.
    for length in [wrong.len(), SIZE as usize] {
        let mut wrong = wrong.clone();
        wrong.resize(length, 0);
        fs::write(&file, &wrong).unwrap();
        let error = open_again().await.map(|_| ()).unwrap_err();
        let fault = std::error::Error::source(&error).map_or(String::new(), |it| it.to_string());
        let said = format!("{error} {fault}");
        assert!(said.contains(file.to_str().unwrap()) && said.contains("version"), "{said}");
        assert_eq!(fs::read(&file).unwrap(), wrong);
    }
    fs::write(&file, right).unwrap();
    let (_journal, work) = open_again().await.unwrap();
    assert_eq!(total(&*work, &app.tenant).await.attempts, 1);
}

#[tokio::test]
async fn files_are_forgotten_when_they_are_old_or_too_many_and_added_up() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&unused_tenant(), "photos");
    let files = || segment::list(&dir.path().join("ledger")).unwrap().len();
    for _ in 0..3 {
        let (journal, _work) = open(dir.path()).await;
        append(&journal, &app, "a", 1);
        journal.close().await;
    }
    assert_eq!(files(), 3);
    let reopen = async |limits| {
        let data = data(dir.path());
        let work = Arc::new(Work::open(&data).unwrap());
        Journal::open(&data, work, "here", limits).await.unwrap().close().await;
    };
    reopen(LedgerLimits { total: 200, ..LedgerLimits::default() }).await;
    assert_eq!(files(), 1);
    reopen(LedgerLimits { keep: Duration::ZERO, ..LedgerLimits::default() }).await;
    assert_eq!(files(), 0);
    let (_journal, work) = open(dir.path()).await;
    assert_eq!(total(&*work, &app.tenant).await.attempts, 3);
}

/// Refuses to add up while it is told to.
struct Refusing {
    work: Arc<Work>,
    refuses: AtomicBool,
}

#[async_trait]
impl UsageStore for Refusing {
    async fn roll(&self, roll: Roll) -> Result<u64, Error> {
        // It does the first one, and forgets to say so.
        let done = self.work.roll(roll).await;
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("the answer was lost".into()));
        }
        done
    }
    async fn rolled(&self, source: &str) -> Result<u64, Error> {
        self.work.rolled(source).await
    }
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, Error> {
        self.work.usage(query).await
    }
    async fn totals(&self, from_us: i64) -> Result<Vec<(AppKey, FunctionName, Sums)>, Error> {
        self.work.totals(from_us).await
    }
}

#[tokio::test]
async fn a_store_whose_answers_are_lost_counts_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(dir.path());
    let work = Arc::new(Work::open(&data).unwrap());
    let store = Arc::new(Refusing { work: work.clone(), refuses: AtomicBool::new(false) });
    let limits = LedgerLimits::default();
    let journal = Journal::open(&data, store.clone(), "here", limits).await.unwrap();
    // So that only this test asks.
    journal.close().await;
    let app = app(&unused_tenant(), "photos");
    store.refuses.store(true, Ordering::SeqCst);
    for round in 1..=3 {
        append(&journal, &app, "a", 1);
        assert!(journal.flush().await.is_err());
        assert_eq!(total(&*work, &app.tenant).await.attempts, round);
    }
    store.refuses.store(false, Ordering::SeqCst);
    append(&journal, &app, "a", 1);
    journal.flush().await.unwrap();
    assert_eq!(total(&*work, &app.tenant).await.attempts, 4);
}
