//! Corrections: cells of single source rows that an operator mended. They are decisions, so they stand in a text file of
//! the project, and the pipeline applies them before its other steps: preview, plan, run and trace all see them.
//!
//! The file is CSV with the columns `key`, `column`, `from` and `to`; empty is NULL. `from` guards: a correction holds only
//! while the source cell still is that. A row is addressed by the source cells that its key is made of, as they were read
//! (`4711`, `4711|DE`; a backslash stands before `|`, `#` and itself in a cell), or, where those are empty or several rows
//! share them, by its content: `#a1b2c3d4e5f60718`, with `line 17 ` in front where the same row stands there twice.
use std::borrow::Cow;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use polars::prelude::{DataFrame, IntoColumn, StringChunked};

use super::pipeline::text_column;
use crate::error::Result;
use crate::platform::LINE;
use crate::project::words::did_you_mean;
use crate::table::hash::cells_hash;

/// The name of the step, as counts and traces give it.
pub const CORRECTION: &str = "correction";

/// One corrected cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Which row.
    pub row: RowAddress,
    /// Source column.
    pub column: String,
    /// What the source must hold still; None: NULL or nothing.
    pub from: Option<String>,
    /// What the cell is to be; None: NULL.
    pub to: Option<String>,
    /// Line in the file; 0 if it is not in one yet.
    pub line: usize,
}

/// How a source row is found again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RowAddress {
    /// By the source cells that the key is made of.
    Key(Vec<String>),
    /// By all its cells, and the line where that is not enough.
    Content {
        /// Hash of the cells.
        hash: u64,
        /// Physical line.
        line: Option<u64>,
    },
}

impl std::fmt::Display for RowAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 {
                        f.write_str("|")?;
                    }
                    for c in part.chars() {
                        if matches!(c, '|' | '#' | '\\') {
                            f.write_str("\\")?;
                        }
                        write!(f, "{c}")?;
                    }
                }
                Ok(())
            }
            Self::Content { hash, line: Some(line) } => write!(f, "line {line} #{hash:016x}"),
            Self::Content { hash, line: None } => write!(f, "#{hash:016x}"),
        }
    }
}

impl RowAddress {
    /// Reads what [`std::fmt::Display`] writes; None if it is neither a key nor an address by content.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = vec![String::new()];
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => parts.last_mut()?.push(chars.next()?.1),
                '|' => parts.push(String::new()),
                '#' => {
                    let hash = &text[at + 1..];
                    let whole = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
                    let hash = whole.then(|| u64::from_str_radix(hash, 16).ok()).flatten()?;
                    let line = match text[..at].trim() {
                        "" => None,
                        words => Some(words.strip_prefix("line ")?.trim().parse().ok()?),
                    };
                    return Some(Self::Content { hash, line });
                }
                c => parts.last_mut()?.push(c),
            }
        }
        parts.iter().all(|part| !part.is_empty()).then_some(Self::Key(parts))
    }
    /// The address by key of a row with these cells; None if one of them is blank.
    pub fn key<'c>(cells: impl IntoIterator<Item = Option<&'c str>>) -> Option<Self> {
        let parts: Option<Vec<String>> =
            cells.into_iter().map(|cell| cell.filter(|cell| !cell.trim().is_empty()).map(str::to_owned)).collect();
        parts.filter(|parts| !parts.is_empty()).map(Self::Key)
    }
}

/// Hash of a row's cells, by which it is addressed.
pub fn content_hash<'c>(cells: impl IntoIterator<Item = Option<&'c str>>, buffer: &mut Vec<u8>) -> u64 {
    // Empty and NULL are one in text files, so they are here.
    (cells_hash(cells.into_iter().map(|cell| cell.filter(|cell| !cell.is_empty())), buffer) >> 64) as u64
}

/// Two cells are one value in a text file.
pub(crate) fn same_text(one: Option<&str>, other: Option<&str>) -> bool {
    one.unwrap_or_default() == other.unwrap_or_default()
}

/// A row of a batch that a correction names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrectionHit {
    /// Row within the batch.
    pub row: usize,
    /// Index in [`Corrections::entries`].
    pub entry: usize,
    /// The source cell is as the correction says, so it was applied.
    pub holds: bool,
}

/// The corrections of a mapping, ready to be applied.
#[derive(Debug, Default)]
pub struct Corrections {
    entries: Vec<Correction>,
    /// Source columns that the key is made of.
    identity: Vec<String>,
    /// All source columns.
    columns: Vec<String>,
    by_key: HashMap<u128, Vec<usize>>,
    by_content: HashMap<u64, Vec<usize>>,
}

/// A slip in a corrections file: line and message.
pub(crate) type Slip = (usize, String);

