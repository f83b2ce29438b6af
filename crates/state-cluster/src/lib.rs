//! The state of a fleet: PostgreSQL.
//!
//! [`Database`] connects and brings the schema forward; each service opens on it. Any number of nodes share
//! one database: what one of them committed the others see.

mod control;
mod database;
mod work;

pub use control::Store;
pub use database::{Clock, Database, OpenError, Options};
pub use work::Work;
