//! Files of JSON, by line or as one document, written anew without what is theirs.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::migrate::write_whole;

/// What becomes of a line.
pub(super) enum Change {
    Keep,
    Replace,
    Drop,
}

/// Rewrites a file of JSON lines. Answers how many lines changed or went. A file that is not there has none.
pub(super) fn lines(path: &Path, write: bool, mut change: impl FnMut(&mut Value) -> Change) -> Result<u64> {
    let fail = |error: std::io::Error| Error::io("rewrite", path, &error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(fail(error)),
    };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut out = if write {
        Some(BufWriter::new(tempfile::Builder::new().prefix(".erase-").tempfile_in(folder).map_err(fail)?))
    } else {
        None
    };
    let mut changed = 0;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(fail)?;
        // A line that a crash cut is no line: it goes, for nobody can say whose it is.
        let kept = match serde_json::from_str::<Value>(&line) {
            Err(_) => None,
            Ok(mut value) => match change(&mut value) {
                Change::Keep => Some(line),
                Change::Drop => None,
                Change::Replace => {
                    changed += 1;
                    if let Some(out) = &mut out {
                        serde_json::to_writer(&mut *out, &value).map_err(|error| fail(error.into()))?;
                        out.write_all(b"\n").map_err(fail)?;
                    }
                    continue;
                }
            },
        };
        match kept {
            Some(line) => {
                if let Some(out) = &mut out {
                    out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(fail)?;
                }
            }
            None => changed += 1,
        }
    }
    if let Some(out) = out.filter(|_| changed > 0) {
        let file = out.into_inner().map_err(|error| fail(error.into_error()))?;
        file.as_file().sync_all().map_err(fail)?;
        file.persist(path).map_err(|error| fail(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)?;
    }
    Ok(changed)
}

/// Rewrites a file with one JSON document: entries of its lists that are theirs go.
pub(super) fn list(path: &Path, write: bool, theirs: &dyn Fn(&Value) -> bool) -> Result<u64> {
    let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
    let Ok(mut document) = serde_json::from_slice::<Value>(&bytes) else { return Ok(0) };
    let lost = prune(&mut document, theirs);
    if lost > 0 && write {
        let text = serde_json::to_vec(&document).map_err(|_| Error::platform("a list cannot be written"))?;
        write_whole(path, &text)?;
    }
    Ok(lost)
}

fn prune(value: &mut Value, theirs: &dyn Fn(&Value) -> bool) -> u64 {
    match value {
        Value::Array(entries) => {
            let before = entries.len();
            entries.retain(|entry| !theirs(entry));
            (before - entries.len()) as u64 + entries.iter_mut().map(|entry| prune(entry, theirs)).sum::<u64>()
        }
        Value::Object(entries) => entries.values_mut().map(|entry| prune(entry, theirs)).sum(),
        _ => 0,
    }
}
