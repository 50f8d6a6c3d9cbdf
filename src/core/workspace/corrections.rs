//! Corrections of source cells: what they would be in the project's file, what stands against them, and writing them.
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Freshness, Workspace};
use crate::error::{Error, Result};
use crate::journal::Reject;
use crate::map::corrections::{self, content_hash, default_path, same_text};
use crate::map::{CellStep, Correction, Failure, Fate, Pipeline, RowAddress, Stale};
use crate::monitor::Monitor;
use crate::platform::LINE;
use crate::project::Mapping;
use crate::project::edit::{MappingEdit, set_correction_in_csv, write_private_text, write_text};
use crate::table::Snapshot;

/// Cells of one source row, edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowEdit {
    /// The number of its reject, for messages.
    pub n: u64,
    /// Its cells as they were read.
    pub source: Map<String, Value>,
    /// Physical line, 0 if it has none.
    pub line: u64,
    /// Column and what the cell is to be; as it was read takes a correction away.
    pub changes: Vec<(String, Option<String>)>,
}

impl RowEdit {
    /// Of a reject.
    pub fn of(reject: &Reject, changes: Vec<(String, Option<String>)>) -> Self {
        Self { n: reject.n, source: reject.source.clone(), line: reject.line, changes }
    }
}

/// A correction that is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewCorrection {
    /// Number of the reject.
    pub n: u64,
    /// How the row is addressed.
    pub row: String,
    /// Source column.
    pub column: String,
    /// As read.
    pub from: Option<String>,
    /// As it is to be; as read: the correction is taken away.
    pub to: Option<String>,
}

/// Why an edited cell becomes no correction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Number of the reject.
    pub n: u64,
    /// Source column, where it is about one.
    pub column: Option<String>,
    /// Why, without values.
    pub why: String,
}

/// A corrections file with some edits in it, not written yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorrectionsEdit {
    /// Mapping.
    pub mapping: String,
    /// The file, relative to the project.
    pub path: PathBuf,
    /// Its text now; empty if it is not there.
    #[serde(skip)]
    pub before: String,
    /// Its text with the edits.
    #[serde(skip)]
    pub after: String,
    /// What is new or changed.
    pub corrections: Vec<NewCorrection>,
    /// What cannot be.
    pub conflicts: Vec<Conflict>,
}

/// One source row's way through the steps of a mapping, without and with some edits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowTrial {
    /// Cells: column, as read, with corrections and edits.
    pub cells: Vec<(String, Option<String>, Option<String>)>,
    /// By target field.
    pub fields: Vec<FieldTrial>,
    /// What the row steps decide, with the edits.
    pub fate: Fate,
    /// Failures that reject the row, with the edits: field and reason.
    pub failures: Vec<(String, String)>,
}

/// One field of a [`RowTrial`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldTrial {
    /// Target field.
    pub target: String,
    /// Source columns it reads.
    pub sources: Vec<String>,
    /// Its steps as the project is.
    pub before: Vec<CellStep>,
    /// Its steps with the edits; empty if there are none.
    pub after: Vec<CellStep>,
}

/// The cells of some source rows as a frame that pipelines read, columns in the order of the first row.
pub(super) fn frame_of(rows: &[(&Map<String, Value>, u64)]) -> Result<DataFrame> {
    let names: Vec<String> = rows.first().map(|(row, _)| row.keys().cloned().collect()).unwrap_or_default();
    let lines: Vec<u64> = rows.iter().map(|(_, line)| *line).collect();
    let mut columns: Vec<Column> = Vec::with_capacity(names.len() + 1);
    for name in &names {
        let cells: Vec<Option<&str>> = rows.iter().map(|(row, _)| cell(row, name)).collect();
        columns.push(Series::new(name.as_str().into(), cells).into());
    }
    columns.push(Series::new(LINE.into(), &lines).into());
    Ok(DataFrame::new(lines.len(), columns)?)
}

fn cell<'r>(row: &'r Map<String, Value>, column: &str) -> Option<&'r str> {
    row.get(column).and_then(Value::as_str)
}

/// Where rows stand in the source as it is now.
struct Places {
    by_key: HashMap<Vec<String>, (u64, u64)>,
    by_content: HashMap<u64, Vec<(u64, Option<u64>)>>,
}

