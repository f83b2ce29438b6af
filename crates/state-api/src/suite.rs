//! What every backend must do, one function per behaviour, and a wrapper that makes a store fail.
//!
//! A backend's tests name a function that opens a fresh store and get one test per behaviour:
//!
//! ```ignore
//! mayfly_state_api::control_suite!(open);
//! mayfly_state_api::artifact_suite!(open_artifacts);
//! mayfly_state_api::log_suite!(open_logs);
//! mayfly_state_api::queue_suite!(open_queue);
//! mayfly_state_api::usage_suite!(open_queue);
//! mayfly_state_api::reply_suite!(open_queue);
//! ```
//!
//! Each behaviour makes tenants of its own, so that all of them also pass one after another, again
//! and again, on one store: see `all` in each module. A behaviour panics where the backend fails.

#![allow(clippy::unwrap_used, reason = "the suite is test code: it panics where a backend fails")]

pub mod artifacts;
pub mod control;
mod faults;
pub mod logs;
pub mod queue;
pub mod replies;
pub mod usage;

use std::collections::BTreeMap;

use mayfly_types::{
    AppKey, AppName, AsyncConfig, ByteSize, Digest, FunctionConfig, FunctionName, HandlerStyle,
    InvocationId, Isolation, Revision, RuntimeKind, TenantName, TimeSpan, WrittenLimits,
};

pub use faults::{Faulty, Plan, until_answered};

/// A tenant's name that no other call has given.
pub fn unused_tenant() -> TenantName {
    TenantName::new(&format!("t{}", InvocationId::new().uuid().simple())).unwrap()
}

/// The app `name` of `tenant`.
pub fn app(tenant: &TenantName, name: &str) -> AppKey {
    AppKey::new(tenant.clone(), AppName::new(name).unwrap())
}

/// The function `name`.
pub fn function(name: &str) -> FunctionName {
    FunctionName::new(name).unwrap()
}

/// A revision of an app's function; another `code` makes another revision.
pub fn revision(app: &AppKey, name: &str, code: &str) -> Revision {
    let config = FunctionConfig {
        runtime: RuntimeKind::Js,
        entry: "index.js".into(),
        handler: None,
        memory: ByteSize::mb(128),
        cpu: 0.5,
        disk: ByteSize::mb(512),
        timeout: TimeSpan::seconds(30),
        concurrency: Some(3),
        concurrency_per_instance: None,
        warm: 0,
        isolation: Isolation::Invocation,
        env: BTreeMap::from([("LEVEL".into(), "info \"ü\"\n".into())]),
        secrets: vec!["API_KEY".into()],
        egress: vec!["api.example.com:443".into()],
        written: WrittenLimits::default(),
        events: AsyncConfig { attempts: 5, ..AsyncConfig::default() },
    };
    let digest = Digest::of(code.as_bytes());
    Revision::new(app.clone(), function(name), digest, config, HandlerStyle::Fetch)
}
