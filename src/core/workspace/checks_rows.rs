//! What can be said of a project only by reading its rows: what fails, what stays behind, who names nobody, what is in
//! doubt. Nothing is read from the targets but a sample.
use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::{Freshness, Workspace};
use crate::error::Result;
use crate::journal::StateDir;
use crate::map::{Fate, Pipeline};
use crate::monitor::{Monitor, Progress};
use crate::plan::shape::text_columns;
use crate::project::{Mapping, Origin, Problem, Severity, problem_at};
use crate::resolve::keys::{KeyHash, key_hash, key_text};

/// How the static warning about columns that stay behind begins; the one with counts takes its place.
pub(super) const LEFT_BEHIND: &str = "left behind: ";
/// Columns that are named one by one.
const NAMED: usize = 12;
/// A mapped pair below it is doubtful where another one has at least [`SURE`].
const DOUBTFUL: f64 = 0.5;
const SURE: f64 = 0.9;

/// What the rows of one mapping say.
#[derive(Default)]
struct Seen {
    rows: u64,
    rejected: u64,
    /// Field, reason → rows.
    causes: BTreeMap<(String, String), u64>,
    /// Columns that nothing reads → rows with data.
    unread: Vec<(String, u64)>,
    /// Keys of the rows that are carried over, and of those that are not.
    keys: HashSet<KeyHash>,
    /// Per link field: the key that is named → rows that do.
    links: Vec<(String, String, HashMap<String, u64>)>,
}

impl Workspace {
    /// [`Workspace::check`], and what the rows of all sources say: rows that fail, data that stays behind, links to records
    /// that are not there, mapped fields that another source fits better, suggestions that wait.
    pub fn check_rows(&self, monitor: &dyn Monitor) -> Result<Vec<Problem>> {
        let mut problems = self.check(monitor)?;
        let broken = |mapping: &Mapping, problems: &[Problem]| {
            problems.iter().any(|one| one.severity == Severity::Error && one.file == mapping.path)
        };
        let sound: Vec<&Mapping> =
            self.project().mappings.iter().filter(|mapping| !broken(mapping, &problems)).collect();
        let mut all: Vec<(&Mapping, Seen)> = Vec::with_capacity(sound.len());
        for mapping in sound {
            monitor.check()?;
            match self.look_through(mapping, monitor) {
                Ok(seen) => all.push((mapping, seen)),
                // A source that cannot be read is a finding, not the end of the check.
                Err(error) => {
                    if monitor.check().is_err() {
                        return Err(error);
                    }
                    problems.push(problem_at(self.project(), mapping, Severity::Error, "from", error.to_string()));
                }
            }
        }
        for at in 0..all.len() {
            monitor.check()?;
            let (mapping, _) = &all[at];
            problems.retain(|one| one.file != mapping.path || !one.message.starts_with(LEFT_BEHIND));
            self.say_rows(&all[at], &mut problems);
            self.say_orphans(at, &all, &mut problems)?;
            self.say_doubts(mapping, monitor, &mut problems);
        }
        Ok(problems)
    }

    fn look_through(&self, mapping: &Mapping, monitor: &dyn Monitor) -> Result<Seen> {
        let from = &mapping.from;
        let source = self.snapshot(&from.platform, &from.source, &from.label, Freshness::Cached, monitor)?;
        let columns: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
        let pipeline = Pipeline::compile(mapping, &columns, &self.project().root)
            .map_err(|found| super::plans::problems_error(&found))?;
        let reads = pipeline.reads();
        let mut seen = Seen {
            unread: columns
                .iter()
                .filter(|name| !reads.contains(name) && !mapping.ignore.contains(name))
                .map(|name| (name.clone(), 0))
                .collect(),
            links: mapping
                .fields
                .iter()
                .filter_map(|field| Some((field.target.clone(), field.link.clone()?, HashMap::new())))
                .collect(),
            ..Seen::default()
        };
        let targets: Vec<String> = mapping.fields.iter().map(|field| field.target.clone()).collect();
        let place = |name: &String| targets.iter().position(|target| target == name);
        let keys: Vec<usize> = mapping.key.iter().filter_map(place).collect();
        for batch in source.batches(None)? {
            monitor.check()?;
            let batch = batch?;
            for (name, filled) in &mut seen.unread {
                let cells = batch.column(name)?.str()?;
                *filled += cells.iter().flatten().filter(|cell| !cell.trim().is_empty()).count() as u64;
            }
            let outcome = pipeline.apply(&batch)?;
            for failure in &outcome.failures {
                let field = targets.get(failure.field).cloned().unwrap_or_default();
                let reason = format!("{}: {}", failure.step, failure.reason);
                *seen.causes.entry((field, reason)).or_default() += 1;
            }
            seen.rejected += outcome.fates.iter().filter(|fate| **fate == Fate::Rejected).count() as u64;
            let cells = text_columns(&outcome.mapped, &targets)?;
            for (row, fate) in outcome.fates.iter().enumerate() {
                let parts: Vec<Option<String>> =
                    keys.iter().map(|key| cells[*key].get(row).map(|cell| pipeline.canonical(*key, cell))).collect();
                if let Some(key) = key_text(parts.iter().map(Option::as_deref)) {
                    seen.keys.insert(key_hash(&key));
                }
                if *fate != Fate::Accepted {
                    continue;
                }
                for (target, _, named) in &mut seen.links {
                    let at = targets.iter().position(|name| name == target).unwrap_or_default();
                    if let Some(cell) = cells[at].get(row).filter(|cell| !cell.is_empty()) {
                        *named.entry(cell.to_owned()).or_default() += 1;
                    }
                }
            }
            seen.rows += outcome.fates.len() as u64;
            monitor.report(Progress {
                step: format!("checking the rows of {}", mapping.name),
                done: seen.rows,
                total: Some(source.meta().rows),
            });
        }
        Ok(seen)
    }

