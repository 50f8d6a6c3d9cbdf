//! A project: `project.toml`, `mappings/*.toml`, `maps/*.csv`. Loaded, checked and edited in place as text.
mod alerts;
pub mod edit;
pub(crate) mod init;
mod keep;
mod load;
pub mod model;
mod order;
mod personal;
mod push;
mod read;
mod sync;
mod validate;
pub mod words;

#[cfg(test)]
mod tests;

pub use alerts::{ALARMS, AlertsConfig};
pub use init::{InitAsk, InitDone, Recommended, Scenario};
pub use keep::{Span, StateConfig};
pub use load::{MAPPINGS_DIR, PROJECT_FILE, Project, load_mapping, load_mapping_with};
pub use model::*;
pub use personal::Personal;
pub use push::PushConfig;
pub(crate) use read::mapping::{default_match, quote_identifier};
pub use sync::{
    ChangeCap, ConflictPolicy, DeletePolicy, Direction, Side, SyncConfig, TriggerKind, parse_duration, words_of,
};
pub(crate) use validate::at as problem_at;
pub use validate::{Problem, Severity};
