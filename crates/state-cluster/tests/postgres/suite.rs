//! The suite of `mayfly-state-api`, again and again on one database, as nodes open it.
//!
//! Not one test per behaviour, because where each test is a process each would start a server.

use std::sync::Arc;

use mayfly_state_api::suite::queue::TestClock;
use mayfly_state_api::{UsageStore, suite};
use mayfly_state_cluster::{Store, Work};

use crate::server::Server;

#[tokio::test]
async fn every_behaviour_of_control_records_holds_also_on_a_store_that_was_opened_anew() {
    let mut server = Server::start();
    let mut witnesses: Vec<suite::control::Witness> = Vec::new();
    for _ in 0..2 {
        let store = Store::open(&server.database("fleet").await).await.unwrap();
        if let Some(newest) = witnesses.last() {
            newest.check(&store).await;
        }
        suite::control::all(&store).await;
        witnesses.push(suite::control::Witness::write(&store).await);
        drop(store);
        server.restart();
    }
}

#[tokio::test]
async fn every_behaviour_of_events_and_usage_holds_also_on_a_database_that_was_opened_anew() {
    let mut server = Server::start();
    let clock = TestClock::default();
    let mut before = Vec::new();
    for _ in 0..2 {
        let now = clock.clone();
        let database = server.connect("fleet", Arc::new(move || now.now_us())).await.unwrap();
        let work = Work::open(&database);
        assert_eq!(work.totals(0).await.unwrap(), before);
        suite::queue::all(&work, &clock).await;
        suite::usage::all(&work, &clock).await;
        suite::replies::all(&work, &clock).await;
        before = work.totals(0).await.unwrap();
        assert!(!before.is_empty());
        drop((work, database));
        server.restart();
    }
}
