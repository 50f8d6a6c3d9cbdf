//! What a command-line argument names: a plain file, or an object of a project's platform.
use std::path::Path;
use std::sync::Arc;

use crm_core::monitor::Monitor;
use crm_core::platform::{Connector, Source};
use crm_core::table::Snapshot;
use crm_core::{Error, Result};

use super::args::Common;

/// Something that can be read.
pub(crate) struct Object {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) source: Source,
    pub(crate) label: String,
}

impl Object {
    /// `PLATFORM:OBJECT` of the project if it has that platform, else a file.
    pub(crate) fn resolve(common: &Common, text: &str) -> Result<Self> {
        let path = Path::new(text);
        if !path.exists()
            && let Some((platform, object)) = text.split_once(':')
        {
            let workspace = super::open(common).map_err(|error| {
                Error::usage(format!("no file '{text}', and no project to look up the platform '{platform}' in"))
                    .advise(error.to_string())
            })?;
            return Ok(Self {
                connector: workspace.connector(platform)?,
                source: Source::Object(object.to_owned()),
                label: text.to_owned(),
            });
        }
        let (connector, source) = crm_connect::connector_for_file(path)?;
        Ok(Self { connector, source, label: text.to_owned() })
    }
    /// A snapshot in a folder of its own that goes away with the returned guard.
    pub(crate) fn snapshot(&self, monitor: &dyn Monitor) -> Result<(tempfile::TempDir, Snapshot)> {
        let dir = tempfile::Builder::new()
            .prefix("crm-console-")
            .tempdir()
            .map_err(|error| Error::io("make a folder in", &std::env::temp_dir(), &error))?;
        let snapshot =
            Snapshot::take(&*self.connector, &self.source, &self.label, &dir.path().join("rows"), None, monitor)?;
        Ok((dir, snapshot))
    }
}
