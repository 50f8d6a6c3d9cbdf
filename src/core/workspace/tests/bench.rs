//! A project over two platforms in memory.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::{Error, Result};
use crate::monitor::Silent;
use crate::plan::Plan;
use crate::platform::memory::Memory;
use crate::platform::{Connector, Registry};
use crate::project::PlatformConfig;
use crate::workspace::Workspace;

/// Platforms by project folder and name: a factory is a plain function.
static PLATFORMS: OnceLock<Mutex<HashMap<PathBuf, Memory>>> = OnceLock::new();

fn platforms() -> &'static Mutex<HashMap<PathBuf, Memory>> {
    PLATFORMS.get_or_init(Mutex::default)
}

fn open(config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
    let found = platforms().lock().unwrap().get(&base.join(&config.name)).cloned();
    Ok(Arc::new(found.ok_or_else(|| Error::platform("no such memory"))?))
}

pub(crate) struct Bench {
    pub(crate) root: tempfile::TempDir,
    pub(crate) old: Memory,
    pub(crate) new: Memory,
}

/// Cells of a row by words: `-` is NULL.
fn cells(line: &str) -> Vec<Option<&str>> {
    line.split(',').map(|cell| (cell != "-").then_some(cell)).collect()
}

/// Adds a table given as text, the first line its columns.
pub(crate) fn table(memory: Memory, name: &str, text: &str) -> Memory {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<Option<&str>>> = lines.map(cells).collect();
    let rows: Vec<&[Option<&str>]> = rows.iter().map(Vec::as_slice).collect();
    memory.with(name, &columns, &rows)
}

impl Bench {
    /// A project with mappings given as (name, text).
    pub(crate) fn new(mappings: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let project = "name = \"bench\"\n[platforms.old]\nkind = \"memory\"\n[platforms.new]\nkind = \"memory\"\n";
        std::fs::write(root.path().join("project.toml"), project).unwrap();
        std::fs::create_dir(root.path().join("mappings")).unwrap();
        let bench = Self { root, old: Memory::new(), new: Memory::new() };
        for (name, text) in mappings {
            bench.write(name, text);
        }
        for (name, memory) in [("old", &bench.old), ("new", &bench.new)] {
            platforms().lock().unwrap().insert(bench.root.path().join(name), memory.clone());
        }
        bench
    }
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root.path().join("mappings").join(format!("{name}.toml")), text).unwrap();
    }
    #[must_use]
    pub(crate) fn old(self, name: &str, text: &str) -> Self {
        table(self.old.clone(), name, text);
        self
    }
    #[must_use]
    pub(crate) fn new_side(self, name: &str, text: &str) -> Self {
        table(self.new.clone(), name, text);
        self
    }
    #[must_use]
    pub(crate) fn identity(self, name: &str, column: &str) -> Self {
        let _ = self.new.clone().with_identity(name, column);
        self
    }
    pub(crate) fn open(&self) -> Workspace {
        let mut registry = Registry::new();
        registry.add("memory", "in memory", open);
        let workspace = Workspace::open(self.root.path(), None, registry).unwrap();
        assert!(
            workspace.project().problems.iter().all(|p| p.severity == crate::project::Severity::Warning),
            "{:?}",
            workspace.project().problems
        );
        workspace
    }
    pub(crate) fn plan(&self) -> Plan {
        self.open().plan(&[], None, &Silent).unwrap()
    }
}
