//! Components from the cache to an answer, inside this process. `cargo xtask wasm` compiles the guests.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, Version};
use mayfly_egress::{Client, ClientConfig, Egress, OperatorRules, Policy, SystemResolver};
use mayfly_runtime_api::{
    Body, Failure, HttpRequest, LogLevel, LogSink, Places, Reply, ReplyBody, Spent,
};
use mayfly_types::{ByteSize, Digest, FaultCode, InvocationId, Outcome, OutcomeStatus};
use tokio::task::coop;

use crate::compile::{self, Job};
use crate::components::{Components, Loaded};
use crate::engine::{Engine, Kind};
use crate::outgoing::Outgoing;
use crate::quota::Limiter;
use crate::run::{self, Run};
use crate::state::{State, Throttle};
use crate::stdio::Lines;

struct Nowhere;

impl LogSink for Nowhere {
    fn write(&self, _invocation: Option<InvocationId>, _level: LogLevel, _message: &str) {}
}

pub(crate) fn guest(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("target/wasm/guests").join(name).with_extension("wasm")
}

/// A cache with one compiled component in it.
fn compiled(directory: &Path, engine: &Engine, kind: Kind, name: &str) -> (Components, Digest) {
    let components = Components::new(directory.to_owned(), 3);
    let key = Digest::of(name.as_bytes());
    let compiled = Kind::ALL.map(|kind| (kind, components.path(engine, key)));
    let job = Job { component: guest(name), name: name.to_owned(), compiled };
    compile::prepare_as(&job, |_| kind).unwrap();
    (components, key)
}

async fn call(loaded: &Arc<Loaded>, path: &str) -> (String, Outcome) {
    call_with(loaded, path, 1.0).await
}

async fn call_with(loaded: &Arc<Loaded>, path: &str, cpu: f64) -> (String, Outcome) {
    let Reply::Http { body, .. } = reply_to(loaded, path, cpu).await.unwrap() else {
        panic!("an event's reply")
    };
    match body {
        ReplyBody::Complete(bytes, outcome) => {
            (String::from_utf8(bytes.to_vec()).unwrap(), outcome)
        }
        // It had to let others run before it was done.
        ReplyBody::Running(mut stream) => {
            let mut text = Vec::new();
            while let Some(data) = poll_fn(|cx| stream.as_mut().poll_data(cx)).await {
                text.extend(data.unwrap());
            }
            let outcome = poll_fn(|cx| stream.as_mut().poll_outcome(cx)).await;
            (String::from_utf8(text).unwrap(), outcome)
        }
    }
}

fn client() -> Client {
    let egress = Egress::new(OperatorRules::default(), SystemResolver::new().unwrap());
    Client::new(egress, ClientConfig::default()).unwrap()
}

async fn reply_to(loaded: &Arc<Loaded>, path: &str, cpu: f64) -> Result<Reply, Failure> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let lines = Lines::new(Arc::new(Nowhere), InvocationId::new());
    let outgoing = Outgoing {
        client: Arc::new(client()),
        policy: Arc::new(Policy::new(&[]).unwrap()),
        deadline,
        lines: lines.clone(),
    };
    let memory = ByteSize::mb(64);
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("test.localhost"));
    run::run(Run {
        loaded: Arc::clone(loaded),
        state: State::new(Limiter::of(memory, memory), deadline, Arc::default(), lines, outgoing),
        request: HttpRequest {
            method: Method::GET,
            url: format!("http://test.localhost{path}"),
            headers,
            body: Body::Empty,
            route: None,
            params: Vec::new(),
            remote: None,
            version: Version::HTTP_11,
        },
        memory,
        cpu,
        deadline,
        timeout: Duration::from_secs(20),
        cold: false,
        init: Duration::ZERO,
        share: Places::default().share(),
    })
    .await
}

#[tokio::test]
async fn each_call_has_a_fresh_instance() {
    let cache = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        // As few as can be, so that each is used again and again.
        let engine = Engine::new(kind, 1).unwrap();
        let (components, key) = compiled(cache.path(), &engine, kind, "hello");
        let loaded = components.load(&engine, key, 1).unwrap();
        for round in 0..100 {
            let (text, outcome) = call(&loaded, &format!("/{round}")).await;
            assert_eq!(text, format!("hello {round} 1\n"));
            assert_eq!(outcome.status, OutcomeStatus::Ok);
            assert!(outcome.cpu_us > 0 && outcome.memory_peak >= 1 << 20, "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_whole_also_when_its_task_has_had_its_turn() {
    let cache = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let engine = Engine::new(kind, 1).unwrap();
        let (components, key) = compiled(cache.path(), &engine, kind, "hello");
        let loaded = components.load(&engine, key, 1).unwrap();
        for left in (0..6).cycle().take(60) {
            tokio::task::yield_now().await;
            let whole = use_up(usize::MAX).await;
            tokio::task::yield_now().await;
            // When no more is left tokio's channels say that they are empty, until the task was left.
            use_up(whole - left).await;
            assert_eq!(call(&loaded, &format!("/{left}")).await.0, format!("hello {left} 1\n"));
        }
    }
}

/// Takes up to so much of what tokio gives a task in one turn, and tells how much there was.
async fn use_up(most: usize) -> usize {
    poll_fn(|cx| {
        let mut used = 0;
        while used < most
            && let Poll::Ready(progress) = coop::poll_proceed(cx)
        {
            progress.made_progress();
            used += 1;
        }
        Poll::Ready(used)
    })
    .await
}

#[tokio::test]
async fn memory_that_was_written_is_zero_for_the_next() {
    let cache = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let engine = Engine::new(kind, 1).unwrap();
        let (components, key) = compiled(cache.path(), &engine, kind, "behaviours");
        let loaded = components.load(&engine, key, 1).unwrap();
        for _ in 0..5 {
            assert_eq!(call(&loaded, "/dirty?mb=20").await.0, "clean");
            assert_eq!(call(&loaded, "/dirty?mb=0").await.0, "clean");
        }
    }
}

