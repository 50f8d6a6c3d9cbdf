//! What every platform made of local files shares: opening with clear errors, and the version of a file.
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crm_core::error::{Error, Result};
use crm_core::platform::{ColumnInfo, ObjectInfo, ObjectVersion, Schema};
use crm_core::project::PlatformConfig;

/// Bytes read at a time where a whole file is passed through.
pub(crate) const CHUNK: usize = 256 * 1024;

/// Opens a data file for reading. A missing file, a folder, a device and a file without permission each get their own advice.
pub fn open(path: &Path) -> Result<(File, Metadata)> {
    let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
    let metadata = file.metadata().map_err(|error| Error::io("look at", path, &error))?;
    if metadata.is_dir() {
        return Err(Error::platform(format!("{} is a folder, not a file", path.display()))
            .advise("name a file in that folder instead of the folder"));
    }
    Ok((file, metadata))
}

/// As [`open`], and an empty file is an error: a source without even a header was most likely not written to its end.
pub fn open_filled(path: &Path) -> Result<(File, Metadata)> {
    let (file, metadata) = open(path)?;
    if metadata.is_file() && metadata.len() == 0 {
        return Err(empty(path));
    }
    Ok((file, metadata))
}

/// The error for a file that holds nothing.
pub(crate) fn empty(path: &Path) -> Error {
    Error::data(format!("{} is empty: it has not even a header", path.display()))
        .advise("check that the export finished; a target that shall be created must not exist yet")
}

/// The state of a file: size, time, device and inode, blake3 of the content (streamed). A missing file has `exists` false.
pub fn file_version(path: &Path) -> Result<ObjectVersion> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(ObjectVersion::default()),
        Err(error) => return Err(Error::io("look at", path, &error)),
        Ok(_) => {}
    }
    let (mut file, metadata) = open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0_u8; CHUNK];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&chunk[..read]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path, &error)),
        }
    }
    Ok(ObjectVersion {
        exists: true,
        bytes: metadata.len(),
        modified_ms: modified_ms(&metadata),
        identity: identity(&metadata),
        hash: hasher.finalize().to_hex().to_string(),
    })
}

/// Device and inode, as text.
pub(crate) fn identity(metadata: &Metadata) -> String {
    format!("{}:{}", metadata.dev(), metadata.ino())
}

/// What tells one content of a file from the next without reading it: for caches that live as long as the process.
pub(crate) fn state(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {} {}", identity(metadata), metadata.len(), modified.unwrap_or_default().as_nanos())
}

/// Most of a reject's text that is kept, bytes.
pub(crate) const RAW: usize = 64 * 1024;

/// The text of a reject, as much of it as is kept.
pub(crate) fn raw(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(RAW)]).into_owned()
}

/// The reason of a reject, and how much of its text could not be kept.
pub(crate) fn reject_reason(reason: &str, bytes: u64) -> String {
    if bytes > RAW as u64 { format!("{reason}; {bytes} bytes, the first {RAW} kept") } else { reason.to_string() }
}

/// Columns that are text and nothing else is known of them.
pub(crate) fn text_schema(names: Vec<String>) -> Schema {
    let column =
        |name| ColumnInfo { name, declared: "text".to_string(), required: false, key: false, generated: false };
    Schema { columns: names.into_iter().map(column).collect() }
}

/// Modification time in milliseconds since 1970; negative before.
pub(crate) fn modified_ms(metadata: &Metadata) -> i64 {
    metadata.modified().map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    })
}

/// Where a file platform keeps its objects: one file, or a folder of files with certain extensions.
#[derive(Debug, Clone)]
pub struct Place {
    /// Absolute or relative to the process, not to the project.
    pub path: PathBuf,
    /// Lower-case, without dot, the first is given to files that are created.
    pub extensions: &'static [&'static str],
}

