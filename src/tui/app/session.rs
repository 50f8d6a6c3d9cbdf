//! What the next start picks up: where the operator was, and edits that were not saved (a lost connection loses nothing).
use crm_core::project::Side;
use serde::{Deserialize, Serialize};

/// Kept in the state folder as `session.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Screen, by name.
    pub screen: String,
    /// Mapping at hand.
    pub mapping: String,
    /// Unsaved edits.
    pub unsaved: Vec<Unsaved>,
    /// Suggestions that were refused: mapping, target field, source column.
    pub refused: Vec<(String, String, String)>,
    /// Mouse reporting.
    pub mouse: bool,
    /// Decisions on conflicts that were not handed over: number of the conflict, field and side. No cells.
    pub decisions: Vec<(i64, Vec<(String, Side)>)>,
}

/// An edited text that is not in its file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsaved {
    /// Mapping.
    pub mapping: String,
    /// What the file held.
    pub saved: String,
    /// What was typed.
    pub text: String,
}
