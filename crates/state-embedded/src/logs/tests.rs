use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use mayfly_state_api::suite::{app, function};
use mayfly_types::TenantName;

use super::*;
use crate::OpenOptions;

const SMALL: LogLimits = LogLimits {
    total: 64 << 10,
    function: 16 << 10,
    segment: 4 << 10,
    queue: 1 << 20,
    keep: KEEP,
    rate: u32::MAX,
};

fn open(dir: &Path, limits: LogLimits) -> SegmentLogs {
    SegmentLogs::open(&DataDir::open(dir, OpenOptions::default()).unwrap(), limits).unwrap()
}

fn key(name: &str) -> AppKey {
    app(&TenantName::fallback(), name)
}

fn line(app: &str, name: &str, message: impl Into<String>) -> LogLine {
    LogLine {
        time_us: 7,
        app: key(app),
        function: function(name),
        invocation: None,
        level: "info".into(),
        message: message.into(),
    }
}

async fn query(logs: &SegmentLogs, app: &str, after: Option<u64>) -> (Vec<String>, u64) {
    let query = LogQuery { after, ..LogQuery::newest(key(app), usize::MAX) };
    let (lines, position) = logs.query(query).await.unwrap();
    (lines.into_iter().map(|line| line.message).collect(), position)
}

/// The files under a directory with their lengths.
fn segments(dir: &Path) -> BTreeMap<std::path::PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(segments(&entry.path()));
        } else if entry.path().extension().is_some() {
            found.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    found
}

#[tokio::test]
async fn positions_go_on_after_a_restart_also_when_every_line_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), SMALL);
    logs.append(line("photos", "thumb", "one"));
    let (_, first) = query(&logs, "photos", None).await;
    drop(logs);

    let logs = open(dir.path(), SMALL);
    logs.append(line("photos", "thumb", "two"));
    let (lines, second) = query(&logs, "photos", Some(first)).await;
    assert_eq!(lines, ["two"]);
    assert_eq!(query(&logs, "photos", None).await.0, ["one", "two"]);
    logs.delete_app(&key("photos")).await.unwrap();
    drop(logs);

    let logs = open(dir.path(), SMALL);
    logs.append(line("photos", "thumb", "three"));
    assert_eq!(query(&logs, "photos", Some(second)).await.0, ["three"]);
    drop(logs);

    fs::remove_file(dir.path().join("logs/position")).unwrap();
    let logs = open(dir.path(), SMALL);
    logs.append(line("photos", "thumb", "four"));
    assert_eq!(query(&logs, "photos", Some(second)).await.0, ["three", "four"]);
}

#[tokio::test]
async fn lines_are_not_shown_when_they_are_too_old_and_their_files_go() {
    use std::sync::atomic::{AtomicI64, Ordering};
    const DAY_US: i64 = 24 * 3_600_000_000;
    let dir = tempfile::tempdir().unwrap();
    let at = Arc::new(AtomicI64::new(OpenOptions::default().clock.as_ref()()));
    let limits = LogLimits { keep: Duration::from_secs(7 * 24 * 3600), ..SMALL };
    let open = || {
        let at = Arc::clone(&at);
        let options = OpenOptions { clock: Arc::new(move || at.load(Ordering::SeqCst)) };
        SegmentLogs::open(&DataDir::open(dir.path(), options).unwrap(), limits).unwrap()
    };
    let later = |days: i64| at.fetch_add(days * DAY_US, Ordering::SeqCst);
    let logs = open();
    logs.append(line("photos", "thumb", "one"));
    logs.flush().await.unwrap();
    later(4);
    logs.append(line("photos", "thumb", "two"));
    logs.flush().await.unwrap();
    assert_eq!(query(&logs, "photos", None).await.0, ["one", "two"]);
    later(4);
    assert_eq!(query(&logs, "photos", None).await.0, ["two"], "before anything is written");
    assert_eq!(segments(dir.path()).len(), 1);
    logs.append(line("mail", "send", "three"));
    logs.flush().await.unwrap();
    assert_eq!(segments(dir.path()).len(), 2);
    drop(logs);
    later(8);
    // Of what an earlier run left the file's own time tells, which is that of the system.
    let logs = open();
    assert_eq!(segments(dir.path()).len(), 0);
    assert_eq!(query(&logs, "photos", None).await.0, [""; 0]);
    logs.append(line("photos", "thumb", "four"));
    assert_eq!(query(&logs, "photos", None).await.0, ["four"]);
}

#[tokio::test]
async fn a_torn_last_line_is_dropped_and_the_next_line_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), SMALL);
    logs.append(line("photos", "thumb", "one"));
    drop(logs);
    let logs_dir = dir.path().join("logs");
    let (path, _) = segments(&logs_dir).pop_first().unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"{\"position\":2,\"time_us\":7,\"lev").unwrap();

    let logs = open(dir.path(), SMALL);
    assert_eq!(query(&logs, "photos", None).await.0, ["one"]);
    logs.append(line("photos", "thumb", "two"));
    assert_eq!(query(&logs, "photos", None).await.0, ["one", "two"]);
    assert_eq!(segments(&logs_dir).len(), 1);
}

