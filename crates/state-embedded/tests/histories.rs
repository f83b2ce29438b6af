//! Histories of a queue, on SQLite: see `mayfly_state_api::suite::histories`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are test code")]

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use mayfly_state_api::InvocationQueue;
use mayfly_state_api::suite::histories::{Leases, Subject, follow};
use mayfly_state_api::suite::queue::TestClock;
use mayfly_state_embedded::{DataDir, OpenOptions, Work};
use tempfile::TempDir;

struct Embedded {
    work: Option<Work>,
    clock: TestClock,
    dir: TempDir,
}

impl Embedded {
    async fn open(clock: &TestClock) -> Self {
        // What is durable is for other tests: here a sync of the disk only takes time.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let dir = tempfile::tempdir_in(dir).unwrap();
        let mut opened = Self { work: None, clock: clock.clone(), dir };
        opened.reopen().await;
        opened
    }
}

#[async_trait]
impl Subject for Embedded {
    fn queue(&self) -> &dyn InvocationQueue {
        self.work.as_ref().unwrap()
    }

    async fn reopen(&mut self) -> Leases {
        drop(self.work.take());
        let clock = self.clock.clone();
        let options = OpenOptions { clock: Arc::new(move || clock.now_us()) };
        let data = DataDir::open(self.dir.path().join("data"), options).unwrap();
        self.work = Some(Work::open(&data).unwrap());
        Leases::Lost
    }
}

/// `MAYFLY_TEST_HISTORIES` of them, for a longer look.
#[tokio::test]
async fn a_queue_answers_as_its_model_whatever_happens_in_whatever_order() {
    let many = std::env::var("MAYFLY_TEST_HISTORIES").ok().map(|many| many.parse().unwrap());
    follow(Embedded::open, 0..many.unwrap_or(500), 40).await;
}
