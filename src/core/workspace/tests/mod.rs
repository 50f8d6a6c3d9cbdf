//! Plans from project to operations, over platforms in memory.
#![allow(clippy::unwrap_used)]
pub(crate) mod bench;
mod incremental;
mod links;
mod plans;
mod proof;
mod properties;
mod rejects;
mod repairing;
mod reverting;
mod syncing;
mod verifying;
