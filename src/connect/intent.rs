//! Promises on disk: small JSON files in the run's folder, durable before what they promise is done.
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crm_core::error::{Error, Result};

/// Where a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// Staging began; nothing is promised.
    Begun,
    /// From here on recovery may find the target old or new.
    Promised,
    /// The target holds the new content.
    Done,
    /// The target holds the old content, the staged one is gone.
    Undone,
}

/// `RUN_DIR/OBJECT-HASH.intent.json`: readable, and unique whatever characters the object's name has.
pub(crate) fn file(run_dir: &Path, scope: &str, object: &str) -> PathBuf {
    let plain: String =
        object.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let hash = blake3::hash(format!("{scope}\0{object}").as_bytes()).to_hex();
    run_dir.join(format!("{plain}-{}.intent.json", &hash[..8]))
}

/// The run's name, that of its folder.
pub(crate) fn run_name(run_dir: &Path) -> String {
    run_dir.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Writes the file whole or not at all, durable on return (file and folder are synced).
pub(crate) fn write<T: Serialize>(path: &Path, intent: &T) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("write the intent journal", path, &error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(fail)?;
    let bytes = serde_json::to_vec_pretty(intent).map_err(|error| fail(error.into()))?;
    let temp = path.with_extension("json.tmp");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&temp)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temp, path)?;
        sync_folder(folder)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&temp);
        fail(error)
    })
}

/// Reads it back; None if there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read the intent journal", path, &error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        Error::data(format!("{} is not an intent journal of this program", path.display()))
            .advise("it was written by another version, or damaged; compare the target by hand")
    })
}

/// Makes a rename or removal in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}