impl Place {
    /// From `path` of a platform's configuration.
    pub fn of(config: &PlatformConfig, base: &Path, extensions: &'static [&'static str]) -> Result<Self> {
        let path = config.path.as_ref().ok_or_else(|| {
            Error::usage("a platform of files needs a path")
                .at(format!("project.toml platforms.{}", config.name))
                .advise("add path = \"FOLDER\" or path = \"FILE\"")
        })?;
        Ok(Self { path: base.join(path), extensions })
    }

    /// One file as a platform of its own.
    pub fn file(path: &Path, extensions: &'static [&'static str]) -> Self {
        Self { path: path.to_path_buf(), extensions }
    }

    fn has_extension(&self, path: &Path) -> bool {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        self.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
    }

    /// True where the platform is one file (it need not exist yet) and not a folder.
    pub fn is_file(&self) -> bool {
        !self.path.is_dir() && (self.path.is_file() || self.has_extension(&self.path))
    }

    /// The files that are objects, with the names to call them by: the stem where it is unique, else the whole name.
    pub fn files(&self) -> Result<Vec<(String, PathBuf)>> {
        if self.is_file() {
            return Ok(if self.path.exists() { vec![(stem(&self.path), self.path.clone())] } else { Vec::new() });
        }
        let entries = std::fs::read_dir(&self.path).map_err(|error| Error::io("list", &self.path, &error))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| Error::io("list", &self.path, &error))?.path();
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.is_file() && self.has_extension(&path) {
                files.push(path);
            }
        }
        files.sort();
        let stems: Vec<String> = files.iter().map(|path| stem(path)).collect();
        Ok(files
            .into_iter()
            .enumerate()
            .map(|(index, path)| {
                let twin = stems.iter().filter(|other| **other == stems[index]).count() > 1;
                (if twin { name(&path) } else { stems[index].clone() }, path)
            })
            .collect())
    }

    /// The file behind an object's name, whether it exists or not. A name that leaves the folder is refused.
    pub fn locate(&self, object: &str) -> Result<PathBuf> {
        if self.is_file() {
            if object == stem(&self.path) || object == name(&self.path) {
                return Ok(self.path.clone());
            }
            return Err(Error::usage(format!("no object '{object}' in {}", self.path.display()))
                .advise(format!("this platform is one file; its object is '{}'", stem(&self.path))));
        }
        let plain = !object.is_empty()
            && !object.starts_with('.')
            && !object.contains(['/', '\\', '\0'])
            && object.len() <= 200;
        if !plain {
            return Err(Error::usage("an object of a folder is a plain file name")
                .advise(format!("use the name of a file in {}", self.path.display())));
        }
        if self.has_extension(Path::new(object)) {
            return Ok(self.path.join(object));
        }
        let candidates = self.extensions.iter().map(|extension| self.path.join(format!("{object}.{extension}")));
        let mut found: Vec<PathBuf> = candidates.filter(|path| path.is_file()).collect();
        if found.is_empty() && self.path.is_dir() {
            // `Contacts.CSV`: the extension may be written in another case.
            found = self.files()?.into_iter().filter(|(_, path)| stem(path) == object).map(|(_, path)| path).collect();
        }
        match found.len() {
            0 => Ok(self.path.join(format!("{object}.{}", self.extensions[0]))),
            1 => Ok(found.remove(0)),
            _ => Err(Error::usage(format!("'{object}' could be any of {} files", found.len())).advise(format!(
                "write it with its extension: {}",
                found.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// The files as objects, with their sizes.
    pub fn objects(&self) -> Result<Vec<ObjectInfo>> {
        let info = |(name, path): (String, PathBuf)| ObjectInfo {
            name,
            rows: None,
            bytes: std::fs::metadata(path).ok().map(|metadata| metadata.len()),
        };
        Ok(self.files()?.into_iter().map(info).collect())
    }

    /// The error for an object whose file is not there, naming those that are.
    pub fn missing(&self, object: &str) -> Error {
        let error = Error::platform(format!("no object '{object}' in {}", self.path.display()));
        match self.files() {
            Ok(files) if !files.is_empty() => {
                let names: Vec<_> = files.iter().take(12).map(|(name, _)| name.as_str()).collect();
                error.advise(format!("objects there: {}", names.join(", ")))
            }
            _ => error.advise(format!("there is no *.{} file", self.extensions.join(", *."))),
        }
    }
}

/// File name without its last extension.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// File name with its extension.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The error for a saved query on a platform that is files.
pub(crate) fn no_queries(kind: &str) -> Error {
    Error::usage(format!("a {kind} platform has no queries"))
        .advise("name an object (a file) in `from` instead, and narrow it with `where`")
}
