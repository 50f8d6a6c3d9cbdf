//! What others push in: who takes it, and what they come through. The doors themselves (HTTP, a socket) are no part of the
//! core; a sync loop is given how to open them.
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::project::PushConfig;

/// One thing that is pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A record of the source, new or changed: source column → text or NULL.
    Put(Map<String, Value>),
    /// A record of the source is gone: its key columns.
    Delete(Map<String, Value>),
    /// Something changed: look.
    Look,
}

/// What came through a door at once.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// For which mapping.
    pub mapping: String,
    /// Through which door, in a word: `webhook`, `socket`, `stdin`.
    pub origin: &'static str,
    /// A delivery that came before under this key is not taken again.
    pub idempotency: Option<String>,
    /// When the changes were made, where the sender says.
    pub changed: Option<SystemTime>,
    /// What.
    pub items: Vec<Item>,
}

/// What was taken of a delivery; it is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// New.
    pub accepted: u64,
    /// Came before under the same key.
    pub repeated: u64,
}

/// Why a delivery is not taken.
#[derive(Debug)]
pub enum Refusal {
    /// No mapping of that name takes pushes.
    Unknown(String),
    /// It is not as it must be; why, without its cells.
    Bad(String),
    /// So much waits that no more is taken for now.
    Full(String),
    /// It cannot be taken now.
    Failed(Error),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(why) | Self::Bad(why) | Self::Full(why) => f.write_str(why),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Takes deliveries. It may wait for the disk.
pub trait Desk: Send + Sync {
    /// Keeps what is delivered, on disk when this returns, and sees that it is handled.
    fn take(&self, delivery: &Delivery) -> std::result::Result<Receipt, Refusal>;
    /// How sync stands, in the text form of Prometheus. It holds no records.
    fn metrics(&self) -> Result<String>;
}

/// A way in that is open until it is dropped.
pub trait Door: Send {
    /// Where it listens for HTTP, where it does: `127.0.0.1:7777`.
    fn address(&self) -> Option<String>;
    /// Something that whoever started it should know; empty as a rule.
    fn notes(&self) -> Vec<String>;
}

/// Opens all doors that a project asks for: settings, the project's folder, the socket's path, who takes what comes.
pub type OpenDoors = fn(&PushConfig, &Path, &Path, Arc<dyn Desk>) -> Result<Box<dyn Door>>;