#[tokio::test]
async fn a_part_of_a_processor_is_no_more_than_that() {
    let cache = tempfile::tempdir().unwrap();
    let engine = Engine::new(Kind::Kept, 1).unwrap();
    let (components, key) = compiled(cache.path(), &engine, Kind::Kept, "behaviours");
    let loaded = components.load(&engine, key, 1).unwrap();
    let (text, outcome) = call_with(&loaded, "/spin?ms=1000", 0.25).await;
    assert!(text.starts_with("counted "), "{text}");
    assert!(outcome.wall_us >= 1_000_000, "{outcome:?}");
    // It computes all the time that it is let; without the limit that is all of the wall time.
    assert!(outcome.cpu_us < outcome.wall_us * 35 / 100, "{outcome:?}");
}

#[test]
fn where_address_space_is_short_there_are_fewer_instances() {
    // 128 TB is what a process has on most machines, and this would take 4 PB.
    assert!(Engine::new(Kind::Mapped, 1 << 20).is_err());
    assert!(crate::runtime::engine(Kind::Mapped, 1 << 20).is_ok());
}

#[test]
fn a_guest_makes_up_for_no_more_than_a_moment_of_waiting() {
    let began = Instant::now();
    let mut throttle = Throttle { cpu: 0.25, began, spent: Spent::default() };
    assert_eq!(throttle.pause(began + Duration::from_secs(10)), None);
    let counted = throttle.began.duration_since(began);
    assert_eq!(counted, Duration::from_millis(9_900));
    assert_eq!(throttle.pause(began + Duration::from_millis(10_050)), None);
    assert_eq!(throttle.began.duration_since(began), Duration::from_millis(9_950));
}

#[tokio::test]
async fn where_no_room_is_left_the_node_is_at_fault() {
    let cache = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let engine = Engine::new(kind, 1).unwrap();
        let (components, key) = compiled(cache.path(), &engine, kind, "behaviours");
        let loaded = components.load(&engine, key, 1).unwrap();
        let waiting = call(&loaded, "/sleep?ms=60000");
        let mut waiting = std::pin::pin!(waiting);
        // It has taken the place that there is when it waits.
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        while loaded.engine.entered() == 0 {
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        let failure = reply_to(&loaded, "/clock", 1.0).await.unwrap_err();
        assert_eq!(failure.fault.code, FaultCode::Unavailable, "{:?}", failure.fault);
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("large.wasm")).unwrap();
    file.set_len(200 << 20).unwrap();
    let job = Job {
        component: directory.path().join("large.wasm"),
        name: "large.wasm".into(),
        compiled: Kind::ALL.map(|kind| (kind, directory.path().join("compiled"))),
    };
    let error = compile::prepare(&job).unwrap_err().to_string();
    assert!(error.contains("this file of 200MB is larger than 128MB"), "{error}");
    assert!(!directory.path().join("compiled").exists());
}

#[test]
fn a_component_that_nobody_uses_is_unloaded_and_loaded_again() {
    let cache = tempfile::tempdir().unwrap();
    let engine = Engine::new(Kind::Kept, 2).unwrap();
    let (components, key) = compiled(cache.path(), &engine, Kind::Kept, "hello");
    assert!(components.get(key).is_none(), "compiling loads nothing");
    let loaded = Arc::downgrade(&components.load(&engine, key, 1).unwrap());
    components.reap(1);
    assert!(components.get(key).is_some());
    components.reap(2);
    assert!(components.get(key).is_none() && loaded.upgrade().is_none());
    let loaded = components.load(&engine, key, 2).unwrap();
    loaded.touch(5);
    components.reap(4);
    assert!(components.get(key).is_some(), "it was used since");
}

#[test]
fn the_most_components_are_no_more_than_that() {
    let cache = tempfile::tempdir().unwrap();
    let engine = Engine::new(Kind::Kept, 2).unwrap();
    let (components, key) = compiled(cache.path(), &engine, Kind::Kept, "hello");
    let file = components.path(&engine, key);
    for number in 0..5_u64 {
        let other = Digest::of(&number.to_le_bytes());
        std::fs::hard_link(&file, components.path(&engine, other)).unwrap();
        components.load(&engine, other, number).unwrap();
    }
    let there = |number: u64| components.get(Digest::of(&number.to_le_bytes())).is_some();
    assert_eq!([0, 1, 2, 3, 4].map(there), [false, false, true, true, true]);
}
