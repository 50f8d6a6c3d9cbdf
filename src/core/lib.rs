//! The whole of the job: read, clean, map, plan, run, prove.
//!
//! No terminal and no platform driver is in here. Platforms come in through [`platform::Connector`], screens and
//! commands go out through plain data. Layers, from the ground up:
//!
//! `error`, `table` → `platform`, `project` → `clean`, `map`, `resolve`, `diff` → `plan` → `migrate`, `score` → `workspace`.
pub mod clean;
pub mod diff;
pub mod erase;
pub mod error;
pub mod journal;
pub mod map;
pub mod migrate;
pub mod monitor;
pub mod plan;
pub mod platform;
pub mod project;
pub mod rejects;
pub(crate) mod report;
pub mod resolve;
pub mod score;
pub mod suggest;
pub(crate) mod sync;
pub mod table;
pub mod workspace;

pub use error::{Error, Kind, Result};
