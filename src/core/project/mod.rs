//! A project: `project.toml`, `mappings/*.toml`, `maps/*.csv`. Loaded, checked and edited in place as text.
pub mod edit;
mod load;
pub mod model;
mod validate;

pub use load::{Project, load_mapping};
pub use model::*;
pub use validate::{Problem, Severity};
