//! Histories of a queue, on PostgreSQL: see `mayfly_state_api::suite::histories`.

use std::sync::Arc;

use async_trait::async_trait;
use mayfly_state_api::InvocationQueue;
use mayfly_state_api::suite::histories::{Leases, Subject, follow};
use mayfly_state_api::suite::queue::TestClock;
use mayfly_state_cluster::Work;

use crate::server::Server;

struct Node {
    server: Arc<Server>,
    schema: String,
    clock: TestClock,
    work: Work,
}

impl Node {
    async fn open(server: Arc<Server>, schema: String, clock: TestClock) -> Self {
        let now = clock.clone();
        let database = server.connect(&schema, Arc::new(move || now.now_us())).await.unwrap();
        Self { server, schema, clock, work: Work::open(&database) }
    }
}

#[async_trait]
impl Subject for Node {
    fn queue(&self) -> &dyn InvocationQueue {
        &self.work
    }

    async fn reopen(&mut self) -> Leases {
        let (server, schema) = (Arc::clone(&self.server), self.schema.clone());
        *self = Self::open(server, schema, self.clock.clone()).await;
        Leases::Kept
    }
}

/// `MAYFLY_TEST_HISTORIES` of them, for a longer look.
#[tokio::test]
async fn a_queue_answers_as_its_model_whatever_happens_in_whatever_order() {
    let many = std::env::var("MAYFLY_TEST_HISTORIES").ok().map(|many| many.parse().unwrap());
    let server = Server::shared();
    let opened = std::sync::atomic::AtomicU32::new(0);
    let open = async |clock: &TestClock| {
        let number = opened.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Node::open(Arc::clone(&server), format!("histories_{number}"), clock.clone()).await
    };
    follow(open, 0..many.unwrap_or(60), 40).await;
}
