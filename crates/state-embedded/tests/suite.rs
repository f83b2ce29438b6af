//! The suite of `mayfly-state-api` on the embedded backends: fresh, in one run, and reopened.

#![allow(clippy::unwrap_used, reason = "helpers of tests are test code")]

use std::ops::Deref;

use mayfly_state_api::suite;
use mayfly_state_embedded::{
    DataDir, FileArtifacts, LogLimits, OpenOptions, SegmentLogs, Store, Work,
};
use tempfile::TempDir;

/// A service on a directory that goes with it.
struct Fresh<S> {
    service: S,
    _dir: TempDir,
}

impl<S> Deref for Fresh<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.service
    }
}

fn fresh<S>(open: impl FnOnce(&DataDir) -> S) -> Fresh<S> {
    let dir = tempfile::tempdir().unwrap();
    Fresh { service: open(&data(&dir)), _dir: dir }
}

fn data(dir: &TempDir) -> DataDir {
    DataDir::open(dir.path().join("data"), OpenOptions::default()).unwrap()
}

mod control {
    use super::*;

    async fn open() -> Fresh<Store> {
        fresh(|data| Store::open(data).unwrap())
    }

    mayfly_state_api::control_suite!(open);

    #[tokio::test]
    async fn every_behaviour_holds_on_one_store_also_after_it_was_reopened() {
        let dir = tempfile::tempdir().unwrap();
        let mut witnesses: Vec<suite::control::Witness> = Vec::new();
        for _ in 0..3 {
            let store = Store::open(&data(&dir)).unwrap();
            if let Some(newest) = witnesses.last() {
                newest.check(&store).await;
            }
            suite::control::all(&store).await;
            witnesses.push(suite::control::Witness::write(&store).await);
        }
    }
}

mod artifacts {
    use super::*;

    async fn open() -> Fresh<FileArtifacts> {
        fresh(|data| FileArtifacts::open(data).unwrap())
    }

    mayfly_state_api::artifact_suite!(open);

    #[tokio::test]
    async fn every_behaviour_holds_on_one_store_also_after_it_was_reopened() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            suite::artifacts::all(&FileArtifacts::open(&data(&dir)).unwrap()).await;
        }
    }
}

mod logs {
    use super::*;

    async fn open() -> Fresh<SegmentLogs> {
        fresh(|data| SegmentLogs::open(data, LogLimits::default()).unwrap())
    }

    mayfly_state_api::log_suite!(open);

    #[tokio::test]
    async fn every_behaviour_holds_on_one_store_also_after_it_was_reopened() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            suite::logs::all(&SegmentLogs::open(&data(&dir), LogLimits::default()).unwrap()).await;
        }
    }
}

mod queue {
    use std::sync::Arc;

    use mayfly_state_api::suite::queue::TestClock;

    use super::*;

    fn on(dir: &TempDir, clock: &TestClock) -> Work {
        let clock = clock.clone();
        let options = OpenOptions { clock: Arc::new(move || clock.now_us()) };
        Work::open(&DataDir::open(dir.path().join("data"), options).unwrap()).unwrap()
    }

    async fn open() -> (Fresh<Work>, TestClock) {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
        (Fresh { service: on(&dir, &clock), _dir: dir }, clock)
    }

    mod replies {
        mayfly_state_api::reply_suite!(super::open);
    }
    mod usage {
        mayfly_state_api::usage_suite!(super::open);
    }
    mayfly_state_api::queue_suite!(open);

    #[tokio::test]
    async fn every_behaviour_holds_on_one_queue_also_after_it_was_reopened() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), TestClock::default());
        for _ in 0..2 {
            let work = on(&dir, &clock);
            suite::queue::all(&work, &clock).await;
            suite::usage::all(&work, &clock).await;
            suite::replies::all(&work, &clock).await;
        }
    }
}