impl Workspace {
    /// The mapping of that name as it is saved.
    pub fn mapping(&self, name: &str) -> Result<&Mapping> {
        Ok(self.chosen(&[name.to_owned()])?[0])
    }

    /// The source row of a reject through all fields of a mapping, as the project is and with some cells edited. Nothing is
    /// read from the platform.
    pub fn try_row(&self, mapping: &Mapping, reject: &Reject, edits: &[(String, Option<String>)]) -> Result<RowTrial> {
        if reject.source.is_empty() {
            return Err(Error::usage("this piece of the source is no row: there is nothing to try")
                .advise("mend the line in the source file, then plan again"));
        }
        let columns: Vec<String> = reject.source.keys().cloned().collect();
        let frame = frame_of(&[(&reject.source, reject.line)])?;
        let hash = content_hash(reject.source.values().map(Value::as_str), &mut Vec::new());
        let more: Vec<Correction> = edits
            .iter()
            .map(|(column, to)| Correction {
                row: RowAddress::Content { hash, line: None },
                column: column.clone(),
                from: cell(&reject.source, column).map(str::to_owned),
                to: to.clone().filter(|to| !to.is_empty()),
                line: 0,
            })
            .collect();
        let compile = |more: &[Correction]| {
            Pipeline::compile_with(mapping, &columns, &self.project().root, more)
                .map_err(|found| super::plans::problems_error(&found))
        };
        let (plain, edited) = (compile(&[])?, compile(&more)?);
        let outcome = edited.apply(&frame)?;
        let (now, _) = edited.corrections().apply(&frame)?;
        let mut fields = Vec::with_capacity(plain.fields().len());
        for (at, field) in plain.fields().iter().enumerate() {
            fields.push(FieldTrial {
                target: field.target.clone(),
                sources: field.sources.clone(),
                before: plain.trace(&frame, 0, at)?,
                after: if more.is_empty() { Vec::new() } else { edited.trace(&frame, 0, at)? },
            });
        }
        let name = |failure: &Failure| edited.fields()[failure.field].target.clone();
        let fatal = outcome.failures.iter().filter(|failure| failure.fatal);
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            let corrected = now.column(&column)?.str()?.get(0).map(str::to_owned);
            cells.push((column.clone(), cell(&reject.source, &column).map(str::to_owned), corrected));
        }
        Ok(RowTrial {
            cells,
            fields,
            fate: outcome.fates[0],
            failures: fatal.map(|failure| (name(failure), failure.reason.clone())).collect(),
        })
    }

    /// What a mapping's corrections file would say with these edits in it, checked against the source as it is now. Nothing
    /// is written. Without `overwrite` a cell that is corrected to something else already is a conflict.
    pub fn corrections_for(
        &self,
        mapping: &str,
        edits: &[RowEdit],
        overwrite: bool,
        monitor: &dyn Monitor,
    ) -> Result<CorrectionsEdit> {
        let mapping = self.mapping(mapping)?;
        let path = mapping.corrections.clone().unwrap_or_else(|| default_path(&mapping.name));
        let before = self.corrections_text(&path)?;
        let known = corrections::read(before.as_bytes()).map_err(|slips| slip(&path, &slips))?;
        let (snapshot, pipeline) = self.source_now(mapping, monitor)?;
        let places = places(&snapshot, pipeline.identity(), edits, monitor)?;
        let mut out = CorrectionsEdit {
            mapping: mapping.name.clone(),
            path,
            after: before.clone(),
            before,
            corrections: Vec::new(),
            conflicts: Vec::new(),
        };
        for edit in edits {
            let conflict = |column: Option<&str>, why: &str| Conflict {
                n: edit.n,
                column: column.map(str::to_owned),
                why: why.to_owned(),
            };
            let (row, ordinal) = match address(&places, pipeline.identity(), edit) {
                Ok(found) => found,
                Err(why) => {
                    out.conflicts.push(conflict(None, why));
                    continue;
                }
            };
            let now = snapshot.slice(ordinal, 1, None)?;
            for (column, to) in &edit.changes {
                let from = cell(&edit.source, column).filter(|cell| !cell.is_empty());
                let to = to.as_deref().filter(|to| !to.is_empty());
                let Ok(cells) = now.column(column) else {
                    out.conflicts.push(conflict(Some(column), "the source has no such column"));
                    continue;
                };
                if !same_text(cells.str()?.get(0), from) {
                    out.conflicts.push(conflict(Some(column), "the source cell is another now"));
                    continue;
                }
                let old = known.iter().find(|one| one.row == row && one.column == *column);
                match old {
                    Some(old) if same_text(old.to.as_deref(), to) => continue,
                    Some(_) if !overwrite => {
                        out.conflicts.push(conflict(Some(column), "it is corrected to something else already"));
                        continue;
                    }
                    None if same_text(from, to) => continue,
                    _ => {}
                }
                let key = row.to_string();
                out.after = set_correction_in_csv(&out.after, &key, column, from, to)?;
                out.corrections.push(NewCorrection {
                    n: edit.n,
                    row: key,
                    column: column.clone(),
                    from: from.map(str::to_owned),
                    to: to.map(str::to_owned),
                });
            }
        }
        Ok(out)
    }

    /// Writes a corrections file (readable by its owner alone), and names it in the mapping if it is not yet. Answers the
    /// project as it is then.
    pub fn write_corrections(&self, edit: &CorrectionsEdit) -> Result<Self> {
        self.write_corrections_file(edit)?;
        let mapping = self.mapping(&edit.mapping)?;
        if mapping.corrections.is_none() {
            let file = self.project().root.join(&mapping.path);
            let text = std::fs::read_to_string(&file).map_err(|error| Error::io("read", &file, &error))?;
            let named = name_corrections(&text, &edit.mapping)?;
            write_text(&file, &named)?;
            let root = &self.project().root;
            super::note_saved(root, &mapping.path, Some(&edit.mapping), text.as_bytes(), named.as_bytes())?;
        }
        self.reload()
    }

    /// Writes a corrections file that still is as it was when the edit was made.
    pub fn write_corrections_file(&self, edit: &CorrectionsEdit) -> Result<()> {
        if self.corrections_text(&edit.path)? != edit.before {
            return Err(Error::refused(format!(
                "{} was changed by someone else since it was read",
                edit.path.display()
            ))
            .advise("do it again: it is read anew then"));
        }
        let root = &self.project().root;
        write_private_text(&root.join(&edit.path), &edit.after)?;
        super::note_saved(root, &edit.path, Some(&edit.mapping), edit.before.as_bytes(), edit.after.as_bytes())
    }

    /// Corrections of a mapping that do not hold as they stand, over its whole source.
    pub fn stale_corrections(&self, mapping: &Mapping, monitor: &dyn Monitor) -> Result<Vec<Stale>> {
        if mapping.corrections.is_none() {
            return Ok(Vec::new());
        }
        let (snapshot, pipeline) = self.source_now(mapping, monitor)?;
        let corrections = pipeline.corrections();
        let mut tally = corrections::CorrectionTally::default();
        if corrections.entries().is_empty() {
            return Ok(Vec::new());
        }
        for batch in snapshot.batches(Some(&corrections.reads()))? {
            monitor.check()?;
            tally.add(corrections.entries().len(), &corrections.hits(&batch?)?);
        }
        Ok(tally.stale(corrections))
    }

    fn source_now(&self, mapping: &Mapping, monitor: &dyn Monitor) -> Result<(Snapshot, Pipeline)> {
        let from = &mapping.from;
        let snapshot = self.snapshot(&from.platform, &from.source, &from.label, Freshness::Cached, monitor)?;
        let columns: Vec<String> = snapshot.meta().schema.names().map(str::to_owned).collect();
        let pipeline = Pipeline::compile(mapping, &columns, &self.project().root)
            .map_err(|found| super::plans::problems_error(&found))?;
        Ok((snapshot, pipeline))
    }

    fn corrections_text(&self, path: &Path) -> Result<String> {
        let file = self.project().root.join(path);
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::io("read", &file, &error)),
        }
    }
}

