//! What stands behind every command: deployments, releases, secrets and logs.
//!
//! [`ControlService`] carries out commands on the store. [`Follower`] keeps the view that the hot
//! path reads true to the store, and a command that changes what runs returns once the view has
//! reached it. [`admin`] is the REST API over both.

pub mod admin;
mod apps;
mod bootstrap;
mod bounded;
mod deploy;
mod follower;
mod invocations;
mod live;
mod load;
mod logs;
mod metrics;
mod progress;
mod ready;
mod sealer;
mod secrets;
mod service;
mod tenants;
mod uploads;
mod usage;

pub use bootstrap::{BootstrapError, ensure_admin_token};
pub use follower::Follower;
pub use progress::Progress;
pub use sealer::{SealError, Sealer, secret_aad};
pub use service::{Clock, ControlLimits, ControlParts, ControlService, Urls};
