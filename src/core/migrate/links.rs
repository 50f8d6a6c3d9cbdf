//! Links whose parent's new id was not known when the plan was made.
//!
//! A parent of an earlier mapping is written by now: the crosswalk knows it. A parent of the same mapping gets its id in
//! this very run: the cell stays empty and is amended after the inserts. A parent of a *later* mapping (links that go
//! round) stays empty too; the next run fills it.
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::path::Path;

use hashbrown::HashMap;
use polars::prelude::{DataFrame, IntoColumn, NewChunkedArray, StringChunked};

use super::trail;
use crate::error::{Error, Result};
use crate::journal::Crosswalk;
use crate::plan::MappingPlan;
use crate::plan::ops::PendingLink;

/// Where the parents of a link are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parents {
    /// In the crosswalk by now, or nowhere.
    Crosswalk,
    /// Among the rows of this mapping.
    Here,
    /// Written after this mapping.
    Later,
    /// The link is never written.
    Unwritten,
}

/// Resolves the pending links of one mapping.
pub(super) struct Resolver<'p> {
    plan: &'p MappingPlan,
    parents: Vec<Parents>,
    /// Links left empty for the next run.
    pub(super) left: u64,
}

/// A batch with its links.
pub(super) struct Resolved {
    /// Values with the ids that are known.
    pub(super) values: DataFrame,
    /// Links to rows of the same mapping, to amend later.
    pub(super) here: Vec<PendingLink>,
    /// Links whose parent was not written: their rows cannot be.
    pub(super) missing: Vec<PendingLink>,
}

impl<'p> Resolver<'p> {
    /// `later`: mappings of the plan that come after this one.
    pub(super) fn new(plan: &'p MappingPlan, later: &[MappingPlan]) -> Self {
        let columns = plan.write_columns();
        let parents = plan.links.iter().map(|link| {
            if !columns.contains(&link.column) {
                Parents::Unwritten
            } else if link.mapping == plan.mapping {
                Parents::Here
            } else if later.iter().any(|other| other.mapping == link.mapping) {
                Parents::Later
            } else {
                Parents::Crosswalk
            }
        });
        Self { plan, parents: parents.collect(), left: 0 }
    }

    /// Fills in what is known.
    pub(super) fn resolve(
        &mut self,
        mut values: DataFrame,
        pending: Vec<PendingLink>,
        crosswalk: &Crosswalk,
    ) -> Result<Resolved> {
        let (mut here, mut missing) = (Vec::new(), Vec::new());
        let mut asked: Vec<Vec<PendingLink>> = vec![Vec::new(); self.parents.len()];
        for cell in pending {
            match self.parents.get(cell.link) {
                Some(Parents::Here) => here.push(cell),
                Some(Parents::Later) => self.left += 1,
                Some(Parents::Crosswalk) => asked[cell.link].push(cell),
                Some(Parents::Unwritten) | None => {}
            }
        }
        for (link, cells) in self.plan.links.iter().zip(asked) {
            if cells.is_empty() {
                continue;
            }
            let ids = crosswalk.get_many(&link.object.to_string(), cells.iter().map(|cell| cell.key.as_str()))?;
            let mut known = Vec::with_capacity(cells.len());
            for (cell, id) in cells.into_iter().zip(ids) {
                match id {
                    Some(id) => known.push((cell.row, id)),
                    None => missing.push(cell),
                }
            }
            fill(&mut values, &link.column, known)?;
        }
        missing.sort_by_key(|cell| (cell.row, cell.link));
        Ok(Resolved { values, here, missing })
    }
}

/// Sets some cells of a text column; `cells` ascend by row.
fn fill(frame: &mut DataFrame, column: &str, cells: Vec<(usize, String)>) -> Result<()> {
    let mut cells = cells.into_iter().peekable();
    let old = frame.column(column)?.str()?.clone();
    let new: Vec<Option<String>> = old
        .iter()
        .enumerate()
        .map(|(row, cell)| match cells.next_if(|(at, _)| *at == row) {
            Some((_, id)) => Some(id),
            None => cell.map(str::to_owned),
        })
        .collect();
    frame.replace(column, StringChunked::from_iter_options(column.into(), new.into_iter()).into_column())?;
    Ok(())
}

/// Links to rows of the same mapping, kept on disk until those are written.
pub(super) struct Later {
    file: BufWriter<File>,
    count: u64,
}

/// Links to amend: identity of the row, index of the link, old key of its parent.
type Line = (String, usize, String);

impl Later {
    /// Keeps them in a file without a name.
    pub(super) fn new() -> Result<Self> {
        let file = tempfile::tempfile()
            .map_err(|error| Error::platform(format!("cannot create a temporary file: {error}")))?;
        Ok(Self { file: BufWriter::new(file), count: 0 })
    }
    /// Keeps them in a file by name, going on after what an earlier attempt is known to have written there.
    pub(super) fn at(path: &Path, (count, bytes): (u64, u64)) -> Result<Self> {
        Ok(Self { file: BufWriter::new(trail::reopen(path, Some(bytes))?), count })
    }
    /// Links and bytes so far; they are on disk on return.
    pub(super) fn position(&mut self) -> Result<(u64, u64)> {
        let at = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        let at = at.and_then(|()| self.file.get_mut().stream_position()).map_err(|error| failed(&error))?;
        Ok((self.count, at))
    }
    /// Adds a link of the written row `identity`.
    pub(super) fn push(&mut self, identity: &str, cell: &PendingLink) -> Result<()> {
        self.count += 1;
        serde_json::to_writer(&mut self.file, &(identity, cell.link, &cell.key))
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| failed(&error))
    }
    /// There are none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// Calls `take` with each, in order.
    fn each(&mut self, mut take: impl FnMut(Line) -> Result<()>) -> Result<()> {
        self.file.flush().and_then(|()| self.file.get_mut().rewind()).map_err(|error| failed(&error))?;
        for line in BufReader::new(self.file.get_ref()).lines() {
            let line = line.map_err(|error| failed(&error))?;
            take(serde_json::from_str(&line).map_err(|error| failed(&error.into()))?)?;
        }
        Ok(())
    }
    /// The old keys of all parents.
    pub(super) fn parents(&mut self) -> Result<HashMap<String, Option<String>>> {
        let mut parents = HashMap::new();
        self.each(|(_, _, key)| {
            parents.entry(key).or_insert(None);
            Ok(())
        })?;
        Ok(parents)
    }
    /// Hands over, in batches of one link each: the rows' identities and their parents' ids (None: not written).
    pub(super) fn amends(
        &mut self,
        parents: &HashMap<String, Option<String>>,
        mut take: impl FnMut(usize, &[String], Vec<Option<String>>) -> Result<()>,
    ) -> Result<()> {
        let mut batches: HashMap<usize, (Vec<String>, Vec<Option<String>>)> = HashMap::new();
        self.each(|(identity, link, key)| {
            let (identities, ids) = batches.entry(link).or_default();
            identities.push(identity);
            ids.push(parents.get(&key).cloned().flatten());
            if identities.len() == crate::plan::ops::OPS_BATCH {
                let ids = std::mem::take(ids);
                take(link, &std::mem::take(identities), ids)?;
            }
            Ok(())
        })?;
        let mut rest: Vec<_> = batches.into_iter().filter(|(_, (identities, _))| !identities.is_empty()).collect();
        rest.sort_by_key(|(link, _)| *link);
        rest.into_iter().try_for_each(|(link, (identities, ids))| take(link, &identities, ids))
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::platform(format!("a temporary file failed: {error}"))
        .advise("check the space in the temporary folder (df -h)")
}
