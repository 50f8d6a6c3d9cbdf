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

/// `RUN_DIR/OBJECT-HASH.intent.json`: readable, unique whatever characters the object's name has, and the same whatever
/// folder the program is started in.
pub(crate) fn file(run_dir: &Path, target: &Path, object: &str) -> PathBuf {
    let plain: String =
        object.chars().take(40).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let absolute = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    let place = match (folder, absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(place.as_os_str().as_encoded_bytes()).update(b"\0").update(object.as_bytes());
    run_dir.join(format!("{plain}-{}.intent.json", &hasher.finalize().to_hex()[..8]))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_promise_has_one_name_however_its_target_is_spelled() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("data"), dir.path().join("link")).unwrap();
        let name = |target: &str, object: &str| file(Path::new("run"), &dir.path().join(target), object);
        assert_eq!(name("data/t.csv", "t"), name("link/../data/./t.csv", "t"));
        assert_eq!(name("data/t.csv", "t"), name("link/t.csv", "t"));
        assert_ne!(name("data/t.csv", "t"), name("data/u.csv", "t"));
        assert_ne!(name("data/t.csv", "a/b"), name("data/t.csv", "a_b"));
        assert_eq!(name("data/t.csv", "a/b").parent(), Some(Path::new("run")));
    }

    #[test]
    fn a_promise_is_read_back_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/x.intent.json");
        assert_eq!(read::<State>(&path).unwrap(), None);
        write(&path, &State::Promised).unwrap();
        assert_eq!(read::<State>(&path).unwrap(), Some(State::Promised));
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 1);
        std::fs::write(&path, "half").unwrap();
        assert!(read::<State>(&path).is_err());
    }
}
