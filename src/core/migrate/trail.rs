//! How far a mapping came on a platform that no transaction holds: there each batch stays once it is written.
//!
//! Before a batch is handed over the journal says which rows it has; afterwards, how everything stands. An attempt that
//! goes on takes what is written as done, asks the platform about the rows of the batch that was broken off, and hands over
//! only what is not there.
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::journal::{Handing, Mark, Pass};

/// What is known of a mapping on such a platform while an attempt writes it.
pub(super) struct Trail {
    /// What earlier attempts wrote.
    pub(super) mark: Option<Mark>,
    /// The batch that the last one broke off.
    doubt: Option<Handing>,
    /// Rows of each pass taken so far.
    at: [u64; 2],
    /// Rows that earlier attempts inserted and deleted: the platform counts them as there, and as gone, before this one.
    earlier: (u64, u64),
}

/// What to do with the next rows of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// So many were written by an earlier attempt.
    Done(usize),
    /// So many may have been.
    Doubtful(usize),
    /// At most so many are new.
    New(usize),
}

impl Next {
    /// Most rows to take.
    pub(super) fn rows(self) -> usize {
        match self {
            Self::Done(rows) | Self::Doubtful(rows) | Self::New(rows) => rows,
        }
    }
}

impl Trail {
    /// Goes on from what the journal says.
    pub(super) fn new(mark: Option<Mark>, doubt: Option<Handing>) -> Self {
        let earlier = mark.as_ref().map_or((0, 0), |mark| (mark.counts.inserted, mark.counts.deleted));
        Self { mark, doubt, at: [0, 0], earlier }
    }
    /// An earlier attempt wrote here.
    pub(super) fn is_begun(&self) -> bool {
        self.mark.is_some() || self.doubt.is_some()
    }
    /// The next rows of a pass.
    pub(super) fn next(&self, pass: Pass, most: usize) -> Next {
        let at = self.at[pass as usize];
        let done = self.mark.as_ref().map_or(0, |mark| if pass == Pass::Changes { mark.changes } else { mark.inserts });
        if at < done {
            return Next::Done((done - at) as usize);
        }
        match self.doubt {
            Some(Handing { pass: broken, from, rows }) if broken == pass && (from..from + rows).contains(&at) => {
                Next::Doubtful((from + rows - at) as usize)
            }
            _ => Next::New(most),
        }
    }
    /// Rows of a pass were taken.
    pub(super) fn take(&mut self, pass: Pass, rows: usize) {
        self.at[pass as usize] += rows as u64;
    }
    /// Where a pass stands.
    pub(super) fn at(&self, pass: Pass) -> u64 {
        self.at[pass as usize]
    }
    /// A row of the doubtful batch was found written.
    pub(super) fn found(&mut self, inserted: u64, deleted: u64) {
        self.earlier.0 += inserted;
        self.earlier.1 += deleted;
    }
    /// Rows of the object before the first attempt, by what it holds before this one.
    pub(super) fn before(&self, now: u64) -> u64 {
        (now + self.earlier.1).saturating_sub(self.earlier.0)
    }
}

/// Opens a file of lines to go on after its first `bytes`; what stands behind them was written by a batch that was broken
/// off. Without `bytes` it begins anew.
pub(super) fn reopen(path: &Path, bytes: Option<u64>) -> Result<std::fs::File> {
    let fail = |error: std::io::Error| Error::io("open", path, &error);
    let mut options = std::fs::File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    let bytes = bytes.unwrap_or(0);
    if length < bytes {
        return Err(Error::platform(format!("{} was cut", path.display()))
            .advise("it belongs to the run's journal; plan again: rows that are there are matched"));
    }
    file.set_len(bytes).map_err(fail)?;
    std::io::Seek::seek(&mut &file, std::io::SeekFrom::Start(bytes)).map_err(fail)?;
    Ok(file)
}

/// The links of a mapping that wait for the second pass.
pub(super) fn links_file(run_dir: &Path, mapping: &str) -> PathBuf {
    run_dir.join(format!("{mapping}.links.ndjson"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_done_is_skipped_and_what_is_in_doubt_is_asked_about() {
        let mark = Mark { changes: 5, inserts: 0, ..Mark::default() };
        let doubt = Handing { pass: Pass::Inserts, from: 0, rows: 3 };
        let mut trail = Trail::new(Some(mark), Some(doubt));
        assert_eq!(trail.next(Pass::Changes, 2), Next::Done(5));
        trail.take(Pass::Changes, 4);
        assert_eq!(trail.next(Pass::Changes, 2), Next::Done(1));
        trail.take(Pass::Changes, 1);
        assert_eq!(trail.next(Pass::Changes, 2), Next::New(2));
        assert_eq!(trail.next(Pass::Inserts, 2), Next::Doubtful(3));
        trail.take(Pass::Inserts, 3);
        assert_eq!(trail.next(Pass::Inserts, 2), Next::New(2));
        trail.found(2, 1);
        assert_eq!(trail.before(10), 9);
    }

    #[test]
    fn a_file_goes_on_where_it_was_known_to_be_good() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        std::fs::write(&path, "one\ntwo\nhal").unwrap();
        std::io::Write::write_all(&mut reopen(&path, Some(8)).unwrap(), b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        assert!(reopen(&path, Some(100)).is_err());
        drop(reopen(&path, None).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