#[tokio::test]
async fn damage_in_a_segment_costs_only_the_damaged_lines() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), SMALL);
    for number in 0..9 {
        logs.append(line("photos", "thumb", number.to_string()));
    }
    let (_, end) = query(&logs, "photos", None).await;
    drop(logs);
    let (path, _) = segments(&dir.path().join("logs")).pop_first().unwrap();
    let text = fs::read_to_string(&path).unwrap().replace("\"4\"", "\u{0}\u{0}\u{0}");
    fs::write(&path, text).unwrap();
    let logs = open(dir.path(), SMALL);
    let expected = ["0", "1", "2", "3", "5", "6", "7", "8"];
    assert_eq!(query(&logs, "photos", None).await.0, expected);
    assert_eq!(query(&logs, "photos", Some(end - 9)).await.0, expected);
}

#[tokio::test]
async fn one_function_that_floods_pushes_out_its_own_lines_alone() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), SMALL);
    for name in ["a", "b"] {
        logs.append(line("quiet", name, "a line to keep"));
    }
    for number in 0..3_000 {
        logs.append(line("loud", "flood", format!("{number} {}", "x".repeat(100))));
        if number % 100 == 0 {
            logs.append(line("loud", "calm", format!("calm {number}")));
            logs.flush().await.unwrap();
        }
    }
    assert_eq!(query(&logs, "quiet", None).await.0, ["a line to keep", "a line to keep"]);
    let (lines, _) = query(&logs, "loud", None).await;
    assert_eq!(lines.iter().filter(|line| line.starts_with("calm")).count(), 30);
    assert!(lines.iter().any(|line| line.starts_with("2999 ")));
    assert!(!lines.iter().any(|line| line.starts_with("0 ")));
    let bytes = segments(&dir.path().join("logs/default/loud/flood")).values().sum::<u64>();
    assert!(bytes <= SMALL.function, "{bytes}");
}

#[tokio::test]
async fn all_functions_together_keep_the_total_and_each_keeps_its_newest_lines() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), SMALL);
    for round in 0..100 {
        for name in 0..20 {
            let message = format!("{round} {}", "x".repeat(100));
            logs.append(line("photos", &format!("f{name}"), message));
        }
        logs.flush().await.unwrap();
    }
    let found = segments(&dir.path().join("logs"));
    assert!(found.values().sum::<u64>() <= SMALL.total);
    let (lines, _) = query(&logs, "photos", None).await;
    let newest = lines.iter().filter(|line| line.starts_with("99 ")).count();
    assert!(newest >= 15, "{newest} functions have their newest line");
    drop(logs);

    // Smaller limits hold after a restart, too.
    let logs = open(dir.path(), LogLimits { total: 8 << 10, ..SMALL });
    logs.append(line("photos", "f1", "x"));
    logs.flush().await.unwrap();
    assert!(segments(&dir.path().join("logs")).values().sum::<u64>() <= 8 << 10);
}

#[test]
fn a_queue_that_is_full_counts_what_each_function_lost() {
    let queue = Queue::new(40_000, u32::MAX);
    for _ in 0..1_000 {
        queue.push(line("loud", "flood", "x".repeat(100)));
    }
    for _ in 0..20 {
        queue.push(line("quiet", "thumb", "x"));
    }
    let taken = queue.take();
    let kept = |app: &str| taken.lines.iter().filter(|line| line.app == key(app)).count();
    assert_eq!(kept("quiet"), 20, "a flood leaves room for others");
    let flood = (key("loud"), function("flood"));
    assert_eq!(taken.lost, BTreeMap::from([(flood, 1_000 - kept("loud") as u64)]));
    assert!(kept("loud") > 10);
    queue.push(line("loud", "flood", "x"));
    assert_eq!(queue.take().lines.len(), 1, "what was taken no longer counts");
}

#[test]
fn lost_lines_are_told_in_the_place_of_the_function_that_lost_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::open(dir.path(), SMALL, 7).unwrap();
    let flood = (key("loud"), function("flood"));
    shelf.write(vec![line("loud", "flood", "kept")], BTreeMap::from([(flood, 12)]), 99);
    let all = LogQuery::newest(key("loud"), 10);
    let (lines, _) = read::read(&all, shelf.snapshot(&key("loud"), None, 7)).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1].function, function("flood"));
    assert_eq!((lines[1].level.as_str(), lines[1].time_us), ("warn", 99));
    assert!(lines[1].message.starts_with("12 lines were dropped"), "{}", lines[1].message);
}

#[tokio::test]
async fn more_functions_than_files_may_be_open_are_no_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), LogLimits::default());
    for _ in 0..2 {
        for name in 0..400 {
            logs.append(line("photos", &format!("f{name}"), "x"));
        }
        logs.flush().await.unwrap();
    }
    assert_eq!(query(&logs, "photos", None).await.0.len(), 800);
    assert_eq!(segments(&dir.path().join("logs")).len(), 400);
}

#[tokio::test]
async fn lines_of_a_store_that_is_dropped_are_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let logs = open(dir.path(), SMALL);
    for number in 0..50 {
        logs.append(line("photos", "thumb", number.to_string()));
    }
    drop(logs);
    let logs = open(dir.path(), SMALL);
    assert_eq!(query(&logs, "photos", None).await.0.len(), 50);
}