impl Corrections {
    /// Makes them ready for rows with these columns; `identity` are those that the key is made of.
    pub(crate) fn new(entries: Vec<Correction>, identity: Vec<String>, columns: &[String]) -> Result<Self, Vec<Slip>> {
        let mut slips: Vec<Slip> = Vec::new();
        let mut seen: HashMap<(&RowAddress, &str), usize> = HashMap::new();
        for entry in &entries {
            if !columns.contains(&entry.column) {
                let known: Vec<&str> = columns.iter().map(String::as_str).collect();
                let near = did_you_mean(&entry.column, &known);
                slips.push((entry.line, format!("the source has no column '{}': {near}", entry.column)));
            }
            if let RowAddress::Key(parts) = &entry.row
                && parts.len() != identity.len()
            {
                let names = if identity.is_empty() { "no column".to_owned() } else { identity.join("|") };
                slips.push((entry.line, format!("the key of a source row is {names} here")));
            }
            if let Some(first) = seen.insert((&entry.row, &entry.column), entry.line) {
                slips.push((entry.line, format!("the cell is corrected twice, first in line {first}")));
            }
        }
        drop(seen);
        if !slips.is_empty() {
            return Err(slips);
        }
        let (mut by_key, mut by_content) = (HashMap::<_, Vec<usize>>::new(), HashMap::<_, Vec<usize>>::new());
        let mut buffer = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match &entry.row {
                RowAddress::Key(parts) => {
                    let hash = cells_hash(parts.iter().map(|part| Some(part.as_str())), &mut buffer);
                    by_key.entry(hash).or_default().push(at);
                }
                RowAddress::Content { hash, .. } => by_content.entry(*hash).or_default().push(at),
            }
        }
        Ok(Self { entries, identity, columns: columns.to_vec(), by_key, by_content })
    }

    /// In file order.
    pub fn entries(&self) -> &[Correction] {
        &self.entries
    }

    /// A field that reads this column may be corrected.
    pub(crate) fn touches(&self, column: &str) -> bool {
        self.entries.iter().any(|entry| entry.column == column)
    }

    /// Columns that [`Corrections::hits`] reads.
    pub(crate) fn reads(&self) -> Vec<String> {
        if !self.by_content.is_empty() {
            return self.columns.clone();
        }
        let mut names = self.identity.clone();
        for entry in &self.entries {
            if !names.contains(&entry.column) {
                names.push(entry.column.clone());
            }
        }
        names
    }

    /// The rows of a batch that are named, by row.
    pub(crate) fn hits(&self, batch: &DataFrame) -> Result<Vec<CorrectionHit>> {
        let mut hits: Vec<(usize, usize)> = Vec::new();
        look_up(
            batch,
            &self.identity,
            |cells, buffer, row| {
                if let Some(found) = self.by_key.get(&cells_hash(cells.iter().copied(), buffer)) {
                    hits.extend(found.iter().map(|entry| (row, *entry)));
                }
            },
            !self.by_key.is_empty(),
        )?;
        let lines = match batch.column(LINE) {
            Ok(lines) if !self.by_content.is_empty() => Some(lines.u64()?.clone()),
            _ => None,
        };
        look_up(
            batch,
            &self.columns,
            |cells, buffer, row| {
                let Some(found) = self.by_content.get(&content_hash(cells.iter().copied(), buffer)) else { return };
                let at = lines.as_ref().and_then(|lines| lines.get(row));
                hits.extend(
                    found
                        .iter()
                        .filter(|entry| match self.entries[**entry].row {
                            RowAddress::Content { line: Some(line), .. } => at == Some(line),
                            _ => true,
                        })
                        .map(|entry| (row, *entry)),
                );
            },
            !self.by_content.is_empty(),
        )?;
        hits.sort_unstable();
        let mut out = Vec::with_capacity(hits.len());
        for (row, entry) in hits {
            let correction = &self.entries[entry];
            let column = text_column(batch, &correction.column)?;
            let holds = same_text(column.get(row), correction.from.as_deref());
            out.push(CorrectionHit { row, entry, holds });
        }
        Ok(out)
    }

    /// The batch with its cells corrected, and the rows that were named.
    pub(crate) fn apply<'b>(&self, batch: &'b DataFrame) -> Result<(Cow<'b, DataFrame>, Vec<CorrectionHit>)> {
        if self.entries.is_empty() {
            return Ok((Cow::Borrowed(batch), Vec::new()));
        }
        let hits = self.hits(batch)?;
        let mut out = Cow::Borrowed(batch);
        let mut changed: Vec<(&str, HashMap<usize, Option<&str>>)> = Vec::new();
        for hit in hits.iter().filter(|hit| hit.holds) {
            let entry = &self.entries[hit.entry];
            let at = changed.iter().position(|(column, _)| *column == entry.column).unwrap_or_else(|| {
                changed.push((&entry.column, HashMap::new()));
                changed.len() - 1
            });
            changed[at].1.insert(hit.row, entry.to.as_deref());
        }
        for (name, cells) in changed {
            let old = text_column(batch, name)?;
            let new: StringChunked =
                old.iter().enumerate().map(|(row, cell)| cells.get(&row).copied().unwrap_or(cell)).collect();
            let mut column = new.into_column();
            column.rename(name.into());
            out.to_mut().with_column(column)?;
        }
        Ok((out, hits))
    }
}

