//! Which kinds of platform this program can open.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Connector, OpenDoors, Post};
use crate::error::{Error, Result};
use crate::project::PlatformConfig;

/// Opens a platform of one kind. Gets the config and the folder that its relative paths start from.
pub type Factory = fn(&PlatformConfig, &Path) -> Result<Arc<dyn Connector>>;

/// Kind word → how to open it, with one line of help each.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, (&'static str, Factory)>,
    doors: Option<OpenDoors>,
    post: Option<Post>,
}

impl Registry {
    /// No kinds.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a kind with its line of help.
    pub fn add(&mut self, kind: &'static str, doc: &'static str, factory: Factory) {
        self.kinds.insert(kind, (doc, factory));
    }
    /// How others can push records in.
    pub fn receive(&mut self, doors: OpenDoors) {
        self.doors = Some(doors);
    }
    /// How others can push records in; None: this build has no way.
    pub fn doors(&self) -> Option<OpenDoors> {
        self.doors
    }
    /// How somebody is told over HTTP.
    pub fn call(&mut self, post: Post) {
        self.post = Some(post);
    }
    /// How somebody is told over HTTP; None: this build has no way.
    pub fn post(&self) -> Option<Post> {
        self.post
    }
    /// Kinds with their help, by name.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        self.kinds.iter().map(|(kind, (doc, _))| (*kind, *doc))
    }
    /// Opens a platform.
    pub fn open(&self, config: &PlatformConfig, base: &Path) -> Result<Arc<dyn Connector>> {
        match self.kinds.get(config.kind.as_str()) {
            Some((_, factory)) => factory(config, base),
            None => Err(Error::usage(format!("unknown platform kind '{}'", config.kind))
                .advise(format!("known kinds: {}", self.kinds.keys().copied().collect::<Vec<_>>().join(", ")))),
        }
    }
}