    fn say_rows(&self, (mapping, seen): &(&Mapping, Seen), problems: &mut Vec<Problem>) {
        let at = |field: &str, message: String| problem_at(self.project(), mapping, Severity::Warning, field, message);
        let mut left: Vec<&(String, u64)> = seen.unread.iter().filter(|(_, filled)| *filled > 0).collect();
        left.sort_by_key(|(_, filled)| std::cmp::Reverse(*filled));
        if !left.is_empty() {
            let named: Vec<String> =
                left.iter().take(NAMED).map(|(name, filled)| format!("{name} ({filled} rows)")).collect();
            let more = left.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let message = format!(
                "{LEFT_BEHIND}{}{more}; map them, or list them under ignore if they may stay behind",
                named.join(", ")
            );
            problems.push(at("fields", message));
        }
        let mut causes: Vec<(&(String, String), &u64)> = seen.causes.iter().collect();
        causes.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
        for ((field, reason), rows) in causes {
            problems.push(at(&format!("fields.{field}"), format!("{rows} of {} rows fail: {reason}", seen.rows)));
        }
        let budget = mapping.run.error_budget.of(seen.rows);
        if seen.rejected > budget {
            let message = format!(
                "{} of {} rows would be rejected, the error budget allows {budget} ({}): nothing would be published",
                seen.rejected, seen.rows, mapping.run.error_budget
            );
            problems.push(at("run", message));
        }
    }

    /// Links to records that neither the parent's rows nor the crosswalk have.
    fn say_orphans(&self, at: usize, all: &[(&Mapping, Seen)], problems: &mut Vec<Problem>) -> Result<()> {
        let (mapping, seen) = &all[at];
        for (field, link, named) in &seen.links {
            let Some((parent, parents)) = all.iter().find(|(parent, _)| parent.name == *link) else { continue };
            let missing: Vec<(&String, u64)> = named
                .iter()
                .filter(|(key, _)| !parents.keys.contains(&key_hash(key)))
                .map(|(key, rows)| (key, *rows))
                .collect();
            if missing.is_empty() {
                continue;
            }
            let crosswalk = StateDir::of(&self.project().root).crosswalk(self.project().env.as_deref())?;
            let known = crosswalk.get_many(&parent.to.to_string(), missing.iter().map(|(key, _)| key.as_str()))?;
            let lost = missing.iter().zip(known).filter(|(_, known)| known.is_none());
            let (keys, rows) = lost.fold((0_u64, 0_u64), |(keys, rows), ((_, count), _)| (keys + 1, rows + count));
            if keys > 0 {
                let miss = mapping.field(field).map_or("reject", |field| match field.on_miss {
                    crate::project::OnMiss::Reject => "are rejected",
                    crate::project::OnMiss::Defer => "wait",
                    crate::project::OnMiss::Null => "come without",
                });
                let message = format!("{rows} rows name {keys} records of {link} that are not there: they {miss}");
                problems.push(problem_at(
                    self.project(),
                    mapping,
                    Severity::Warning,
                    &format!("fields.{field}"),
                    message,
                ));
            }
        }
        Ok(())
    }

    /// Mapped fields that another source fits better, and suggestions that nobody decided on.
    fn say_doubts(&self, mapping: &Mapping, monitor: &dyn Monitor, problems: &mut Vec<Problem>) {
        let Ok(studio) = self.studio(mapping, monitor) else { return };
        let at = |field: &str, message: String| problem_at(self.project(), mapping, Severity::Warning, field, message);
        for field in &mapping.fields {
            let Origin::From(from) = &field.origin else { continue };
            let list = studio.for_target(&field.target);
            let own = list.iter().find(|item| item.from == *from).map_or(0.0, |item| item.score);
            let other = list.iter().find(|item| item.from != *from && item.rank == 1 && item.score >= SURE);
            if let Some(other) = other.filter(|_| own < DOUBTFUL) {
                let why = other.reasons.first().map_or("", String::as_str);
                let message =
                    format!("doubtful: filled from {from}, but {} fits better ({:.2}: {why})", other.from, other.score);
                problems.push(at(&format!("fields.{}", field.target), message));
            }
        }
        let read = |name: &str| mapping.fields.iter().any(|field| field.reads(name));
        let open = studio.open(mapping, DOUBTFUL);
        let open: Vec<String> = open
            .iter()
            .filter(|item| !item.sources().iter().any(|name| read(name)))
            .map(|item| format!("{} from {} ({:.2})", item.to, item.sources().join(" + "), item.score))
            .collect();
        if !open.is_empty() {
            let shown = open[..open.len().min(NAMED)].join(", ");
            let message = format!(
                "suggestions wait for {} fields: {shown}; see `crm-console map show {}`",
                open.len(),
                mapping.name
            );
            problems.push(at("fields", message));
        }
    }
}
