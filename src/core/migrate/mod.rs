//! Executing a plan: batches, rejects, pre-images, publish, verify.
//!
//! One run is one process and one [`Run`]; its mappings are executed one after the other in load order, each staged
//! whole and published once. What a killed engine leaves is looked after by [`recovery`].
mod agreed;
mod ahead;
mod execute;
pub mod fault;
mod history;
mod keeping;
mod links;
mod locks;
mod mapping;
mod monitor;
mod outcome;
mod pace;
mod picked;
pub(crate) mod postimages;
pub(crate) mod preimages;
mod process;
pub(crate) mod recovery;
mod report;
pub(crate) mod revert;
mod second_pass;
pub(crate) mod staged;
mod taken_back;
mod trail;
pub(crate) mod verify;
mod waited;
mod waiting;

pub(crate) use execute::Run;
pub(crate) use locks::{EngineLock, Owner, TargetLocks};
pub(crate) use monitor::{Ending, RunMonitor};
pub(crate) use process::{engine_program, spawn_engine, spawn_loop};
pub(crate) use report::write_whole;
pub use report::{MappingReport, RunReport};
pub use verify::{Failure, FailureCell, RecordState, States};

#[cfg(test)]
mod tests;
