//! What `check` lists.
use std::path::PathBuf;

use serde::Serialize;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Blocks a plan.
    Error,
    /// Should be looked at.
    Warning,
}

/// One finding in a project file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// File, relative to the project.
    pub file: PathBuf,
    /// Line, counted from 1; 0 if it is about the whole file.
    pub line: usize,
    /// Dotted name: `fields.email.clean[1]`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Within an SQL expression: the expression and the byte range to underline.
    pub sql: Option<(String, usize, usize)>,
}
