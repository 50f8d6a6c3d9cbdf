//! Beginning one mapping in a project that is there: its two objects and its key, nothing else.
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{Side, draft, file_name};
use crate::error::{Error, Result};
use crate::platform::Connector;
use crate::project::edit::{MappingEdit, write_text};
use crate::project::{MAPPINGS_DIR, Project};
use crate::suggest::Knowledge;

/// An object of a platform, and how it is reached.
pub(crate) struct Place<'a> {
    pub(crate) platform: &'a str,
    pub(crate) object: &'a str,
    pub(crate) connector: Arc<dyn Connector>,
}

impl Place<'_> {
    fn side(&self, project: &Project) -> Result<Side> {
        let config = project.platforms.get(self.platform).cloned().ok_or_else(|| {
            Error::usage(format!("the project has no platform {}", self.platform)).advise("name it in project.toml")
        })?;
        let objects = self.connector.objects()?.into_iter().map(|object| object.name).collect();
        Ok(Side { config, connector: Arc::clone(&self.connector), objects, path: project.root.clone() })
    }
}

/// Writes `mappings/NAME.toml`, named after the source object, with the key that fits best; answers the name.
pub(crate) fn begin(project: &Project, from: &Place<'_>, to: &Place<'_>) -> Result<String> {
    let capabilities = to.connector.capabilities(to.object)?;
    if !capabilities.write {
        return Err(Error::usage(format!("{}:{} cannot be written by this program", to.platform, to.object))
            .advise("choose a csv, parquet or sqlite target"));
    }
    let (old, new) = (from.side(project)?, to.side(project)?);
    let mut names: BTreeSet<String> = project.mappings.iter().map(|mapping| mapping.name.clone()).collect();
    names.extend(files(&project.root));
    let name = file_name(from.object, &mut names);
    let knowledge = Knowledge::of_project(&project.root)?;
    let identity = capabilities.identity.as_deref();
    let draft = draft(name.clone(), (&old, from.object), (&new, to.object), identity, &knowledge)?;
    let label = |place: &Place<'_>| format!("{}:{}", place.platform, place.object);
    let mut edit = MappingEdit::new(&label(from), &label(to), std::slice::from_ref(&draft.key.target));
    let key = draft.fields.iter().filter(|field| field.target == draft.key.target).cloned();
    edit.set_fields(&key.collect::<Vec<_>>());
    write_text(&project.root.join(MAPPINGS_DIR).join(format!("{name}.toml")), &edit.to_string())?;
    Ok(name)
}

/// Names of the mapping files that are there, read or not.
fn files(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root.join(MAPPINGS_DIR)).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect()
}