/// A mapping's text that names its corrections file.
pub fn name_corrections(text: &str, mapping: &str) -> Result<String> {
    let mut edit = MappingEdit::parse(text)?;
    edit.set_text("corrections", Some(&default_path(mapping).to_string_lossy()));
    Ok(edit.to_string())
}

fn slip(path: &Path, slips: &[(usize, String)]) -> Error {
    let (line, message) = slips.first().cloned().unwrap_or_default();
    Error::usage(message)
        .at(format!("{} line {line}", path.display()))
        .advise("mend the file in an editor first: nothing was changed")
}

/// Looks for the rows of some edits: by key, and by content where a key is blank or stands there more than once.
fn places(snapshot: &Snapshot, identity: &[String], edits: &[RowEdit], monitor: &dyn Monitor) -> Result<Places> {
    let key_of = |edit: &RowEdit| match RowAddress::key(identity.iter().map(|column| cell(&edit.source, column))) {
        Some(RowAddress::Key(parts)) => Some(parts),
        _ => None,
    };
    let mut by_key: HashMap<Vec<String>, (u64, u64)> =
        edits.iter().filter_map(key_of).map(|key| (key, (0, 0))).collect();
    if !by_key.is_empty() {
        let mut at = 0_u64;
        for batch in snapshot.batches(Some(identity))? {
            monitor.check()?;
            let batch = batch?;
            let columns: Vec<_> =
                identity.iter().map(|name| Ok(batch.column(name)?.str()?.clone())).collect::<Result<_>>()?;
            let mut parts: Vec<String> = Vec::with_capacity(columns.len());
            for row in 0..batch.height() {
                parts.clear();
                parts.extend(columns.iter().map(|column| column.get(row).unwrap_or_default().to_owned()));
                if let Some((count, first)) = by_key.get_mut(parts.as_slice()) {
                    if *count == 0 {
                        *first = at + row as u64;
                    }
                    *count += 1;
                }
            }
            at += batch.height() as u64;
        }
    }
    let mut buffer = Vec::new();
    let alone = |edit: &RowEdit| key_of(edit).is_some_and(|key| by_key[&key].0 <= 1);
    let mut by_content: HashMap<u64, Vec<(u64, Option<u64>)>> = HashMap::new();
    for edit in edits.iter().filter(|edit| !alone(edit)) {
        by_content.insert(content_hash(edit.source.values().map(Value::as_str), &mut buffer), Vec::new());
    }
    if !by_content.is_empty() {
        let names: Vec<String> = snapshot.meta().schema.names().map(str::to_owned).collect();
        let mut at = 0_u64;
        for batch in snapshot.batches(None)? {
            monitor.check()?;
            let batch = batch?;
            let columns: Vec<_> =
                names.iter().map(|name| Ok(batch.column(name)?.str()?.clone())).collect::<Result<_>>()?;
            let lines = batch.column(LINE).ok().map(|lines| lines.u64().cloned()).transpose()?;
            for row in 0..batch.height() {
                let hash = content_hash(columns.iter().map(|column| column.get(row)), &mut buffer);
                if let Some(found) = by_content.get_mut(&hash) {
                    found.push((at + row as u64, lines.as_ref().and_then(|lines| lines.get(row))));
                }
            }
            at += batch.height() as u64;
        }
    }
    Ok(Places { by_key, by_content })
}

/// How the row of an edit is addressed, and its ordinal now; or why it cannot be.
fn address(places: &Places, identity: &[String], edit: &RowEdit) -> Result<(RowAddress, u64), &'static str> {
    let key = RowAddress::key(identity.iter().map(|column| cell(&edit.source, column)));
    if let Some(RowAddress::Key(parts)) = key {
        match places.by_key.get(&parts) {
            Some((1, ordinal)) => return Ok((RowAddress::Key(parts), *ordinal)),
            Some((0, _)) | None => return Err("the source has no row with this key any more"),
            Some(_) => {}
        }
    }
    let hash = content_hash(edit.source.values().map(Value::as_str), &mut Vec::new());
    match places.by_content.get(&hash).map(Vec::as_slice) {
        Some([(ordinal, _)]) => Ok((RowAddress::Content { hash, line: None }, *ordinal)),
        None | Some([]) => Err("the source has no such row any more"),
        Some(rows) => rows
            .iter()
            .find(|(_, line)| edit.line > 0 && *line == Some(edit.line))
            .map(|(ordinal, line)| (RowAddress::Content { hash, line: *line }, *ordinal))
            .ok_or("the same row stands in the source several times, and has no line of its own"),
    }
}
