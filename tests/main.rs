//! All integration tests, in one binary: each would link the whole table engine anew.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod architecture;
mod crash;
mod headless;
mod pty;
mod safety;
mod support;
mod sync;
