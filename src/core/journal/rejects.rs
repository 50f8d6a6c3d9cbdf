//! `NAME.rejects.ndjson`: rows that could not be carried over, one a line, in the folder of a plan or a run.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use super::Reject;
use crate::error::{Error, Result};

/// The file of a mapping's rejects in the folder of a plan or a run.
pub fn rejects_file(folder: &Path, mapping: &str) -> PathBuf {
    folder.join(format!("{mapping}.rejects.ndjson"))
}

/// The files of one mapping's rejects, or of all mappings by name, in the folder of a plan or a run.
pub fn rejects_files(folder: &Path, mapping: Option<&str>) -> Result<Vec<PathBuf>> {
    if let Some(mapping) = mapping {
        return Ok(vec![rejects_file(folder, mapping)]);
    }
    let fail = |error: std::io::Error| Error::io("read the folder", folder, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.to_str().is_some_and(|path| path.ends_with(".rejects.ndjson")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes rejects, numbered from 1.
pub struct RejectWriter {
    path: PathBuf,
    file: BufWriter<File>,
    count: u64,
}

impl RejectWriter {
    /// Creates the file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io("create", path, &error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), count: 0 })
    }
    /// Goes on with a file that has this many lines so far; it stands at its end.
    pub fn go_on(path: &Path, file: File, count: u64) -> Self {
        Self { path: path.to_owned(), file: BufWriter::new(file), count }
    }
    /// Lines and bytes so far; they are on disk on return.
    pub fn position(&mut self) -> Result<(u64, u64)> {
        self.sync()?;
        let at = self.file.get_mut().stream_position().map_err(|error| Error::io("write", &self.path, &error))?;
        Ok((self.count, at))
    }
    /// Adds one; its number is set here.
    pub fn push(&mut self, mut reject: Reject) -> Result<()> {
        self.count += 1;
        reject.n = self.count;
        serde_json::to_writer(&mut self.file, &reject)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| Error::io("write", &self.path, &error))
    }
    /// Flushes and syncs; answers how many there are.
    pub fn finish(mut self) -> Result<u64> {
        self.sync()?;
        Ok(self.count)
    }
    /// Everything so far is on disk on return.
    pub fn sync(&mut self) -> Result<()> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(|error| Error::io("write", &self.path, &error))
    }
}

/// Streams the rejects of a file; a file that is not there has none.
pub fn read_rejects(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Reject>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Box::new(std::iter::empty())),
        Err(error) => return Err(Error::io("read", path, &error)),
    };
    let path = path.to_owned();
    Ok(Box::new(BufReader::new(file).lines().map(move |line| {
        let line = line.map_err(|error| Error::io("read", &path, &error))?;
        serde_json::from_str(&line).map_err(|_| {
            Error::platform(format!("{} holds a line that is not a reject", path.display()))
                .advise("the file was changed or cut; make the plan or the run again")
        })
    })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rejects_are_numbered_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = rejects_file(dir.path(), "contacts");
        assert_eq!(read_rejects(&path).unwrap().count(), 0);
        let reject = Reject {
            n: 0,
            kind: "rejected".into(),
            row: Some(3),
            line: 5,
            key: None,
            field: Some("stage".into()),
            step: "values".into(),
            reason: "not in the value map".into(),
            cause: "stage: not in the value map".into(),
            source: serde_json::Map::from_iter([("STG".to_owned(), "line\nbreak".into())]),
            raw: None,
            parent: None,
        };
        let mut writer = RejectWriter::create(&path).unwrap();
        writer.push(reject.clone()).unwrap();
        writer.push(reject.clone()).unwrap();
        assert_eq!(writer.finish().unwrap(), 2);
        let back: Vec<Reject> = read_rejects(&path).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(back[1], Reject { n: 2, ..reject });
        RejectWriter::create(&rejects_file(dir.path(), "accounts")).unwrap().finish().unwrap();
        let files = |mapping| rejects_files(dir.path(), mapping).unwrap();
        assert_eq!(files(None), [rejects_file(dir.path(), "accounts"), path.clone()]);
        assert_eq!(files(Some("contacts")), std::slice::from_ref(&path));
        std::fs::write(&path, "{\"n\": 1\n").unwrap();
        assert!(read_rejects(&path).unwrap().next().unwrap().is_err());
    }
}
