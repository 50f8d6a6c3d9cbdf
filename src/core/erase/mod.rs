//! Erasing a person from the console's own state: snapshots, plans, rejects, pre-images, run journals, crosswalk. What is
//! left is a line in the list of the erased ([`crate::journal::erased`]), which keeps them from coming back.
//!
//! Rows of snapshots and operations are blanked in their places, because plans and runs find each other's rows by place; a
//! plan that lost a row so is marked and may not be run or verified any more. Other files lose the line. Each file is
//! written anew beside the old one and renamed over it.
//!
//! Nothing on a platform is touched: neither the row in the old CRM nor the one in the new.
pub(crate) mod check;
mod files;
mod lists;
mod person;
mod search;
mod sync;
mod tables;
mod unfinished;

use std::path::PathBuf;

use serde::Serialize;

pub(crate) use files::Sweep;
pub(crate) use person::Person;
pub(crate) use search::search;

/// What is (or would be) removed in one kind of place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// `snapshots`, `plans`, `rejects`, …
    pub what: String,
    /// Files.
    pub files: u64,
    /// Rows, lines or entries in them.
    pub rows: u64,
}

/// What is known in the state folder of the person that a key names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Mappings whose record it is.
    pub mappings: Vec<String>,
    /// By kind of place; kinds that hold nothing are left out.
    pub removed: Vec<Removed>,
    /// Plans that cannot be run or verified any more.
    pub plans: Vec<String>,
    /// Snapshots that cannot be searched by the mappings as they are now: they go as a whole.
    pub whole: Vec<PathBuf>,
    /// Files in which something of them was found afterwards that nobody else has.
    pub left: Vec<PathBuf>,
    /// It was done.
    pub done: bool,
}
