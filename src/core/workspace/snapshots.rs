//! Snapshots and profiles, kept in the state folder.
use super::Workspace;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::platform::Source;
use crate::table::Snapshot;
use crate::table::profile::Profile;

/// How fresh a snapshot must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Any that was taken from the object's present version (files: same hash or identity, size and time).
    Cached,
    /// Read again.
    Now,
}

impl Workspace {
    /// A snapshot of an object, taken now or found.
    pub fn snapshot(
        &self,
        platform: &str,
        source: &Source,
        label: &str,
        freshness: Freshness,
        monitor: &dyn Monitor,
    ) -> Result<Snapshot> {
        let _ = (platform, source, label, freshness, monitor);
        Err(crate::Error::platform("not read"))
    }
    /// The profile of an object, from the state folder if the snapshot is the same.
    pub fn profile(&self, platform: &str, source: &Source, label: &str, monitor: &dyn Monitor) -> Result<Profile> {
        let _ = (platform, source, label, monitor);
        Ok(Profile::default())
    }
}
