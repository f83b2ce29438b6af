//! Who a function may call outside: one rule book, one resolver and one HTTP client for all
//! runtimes.
//!
//! Two lists decide together. A function's [`Policy`] names hosts and ports; the operator's
//! [`OperatorRules`] judge the addresses behind those names. [`Egress::connect`] resolves a name
//! once, judges every address of the answer and connects to none that it has not judged.
//! [`Client`] is `fetch` on top of it and asks both lists again at every redirect.

mod body;
mod client;
mod connection;
mod decode;
mod egress;
mod headers;
mod policy;
mod pool;
mod ranges;
mod redirect;
mod refused;
mod resolver;
mod rules;

pub use body::{BodyError, RequestBody, ResponseBody};
pub use client::{
    Client, ClientConfig, ClientError, FetchError, FetchRequest, FetchResponse, RedirectMode,
};
pub use egress::{ConnectError, Egress};
pub use policy::{Policy, PolicyError};
pub use refused::{Reason, Refused};
pub use resolver::{Resolver, SystemResolver};
pub use rules::OperatorRules;
