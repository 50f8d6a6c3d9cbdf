//! Loading: what the files may say, and what is said when they are wrong.
#![allow(clippy::unwrap_used)]
use std::path::{Path, PathBuf};

use super::*;
use crate::platform::Source;

mod mapping;
mod whole;

/// A project folder made of `(path, text)` files.
pub(super) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// The problems of a mapping text, as lines.
fn problems(text: &str) -> Vec<String> {
    match load_mapping_with(Path::new("."), Path::new("mappings/x.toml"), text) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    }
    .iter()
    .map(|problem| problem.to_string().replace("mappings/x.toml ", ""))
    .collect()
}