/// Hands the cells of each row to `each`.
fn look_up(
    batch: &DataFrame,
    names: &[String],
    mut each: impl FnMut(&[Option<&str>], &mut Vec<u8>, usize),
    needed: bool,
) -> Result<()> {
    if !needed || names.is_empty() {
        return Ok(());
    }
    let columns: Vec<StringChunked> = names.iter().map(|name| text_column(batch, name)).collect::<Result<_>>()?;
    let mut iterators: Vec<_> = columns.iter().map(StringChunked::iter).collect();
    let (mut buffer, mut cells) = (Vec::with_capacity(256), Vec::with_capacity(names.len()));
    for row in 0..batch.height() {
        cells.clear();
        cells.extend(iterators.iter_mut().map(|cells| cells.next().flatten()));
        each(&cells, &mut buffer, row);
    }
    Ok(())
}

/// Reads a file; one without a line has no corrections. All slips at once.
pub(crate) fn load(path: &Path) -> Result<Vec<Correction>, Vec<Slip>> {
    let bytes = std::fs::read(path)
        .map_err(|error| vec![(0, crate::Error::io("read the corrections", path, &error).what().to_string())])?;
    read(&bytes)
}

/// Reads the entries of a file's content.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Correction>, Vec<Slip>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let header = reader.headers().map_err(|_| vec![(1, "is not UTF-8 text".to_owned())])?.clone();
    let column = |name: &str| header.iter().position(|cell| cell.trim() == name);
    let (Some(key), Some(name), Some(from), Some(to)) = (column("key"), column("column"), column("from"), column("to"))
    else {
        return Err(vec![(1, "its first line must be key,column,from,to".to_owned())]);
    };
    let (mut entries, mut slips) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line) as usize;
                slips.push((line, "is not UTF-8 text".to_owned()));
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line) as usize;
        let cell = |at: usize| record.get(at).map(|cell| (!cell.is_empty()).then(|| cell.to_owned()));
        let (Some(Some(key)), Some(Some(column)), Some(from), Some(to)) = (cell(key), cell(name), cell(from), cell(to))
        else {
            slips.push((line, "needs a key, a column, from and to".to_owned()));
            continue;
        };
        match RowAddress::parse(&key) {
            Some(row) => entries.push(Correction { row, column, from, to, line }),
            None => slips.push((line, "the key is neither cells joined by | nor #HASH of a row".to_owned())),
        }
    }
    if slips.is_empty() { Ok(entries) } else { Err(slips) }
}

/// How often each correction was met over a source: rows to which it applied, and rows whose cell is another now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorrectionTally {
    /// By entry.
    counts: Vec<(u64, u64)>,
}

/// A correction that does not hold as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Line in the corrections file.
    pub line: usize,
    /// Source column.
    pub column: String,
    /// Why, without values.
    pub why: String,
}

impl CorrectionTally {
    /// Adds the hits of a batch.
    pub(crate) fn add(&mut self, entries: usize, hits: &[CorrectionHit]) {
        self.counts.resize(entries.max(self.counts.len()), (0, 0));
        for hit in hits {
            let count = &mut self.counts[hit.entry];
            if hit.holds { count.0 += 1 } else { count.1 += 1 }
        }
    }
    /// What does not hold, once the whole source was seen.
    pub(crate) fn stale(&self, corrections: &Corrections) -> Vec<Stale> {
        let mut out = Vec::new();
        for (at, entry) in corrections.entries.iter().enumerate() {
            let (applied, other) = self.counts.get(at).copied().unwrap_or_default();
            let why = match (applied, other) {
                (1, 0) => continue,
                (0, 0) => "no row of the source is meant by its key any more".to_owned(),
                (0, _) => "the source cell is another now".to_owned(),
                (applied, _) if applied + other > 1 => {
                    format!("{} rows of the source have this key: address the one by #HASH", applied + other)
                }
                _ => continue,
            };
            out.push(Stale { line: entry.line, column: entry.column.clone(), why });
        }
        out
    }
}

/// Default place of a mapping's corrections, relative to the project.
pub fn default_path(mapping: &str) -> PathBuf {
    PathBuf::from("maps").join(format!("{mapping}.corrections.csv"))
}

#[cfg(test)]
mod tests;
