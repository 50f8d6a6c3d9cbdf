//! Logs of the service that do not grow for ever.
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

fn numbered(log: &Path, number: usize) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Where a log has more bytes than `most`, what it holds becomes `NAME.1`, the older ones move on, and of these `keep` stay. The
/// log itself is emptied and not replaced: whoever writes it (appending) goes on with the same file. True if it was done.
pub(crate) fn rotate(log: &Path, most: u64, keep: usize) -> Result<bool> {
    if log.metadata().map_or(0, |metadata| metadata.len()) <= most {
        return Ok(false);
    }
    let fail = |error: std::io::Error| Error::io("rotate", log, &error);
    // What an earlier setting kept, too.
    let mut last = keep;
    while numbered(log, last + 1).exists() {
        last += 1;
    }
    for number in keep.max(1)..=last {
        match std::fs::remove_file(numbered(log, number)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
    }
    for number in (1..keep).rev() {
        match std::fs::rename(numbered(log, number), numbered(log, number + 1)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
    }
    std::fs::copy(log, numbered(log, 1)).map_err(fail)?;
    File::options().write(true).open(log).and_then(|file| file.set_len(0)).map_err(fail)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_keeps_its_size_and_its_number_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("sync.log");
        assert!(!rotate(&log, 10, 2).unwrap(), "there is none yet");
        let mut writer = File::options().create(true).append(true).open(&log).unwrap();
        let read = |number: usize| std::fs::read_to_string(numbered(&log, number)).ok();
        for round in ["first", "second", "third", "fourth"] {
            writeln!(writer, "the {round} line").unwrap();
            assert!(rotate(&log, 10, 2).unwrap() && !rotate(&log, 10, 2).unwrap());
        }
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
        assert_eq!((read(1).unwrap().as_str(), read(2).unwrap().as_str()), ("the fourth line\n", "the third line\n"));
        assert_eq!(read(3), None);
        writeln!(writer, "on").unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "on\n", "and not behind a hole");
        // Fewer are kept from now on.
        writeln!(writer, "the fifth line").unwrap();
        assert!(rotate(&log, 10, 1).unwrap());
        assert_eq!((read(1).unwrap().as_str(), read(2)), ("on\nthe fifth line\n", None));
    }
}
