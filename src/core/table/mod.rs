//! Tables of text: how rows are held, shown in windows, hashed, kept as snapshots and described.
pub mod export;
#[cfg(test)]
pub(crate) mod fixture;
pub mod hash;
pub mod profile;
pub mod snapshot;
pub mod text;
mod window;

pub use snapshot::{Snapshot, SnapshotWriter};
pub use window::{RowSource, Window};
