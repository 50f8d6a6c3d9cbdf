//! Writing a text file whole or not at all.
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Replaces a file's text: a temporary file beside it, synced, renamed over it, the folder synced. The mode of an
/// existing file stays; a symbolic link stays one. Missing folders are made.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write(path, text, false)
}

/// Like [`write_text`], for personal data: the file is readable by its owner alone, also where it was not before.
pub fn write_private_text(path: &Path, text: &str) -> Result<()> {
    write(path, text, true)
}

fn write(path: &Path, text: &str, private: bool) -> Result<()> {
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let failed = |error: std::io::Error| Error::io("write", path, &error);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".edit-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private; the umask then takes away what a new file may not have.
        builder.permissions(std::fs::Permissions::from_mode(if private { 0o600 } else { 0o666 }));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    if let (false, Ok(metadata)) = (private, std::fs::metadata(path)) {
        file.as_file().set_permissions(metadata.permissions()).map_err(failed)?;
    }
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
