//! HTTP ingress.
//!
//! A request goes one way: its host, path and method find the app and the function, the policy
//! bounds what may come in, the invoker runs it, and the answer goes out; an error on the way
//! becomes a body that says whose fault it is. The gateway does not know what a runtime is.

mod body;
mod errors;
mod hosts;
mod policy;
mod route;
mod server;
mod service;
mod trace;

pub use hosts::Hosts;
pub use policy::Limits;
pub use server::Server;
pub use service::{Gateway, Parts};
