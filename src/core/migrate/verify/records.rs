//! What did not match, kept beside a run (or beside a plan that was verified without one): `NAME.verify.ndjson`.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::error::{Error, Result};

fn path_of(dir: &Path, mapping: &str) -> PathBuf {
    dir.join(format!("{mapping}.verify.ndjson"))
}

/// Keeps what a verify found, in place of what the one before found. Cells are left out.
pub(crate) fn keep_failures(dir: &Path, mapping: &str, failures: &[Failure]) -> Result<()> {
    let path = path_of(dir, mapping);
    let staged = path.with_extension("tmp");
    let fail = |error: std::io::Error| Error::io("write", &staged, &error);
    let mut file = BufWriter::new(File::create(&staged).map_err(fail)?);
    for failure in failures {
        let bare = Failure { cells: Vec::new(), ..failure.clone() };
        serde_json::to_writer(&mut file, &bare)
            .map_err(std::io::Error::from)
            .and_then(|()| file.write_all(b"\n"))
            .map_err(fail)?;
    }
    file.flush().map_err(fail)?;
    std::fs::rename(&staged, &path).map_err(|error| Error::io("write", &path, &error))
}

/// Reads some of [`keep_failures`] back; None if there was no verify.
pub(crate) fn read_failures(dir: &Path, mapping: &str, first: usize, count: usize) -> Result<Option<Vec<Failure>>> {
    let path = path_of(dir, mapping);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let lines = BufReader::new(file).lines().skip(first).take(count);
    let failures = lines.map(|line| {
        let line = line.map_err(|error| Error::io("read", &path, &error))?;
        serde_json::from_str(&line).map_err(|_| {
            Error::platform(format!("{} cannot be understood", path.display())).advise("verify again: it is made anew")
        })
    });
    failures.collect::<Result<_>>().map(Some)
}
